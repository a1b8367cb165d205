"""A caller in a browser who reloads the page keeps the transfer, and the human."""

from __future__ import annotations

import asyncio

import pytest

from livetransfer import TransferStatus, WarmTransfer
from livetransfer.testing import Human, simulate
from livetransfer.testing.parties import Web
from tests.unit.transfers import rig

ANN = "+15550100"


async def test_who_is_back_within_the_grace_is_connected() -> None:
    async with simulate(humans={ANN: Human.accepts(after=3)}, caller=Web()) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            await asyncio.sleep(6)
            call.caller.leaves("the page was reloaded")
            await asyncio.sleep(0.5)
            call.caller.comes_back()
            assert (await r.outcome()).bridged
            await asyncio.sleep(1)
            assert call.caller.talks_to(ANN)


@pytest.mark.parametrize(("grace", "waits"), [(None, 5.0), (2, 2.0), (0, 0.0)])
async def test_who_does_not_come_back_has_left(grace: float | None, waits: float) -> None:
    async with simulate(humans={ANN: Human.no_answer()}, caller=Web()) as call:
        async with rig(call, WarmTransfer(ANN, caller_grace=grace).run) as r:
            r.ask()
            await asyncio.sleep(6)
            call.caller.leaves("the page was closed")
            left = call.now
            assert (await r.outcome()).status is TransferStatus.CALLER_LEFT
            assert call.now - left == pytest.approx(waits, abs=0.3)
            assert not call.human(ANN).ringing


async def test_a_phone_that_has_hung_up_is_gone_at_once() -> None:
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            await asyncio.sleep(6)
            call.caller.hang_up()
            left = call.now
            assert (await r.outcome()).status is TransferStatus.CALLER_LEFT
            assert call.now - left < 0.3
