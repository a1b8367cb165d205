"""Whatever is asked of them, the three stores answer the same: the script is the ledger in Lua."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livetransfer.stores import (
    Grant,
    LocalStore,
    MemoryStore,
    RedisStore,
    Stale,
    Taken,
    TeamStore,
    Ticket,
    Usage,
)

NAMES = ("anna", "ben", "carla")
CALLS = ("1", "2", "3", "4")
LONG = 600.0

names = st.sampled_from(NAMES)
calls = st.sampled_from(CALLS)
queues = st.sampled_from(["sales", "billing"])
rankings = st.lists(st.lists(names, min_size=1, max_size=3), max_size=3)
tickets = st.builds(
    Ticket,
    calls,
    queues,
    st.integers(0, 1),
    st.just(0.0) | st.sampled_from([100.0, 200.0]),
    st.frozensets(names),
)
usages = st.builds(
    Usage,
    st.booleans(),
    st.sampled_from([None, True, False]),
    st.sampled_from([0.0, 300.0]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 300.0]),
)
steps = st.one_of(
    st.tuples(st.just("take"), tickets, rankings, st.integers(1, 2), st.booleans()),
    st.tuples(st.just("renew"), st.integers(0, 5), st.sampled_from(["ringing", "talking"])),
    st.tuples(st.just("release"), st.integers(0, 5), usages),
    st.tuples(st.sampled_from(["join", "stay"]), tickets),
    st.tuples(st.just("leave"), calls),
    st.tuples(st.just("pause"), names),
    st.tuples(st.just("resume"), names),
    st.tuples(st.just("look")),
)


class Player:
    """Plays steps on a store, and writes down what is the same on all of them."""

    def __init__(self, store: TeamStore) -> None:
        self._store = store
        self._team = uuid.uuid4().hex
        self._grants: list[Grant] = []
        self._version = 0

    async def play(self, script: list[tuple[Any, ...]]) -> list[object]:
        return [await self._step(*step) for step in script] + [await self._seen()]

    async def _step(self, what: object, *args: Any) -> object:
        store, team, given = self._store, self._team, args
        if what == "take":
            ticket, groups, capacity, versioned = given
            found = await store.take(
                team,
                ticket,
                groups,
                ttl=LONG,
                capacities=dict.fromkeys(NAMES, capacity),
                version=self._version if versioned else None,
                turns={NAMES[0]: "sales", NAMES[1]: ""},
            )
            if isinstance(found, Taken):
                self._grants += found.grants
                return [grant.member for grant in found.grants]
            return "stale" if isinstance(found, Stale) else None
        if what in ("renew", "release"):
            index, how = given
            if index >= len(self._grants):
                return None
            if what == "renew":
                return await store.renew(team, self._grants[index], how, LONG)
            await store.release(team, self._grants[index], how)
            return None
        if what in ("join", "stay"):
            return await getattr(store, str(what))(team, given[0], LONG)
        if what == "look":
            self._version = (await store.snapshot(team, NAMES)).version
            return self._version
        return await getattr(store, str(what))(team, given[0])

    async def _seen(self) -> object:
        snapshot = await self._store.snapshot(self._team, NAMES, "sales")
        ids = {grant.id: number for number, grant in enumerate(self._grants)}
        return (
            snapshot.version,
            snapshot.cursor,
            snapshot.handling is None or round(snapshot.handling, -1),
            [(w.call, w.queue, w.priority) for w in snapshot.waiting],
            {
                name: (
                    [(ids.get(held.id), held.call, held.queue, held.phase) for held in state.held],
                    state.calls,
                    state.missed,
                    None
                    if state.pause is None
                    else (state.pause.reason, state.pause.until is None),
                    (state.last_rung is None, state.last_call_ended is None),
                    [ids[lease] for lease in state.released],
                    state.version,
                )
                for name, state in snapshot.states.items()
            },
        )


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["local", "redis"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(script=st.lists(steps, max_size=25))
def test_the_stores_answer_the_same(
    kind: str,
    script: list[tuple[Any, ...]],
    loop: asyncio.AbstractEventLoop,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    def other() -> TeamStore:
        if kind == "local":
            return LocalStore(tmp_path)
        return RedisStore(request.getfixturevalue("redis_url"))

    async def both() -> tuple[list[object], list[object]]:
        store = other()
        try:
            return await Player(MemoryStore()).play(script), await Player(store).play(script)
        finally:
            await store.aclose()

    in_memory, there = loop.run_until_complete(both())
    assert there == in_memory
