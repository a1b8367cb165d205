"""Runners and jobs that are killed at random: nothing is lost, and nothing is made twice."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from livetransfer.callback_dispatch import CallbackDispatcher, RoomState
from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import CallbackLedger, CallbackRunner, MemoryCallbackStore
from livetransfer.callbacks import wall_clock as wall
from livetransfer.callbacks.job_claim import Holding
from livetransfer.testing import virtual_time

from .kit import BEGAN, request, wall_clock

S = CallbackStatus


class Mortal:
    """What a process has of something that others have too; when it is dead, nothing returns.

    Attributes:
        dead: Whether its process was killed.
    """

    names: Sequence[str] = ()

    def __init__(self, of: Any) -> None:
        self._of, self.dead = of, False

    def __init_subclass__(cls) -> None:
        for name in cls.names:
            setattr(cls, name, _asked(name))

    async def alive(self) -> None:
        """Return, or never where it is dead."""
        if self.dead:
            await asyncio.get_running_loop().create_future()


def _asked(name: str) -> Any:
    async def asked(self: Mortal, *args: Any, **options: Any) -> Any:
        await self.alive()
        found = await getattr(self._of, name)(*args, **options)
        await self.alive()  # it has been done, and nobody has heard of it
        return found

    return asked


def _methods(port: type) -> list[str]:
    return [name for name in dir(port) if not name.startswith("_")]


class MortalLedger(Mortal):
    """A ledger as one process has it."""

    names = _methods(CallbackLedger)


class MortalRooms(Mortal):
    """A dispatcher as one process has it."""

    names = _methods(CallbackDispatcher)


class World:
    """A server with rooms, workers, and callers who answer or do not.

    Attributes:
        talked: How many times each caller has talked with a human.
        rang: How many times each caller's phone has rung.
    """

    def __init__(self, ledger: MemoryCallbackStore, seed: int) -> None:
        self._ledger, self._chance = ledger, random.Random(seed)
        self.talked: Counter[str] = Counter()
        self.rang: Counter[str] = Counter()
        self.rooms: dict[str, RoomState] = {}
        self.jobs: list[tuple[Mortal, asyncio.Task[None], str]] = []

    async def dispatch(self, key: str, room: str) -> None:
        """A worker takes the job, as a rule."""
        self.rooms[room] = RoomState()
        if self._chance.random() < 0.9:
            ledger = MortalLedger(self._ledger)
            job = asyncio.ensure_future(self._job(ledger, key, room))
            self.jobs.append((ledger, job, room))

    async def look(self, room: str) -> RoomState | None:
        """Return who is in a room."""
        return self.rooms.get(room)

    async def delete(self, room: str) -> None:
        """Whoever is in there is hung up."""
        self.rooms.pop(room, None)

    async def aclose(self) -> None:
        """Nothing."""

    async def _job(self, ledger: Any, key: str, room: str) -> None:
        chance = self._chance
        await asyncio.sleep(chance.uniform(0.2, 3.0))
        name = f"job-{uuid.uuid4().hex}"
        promise = await Holding.take(ledger, key, name, room)
        if promise is None:
            return
        self.rooms[room] = RoomState(agents=1)
        holding = Holding(ledger, promise, name, lost=lambda: None)
        try:
            await asyncio.sleep(chance.uniform(3.0, 30.0))  # the human is rung and briefed
            await ledger.alive()
            if not await holding.dialling() or room not in self.rooms:
                return
            self.rang[key] += 1
            self.rooms[room] = RoomState(agents=1, parties=2)
            await asyncio.sleep(chance.uniform(1.0, 10.0))
            await ledger.alive()
            if chance.random() < 0.3:
                due = wall.now() + timedelta(seconds=60)
                await holding.end(S.WAITING, "no answer", due)
                return
            if room not in self.rooms:
                return
            self.talked[key] += 1
            self.rooms[room] = RoomState(agents=1, parties=2, bridged=True)
            await ledger.alive()
            await holding.end(S.DONE, "they talk")
            await asyncio.sleep(30.0)
        finally:
            holding.close()
            if not ledger.dead:
                self.rooms.pop(room, None)

    def kill_a_job(self) -> None:
        """One of those that run dies; who is in its room stays in it, and leaves if he talks."""
        alive = [each for each in self.jobs if not each[0].dead and not each[1].done()]
        if not alive:
            return
        ledger, _, room = self._chance.choice(alive)
        ledger.dead = True
        state = self.rooms.get(room)
        if state is not None:
            self.rooms[room] = replace(state, agents=0)
            if state.bridged and self._chance.random() < 0.5:
                del self.rooms[room]


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_and_nothing_made_twice(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    async with virtual_time():
        with wall_clock(monkeypatch):
            ledger = MemoryCallbackStore(clock=wall.now)
            for n in range(60):
                await ledger.add(
                    request(id=f"c{n}", not_after=BEGAN + timedelta(hours=24), attempts=100)
                )
            world = World(ledger, seed)
            running: list[tuple[tuple[MortalLedger, MortalRooms], asyncio.Task[None]]] = []

            def start() -> None:
                parts: Any = MortalLedger(ledger), MortalRooms(world)
                runner = CallbackRunner(*parts, at_once=20, pause=20.0)
                running.append((parts, asyncio.ensure_future(runner.run())))

            mine = asyncio.all_tasks()
            for _ in range(3):
                start()
            for _ in range(90):
                await asyncio.sleep(chance.uniform(2.0, 10.0))
                world.kill_a_job()
                if chance.random() < 0.2:
                    for part in chance.choice(running)[0]:
                        part.dead = True
                    start()
            await asyncio.sleep(900.0)
            killed = sum(each.dead for each, _, _ in world.jobs)
            found = await ledger.find(limit=1000)
            before = asyncio.all_tasks() - mine
            for task in before:
                task.cancel()
            await asyncio.wait(before)
    stand = Counter(str(promise.status) for promise in found)
    print(dict(stand), "killed jobs:", killed)
    assert set(stand) <= {"done", "indeterminate"}, "one was lost"
    assert max(world.talked.values()) == 1, "one was made twice"
    assert all(world.talked[each.id] == 1 for each in found if each.status is S.DONE)
    assert stand["done"] > stand["indeterminate"] > 0
