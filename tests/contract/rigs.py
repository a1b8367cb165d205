"""Rigs: a call with a control over it, and what its parties do, say and hear.

One test-suite runs on every rig. A rig for another implementation needs the members of `Rig`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from livetransfer.control import AudioSink, CallControl, ControlEvent, Conversation, Leg
from livetransfer.destination import Destination

Voice = Literal["caller", "human", "second", "music", "briefing", "introduction"]
Human = Literal["human", "second"]
Listener = Literal["caller", "human", "second"]

State = Literal["idle", "ringing", "talking", "ended"]

TONES: dict[str, int] = {
    "caller": 500,
    "human": 1000,
    "music": 1500,
    "briefing": 2000,
    "introduction": 2500,
    "second": 3000,
}
"""In Hz: multiples of 50, far apart, so that every 20 ms say who was heard."""


@dataclass(frozen=True)
class Answers:
    """The human's phone rings for `after` seconds, then is answered, and says the human's voice."""

    after: float = 0.3


@dataclass(frozen=True)
class Refuses:
    """The human's phone refuses with a SIP code."""

    code: int = 486
    after: float = 0.0


@dataclass(frozen=True)
class RingsOn:
    """The human's phone rings until it is stopped."""


Script = Answers | Refuses | RingsOn


@dataclass(frozen=True)
class ReferScript:
    """What the caller's phone does with a REFER: the response, then a NOTIFY for each code."""

    response: int = 202
    notify: tuple[int, ...] = (100, 200)


class Rig(Protocol):
    """A caller on the line, who says the voice "caller", and a control over the call."""

    refer_target: str

    @property
    def control(self) -> CallControl:
        """The control over the call."""

    def human(self, script: Script, who: Human = "human") -> Destination:
        """Return how to dial a human, whose phone does what `script` says."""

    def on_refer(self, script: ReferScript) -> None:
        """Say what the caller's phone does with a REFER."""

    async def run(self, seconds: float) -> None:
        """Let time pass."""

    async def play(self, sink: AudioSink, voice: Voice) -> None:
        """Write `voice` to `sink` from now on, until the sink is closed."""

    async def brief(self, conversation: Conversation) -> None:
        """Start a session on `conversation` that says the voice "briefing" from now on."""

    async def hears(self, listener: Listener, voice: Voice, within: float = 2.0) -> float:
        """Wait until `listener` hears `voice`; return the time. TimeoutError if not."""

    async def deaf_to(self, listener: Listener, voice: Voice, within: float = 2.0) -> float:
        """Wait until `listener` does not hear `voice` any more; return the time."""

    def heard(self, listener: Listener, voice: Voice) -> int:
        """Return for how many ms `listener` has heard `voice` in all."""

    def forget(self) -> None:
        """Count what is `heard` from now on only."""

    def state_of(self, who: Human) -> State:
        """What a human's phone does."""

    @property
    def human_state(self) -> State:
        """What the human's phone does."""

    async def human_is(self, state: State, within: float = 3.0, who: Human = "human") -> float:
        """Wait until a human's phone is in `state`; return the time."""

    async def hang_up(self, who: Listener) -> None:
        """A party hangs up."""

    async def press(self, who: Listener, key: str) -> None:
        """A party presses a key."""

    async def aclose(self) -> None:
        """End the call and the control."""


class Events:
    """The events of a control, as a test waits for them."""

    def __init__(self, control: CallControl) -> None:
        self.seen: list[ControlEvent] = []
        self._changed = asyncio.Event()
        control.subscribe(self._on_event)

    def _on_event(self, event: ControlEvent) -> None:
        self.seen.append(event)
        self._changed.set()

    def of(self, kind: type[ControlEvent], identity: str | None = None) -> list[ControlEvent]:
        """Return those of a kind, about `identity` if given."""
        return [
            e
            for e in self.seen
            if isinstance(e, kind) and identity in (None, getattr(e, "identity", None))
        ]

    async def wait(
        self, kind: type[Any], identity: str | None = None, within: float = 3.0
    ) -> ControlEvent:
        """Wait for one of a kind."""

        async def found() -> ControlEvent:
            while not self.of(kind, identity):
                self._changed.clear()
                await self._changed.wait()
            return self.of(kind, identity)[0]

        try:
            return await asyncio.wait_for(found(), within)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no {kind.__name__} of {identity}; seen: {self.seen}") from None


async def answered(
    rig: Rig,
    identity: str = "human-1",
    *,
    after: float = 0.3,
    sealed: bool = True,
    who: Human = "human",
) -> Leg:
    """Dial a human who answers; the usual beginning."""
    destination = rig.human(Answers(after=after), who)
    return await rig.control.dial(destination, identity=identity, ring_timeout=10.0, sealed=sealed)
