"""TransferRecord: what happened in one transfer, as one JSON object with a published schema."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "SCHEMA_VERSION",
    "AttemptPart",
    "BriefingPart",
    "CallPart",
    "DecisionPart",
    "EndPart",
    "HeardPart",
    "HoldPart",
    "LinePart",
    "NotePart",
    "PhasePart",
    "PhonePart",
    "QueuePart",
    "TransferRecord",
    "published_schema",
]

SCHEMA_VERSION = 1
"""Of the records that are written now. It grows when a reader of the one before would be misled;
a field that is added does not change it."""

State = Literal["running", "handed_over", "ended"]


P = TypeVar("P", bound="_Part")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def but(self: P, **changes: Any) -> P:
        """Return a copy with some fields changed, which are not checked.

        As `model_copy`, at a tenth of its cost: a transfer makes some fifty.
        """
        new = self.__class__.__new__(self.__class__)
        _set(new, "__dict__", {**self.__dict__, **changes})
        _set(new, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        _set(new, "__pydantic_extra__", None)
        _set(new, "__pydantic_private__", None)
        return new


_set = object.__setattr__


class CallPart(_Part):
    """The call that was transferred."""

    caller: str = Field(default="", description="The identity of the caller's leg.")
    kind: str = Field(default="phone", description="How the caller is connected: phone or web.")
    number: str | None = Field(
        default=None, description="The caller's number, as far as it is kept."
    )
    call_id: str | None = Field(default=None, description="The SIP Call-ID of the caller's leg.")
    room: str | None = None
    job: str | None = Field(default=None, description="The LiveKit job that the agent ran in.")


class PhasePart(_Part):
    """A phase of the transfer."""

    name: str
    at: float = Field(description="Seconds since the transfer began.")
    seconds: float | None = Field(
        default=None, description="How long it took; null where it is not over."
    )


class DecisionPart(_Part):
    """What followed a failed attempt, and why."""

    action: str = Field(
        description=(
            "next, retry, go_to, return_to_agent, hang_up, offer_callback or take_message."
        )
    )
    reason: str = ""
    after: float = Field(default=0.0, description="Seconds that were waited first.")
    say: str | None = None


class PhonePart(_Part):
    """A phone that was dialled. Its times are seconds since the transfer began."""

    identity: str | None = None
    destination: dict[str, Any] | None = None
    member: str | None = None
    dialled: float | None = None
    rang: float | None = None
    answered: float | None = None
    joined: float | None = None
    ended: float | None = None
    ring: float | None = Field(default=None, description="Seconds that it rang.")
    talk: float | None = Field(
        default=None, description="Seconds that its human and the caller talked."
    )
    status: str | None = None
    sip_code: int | None = None
    sip_reason: str | None = None
    reason: str | None = None
    answered_by: str | None = Field(default=None, description="What has answered.")
    call_id: str | None = Field(default=None, description="The SIP Call-ID of its leg.")


class AttemptPart(_Part):
    """An attempt: the phones that rang for one offer, and what came of it."""

    number: int
    at: float
    queue: str | None = None
    phones: tuple[PhonePart, ...] = ()
    status: str | None = Field(
        default=None, description="What it came to; null where it is not over."
    )
    reason: str | None = None
    ended: float | None = None
    decision: DecisionPart | None = None


class QueuePart(_Part):
    """A wait in a queue."""

    queue: str | None = None
    at: float
    seconds: float | None = None
    positions: tuple[int | None, ...] = Field(
        default=(), description="The caller's places in it, as they changed."
    )
    estimate: float | None = Field(
        default=None, description="Seconds that were estimated at first."
    )


class LinePart(_Part):
    """A sentence of a briefing."""

    at: float
    by: str = Field(description="ai or human.")
    text: str | None = Field(default=None, description="The words, as far as they are kept.")


class BriefingPart(_Part):
    """What was said to one human, and what saying it has used."""

    identity: str
    ended: float
    verdict: str | None = None
    said: tuple[LinePart, ...] = ()
    usage: tuple[dict[str, Any], ...] = Field(
        default=(), description="Of its session, by model, as livekit-agents counts it."
    )


class HeardPart(_Part):
    """Something that the caller on hold heard."""

    at: float
    what: Literal["music", "comfort"]
    text: str | None = None


class HoldPart(_Part):
    """A time on hold."""

    at: float
    seconds: float | None = None
    heard: tuple[HeardPart, ...] = ()
    longest_silence: float | None = None


class NotePart(_Part):
    """Something that went wrong and did not end the transfer."""

    at: float
    kind: Literal["refused", "hook", "hold_music"]
    text: str


class OfferedPart(_Part):
    """What the AI has offered after a failure: a callback, or a message."""

    at: float = Field(description="When it was decided; it may be after the end.")
    offer: Literal["callback", "message"]
    result: str = Field(description="made, declined or expired.")


class EndPart(_Part):
    """How the call between caller and human ended."""

    at: float
    by: str
    seconds: float = 0.0
    returned: bool = False


class TransferRecord(_Part):
    """What happened in one transfer, from its beginning to the end of the call.

    Times named ``at`` are seconds since the transfer began; `began` says when that was.
    """

    version: int = Field(default=SCHEMA_VERSION, description="Of the schema.")
    id: str
    previous: str | None = Field(
        default=None, description="The record before this one in the same call."
    )
    number: int = Field(
        default=1, description="Which transfer of the call this is, 1 for the first."
    )
    state: State = Field(
        default="running",
        description="running: not known to be over, or its worker has died; handed_over: the "
        "caller was joined or referred, and the end of the call is not known; ended: final.",
    )
    began: datetime
    ended: datetime | None = None
    kind: str | None = Field(
        default=None, description="warm, cold, or callback (the caller's leg of one)."
    )
    department: str | None = None
    call: CallPart = CallPart()
    phases: tuple[PhasePart, ...] = ()
    queue: tuple[QueuePart, ...] = ()
    attempts: tuple[AttemptPart, ...] = ()
    briefings: tuple[BriefingPart, ...] = ()
    hold: tuple[HoldPart, ...] = ()
    hold_seconds: float = Field(
        default=0.0, description="Seconds that the caller was on hold in all."
    )
    summary: str | None = None
    notes: tuple[NotePart, ...] = ()
    outcome: dict[str, Any] | None = Field(default=None, description="TransferOutcome.to_dict().")
    offered: OfferedPart | None = Field(
        default=None, description="Written when it is decided, which may be after the end."
    )
    end: EndPart | None = None
    software: dict[str, str] = {}

    @property
    def over(self) -> bool:
        """Whether nothing more is added to it."""
        return self.state == "ended"

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        return self.model_dump_json()


def published_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a record, which lies in the package."""
    name = f"transfer-record-{SCHEMA_VERSION}.schema.json"
    text = (files("livetransfer.record") / "schema" / name).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
