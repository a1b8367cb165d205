"""Many transfers at the same time in one worker, on real calls: do all end as scripted?

    python benchmarks/load.py [--calls 200] [--at-once 20] [--every 3] [--executor process]

redis-server, livekit-server and livekit-sip on loopback, one worker, and SIP phones in this
process; the models are scripted, with the delays of usual cloud ones. Half of the calls are
accepted and end with the caller's hang-up; the others are declined, busy, not answered, left by
the caller while it rings, or cancelled by the agent's code. Every `--every` seconds a caller asks
for a person, unless `--at-once` transfers are under way, talking included; who got a person talks
for as long as it takes to have that many. In rounds of 50: after each, when all jobs have ended,
the worker is looked at: its open tasks, its threads, the memory of all its processes.

`--executor thread` runs all jobs in the worker's one process, so that a leak would show there;
`process`, livekit-agents' default, gives each job a process of its own.

Times are what the phones hear, in windows of 20 ms; one call at a time, then under load:

- briefing: from the answer, after 2.2 s of ringing, to the first word of the briefing.
- bridge: from the acceptance (the tool call) until each hears the other.
- hang-up: from the caller's BYE until the human's phone stops, ringing or bridged.
- cancelled: from the cancellation until `run()` has raised it and the AI has its audio again;
  "voice" until the caller hears it, without the 0.25 s that the voice itself takes.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e import cast, scripted_tts, tones
from tests.e2e.aftermath import dialled_once
from tests.e2e.backoffice import Backoffice
from tests.e2e.behaviour import Answer, NeverAnswer, Reject, Script
from tests.e2e.call import Call
from tests.e2e.stack import Stack, unavailable
from tests.e2e.switchboard import SPOKEN, Reports, Switchboard, TransferCall
from tests.e2e.worker import Worker

WANTED = "LIVETRANSFER_LOAD_SAMPLE"
"""As load_agent.py has it."""

RING = 2.2
PATIENT = 30.0
NO_ANSWER = 6.0
QUIET: dict[str, object] = {"announcement": None, "ring_timeout": 25}
ROUND = 50
FLAT = ("tasks", "threads", "MiB")
COLUMNS = ("briefing", "bridge", "hang_up", "cancelled", "voice")

Figures = dict[str, float]


class Crowd:
    """The transfers that are under way, and how many there were over time."""

    def __init__(self, size: int, every: float) -> None:
        self.most = 0
        self._every, self._next = every, 0.0
        self._places = asyncio.Semaphore(size)
        self._turns = asyncio.Lock()
        self._now = 0
        self._changes: list[tuple[float, int]] = []

    @contextlib.asynccontextmanager
    async def one_more(self) -> AsyncIterator[None]:
        """Begin when it is one's turn and there is room for one."""
        async with self._turns:
            await self._places.acquire()
            await asyncio.sleep(self._next - time.monotonic())
            self._next = time.monotonic() + self._every
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)
            self._places.release()

    def _change(self, by: int) -> None:
        self._now += by
        self.most = max(self.most, self._now)
        self._changes.append((time.monotonic(), self._now))

    def seconds_at(self, least: int) -> float:
        """For how long at least that many were under way."""
        pairs = itertools.pairwise(self._changes)
        return sum(end - start for (start, there), (end, _) in pairs if there >= least)


Play = Callable[[TransferCall, float], Awaitable[Figures]]


def after(call: Call, pitch: int, moment: float) -> float:
    """Seconds from a moment until a tone is first heard."""
    found = tones.first_heard(call.recording, pitch, after=moment - 0.02)
    if found is None:
        raise AssertionError(f"{pitch} Hz was not heard")
    return max(0.0, found - moment)


async def status(call: TransferCall, expected: str) -> None:
    """The outcome has to be as scripted, and no phone dialled twice."""
    found = (await call.outcome(within=60))["status"]
    if found != expected:
        raise AssertionError(f"{found} instead of {expected}")
    dialled_once(call)


async def served(call: TransferCall) -> None:
    """The caller is with the AI, and nothing else is in the room; he hangs up."""
    await call.only_caller_and_agent(within=10)
    await call.caller.hang_up(within=PATIENT)


async def left(call: TransferCall, human: Call) -> Figures:
    """The caller hangs up: how long the human's phone goes on."""
    began = time.monotonic()
    ended = asyncio.ensure_future(human.wait("ended", PATIENT))
    await call.caller.hang_up(within=PATIENT)
    return {"hang_up": (await ended).at - began}


async def accepted(call: TransferCall, talk: float) -> Figures:
    human = await call.human(within=PATIENT)
    call.caller.tone(cast.CALLER)
    answered = (await human.wait("answered")).at
    await human.hears(cast.BRIEFING, PATIENT)
    found = {"briefing": after(human, cast.BRIEFING, answered)}
    await asyncio.sleep(0.5)
    yes, verdict = tones.tone(cast.YES, SPOKEN), call.told("verdict", PATIENT)
    known = (await human.say_until(yes, verdict, NO_ANSWER)).at
    human.tone(cast.HUMAN)
    await asyncio.gather(call.caller.hears(cast.HUMAN, PATIENT), human.hears(cast.CALLER, PATIENT))
    found["bridge"] = max(after(call.caller, cast.HUMAN, known), after(human, cast.CALLER, known))
    await asyncio.sleep(talk)
    await status(call, "bridged")
    found |= await left(call, human)
    await call.told("end", PATIENT, by="caller")
    return found


async def declined(call: TransferCall, talk: float) -> Figures:
    human = await call.human(within=PATIENT)
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, PATIENT))
    await human.hears(cast.BRIEFING, PATIENT)
    no, verdict = tones.tone(cast.NO, SPOKEN), call.told("verdict", PATIENT)
    await human.say_until(no, verdict, NO_ANSWER)
    await sorry
    await status(call, "declined")
    await served(call)
    return {}


async def busy(call: TransferCall, talk: float) -> Figures:
    await call.caller.hears(cast.SORRY, PATIENT)
    await status(call, "busy")
    await served(call)
    return {}


async def not_answered(call: TransferCall, talk: float) -> Figures:
    await call.caller.hears(cast.SORRY, PATIENT)
    await status(call, "no_answer")
    await served(call)
    return {}


async def leaves(call: TransferCall, talk: float) -> Figures:
    human = await call.human(within=PATIENT)
    await call.phase("ringing", PATIENT)
    found = await left(call, human)
    await status(call, "caller_left")
    return found


async def cancelled(call: TransferCall, talk: float) -> Figures:
    human = await call.human(within=PATIENT)
    began = (await call.told("cancel", PATIENT)).at
    done = await call.told("cancelled", PATIENT)
    if not done.fields["audio"]:
        raise AssertionError("the AI has no audio after the cancellation")
    await call.caller.hears(cast.SORRY, PATIENT)
    await human.wait("ended", PATIENT)
    voice = after(call.caller, cast.SORRY, began) - scripted_tts.LATENCY
    await served(call)
    return {"cancelled": done.at - began, "voice": voice}


def scripts() -> list[tuple[str, Script, Play, dict[str, object]]]:
    """What ten calls do, in turn."""
    talk = ("accepted", Answer(after=RING), accepted, QUIET)
    return [
        talk,
        ("declined", Answer(after=0.5), declined, QUIET),
        talk,
        ("busy", Reject(486, after=0.5), busy, QUIET),
        talk,
        ("not answered", NeverAnswer(), not_answered, {**QUIET, "ring_timeout": 3}),
        talk,
        ("caller leaves", NeverAnswer(), leaves, QUIET),
        talk,
        ("cancelled", NeverAnswer(), cancelled, QUIET),
    ]


class Load:
    """Calls, and what became of them."""

    def __init__(self, stack: Stack, worker: Worker, wanted: Path) -> None:
        self._stack, self._worker, self._wanted = stack, worker, wanted
        self._reports = Reports(worker)
        self._starting = asyncio.Semaphore(2)
        self.failed: list[str] = []
        self.ended: Counter[str] = Counter()
        self.samples: list[dict[str, Any]] = []

    async def one(
        self, nth: int, figures: dict[str, list[float]], crowd: Crowd, talk: float = 1.0
    ) -> None:
        """One call, with an operator's account of its own."""
        name, human, play, options = scripts()[nth % 10]
        step = {"kind": "warm", "options": options, "cancel": name == "cancelled"}
        try:
            async with Backoffice.open(self._stack) as office, AsyncExitStack() as exits:
                board = Switchboard(self._stack, office, self._reports, exits)
                # A few at a time: how a worker starts many jobs at once is not what is measured.
                async with self._starting:
                    call = await board.call([human], transfers=[step])
                    await exits.enter_async_context(crowd.one_more())
                ask, begun = tones.tone(cast.ASK, SPOKEN), call.told("phase", PATIENT)
                await call.caller.say_until(ask, begun, NO_ANSWER)
                found = await asyncio.wait_for(play(call, talk), 100 + talk)
                for key, value in found.items():
                    figures[key].append(value)
        except Exception as error:
            why = str(error).split("\n", 1)[0]
            self.failed.append(f"call {nth}, {name}: {type(error).__name__}: {why}")
            print(self.failed[-1], file=sys.stderr, flush=True)
        else:
            self.ended[name] += 1

    async def round(
        self, calls: range, figures: dict[str, list[float]], at_once: int, every: float
    ) -> None:
        """Some calls, so many at once; then the worker is looked at."""
        crowd = Crowd(at_once, every)
        began, used = time.monotonic(), self._cpu()
        # Half of them talk: that keeps the number up until the last has begun.
        talk = 2 * at_once * every
        await asyncio.gather(*(self.one(nth, figures, crowd, talk) for nth in calls))
        took = time.monotonic() - began
        cores = {name: round((now - used[name]) / took, 2) for name, now in self._cpu().items()}
        await self.look(calls.stop)
        self.samples[-1] |= {
            "cores": cores,
            "most": crowd.most,
            "seconds_at_most": round(crowd.seconds_at(crowd.most), 1),
        }
        print(f"{calls.stop:4} calls, {took:.1f} s", self.samples[-1], file=sys.stderr, flush=True)

    def _cpu(self) -> dict[str, float]:
        """Seconds of CPU that each of those who take part has used."""
        stack = self._stack
        everybody = {"worker": self._worker, "livekit-server": stack.server, "sip": stack.sip}
        found = {"phones": sum(psutil.Process().cpu_times()[:2])}
        for name, process in everybody.items():
            assert process is not None
            main = psutil.Process(process.pid)
            times = [each.cpu_times() for each in [main, *main.children(recursive=True)]]
            found[name] = sum(each.user + each.system for each in times)
            # Jobs that have ended were processes of their own.
            found[name] += sum(each.children_user + each.children_system for each in times)
        return found

    async def look(self, calls: int) -> None:
        """Wait for the jobs to end, and take the worker's measure."""
        await asyncio.sleep(8)
        nth = len(self._worker.reports("sample")) + 1
        self._wanted.touch()
        inside = (await self._worker.wait("sample", 20, nth=nth)).fields
        main = psutil.Process(self._worker.pid)
        everything = [main, *main.children(recursive=True)]
        memory = sum(each.memory_info().rss for each in everything) / 2**20
        self.samples.append(
            {"calls": calls, "MiB": round(memory, 1), "processes": len(everything), **inside}
        )


def described(figures: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Median, 99th percentile and worst of each figure."""
    found = {}
    for key in COLUMNS:
        if values := sorted(figures.get(key, [])):
            nearest = min(len(values) - 1, -(-len(values) * 99 // 100) - 1)
            found[key] = {
                "n": len(values),
                "median": round(statistics.median(values), 3),
                "p99": round(values[nearest], 3),
                "worst": round(values[-1], 3),
            }
    return found


async def measure(
    calls: int, at_once: int, every: float, alone: int, executor: str
) -> dict[str, object]:
    """Run it all."""
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    print(f"logs: {folder}", file=sys.stderr)
    stack = Stack.start(folder, log_level="warn")
    wanted = folder / "wanted"
    worker = Worker(
        stack,
        "benchmarks.load_agent",
        "load",
        folder,
        executor="thread" if executor == "thread" else "process",
        env={WANTED: str(wanted), "LIVETRANSFER_E2E_WORKER_LOG_LEVEL": "WARNING"},
    )
    try:
        await worker.start_async()
        load = Load(stack, worker, wanted)
        unloaded: dict[str, list[float]] = defaultdict(list)
        for index in range(alone):
            # An accepted call and one that is cancelled or left, in turn.
            await load.one((0, 9, 0, 7)[index % 4], unloaded, Crowd(1, 0.0))
        loaded: dict[str, list[float]] = defaultdict(list)
        load.ended.clear()
        for first in range(0, calls, ROUND):
            nths = range(first, min(first + ROUND, calls))
            await load.round(nths, loaded, at_once, every)
    finally:
        await worker.stop_async()
        stack.stop()
    return {
        "calls": calls,
        "at_once": at_once,
        "executor": executor,
        "most_under_way": max(sample["most"] for sample in load.samples),
        "as_scripted": sum(load.ended.values()),
        "ended": dict(load.ended),
        "failed": load.failed,
        "alone": described(unloaded),
        "loaded": described(loaded),
        **{what: [load.samples[0][what], load.samples[-1][what]] for what in FLAT},
        "samples": load.samples,
    }


def main() -> None:
    """Measure, and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--every", type=float, default=3.0, help="seconds from one to the next")
    parser.add_argument("--alone", type=int, default=12, help="calls one at a time, before")
    parser.add_argument("--executor", choices=("thread", "process"), default="process")
    given = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    found = asyncio.run(
        measure(given.calls, given.at_once, given.every, given.alone, given.executor)
    )
    print(f"{'in s: median / p99 (calls)':28}" + "".join(f"{each:>24}" for each in COLUMNS))
    for name, row in (
        ("one at a time", found["alone"]),
        (f"{given.at_once} at once", found["loaded"]),
    ):
        assert isinstance(row, dict)
        cells = (
            f"{row[c]['median']:.3f} / {row[c]['p99']:.3f} ({row[c]['n']})" if c in row else "-"
            for c in COLUMNS
        )
        print(f"{name:28}" + "".join(f"{cell:>24}" for cell in cells))
    print(f"under way at the same time: {found['most_under_way']}")
    print(f"as scripted: {found['as_scripted']} of {found['calls']}; {found['ended']}")
    for what in FLAT:
        print(f"{what} of the worker after {ROUND} calls and at the end: {found[what]}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
