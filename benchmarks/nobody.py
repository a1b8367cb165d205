"""When nobody takes the call: how long until the caller hears something new, on real calls.

    python benchmarks/nobody.py [--repeats 3] [--only NAME]

redis-server, livekit-server and livekit-sip on loopback, SIP phones, a real worker; the models are
scripted, with the delays of usual cloud ones (LLM 0.4 s, STT 0.2 s, TTS 0.25 s); the transcripts of
recordings come 0.3 s after each word. For each case, in seconds, the median of the repeats:

- new: from the event to the first sound at the caller's phone that is not the music. The event is
  what ends the attempt: the phone's refusal, the end of the ringing, what was found to have
  answered, the key of the last who declines, or `run()` where nobody can be rung. Where a person
  takes the call in the end, it is his key, and the new sound is his voice.
- over: from the event until the transfer has its outcome.

Held: the callers who heard music a second after their transfer had ended. Announcements and
goodbyes are left out of these calls. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_calls import workplace
from tests.e2e import cast, judge, tones
from tests.e2e.backoffice import Backoffice
from tests.e2e.behaviour import Answer, Ignore, NeverAnswer, Reject, Script
from tests.e2e.phone import Phone
from tests.e2e.sip_messages import Credentials
from tests.e2e.stack import Stack, unavailable
from tests.e2e.switchboard import PATIENCE, Switchboard, TransferCall
from tests.e2e.test_answering import clip, ringback, words_of

LIMIT = 1.0
"""Seconds that a caller may wait for something new, at the median."""
RING = 2.0
"""Seconds that a phone rings which nobody answers."""


@dataclass
class Desk:
    """What a case makes its calls with."""

    switchboard: Switchboard
    office: Backoffice
    stack: Stack
    exits: AsyncExitStack
    folder: Path

    async def call(
        self, humans: list[Script], step: dict[str, Any] | None = None, **more: Any
    ) -> TransferCall:
        """A caller who has been greeted, and is about to ask for a person."""
        step = {"kind": "warm", **(step or {})}
        options = {"announcement": None, "ring_timeout": RING, **step.pop("options", {})}
        plan = [{**step, "options": options}]
        return await self.switchboard.call(humans, transfers=plan, **more)

    async def to_trunk(self, address: str, auth: Credentials | None = None) -> TransferCall:
        """The same, with a trunk of one's own and no phone that is known."""
        trunk = await self.office.trunk(address, auth=auth)
        return await self.call([], destination={"address": "+15550100777", "trunk_id": trunk})


Case = Callable[[Desk], Awaitable[tuple[TransferCall, float, int]]]
"""Makes a call; returns it, when the event was, and the tone that the caller waits for."""


async def refused(desk: Desk, code: int) -> tuple[TransferCall, float, int]:
    """The phone rings and refuses."""
    call = await desk.call([Reject(code, after=0.5)])
    await call.ask()
    return call, (await (await call.human()).wait("rejected", PATIENCE)).at, cast.SORRY


async def no_answer(desk: Desk) -> tuple[TransferCall, float, int]:
    """The phone rings until it is given up."""
    call = await desk.call([NeverAnswer()])
    await call.ask()
    return call, (await (await call.human()).wait("ended", PATIENCE)).at, cast.SORRY


async def nothing_there(desk: Desk) -> tuple[TransferCall, float, int]:
    """The trunk says nothing at all."""
    call = await desk.call([Ignore()])
    await call.ask()
    return call, (await call.told("attempt")).at, cast.SORRY


async def wrong_password(desk: Desk) -> tuple[TransferCall, float, int]:
    """The trunk refuses our credentials."""
    answers = await Phone.open(
        desk.stack.phone_ip, behaviour=Answer(), auth=Credentials("trunk", "secret")
    )
    phone = await desk.exits.enter_async_context(answers)
    call = await desk.to_trunk(phone.address, auth=Credentials("trunk", "guessed"))
    await call.ask()
    return call, (await call.told("attempt")).at, cast.SORRY


async def out_of_hours(desk: Desk) -> tuple[TransferCall, float, int]:
    """The queue is closed: nobody is rung."""
    weekday = (datetime.now(timezone.utc) + timedelta(days=3)).strftime("%a")[:2]
    call = await desk.call(
        [Answer()],
        {"options": {"department": "desk"}},
        team={"folder": str(desk.folder), "hours": f"{weekday} 09:00-17:00"},
    )
    await call.ask()
    return call, (await call.told("run")).at, cast.SORRY


async def all_declined(desk: Desk) -> tuple[TransferCall, float, int]:
    """Two are briefed, one after the other, and press the key for no."""
    call = await desk.call([Answer(after=0.3), Answer(after=0.3)])
    await call.ask()
    for index in range(2):
        human = await call.human(index)
        await human.hears(cast.BRIEFING, PATIENCE)
        await human.press("2")
    return call, (await call.told("verdict", nth=2, verdict="declined")).at, cast.SORRY


async def answered(desk: Desk, *clips: str) -> tuple[TransferCall, Any, list[Any]]:
    """A phone that is answered, and what is said there."""
    words = [words_of(name) for name in clips]
    call = await desk.call([Answer(after=0.3)], {"detects": True, "human_says": words})
    await call.ask()
    human = await call.human()
    await human.wait("answered", PATIENCE)
    return call, human, [clip(name) for name in clips]


async def machine(desk: Desk, name: str, kind: str) -> tuple[TransferCall, float, int]:
    """A machine has answered, and is found out."""
    call, human, (sound,) = await answered(desk, name)
    desk.exits.push_async_callback(cancelled, asyncio.ensure_future(human.say(sound)))
    return call, (await call.told("classified", answered_by=kind)).at, cast.SORRY


async def screened(desk: Desk) -> tuple[TransferCall, float, int]:
    """A screener asks who is calling; then a person comes, and takes the call."""
    call, human, (screener, person) = await answered(
        desk, "en-dev-screening-002", "en-dev-person-002"
    )
    await human.say(screener)
    await call.told("classified", answered_by="screening")
    await human.hears(cast.GREETING, PATIENCE)  # who calls, and why
    await human.stops_hearing(cast.GREETING, PATIENCE)
    await human.say(person)
    await human.hears(cast.BRIEFING, PATIENCE)
    return await taken(call, human)


async def answered_early(desk: Desk) -> tuple[TransferCall, float, int]:
    """The provider answers and rings on; then a person who says nothing presses the key."""
    call = await desk.call([Answer(after=0.3)], {"detects": True, "options": {"ring_timeout": 20}})
    await call.ask()
    human = await call.human()
    await human.wait("answered", PATIENCE)
    await human.say(ringback(8.2))
    await call.told("classified", answered_by="unknown")
    await human.hears(cast.BRIEFING, PATIENCE)
    return await taken(call, human)


async def taken(call: TransferCall, human: Any) -> tuple[TransferCall, float, int]:
    """He presses the key for yes, and talks."""
    await human.press("1")
    human.tone(cast.HUMAN)
    return call, (await call.told("verdict")).at, cast.HUMAN


async def cancelled(task: asyncio.Future[Any]) -> None:
    """Stop what a phone is saying."""
    task.cancel()
    await asyncio.wait({task})


def cases() -> dict[str, Case]:
    """What is measured, by name."""
    codes = {486: "busy", 480: "unavailable", 603: "declined", 404: "unknown", 503: "overloaded"}
    return {
        **{f"{code} {name}": partial(refused, code=code) for code, name in codes.items()},
        "no answer": no_answer,
        "voicemail": partial(machine, name="en-dev-voicemail-022", kind="voicemail"),
        "screener, then a person": screened,
        "answered early, then a person": answered_early,
        "not in service": partial(machine, name="en-dev-announcement-007", kind="announcement"),
        "menu": partial(machine, name="en-dev-ivr-015", kind="ivr"),
        "trunk down": nothing_there,
        "wrong credentials": wrong_password,
        "out of hours": out_of_hours,
        "all declined": all_declined,
    }


async def once(case: Case, desk: Desk) -> dict[str, float]:
    """Make one call; say how long its caller waited, and whether he is still on hold."""
    call, event, tone = await case(desk)
    outcome = await call.told("outcome")
    await call.caller.hears(tone, PATIENCE)
    await asyncio.sleep(max(0.0, 1.2 - (asyncio.get_running_loop().time() - outcome.at)))
    heard = tones.first_heard(call.caller.recording, tone, after=event - 0.02)
    assert heard is not None
    held = judge.heard(call.caller, [cast.MUSIC], max(outcome.at, heard) + 1.0)
    await call.caller.hang_up()
    return {"new": heard - event, "over": outcome.at - event, "held": float(held > 0)}


async def measure(repeats: int, only: str) -> dict[str, dict[str, float]]:
    """Run everything; one line for each call goes to stderr."""
    found: dict[str, dict[str, float]] = {}
    async with workplace("nobody") as place:
        for name, case in cases().items():
            if only not in name:
                continue
            taken = []
            for number in range(repeats):
                async with place.switchboard() as (switchboard, office, exits):
                    team = place.folder / f"team-{name}-{number}"
                    team.mkdir()
                    desk = Desk(switchboard, office, place.stack, exits, team)
                    taken.append(await once(case, desk))
                print(name, taken[-1], file=sys.stderr, flush=True)
            found[name] = {
                "new": round(statistics.median(each["new"] for each in taken), 3),
                "over": round(statistics.median(each["over"] for each in taken), 3),
                "held": sum(each["held"] for each in taken),
            }
    return found


def main() -> None:
    """Measure, and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="only what has this in its name")
    given = parser.parse_args()
    if reason := unavailable():
        sys.exit(reason)
    found = asyncio.run(measure(given.repeats, given.only))
    print(f"{f'median of {given.repeats}, in s':34}{'new':>8}{'over':>8}{'held':>6}")
    for name, each in found.items():
        mark = "" if each["new"] <= LIMIT else "  over the limit"
        print(f"{name:34}{each['new']:8.3f}{each['over']:8.3f}{each['held']:6.0f}{mark}")
    held = int(sum(each["held"] for each in found.values()))
    late = [name for name, each in found.items() if each["new"] > LIMIT]
    print(json.dumps({"repeats": given.repeats, "held": held, "late": late, "median_s": found}))


if __name__ == "__main__":
    main()
