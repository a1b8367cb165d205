"""What a transfer tells while it runs: small frozen facts, given to ``on_event``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Literal

from .destination import Destination
from .legs import LegKind
from .outcome import Attempt, CallEnd, Offered, TransferOutcome
from .phases import Phase
from .phone_events import (
    BriefingEnded,
    PhoneAnswered,
    PhoneClassified,
    PhoneDialled,
    PhoneEnded,
    PhoneJoined,
    PhoneRang,
    Said,
)

__all__ = [
    "AttemptEnded",
    "BriefingEnded",
    "CallEnded",
    "ComfortHeard",
    "DestinationRefused",
    "FallbackAction",
    "FallbackDecided",
    "HoldEnded",
    "HoldMusicProblem",
    "HoldStarted",
    "HookFailed",
    "OfferDecided",
    "OfferMade",
    "Phase",
    "PhaseChanged",
    "PhoneAnswered",
    "PhoneClassified",
    "PhoneDialled",
    "PhoneEnded",
    "PhoneJoined",
    "PhoneRang",
    "Said",
    "StoreChanged",
    "SummaryWritten",
    "TransferEnded",
    "TransferEvent",
    "TransferStarted",
    "WaitingInQueue",
    "to_dict",
]

FallbackAction = Literal[
    "next", "retry", "go_to", "return_to_agent", "hang_up", "offer_callback", "take_message"
]


@dataclass(frozen=True)
class TransferStarted:
    """A transfer has begun; the first event of every run.

    Attributes:
        at: Seconds since `run()` was called.
        kind: Whether the human is briefed (``"warm"``) or not (``"cold"``); ``"callback"`` where a
            caller is rung who is called back, for a human whose own transfer comes before it.
        caller: The identity of the caller's leg.
        caller_kind: How the caller is connected.
        caller_number: The caller's number, where the network told it.
        caller_call_id: The SIP Call-ID of the caller's leg, where it is known.
        room: The name of the room, where there is one.
        department: The department that was asked for.
    """

    at: float
    kind: Literal["warm", "cold", "callback"]
    caller: str
    caller_kind: LegKind = "phone"
    caller_number: str | None = None
    caller_call_id: str | None = None
    room: str | None = None
    department: str | None = None


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
        members: Who is taken for it, one for each destination, where members are.
    """

    at: float
    destinations: tuple[Destination, ...]
    queue: str | None = None
    members: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class FallbackDecided:
    """The fallback has said what follows a failed attempt.

    Attributes:
        action: What.
        reason: Why, for people: what the attempt came to, and what else has bound the decision,
            such as the time on hold.
        after: Seconds that are waited first.
        say: The sentence that the caller hears, where one was given.
    """

    at: float
    action: FallbackAction
    reason: str
    after: float = 0.0
    say: str | None = None


@dataclass(frozen=True)
class OfferDecided:
    """What the AI has offered instead is decided; it may come after TransferEnded.

    Attributes:
        offer: What it was: a callback, or a message.
        result: ``"made"``, ``"declined"``, or ``"expired"``: nothing was decided in time.
    """

    at: float
    offer: Offered
    result: str


@dataclass(frozen=True)
class HoldStarted:
    """The caller is on hold.

    Attributes:
        music: What plays, by its name; None where nothing does.
    """

    at: float
    music: str | None = None


@dataclass(frozen=True)
class ComfortHeard:
    """A comfort line is played to the caller on hold.

    Attributes:
        text: Its words; empty where it was given as audio.
    """

    at: float
    text: str


@dataclass(frozen=True)
class HoldEnded:
    """The caller is not on hold any more: joined, back with the AI, or gone.

    Attributes:
        longest_silence: The longest time, in seconds, in which nothing was played; None where
            that was not measured.
    """

    at: float
    longest_silence: float | None = None


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
class StoreChanged:
    """The store through which a team's workers share who is taken was lost, or is back.

    Attributes:
        available: Whether it answers.
        reason: Why not, for people; or what is used in its place.
    """

    at: float
    available: bool
    reason: str = ""


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
    if isinstance(value, Said):
        return {"at": value.at, "by": value.by, "text": value.text}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return value


TransferEvent = (
    TransferStarted
    | PhaseChanged
    | PhoneDialled
    | PhoneRang
    | PhoneAnswered
    | PhoneClassified
    | PhoneJoined
    | PhoneEnded
    | BriefingEnded
    | FallbackDecided
    | HoldStarted
    | ComfortHeard
    | HoldEnded
    | OfferMade
    | OfferDecided
    | WaitingInQueue
    | SummaryWritten
    | AttemptEnded
    | DestinationRefused
    | HoldMusicProblem
    | StoreChanged
    | HookFailed
    | TransferEnded
    | CallEnded
)
