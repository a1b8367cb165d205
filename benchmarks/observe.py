"""What it costs to observe a transfer: records, traces, metrics and the guard, in CPU.

    python benchmarks/observe.py [--transfers 300] [--calls 12]

- fold: the events of a usual warm transfer (one phone, a briefing) to a record, and out of that
  the words and numbers of people that may not be kept.
- file: the same, and three lines in a file (its thread's CPU included). They are waited for once in
  a batch: a call's lines are written long before its job ends.
- traces: the same, with OpenTelemetry's SDK set up, its spans made and dropped.
- guard: one destination, decided and admitted.
- decisions: how many destinations of all sorts (numbers of an allowed country, dear ones, those of
  others, SIP users, and texts that are none) the guard decides in a second on one core, as
  destinations and as plain texts, which have to be read first. At least 100,000 destinations.
- all: file, traces and guard together, which has to stay under 1 ms.
- hasty: the same, waiting for the file after each transfer, as a job does that ends at once.
- eventful: the same of a transfer with two phones, a queue, refusals and secrets in its words.
- calls: whole simulated calls with and without all of that, in turns, in this one run; the ratio of
  their CPU.

CPU of the whole process (threads included), per transfer, in ms; the least of several batches,
since what else a machine does only adds to it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from tests.unit.record.story import STORY, USUAL
from tests.unit.transfers import rig

from livetransfer import Destination, DestinationGuard, TransferEvent, WarmTransfer
from livetransfer.record import JsonLinesSink, Records, Telemetry
from livetransfer.record.recorder import Recorder
from livetransfer.testing import HangUp, Human, Say, Wait, WaitForBridge, WaitForSpeech, simulate

BATCHES = 15
LIMIT = 1.0
"""Milliseconds of CPU that observing a transfer may cost."""
DECISIONS = 100_000
"""Destinations that the guard decides in a second, on one core."""


def sdk() -> Telemetry:
    """Return telemetry with the SDK set up."""
    tracers = TracerProvider()
    # Exporting is somebody else's: a processor that drops what has ended.
    tracers.add_span_processor(SpanProcessor())
    return Telemetry(
        tracer_provider=tracers, meter_provider=MeterProvider([InMemoryMetricReader()])
    )


def nobody() -> Telemetry:
    """Return telemetry where nobody listens."""
    return Telemetry(tracer_provider=trace.NoOpTracerProvider())


async def observed(records: Records, events: Sequence[TransferEvent] = USUAL) -> Recorder:
    """Record one transfer."""
    recorder = records.begin(object())
    for event in events:
        recorder(event)
    return recorder


async def guarded(guard: DestinationGuard, destination: Destination) -> None:
    """Decide about one destination, and admit it."""
    guard.check(destination)
    admission = await guard.admit(destination, caller="+15550123", trunk_id=None)
    await admission.settle(60.0)


def decisions(texts: bool, count: int = 4000) -> float:
    """Return how many the guard decides in a second of CPU.

    Args:
        texts: Whether they are plain texts, read each time.
        count: How many of each sort.
    """
    guard = DestinationGuard(
        names={"reception": "sip:100@pbx.example.com"},
        countries=["DE", "GB", "US"],
        prefixes=["+3314"],
        domains=["pbx.example.com"],
    )
    asked = [f"+4420794{i:05d}" for i in range(count)]
    asked += [f"+449012{i:06d}" for i in range(count)]
    asked += [f"+1416555{i:04d}" for i in range(count)]
    asked += [f"sip:user{i}@pbx.example.com" for i in range(count)]
    asked += [f"sip:user{i}@pbx.example.com.evil.net" for i in range(count)]
    if texts:
        asked += [f"+44 20 794{i:05d}" for i in range(count)]
    given: list[str | Destination] = list(asked if texts else map(Destination, asked))
    for one in given[::100]:
        guard.decide(one)
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        for one in given:
            guard.decide(one)
        best = max(best, len(given) / (time.process_time() - began))
    return best


async def cost(work: Callable[[], Awaitable[Recorder | None]], transfers: int) -> float:
    """Return the CPU of `work` in ms."""
    await work()
    found = []
    for _ in range(BATCHES):
        began = time.process_time()
        recorder: Recorder | None = None
        for _ in range(max(1, transfers // BATCHES)):
            recorder = await work()
        if recorder is not None:
            await recorder.flush()
        found.append((time.process_time() - began) / max(1, transfers // BATCHES))
    return 1000 * min(found)


async def call(listener: Callable[[TransferEvent], None] | None, guard: Any) -> float:
    """Return the CPU of one simulated call, in ms."""
    script = (WaitForSpeech(), Say("Yes, put them through."), WaitForBridge(), Wait(5.0), HangUp())
    began = time.process_time()
    async with simulate({"+12125550100": Human(ring=2.0, script=script)}) as simulated:
        transfer = WarmTransfer("+12125550100", on_event=listener, guard=guard)
        async with rig(simulated, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged, outcome
            await outcome.ended()
    return 1000 * (time.process_time() - began)


async def calls(records: Records, guard: DestinationGuard, count: int) -> tuple[float, float]:
    """Return the CPU of a call without, and with, all of it."""
    without, with_all = [], []
    for number in range(count + 1):
        plain = await call(None, None)
        recorder = records.begin(object())
        watched = await call(recorder, guard)
        began = time.process_time()
        await recorder.flush()
        watched += 1000 * (time.process_time() - began)
        if number:
            without.append(plain)
            with_all.append(watched)
    return min(without), min(with_all)


async def measure(transfers: int, count: int) -> dict[str, float]:
    """Return the figures."""
    # Whatever is collected of what was imported is nobody's in particular.
    gc.collect()
    gc.freeze()
    guard = DestinationGuard(prefixes=["+1212"])
    destination = Destination("+12125550100")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        alone, kept = Records(telemetry=nobody()), Records(JsonLinesSink(path), telemetry=nobody())
        traced = Records(telemetry=sdk())
        everything = Records(JsonLinesSink(path), telemetry=sdk())

        async def all_of_it(events: Sequence[TransferEvent] = USUAL) -> Recorder:
            await guarded(guard, destination)
            return await observed(everything, events)

        async def and_flushed() -> None:
            await (await all_of_it()).flush()

        found = {
            "fold": await cost(lambda: observed(alone), transfers),
            "file": await cost(lambda: observed(kept), transfers),
            "traces": await cost(lambda: observed(traced), transfers),
            "guard": await cost(lambda: guarded(guard, destination), transfers),
            "all": await cost(all_of_it, transfers),
            "hasty": await cost(and_flushed, transfers),
            "eventful": await cost(lambda: all_of_it(STORY), transfers),
        }
        found["call"], found["call_observed"] = await calls(everything, guard, count)
    found["call_ratio"] = found["call_observed"] / found["call"]
    found["decisions"], found["decisions_texts"] = decisions(False), decisions(True)
    return found


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--transfers", type=int, default=300)
    parser.add_argument("--calls", type=int, default=12)
    options = parser.parse_args()
    found = asyncio.run(measure(options.transfers, options.calls))
    for name, value in found.items():
        if name.startswith("decisions"):
            print(f"{name:<16} {value:10,.0f} per second")
        else:
            print(f"{name:<16} {value:8.3f}" + ("" if name == "call_ratio" else " ms"))
    print(f"all under {LIMIT} ms: {'yes' if found['all'] < LIMIT else 'NO'}")
    enough = found["decisions"] >= DECISIONS
    print(f"{DECISIONS:,} destinations decided in a second: {'yes' if enough else 'NO'}")
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
