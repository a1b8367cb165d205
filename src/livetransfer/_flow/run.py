"""One run of a transfer: its attempts one after the other, what follows each, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from livetransfer.control import BridgeMode
from livetransfer.destination import Destination
from livetransfer.events import AttemptEnded, TransferEnded
from livetransfer.fallback.policy import Fallback, HangUp, Next, Retry, ReturnToAgent, decide
from livetransfer.outcome import Attempt, EndedBy, TransferOutcome
from livetransfer.phases import Phase
from livetransfer.status import TransferStatus

from .after import After, Watch
from .claim import Claim
from .endings import AttemptOver, Stopped, TransferProtocol
from .hang_up import WITHIN
from .hold_line import TAIL_LIMIT
from .steps import LAST_SENTENCE_LIMIT, Steps, awaiting
from .teardown import Teardown, keep

__all__ = ["Run"]

logger = logging.getLogger("livetransfer")

GOODBYE_LIMIT = 10.0
"""Seconds that a last sentence to the caller may take before the call is ended."""


class Run(Steps):
    """One `run()` of a transfer.

    Args:
        claim: The claim on the call, released when the AI may transfer it again.
        announce: Lets the caller hear what is said first.
        fallback: What follows a failed attempt.
        after: What follows the bridge.
        interruptible: Whether the caller may interrupt the AI at the beginning, because the two
            go on talking.
        **options: Those of `Steps`.
    """

    def __init__(
        self,
        *,
        claim: Claim,
        announce: Callable[[], Awaitable[None]],
        fallback: Fallback | None,
        after: After,
        interruptible: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.teardown = Teardown()
        self._claim, self._announce = claim, announce
        self._fallback, self._after = fallback, after
        self._interruptible = interruptible
        self._closing: asyncio.Task[None] | None = None

    async def execute(
        self, protocol: TransferProtocol, destinations: Sequence[Destination]
    ) -> TransferOutcome:
        """Run the transfer to its outcome; see `WarmTransfer.run`."""
        self.teardown.push("control", self._hang_ups.aclose, last=True)
        self.teardown.push("loose ends", self.loose_ends.run)
        self.teardown.push("caller's session", self.session.restore)
        self.teardown.push("hold music", self.hold_line.stop)
        self.teardown.push("attempt", self.attempt_teardown.run)
        unsubscribe = self.control.subscribe(self._on_control_event)
        watcher = keep(asyncio.create_task(self._watch_session(), name="livetransfer-closing"))
        try:
            if not self._interruptible:
                self.session.hold_the_floor()
            if not self.control.caller_present:
                self._stop(TransferStatus.CALLER_LEFT, "")
            outcome = await self._execute(protocol, destinations)
        except BaseException:
            await self.teardown.run()
            self._claim.release()
            raise
        finally:
            watcher.cancel()
            unsubscribe()
            self._human = None
        self.emit(TransferEnded(self.at, outcome))
        return outcome

    async def _execute(
        self, protocol: TransferProtocol, destinations: Sequence[Destination]
    ) -> TransferOutcome:
        try:
            self.phases.move(Phase.ANNOUNCING)
            self.hold_line.prepare()
            await self.guard(awaiting(self._announce()))
            mode = await self._attempts_at(protocol, destinations)
            return self._handed_over(mode)
        except Stopped as stopped:
            over = _by_stop(stopped)
            # Unclear: the caller pressed the exit key while a REFER was under way.
            unclear = over.status is TransferStatus.INDETERMINATE and not self._caller_alone
            if over.status is TransferStatus.CANCELLED or unclear:
                return await self._broken_off(over)
        except _GivenUp as given_up:
            return await self._given_back(
                given_up.action, self._attempt_outcome(self._attempts[-1])
            )
        except Exception as error:
            logger.exception("a transfer failed because of an error")
            return await self._broken_off(_by_error(error))
        gone = over.status is TransferStatus.CALLER_LEFT
        self.phases.move(Phase.ENDED if gone else Phase.RETURNED)
        await self.teardown.run()
        self._claim.release()
        return self._interrupted(over)

    async def _attempts_at(
        self, protocol: TransferProtocol, destinations: Sequence[Destination]
    ) -> BridgeMode | None:
        tries: dict[int, int] = {}
        index = 0
        while True:
            destination = self._destination = destinations[index]
            tries[index] = tries.get(index, 0) + 1
            remaining = len(destinations) - index - 1
            try:
                mode = await protocol.attempt(self, destination)
            except AttemptOver as over:
                attempt = self._record(over, tries[index], remaining)
            except Stopped as stopped:
                self._record(_by_stop(stopped), tries[index], remaining)
                raise
            except Exception as error:
                self._record(_by_error(error), tries[index], remaining)
                raise
            else:
                done = TransferStatus.REFERRED if mode is None else TransferStatus.BRIDGED
                self._record(AttemptOver(done), tries[index], remaining)
                return mode
            self._human = None
            # What ends the transfer need not wait for it: the teardown of the whole does.
            closing = self._close_attempt()
            if self.patience.over:
                self._closing = closing
            else:
                await asyncio.wait({closing, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
            self.attempt_teardown = Teardown()
            self.teardown.push("attempt", self.attempt_teardown.run)
            self.emit(AttemptEnded(self.at, attempt))
            if self._stopped.done():
                self._stopped.result()
            action = self._decide(attempt)
            if isinstance(action, (ReturnToAgent, HangUp)):
                raise _GivenUp(action)
            if self.on_hold and self.phases.current is not Phase.HOLDING:
                self.phases.move(Phase.HOLDING)
            if isinstance(action, Next):
                index += 1
                continue
            try:
                await self.guard(asyncio.sleep(action.after))
            except AttemptOver:
                raise _GivenUp(ReturnToAgent()) from None

    def _record(self, over: AttemptOver, tries: int, remaining: int) -> Attempt:
        assert self._destination is not None
        attempt = Attempt(
            self._destination,
            over.status,
            over.sip_code,
            over.sip_reason,
            over.reason,
            self._human.leg.identity if self._human else None,
            tries=tries,
            remaining=remaining,
            seconds_on_hold=self.patience.seconds_on_hold,
            earlier=tuple(self._attempts),
            cause=over.cause,
        )
        self._attempts.append(attempt)
        return attempt

    def _decide(self, attempt: Attempt) -> Next | Retry | ReturnToAgent | HangUp:
        try:
            action = decide(self._fallback, attempt)
        except Exception:
            logger.exception("a fallback policy raised; the default one is used")
            action = decide(None, attempt)
        wait = action.after if isinstance(action, Retry) else 0.0
        if not isinstance(action, (Next, Retry)) or not self.patience.over_in(wait):
            return action
        # Nobody is dialled any more: what the policy has for that is its last word.
        last = replace(attempt, status=TransferStatus.TIMED_OUT, remaining=0)
        with contextlib.suppress(Exception):
            action = decide(self._fallback, last)
        return ReturnToAgent() if isinstance(action, (Next, Retry)) else action

    async def _given_back(
        self, action: ReturnToAgent | HangUp, outcome: TransferOutcome
    ) -> TransferOutcome:
        """Give the caller back to the AI, or end the call as the fallback says."""
        self._exit_key = None  # a last sentence is not to be cut short by it
        keep(asyncio.create_task(self.loose_ends.run(), name="livetransfer-loose-ends"))
        if isinstance(action, HangUp):
            hung_up = await self._goodbye(action)
        else:
            hung_up = False
            self._resume(action, outcome)
        self._claim.release()
        return replace(outcome, hung_up=hung_up, timings=self._timings(), _alone=self._caller_alone)

    def _resume(self, action: ReturnToAgent, outcome: TransferOutcome) -> None:
        """Let the caller talk with the AI again; the music goes on until there is a voice."""
        self.phases.move(Phase.RETURNED)
        self.session.restore()
        if action.say:
            self.session.speak(action.say)
        elif not self._interruptible:
            self.session.answer_anyway(str(outcome))
        keep(asyncio.create_task(self._tail(TAIL_LIMIT), name="livetransfer-hold-tail"))

    async def _goodbye(self, action: HangUp) -> bool:
        """Say the last sentence and hang up the caller; return whether that was possible."""
        self.session.restore()
        if not self.on_hold:
            await self.session.quiet(LAST_SENTENCE_LIMIT)
        handle = self.session.speak(action.say) if action.say else None
        # Nothing but a voice or the end of the call may end the music.
        limit, said = TAIL_LIMIT + GOODBYE_LIMIT + WITHIN, self._loop.create_future()
        tail = keep(asyncio.create_task(self._tail(limit, said), name="livetransfer-hold-tail"))
        hung_up = False
        try:
            if handle is not None:
                spoken = keep(asyncio.ensure_future(handle.wait_for_playout()))
                await asyncio.wait(
                    {spoken, self._stopped},
                    timeout=GOODBYE_LIMIT,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            hung_up = await self._hang_ups.caller()
        finally:
            said.set_result(None)
        self.phases.move(Phase.ENDED if hung_up else Phase.RETURNED)
        if hung_up:
            tail.cancel()
            await asyncio.wait({tail})
            self.session.close_as_if_caller_left()
        return hung_up

    async def _tail(self, limit: float, said: asyncio.Future[None] | None = None) -> None:
        """End the music when a voice takes over, then close what is left.

        Not before `said` is done: hanging up needs the control.
        """
        try:
            await self.hold_line.until_voice(limit)
            if said is not None:
                await asyncio.wait({said})
            if self._closing is not None:
                await asyncio.shield(self._closing)
        finally:
            await self.teardown.run()

    async def _broken_off(self, over: AttemptOver) -> TransferOutcome:
        """Give the caller back, whatever the attempt under way has still to do."""
        self._closing = self._close_attempt()
        return await self._given_back(ReturnToAgent(), self._interrupted(over))

    def _close_attempt(self) -> asyncio.Task[None]:
        """End the attempt under way, in the background."""
        parting, teardown = self.parting, self.attempt_teardown
        self.parting = None

        async def close() -> None:
            if parting is not None:
                await parting()
            await teardown.run()

        return keep(asyncio.create_task(close(), name="livetransfer-attempt-end"))

    def _handed_over(self, mode: BridgeMode | None) -> TransferOutcome:
        """Give the call to the watch that carries what `after` promised."""
        human = self._human.leg if self._human is not None and mode is not None else None
        if self._human is not None:
            self._human.keep_leg()
        self.session.answer_nothing()
        self.phases.move(Phase.REFERRED if mode is None else Phase.BRIDGED)
        watch = Watch(
            session=self.session,
            control=self.control,
            hang_ups=self._hang_ups,
            human=human,
            # A relay cannot go on without the AI, which stays, silent, to its end.
            after="end" if (mode, self._after) == ("relay", "leave") else self._after,
            release=self._claim.release,
            emit=self.emit,
            began=self._began,
            gone=self._who_left(),
            closing=(self.hold_line.stop, self.attempt_teardown.run, self.loose_ends.run),
        )
        outcome = self._attempt_outcome(self._attempts[-1])
        return replace(outcome, mode=mode, _end=watch.end)

    def _who_left(self) -> EndedBy | None:
        """Return who left while the introduction was spoken."""
        if self._lost:
            return EndedBy.LOST
        if not self.control.caller_present:
            return EndedBy.CALLER
        if self._human is not None and self._human.broken.done():
            return EndedBy.HUMAN
        return None

    def _attempt_outcome(self, attempt: Attempt) -> TransferOutcome:
        return self._outcome(
            attempt.status,
            sip_code=attempt.sip_code,
            sip_reason=attempt.sip_reason,
            reason=attempt.reason,
            identity=attempt.human_identity,
            cause=attempt.cause,
        )

    def _interrupted(self, over: AttemptOver) -> TransferOutcome:
        """Return the outcome of a run that was ended by something else than an attempt."""
        identity = self._human.leg.identity if self._human is not None else None
        return self._outcome(over.status, reason=over.reason, identity=identity, cause=over.cause)

    @property
    def _caller_alone(self) -> bool:
        """Whether there is nobody to be with the AI, or no AI."""
        return self._lost or self.session.is_closing or not self.control.caller_present

    def _timings(self) -> dict[str, float]:
        return self.phases.timings() | {"total": self.at}

    def _outcome(
        self,
        status: TransferStatus,
        *,
        sip_code: int | None = None,
        sip_reason: str | None = None,
        reason: str | None = None,
        identity: str | None = None,
        cause: BaseException | None = None,
    ) -> TransferOutcome:
        return TransferOutcome(
            status=status,
            destination=self._destination,
            human_identity=identity,
            sip_code=sip_code,
            sip_reason=sip_reason,
            reason=reason,
            attempts=tuple(self._attempts),
            summary=self.summary,
            timings=self._timings(),
            cause=cause,
            _alone=self._caller_alone,
        )


def _by_stop(stopped: Stopped) -> AttemptOver:
    return AttemptOver(stopped.status, stopped.reason or None)


def _by_error(error: Exception) -> AttemptOver:
    over = AttemptOver(TransferStatus.FAILED, f"{type(error).__name__}: {error}")
    over.__cause__ = error
    return over


class _GivenUp(Exception):
    def __init__(self, action: ReturnToAgent | HangUp) -> None:
        super().__init__()
        self.action = action
