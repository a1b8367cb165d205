"""How long a caller may be kept waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer._flow.patience import Patience
from livetransfer.testing.clock import Clock


def never() -> set[asyncio.Future[Any]]:
    return {asyncio.get_running_loop().create_future()}


async def test_a_wait_ends_with_its_own_limit_or_with_the_hold(clock: Clock) -> None:
    patience = Patience(10)
    assert not await patience.first_of(never(), 20), "not on hold, nothing bounds it but itself"
    assert clock.elapsed == pytest.approx(20)
    patience.held()
    assert not await patience.first_of(never(), 4)
    assert await patience.first_of(never(), 60)
    assert clock.elapsed == pytest.approx(30)
    assert await patience.first_of(never(), None), "at once"
    assert clock.elapsed == pytest.approx(30)
    assert patience.seconds_on_hold == pytest.approx(10)


async def test_a_hold_that_begins_during_a_wait_bounds_it(clock: Clock) -> None:
    patience = Patience(10)
    asyncio.get_running_loop().call_later(5, patience.held)
    assert await patience.first_of(never(), 60)
    assert clock.elapsed == pytest.approx(15)


async def test_its_own_limit_holds_too_when_a_hold_begins(clock: Clock) -> None:
    patience = Patience(10)
    asyncio.get_running_loop().call_later(5, patience.held)
    assert not await patience.first_of(never(), 8)
    assert clock.elapsed == pytest.approx(8)


async def test_what_is_waited_for_ends_it(clock: Clock) -> None:
    patience, (awaited,) = Patience(10), never()
    patience.held()
    asyncio.get_running_loop().call_later(3, awaited.set_result, None)
    assert not await patience.first_of({awaited}, 60)
    assert clock.elapsed == pytest.approx(3)


async def test_it_counts_from_the_hold_and_without_one_from_the_first_dial(clock: Clock) -> None:
    patience = Patience(10)
    await asyncio.sleep(60)
    assert not patience.over
    patience.dialled()
    await asyncio.sleep(6)
    patience.dialled()
    assert not patience.over
    await asyncio.sleep(3.5)
    assert patience.over, "less than a second is left"
    patience.held()
    assert not patience.over
    await asyncio.sleep(9.5)
    assert patience.over
