"""Scripts for the people who are called in a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from livetransfer.errors import ConfigurationError

from .checks import check_count, check_keys, check_one_of, check_time

__all__ = [
    "HangUp",
    "Human",
    "Press",
    "Refer",
    "Say",
    "Step",
    "Wait",
    "WaitForBridge",
    "WaitForSpeech",
    "Web",
    "scripts_of",
]

Refer = Literal["accepts", "refuses", "unsupported", "busy", "times_out", "succeeds_late", "ends"]
"""What a REFER of the caller meets: the target is reached; 603; 405; the target is busy (a NOTIFY
reports 486); nothing comes back; nothing comes back in time, and the caller leaves 1 s later; or
the phone ends the call without a word of what became of it, which a server takes for success."""

By = Literal["key", "voice"]
"""How a human accepts or declines."""


@dataclass(frozen=True)
class Web:
    """A party with no telephone: in a browser or an app.

    It has no number and takes no REFER, and it can leave the call and come back.

    Attributes:
        identity: In the room.
    """

    identity: str = "caller"

    def __post_init__(self) -> None:
        if not isinstance(self.identity, str) or not self.identity:
            raise ConfigurationError("identity", self.identity, "give the participant's identity")


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

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ConfigurationError("text", self.text, "give words")
        if self.seconds is not None:
            check_time("seconds", self.seconds)
        check_count("rate", self.rate, 1, 384_000)


@dataclass(frozen=True)
class Press:
    """Press keys, one every 0.1 s: ``0-9``, ``A-D``, ``*`` and ``#``."""

    digits: str

    def __post_init__(self) -> None:
        check_keys("digits", self.digits)


@dataclass(frozen=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float

    def __post_init__(self) -> None:
        check_time("seconds", self.seconds)


@dataclass(frozen=True)
class WaitForSpeech:
    """Wait until something was heard and has been over for a moment.

    Attributes:
        timeout: Seconds after which to go on if nothing is heard at all.
        pause: Seconds of quiet that mean it is over.
    """

    timeout: float = 1.5
    pause: float = 0.3

    def __post_init__(self) -> None:
        check_time("timeout", self.timeout)
        check_time("pause", self.pause)


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

    def __post_init__(self) -> None:
        if self.ring is not None:
            check_time("ring", self.ring)
        if self.code is not None:
            check_count("code", self.code, 300, 699)
        for step in self.script:
            if not isinstance(step, Step):
                known = ", ".join(each.__name__ for each in get_args(Step))
                raise ConfigurationError("script", step, f"use steps: {known}")

    @classmethod
    def accepts(
        cls,
        after: float = 2.0,
        by: By = "key",
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
        check_one_of("by", by, By)
        act: Step = Press("1") if by == "key" else Say(says)
        tail = (WaitForBridge(), *then) if then else ()
        return cls(after, (WaitForSpeech(), Wait(think), act, *tail))

    @classmethod
    def declines(
        cls,
        after: float = 2.0,
        by: By = "key",
        says: str = "No, I cannot take this call now.",
        think: float = 1.0,
    ) -> Human:
        """Answers, listens to the briefing, and declines: presses 2, or says so."""
        check_one_of("by", by, By)
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


def scripts_of(address: str, scripts: Human | Sequence[Human]) -> Sequence[Human]:
    """Return what happens at each call to `address`, one or several.

    Raises:
        ConfigurationError: That is not a `Human`, or there is none.
    """
    several = (scripts,) if isinstance(scripts, Human) else tuple(scripts)
    for script in several or (None,):
        if not isinstance(script, Human):
            raise ConfigurationError(
                f"humans[{address!r}]", script, "use a Human, or a list of at least one"
            )
    return several


def check_parties(caller: object, others: Sequence[object]) -> None:
    """Refuse who could not be in one room together.

    Raises:
        ConfigurationError: One is neither a number nor `Web`, or stands there twice.
    """
    if isinstance(others, str):
        raise ConfigurationError("others", others, "give a list")
    for field, party in (("caller", caller), *(("others", other) for other in others)):
        if not isinstance(party, Web) and not (isinstance(party, str) and party):
            raise ConfigurationError(field, party, "use a number, or Web() for one without")
    known = [caller.identity if isinstance(caller, Web) else "caller"]
    for other in others:
        known.append(other.identity if isinstance(other, Web) else f"sip_{other}")
    if len(set(known)) < len(known):
        raise ConfigurationError("others", others, "every party needs an identity of its own")
