"""The attempts of a run, one after the other: who is rung, and what the policy says then."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask_now
from livetransfer.control import BridgeMode, ControlEvent
from livetransfer.errors import TransferError
from livetransfer.events import (
    AttemptEnded,
    HookFailed,
    OfferMade,
)
from livetransfer.fallback import Action, Fallback, GoTo, Next, Retry, ReturnToAgent
from livetransfer.fallback.actions import LastAction
from livetransfer.fallback.policy import decide
from livetransfer.outcome import Attempt
from livetransfer.routing.offer import Offer
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt, TransferProtocol
from .call import Call
from .endings import AttemptOver, Stopped
from .make_outcome import decided, nobody, record
from .next_offer import NextOffer
from .whom_next import Course

__all__ = ["Attempts", "GivenUp"]

logger = logging.getLogger("livetransfer")


class GivenUp(Exception):
    """No further attempt is made."""

    def __init__(self, action: LastAction, attempt: Attempt) -> None:
        super().__init__()
        self.action, self.attempt = action, attempt


class Attempts:
    """Makes attempts until one succeeds or the policy has had enough.

    Args:
        call: The call.
        protocol: What an attempt does.
        course: Whom it rings.
        go_to: Returns the course that a GoTo means, and the protocol, where it is another one.
        fallback: What follows a failed attempt.
        ring_timeout: Seconds a phone may ring.
        max_attempts: How many attempts are made at most.
        holds: Whether the caller is put on hold while nobody has answered.

    Attributes:
        live: The attempt under way, or the one that has succeeded.
        closing: What is still done to end the last attempt.
    """

    def __init__(
        self,
        call: Call,
        protocol: TransferProtocol,
        course: Course,
        *,
        go_to: Callable[[GoTo], tuple[Course, TransferProtocol | None]],
        fallback: Fallback | None,
        ring_timeout: float,
        max_attempts: int,
        holds: bool,
    ) -> None:
        self._call, self._protocol, self._course = call, protocol, course
        self._go_to = go_to
        self._own_protocol = protocol
        self._fallback, self._ring_timeout = fallback, ring_timeout
        self._max_attempts, self._holds = max_attempts, holds
        self._next_offer = NextOffer(call, holds=holds)
        self._made = self._courses = 0
        self._tries: Counter[object] = Counter()
        self._ahead: LiveAttempt | None = None
        self.live: LiveAttempt | None = None
        self.closing: asyncio.Task[None] | None = None

    def on_event(self, event: ControlEvent) -> None:
        """Look at an event of a leg."""
        if self.live is not None:
            self.live.on_event(event)

    def prepare(self) -> None:
        """Begin to get ready for the first attempt, where it is known whom it is for."""
        offer = self._course.first
        if offer is not None and self._holds:
            self._ahead = self._new(offer)
            self._protocol.prepare(self._ahead)

    def _new(self, offer: Offer) -> LiveAttempt:
        live = LiveAttempt(self._call, offer, self._ring_timeout)
        self._call.teardown.push("attempt", live.teardown.run)
        return live

    async def run(self) -> tuple[BridgeMode | None, Attempt]:
        """Make attempts; return how the caller was joined, None where he was referred away.

        Raises:
            GivenUp: The policy has had enough.
            Stopped: The transfer is over.
        """
        call, again = self._call, False
        while True:
            self._made += 1
            try:
                offer = await self._next_offer.find(
                    self._course, again=again, first=not self._courses
                )
            except AttemptOver as over:
                key = (self._courses, None)
                self._tries[key] += 1
                call.destination = None
                # Who has left the queue by a key is not rung for any more.
                left = over.status is TransferStatus.CANCELLED
                attempt = nobody(call, over, tries=self._tries[key], last=left)
            else:
                done, attempt = await self._attempt(offer)
                if done is not None:
                    return done[0], attempt
            call.emit(AttemptEnded(call.at, attempt))
            call.interrupts.check()
            action = self._decide(attempt)
            if not isinstance(action, (Next, Retry, GoTo)):
                raise GivenUp(action, attempt)
            await self._closed()
            if call.on_hold:
                call.holding()
            again = isinstance(action, Retry)
            try:
                await self._between(action)
            except AttemptOver:
                last = replace(attempt, status=TransferStatus.TIMED_OUT, last=True, remaining=0)
                final = self._last_word(last)
                call.emit(decided(call.at, final, "the time on hold is over"))
                raise GivenUp(final, attempt) from None
            if isinstance(action, GoTo):
                self._change_course(action)

    async def _between(self, action: Next | Retry | GoTo) -> None:
        """Let the time before the next attempt pass, and the caller hear what he is to hear.

        Raises:
            AttemptOver: The time on hold is over.
        """
        call, loop = self._call, asyncio.get_running_loop()
        until = loop.time() + (action.after if isinstance(action, Retry) else 0.0)
        if action.say:
            await call.guard(call.tell_between(action.say))
        if isinstance(action, Retry):
            await call.guard(asyncio.sleep(max(0.0, until - loop.time())))

    def _change_course(self, action: GoTo) -> None:
        """Go to somebody else; where that is refused, the next attempt is over before it begins."""
        call = self._call
        call.gone_to = (*call.gone_to, action.key)
        department = call.department
        try:
            course, protocol = self._go_to(action)
        except TransferError as error:
            call.department = department
            logger.error("a fallback policy goes to somebody who cannot be rung", **logged(error))
            self._next_offer.refused = error
            return
        self._course, self._courses = course, self._courses + 1
        self._protocol = self._own_protocol if protocol is None else protocol
        call.queue = None
        call.patience.another_queue()

    async def _attempt(self, offer: Offer) -> tuple[tuple[BridgeMode | None] | None, Attempt]:
        """Make one attempt; return whether it has succeeded, and what is written down."""
        call = self._call
        ahead, self._ahead = self._ahead, None
        live = ahead if ahead is not None and ahead.offer is offer else self._new(offer)
        self.live = live
        call.destination = live.destination
        key = (self._courses, self._course.key(offer))
        self._tries[key] += 1
        tries, remaining = self._tries[key], self._course.remaining
        members = tuple(None if lease is None else lease.member for lease in offer.leases)
        call.emit(OfferMade(call.at, offer.destinations, offer.queue, members))
        try:
            mode = await self._protocol.attempt(live)
        except AttemptOver as over:
            attempt = record(call, live, over, tries=tries, remaining=remaining)
        except Stopped as stopped:
            record(call, live, stopped.over, tries=tries, remaining=remaining)
            raise
        except Exception as error:
            record(call, live, AttemptOver.by_error(error), tries=tries, remaining=remaining)
            raise
        else:
            status = TransferStatus.REFERRED if mode is None else TransferStatus.BRIDGED
            return (mode,), record(
                call, live, AttemptOver(status), tries=tries, remaining=remaining
            )
        self.live, self.closing = None, live.close()
        return None, attempt

    async def _closed(self) -> None:
        """Wait until nobody is talked to any more, nor rung, before somebody else is.

        Who is given back to the AI does not wait for a goodbye to somebody else.
        """
        if self.closing is not None and not self._call.patience.over:
            either = {self.closing, self._call.interrupts.stopped}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            self.closing = None

    # -- what follows ----------------------------------------------------------------------

    def _decide(self, attempt: Attempt) -> Action:
        action = self._last_word(attempt) if attempt.last else self._ask_policy(attempt)
        why = attempt.status.value
        wait = action.after if isinstance(action, Retry) else 0.0
        if isinstance(action, (Next, Retry, GoTo)):
            last: Attempt | None = None
            if self._call.patience.over_in(wait):
                # Nobody is dialled any more: what the policy has for that is its last word.
                last = replace(attempt, status=TransferStatus.TIMED_OUT, remaining=0, last=True)
                why += "; the time on hold is over"
            elif self._made >= self._max_attempts:
                last = replace(attempt, remaining=0, last=True)
                why += "; no further attempt is allowed"
            if last is not None:
                action = self._last_word(last)
        self._call.emit(decided(self._call.at, action, why))
        return action

    def _last_word(self, last: Attempt) -> LastAction:
        action = self._ask_policy(last)
        return ReturnToAgent() if isinstance(action, (Next, Retry, GoTo)) else action

    def _ask_policy(self, attempt: Attempt) -> Action:
        try:
            return ask_now("fallback", lambda: decide(self._fallback, attempt))
        except CodeFailed as failed:
            call = self._call
            call.emit(HookFailed(call.at, failed.hook, failed.reason, "the default policy decides"))
            logger.error("a fallback policy failed; the default one is used", **logged(failed))
            return decide(None, attempt)
