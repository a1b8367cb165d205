"""The contract of stores: what the guard counts."""

from __future__ import annotations

import asyncio

import pytest

from livetransfer.stores import Count

from .rigs import Rig

TTL = 0.4


def count(key: str = "hour", amount: float = 1, limit: float = 2, seconds: float = 60) -> Count:
    return Count(key, amount, limit, seconds)


async def test_what_is_over_its_limit_is_refused(rig: Rig) -> None:
    asked = count()

    assert [await rig.store.count(f"{i}", [asked]) for i in range(4)] == [None, None, asked, asked]
    assert await rig.other.count("x", [asked]) == asked


async def test_amounts_are_summed(rig: Rig) -> None:
    assert await rig.store.count("1", [count(amount=1.5)]) is None
    assert await rig.store.count("2", [count(amount=0.75)]) is not None
    assert await rig.store.count("3", [count(amount=0.5)]) is None


async def test_all_are_entered_or_none(rig: Rig) -> None:
    one, other = count("a", limit=5), count("b", limit=1)

    assert await rig.store.count("1", [one, other]) is None
    for i in range(5):
        assert await rig.store.count(f"again {i}", [one, other]) == other
    left = [await rig.store.count(f"only {i}", [one]) for i in range(5)]
    assert left == [None] * 4 + [one]


async def test_what_has_counted_long_enough_is_forgotten(rig: Rig) -> None:
    asked = count(limit=1, seconds=TTL)
    assert await rig.store.count("1", [asked]) is None
    assert await rig.store.count("2", [asked]) == asked

    await rig.passes(TTL + 0.1)

    assert await rig.store.count("3", [asked]) is None


async def test_what_was_counted_is_amended(rig: Rig) -> None:
    await rig.store.count("1", [count(amount=2)])
    await rig.other.amend("1", "hour", 1)
    assert await rig.store.count("2", [count(amount=2)]) is not None
    assert await rig.store.count("3", [count()]) is None


@pytest.mark.parametrize("times", [1, 3])
async def test_what_is_taken_out_counts_no_more(rig: Rig, times: int) -> None:
    asked = count(limit=1)
    await rig.store.count("1", [asked])
    for _ in range(times):
        await rig.store.amend("1", "hour", 0)

    assert await rig.store.count("2", [asked]) is None
    assert await rig.store.count("3", [asked]) == asked


async def test_an_entry_that_is_gone_stays_gone(rig: Rig) -> None:
    asked = count(limit=1, seconds=TTL)
    await rig.store.count("1", [asked])
    await rig.passes(TTL + 0.1)
    await rig.store.amend("1", "hour", 1)
    await rig.store.amend("never", "hour", 1)

    assert await rig.store.count("2", [asked]) is None


async def test_the_last_place_goes_to_one(rig: Rig) -> None:
    asked = count(limit=3)
    stores = [rig.store, rig.other] * 10

    found = await asyncio.gather(*(s.count(f"{i}", [asked]) for i, s in enumerate(stores)))

    assert found.count(None) == 3
