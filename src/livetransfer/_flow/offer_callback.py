"""Offering: after a failed transfer the AI gets the tools for a callback, or for a message."""

from __future__ import annotations

import logging
from dataclasses import replace

from livetransfer.briefing.summary import plain_summary
from livetransfer.events import HookFailed, OfferDecided
from livetransfer.fallback import OfferCallback, TakeMessage
from livetransfer.instead.callback_step import promised
from livetransfer.instead.facts import Facts
from livetransfer.instead.step import Step
from livetransfer.instead.tools import tools_for
from livetransfer.outcome import Offered, TransferOutcome
from livetransfer.privacy import Privacy
from livetransfer.privacy.conversation import filtered

from .call import Call

__all__ = ["Offering"]

logger = logging.getLogger("livetransfer")


class Offering:
    """Begins the step of the AI's conversation that the fallback has said.

    Args:
        call: The call.
        privacy: What may be told of the caller.
        priority: The caller's priority in a queue.
    """

    def __init__(self, call: Call, *, privacy: Privacy, priority: int) -> None:
        self._call, self._privacy, self._priority = call, privacy, priority

    async def open(
        self, action: OfferCallback | TakeMessage, outcome: TransferOutcome
    ) -> TransferOutcome:
        """Give the AI the tools, where it can have them; the outcome says whether it has.

        A caller who was promised a callback in this call is not offered another one.
        """
        call = self._call
        kind: Offered = "callback" if isinstance(action, OfferCallback) else "message"
        session = call.session.session
        if kind == "callback" and promised(session) is not None:
            return outcome
        step = Step(session, action, self._facts(outcome), lambda result: self._told(kind, result))
        if not await step.open(tools_for(action)):
            reason = "the AI could not be given the tools for it"
            call.emit(HookFailed(call.at, "fallback", reason, "the caller is back with the AI"))
            return outcome
        return replace(outcome, offers=kind)

    def _told(self, kind: Offered, result: str) -> None:
        call = self._call
        call.emit(OfferDecided(call.at, kind, result))

    def _facts(self, outcome: TransferOutcome) -> Facts:
        call = self._call
        control, queue = call.control, call.queue
        summary = call.summary
        if summary is None:
            summary = plain_summary(filtered(call.session.session.history, self._privacy))
        return Facts(
            call=control.name,
            call_id=control.call_id(control.caller),
            number=control.caller_number,
            department=call.department,
            status=outcome.status.value,
            summary=summary or None,
            priority=self._priority,
            place=None if queue is None else queue.position,
            privacy=self._privacy,
        )
