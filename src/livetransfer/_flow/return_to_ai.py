"""Giving back: how a caller whose transfer has failed comes back to the AI, or is hung up."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from livetransfer._tasks import keep
from livetransfer.fallback import HangUp, OfferCallback, ReturnToAgent, TakeMessage
from livetransfer.fallback.actions import LastAction
from livetransfer.outcome import TransferOutcome
from livetransfer.phases import Phase

from .call import LAST_SENTENCE_LIMIT, Call
from .hang_up import WITHIN
from .hold_line import TAIL_LIMIT
from .make_outcome import timings
from .offer_callback import Offering

__all__ = ["GivingBack"]

GOODBYE_LIMIT = 10.0
"""Seconds that a last sentence to the caller may take before the call is ended."""


class GivingBack:
    """Ends a run that has joined nobody.

    Args:
        call: The call.
        offering: Gives the AI what it needs for a callback, or for a message.
        reports: Whether the tool's result, told late, may not make the AI speak by itself.
    """

    def __init__(self, call: Call, offering: Offering, *, reports: bool) -> None:
        self._call, self._offering, self._reports = call, offering, reports

    async def carry_out(
        self,
        action: LastAction,
        outcome: TransferOutcome,
        closing: asyncio.Task[None] | None,
    ) -> TransferOutcome:
        """Give the caller back to the AI, or end the call as the fallback says.

        Args:
            action: What the policy says.
            outcome: What became of the transfer.
            closing: What is still done to end the last attempt.
        """
        call = self._call
        call.interrupts.no_exit()  # a last sentence is not to be cut short by it
        keep(asyncio.create_task(call.loose_ends.run(), name="livetransfer-loose-ends"))
        hung_up = False
        if isinstance(action, HangUp):
            hung_up = await self._goodbye(action, closing)
        else:
            if isinstance(action, (OfferCallback, TakeMessage)):
                outcome = await self._offering.open(action, outcome)
            self._resume(action, outcome, closing)
        return replace(
            outcome,
            said=action.say or None,
            hung_up=hung_up,
            timings=timings(call),
            _alone=call.interrupts.caller_alone,
        )

    def _resume(
        self,
        action: ReturnToAgent | OfferCallback | TakeMessage,
        outcome: TransferOutcome,
        closing: asyncio.Task[None] | None,
    ) -> None:
        """Let the caller talk with the AI again; the music goes on until there is a voice."""
        call = self._call
        call.phases.move(Phase.RETURNED)
        call.session.restore()
        if action.say:
            call.session.speak(action.say)
        elif self._reports:
            call.session.answer_anyway(str(outcome))
        keep(asyncio.create_task(self._tail(TAIL_LIMIT, closing), name="livetransfer-hold-tail"))

    async def _goodbye(self, action: HangUp, closing: asyncio.Task[None] | None) -> bool:
        """Say the last sentence and hang up the caller; return whether that was possible."""
        call = self._call
        call.session.restore()
        if not call.on_hold:
            await call.session.quiet(LAST_SENTENCE_LIMIT)
        handle = call.session.speak(action.say) if action.say else None
        # Nothing but a voice or the end of the call may end the music.
        limit = TAIL_LIMIT + GOODBYE_LIMIT + WITHIN
        said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tail = keep(
            asyncio.create_task(self._tail(limit, closing, said), name="livetransfer-hold-tail")
        )
        hung_up = False
        try:
            if handle is not None:
                spoken = keep(asyncio.ensure_future(handle.wait_for_playout()))
                await asyncio.wait(
                    {spoken, call.interrupts.stopped},
                    timeout=GOODBYE_LIMIT,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            hung_up = await call.hang_ups.caller()
        finally:
            said.set_result(None)
        call.phases.move(Phase.ENDED if hung_up else Phase.RETURNED)
        if hung_up:
            tail.cancel()
            await asyncio.wait({tail})
            call.session.close_as_if_caller_left()
        return hung_up

    async def _tail(
        self,
        limit: float,
        closing: asyncio.Task[None] | None,
        said: asyncio.Future[None] | None = None,
    ) -> None:
        """End the music when a voice takes over, then close what is left.

        Not before `said` is done: hanging up needs the control.
        """
        try:
            await self._call.hold_line.until_voice(limit)
            if said is not None:
                await asyncio.wait({said})
            if closing is not None:
                await asyncio.shield(closing)
        finally:
            await self._call.teardown.run()
