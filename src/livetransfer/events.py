"""What a transfer tells while it runs: small frozen facts, given to ``on_event``."""

from __future__ import annotations

from dataclasses import dataclass

from .destination import Destination
from .outcome import Attempt, CallEnd, TransferOutcome
from .phases import Phase

__all__ = [
    "AttemptEnded",
    "CallEnded",
    "DestinationRefused",
    "HoldMusicProblem",
    "Phase",
    "PhaseChanged",
    "SummaryWritten",
    "TransferEnded",
    "TransferEvent",
]


@dataclass(frozen=True)
class PhaseChanged:
    """The transfer went from one phase to another.

    Attributes:
        at: Seconds since `run()` was called.
        old: The phase that was left.
        new: The phase that was entered.
        destination: Whom the attempt under way is for, if there is one.
    """

    at: float
    old: Phase
    new: Phase
    destination: Destination | None = None


@dataclass(frozen=True)
class SummaryWritten:
    """The summary for the human is there."""

    at: float
    summary: str


@dataclass(frozen=True)
class AttemptEnded:
    """An attempt at one destination did not work; the fallback is about to be asked.

    What succeeds, or is ended by the caller, is told by TransferEnded.
    """

    at: float
    attempt: Attempt


@dataclass(frozen=True)
class DestinationRefused:
    """The guard, or ``allowed=``, refused a destination; nothing was dialled.

    Attributes:
        at: Seconds since `run()` was called.
        destination: Whom it refused.
        reason: Why, for people.
    """

    at: float
    destination: Destination
    reason: str


@dataclass(frozen=True)
class HoldMusicProblem:
    """The hold music is not what was asked for.

    The built-in clip plays instead, or nothing could; or a comfort line was left out.
    """

    at: float
    reason: str


@dataclass(frozen=True)
class TransferEnded:
    """`run()` is about to return this outcome. Not told where `run()` is cancelled, or raises."""

    at: float
    outcome: TransferOutcome


@dataclass(frozen=True)
class CallEnded:
    """The call between caller and human is over."""

    at: float
    end: CallEnd


TransferEvent = (
    PhaseChanged
    | SummaryWritten
    | AttemptEnded
    | DestinationRefused
    | HoldMusicProblem
    | TransferEnded
    | CallEnded
)
