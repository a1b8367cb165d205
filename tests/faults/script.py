"""A disturbed transfer as data: what hypothesis makes up, shrinks, and what can be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from livekit.agents import APIConnectionError

from livetransfer import (
    Attempt,
    ColdTransfer,
    FallbackPolicy,
    HangUp,
    Next,
    Phase,
    Retry,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.errors import CallControlError
from livetransfer.testing import HangUp as PutDown
from livetransfer.testing import Human, Press, Refer, Say, Wait, WaitForBridge, WaitForSpeech
from tests.unit.transfers import RULES

from .cells import hears_nothing
from .conftest import settled
from .hooks import Hooked
from .promises import check_promises
from .scene import ANN, ANNOUNCEMENT, BOB, Scene, stage

HUMANS: dict[str, Human] = {
    "accepts": Human.accepts(after=2),
    "accepts at once": Human(0.0, (Press("1"),)),
    "accepts by voice": Human.accepts(after=1, by="voice"),
    "asks, then accepts": Human(
        1.0,
        (
            WaitForSpeech(),
            Say("What is the account number?"),
            WaitForSpeech(timeout=4),
            Say("Good, put them through."),
            WaitForBridge(),
            Say("Hello, this is Ann."),
        ),
    ),
    "accepts and leaves": Human.accepts(after=1, then=[Wait(2), PutDown()]),
    "accepts and leaves at once": Human.accepts(after=1, then=[PutDown()]),
    "presses everything": Human(1.0, (Press("921"), Wait(1), Press("12"))),
    "declines": Human.declines(after=1),
    "busy": Human.busy(),
    "rejects": Human.rejects(603),
    "does not answer": Human.no_answer(),
    "silent": Human.silent(after=2),
    "hangs up": Human.hangs_up(after=1),
    "hangs up at once": Human.hangs_up(after=1, then=0),
    "voicemail": Human.voicemail(after=1),
}

EVENTS: dict[str, Callable[[Scene], object]] = {
    "caller hangs up": Scene.caller_hangs_up,
    "human hangs up": Scene.human_hangs_up,
    "cancelled": Scene.cancel,
    "session closed": Scene.close_session,
    "session drained": lambda s: s.close_session(drain=True),
    "job shut down": Scene.shut_down_job,
    "room deleted": Scene.lose,
    "connection away": Scene.lose_for_a_while,
    "seal broken": Scene.break_seal,
    "second transfer": Scene.transfer_again,
    "caller talks": lambda s: s.call.spawn(s.call.caller.says("Is anybody there?")),
    "human talks": lambda s: s.call.spawn(s.call.human(ANN).says("What is it about?")),
    "human presses 1": lambda s: s.call.human(ANN).press("1"),
    "human presses 2": lambda s: s.call.human(ANN).press("2"),
    "caller presses 1": lambda s: s.call.caller.press("1"),
    "caller presses 0": lambda s: s.call.caller.press("0"),
    "no voice": lambda s: setattr(s.tts, "error", APIConnectionError("no voice")),
    "slow voice": lambda s: setattr(s.tts, "latency", 15.0),
    "no words": lambda s: setattr(s.llm.script, "_rules", [(".", APIConnectionError("none"))]),
    "no ears": hears_nothing,
    "interrupted": Scene.interrupt,
}

FALLBACKS: dict[str, Any] = {
    "default": None,
    "retry": FallbackPolicy(retries=2, retry_after=3.0),
    "hang up": FallbackPolicy(finally_="hang_up", say="Nobody is free. Goodbye."),
    "say": FallbackPolicy(say="I could not reach anybody."),
    "hang up at once": lambda attempt: HangUp(),
    "always again": lambda attempt: Retry(after=2.0),
    "always the next": lambda attempt: Next(),
    "again, or say": (lambda a: Retry(0.5) if a.tries < 2 else None) | FallbackPolicy(say="No."),
}

TALKING: Any = [("being called", "I am calling them."), *RULES]
LONG = (
    "I am calling them now, and while it rings please tell me everything, your name, your order "
    "number, the day, and what happened then, in all detail please, there is time. "
)
LONG_RULES: Any = [("being called", LONG), *RULES]

Kind = Literal["fail", "never", "late", "delay"]
Moment = float | tuple[Phase, float]
"""Seconds since the transfer began; or a phase and seconds after it was entered."""


def _raises(attempt: Attempt) -> None:
    raise RuntimeError("a policy raises")


FALLBACKS["raises"] = _raises


@dataclass(frozen=True)
class Script:
    """One disturbed transfer.

    Attributes:
        kind: Which transfer.
        humans: Who answers at the first number, and at the second.
        after: What follows the bridge.
        refer: What a REFER meets, in a cold one.
        fallback: A key of `FALLBACKS`.
        options: Further options that are on: ``"announcement"``, ``"introduction"``,
            ``"conversation"``, ``"exit key"``, ``"listener raises"``, ``"dialtone"``,
            ``"impatient"`` (little time on hold and to decide), ``"talkative"`` (the AI is in a
            long sentence when a phone is answered), ``"the first again"`` (in the list).
        hook: What of the user's code is broken; see `HOOKS`.
        faults: Verb, what goes wrong, seconds (where it takes any), and how often.
        events: What happens when, a key of `EVENTS`.
    """

    kind: Literal["warm", "cold"] = "warm"
    humans: tuple[str, ...] = ("accepts",)
    after: Literal["end", "return", "leave"] = "end"
    refer: Refer = "accepts"
    fallback: str = "default"
    options: frozenset[str] = frozenset()
    hook: str = ""
    faults: tuple[tuple[str, Kind, float, int], ...] = ()
    events: tuple[tuple[Moment, str], ...] = ()

    def transfer(self, listen: Any) -> WarmTransfer | ColdTransfer:
        """Return the transfer."""

        def on_event(event: Any) -> None:
            listen(event)
            if "listener raises" in self.options:
                raise RuntimeError("a listener raises")

        to = [ANN, BOB][: len(self.humans)]
        if "the first again" in self.options:
            to.append(ANN)
        impatient = "impatient" in self.options
        options: dict[str, Any] = {
            "on_event": on_event,
            "after": self.after,
            "fallback": FALLBACKS[self.fallback],
            "ring_timeout": 8,
            "max_hold": 6 if impatient else 60,
            "announcement": ANNOUNCEMENT if "announcement" in self.options else None,
        }
        if self.kind == "cold":
            return ColdTransfer(to, play_dialtone="dialtone" in self.options, **options)
        if "introduction" in self.options:
            options["introduction"] = "You are now connected with each other."
        if "conversation" in self.options:
            options["while_ringing"] = "conversation"
        if "exit key" in self.options:
            options["exit_key"] = "0"
        return Hooked(to, self.hook, briefing_timeout=2 if impatient else 20, **options)


async def play(script: Script) -> Scene:
    """Play `script` and check the promises; return what was recorded."""
    before = asyncio.all_tasks()
    humans = {a: HUMANS[h] for a, h in zip((ANN, BOB), script.humans, strict=False)}
    async with stage(
        script.transfer,
        humans=humans,
        refer=script.refer,
        after=script.after,
        rules=LONG_RULES if "talkative" in script.options else TALKING,
    ) as scene:
        _break(script, scene)
        scene.talking = "conversation" in script.options
        rules = scene.llm.script._rules
        for moment, event in script.events:
            act = EVENTS[event]
            phase, seconds = moment if isinstance(moment, tuple) else (Phase.ANNOUNCING, moment)
            scene.when(phase, act, seconds)
        scene.ask()
        await scene.over()
        await scene.settle(24)
        scene.disarm()
        scene.llm.script._rules = rules
        scene.tts.error, scene.tts.latency = None, 0.25
        await scene.settle(8)
        await check_promises(scene, bound=16.0)
    await settled(before)
    return scene


def _break(script: Script, scene: Scene) -> None:
    faults = scene.call.faults
    for verb, kind, seconds, times in script.faults:
        error = CallControlError("the server is down", status=TransferStatus.FAILED)
        if kind == "fail":
            faults.fail(verb, error, after=seconds, times=times)
        elif kind == "never":
            faults.never(verb, times=times)
        elif kind == "late":
            faults.late(verb, by=seconds, times=times)
        else:
            faults.delay(verb, seconds, times=times)
        # The dial tone is the server's: where the REFER is held up, there is none.
        silent = verb == "refer" and "dialtone" in script.options
        scene.quiet = scene.quiet or silent or verb == "open_audio"
        scene.slow_hang_up = scene.slow_hang_up or verb == "hang_up"
