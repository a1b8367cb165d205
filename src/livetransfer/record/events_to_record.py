"""Folds the events of a run into its record: one pure function, which knows no clock and no sink.

``reduce(told, events, record)`` is the record after them. What it does not know it leaves out, so
that a new event is an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from livetransfer.destination import Destination
from livetransfer.events import (
    AttemptEnded,
    BriefingEnded,
    CallEnded,
    ComfortHeard,
    DestinationRefused,
    FallbackDecided,
    HoldEnded,
    HoldMusicProblem,
    HoldStarted,
    HookFailed,
    OfferDecided,
    OfferMade,
    PhaseChanged,
    PhoneAnswered,
    PhoneClassified,
    PhoneDialled,
    PhoneEnded,
    PhoneJoined,
    PhoneRang,
    StoreChanged,
    SummaryWritten,
    TransferEnded,
    TransferStarted,
    WaitingInQueue,
)
from livetransfer.outcome import Attempt
from livetransfer.status import TransferStatus

from .model import (
    AttemptPart,
    BriefingPart,
    DecisionPart,
    EndPart,
    HeardPart,
    HoldPart,
    LinePart,
    NotePart,
    OfferedPart,
    PhasePart,
    PhonePart,
    QueuePart,
    TransferRecord,
)

__all__ = ["told"]

P = TypeVar("P")
Change = Callable[[TransferRecord, Any], dict[str, Any]]


def told(record: TransferRecord, event: object) -> TransferRecord:
    """Return `record` with what `event` tells."""
    change = _CHANGES.get(type(event))
    return record if change is None else record.but(**change(record, event))


# -- the whole ---------------------------------------------------------------------------------


def _started(record: TransferRecord, event: TransferStarted) -> dict[str, Any]:
    call = record.call.but(
        caller=event.caller,
        kind=event.caller_kind,
        number=event.caller_number,
        call_id=event.caller_call_id,
        room=event.room or record.call.room,
    )
    return {"kind": event.kind, "department": event.department, "call": call}


def _phase(record: TransferRecord, event: PhaseChanged) -> dict[str, Any]:
    phase = PhasePart(name=event.new.value, at=event.at)
    return {"phases": (*_closed(record.phases, event.at), phase)}


def _closed(phases: tuple[PhasePart, ...], at: float) -> tuple[PhasePart, ...]:
    if not phases or phases[-1].seconds is not None:
        return phases
    return (*phases[:-1], phases[-1].but(seconds=at - phases[-1].at))


def _transfer_ended(record: TransferRecord, event: TransferEnded) -> dict[str, Any]:
    outcome = event.outcome
    attempts = record.attempts
    if attempts and attempts[-1].status is None:
        status = _status_of_last(event)
        last = outcome.attempts[-1] if outcome.attempts else None
        ended = attempts[-1] if last is None else _with_phones(attempts[-1], last, event.at)
        ended = ended.but(status=status, ended=event.at)
        attempts = (*attempts[:-1], ended)
    changes: dict[str, Any] = {
        "outcome": outcome.to_dict(),
        "summary": outcome.summary if record.summary is None else record.summary,
        "attempts": attempts,
        "queue": _left_queue(record, event.at),
        "hold": _off_hold(record, event.at, None),
    }
    changes["hold_seconds"] = _hold_seconds(changes["hold"], record, outcome.attempts)
    if outcome.succeeded:
        return changes | {"state": "handed_over"}
    return changes | _over(record, event.at)


def _status_of_last(event: TransferEnded) -> str:
    outcome = event.outcome
    last = outcome.attempts[-1].status if outcome.attempts else outcome.status
    return last.value


def _call_ended(record: TransferRecord, event: CallEnded) -> dict[str, Any]:
    end = event.end
    attempts = record.attempts
    if attempts:
        phones = tuple(
            phone.but(talk=end.seconds, ended=event.at)
            if phone.status == TransferStatus.BRIDGED.value
            else phone
            for phone in attempts[-1].phones
        )
        attempts = (*attempts[:-1], attempts[-1].but(phones=phones))
    part = EndPart(at=event.at, by=end.by.value, seconds=end.seconds, returned=end.returned)
    return {"end": part, "attempts": attempts} | _over(record, event.at)


def _over(record: TransferRecord, at: float) -> dict[str, Any]:
    return {
        "state": "ended",
        "ended": record.began + timedelta(seconds=at),
        "phases": _closed(record.phases, at),
    }


# -- attempts and their phones -----------------------------------------------------------------


def _offer(record: TransferRecord, event: OfferMade) -> dict[str, Any]:
    members = event.members or (None,) * len(event.destinations)
    attempt = AttemptPart(
        number=len(record.attempts) + 1,
        at=event.at,
        queue=event.queue,
        phones=tuple(
            PhonePart(destination=destination.to_dict(), member=member)
            for destination, member in zip(event.destinations, members, strict=False)
        ),
    )
    return {"attempts": (*record.attempts, attempt), "queue": _left_queue(record, event.at)}


def _attempt_ended(record: TransferRecord, event: AttemptEnded) -> dict[str, Any]:
    attempt, attempts = event.attempt, record.attempts
    if not attempts or attempts[-1].status is not None:
        # A router that named nobody: there was no offer.
        new = AttemptPart(number=len(attempts) + 1, at=event.at)
        attempts = (*attempts, new)
    ended = _with_phones(attempts[-1], attempt, event.at)
    changes = {"status": attempt.status.value, "reason": attempt.reason, "ended": event.at}
    return {
        "attempts": (*attempts[:-1], ended.but(**changes)),
        "queue": _left_queue(record, event.at),
        "hold_seconds": max(record.hold_seconds, attempt.seconds_on_hold),
    }


def _with_phones(part: AttemptPart, attempt: Attempt, at: float) -> AttemptPart:
    """Return `part` with what became of each phone; more was told of some."""
    for each in attempt.phones or (attempt,):
        if each.destination is None:
            continue
        ends = each.status in (TransferStatus.BRIDGED, TransferStatus.REFERRED)
        part = _changed(
            part,
            each.human_identity,
            partial(_known, attempt=each, at=None if ends else at),
            each.destination,
        )
    return part


def _known(phone: PhonePart, *, attempt: Attempt, at: float | None) -> dict[str, Any]:
    by = None if attempt.answered_by is None else attempt.answered_by.value
    return {
        "status": attempt.status.value,
        "sip_code": attempt.sip_code if phone.sip_code is None else phone.sip_code,
        "sip_reason": phone.sip_reason or attempt.sip_reason,
        "reason": phone.reason or attempt.reason,
        "answered_by": phone.answered_by or by,
        "ended": at if phone.ended is None else phone.ended,
    }


def _changed(
    part: AttemptPart,
    identity: str | None,
    change: Callable[[PhonePart], dict[str, Any]],
    destination: Destination | None = None,
) -> AttemptPart:
    """Return `part` with one phone changed: that of `identity`, or the first that may be it."""
    phones = list(part.phones)
    index = _index(phones, identity) if identity else None
    if index is None:
        named = None if destination is None else destination.to_dict()
        for index, phone in enumerate(phones):  # noqa: B007 - where it ends is the result
            if phone.identity is None and named in (None, phone.destination):
                break
        else:
            index = len(phones)
            phones.append(PhonePart(identity=identity, destination=named))
    phone = phones[index]
    phones[index] = phone.but(identity=identity or phone.identity, **change(phone))
    return part.but(phones=tuple(phones))


def _index(phones: Sequence[PhonePart], identity: str) -> int | None:
    for index, phone in enumerate(phones):
        if phone.identity == identity:
            return index
    return None


def _phone(record: TransferRecord, event: Any, change: Callable[..., Any]) -> dict[str, Any]:
    attempts = record.attempts or (AttemptPart(number=1, at=event.at),)
    destination = event.destination if isinstance(event, PhoneDialled) else None
    last = len(attempts) - 1
    at = next(
        (i for i in range(last, -1, -1) if _index(attempts[i].phones, event.identity) is not None),
        last,
    )
    changed = _changed(attempts[at], event.identity, partial(change, event), destination)
    return {"attempts": (*attempts[:at], changed, *attempts[at + 1 :])}


def _of_phone(change: Callable[..., dict[str, Any]]) -> Change:
    return lambda record, event: _phone(record, event, change)


def _rang_until(phone: PhonePart, at: float) -> float | None:
    if phone.ring is not None or phone.rang is None or phone.answered is not None:
        return phone.ring
    return at - phone.rang


def _phone_dialled(event: PhoneDialled, phone: PhonePart) -> dict[str, Any]:
    return {"dialled": event.at, "destination": phone.destination or event.destination.to_dict()}


def _phone_rang(event: PhoneRang, phone: PhonePart) -> dict[str, Any]:
    return {"rang": event.at if phone.rang is None else phone.rang}


def _phone_answered(event: PhoneAnswered, phone: PhonePart) -> dict[str, Any]:
    ring = _rang_until(phone, event.at)
    return {"answered": event.at, "ring": ring, "call_id": event.call_id or phone.call_id}


def _phone_classified(event: PhoneClassified, phone: PhonePart) -> dict[str, Any]:
    return {"answered_by": event.answered_by.value}


def _phone_joined(event: PhoneJoined, phone: PhonePart) -> dict[str, Any]:
    return {"joined": event.at, "status": TransferStatus.BRIDGED.value}


def _phone_ended(event: PhoneEnded, phone: PhonePart) -> dict[str, Any]:
    return {
        "ended": event.at,
        "ring": _rang_until(phone, event.at),
        "status": event.status.value,
        "sip_code": event.sip_code,
        "sip_reason": event.sip_reason,
        "reason": event.reason,
    }


def _decided(record: TransferRecord, event: FallbackDecided) -> dict[str, Any]:
    if not record.attempts:
        return {}
    decision = DecisionPart(
        action=event.action, reason=event.reason, after=event.after, say=event.say
    )
    last = record.attempts[-1].but(decision=decision)
    return {"attempts": (*record.attempts[:-1], last)}


def _briefing_ended(record: TransferRecord, event: BriefingEnded) -> dict[str, Any]:
    part = BriefingPart(
        identity=event.identity,
        ended=event.at,
        verdict=event.verdict,
        said=tuple(LinePart(at=line.at, by=line.by, text=line.text) for line in event.said),
        usage=tuple(dict(usage) for usage in event.usage),
    )
    return {"briefings": (*record.briefings, part)}


# -- what the caller waits through -------------------------------------------------------------


def _waiting(record: TransferRecord, event: WaitingInQueue) -> dict[str, Any]:
    queue = record.queue
    if queue and queue[-1].seconds is None and queue[-1].queue == event.queue:
        last = queue[-1]
        last = last.but(positions=(*last.positions, event.position))
        return {"queue": (*queue[:-1], last)}
    part = QueuePart(
        queue=event.queue, at=event.at, positions=(event.position,), estimate=event.estimate
    )
    return {"queue": (*_left_queue(record, event.at), part)}


def _left_queue(record: TransferRecord, at: float) -> tuple[QueuePart, ...]:
    queue = record.queue
    if not queue or queue[-1].seconds is not None:
        return queue
    return (*queue[:-1], queue[-1].but(seconds=at - queue[-1].at))


def _hold_started(record: TransferRecord, event: HoldStarted) -> dict[str, Any]:
    heard: tuple[HeardPart, ...] = ()
    if event.music is not None:
        heard = (HeardPart(at=event.at, what="music", text=event.music),)
    part = HoldPart(at=event.at, heard=heard)
    return {"hold": (*_off_hold(record, event.at, None), part)}


def _comfort(record: TransferRecord, event: ComfortHeard) -> dict[str, Any]:
    hold = record.hold or (HoldPart(at=event.at),)
    heard = (*hold[-1].heard, HeardPart(at=event.at, what="comfort", text=event.text))
    return {"hold": (*hold[:-1], hold[-1].but(heard=heard))}


def _hold_ended(record: TransferRecord, event: HoldEnded) -> dict[str, Any]:
    hold = _off_hold(record, event.at, event.longest_silence)
    return {"hold": hold, "hold_seconds": _hold_seconds(hold, record, ())}


def _off_hold(record: TransferRecord, at: float, silence: float | None) -> tuple[HoldPart, ...]:
    hold = record.hold
    if not hold or hold[-1].seconds is not None:
        return hold
    last = hold[-1].but(seconds=at - hold[-1].at, longest_silence=silence)
    return (*hold[:-1], last)


def _hold_seconds(
    hold: tuple[HoldPart, ...], record: TransferRecord, attempts: tuple[Attempt, ...]
) -> float:
    if hold:
        return sum(part.seconds or 0.0 for part in hold)
    return max([record.hold_seconds, *(attempt.seconds_on_hold for attempt in attempts)])


# -- the rest ----------------------------------------------------------------------------------


def _summary(record: TransferRecord, event: SummaryWritten) -> dict[str, Any]:
    return {"summary": event.summary}


def _refused(record: TransferRecord, event: DestinationRefused) -> dict[str, Any]:
    text = f"{event.destination.label}: {event.reason}"
    return {"notes": (*record.notes, NotePart(at=event.at, kind="refused", text=text))}


def _hook(record: TransferRecord, event: HookFailed) -> dict[str, Any]:
    text = f"{event.hook} {event.reason}; {event.instead}"
    return {"notes": (*record.notes, NotePart(at=event.at, kind="hook", text=text))}


def _store(record: TransferRecord, event: StoreChanged) -> dict[str, Any]:
    text = "store is back" if event.available else "store is lost"
    text += f"; {event.reason}" if event.reason else ""
    return {"notes": (*record.notes, NotePart(at=event.at, kind="hook", text=text))}


def _offer_decided(record: TransferRecord, event: OfferDecided) -> dict[str, Any]:
    return {"offered": OfferedPart(at=event.at, offer=event.offer, result=event.result)}


def _hold_music(record: TransferRecord, event: HoldMusicProblem) -> dict[str, Any]:
    note = NotePart(at=event.at, kind="hold_music", text=event.reason)
    return {"notes": (*record.notes, note)}


_CHANGES: dict[type, Change] = {
    TransferStarted: _started,
    PhaseChanged: _phase,
    TransferEnded: _transfer_ended,
    CallEnded: _call_ended,
    OfferMade: _offer,
    AttemptEnded: _attempt_ended,
    PhoneDialled: _of_phone(_phone_dialled),
    PhoneRang: _of_phone(_phone_rang),
    PhoneAnswered: _of_phone(_phone_answered),
    PhoneClassified: _of_phone(_phone_classified),
    PhoneJoined: _of_phone(_phone_joined),
    PhoneEnded: _of_phone(_phone_ended),
    FallbackDecided: _decided,
    BriefingEnded: _briefing_ended,
    WaitingInQueue: _waiting,
    HoldStarted: _hold_started,
    ComfortHeard: _comfort,
    HoldEnded: _hold_ended,
    SummaryWritten: _summary,
    DestinationRefused: _refused,
    StoreChanged: _store,
    HookFailed: _hook,
    OfferDecided: _offer_decided,
    HoldMusicProblem: _hold_music,
}
"""What each event changes."""
