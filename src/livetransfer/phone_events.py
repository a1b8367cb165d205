"""What a transfer tells of each phone: rung, answered, briefed, joined or over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .answer_class import AnswerClass
from .control import BridgeMode
from .destination import Destination
from .status import TransferStatus

__all__ = [
    "BriefingEnded",
    "PhoneAnswered",
    "PhoneClassified",
    "PhoneDialled",
    "PhoneEnded",
    "PhoneJoined",
    "PhoneRang",
    "Said",
]


@dataclass(frozen=True)
class PhoneDialled:
    """A phone is dialled; it does not ring yet.

    Attributes:
        at: Seconds since `run()` was called.
        identity: Of its leg; all that is told of one phone has the same.
        destination: Whom it is for.
    """

    at: float
    identity: str
    destination: Destination


@dataclass(frozen=True)
class PhoneRang:
    """A phone has begun to ring."""

    at: float
    identity: str


@dataclass(frozen=True)
class PhoneAnswered:
    """A phone was answered, by whomever or whatever.

    Attributes:
        call_id: The SIP Call-ID of its leg, where it is known.
    """

    at: float
    identity: str
    call_id: str | None = None


@dataclass(frozen=True)
class PhoneClassified:
    """It was heard what has answered a phone; told again when that turns out to be another."""

    at: float
    identity: str
    answered_by: AnswerClass


@dataclass(frozen=True)
class PhoneJoined:
    """The human at a phone was joined with the caller.

    Attributes:
        mode: How.
    """

    at: float
    identity: str
    mode: BridgeMode


@dataclass(frozen=True)
class PhoneEnded:
    """A phone is over without having been joined.

    Attributes:
        status: What became of it.
        sip_code: The final SIP response code, where there was one.
        sip_reason: Its reason phrase.
        reason: More words, for people.
    """

    at: float
    identity: str
    status: TransferStatus
    sip_code: int | None = None
    sip_reason: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Said:
    """A sentence of a briefing.

    Attributes:
        at: Seconds since `run()` was called, when it was said.
        by: Who said it.
        text: The words.
    """

    at: float
    by: Literal["ai", "human"]
    text: str


@dataclass(frozen=True)
class BriefingEnded:
    """The briefing of one human is over.

    Attributes:
        identity: Of the human's leg.
        verdict: ``"accepted"``, ``"declined"``, ``"voicemail"`` or ``"failed"``; None where
            something else has ended it.
        said: What was said, in its order.
        usage: What its session has used, one entry for each model, as livekit-agents counts it.
    """

    at: float
    identity: str
    verdict: str | None = None
    said: tuple[Said, ...] = ()
    usage: tuple[Mapping[str, Any], ...] = ()
