"""Scripts for the people who are called in a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "HangUp",
    "Human",
    "Press",
    "Say",
    "Step",
    "Wait",
    "WaitForBridge",
    "WaitForSpeech",
]


@dataclass(frozen=True)
class Say:
    """Say something. Who is joined hears it; an AI on the line gets the words at its end.

    Attributes:
        text: The words. It takes 1 s to say 15 characters.
        audio: Samples to be heard instead of a tone (int16, mono); then it takes their length.
        rate: Samples per second of `audio`, in Hz.
        seconds: How long it takes, with no `audio`.
    """

    text: str
    audio: Any = None
    rate: int = 24000
    seconds: float | None = None


@dataclass(frozen=True)
class Press:
    """Press keys, one every 0.1 s: ``0-9``, ``A-D``, ``*`` and ``#``."""

    digits: str


@dataclass(frozen=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class WaitForSpeech:
    """Wait until something was heard and has been over for a moment.

    Attributes:
        timeout: Seconds after which to go on if nothing is heard at all.
        pause: Seconds of quiet that mean it is over.
    """

    timeout: float = 1.5
    pause: float = 0.3


@dataclass(frozen=True)
class WaitForBridge:
    """Wait until joined with the caller."""


@dataclass(frozen=True)
class HangUp:
    """End the call."""


Step = Say | Press | Wait | WaitForSpeech | WaitForBridge | HangUp


@dataclass(frozen=True)
class Human:
    """What happens when somebody is called: how long it rings, and what they do.

    The classmethods make the usual ones; `after` is always the seconds that the phone rings.
    After the last step the human stays on the line until hung up.

    Attributes:
        ring: Seconds of ringing before the answer or the refusal; None: it is never answered.
        script: What they do once they have answered.
        code: The SIP code with which the call is refused instead of answered.
        reason: The reason phrase that comes with it.
    """

    ring: float | None = 2.0
    script: Sequence[Step] = ()
    code: int | None = None
    reason: str = ""

    @classmethod
    def accepts(
        cls,
        after: float = 2.0,
        by: Literal["key", "voice"] = "key",
        says: str = "Yes, please put them through.",
        think: float = 1.0,
        then: Sequence[Step] = (),
    ) -> Human:
        """Answers, listens to the briefing, thinks, and accepts.

        Args:
            after: Seconds of ringing.
            by: Presses 1, or says it.
            says: What is said, with ``by="voice"``.
            think: Seconds between the end of the briefing's first words and the answer.
            then: What to do once joined with the caller.
        """
        act: Step = Press("1") if by == "key" else Say(says)
        tail = (WaitForBridge(), *then) if then else ()
        return cls(after, (WaitForSpeech(), Wait(think), act, *tail))

    @classmethod
    def declines(
        cls,
        after: float = 2.0,
        by: Literal["key", "voice"] = "key",
        says: str = "No, I cannot take this call now.",
        think: float = 1.0,
    ) -> Human:
        """Answers, listens to the briefing, and declines: presses 2, or says so."""
        act: Step = Press("2") if by == "key" else Say(says)
        return cls(after, (WaitForSpeech(), Wait(think), act))

    @classmethod
    def busy(cls) -> Human:
        """Is in another call: 486."""
        return cls(0.0, code=486, reason="Busy Here")

    @classmethod
    def rejects(cls, code: int = 603, after: float = 1.0, reason: str = "") -> Human:
        """Refuses the call with a SIP code."""
        return cls(after, code=code, reason=reason)

    @classmethod
    def no_answer(cls) -> Human:
        """Lets it ring."""
        return cls(None)

    @classmethod
    def voicemail(
        cls,
        after: float = 2.0,
        greeting: str = "You have reached the voicemail of extension one hundred. Please leave a "
        "message after the tone.",
    ) -> Human:
        """A machine answers, plays its greeting and records."""
        return cls(after, (Say(greeting),))

    @classmethod
    def hangs_up(cls, after: float = 2.0, then: float = 2.0) -> Human:
        """Answers, and hangs up `then` seconds later, which is in the middle of the briefing."""
        return cls(after, (Wait(then), HangUp()))

    @classmethod
    def silent(cls, after: float = 2.0) -> Human:
        """Answers and never says anything."""
        return cls(after)

    @classmethod
    def unknown(cls) -> Human:
        """There is no such number: 404."""
        return cls(0.0, code=404, reason="Not Found")
