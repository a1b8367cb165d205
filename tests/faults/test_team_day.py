"""A team's day: many callers and a few members, and no promise is broken."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest

from livetransfer import AttemptEnded, OfferMade, Phase, PhaseChanged, WaitingInQueue, WarmTransfer
from livetransfer.record import Records
from livetransfer.routing import Member, Queue, Team
from livetransfer.stores import MemoryStore
from livetransfer.testing import Human, virtual_time

from .promises import check_promises
from .scene import Scene, stage
from .script import HUMANS

ANSWERS = (
    *["accepts"] * 8,
    *["accepts by voice"] * 4,
    "declines",
    "busy",
    "does not answer",
    "hangs up",
)
"""What the members do, each as likely."""

LEASE = 30.0


@dataclass
class Day:
    """What happened, by the clock of the loop."""

    team: Team
    random: random.Random
    records: Records | None = None
    taken: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    became: Counter[str] = field(default_factory=Counter)
    waited: list[tuple[str, float, float]] = field(default_factory=list)
    waiting: dict[int, str] = field(default_factory=dict)

    async def caller(self, number: int, hours: float) -> None:
        """Call once, some time of the day, and note what became of it."""
        rolls = self.random
        at, talk = rolls.uniform(0, hours * 3600), rolls.uniform(30, 500)
        if hours > 12 and number % 4:  # most call in the same half hour of the morning
            at = 10 * 3600 + rolls.uniform(0, 1800)
        queue = rolls.choice(["billing", "sales", "sales"])
        leaves = rolls.random() < 0.1
        humans: dict[str, Human] = {
            member.destination.address: HUMANS[rolls.choice(ANSWERS)]
            for member in self.team.members.values()
        }
        await asyncio.sleep(at)
        async with stage(
            lambda listen: WarmTransfer(
                self.team,
                department=queue,
                on_event=listen,
                ring_timeout=15,
                briefing_timeout=20,
                records=self.records,
            ),
            humans=humans,
        ) as scene:
            scene.call.name = f"call-{number}"
            if leaves:
                scene.when(Phase.WAITING, Scene.caller_hangs_up, rolls.uniform(1, 60))
            scene.ask()
            over = asyncio.ensure_future(scene.over())
            while not over.done():
                await asyncio.wait({over}, timeout=5)
                self._look(number, queue, scene)
            self.waiting.pop(number, None)
            await over
            if scene.outcome is not None and scene.outcome.bridged:
                await asyncio.sleep(talk)
            else:
                await scene.settle()
            await check_promises(scene)
            self._note(queue, scene)

    def _look(self, number: int, queue: str, scene: Scene) -> None:
        phases = [e.new for _, e in scene.events if isinstance(e, PhaseChanged)]
        tried = any(isinstance(e, AttemptEnded) for _, e in scene.events)
        waits = bool(phases) and phases[-1] is Phase.WAITING and not tried
        self.waiting.pop(number, None)
        if waits:
            self.waiting[number] = queue

    def _note(self, queue: str, scene: Scene) -> None:
        assert scene.outcome is not None, scene.result
        self.became[scene.outcome.status.value] += 1
        start = scene.call.clock.start
        for address, phone in scene.call.humans.items():
            for ring in phone.rings:
                assert ring.ended_at is not None
                self.taken[address].append((start + ring.at, start + ring.ended_at))
        waits = [at for at, e in scene.events if isinstance(e, WaitingInQueue)]
        offers = [at for at, e in scene.events if isinstance(e, OfferMade)]
        tried = [at for at, e in scene.events if isinstance(e, AttemptEnded)]
        if waits and offers and not (tried and tried[0] < waits[0]):
            self.waited.append((queue, start + waits[0], start + offers[0]))

    async def watch(self) -> None:
        """See that nobody waits for long while somebody is free for him."""
        since: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(5)
            status = await self.team.status()
            for queue in status.queues:
                if queue.available and queue.name in self.waiting.values():
                    since.setdefault(queue.name, loop.time())
                else:
                    since.pop(queue.name, None)
            for name, began in since.items():
                assert loop.time() - began <= LEASE, f"{name}: somebody waits, somebody is free"


def staff(count: int) -> Team:
    members = [
        Member(
            f"m{i}",
            f"+155501{i:02}",
            skills={"sales": 1 + i % 3} | ({"billing": 2} if i % 2 else {}),
            wrap_up=10.0 * (i % 4),
        )
        for i in range(count)
    ]
    queues = [
        Queue("billing", skills={"billing": 1}, strategy="best_skill", max_wait=400),
        Queue("sales", skills={"sales": 1}, strategy="longest_idle", max_wait=400),
    ]
    return Team(members, queues, store=MemoryStore(), lease_seconds=LEASE)


@pytest.mark.parametrize(
    ("callers", "members", "hours"),
    [
        (24, 3, 0.75),
        pytest.param(60, 5, 0.75, marks=pytest.mark.slow),
        pytest.param(100, 10, 24, marks=pytest.mark.slow),
    ],
)
async def test_a_day(callers: int, members: int, hours: float) -> None:
    async with virtual_time():
        day = Day(staff(members), random.Random(f"{callers} {members}"))
        watch = asyncio.ensure_future(day.watch())
        calls = asyncio.gather(*(day.caller(i, hours) for i in range(callers)))
        both: set[asyncio.Future[Any]] = {watch, calls}
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        watch.cancel()
        await asyncio.wait({watch})
        status = await day.team.status()
    print(day.became, f"{len(day.waited)} waited")
    assert day.became["bridged"] > callers / 2
    # Promise 8: no member is rung for two callers at once.
    rings = 0
    for intervals in day.taken.values():
        rings += len(intervals)
        for (_, ended), (began, _) in itertools.pairwise(sorted(intervals)):
            assert began >= ended
    assert rings >= day.became["bridged"]
    # Who has waited for longer is served first; a moment may lie between two who are told.
    for queue in ("billing", "sales"):
        line = sorted((began, served) for name, began, served in day.waited if name == queue)
        for (_, first), (_, second) in itertools.pairwise(line):
            assert first <= second + 1.0
    assert all(queue.waiting == 0 for queue in status.queues)
    assert all(member.calls == 0 or member.presence == "wrap_up" for member in status.members)
