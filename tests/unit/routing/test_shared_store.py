"""The store that a team uses: where it is not there at the start, is lost, and is back."""

from __future__ import annotations

import asyncio
import threading
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
        request = asking(told, "1")
        await own.offer(request, ())
        store.there = False
        store.listener(StoreHealth(False, "the connection was lost"))
        assert [(e.available, e.reason) for e in told] == [(False, "the connection was lost")]
        later: list[Any] = []
        second = asking(later, "2")
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                await own.offer(second, ())
        assert later == told, "who asks while it is lost is told that, once"
        store.there = True
        store.listener(StoreHealth(True))
        assert [(e.available, e.reason) for e in told[1:]] == [(True, "")]
        assert later == told
        third: list[Any] = []
        await own.offer(asking(third, "3"), ())
        assert not third


async def test_a_run_on_another_event_loop_is_told_there() -> None:
    store, told = Away(), list[tuple[int, Any]]()
    store.there = True
    own = team(store)
    asked, over = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        heard = asyncio.Event()

        def tell(make: Any) -> None:
            told.append((threading.get_ident(), make(1.0)))
            heard.set()

        request = RouteRequest(call="1", tell=tell)
        await own.offer(request, ())
        asked.set()
        await asyncio.wait_for(heard.wait(), 10)

    def run() -> None:
        asyncio.run(elsewhere())
        over.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert await asyncio.to_thread(asked.wait, 10)
    store.listener(StoreHealth(False, "lost"))
    assert await asyncio.to_thread(over.wait, 10)
    thread.join()
    store.listener(StoreHealth(True))  # nobody is left who hears it
    assert [(who, event.available) for who, event in told] == [(thread.ident, False)]


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
