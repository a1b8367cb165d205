"""The store that a team uses: where it is not there at the start, is lost, and is back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livetransfer import RouteRequest, StoreChanged, StoreUnavailableError
from livetransfer.routing import Member, Offer, Queue, Team, Wait
from livetransfer.routing import shared_store as module
from livetransfer.status import TransferStatus
from livetransfer.stores import LocalStore, MemoryStore, Snapshot, StoreHealth
from livetransfer.testing import virtual_time


class Away(MemoryStore):
    """A store that is there only sometimes."""

    def __init__(self) -> None:
        super().__init__()
        self.there = False
        self.listener: Callable[[StoreHealth], None] = lambda health: None

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        self.listener = listener
        return lambda: None

    async def open(self) -> None:
        self._look()

    async def snapshot(self, *args: Any, **options: Any) -> Snapshot:
        self._look()
        return await super().snapshot(*args, **options)

    def _look(self) -> None:
        if not self.there:
            raise StoreUnavailableError("the store does not answer")


def team(store: Away, **options: Any) -> Team:
    return Team([Member("a", "+15550100")], [Queue("q", members=["a"])], store=store, **options)


def asking(told: list[Any], call: str) -> RouteRequest:
    return RouteRequest(call=call, tell=lambda make: told.append(make(1.0)))


async def test_a_store_that_is_required_and_not_there_rings_nobody() -> None:
    async with virtual_time():
        store = Away()
        with pytest.raises(StoreUnavailableError):
            await team(store).offer(RouteRequest(call="1"), ())
        store.there = True
        assert isinstance(await team(store).offer(RouteRequest(call="1"), ()), Offer)


async def test_this_machines_store_until_the_teams_own_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LocalStore", lambda: LocalStore(tmp_path))
    monkeypatch.setattr(module, "AGAIN", 0.0)
    store, told = Away(), list[Any]()
    own = team(store, store_required=False)
    offer = await own.offer(asking(told, "1"), ())
    assert isinstance(offer, Offer)
    (event,) = told
    assert isinstance(event, StoreChanged)
    assert not event.available
    assert "only this machine" in event.reason
    # Another team object of this machine shares it.
    assert isinstance(await team(Away(), store_required=False).offer(asking([], "2"), ()), Wait)
    store.there = True
    # Her call goes on: she is not rung for another one.
    assert isinstance(await own.offer(asking(told, "3"), ()), Wait)
    (lease,) = offer.leases
    assert lease is not None
    await lease.release(TransferStatus.BRIDGED)
    assert isinstance(await own.offer(asking(told, "3"), ()), Offer)
    assert [event.available for event in told] == [False, True]


async def test_a_store_that_is_lost_in_the_middle_rings_nobody_and_says_so() -> None:
    async with virtual_time():
        store, told = Away(), list[Any]()
        store.there = True
        own = team(store, store_required=False)
        await own.offer(asking(told, "1"), ())
        store.there = False
        store.listener(StoreHealth(False, "the connection was lost"))
        with pytest.raises(StoreUnavailableError):
            await own.offer(asking(told, "2"), ())
        store.there = True
        store.listener(StoreHealth(True))
        await own.offer(asking(told, "3"), ())
        assert [(e.available, e.reason) for e in told] == [
            (False, "the connection was lost"),
            (True, ""),
        ]


async def test_two_teams_of_one_name_share_their_members_through_a_file(tmp_path: Path) -> None:
    members, queues = [Member("a", "+15550100")], [Queue("q", members=["a"])]
    one = Team(members, queues, store=LocalStore(tmp_path))
    other = Team(members, queues, store=LocalStore(tmp_path))
    stranger = Team(members, queues, store=LocalStore(tmp_path), name="others")
    held = await one.offer(RouteRequest(call="1"), ())
    assert isinstance(held, Offer)
    wait = await other.offer(RouteRequest(call="2"), ())
    assert isinstance(wait, Wait)
    assert wait.position == 1
    assert isinstance(await stranger.offer(RouteRequest(call="3"), ()), Offer)
    assert (await one.status()).queues[0].waiting == 1
    for each in (one, other, stranger):
        await each.aclose()
