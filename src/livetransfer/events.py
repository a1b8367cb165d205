"""What a transfer tells while it runs: small frozen facts, given to ``on_event``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from .destination import Destination
from .outcome import Attempt, CallEnd, TransferOutcome
from .phases import Phase

__all__ = [
    "AttemptEnded",
    "CallEnded",
    "DestinationRefused",
    "HoldMusicProblem",
    "HookFailed",
    "OfferMade",
    "Phase",
    "PhaseChanged",
    "SummaryWritten",
    "TransferEnded",
    "TransferEvent",
    "WaitingInQueue",
    "to_dict",
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
class OfferMade:
    """These phones are about to be rung.

    Attributes:
        destinations: Whom; several ring together.
        queue: The queue that the offer was made for, where there is one.
    """

    at: float
    destinations: tuple[Destination, ...]
    queue: str | None = None


@dataclass(frozen=True)
class WaitingInQueue:
    """Nobody is free; told again when the caller's place has changed.

    Attributes:
        queue: The queue.
        position: The caller's place in it, 1 for the next; None where it is not known.
        estimate: Seconds until somebody will be free; None where it cannot be known.
    """

    at: float
    queue: str | None
    position: int | None
    estimate: float | None


@dataclass(frozen=True)
class HookFailed:
    """Code of the application that the transfer has called failed; the transfer goes on.

    Attributes:
        hook: Which: ``"router"``, ``"fallback"``, ``"announce"``, ``"allowed"`` and so on.
        reason: What it did, for people.
        instead: What was done instead.
    """

    at: float
    hook: str
    reason: str
    instead: str


@dataclass(frozen=True)
class TransferEnded:
    """`run()` is about to return this outcome, or to raise what the outcome tells as its cause."""

    at: float
    outcome: TransferOutcome


@dataclass(frozen=True)
class CallEnded:
    """The call between caller and human is over."""

    at: float
    end: CallEnd


def to_dict(event: TransferEvent) -> dict[str, Any]:
    """Return an event as what JSON can hold; ``"event"`` is its name."""
    found: dict[str, Any] = {"event": type(event).__name__}
    for f in fields(event):
        found[f.name] = _plain(getattr(event, f.name))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, (Destination, Attempt, CallEnd, TransferOutcome)):
        return value.to_dict()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


TransferEvent = (
    PhaseChanged
    | OfferMade
    | WaitingInQueue
    | SummaryWritten
    | AttemptEnded
    | DestinationRefused
    | HoldMusicProblem
    | HookFailed
    | TransferEnded
    | CallEnded
)
