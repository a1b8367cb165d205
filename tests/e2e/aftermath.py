"""What is left after a fault: in the room, on the phones, and of the caller's service."""

from __future__ import annotations

import asyncio
import time

from . import cast, tones
from .call import Call
from .switchboard import SPOKEN, TransferCall


def leftovers(room: dict[str, int]) -> dict[str, int]:
    """What a transfer put into a room: legs, lines of a briefing, tracks beside the AI's voice."""
    return {
        identity: tracks
        for identity, tracks in room.items()
        if identity.startswith("human-")
        or "-briefing-" in identity
        or (identity.startswith("agent-") and tracks > 1)
    }


async def nothing_of_ours(call: TransferCall, within: float = 5.0) -> None:
    """Wait until the room holds nothing that a transfer has put there."""
    give_up = time.monotonic() + within
    while left := leftovers(await call.room()):
        assert time.monotonic() < give_up, f"left behind: {left}"
        await asyncio.sleep(0.05)


async def nobody_but_agents(call: TransferCall, within: float = 5.0) -> None:
    """Wait until all phones are out of the room, and nothing that a transfer has put there is."""
    give_up = time.monotonic() + within
    while True:
        room = await call.room()
        legs = [identity for identity in room if not identity.startswith("agent-")]
        if not legs and not leftovers(room):
            return
        assert time.monotonic() < give_up, f"left behind: {room}"
        await asyncio.sleep(0.05)


async def served(call: TransferCall, within: float) -> float:
    """Ask until an AI answers the caller (after a restart there are two); when that was."""
    question = tones.tone(cast.ACCOUNT, SPOKEN)
    answer = call.caller.hears(cast.ANSWER, within=within)
    return await call.caller.say_until(question, answer, every=2.0)


async def in_order_again(call: TransferCall, *, gone_within: float, served_within: float) -> None:
    """Nothing of the transfer is left, an AI serves the caller, and his call ends as any other."""
    await nothing_of_ours(call, within=gone_within)
    call.caller.quiet()
    await served(call, served_within)
    dialled_once(call)
    await call.caller.hang_up()
    await nobody_but_agents(call)


def dialled_once(call: TransferCall) -> None:
    """No phone got a second INVITE."""
    found = [(len(phone.call_ids), phone.duplicates) for phone in call.phones]
    assert found == [(1, 0)] * len(call.phones), f"calls and duplicates by phone: {found}"


def first(call: Call, pitch: int, after: float) -> float:
    """Seconds after a moment at which a tone is first heard."""
    found = tones.first_heard(call.recording, pitch, after=after)
    assert found is not None, f"not heard: {pitch} Hz"
    return found - after


def last(call: Call, pitch: int, after: float) -> float:
    """Seconds after a moment at which a tone is last heard; 0 if it is not heard."""
    found = tones.last_heard(call.recording, pitch, after=after)
    return 0.0 if found is None else found + 0.02 - after


async def heard_by_now(call: TransferCall, human: Call) -> None:
    """Both talk, and hear each other."""
    call.caller.tone(cast.CALLER)
    human.tone(cast.HUMAN)
    await asyncio.gather(call.caller.hears(cast.HUMAN), human.hears(cast.CALLER))


def told(fault: str, **figures: float | str) -> None:
    """Print what was measured, for docs/topics/reliability.md (shown with `pytest -rP`)."""
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value:.2f} s" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
    )
    print(f"{fault}: {shown}")
