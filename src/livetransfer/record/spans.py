"""The trace of a transfer, made from its record: one span, with children for phases and attempts.

The attributes follow OpenTelemetry's semantic conventions where they have a word (``error.type``,
``network.protocol.name``). They have none for SIP: ``sip.response.status_code`` is named in the
manner of ``http.response.status_code``. All others begin with ``livetransfer.``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from .model import AttemptPart, PhonePart, TransferRecord

__all__ = ["draw"]

_SUCCEEDED = ("bridged", "referred")
# Nothing is wrong with these: one person was quicker, or the caller has changed his mind.
_NO_ERROR = frozenset({*_SUCCEEDED, "answered_elsewhere", "caller_left", "cancelled"})


def draw(record: TransferRecord, tracer: Tracer, parent: Context | None) -> None:
    """Make the spans of a transfer that is over.

    Args:
        record: The record, as it may be kept.
        tracer: Makes the spans; where no SDK is set up, the first one tells, and is the only one.
        parent: Where the transfer began: what is current there is the parent.
    """
    outcome = record.outcome or {}
    root = tracer.start_span(
        "transfer",
        context=parent,
        kind=SpanKind.INTERNAL,
        start_time=_ns(record.began),
        attributes=_set(
            {
                "livetransfer.record.id": record.id,
                "livetransfer.record.previous": record.previous,
                "livetransfer.kind": record.kind,
                "livetransfer.department": record.department,
                "livetransfer.room": record.call.room,
                "livetransfer.caller.call_id": record.call.call_id,
                "livetransfer.status": outcome.get("status"),
                "livetransfer.mode": outcome.get("mode"),
                "livetransfer.attempts": len(record.attempts),
                "livetransfer.hold.duration": record.hold_seconds,
                "sip.response.status_code": outcome.get("sip_code"),
            }
        ),
    )
    if not root.is_recording():
        return
    inside, pen = set_span_in_context(root, parent), _Pen(_ns(record.began), tracer)
    end = _end(record)
    for phase in record.phases:
        seconds = end - phase.at if phase.seconds is None else phase.seconds
        if phase.name not in ("returned", "ended"):
            span = pen.span(f"transfer {phase.name}", inside, phase.at)
            span.end(pen.at(phase.at + max(0.0, seconds)))
    for wait in record.queue:
        place = {"livetransfer.queue": wait.queue, "livetransfer.queue.position": wait.positions[0]}
        span = pen.span("transfer queue", inside, wait.at, place)
        span.end(pen.at(end if wait.seconds is None else wait.at + wait.seconds))
    for attempt in record.attempts:
        _attempt(pen, inside, attempt, end)
    for note in record.notes:
        root.add_event(
            f"livetransfer.{note.kind}",
            {"livetransfer.note": note.text},
            timestamp=pen.at(note.at),
        )
    _judge(root, outcome.get("status"), outcome.get("reason"))
    root.end(pen.at(end))


def _attempt(pen: _Pen, inside: Context, attempt: AttemptPart, end: float) -> None:
    until = end if attempt.ended is None else attempt.ended
    decision = attempt.decision
    span = pen.span(
        "transfer attempt",
        inside,
        attempt.at,
        {
            "livetransfer.attempt": attempt.number,
            "livetransfer.status": attempt.status,
            "livetransfer.queue": attempt.queue,
            "livetransfer.fallback": None if decision is None else decision.action,
            "livetransfer.fallback.reason": None if decision is None else decision.reason,
        },
    )
    within = set_span_in_context(span, inside)
    for phone in attempt.phones:
        if phone.status is None and phone.dialled is None:
            continue  # offered, and never rung
        began = attempt.at if phone.dialled is None else phone.dialled
        last = max(began, until if phone.ended is None else phone.ended)
        one = pen.span("transfer phone", within, began, _of_phone(phone))
        for name, at in (
            ("rang", phone.rang),
            ("answered", phone.answered),
            ("joined", phone.joined),
        ):
            if at is not None:
                one.add_event(f"livetransfer.{name}", timestamp=pen.at(at))
        _judge(one, phone.status, phone.reason)
        one.end(pen.at(last))
        until = max(until, last)
    _judge(span, attempt.status, attempt.reason)
    span.end(pen.at(until))


def _of_phone(phone: PhonePart) -> dict[str, Any]:
    destination = phone.destination or {}
    return {
        "network.protocol.name": "sip",
        "sip.response.status_code": phone.sip_code,
        "livetransfer.status": phone.status,
        "livetransfer.destination": destination.get("name") or destination.get("address"),
        "livetransfer.member": phone.member,
        "livetransfer.answered_by": phone.answered_by,
        "livetransfer.ring.duration": phone.ring,
        "livetransfer.talk.duration": phone.talk,
        "livetransfer.call_id": phone.call_id,
    }


@dataclass(frozen=True)
class _Pen:
    """Makes the spans of one record, which began at `began` (ns since 1970)."""

    began: int
    tracer: Tracer

    def span(
        self, name: str, context: Context, start: float, attributes: Mapping[str, Any] | None = None
    ) -> Span:
        return self.tracer.start_span(
            name, context=context, start_time=self.at(start), attributes=_set(attributes or {})
        )

    def at(self, seconds: float) -> int:
        return self.began + int(seconds * 1e9)


def _judge(span: Span, status: str | None, reason: str | None) -> None:
    if status is not None and status not in _NO_ERROR:
        span.set_attribute("error.type", status)
        span.set_status(Status(StatusCode.ERROR, reason or status))


def _end(record: TransferRecord) -> float:
    if record.ended is not None:
        return (record.ended - record.began).total_seconds()
    last = [float(record.outcome["timings"].get("total", 0.0))] if record.outcome else []
    return max([0.0, *last, *(phase.at for phase in record.phases)])


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000


def _set(attributes: Mapping[str, Any]) -> dict[str, AttributeValue]:
    return {key: value for key, value in attributes.items() if value is not None}
