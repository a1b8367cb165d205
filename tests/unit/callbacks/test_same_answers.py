"""Every store gives the same answers, and goes no way that FOLLOWS does not have."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livetransfer.callback_request import FOLLOWS, CallbackStatus
from livetransfer.callbacks import CallbackLedger, MemoryCallbackStore, Promise, SqlCallbackStore

from .rigs import BEGAN, WallClock, promised

KEYS = st.sampled_from(["a", "b", "c"])
WHO = st.sampled_from(["x", "y"])
STEPS = st.one_of(
    st.tuples(st.just("add"), KEYS, st.integers(0, 2)),
    st.tuples(st.just("claim"), WHO, st.integers(1, 3)),
    st.tuples(st.just("take"), KEYS, WHO),
    st.tuples(st.just("dialling"), KEYS, WHO),
    st.tuples(st.just("renew"), KEYS, WHO),
    st.tuples(st.just("end"), KEYS, WHO, st.sampled_from(list(CallbackStatus))),
    st.tuples(st.just("cancel"), KEYS),
    st.tuples(st.just("cancel_number"), st.integers(0, 2)),
    st.tuples(st.just("retry"), KEYS),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("left_dialling")),
    st.tuples(st.just("forget"), st.integers(0, 3)),
    st.tuples(st.just("passes"), st.sampled_from([1, 20, 40, 4000, 30000])),
)


async def step(ledger: CallbackLedger, clock: WallClock, what: tuple[Any, ...]) -> Any:
    """Do one step; what is refused is an answer, too."""
    verb, *given = what
    try:
        if verb == "passes":
            return None
        if verb == "add":
            number = f"+1555010{given[1]}"
            return await ledger.add(promised(given[0], number=number, priority=given[1]))
        if verb == "claim":
            return await ledger.claim(given[0], limit=given[1], seconds=30)
        if verb == "take":
            return await ledger.take(given[0], given[1], room=f"room-{given[1]}", seconds=30)
        if verb == "renew":
            return await ledger.renew(given[0], given[1], seconds=30)
        if verb == "cancel_number":
            found = await ledger.cancel_number(f"+1555010{given[0]}")
            return sorted(found, key=lambda promise: promise.id)
        if verb == "retry":
            due = clock.now + timedelta(seconds=10)
            return await ledger.retry(given[0], due=due, not_after=due + timedelta(hours=1))
        if verb == "forget":
            return await ledger.forget(BEGAN + timedelta(hours=given[0]))
        found = await getattr(ledger, verb)(*given)
        return sorted(found, key=lambda promise: promise.id) if isinstance(found, list) else found
    except Exception as error:
        return type(error).__name__


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=4, max_size=25))
def test_the_same_answers(steps: list[tuple[Any, ...]]) -> None:
    async def compare(folder: str) -> None:
        clock = WallClock()
        memory = MemoryCallbackStore(clock=clock)
        file = SqlCallbackStore(f"sqlite+aiosqlite:///{folder}/c.sqlite", clock=clock)
        for what in steps:
            if what[0] == "passes":
                clock.passes(what[1])
            assert await step(memory, clock, what) == await step(file, clock, what), what
        kept = await memory.find()
        assert kept == await file.find()
        await file.aclose()
        for promise in kept:
            check_history(promise)

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).mkdir(exist_ok=True)
        asyncio.run(compare(folder))


def check_history(promise: Promise) -> None:
    """Nothing follows what it may not follow, and the last is how it stands."""
    entries = [entry.status for entry in promise.request.history]
    assert entries[0] == CallbackStatus.WAITING
    assert entries[-1] == promise.status
    assert all(after in FOLLOWS[before] for before, after in itertools.pairwise(entries))
