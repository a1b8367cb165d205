"""RedisStore: a server that is down, lost in the middle, slow, emptied, or one of a cluster."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import redis
from redis.exceptions import ConnectionError as Ended

from livetransfer.errors import ConfigurationError, StoreUnavailableError
from livetransfer.routing.lease import LeaseTerms, take
from livetransfer.stores import Count, RedisStore, Stale, StoreHealth, Taken, Ticket, Usage
from livetransfer.stores.redis_scripts import Script

from .rigs import RedisServer, running_redis

TICKET = Ticket("1", "billing")


@pytest.fixture
def server(redis_url: str) -> Iterator[RedisServer]:
    """A server of the test's own, to be killed."""
    with running_redis() as running:
        yield running


@pytest_asyncio.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisStore]:
    made = RedisStore(server.url, within=0.5)
    yield made
    await made.aclose()


async def test_a_server_that_is_down_is_told_clearly() -> None:
    store = RedisStore("redis://someone:secret@127.0.0.1:1/0?password=secret")

    with pytest.raises(StoreUnavailableError, match="Is it running") as caught:
        await store.open()

    assert "redis://127.0.0.1:1/0" in str(caught.value)
    assert "secret" not in str(caught.value)
    await store.aclose()


@pytest.mark.parametrize("url", ["localhost", "http://localhost", "", 5])
def test_what_is_no_url_is_refused(url: object) -> None:
    with pytest.raises(ConfigurationError, match="url"):
        RedisStore(url)  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "{x}", 5])
def test_what_is_no_prefix_is_refused(prefix: object) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisStore("redis://localhost", prefix=prefix)  # type: ignore[arg-type]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(ConfigurationError, match=r"livetransfer\[redis\]"):
        RedisStore("redis://user:secret@localhost")


async def test_a_server_that_is_lost_takes_nobody_and_comes_back(
    server: RedisServer, store: RedisStore
) -> None:
    told: list[StoreHealth] = []
    stop = store.listen(told.append)
    await store.open()
    server.stop()

    for _ in range(2):
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await store.take("team", TICKET, [["anna"]], ttl=30)
        assert time.monotonic() - began < 2
    assert [health.available for health in told] == [False]
    assert told[0].reason

    server.start()
    assert isinstance(await store.take("team", TICKET, [["anna"]], ttl=30), Taken)
    assert [health.available for health in told] == [False, True]
    stop()


async def test_a_server_that_has_restarted_is_not_noticed(
    server: RedisServer, store: RedisStore
) -> None:
    told: list[StoreHealth] = []
    store.listen(told.append)
    await asyncio.gather(*(store.snapshot("team", ()) for _ in range(5)))
    server.stop()
    server.start()

    for _ in range(5):
        await store.snapshot("team", ())

    assert told == []


async def test_a_server_that_hangs_is_bounded(server: RedisServer, store: RedisStore) -> None:
    await store.open()
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await store.snapshot("team", ())
        assert time.monotonic() - began < 2
    finally:
        os.kill(server._process.pid, signal.SIGCONT)

    await store.snapshot("team", ())


async def test_calls_go_on_and_their_members_are_taken_again(
    server: RedisServer, store: RedisStore
) -> None:
    """The server forgets everything; what is renewed fills it again."""
    terms = {"anna": LeaseTerms(ttl=0.6)}
    leases = await take(store, "team", TICKET, [["anna"]], terms=terms)
    assert isinstance(leases, tuple)
    await leases[0].talking()
    server.stop()
    await asyncio.sleep(1)
    server.start()

    until = time.monotonic() + 3
    while not (await store.snapshot("team", ["anna"])).states:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)

    snapshot = await store.snapshot("team", ["anna"])
    assert [held.phase for held in snapshot.state("anna").alive(snapshot.now)] == ["talking"]
    assert await store.take("team", Ticket("2", "q"), [["anna"]], ttl=30) is None


async def test_a_lost_server_is_no_news(server: RedisServer, store: RedisStore) -> None:
    version = (await store.snapshot("team", ())).version
    news = asyncio.create_task(store.news("team", version, 20))
    await asyncio.sleep(0.2)
    server.stop()
    await asyncio.sleep(0.3)
    assert not news.done()
    server.start()
    await asyncio.sleep(1.2)
    assert not news.done()

    await store.pause("team", "anna")

    await asyncio.wait_for(news, 3)


async def test_a_step_whose_answer_was_lost_is_done_once(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = store._once
    lose = True

    async def losing(script: Script, keys: Any, args: Any) -> Any:
        nonlocal lose
        found = await once(script, keys, args)
        lose = not lose
        if not lose:
            raise Ended("the connection has ended before the answer came")
        return found

    monkeypatch.setattr(store, "_once", losing)
    found = await store.take("team", TICKET, [["anna", "ben"], ["carla"]], ttl=30)
    assert isinstance(found, Taken)
    assert [grant.member for grant in found.grants] == ["anna", "ben"]
    await store.release("team", found.grants[0], Usage(answered=False))
    assert await store.count("1", [Count("k", 1, 1, 60)]) is None
    assert await store.count("2", [Count("k", 1, 1, 60)]) is not None

    snapshot = await store.snapshot("team", ["anna", "ben", "carla"])
    assert len(snapshot.state("ben").held) == 1
    assert snapshot.state("anna").missed == 1
    assert snapshot.state("carla").held == ()


async def test_an_offer_is_two_round_trips(server: RedisServer, store: RedisStore) -> None:
    client = redis.Redis.from_url(server.url, decode_responses=True)
    names = [f"member-{i}" for i in range(200)]

    async def offer() -> None:
        snapshot = await store.snapshot("team", names, "billing")
        ticket = Ticket(uuid.uuid4().hex, "billing")
        found = await store.take(
            "team", ticket, [[name] for name in names], ttl=30, version=snapshot.version
        )
        assert isinstance(found, Taken)

    await offer()
    client.config_resetstat()
    await offer()
    stats: Any = client.info("commandstats")
    client.close()

    assert stats["cmdstat_evalsha"]["calls"] == 2
    assert "cmdstat_eval" not in stats


async def test_a_team_of_thousands_is_no_trouble(redis_url: str) -> None:
    store = RedisStore(redis_url, prefix=uuid.uuid4().hex)
    names = [f"member-{i}" for i in range(9000)]
    snapshot = await store.snapshot("team", names)
    await store.pause("team", names[-1])
    await store.pause("team", names[-2])
    await store.resume("team", names[-2])

    stale = await store.take("team", TICKET, [names], ttl=30, version=snapshot.version)
    found = await store.take("team", TICKET, [names], ttl=30)

    assert stale == Stale()
    assert isinstance(found, Taken)
    assert len(found.grants) == 8999
    await store.aclose()


def test_each_event_loop_has_connections_of_its_own(redis_url: str) -> None:
    store = RedisStore(redis_url, prefix=uuid.uuid4().hex)

    async def use(name: str) -> int:
        await store.pause("team", name)
        version = (await store.snapshot("team", ())).version
        await store.aclose()
        return version

    assert [asyncio.run(use(name)) for name in ("anna", "ben", "carla")] == [1, 2, 3]


async def test_what_is_cancelled_leaves_the_store_usable(redis_url: str) -> None:
    store = RedisStore(redis_url, prefix=uuid.uuid4().hex)
    for i in range(30):
        step = asyncio.create_task(store.pause("team", f"{i}"))
        for _ in range(i % 6):
            await asyncio.sleep(0)
        step.cancel()
        await asyncio.wait({step})

    await store.pause("team", "anna")
    snapshot = await store.snapshot("team", ["anna"])
    assert snapshot.state("anna").version == snapshot.version
    await store.aclose()


@pytest.fixture
def cluster(redis_url: str) -> Iterator[str]:
    """A node that is a whole cluster."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    port -= 20000 if port > 50000 else 0  # its other port lies 10000 above
    with running_redis(
        "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"
    ) as running:
        node: Any = redis.Redis.from_url(running.url)
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until = time.monotonic() + 10
        while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
            assert time.monotonic() < until
            time.sleep(0.05)
        node.close()
        yield f"redis://127.0.0.1:{port}"


async def test_a_cluster_keeps_a_team_together(cluster: str) -> None:
    store = RedisStore(cluster, cluster=True)
    other = RedisStore(cluster, cluster=True)
    found = await store.take("team", TICKET, [["anna"]], ttl=30)
    assert isinstance(found, Taken)
    assert await other.take("team", Ticket("2", "q"), [["anna"]], ttl=30) is None
    await other.join("team", Ticket("2", "q", members=frozenset({"anna"})), 30)
    version = (await other.snapshot("team", ())).version
    news = asyncio.create_task(other.news("team", version, 20))
    await asyncio.sleep(0.1)
    await store.release("team", found.grants[0], Usage())
    await asyncio.wait_for(news, 3)
    assert isinstance(await other.take("team", Ticket("2", "q"), [["anna"]], ttl=30), Taken)
    asked = [Count("a", 1, 1, 60), Count("b", 1, 9, 60)]
    assert await store.count("1", asked) is None
    await store.amend("1", "b", 0)
    assert await other.count("2", asked) == asked[0]
    for each in (store, other):
        await each.aclose()
