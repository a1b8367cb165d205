"""What the library tells of a room that is deleted under two who talk."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

import pytest

from livetransfer import WarmTransfer
from livetransfer.testing import Human, Simulation, simulate
from tests.unit.transfers import rig

ANN = "+15550100"
WARNING = "the room was deleted while the caller talked with the person"


def warned(caplog: pytest.LogCaptureFixture) -> int:
    return sum(
        WARNING in one.getMessage() and one.levelno == logging.WARNING for one in caplog.records
    )


@pytest.mark.parametrize("after", ["end", "return"])
async def test_a_room_that_is_deleted_while_two_talk_is_told_once(
    after: Literal["end", "return"], caplog: pytest.LogCaptureFixture
) -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(ANN, after=after).run) as r:
            r.ask()
            outcome = await r.outcome()
            await asyncio.sleep(5)
            assert not warned(caplog)
            call.lose()
            end = await outcome.ended()
            assert end.by == "lost"
            assert not end.returned
            await asyncio.sleep(5)
            assert warned(caplog) == 1


def hung_up(call: Simulation) -> None:
    call.caller.hang_up()


def lost(call: Simulation) -> None:
    call.lose(parties_leave=False)


@pytest.mark.parametrize("ends", [hung_up, lost])
async def test_a_room_that_is_deleted_after_the_call_or_only_lost_is_not_told(
    ends: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(ends)
    async with simulate(humans={ANN: Human.accepts()}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            outcome = await r.outcome()
            await asyncio.sleep(5)
            ends(call)
            await outcome.ended()
            call.lose()
            await asyncio.sleep(5)
            assert not warned(caplog)
