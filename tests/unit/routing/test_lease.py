"""Leases and places: renewed while somebody holds them, ended once, whatever the store does."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from livetransfer._tasks import kept
from livetransfer.errors import ConfigurationError, StoreUnavailableError
from livetransfer.routing.lease import LeaseTerms, MemberLease, take
from livetransfer.routing.offer import Lease, Place
from livetransfer.routing.queue_place import QueuePlace
from livetransfer.status import TransferStatus
from livetransfer.stores import Grant, Groups, MemoryStore, Stale, Taken, Ticket, Usage
from livetransfer.testing import virtual_time

TEAM = "team"
TERMS = LeaseTerms(ttl=30, wrap_up=20, talk_time_unknown=300, autopause_after=2)


class Store(MemoryStore):
    """A store that can be lost, and that can be slow to give somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False
        self.slow = 0.0
        self.renewals = self.releases = 0

    def _see(self) -> None:
        if self.lost:
            raise StoreUnavailableError("lost")

    async def take(
        self,
        team: str,
        ticket: Ticket,
        groups: Groups,
        *,
        ttl: float,
        capacities: Mapping[str, int] | None = None,
        version: int | None = None,
        turns: Mapping[str, str] | None = None,
    ) -> Taken | Stale | None:
        self._see()
        found = await super().take(
            team, ticket, groups, ttl=ttl, capacities=capacities, version=version, turns=turns
        )
        await asyncio.sleep(self.slow)
        return found

    async def renew(self, team: str, grant: Grant, phase: Any, ttl: float) -> bool:
        self._see()
        self.renewals += 1
        return await super().renew(team, grant, phase, ttl)

    async def release(self, team: str, grant: Grant, usage: Usage) -> None:
        self._see()
        self.releases += 1
        await super().release(team, grant, usage)

    async def stay(self, team: str, ticket: Ticket, ttl: float) -> None:
        self._see()
        await super().stay(team, ticket, ttl)

    async def doing(self, member: str = "anna") -> list[str]:
        """What a member does now."""
        snapshot = await self.snapshot(TEAM, [member])
        return [held.phase for held in snapshot.state(member).alive(snapshot.now)]


async def lease_of(store: Store, call: str = "1", terms: LeaseTerms = TERMS) -> MemberLease:
    found = await take(store, TEAM, Ticket(call, "billing"), [["anna"]], terms={"anna": terms})
    assert isinstance(found, tuple)
    (lease,) = found
    assert isinstance(lease, Lease)
    assert lease.member == "anna"
    return lease


async def test_a_lease_is_renewed_while_somebody_holds_it() -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        await asyncio.sleep(300)
        assert await store.doing() == ["ringing"]
        await lease.talking()
        await asyncio.sleep(3000)
        assert await store.doing() == ["talking"]
        await lease.release(TransferStatus.BRIDGED, talked=True)
        assert await store.doing() == ["wrap_up"]
        await asyncio.sleep(20.1)
        assert await store.doing() == []
        renewals = store.renewals
        await asyncio.sleep(300)
        assert (store.renewals, store.releases) == (renewals, 1)


async def test_a_lease_that_nobody_holds_expires() -> None:
    store = Store()
    async with virtual_time():
        lease: MemberLease | None = await lease_of(store)
        await asyncio.sleep(100)
        assert await store.doing() == ["ringing"]
        del lease
        gc.collect()
        await asyncio.sleep(30.1)
        assert await store.doing() == []


async def test_a_lease_is_released_once() -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        for _ in range(3):
            await lease.release(TransferStatus.NO_ANSWER)
        await lease.talking()
        await lease.leave_talking()
        assert await store.doing() == []
        assert store.releases == 1
        assert (await store.snapshot(TEAM, ["anna"])).state("anna").missed == 1


@pytest.mark.parametrize(
    ("status", "missed"),
    [
        (TransferStatus.NO_ANSWER, 2),
        (TransferStatus.VOICEMAIL, 2),
        (TransferStatus.DECLINED, 0),
        (TransferStatus.BUSY, 1),
        (TransferStatus.ANSWERED_ELSEWHERE, 1),
        (TransferStatus.CALLER_LEFT, 1),
        (TransferStatus.INDETERMINATE, 1),
    ],
)
async def test_what_a_phone_says_of_its_member(status: TransferStatus, missed: int) -> None:
    store = Store()
    terms = LeaseTerms()
    async with virtual_time():
        await (await lease_of(store, terms=terms)).release(TransferStatus.NO_ANSWER)
        await (await lease_of(store, terms=terms)).release(status)
        assert (await store.snapshot(TEAM, ["anna"])).state("anna").missed == missed


async def test_a_member_who_does_not_answer_is_paused() -> None:
    store = Store()
    async with virtual_time():
        for _ in range(2):
            await (await lease_of(store)).release(TransferStatus.NO_ANSWER)
        found = await take(store, TEAM, Ticket("3", "q"), [["anna"]], terms={"anna": TERMS})
        assert found is None


async def test_a_call_whose_end_nobody_sees_is_bounded() -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        await lease.leave_talking()
        await lease.release(TransferStatus.BRIDGED, talked=True)
        await asyncio.sleep(299)
        assert await store.doing() == ["talking"]
        await asyncio.sleep(2)
        assert await store.doing() == []


async def test_who_cancels_takes_nobody() -> None:
    store = Store()
    store.slow = 1.0
    async with virtual_time():
        taking = asyncio.create_task(lease_of(store))
        await asyncio.sleep(0.5)
        assert await store.doing() == ["ringing"]
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        await asyncio.sleep(1)
        assert await store.doing() == []
        assert not kept()


async def test_a_store_that_is_lost_for_a_while_is_not_noticed() -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        await lease.talking()
        store.lost = True
        await lease.talking()
        await asyncio.sleep(120)
        store.lost = False
        assert await store.doing() == []  # it has expired
        await asyncio.sleep(11)
        assert await store.doing() == ["talking"]
        await lease.release(TransferStatus.BRIDGED, talked=True)


async def test_a_store_that_raises_what_it_likes_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()

    def raises() -> None:
        raise ValueError("a store of somebody else's")

    async with virtual_time():
        lease = await lease_of(store)
        monkeypatch.setattr(store, "_see", raises)
        await asyncio.sleep(25)
        monkeypatch.undo()
        await asyncio.sleep(60)
        assert await store.doing() == ["ringing"]
        await lease.release(TransferStatus.NO_ANSWER)


async def test_a_lease_that_others_have_is_lost_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        store.lost = True
        await asyncio.sleep(31)
        store.lost = False
        others = await lease_of(store, "2")
        with caplog.at_level(logging.WARNING, "livetransfer"):
            await asyncio.sleep(60)
        assert len([r for r in caplog.records if "had expired" in r.message]) == 1
        assert await store.doing() == ["ringing"]
        await lease.release(TransferStatus.BRIDGED, talked=True)
        assert await store.doing() == ["ringing"]
        await others.release(TransferStatus.NO_ANSWER)
        assert await store.doing() == []


async def test_a_release_that_the_store_does_not_take_is_tried_again() -> None:
    store = Store()
    async with virtual_time() as clock:
        lease = await lease_of(store)
        store.lost = True
        await lease.release(TransferStatus.BRIDGED, talked=True)
        assert clock.elapsed < 1
        await asyncio.sleep(5)
        store.lost = False
        await asyncio.sleep(1.1)
        assert await store.doing() == ["wrap_up"]
        assert not kept()


async def test_a_release_is_not_tried_for_ever() -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        store.lost = True
        await lease.release(TransferStatus.NO_ANSWER)
        await asyncio.sleep(31)
        assert not kept()


async def test_a_release_that_is_cancelled_goes_on() -> None:
    store = Store()
    async with virtual_time():
        lease = await lease_of(store)
        releasing = asyncio.create_task(lease.release(TransferStatus.NO_ANSWER))
        await asyncio.sleep(0)
        releasing.cancel()
        await asyncio.sleep(0.1)
        assert await store.doing() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("ttl", 0), ("wrap_up", -1), ("talk_time_unknown", "5"), ("autopause_after", 0)],
)
def test_terms_are_checked(field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=field):
        LeaseTerms(**{field: value})  # type: ignore[arg-type]


# -- places --------------------------------------------------------------------------------


def ticket(call: str = "1") -> Ticket:
    return Ticket(call, "billing", members=frozenset({"anna"}))


async def line(store: Store) -> list[str]:
    return [waiting.call for waiting in (await store.snapshot(TEAM, ())).waiting]


async def test_a_place_is_kept_while_somebody_holds_it() -> None:
    store = Store()
    async with virtual_time():
        place: QueuePlace | None = await QueuePlace.join(store, TEAM, ticket(), 30)
        assert isinstance(place, Place)
        await asyncio.sleep(600)
        assert await line(store) == ["1"]
        del place
        gc.collect()
        await asyncio.sleep(31)
        assert await line(store) == []


async def test_a_place_is_given_up_once() -> None:
    store = Store()
    async with virtual_time():
        place = await QueuePlace.join(store, TEAM, ticket(), 30)
        await place.leave()
        await place.leave()
        await asyncio.sleep(60)
        assert await line(store) == []


async def test_a_place_keeps_its_age_when_a_store_forgets_it() -> None:
    store = Store()
    async with virtual_time():
        place = await QueuePlace.join(store, TEAM, ticket("1"), 30)
        await asyncio.sleep(1)
        store.lost = True
        await asyncio.sleep(31)
        later = await QueuePlace.join(store, TEAM, ticket("2"), 30)
        store.lost = False
        await asyncio.sleep(10.1)
        assert await line(store) == ["1", "2"]
        assert (place.call, later.call) == ("1", "2")


async def test_who_has_been_served_does_not_wait() -> None:
    store = Store()
    async with virtual_time():
        place = await QueuePlace.join(store, TEAM, ticket(), 30)
        await store.take(TEAM, ticket(), [["anna"]], ttl=30)
        place.served()
        await place.leave()
        await asyncio.sleep(60)
        assert await line(store) == []


async def test_a_place_wakes_when_somebody_may_be_free() -> None:
    store = Store()
    async with virtual_time() as clock:
        lease = await lease_of(store)
        place = await QueuePlace.join(store, TEAM, ticket("2"), 30)
        place.seen(await store.snapshot(TEAM, ["anna"]))
        waiting = asyncio.create_task(place.changed())
        await asyncio.sleep(1)
        assert not waiting.done()
        await lease.release(TransferStatus.BRIDGED, talked=True)  # the wrap-up is news
        await waiting
        assert clock.elapsed == pytest.approx(1, abs=0.1)


async def test_a_place_wakes_when_a_wrap_up_ends() -> None:
    store = Store()
    async with virtual_time() as clock:
        lease = await lease_of(store, terms=LeaseTerms(wrap_up=3))
        await lease.release(TransferStatus.BRIDGED, talked=True)
        place = await QueuePlace.join(store, TEAM, ticket("2"), 30)
        place.seen(await store.snapshot(TEAM, ["anna"]))
        await place.changed()
        assert clock.elapsed == pytest.approx(3, abs=0.1)
        assert await store.doing() == []


async def test_a_place_looks_now_and_then() -> None:
    store = Store()
    async with virtual_time() as clock:
        lease = await lease_of(store)
        place = await QueuePlace.join(store, TEAM, ticket("2"), 30)
        place.seen(await store.snapshot(TEAM, ["anna"]))
        await place.changed()
        assert clock.elapsed == pytest.approx(5, abs=0.1)
        assert lease.member == "anna"


async def test_a_place_may_move_to_another_queue() -> None:
    store = Store()
    async with virtual_time():
        place = await QueuePlace.join(store, TEAM, ticket(), 30)
        await asyncio.sleep(10)
        await place.update({"ben"}, "overflow")
        (waiting,) = (await store.snapshot(TEAM, ())).waiting
        assert waiting.queue == "overflow"
        assert (await store.snapshot(TEAM, ())).now - waiting.since == pytest.approx(10, abs=0.1)
        assert (await store.take(TEAM, Ticket("2", "q"), [["ben"]], ttl=30)) is None
