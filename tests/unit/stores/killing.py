"""Workers that take the same members and are killed at random; and what a witness saw of it.

    python tests/unit/stores/killing.py --store local:FOLDER|redis:URL [--reservations 1000]

Each worker is a process of its own. Beside the store they write into shared memory who has whom,
and until when at least: before his lease ends nobody else may get him. A monitor looks at the store
all the time. The last line is JSON:

- reservations: members taken, by all workers.
- killed: workers killed (SIGKILL), at any moment of their work.
- double_bookings: members given to somebody while another one's lease was alive.
- stale_leases: leases alive longer after their worker's death than their time to live; at the end,
  leases and places that are left.
- stranded: times that somebody waited longer than that while one whom he wanted was free.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import mmap
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from livetransfer.routing.lease import LeaseTerms, MemberLease, take
from livetransfer.routing.queue_place import QueuePlace
from livetransfer.status import TransferStatus
from livetransfer.stores import (
    Grant,
    LocalStore,
    RedisStore,
    Snapshot,
    Stale,
    Taken,
    TeamStore,
    Ticket,
    Usage,
)

TEAM = "killed"
MEMBERS = [f"member-{i}" for i in range(20)]
WORKERS = 10
LIVES = 20_000
"""Workers that there may be, one after the other."""
CLOCKS = 0.003
"""Seconds by which two readings of the machine's clock may differ: a store keeps milliseconds."""
SLACK = 0.5
"""Seconds that a worker or the monitor may be late on a machine that is busy."""


class Shared:
    """Numbers in memory that all processes share."""

    def __init__(self) -> None:
        sizes = {"until": len(MEMBERS), "owner": len(MEMBERS), "killed": LIVES}
        counts = ("taken", "doubles", "lost")
        sizes |= dict.fromkeys(counts, WORKERS)
        sizes |= {"stale": 1, "stranded": 1, "looks": 1, "over": 1}
        memory = memoryview(mmap.mmap(-1, 8 * sum(sizes.values()))).cast("d")
        at = 0
        self._parts: dict[str, memoryview[float]] = {}
        for name, size in sizes.items():
            self._parts[name] = memory[at : at + size]
            at += size

    def __getitem__(self, name: str) -> memoryview[float]:
        return self._parts[name]

    def sum(self, name: str) -> int:
        return int(sum(self._parts[name]))


class Witness:
    """A store that writes down who is taken, and notices who was taken twice."""

    def __init__(self, store: TeamStore, shared: Shared, worker: int, life: int) -> None:
        self._store, self._shared = store, shared
        self._worker, self._life = worker, life

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _mine(self, member: str, asked_at: float, ttl: float) -> None:
        at = MEMBERS.index(member)
        until, owner = self._shared["until"], self._shared["owner"]
        if owner[at] not in (0, self._life) and until[at] - CLOCKS > time.time():
            self._shared["doubles"][self._worker] += 1
        owner[at], until[at] = self._life, asked_at + ttl

    async def take(self, *args: Any, ttl: float, **options: Any) -> Taken | Stale | None:
        asked_at = time.time()
        found = await self._store.take(*args, ttl=ttl, **options)
        if isinstance(found, Taken):
            for grant in found.grants:
                self._mine(grant.member, asked_at, ttl)
                self._shared["taken"][self._worker] += 1
        return found

    async def renew(self, team: str, grant: Grant, phase: Any, ttl: float) -> bool:
        asked_at = time.time()
        held = await self._store.renew(team, grant, phase, ttl)
        if held:
            self._mine(grant.member, asked_at, ttl)
        else:
            self._shared["lost"][self._worker] += 1
        return held

    async def release(self, team: str, grant: Grant, usage: Usage) -> None:
        at = MEMBERS.index(grant.member)
        if self._shared["owner"][at] == self._life:
            self._shared["owner"][at] = 0
        await self._store.release(team, grant, usage)


async def work(store: TeamStore, life: int, ttl: float) -> None:
    """Take members and let them go, for ever."""
    chance = random.Random(life)
    number = 0
    while True:
        number += 1
        wanted = chance.sample(MEMBERS, chance.randint(1, 3))
        call = "/".join([f"{life}", f"{number}", *wanted])
        ticket = Ticket(call, "q", chance.randint(0, 1), members=frozenset(wanted))
        terms = LeaseTerms(ttl=ttl, wrap_up=chance.choice([0.0, 0.0, 0.02]))
        together = chance.random() < 0.2
        groups = [wanted] if together else [[name] for name in wanted]
        leases = await _served(store, ticket, groups, dict.fromkeys(wanted, terms), ttl)
        # Now and then longer than the lease would last unless it were renewed.
        held = ttl * 1.5 if chance.random() < 0.01 else chance.uniform(0, 0.02)
        if chance.random() < 0.5:
            await leases[0].talking()
        await asyncio.sleep(held)
        for lease in leases:
            talked = lease is leases[0] and chance.random() < 0.8
            status = TransferStatus.BRIDGED if talked else TransferStatus.ANSWERED_ELSEWHERE
            await lease.release(status, talked=talked)


async def _served(
    store: TeamStore,
    ticket: Ticket,
    groups: list[list[str]],
    terms: dict[str, LeaseTerms],
    ttl: float,
) -> tuple[MemberLease, ...]:
    place: QueuePlace | None = None
    tries = 0
    while True:
        snapshot = await store.snapshot(TEAM, ticket.members, "q")
        version = snapshot.version if tries < 3 else None
        found = await take(store, TEAM, ticket, groups, terms=terms, version=version)
        if isinstance(found, Stale):
            tries += 1
        elif found is not None:
            if place is not None:
                place.served()
            return found
        else:
            tries = 0
            if place is None:
                place = await QueuePlace.join(store, TEAM, ticket, ttl)
            place.seen(snapshot)
            await place.changed()


async def monitor(store: TeamStore, shared: Shared, ttl: float) -> None:
    """Look at the store until all is over, and once more when everything has to have expired."""
    free_since: dict[str, float] = {}
    while not shared["over"][0]:
        snapshot = await store.snapshot(TEAM, MEMBERS)
        shared["looks"][0] += 1
        for name in MEMBERS:
            for held in snapshot.state(name).alive(snapshot.now):
                death = _death(shared, held.call)
                if held.phase != "wrap_up" and death and snapshot.now > death + ttl + SLACK:
                    shared["stale"][0] += 1
            _look_for_stranded(name, snapshot, shared, free_since, ttl)
        await asyncio.sleep(0.02)
    await asyncio.sleep(ttl + 0.1)
    snapshot = await store.snapshot(TEAM, MEMBERS)
    alive = [held for name in MEMBERS for held in snapshot.state(name).alive(snapshot.now)]
    shared["stale"][0] += len(alive) + len(snapshot.waiting)


def _death(shared: Shared, call: str) -> float:
    return shared["killed"][int(call.partition("/")[0])]


def _look_for_stranded(
    name: str, snapshot: Snapshot, shared: Shared, free_since: dict[str, float], ttl: float
) -> None:
    """Notice whom nobody takes although somebody waits for him who lives.

    One who died in line keeps his place for the lease's time, and those behind him wait: the time
    begins with his death.
    """
    wanted = [
        w.call
        for w in snapshot.waiting
        if name in w.call.split("/")[2:] and not _death(shared, w.call)
    ]
    if not wanted or not snapshot.state(name).free(snapshot.now, 1):
        free_since.pop(name, None)
        return
    now = time.time()
    since = free_since.setdefault(name, now)
    deaths = [_death(shared, w.call) for w in snapshot.waiting]
    since = free_since[name] = max(since, *deaths)
    if now - since > ttl + SLACK:
        shared["stranded"][0] += 1
        free_since.pop(name)


def forked(code: Callable[[], Any]) -> int:
    """Return the process that does `code`, and nothing else."""
    child = os.fork()
    if child:
        return child
    try:
        asyncio.run(code())
    except BaseException as error:
        print(f"a process of the test failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def opened(spec: str) -> TeamStore:
    """Return a store; it is opened by whoever uses it."""
    kind, _, where = spec.partition(":")
    if kind == "local":
        return LocalStore(where)
    url, _, prefix = where.rpartition("#")
    return RedisStore(url, prefix=prefix)


def run(spec: str, reservations: int, ttl: float, seed: int, within: float) -> dict[str, Any]:
    """Let workers work and kill them until so many members were taken.

    Raises:
        RuntimeError: It takes longer than `within` seconds, or a process fails.
    """
    shared, chance = Shared(), random.Random(seed)
    began, life, killed = time.monotonic(), 0, 0
    working: dict[int, tuple[int, int]] = {}

    def begin(worker: int) -> None:
        nonlocal life
        life += 1

        async def code(life: int = life) -> None:
            witness = Witness(opened(spec), shared, worker, life)
            await work(cast(TeamStore, witness), life, ttl)

        working[worker] = (forked(code), life)

    def kill(worker: int) -> None:
        process, of = working.pop(worker)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        shared["killed"][of] = time.time()

    async def watch() -> None:
        await monitor(opened(spec), shared, ttl)

    watching, watched = forked(watch), False
    try:
        for worker in range(WORKERS):
            begin(worker)
        while shared.sum("taken") < reservations:
            if time.monotonic() - began > within:
                raise RuntimeError(f"{shared.sum('taken')} members taken in {within:g} s")
            time.sleep(chance.uniform(0.02, 0.4))
            worker = chance.randrange(WORKERS)
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if ended:
                raise RuntimeError("a worker or the monitor has ended by itself")
            kill(worker)
            killed += 1
            begin(worker)
    finally:
        for worker in list(working):
            kill(worker)
            killed += 1
        seconds = time.monotonic() - began
        shared["over"][0] = 1
        with contextlib.suppress(ChildProcessError):
            _, status = os.waitpid(watching, 0)
            watched = status == 0
    if not watched:
        raise RuntimeError("the monitor failed")
    return {
        "store": spec.partition(":")[0],
        "reservations": shared.sum("taken"),
        "killed": killed,
        "seconds": round(seconds, 1),
        "looks": shared.sum("looks"),
        "lost": shared.sum("lost"),
        "double_bookings": shared.sum("doubles"),
        "stale_leases": shared.sum("stale"),
        "stranded": shared.sum("stranded"),
    }


def main() -> None:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", required=True, help="local:FOLDER or redis:URL")
    parser.add_argument("--reservations", type=int, default=1000)
    parser.add_argument("--ttl", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--within", type=float, default=60.0)
    given = parser.parse_args()
    spec = given.store
    if spec.startswith("redis:"):
        spec = f"{spec}#{uuid.uuid4().hex}"
    print(f"seed {given.seed}", flush=True)
    print(json.dumps(run(spec, given.reservations, given.ttl, given.seed, given.within)))


if __name__ == "__main__":
    main()
