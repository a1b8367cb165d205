"""What became of the attempts, and of the run, as the outcome that `run()` returns."""

from __future__ import annotations

from collections.abc import Mapping

from livetransfer.control import Leg
from livetransfer.events import FallbackAction, FallbackDecided
from livetransfer.fallback import (
    Action,
    GoTo,
    HangUp,
    Next,
    OfferCallback,
    Retry,
    ReturnToAgent,
    TakeMessage,
)
from livetransfer.outcome import Attempt, TransferOutcome
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .call import Call
from .endings import AttemptOver
from .leg import HumanLeg
from .ring_group import deciding

__all__ = ["decided", "nobody", "outcome_by", "outcome_of", "record"]


def record(
    call: Call, live: LiveAttempt, over: AttemptOver, *, tries: int, remaining: int
) -> Attempt:
    """Write down each phone of an attempt that is over; return the attempt as a policy sees it.

    Args:
        call: The call; its list of attempts gets an entry for each phone.
        live: The attempt.
        over: What became of it; of a phone that has no end of its own, too.
        tries: How many times it has been made, this time included.
        remaining: How many offers are left.
    """
    earlier = tuple(call.attempts)

    def entry(human: HumanLeg | None, ended: AttemptOver) -> Attempt:
        return Attempt(
            human.destination if human is not None else live.destination,
            ended.status,
            ended.sip_code,
            ended.sip_reason,
            ended.reason,
            human.leg.identity if human is not None else None,
            tries=tries,
            remaining=remaining,
            seconds_on_hold=call.patience.seconds_on_hold,
            waited=call.patience.seconds_waited,
            answered_by=ended.answered_by or (human.answered_by if human is not None else None),
            words=ended.words,
            **call.circumstances(),
            earlier=earlier,
            cause=ended.cause,
        )

    phones = [entry(human, human.over or over) for human in live.legs]
    if len(phones) < 2:
        whole = phones[0] if phones else entry(None, over)
        call.attempts.append(whole)
        return whole
    call.attempts.extend(phones)
    if over.status is TransferStatus.BRIDGED:
        decisive = next(phone for phone in phones if phone.status is over.status)
    else:
        decisive = phones[live.legs.index(deciding(live.legs))]
    return Attempt(
        decisive.destination,
        over.status,
        decisive.sip_code,
        decisive.sip_reason,
        decisive.reason,
        decisive.human_identity,
        tries=tries,
        remaining=remaining,
        seconds_on_hold=decisive.seconds_on_hold,
        waited=decisive.waited,
        answered_by=decisive.answered_by,
        phones=tuple(phones),
        words=decisive.words,
        **call.circumstances(),
        earlier=earlier,
        cause=decisive.cause,
    )


def nobody(call: Call, over: AttemptOver, *, tries: int, last: bool) -> Attempt:
    """Write down that nobody was rung; return it as a policy sees it."""
    attempt = Attempt(
        None,
        over.status,
        reason=over.reason,
        tries=tries,
        seconds_on_hold=call.patience.seconds_on_hold,
        waited=call.patience.seconds_waited,
        **call.circumstances(),
        last=last,
        earlier=tuple(call.attempts),
        cause=over.cause,
    )
    call.attempts.append(attempt)
    return attempt


_ACTIONS: Mapping[type[Action], FallbackAction] = {
    Next: "next",
    Retry: "retry",
    GoTo: "go_to",
    ReturnToAgent: "return_to_agent",
    HangUp: "hang_up",
    OfferCallback: "offer_callback",
    TakeMessage: "take_message",
}


def decided(at: float, action: Action, why: str) -> FallbackDecided:
    """Return the event of what the fallback has said.

    Args:
        at: Seconds since the run began.
        action: What.
        why: What the attempt came to, and what else has bound the decision.
    """
    after = action.after if isinstance(action, Retry) else 0.0
    return FallbackDecided(at, _ACTIONS[type(action)], why, after, action.say)


def timings(call: Call) -> Mapping[str, float]:
    """Return the seconds spent in each phase, and in all."""
    return call.phases.timings() | {"total": call.at}


def _call_id(call: Call, identity: str | None) -> str | None:
    return None if identity is None else call.control.call_id(Leg(identity))


def outcome_of(call: Call, attempt: Attempt) -> TransferOutcome:
    """Return the outcome of a run that an attempt has decided."""
    return TransferOutcome(
        status=attempt.status,
        destination=attempt.destination,
        human_identity=attempt.human_identity,
        sip_code=attempt.sip_code,
        sip_reason=attempt.sip_reason,
        reason=attempt.reason,
        words=attempt.words,
        attempts=tuple(call.attempts),
        summary=call.summary,
        timings=timings(call),
        caller_call_id=call.control.call_id(call.control.caller),
        human_call_id=_call_id(call, attempt.human_identity),
        cause=attempt.cause,
        _record=call.record,
        _alone=call.interrupts.caller_alone,
    )


def outcome_by(call: Call, over: AttemptOver, live: LiveAttempt | None) -> TransferOutcome:
    """Return the outcome of a run that was ended by something else than an attempt."""
    human = live.furthest() if live is not None else None
    return TransferOutcome(
        status=over.status,
        destination=call.destination if human is None else human.destination,
        human_identity=human.leg.identity if human is not None else None,
        reason=over.reason,
        attempts=tuple(call.attempts),
        summary=call.summary,
        timings=timings(call),
        caller_call_id=call.control.call_id(call.control.caller),
        human_call_id=_call_id(call, human.leg.identity if human is not None else None),
        cause=over.cause,
        _record=call.record,
        _alone=call.interrupts.caller_alone,
    )
