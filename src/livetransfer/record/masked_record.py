"""A record as it may be kept: its words and numbers as a Privacy says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from livetransfer.privacy import Privacy

from .model import AttemptPart, BriefingPart, HoldPart, PhonePart, TransferRecord

__all__ = ["Private", "private"]

T = TypeVar("T")

_NAMES = frozenset(
    {"status", "mode", "identity", "human_identity", "kind", "method", "call_id", "timings"}
    | {
        "caller_call_id",
        "human_call_id",
        "trunk_id",
        "answered_by",
        "country",
        "include_headers",
        "summary_header",
    }
)
"""Of an outcome, what is neither words nor numbers of people."""
_NUMBERS = frozenset({bool, int, float})
_WORDS = frozenset({"summary", "words", "say", "said"})


def private(record: TransferRecord, privacy: Privacy) -> TransferRecord:
    """Return `record` with words and numbers as `privacy` keeps them."""
    return Private(privacy).record(record)


class Private:
    """Takes out of the records of one transfer what may not be kept.

    What it has read once it does not read again: a record is written at the beginning, at the
    bridge and at the end, and says most things more than once.

    Args:
        privacy: What may be kept.
    """

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._read: dict[Any, Any] = {}
        self._parts: dict[int, tuple[Any, Any]] = {}

    def record(self, record: TransferRecord) -> TransferRecord:
        """Return `record` with words and numbers as they are kept."""
        privacy, call = self._privacy, record.call
        return record.but(
            call=call.but(
                caller=self._text(call.caller),
                number=privacy.number(call.number),
                room=None if call.room is None else self._text(call.room),
            ),
            attempts=tuple(map(self._attempt, record.attempts)),
            briefings=tuple(self._part(each, self._briefing) for each in record.briefings),
            hold=tuple(self._part(each, self._hold) for each in record.hold),
            summary=self._told(record.summary),
            notes=tuple(note.but(text=self._said(note.text)) for note in record.notes),
            outcome=None if record.outcome is None else self._plain(record.outcome),
        )

    def _part(self, part: T, mask: Callable[[T], T]) -> T:
        """Return what `mask` makes of a part, which is the same object until something changes.

        For parts that are frozen through and through: records share what comes of them.
        """
        known = self._parts.get(id(part))
        if known is None or known[0] is not part:
            known = self._parts[id(part)] = (part, mask(part))
        masked: T = known[1]
        return masked

    def _once(self, key: Any, read: Callable[[], T]) -> T:
        try:
            found: T = self._read[key]
        except KeyError:
            found = self._read[key] = read()
        return found

    def _text(self, text: str) -> str:
        """A name or an address: it may have a number."""
        return self._once(("text", text), lambda: self._privacy.text(text))

    def _said(self, text: str) -> str:
        """A reason: it may quote somebody."""
        return self._once(("said", text), lambda: self._privacy.text(self._privacy.spoken(text)))

    def _told(self, text: str | None) -> str | None:
        """Somebody's words."""
        if not text:
            return text
        return self._once(("told", text), lambda: self._privacy.told(text))

    def _reason(self, reason: str | None, *, declined: bool) -> str | None:
        """Why; of who has declined, in his words."""
        if not reason:
            return reason
        return self._told(reason) if declined else self._said(reason)

    def _plain(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """Return a part of an outcome."""
        declined = part.get("status") == "declined"
        found: dict[str, Any] = {}
        for key, value in part.items():
            if value is None or key in _NAMES or type(value) in _NUMBERS:
                found[key] = value
            elif not isinstance(value, str):
                found[key] = self._deeper(value)
            elif key in _WORDS:
                found[key] = self._told(value)
            elif key == "reason":
                found[key] = self._reason(value, declined=declined)
            elif key in ("address", "caller_id"):
                found[key] = self._address(value)
            else:
                found[key] = self._said(value)
        return found

    def _deeper(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._plain(value)
        if isinstance(value, (list, tuple)):
            return [self._deeper(one) for one in value]
        return self._said(value) if isinstance(value, str) else value

    def _address(self, address: str) -> str:
        if address.startswith("+"):
            return self._privacy.number(address) or "…"
        return self._text(address)

    def _attempt(self, attempt: AttemptPart) -> AttemptPart:
        decision = attempt.decision
        if decision is not None:
            decision = decision.but(
                reason=self._said(decision.reason), say=self._told(decision.say)
            )
        return attempt.but(
            reason=self._reason(attempt.reason, declined=attempt.status == "declined"),
            decision=decision,
            phones=tuple(map(self._phone, attempt.phones)),
        )

    def _phone(self, phone: PhonePart) -> PhonePart:
        return phone.but(
            destination=None if phone.destination is None else self._plain(phone.destination),
            reason=self._reason(phone.reason, declined=phone.status == "declined"),
        )

    def _briefing(self, briefing: BriefingPart) -> BriefingPart:
        lines = tuple((line.by, line.text or "") for line in briefing.said)
        kept = self._once(lines, lambda: self._privacy.conversation(lines))
        said = zip(briefing.said, kept, strict=True)
        return briefing.but(said=tuple(line.but(text=text) for line, text in said))

    def _hold(self, hold: HoldPart) -> HoldPart:
        return hold.but(
            heard=tuple(
                one.but(text=None if one.text is None else self._text(one.text))
                for one in hold.heard
            )
        )
