"""The contract of stores: callers who wait, and that nobody overtakes."""

from __future__ import annotations

import asyncio
import time

import pytest

from livetransfer.errors import ConfigurationError
from livetransfer.stores import Taken, Ticket

from .rigs import Rig

TTL = 0.4
LONG = 60.0


def ticket(call: str, *members: str, priority: int = 0, waited: float = 0.0) -> Ticket:
    return Ticket(call, "billing", priority, waited, frozenset(members or ("anna",)))


async def take(rig: Rig, asked: Ticket, *names: str) -> list[str]:
    found = await rig.store.take("team", asked, [[name] for name in names or ("anna",)], ttl=LONG)
    return [grant.member for grant in found.grants] if isinstance(found, Taken) else []


async def line(rig: Rig) -> list[str]:
    return [waiting.call for waiting in (await rig.other.snapshot("team", ())).waiting]


async def test_callers_wait_by_priority_then_age(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), LONG)
    await rig.other.join("team", ticket("second"), LONG)
    await rig.store.join("team", ticket("older", waited=5), LONG)
    await rig.store.join("team", ticket("important", priority=2), LONG)

    snapshot = await rig.other.snapshot("team", ())
    assert await line(rig) == ["important", "older", "first", "second"]
    assert [snapshot.position(call) for call in ("important", "second", "nobody")] == [1, 4, None]
    assert snapshot.now - snapshot.waiting[1].since == pytest.approx(5, abs=0.5)


async def test_a_position_counts_the_callers_of_its_own_queue(rig: Rig) -> None:
    await rig.store.join("team", Ticket("1", "sales"), LONG)
    await rig.store.join("team", ticket("2"), LONG)

    assert (await rig.store.snapshot("team", ())).position("2") == 1


async def test_nobody_overtakes_one_who_could_take_the_same_member(rig: Rig) -> None:
    await rig.store.join("team", ticket("first", "anna"), LONG)
    await rig.store.join("team", ticket("second", "anna", "ben"), LONG)

    assert await take(rig, ticket("new", "anna")) == []
    assert await take(rig, ticket("second", "anna", "ben"), "anna") == []
    assert await take(rig, ticket("second", "anna", "ben"), "anna", "ben") == ["ben"]
    assert await take(rig, ticket("first", "anna")) == ["anna"]


async def test_a_higher_priority_goes_first(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), LONG)

    assert await take(rig, ticket("important", priority=1)) == ["anna"]


async def test_one_who_has_waited_elsewhere_keeps_his_age(rig: Rig) -> None:
    await rig.store.join("team", ticket("first", waited=10), LONG)

    assert await take(rig, ticket("longer", waited=20)) == ["anna"]


async def test_who_takes_somebody_waits_no_more(rig: Rig) -> None:
    await rig.store.join("team", ticket("first", "anna", "ben"), LONG)
    await rig.store.join("team", ticket("second", "anna", "ben"), LONG)

    assert await take(rig, ticket("first", "anna", "ben")) == ["anna"]
    assert await line(rig) == ["second"]
    assert await take(rig, ticket("second", "anna", "ben"), "ben") == ["ben"]


async def test_who_waits_again_has_the_place_he_had(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), LONG)
    await asyncio.sleep(0.01)
    await rig.store.join("team", ticket("second"), LONG)
    await take(rig, ticket("first"))

    await rig.other.join("team", ticket("first"), LONG)

    assert await line(rig) == ["first", "second"]


async def test_a_job_that_restarts_gets_its_callers_place_back(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), TTL)
    await asyncio.sleep(0.01)
    await rig.store.join("team", ticket("second"), LONG)
    await rig.passes(TTL / 2)

    await rig.other.join("team", ticket("first"), LONG)

    assert await line(rig) == ["first", "second"]


async def test_the_place_of_a_worker_that_has_died_is_free(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), TTL)
    await rig.store.join("team", ticket("second"), LONG)
    await rig.passes(TTL + 0.1)

    assert await line(rig) == ["second"]
    assert await take(rig, ticket("second")) == ["anna"]


async def test_a_place_that_is_kept_does_not_expire(rig: Rig) -> None:
    asked = ticket("first")
    await rig.store.join("team", asked, TTL)
    await rig.store.join("team", ticket("second"), LONG)
    for _ in range(3):
        await rig.passes(TTL * 0.6)
        await rig.store.stay("team", asked, TTL)

    assert await line(rig) == ["first", "second"]


async def test_a_place_that_has_expired_is_taken_again_by_its_age(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), TTL)
    await rig.store.join("team", ticket("second"), LONG)
    await rig.passes(TTL + 0.1)
    assert await line(rig) == ["second"]

    await rig.store.stay("team", ticket("first", waited=TTL + 0.3), LONG)

    assert await line(rig) == ["first", "second"]


async def test_a_renewal_that_comes_late_is_no_place(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), LONG)
    await take(rig, ticket("first"))

    await rig.store.stay("team", ticket("first"), LONG)

    assert await line(rig) == []


async def test_a_place_is_given_up(rig: Rig) -> None:
    await rig.store.join("team", ticket("first"), LONG)
    await rig.other.leave("team", "first")
    await rig.other.leave("team", "first")

    assert await line(rig) == []
    assert await take(rig, ticket("second")) == ["anna"]


async def test_who_joins_again_may_want_others(rig: Rig) -> None:
    await rig.store.join("team", ticket("first", "anna"), LONG)
    await rig.store.join("team", ticket("first", "ben"), LONG)

    assert await line(rig) == ["first"]
    assert await take(rig, ticket("second", "anna")) == ["anna"]
    assert await take(rig, ticket("third", "ben"), "ben") == []


async def test_members_names_are_not_mixed_up(rig: Rig) -> None:
    await rig.store.join("team", ticket("first", "anna maria", "ben"), LONG)

    assert await take(rig, ticket("second", "anna"), "anna") == ["anna"]
    assert await take(rig, ticket("third", "anna maria"), "anna maria") == []


def test_a_ticket_names_its_call() -> None:
    with pytest.raises(ConfigurationError, match="name of its call"):
        Ticket("", "billing")


# -- news ----------------------------------------------------------------------------------


async def test_news_come_from_another_process(rig: Rig) -> None:
    version = (await rig.store.snapshot("team", ())).version
    news = asyncio.create_task(rig.store.news("team", version, 20))
    await asyncio.sleep(0.3)
    assert not news.done()
    began = time.monotonic()

    await rig.other.pause("team", "anna")

    await asyncio.wait_for(news, 2)
    assert time.monotonic() - began < 1


async def test_news_that_have_come_before_are_not_waited_for(rig: Rig) -> None:
    version = (await rig.store.snapshot("team", ())).version
    await rig.other.pause("team", "anna")

    await asyncio.wait_for(rig.store.news("team", version, 20), 2)


async def test_no_news_within_the_time(rig: Rig) -> None:
    version = (await rig.store.snapshot("team", ())).version
    began = time.monotonic()

    await rig.store.news("team", version, 0.3)

    assert 0.25 < time.monotonic() - began < 1.5
