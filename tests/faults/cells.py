"""The cells of the fault matrix: what happens in which phase, and what is then expected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectionError

from livetransfer import (
    Attempt,
    BridgeFailed,
    DialFailed,
    FallbackPolicy,
    Phase,
    PhaseChanged,
    ReferFailed,
    TransferEvent,
    TransferStatus,
)
from livetransfer.errors import CallControlError
from livetransfer.testing import (
    HangUp,
    Human,
    Latency,
    Press,
    Say,
    Wait,
    WaitForBridge,
    WaitForSpeech,
)

from .scene import ANNOUNCEMENT, Scene

PHASES = (
    Phase.ANNOUNCING,
    Phase.HOLDING,
    Phase.DIALLING,
    Phase.RINGING,
    Phase.BRIEFING,
    Phase.BRIDGING,
    Phase.BRIDGED,
    Phase.REFERRING,
)

DELAY = {
    Phase.ANNOUNCING: 1.0,
    Phase.HOLDING: 2.0,
    Phase.DIALLING: 1.0,
    Phase.RINGING: 1.5,
    Phase.BRIEFING: 2.0,
    Phase.BRIDGING: 1.0,
    Phase.BRIDGED: 2.0,
    Phase.REFERRING: 1.0,
}
"""Seconds after the beginning of the phase at which something happens; each lasts longer."""

Where = Literal["with the AI", "with the human", "gone", "nobody there"]

EVENTS: dict[str, str] = {
    "caller hangs up": "caller_hangs_up",
    "human hangs up": "human_hangs_up",
    "deadline": "deadline",
    "tool task cancelled": "cancel",
    "session closed": "close_session",
    "session drained": "drain",
    "job shut down": "shut_down_job",
    "room deleted": "lose",
    "connection lost and resumed": "lose_for_a_while",
    "RPC error": "rpc_error",
    "RPC never answers": "rpc_never",
    "RPC answers late": "rpc_late",
    "TTS fails": "tts_fails",
    "LLM fails": "llm_fails",
    "STT fails": "stt_fails",
    "hold source fails": "hold_fails",
    "event listener raises": "listener_raises",
    "policy raises": "policy_raises",
    "second transfer started": "transfer_again",
}
"""The rows of the table, and the method or the preparation of each."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        phase: In which phase it happens.
        event: What happens, a key of `EVENTS`.
        status: The status, or `"cancelled"`.
        where: Where the caller is when the transfer is over and has settled.
    """

    phase: Phase
    event: str
    status: str
    where: Where

    def __str__(self) -> str:
        return f"{self.phase.value}-{self.event.replace(' ', '_')}"


_S = TransferStatus
_BRIDGED = (_S.BRIDGED.value, "with the human")
_REFERRED = (_S.REFERRED.value, "gone")
_LEFT = (_S.CALLER_LEFT.value, "gone")
_FAILED = (_S.FAILED.value, "with the AI")
_CLOSED = (_S.FAILED.value, "nobody there")
_CANCELLED = ("cancelled", "with the AI")


def _row(*columns: tuple[str, str] | None) -> tuple[tuple[str, str] | None, ...]:
    assert len(columns) == len(PHASES)
    return columns


_AI = "with the AI"
_ENDED = (_S.BRIDGED.value, "gone")
_GOES_ON = _row(*[_BRIDGED] * 7, _REFERRED)

EXPECTED: dict[str, tuple[tuple[str, str] | None, ...]] = {
    # announcing, holding, dialling, ringing, briefing, bridging, bridged, referring
    "caller hangs up": _row(*[_LEFT] * 6, _ENDED, (_S.INDETERMINATE.value, "gone")),
    "human hangs up": _row(
        None,
        None,
        None,
        (_S.DECLINED.value, _AI),
        (_S.HUMAN_LEFT.value, _AI),
        (_S.HUMAN_LEFT.value, _AI),
        _ENDED,
        None,
    ),
    "deadline": _row(
        _BRIDGED,
        (_S.BUSY.value, _AI),
        (_S.TIMED_OUT.value, _AI),
        (_S.NO_ANSWER.value, _AI),
        (_S.TIMED_OUT.value, _AI),
        _FAILED,
        None,
        (_S.INDETERMINATE.value, _AI),
    ),
    "tool task cancelled": _row(*[_CANCELLED] * 6, None, _CANCELLED),
    "session closed": _row(*[_CLOSED] * 6, _BRIDGED, (_S.INDETERMINATE.value, "nobody there")),
    "session drained": _GOES_ON,
    "job shut down": _row(*[_CLOSED] * 6, _BRIDGED, (_S.INDETERMINATE.value, "nobody there")),
    "room deleted": _row(
        *[(_S.FAILED.value, "gone")] * 6, _ENDED, (_S.INDETERMINATE.value, "gone")
    ),
    "connection lost and resumed": _GOES_ON,
    "RPC error": _row(
        _BRIDGED,
        _BRIDGED,
        _FAILED,
        (_S.INDETERMINATE.value, _AI),
        _FAILED,
        _FAILED,
        _ENDED,
        _FAILED,
    ),
    "RPC never answers": _row(
        _BRIDGED,
        _BRIDGED,
        (_S.INDETERMINATE.value, _AI),
        _FAILED,
        _FAILED,
        _FAILED,
        _ENDED,
        (_S.INDETERMINATE.value, _AI),
    ),
    "RPC answers late": _row(*[_BRIDGED] * 6, _ENDED, _REFERRED),
    # A human who asks something gets no answer, and the briefing breaks down.
    "TTS fails": _row(_BRIDGED, _FAILED, *[_BRIDGED] * 5, _REFERRED),
    "LLM fails": _GOES_ON,
    # Before the hold it is the caller's own session that gives up; then it is the briefing's.
    "STT fails": _row(_CLOSED, _BRIDGED, *[_FAILED] * 3, *[_BRIDGED] * 2, _REFERRED),
    "hold source fails": _GOES_ON,
    "event listener raises": _GOES_ON,
    "policy raises": _row(
        None,
        None,
        (_S.INVALID_DESTINATION.value, _AI),
        (_S.DECLINED.value, _AI),
        (_S.HUMAN_LEFT.value, _AI),
        _FAILED,
        None,
        (_S.BUSY.value, _AI),
    ),
    "second transfer started": _GOES_ON,
}


def cells() -> list[Cell]:
    """Every cell that can happen, in the order of the table."""
    return [
        Cell(phase, event, *expected)  # type: ignore[arg-type]
        for event, row in EXPECTED.items()
        for phase, expected in zip(PHASES, row, strict=True)
        if expected is not None
    ]


ACCEPTS = Human(
    3.0,
    (
        WaitForSpeech(),
        Say("Who is it?"),
        WaitForSpeech(timeout=4),
        Wait(1),
        Press("1"),
        WaitForBridge(),
        Say("Hello, this is Ann."),
    ),
)


@dataclass
class Staging:
    """How one cell is staged; what prepares a scene changes it.

    Attributes:
        options: Of the transfer.
        script: What the human does.
        refer: What a REFER meets.
        prepare: Called with the scene before the caller asks.
    """

    phase: Phase
    options: dict[str, Any] = field(default_factory=dict)
    script: Human | Sequence[Human] = ACCEPTS
    refer: Any = "accepts"
    latency: Latency = field(default_factory=Latency)
    prepare: list[Callable[[Scene], None]] = field(default_factory=list)
    act: Callable[[Scene], object] | None = None
    nth: int = 1
    listener: Callable[[TransferEvent], None] | None = None
    known: bool = True

    @property
    def cold(self) -> bool:
        """Whether it is a cold transfer."""
        return self.phase is Phase.REFERRING

    @property
    def first_verb(self) -> str:
        """The verb that is under way in the phase."""
        return {
            Phase.ANNOUNCING: "open_audio",
            Phase.HOLDING: "open_audio",
            Phase.DIALLING: "dial",
            Phase.RINGING: "dial",
            Phase.BRIEFING: "start_conversation",
            Phase.BRIDGING: "bridge",
            Phase.BRIDGED: "hang_up",
            Phase.REFERRING: "refer",
        }[self.phase]


def staging(cell: Cell) -> Staging:
    """Return how `cell` is staged: its phase is made to last, and its event is prepared."""
    phase = cell.phase
    plan = Staging(phase)
    if phase is Phase.ANNOUNCING:
        plan.options["announcement"] = ANNOUNCEMENT
    elif phase is Phase.HOLDING and not cell.event.startswith("RPC"):
        plan.script = [Human.busy(), ACCEPTS]
        plan.options["fallback"] = FallbackPolicy(retries=1, retry_after=6.0)
        plan.nth = 2
    elif phase is Phase.DIALLING:
        plan.latency = Latency(dial_setup=3.0)
    elif phase is Phase.BRIDGING and not cell.event.startswith("RPC"):
        plan.prepare.append(lambda scene: scene.call.faults.delay("bridge", 2.0))
    elif phase is Phase.REFERRING:
        plan.latency = Latency(refer=3.0)
    name = EVENTS[cell.event]
    special = _SPECIAL.get(name)
    if special is not None:
        special(plan)
    else:
        plan.act = lambda scene: getattr(scene, name)()
    return plan


def _deadline(plan: Staging) -> None:
    phase = plan.phase
    if phase is Phase.ANNOUNCING:
        plan.prepare.append(lambda scene: setattr(scene.tts, "latency", 100.0))
        plan.act = lambda scene: scene.call.later(40.0, lambda: setattr(scene.tts, "latency", 0.25))
    elif phase is Phase.HOLDING:
        plan.options |= {"max_hold": 5, "fallback": FallbackPolicy(retries=1, retry_after=60.0)}
    elif phase is Phase.DIALLING:
        plan.options["max_hold"] = 2
    elif phase is Phase.RINGING:
        plan.script = Human.no_answer()
        plan.options["ring_timeout"] = 5
    elif phase is Phase.BRIEFING:
        plan.script = Human.silent(3.0)
        plan.options["briefing_timeout"] = 10
    elif phase is Phase.BRIDGING:
        plan.prepare.append(lambda scene: scene.call.faults.late("bridge", by=20.0))
    elif phase is Phase.REFERRING:
        plan.refer = "times_out"
        plan.options["ring_timeout"] = 5


def _drain(plan: Staging) -> None:
    plan.act = lambda scene: scene.close_session(drain=True)


def _error(phase: Phase) -> CallControlError:
    kind: Any = {
        Phase.DIALLING: DialFailed,
        Phase.RINGING: DialFailed,
        Phase.BRIDGING: BridgeFailed,
        Phase.REFERRING: ReferFailed,
    }.get(phase, CallControlError)
    error: CallControlError = kind(
        "the server is down", status=TransferStatus.FAILED, indeterminate=phase is Phase.RINGING
    )
    return error


def _rpc_error(plan: Staging) -> None:
    error = _error(plan.phase)
    verb = plan.first_verb

    def prepare(scene: Scene) -> None:
        if plan.phase is Phase.RINGING:
            # It was answered, and the answer of the request was lost.
            scene.call.faults.late(verb, error, by=0.5)
        else:
            scene.call.faults.fail(verb, error)
        scene.quiet = verb == "open_audio"

    plan.prepare.append(prepare)
    _hangs_up_after_the_bridge(plan)
    if plan.phase is Phase.REFERRING:
        plan.options["method"] = "refer"


def _rpc_never(plan: Staging) -> None:
    verb = plan.first_verb

    def prepare(scene: Scene) -> None:
        if plan.phase is Phase.RINGING:
            # The phone is answered, and the request never says so.
            scene.call.faults.late(verb, by=1e6)
        else:
            scene.call.faults.never(verb)
        scene.quiet = verb == "open_audio"

    plan.prepare.append(prepare)
    _hangs_up_after_the_bridge(plan)
    plan.options["ring_timeout"] = 10


def _rpc_late(plan: Staging) -> None:
    verb = plan.first_verb

    def prepare(scene: Scene) -> None:
        scene.call.faults.late(verb, by=2.0)
        scene.quiet = verb == "open_audio"

    plan.prepare.append(prepare)
    _hangs_up_after_the_bridge(plan)


def _hangs_up_after_the_bridge(plan: Staging) -> None:
    if plan.phase is Phase.BRIDGED:
        plan.script = Human.accepts(after=3, then=[Wait(3), HangUp()])


def _tts_fails(plan: Staging) -> None:
    plan.act = lambda scene: setattr(scene.tts, "error", APIConnectionError("no voice"))


def _llm_fails(plan: Staging) -> None:
    def fail(scene: Scene) -> None:
        rules = scene.llm.script._rules
        scene.llm.script._rules = [(".", APIConnectionError("no words"))]
        scene.call.later(25.0, lambda: setattr(scene.llm.script, "_rules", rules))

    plan.act = fail


def hears_nothing(scene: Scene) -> None:
    """The STT fails for good; a session that is not on hold gives up then."""
    listened = scene.session.input.audio_enabled
    scene.stt.fail()
    if listened and scene.closed is None:
        scene.closed = scene.call.now


def _stt_fails(plan: Staging) -> None:
    plan.act = hears_nothing


def _hold_fails(plan: Staging) -> None:
    failed = asyncio.Event()

    async def music() -> AsyncIterator[rtc.AudioFrame]:
        wave = (3000 * np.sin(np.arange(2400) / 20)).astype(np.int16)
        while not failed.is_set():
            yield rtc.AudioFrame(wave.tobytes(), 24000, 1, 2400)
        raise ConnectionError("the music is gone")

    plan.options["hold_music"] = music()
    plan.act = lambda scene: failed.set()


def _listener_raises(plan: Staging) -> None:
    def listen(event: TransferEvent) -> None:
        if isinstance(event, PhaseChanged) and event.new is plan.phase:
            raise RuntimeError("a listener raises")

    plan.listener = listen


def _policy_raises(plan: Staging) -> None:
    def decide(attempt: Attempt) -> None:
        raise RuntimeError("a policy raises")

    plan.options["fallback"] = decide
    phase = plan.phase
    if phase is Phase.DIALLING:
        plan.known = False
    elif phase is Phase.RINGING:
        plan.script = Human.rejects(603)
    elif phase is Phase.BRIEFING:
        plan.script = Human.hangs_up(3)
    elif phase is Phase.BRIDGING:
        error = _error(phase)
        plan.prepare.append(lambda scene: scene.call.faults.fail("bridge", error))
    elif phase is Phase.REFERRING:
        plan.refer = "busy"


_SPECIAL: dict[str, Callable[[Staging], None]] = {
    "deadline": _deadline,
    "drain": _drain,
    "rpc_error": _rpc_error,
    "rpc_never": _rpc_never,
    "rpc_late": _rpc_late,
    "tts_fails": _tts_fails,
    "llm_fails": _llm_fails,
    "stt_fails": _stt_fails,
    "hold_fails": _hold_fails,
    "listener_raises": _listener_raises,
    "policy_raises": _policy_raises,
}
