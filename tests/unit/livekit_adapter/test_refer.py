"""A REFER: what is confirmed, and what nobody has seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer._livekit.signalling.refer_request import UNSEEN, refer
from livetransfer._livekit.tasks import Tasks
from livetransfer.control import Referred
from livetransfer.errors import ReferFailed

from .livekit_fakes import fake_call

pytestmark = pytest.mark.usefixtures("clock")


async def refer_of(room: Any, wire: Any, events: Any) -> Referred:
    return await refer(
        wire, events, Tasks(), "caller", "tel:+15550100", headers={}, timeout=5.0,
        play_dialtone=False,
    )  # fmt: skip


async def leaving(room: Any, after: float) -> None:
    await asyncio.sleep(after)
    room.leave("caller")


async def test_a_leg_that_stays_is_confirmed() -> None:
    room, wire, events = fake_call()
    wire.refer_takes = 1.0
    assert (await refer_of(room, wire, events)).confirmed


@pytest.mark.parametrize("late", [0.0, 0.001, 0.016, UNSEEN - 0.005])
async def test_a_leg_that_leaves_with_the_answer_is_not(late: float) -> None:
    room, wire, events = fake_call()
    wire.refer_takes = 1.0
    going = asyncio.create_task(leaving(room, 1.001 + late))
    assert not (await refer_of(room, wire, events)).confirmed
    await going


async def test_a_leg_that_leaves_before_the_answer_is_not() -> None:
    room, wire, events = fake_call()
    wire.refer_takes = 1.0
    going = asyncio.create_task(leaving(room, 0.99))
    assert not (await refer_of(room, wire, events)).confirmed
    await going


async def test_a_leg_that_the_server_does_not_know_any_more_is_not() -> None:
    room, wire, events = fake_call()
    del room.known["caller"]
    assert "caller" in room.remote_participants
    assert not (await refer_of(room, wire, events)).confirmed


async def test_a_server_that_cannot_be_asked_confirms_nothing() -> None:
    room, wire, events = fake_call()
    wire.fail["participant"].append(ConnectionResetError())
    assert not (await refer_of(room, wire, events)).confirmed


async def test_an_answer_that_never_comes_is_indeterminate() -> None:
    room, wire, events = fake_call()
    wire.refer_takes = 60.0
    going = asyncio.create_task(leaving(room, 1.0))
    with pytest.raises(ReferFailed) as caught:
        await refer_of(room, wire, events)
    assert caught.value.indeterminate
    await going
