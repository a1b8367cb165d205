"""How long a transfer keeps people waiting, on real calls, beside livekit-agents' WarmTransferTask.

    python benchmarks/transfer_latency.py [--repeats 5]

redis-server, livekit-server and livekit-sip on loopback, SIP phones, a real worker; the models are
scripted, with the delays of usual cloud ones (LLM 0.4 s, STT 0.2 s, TTS 0.25 s). All times are
what the phones hear, in windows of 20 ms; medians, in seconds. "never" means: not within 8 s.

- first word: from the answer to the first word at the human's phone, after 2.2 s of ringing, and
  answered at once, also where the voice's standing words are kept on disk. The human says "hello"
  as soon as he has answered where it says so; else he says nothing.
  A dial with nothing besides is what the SIP bridge and the phone take by themselves: the caller
  is talking, and nobody is kept from hearing anybody.
- joined: from the acceptance (the tool call, or the event of the key) until each hears the other.
- music: from `run()` to the first sound at the caller's phone, with nothing to announce.
- silence: the longest that the caller on hold hears, from the first sound to the acceptance.
- hang-up: from the caller's BYE until the human's phone stops ringing.
- import: what `import livetransfer` adds to `import livekit.agents`.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_calls import compiled, workplace
from tests.e2e import cast, scripted_llm, tones
from tests.e2e.behaviour import Answer, NeverAnswer
from tests.e2e.call import Call
from tests.e2e.stack import unavailable
from tests.e2e.switchboard import SPOKEN, Switchboard, TransferCall

NEVER = 8.0
VOICE = f"benchmark-{os.getpid()}"
"""Whose standing words are kept from the first of its calls on."""
RING = 2.2
QUIET = {"announcement": None}

Figures = dict[str, float | None]
Measurement = Callable[[Switchboard], Awaitable[Figures]]


async def until(work: Awaitable[object]) -> bool:
    """Whether it happens at all."""
    try:
        await asyncio.wait_for(work, NEVER)
    except (TimeoutError, asyncio.TimeoutError):
        return False
    return True


def first(call: Call, pitch: int, after: float) -> float | None:
    """Seconds from a moment until a tone is first heard."""
    at = tones.first_heard(call.recording, pitch, after=after - 0.02)
    return None if at is None else max(0.0, at - after)


def first_sound(call: Call, after: float) -> float | None:
    """Seconds from a moment until anything is heard."""
    loud = call.recording.times()[call.recording.rms() >= tones.QUIET]
    return next((float(at) - after for at in loud if at >= after - 0.02), None)


async def begin(
    switchboard: Switchboard, kind: str, behaviour: Answer, voice: str
) -> tuple[TransferCall, Call]:
    """A call whose caller has asked, and then talks without a pause."""
    step = {"kind": kind, "options": QUIET, "voice_key": voice}
    call = await switchboard.call([behaviour], transfers=[step])
    await call.ask()
    human = await call.human()
    call.caller.tone(cast.CALLER)
    return call, human


async def accepted(call: TransferCall, kind: str, human: Call, *, by_key: bool) -> float:
    """The human accepts: when the agent knew."""
    if by_key:
        await human.press("1", 0.08, 0.0)  # while it is pressed the phone sends no voice
    else:
        await human.say(tones.tone(cast.YES, SPOKEN))
    if kind == "warm":
        return (await call.told("verdict")).at
    while True:  # the tasks do not tell; the tool is called when the model has answered
        for request in call.reported("llm"):
            if "connect_to_caller" in str(request.fields["reply"]):
                return request.at + scripted_llm.LATENCY
        await asyncio.sleep(0.01)


async def talk(
    switchboard: Switchboard,
    kind: str,
    *,
    ring: float,
    by_key: bool,
    hello: bool,
    voice: str = "",
) -> Figures:
    """A whole transfer: first word, music, joined."""
    call, human = await begin(switchboard, kind, Answer(after=ring, tone=cast.HUMAN), voice)
    answered = (await human.wait("answered")).at
    if hello:
        human.say(tones.tone(cast.HELLO, SPOKEN))
    figures: Figures = {"first_word": None}
    if await until(human.hears(cast.BRIEFING, within=NEVER)):
        figures["first_word"] = first(human, cast.BRIEFING, answered)
    run = (await call.told("run")).at
    figures["music"] = first_sound(call.caller, run)
    await asyncio.sleep(0.5)
    known = await accepted(call, kind, human, by_key=by_key)
    if figures["music"] is not None:
        music = run + figures["music"]
        figures["silence"] = tones.longest_silence(call.caller.recording, music, known - 0.1)
    await asyncio.gather(
        call.caller.hears(cast.HUMAN, NEVER),
        human.hears(cast.CALLER, NEVER),
        return_exceptions=True,
    )
    heard = [first(call.caller, cast.HUMAN, known), first(human, cast.CALLER, known)]
    joined = [seconds for seconds in heard if seconds is not None]
    figures["joined"] = max(joined) if len(joined) == 2 else None
    await call.caller.hang_up()
    return figures


async def bare_dial(switchboard: Switchboard) -> Figures:
    """A phone that is answered at once in the room of a caller who is talking already."""
    step = {"kind": "cold", "options": {**QUIET, "method": "dial"}}
    call = await switchboard.call([Answer(tone=cast.HUMAN)], transfers=[step])
    call.caller.tone(cast.CALLER)
    await call.ask()
    human = await call.human()
    answered = (await human.wait("answered")).at
    heard = await until(human.hears(cast.CALLER, within=NEVER))
    figures = {"first_word": first(human, cast.CALLER, answered) if heard else None}
    await call.caller.hang_up()
    return figures


async def hang_up(switchboard: Switchboard, kind: str) -> Figures:
    """The caller hangs up while it rings."""
    call = await switchboard.call([NeverAnswer()], kind=kind, options=QUIET)
    await call.ask()
    human = await call.human()
    await human.wait("ringing")
    await asyncio.sleep(1.0)
    began = time.monotonic()
    ended = asyncio.ensure_future(human.wait("ended", NEVER))
    await call.caller.hang_up()
    return {"hang_up": (await ended).at - began if await until(asyncio.shield(ended)) else None}


def import_seconds(repeats: int) -> float:
    """What the import adds, in a fresh process."""
    code = (
        "import time, livekit.agents; began = time.perf_counter(); import livetransfer; "
        "print(time.perf_counter() - began)"
    )
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, **compiled(folder)}
        command = [sys.executable, "-c", code]
        took = [
            float(subprocess.run(command, capture_output=True, check=True, env=env).stdout)
            for _ in range(repeats + 1)
        ]
    return statistics.median(took[1:])


def measurements() -> dict[str, Measurement]:
    """What is measured, by name."""
    warm = "warm"
    return {
        "WarmTransfer, 2.2 s of ringing, accepted by voice": lambda s: talk(
            s, warm, ring=RING, by_key=False, hello=False
        ),
        "WarmTransfer, answered at once, accepted by key": lambda s: talk(
            s, warm, ring=0, by_key=True, hello=False
        ),
        "WarmTransfer, answered at once, its words kept": lambda s: talk(
            s, warm, ring=0, by_key=True, hello=False, voice=VOICE
        ),
        "a dial with nothing besides, answered at once": bare_dial,
        "WarmTransfer, caller hangs up": lambda s: hang_up(s, warm),
        "our WarmTransferTask, 2.2 s of ringing": lambda s: talk(
            s, "our task", ring=RING, by_key=False, hello=False
        ),
        "our WarmTransferTask, caller hangs up": lambda s: hang_up(s, "our task"),
        "their WarmTransferTask, 2.2 s, human silent": lambda s: talk(
            s, "their task", ring=RING, by_key=False, hello=False
        ),
        "their WarmTransferTask, 2.2 s, human says hello": lambda s: talk(
            s, "their task", ring=RING, by_key=False, hello=True
        ),
        "their WarmTransferTask, caller hangs up": lambda s: hang_up(s, "their task"),
    }


def median(values: list[float | None]) -> float | None:
    """The median; None if it mostly did not happen."""
    ordered = sorted(values, key=lambda value: float("inf") if value is None else value)
    middle = ordered[len(ordered) // 2]
    return None if middle is None else round(middle, 3)


async def measure(repeats: int, only: str) -> dict[str, dict[str, float | None]]:
    """Run everything; one line for each repeat goes to stderr."""
    found: dict[str, dict[str, float | None]] = {}
    async with workplace("latency", "benchmarks.task_agent") as place:
        for name, once in measurements().items():
            if only not in name:
                continue
            taken = []
            for _ in range(repeats):
                async with place.switchboard() as (switchboard, _, _):
                    taken.append(await once(switchboard))
                print(name, taken[-1], file=sys.stderr, flush=True)
            found[name] = {key: median([each.get(key) for each in taken]) for key in taken[0]}
    return found


def main() -> None:
    """Measure, and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="only what has this in its name")
    given = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    found = asyncio.run(measure(given.repeats, given.only))
    imported = round(import_seconds(max(5, given.repeats)), 4)
    columns = ("first_word", "joined", "music", "silence", "hang_up")
    title = f"median of {given.repeats}, in s"
    print(f"{title:52}" + "".join(f"{column:>12}" for column in columns))
    for name, figures in found.items():
        cells = (
            "" if c not in figures else "never" if figures[c] is None else f"{figures[c]:.3f}"
            for c in columns
        )
        print(f"{name:52}" + "".join(f"{cell:>12}" for cell in cells))
    print(f"{'import livetransfer, after livekit.agents':52}{imported:12.4f}")
    print(json.dumps({"repeats": given.repeats, "import_s": imported, "median_s": found}))


if __name__ == "__main__":
    main()
