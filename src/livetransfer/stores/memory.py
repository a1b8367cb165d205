"""MemoryStore: for tests, and for workers that run all their jobs in threads of one process."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from livekit.agents import get_job_context

from .counters import Count
from .port import Groups, StoreHealth
from .states import IDLE, Grant, LeasePhase, MemberState, Snapshot, Stale, Taken, Ticket, Usage
from .store_rules import Handling, Ledger, Place

__all__ = ["MemoryStore"]

logger = logging.getLogger("livetransfer")

MANY = 10_000
"""Keys that are counted at which those whose time is over are looked for."""


class _Rows:
    """The rows of one team."""

    def __init__(self) -> None:
        self._members: dict[str, MemberState] = {}
        self._places: dict[str, Place] = {}
        self._cursors: dict[str, str] = {}
        self._handling: dict[str, Handling] = {}
        self._version = 0
        self.waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def members(self, names: Collection[str]) -> Mapping[str, MemberState]:
        if isinstance(names, (set, frozenset)) and self._members.keys() <= names:
            return dict(self._members)  # nobody else is known: several times as quick
        states = map(self._members.get, names)
        return {name: state for name, state in zip(names, states, strict=True) if state is not None}

    def member(self, name: str) -> MemberState:
        return self._members.get(name, IDLE)

    def put_member(self, name: str, state: MemberState) -> None:
        self._members[name] = state

    def places(self) -> Iterable[Place]:
        return self._places.values()

    def place(self, call: str) -> Place | None:
        return self._places.get(call)

    def put_place(self, place: Place) -> None:
        self._places[place.call] = place

    def drop_place(self, call: str) -> None:
        self._places.pop(call, None)

    def version(self) -> int:
        return self._version

    def next_version(self) -> int:
        self._version += 1
        for loop, event in self.waiters:
            loop.call_soon_threadsafe(event.set)
        return self._version

    def cursor(self, queue: str) -> str | None:
        return self._cursors.get(queue)

    def put_cursor(self, queue: str, member: str) -> None:
        self._cursors[queue] = member

    def handling(self, queue: str) -> Handling:
        return self._handling.get(queue) or Handling()

    def put_handling(self, queue: str, handling: Handling) -> None:
        self._handling[queue] = handling


class MemoryStore:
    """A store in the memory of this process, shared with nobody else.

    For tests, and for workers whose jobs are threads (``JobExecutorType.THREAD``). In a process of
    a job it warns: the next call would know nothing of this one.

    Args:
        clock: Returns seconds. Default: the running event loop's time, so that virtual time is
            its time too.
    """

    shared_by = "this process"

    def __init__(self, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._teams: dict[str, _Rows] = {}
        self._counts: dict[str, dict[str, tuple[float, float]]] = {}
        self._lock = threading.Lock()
        self._warned = False

    async def open(self) -> None:
        """Warn where nobody shares the memory."""
        self._look_around()

    async def aclose(self) -> None:
        """Do nothing: it forgets when it is forgotten."""

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        """Return; memory is never lost."""
        return lambda: None

    def _look_around(self) -> None:
        if self._warned:
            return
        self._warned = True
        if multiprocessing.parent_process() is not None and get_job_context(required=False):
            logger.warning(
                "a MemoryStore in the process of a job is shared with no other call: members would "
                "be rung for two callers at once; use LocalStore() or RedisStore(url)"
            )

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()

    def _rows(self, team: str) -> _Rows:
        self._look_around()
        rows = self._teams.get(team)
        if rows is None:
            rows = self._teams.setdefault(team, _Rows())
        return rows

    def _ledger(self, team: str) -> Ledger:
        return Ledger(self._rows(team), self._now())

    async def snapshot(
        self, team: str, members: Collection[str], queue: str | None = None
    ) -> Snapshot:
        """See `TeamStore.snapshot`."""
        with self._lock:
            return self._ledger(team).snapshot(members, queue)

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
        """See `TeamStore.take`."""
        with self._lock:
            return self._ledger(team).take(
                ticket,
                groups,
                capacities=capacities or {},
                version=version,
                turns=turns or {},
                ttl=ttl,
                lease=uuid.uuid4().hex,
            )

    async def renew(self, team: str, grant: Grant, phase: LeasePhase, ttl: float) -> bool:
        """See `TeamStore.renew`."""
        with self._lock:
            return self._ledger(team).renew(grant, phase, ttl)

    async def release(self, team: str, grant: Grant, usage: Usage) -> None:
        """See `TeamStore.release`."""
        with self._lock:
            self._ledger(team).release(grant, usage)

    async def join(self, team: str, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.join`."""
        with self._lock:
            self._ledger(team).join(ticket, ttl)

    async def stay(self, team: str, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.stay`."""
        with self._lock:
            self._ledger(team).stay(ticket, ttl)

    async def leave(self, team: str, call: str) -> None:
        """See `TeamStore.leave`."""
        with self._lock:
            self._ledger(team).leave(call)

    async def pause(
        self, team: str, member: str, reason: str = "", seconds: float | None = None
    ) -> None:
        """See `TeamStore.pause`."""
        with self._lock:
            self._ledger(team).pause(member, reason, seconds)

    async def resume(self, team: str, member: str) -> None:
        """See `TeamStore.resume`."""
        with self._lock:
            self._ledger(team).resume(member)

    async def news(self, team: str, version: int, within: float) -> None:
        """See `TeamStore.news`."""
        waiter = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            rows = self._rows(team)
            if rows.version() != version:
                return
            rows.waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter[1].wait(), within)
        except asyncio.TimeoutError:
            pass
        finally:
            with self._lock:
                rows.waiters.discard(waiter)

    # -- counts ----------------------------------------------------------------------------

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        """See `Counters.count`."""
        self._look_around()
        now = self._now()
        with self._lock:
            if len(self._counts) > MANY:
                for key in list(self._counts):
                    self._live(key, now)
            for count in counts:
                entries = self._live(count.key, now)
                if sum(amount for amount, _ in entries.values()) + count.amount > count.limit:
                    return count
            for count in counts:
                self._counts.setdefault(count.key, {})[entry] = (
                    count.amount,
                    now + count.seconds,
                )
        return None

    def _live(self, key: str, now: float) -> dict[str, tuple[float, float]]:
        """Return what counts under `key` now; the rest is forgotten."""
        entries = self._counts.get(key, {})
        for name in [name for name, (_, until) in entries.items() if until <= now]:
            del entries[name]
        if not entries:
            self._counts.pop(key, None)
        return entries

    async def amend(self, entry: str, key: str, amount: float) -> None:
        """See `Counters.amend`."""
        with self._lock:
            entries = self._counts.get(key, {})
            if entry in entries:
                if amount:
                    entries[entry] = (amount, entries[entry][1])
                else:
                    del entries[entry]
