"""What one time that a callback was made comes to: pure, from what became of its two transfers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from livetransfer.answer_class import AnswerClass
from livetransfer.callback_request import CallbackStatus
from livetransfer.outcome import TransferOutcome
from livetransfer.status import TransferStatus

from .plan import Plan

__all__ = ["End", "answered_by", "later", "not_joined", "not_now", "not_reached"]


@dataclass(frozen=True)
class End:
    """What became of it, before it is written down.

    Attributes:
        status: `WAITING`, to be made again at `due`; or one that is final.
        reason: Why, for people; no number.
        due: When it is made again.
        human: What became of the human.
        caller: What became of the caller.
    """

    status: CallbackStatus
    reason: str
    due: datetime | None = None
    human: TransferOutcome | None = None
    caller: TransferOutcome | None = None


def later(
    plan: Plan,
    reason: str,
    *,
    calls: int,
    now: datetime,
    unmanned: bool = False,
    human: TransferOutcome | None = None,
    caller: TransferOutcome | None = None,
) -> End:
    """Return the end of one that is to be made again, if it still can be.

    Args:
        plan: How it is made.
        reason: Why it was not made.
        calls: How many times the caller was dialled.
        now: This moment.
        unmanned: Whether it was for want of a human.
        human: What became of the human.
        caller: What became of the caller.
    """
    due = plan.options.again.after(plan.request, calls=calls, unmanned=unmanned, now=now)
    if due is not None:
        return End(CallbackStatus.WAITING, reason, due, human, caller)
    if calls >= plan.request.attempts:
        why = f"the caller was called {calls} times, at last: {reason}"
    else:
        why = f"{reason}; the time in which the caller was to be called is over"
    return End(CallbackStatus.FAILED, why, None, human, caller)


def not_now(plan: Plan, now: datetime) -> End | None:
    """Return the end of one that may not be made now; None: it may."""
    begins = plan.begins(now)
    if begins is None or now >= plan.request.not_after:
        why = "nobody may be called any more inside of the time that was promised"
        return End(CallbackStatus.FAILED, why)
    if begins > now:
        return End(CallbackStatus.WAITING, "nobody may be called at this time", begins)
    return None


def not_joined(
    plan: Plan,
    human: TransferOutcome,
    caller: TransferOutcome | None,
    *,
    begun: bool,
    calls: int,
    now: datetime,
) -> End:
    """Return the end of one whose human has not talked with the caller.

    Args:
        plan: How it is made.
        human: What became of the human.
        caller: What became of the caller; None where that was broken off.
        begun: Whether the caller was about to be rung.
        calls: How many times he was dialled.
        now: This moment.
    """
    if begun and caller is not None and not caller.succeeded:
        return not_reached(plan, caller, human=human, calls=calls, now=now)
    why = (
        f"the human was lost: {human.status}" if begun else f"no human was reached: {human.status}"
    )
    return later(plan, why, unmanned=True, human=human, caller=caller, calls=calls, now=now)


def not_reached(
    plan: Plan,
    caller: TransferOutcome,
    *,
    human: TransferOutcome | None = None,
    calls: int,
    now: datetime,
) -> End:
    """Return the end of one whose caller was rung, and not reached."""
    status = caller.status
    if status is TransferStatus.INDETERMINATE:
        why = "it is not known whether the caller's phone was reached"
        return End(CallbackStatus.INDETERMINATE, why, None, human, caller)
    if status is TransferStatus.INVALID_DESTINATION:
        why = "the number does not exist, or nobody can be reached there"
        return End(CallbackStatus.FAILED, why, None, human, caller)
    if status is TransferStatus.VOICEMAIL and plan.options.leave_message is not None:
        why = "a message was left on the caller's mailbox"
        return End(CallbackStatus.DONE, why, None, human, caller)
    lost = status in (TransferStatus.CALLER_LEFT, TransferStatus.CANCELLED)
    why = "the human was lost" if lost else f"the caller was not reached: {status}"
    return later(plan, why, unmanned=lost, human=human, caller=caller, calls=calls, now=now)


def answered_by(caller: TransferOutcome | None) -> AnswerClass | None:
    """Return what has answered the caller's phone; None where nothing has."""
    if caller is None or not caller.attempts:
        return None
    last = caller.attempts[-1]
    if last.answered_by is None and caller.succeeded:
        return AnswerClass.UNKNOWN
    return last.answered_by
