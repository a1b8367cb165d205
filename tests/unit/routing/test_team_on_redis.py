"""One team on a real Redis: several processes and event loops, and a server that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from livetransfer import RouteRequest, StoreChanged, StoreUnavailableError
from livetransfer.routing import Member, Offer, Queue, Team, Wait
from livetransfer.routing import shared_store as module
from livetransfer.status import TransferStatus
from livetransfer.stores import LocalStore, RedisStore
from tests.unit.stores.killing import forked
from tests.unit.stores.rigs import NO_REDIS, RedisServer, running_redis

EACH = 5
"""Calls of each process, or of each event loop."""
TALK = 0.02

Span = tuple[float, float]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    if shutil.which("redis-server") is None:
        pytest.skip(NO_REDIS)
    with running_redis() as running:
        yield running


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[list[Team]]:
    """Teams to close at the end."""
    teams: list[Team] = []
    yield teams
    for team in teams:
        with contextlib.suppress(StoreUnavailableError):
            await team.aclose()


def desk(store: RedisStore, **options: Any) -> Team:
    """A team of one member."""
    members, queues = [Member("anna", "+15550100")], [Queue("desk", members=["anna"])]
    return Team(members, queues, store=store, **{"lease_seconds": 1.0, **options})


def asking(told: list[Any], call: str) -> RouteRequest:
    return RouteRequest(call=call, tell=lambda make: told.append(make(1.0)))


async def served(team: Team, call: str) -> Span:
    """Wait for the member as a run does, talk with her, and let her go."""
    began = time.monotonic()
    while True:
        waited = time.monotonic() - began
        found = await team.offer(RouteRequest(call=call, waited=waited), ())
        if isinstance(found, Offer):
            break
        assert isinstance(found, Wait)
        await found.place.changed()
    start = time.monotonic()
    (lease,) = found.leases
    assert lease is not None
    await lease.talking()
    await asyncio.sleep(TALK)
    end = time.monotonic()
    await lease.release(TransferStatus.BRIDGED, talked=True)
    return start, end


async def all_served(team: Team, name: str) -> list[Span]:
    return list(await asyncio.gather(*(served(team, f"{name}/{i}") for i in range(EACH))))


def one_after_the_other(spans: list[Span]) -> None:
    for (_, end), (start, _) in itertools.pairwise(sorted(spans)):
        assert end <= start, "one member was given to two callers at once"


async def test_processes_that_share_a_member_ring_her_for_one_caller_at_a_time(
    server: RedisServer, tmp_path: Path, opened: list[Team]
) -> None:
    children = []
    for process in range(4):

        async def code(process: int = process) -> None:
            team = desk(RedisStore(server.url))
            spans = await asyncio.wait_for(all_served(team, f"{process}"), 30)
            (tmp_path / f"{process}.json").write_text(json.dumps(spans))
            await team.aclose()

        children.append(forked(code))
    for child in children:
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
    spans = [tuple(s) for file in tmp_path.glob("*.json") for s in json.loads(file.read_text())]
    assert len(spans) == 4 * EACH
    one_after_the_other(spans)
    opened.append(desk(RedisStore(server.url)))
    status = await opened[0].status()
    assert (status.members[0].presence, status.queues[0].waiting) == ("available", 0)


async def test_event_loops_that_share_a_team_ring_her_for_one_caller_at_a_time(
    server: RedisServer,
) -> None:
    """As the jobs of a worker whose executor is threads do."""
    team, spans, failed = desk(RedisStore(server.url)), list[Span](), list[BaseException]()

    def loop(name: str) -> None:
        async def calls() -> None:
            spans.extend(await asyncio.wait_for(all_served(team, name), 30))
            await team.aclose()

        try:
            asyncio.run(calls())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=loop, args=(f"{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert failed == []
    assert len(spans) == 3 * EACH
    one_after_the_other(spans)


async def test_a_server_lost_in_the_middle_rings_nobody_and_is_back_by_itself(
    server: RedisServer, opened: list[Team]
) -> None:
    told: list[Any] = []
    team = desk(RedisStore(server.url, within=0.5))
    opened.append(team)
    request = asking(told, "1")
    talking = await team.offer(request, ())
    assert isinstance(talking, Offer)
    (lease,) = talking.leases
    assert lease is not None
    await lease.talking()

    server.stop()
    for call in ("2", "3"):
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await team.offer(replace(request, call=call), ())
        assert time.monotonic() - began < 2
    server.start()

    # The server has forgotten everything; what is renewed every third of a second fills it again.
    await asyncio.sleep(0.8)
    wait = await team.offer(replace(request, call="4"), ())
    assert isinstance(wait, Wait)
    assert [e.available for e in told if isinstance(e, StoreChanged)] == [False, True]
    assert told[0].reason
    await lease.release(TransferStatus.BRIDGED, talked=True)
    assert isinstance(await team.offer(asking(told, "4"), ()), Offer)


async def test_a_server_that_is_down_at_the_start_is_told_clearly(
    server: RedisServer, opened: list[Team]
) -> None:
    server.stop()
    team = desk(RedisStore(server.url))
    opened.append(team)
    with pytest.raises(StoreUnavailableError, match="Is it running"):
        await team.offer(RouteRequest(call="1"), ())
    server.start()
    assert isinstance(await team.offer(RouteRequest(call="1"), ()), Offer)


@pytest.fixture
def meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's store is in a folder of the test, and Redis is looked for at each offer."""
    monkeypatch.setattr(module, "LocalStore", lambda: LocalStore(tmp_path))
    monkeypatch.setattr(module, "AGAIN", 0.0)


@pytest.mark.usefixtures("meanwhile")
async def test_where_it_need_not_be_there_this_machines_store_is_used_until_it_is(
    server: RedisServer, opened: list[Team]
) -> None:
    server.stop()
    told: list[Any] = []
    team = desk(RedisStore(server.url, prefix=uuid.uuid4().hex), store_required=False)
    opened.append(team)
    talking = await team.offer(asking(told, "1"), ())
    assert isinstance(talking, Offer)
    waiting = await team.offer(asking(told, "2"), ())
    assert isinstance(waiting, Wait)
    server.start()

    # Whom this machine's store still holds is not rung for somebody else.
    again = await team.offer(asking(told, "2"), ())
    assert isinstance(again, Wait)
    assert again.position == 1
    other = desk(RedisStore(server.url), store_required=False)  # as the next job's process has it
    opened.append(other)
    assert isinstance(await other.offer(RouteRequest(call="3"), ()), Wait)
    assert [(e.available, "machine" in e.reason) for e in told] == [(False, True), (True, False)]

    (lease,) = talking.leases
    assert lease is not None
    await lease.release(TransferStatus.BRIDGED, talked=True)
    began = time.monotonic()
    found: object = again
    while isinstance(found, Wait):
        await found.place.changed()
        found = await team.offer(asking(told, "2"), ())
    assert isinstance(found, Offer)
    assert time.monotonic() - began < 3
