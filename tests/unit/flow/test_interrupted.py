"""Somebody interrupts the AI by force while a transfer runs: that ends nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import RunContext

from livetransfer import (
    WarmTransfer,
    WarmTransferFailure,
    WarmTransferResult,
    WarmTransferTask,
)
from livetransfer.testing import Human, simulate
from tests.unit.task.tasks import ANN, awaited, failure, result
from tests.unit.transfers import rig


@pytest.mark.parametrize("kind", ["task", "warm"])
async def test_a_forced_interruption_is_not_the_end_of_the_session(kind: str) -> None:
    """LiveKit's own RemoteSession does it for a text that somebody types ("run_input")."""

    async def transfer(context: RunContext[Any]) -> Any:
        if kind == "task":
            return await WarmTransferTask(ANN)
        return await WarmTransfer(ANN).run(context)

    async with simulate(humans={ANN: Human.accepts(after=8)}) as call:
        async with rig(call, transfer) as r:
            r.ask()
            await asyncio.sleep(5)
            assert call.human(ANN).ringing
            r.session.interrupt(force=True)
            got = await result(r)
            assert isinstance(got, WarmTransferResult) or got.succeeded, got
            assert call.caller.talks_to(ANN)


async def test_a_session_that_is_closed_after_a_forced_interruption_ends_it() -> None:
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, lambda c: awaited(WarmTransferTask(ANN), c)) as r:
            r.ask()
            await asyncio.sleep(5)
            r.session.interrupt(force=True)
            await asyncio.sleep(1)
            await asyncio.wait_for(r.session.aclose(), 5)
            assert (await failure(r)).code is WarmTransferFailure.ROOM_CLOSED
        assert call.leftovers() == []


@pytest.mark.parametrize("human", [Human.busy(), Human.silent(after=2)], ids=["busy", "exit key"])
async def test_the_ai_speaks_although_the_tools_own_reply_is_lost(human: Human) -> None:
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN, exit_key="0", announcement="Wait.").run) as r:
            r.ask()
            while not call.caller.hears("hold-music"):
                await asyncio.sleep(0.02)
            r.session.interrupt(force=True)
            call.at(8, lambda: call.caller.press("0"))
            outcome = await r.outcome()
            assert outcome.caller_present
            back = call.now
            await asyncio.sleep(4)
            assert call.caller.heard("agent", start=back)
