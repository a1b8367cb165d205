"""Five phones that ring at once on a real call, of which two are answered at the same time.

    python benchmarks/ring_group.py [--calls 20] [--phones 5] [--bridge shared_room]

redis-server, livekit-server and livekit-sip on loopback, SIP phones, a real worker; the models are
scripted, with the delays of usual cloud ones (LLM 0.4 s, STT 0.2 s, TTS 0.25 s). All times are
what the phones hear and are told, in seconds; medians over the calls.

- first_word: from the answer to the first word of the briefing, for each of the two. At most 0.25.
- stopped: from the acceptance (the agent knew) until the last of the other phones stopped ringing.
  At most 0.3.
- told, hung_up: from the acceptance until the second, who is being briefed, hears that a colleague
  has taken the call, and until he is hung up. Between them lies the sentence.
- joined: from the acceptance until caller and human hear each other; beside it the same of calls
  with one phone.
- together: how far the two answers lay apart.
- cpu: the share of the machine's processors that was busy while the two were answered and greeted.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_calls import workplace
from tests.e2e import cast, tones
from tests.e2e.behaviour import Answer, NeverAnswer, Script
from tests.e2e.call import Call
from tests.e2e.stack import unavailable
from tests.e2e.switchboard import PATIENCE, SPOKEN, Switchboard

RING = 2.2
LIMITS = {"first_word": 0.25, "first_word_second": 0.25, "stopped": 0.3}
BRIEFED = 0.5
"""Seconds for which both are briefed before one accepts."""

Figures = dict[str, float]


def busy() -> tuple[float, float]:
    """Return how long the processors were busy, and in all, in their own unit."""
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def share(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return the share of the processors that was busy between two moments."""
    return (after[0] - before[0]) / max(1.0, after[1] - before[1])


def first(call: Call, pitch: int, after: float) -> float:
    """Return the seconds from a moment until a tone is first heard."""
    at = tones.first_heard(call.recording, pitch, after=after - 0.02)
    if at is None:
        raise RuntimeError(f"{pitch} Hz was not heard")
    return max(0.0, at - after)


def moment(call: Call, kind: str) -> float:
    """Return when something happened to a phone."""
    at = call.at(kind)
    if at is None:
        raise RuntimeError(f"a phone was not {kind}")
    return at


async def once(switchboard: Switchboard, phones: int, bridge: str) -> Figures:
    """A whole call; with one phone it is the ordinary transfer."""
    answer = Answer(after=RING, tone=cast.HUMAN)
    scripts: list[Script] = [answer] if phones == 1 else [answer, answer]
    scripts += [NeverAnswer()] * (phones - 2)
    options = {"announcement": None, "ring": "all", "bridge": bridge}
    call = await switchboard.call(scripts, options=options)
    await call.ask()
    rings = await asyncio.gather(*(call.human(index) for index in range(phones)))
    call.caller.tone(cast.CALLER)
    answering, ringing = rings[:2], rings[2:]
    began = busy()
    await asyncio.gather(*(each.wait("answered", PATIENCE) for each in answering))
    await asyncio.gather(*(each.hears(cast.BRIEFING, PATIENCE) for each in answering))
    figures = {"cpu": share(began, busy())}
    answered = [moment(each, "answered") for each in answering]
    for name, each, at in zip(("first_word", "first_word_second"), answering, answered):  # noqa: B905
        figures[name] = first(each, cast.BRIEFING, at)
    figures["together"] = max(answered) - min(answered)
    await asyncio.sleep(BRIEFED)
    winner, losers = answering[0], answering[1:]
    await winner.say(tones.tone(cast.YES, SPOKEN))
    accepted = (await call.told("verdict", verdict="accepted")).at
    await asyncio.gather(
        call.caller.hears(cast.HUMAN, PATIENCE), winner.hears(cast.CALLER, PATIENCE)
    )
    await asyncio.gather(*(each.wait("ended", PATIENCE) for each in (*losers, *ringing)))
    figures["joined"] = max(
        first(call.caller, cast.HUMAN, accepted), first(winner, cast.CALLER, accepted)
    )
    if ringing:
        figures["stopped"] = max(moment(each, "cancelled") for each in ringing) - accepted
    for each in losers:
        figures["told"] = first(each, cast.FAREWELL, accepted)
        figures["hung_up"] = moment(each, "ended") - accepted
    await call.caller.hang_up()
    return figures


async def measure(calls: int, sizes: Sequence[int], bridge: str) -> dict[int, list[Figures]]:
    """Make the calls, of each size in turn; one line for each goes to stderr."""
    found: dict[int, list[Figures]] = {size: [] for size in sizes}
    async with workplace("ring-group") as place:
        for index in range(-1, calls):  # the first calls make the machine warm
            for size in sizes:
                async with place.switchboard() as (board, _, _):
                    figures = await once(board, size, bridge)
                rounded = {name: round(value, 3) for name, value in figures.items()}
                print(size, rounded, file=sys.stderr, flush=True)
                if index >= 0:
                    found[size].append(figures)
    return found


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--phones", type=int, default=5)
    parser.add_argument("--bridge", default="auto")
    given = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    began, moment_began = busy(), time.monotonic()
    found = asyncio.run(measure(given.calls, sorted({1, given.phones}), given.bridge))
    medians = {
        size: {name: statistics.median(each[name] for each in taken) for name in taken[0]}
        for size, taken in found.items()
    }
    worst = {name: max(each[name] for each in found[given.phones]) for name in LIMITS}
    group = medians[given.phones]
    for name, value in group.items():
        limit = LIMITS.get(name)
        beside = "" if limit is None else f"  (limit {limit}, worst {worst[name]:.3f})"
        beside += "  NOT REACHED" if limit is not None and value > limit else ""
        print(f"{name:<18} {value:7.3f}{beside}")
    for name in ("first_word", "joined"):
        print(f"{'one phone: ' + name:<22} {medians[1][name]:7.3f}")
    print(
        f"{given.calls} calls in {time.monotonic() - moment_began:.0f} s; "
        f"processors {share(began, busy()):.0%} busy, load {os.getloadavg()[0]:.1f} "
        f"on {os.cpu_count()} cores"
    )
    figures = {name: round(value, 3) for name, value in group.items()}
    one = {name: round(medians[1][name], 3) for name in ("first_word", "joined")}
    print(json.dumps({"calls": given.calls, "phones": given.phones, **figures, "one_phone": one}))


if __name__ == "__main__":
    main()
