"""A record as it may be kept: its words and numbers as a Privacy says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livetransfer.privacy import Privacy

from .model import BriefingPart, HoldPart, TransferRecord

__all__ = ["private"]

_NAMES = frozenset({"status", "mode", "identity", "human_identity", "kind", "method", "call_id"})
"""Of an outcome, what is neither words nor numbers of people."""
_WORDS = frozenset({"summary", "words", "say", "said"})


def private(record: TransferRecord, privacy: Privacy) -> TransferRecord:
    """Return `record` with words and numbers as `privacy` keeps them."""
    call = record.call
    return record.model_copy(
        update={
            "call": call.model_copy(
                update={
                    "caller": privacy.text(call.caller),
                    "number": privacy.number(call.number),
                    "room": None if call.room is None else privacy.text(call.room),
                }
            ),
            "attempts": tuple(_attempt(one, privacy) for one in record.attempts),
            "briefings": tuple(_briefing(one, privacy) for one in record.briefings),
            "hold": tuple(_hold(one, privacy) for one in record.hold),
            "summary": _told(record.summary, privacy),
            "notes": tuple(
                note.model_copy(update={"text": privacy.text(privacy.spoken(note.text))})
                for note in record.notes
            ),
            "outcome": None if record.outcome is None else _plain(record.outcome, privacy),
        }
    )


def _told(text: str | None, privacy: Privacy) -> str | None:
    return privacy.told(text) if text else text


def _plain(value: Any, privacy: Privacy, *, declined: bool = False) -> Any:
    """Return a part of an outcome; the reason of who has declined is his words."""
    if isinstance(value, str):
        return privacy.text(privacy.spoken(value)) if value else value
    if isinstance(value, (list, tuple)):
        return [_plain(one, privacy) for one in value]
    if not isinstance(value, Mapping):
        return value
    declined = value.get("status") == "declined"
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key in _NAMES:
            found[key] = one
        elif isinstance(one, str) and (key in _WORDS or (declined and key == "reason")):
            found[key] = _told(one, privacy)
        elif key == "address" and isinstance(one, str):
            # It is a number or has one, and nothing else.
            found[key] = privacy.text(one) if ":" in one else _address(one, privacy)
        elif key == "caller_id" and isinstance(one, str):
            found[key] = privacy.number(one) if one != "caller" else one
        else:
            found[key] = _plain(one, privacy)
    return found


def _address(address: str, privacy: Privacy) -> str:
    number = address.startswith("+")
    return (privacy.number(address) or "…") if number else privacy.text(address)


def _attempt(attempt: Any, privacy: Privacy) -> Any:
    declined = attempt.status == "declined"
    decision = attempt.decision
    if decision is not None:
        decision = decision.model_copy(
            update={
                "reason": privacy.text(privacy.spoken(decision.reason)),
                "say": _told(decision.say, privacy),
            }
        )
    return attempt.model_copy(
        update={
            "reason": _reason(attempt.reason, privacy, declined=declined),
            "decision": decision,
            "phones": tuple(
                phone.model_copy(
                    update={
                        "destination": _plain(phone.destination, privacy),
                        "reason": _reason(
                            phone.reason, privacy, declined=phone.status == "declined"
                        ),
                    }
                )
                for phone in attempt.phones
            ),
        }
    )


def _reason(reason: str | None, privacy: Privacy, *, declined: bool) -> str | None:
    if not reason:
        return reason
    return privacy.told(reason) if declined else privacy.text(privacy.spoken(reason))


def _briefing(briefing: BriefingPart, privacy: Privacy) -> BriefingPart:
    lines = [(line.by, line.text or "") for line in briefing.said]
    kept = privacy.conversation(lines)
    said = tuple(
        line.model_copy(update={"text": text})
        for line, text in zip(briefing.said, kept, strict=True)
    )
    return briefing.model_copy(update={"said": said})


def _hold(hold: HoldPart, privacy: Privacy) -> HoldPart:
    heard = tuple(
        one.model_copy(update={"text": None if one.text is None else privacy.text(one.text)})
        for one in hold.heard
    )
    return hold.model_copy(update={"heard": heard})
