"""The port: who or what has answered a phone, while the briefing already speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from livekit import rtc

from livetransfer.answer_class import MACHINES, AnswerClass
from livetransfer.errors import ConfigurationError

__all__ = [
    "MACHINES",
    "AnswerDetector",
    "AnswerSession",
    "AnswerVerdict",
    "Evidence",
    "OnChange",
    "check_answer_detector",
]


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        kind: `"tone"`, `"words"`, `"rhythm"`, `"model"` (a detector's own), or `"nothing"`.
        what: Which one, for logs and records: `"ringback"`, `"busy"`, `"sit"`, `"fax"`, `"beep"`,
            `"ringing ended"`, `"short greeting"`, `"long speech"`, or the phrase that was found.
            Never the words that were said.
    """

    kind: Literal["tone", "words", "rhythm", "model", "nothing"] = "nothing"
    what: str = ""


@dataclass(frozen=True)
class AnswerVerdict:
    """What has answered, as far as it is known.

    Attributes:
        answered_by: The class.
        at: Seconds since the answer at which this became known.
        evidence: What it rests on.
        confidence: 0 to 1; words and tones give 0.8 and more, rhythm alone 0.5.
    """

    answered_by: AnswerClass = AnswerClass.UNKNOWN
    at: float = 0.0
    evidence: Evidence = field(default_factory=Evidence)
    confidence: float = 0.0

    @property
    def is_machine(self) -> bool:
        """Whether a machine speaks: screening, ivr, voicemail or announcement."""
        return self.answered_by in MACHINES


OnChange = Callable[[AnswerVerdict], None]
"""Called with each new verdict, in the event loop's thread. It must return at once."""


class AnswerSession(Protocol):
    """One leg that is listened to. It holds nobody up: what it says may be read at any time.

    Time is counted from `begin`, which is called at the answer: by the frames that were pushed,
    and by `pass_time` where none come.
    """

    @property
    def verdict(self) -> AnswerVerdict:
        """What has answered, as far as it is known. It may change: ringback, then a person."""

    @property
    def changes(self) -> Sequence[AnswerVerdict]:
        """Every verdict so far, the first one apart, which is always unknown."""

    @property
    def suspected(self) -> AnswerClass | None:
        """The machine that what was heard hints at, also where that is not enough for a verdict."""

    @property
    def replied(self) -> bool:
        """Whether the latest words may be an answer to ours, which a recording never gives.

        They belong to a second turn, or to one that began 3 s after the answer or later.
        """

    @property
    def beep(self) -> float | None:
        """Seconds since the answer at which the last beep of a mailbox ended; None without."""

    @property
    def heard(self) -> float:
        """Seconds since the answer that were listened to."""

    def push_frame(self, frame: rtc.AudioFrame) -> AnswerVerdict | None:
        """Take a frame of the leg: int16, 8 to 48 kHz.

        Returns:
            The new verdict, if this frame changed it.
        """

    def push_transcript(self, text: str, *, final: bool = True) -> AnswerVerdict | None:
        """Take what the leg has said.

        Args:
            text: The words of the utterance; an interim one replaces the interim before it.
            final: Whether the utterance is over.

        Returns:
            The new verdict, if these words changed it.
        """

    def pass_time(self, since_answer: float) -> AnswerVerdict | None:
        """Say that `since_answer` seconds have passed; what no frame covered was silence."""

    async def aclose(self) -> None:
        """Stop. Nothing is told from then on. May be called again."""


@runtime_checkable
class AnswerDetector(Protocol):
    """Finds out what has answered. One object serves any number of calls at a time.

    An implementation passes the suite in `tests/contract/test_answer_detector.py`.
    """

    def begin(self, *, on_change: OnChange | None = None) -> AnswerSession:
        """Listen to a leg that has just answered.

        Args:
            on_change: Told of each new verdict. What it raises is logged, and changes nothing.
        """


def check_answer_detector(detector: AnswerDetector | None) -> None:
    """Say whether `detector` can be used.

    Raises:
        ConfigurationError: It is neither None nor an AnswerDetector.
    """
    if detector is not None and not isinstance(detector, AnswerDetector):
        remedy = "give an AnswerDetector, such as ToneAndPhraseDetector(), or None"
        raise ConfigurationError("answer_detector", detector, remedy)
