"""Hold music with no transfer: the caller hears it while a slow system is asked."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import Agent, RunContext
from livekit.agents.llm import function_tool

from livetransfer.hold import Comfort, HoldMusicPlayer

# Once for all calls: whatever it plays is decoded once.
MUSIC = HoldMusicPlayer(start="random", fade_in=0.5)


async def ask_the_warehouse(number: str) -> str:
    """Stands for what takes its time."""
    await asyncio.sleep(8)
    return f"Order {number} was sent this morning."


async def look_up(line: Any, caller: str, number: str) -> str:
    """Play music to the caller, and to nobody else, for as long as it takes."""
    async with MUSIC.playing(line, to=caller):
        return await ask_the_warehouse(number)


class Clerk(Agent):
    """Knows where orders are."""

    def __init__(self) -> None:
        super().__init__(instructions="You help callers with their orders.")

    @function_tool
    async def where_is(self, context: RunContext[Any], number: str) -> str:
        """Find out where an order is. It takes a few seconds; say so before.

        Args:
            number: The number of the order.
        """
        await context.wait_for_playout()  # let the sentence before the music end
        caller = context.session.room_io.linked_participant
        if caller is None:
            return await ask_the_warehouse(number)
        return await look_up(context.session.room_io.room, caller.identity, number)


async def with_a_line_now_and_then(room: Any, caller: str, thanks: bytes) -> None:
    """As above, with a recorded line every 15 s; say() speaks one more."""
    player = HoldMusicPlayer(comfort=Comfort(every=15, lines=[thanks]))
    async with player.playing(room, to=caller) as handle:
        await asyncio.sleep(20)
        await handle.say(thanks)
