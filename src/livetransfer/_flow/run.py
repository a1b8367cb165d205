"""One run of a transfer, from the announcement to its outcome; whatever ends it, it is undone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from livetransfer._logged import logged
from livetransfer._tasks import awaiting, keep
from livetransfer.control import BridgeMode, ControlEvent
from livetransfer.errors import UnknownDestinationError
from livetransfer.events import TransferEnded
from livetransfer.fallback import Fallback, GoTo, ReturnToAgent
from livetransfer.fallback.actions import LastAction
from livetransfer.outcome import Attempt, EndedBy, Ending, TransferOutcome
from livetransfer.phases import Phase
from livetransfer.privacy import Privacy
from livetransfer.status import TransferStatus

from .after_bridge import After, Watch
from .attempt import TransferProtocol
from .attempts import Attempts, GivenUp
from .call import Call
from .claim import Claim
from .endings import AttemptOver, Stopped
from .lease_and_admission import Account
from .leg import HumanLeg
from .make_outcome import outcome_by, outcome_of
from .offer_callback import Offering
from .return_to_ai import GivingBack
from .return_words import TakingBack
from .whom_next import Course

__all__ = ["Run", "RunOptions"]

logger = logging.getLogger("livetransfer")


@dataclass(frozen=True)
class RunOptions:
    """What a run is told of the transfer that it is a run of.

    Attributes:
        fallback: What follows a failed attempt.
        ring_timeout: Seconds a phone may ring.
        max_attempts: How many attempts are made at most.
        after: What follows the bridge.
        return_instructions: What the AI is asked to say to a caller it has back; None: nothing.
        talking: Whether the AI goes on talking with the caller while it rings.
        privacy: What may be told of the caller.
        priority: The caller's priority in a queue.
    """

    fallback: Fallback | None
    ring_timeout: float
    max_attempts: int
    after: After
    privacy: Privacy
    return_instructions: str | None = None
    talking: bool = False
    priority: int = 0


class Run:
    """One `run()` of a transfer.

    Args:
        call: The call.
        claim: The claim on the call, released when the AI may transfer it again.
        announce: Lets the caller hear what is said first.
        protocol: What an attempt does.
        course: Whom it rings.
        go_to: Returns the course that a GoTo means, and the protocol, where it is another one.
        options: What the transfer says.
    """

    def __init__(
        self,
        call: Call,
        *,
        claim: Claim,
        announce: Callable[[], Awaitable[None]],
        protocol: TransferProtocol,
        course: Course,
        go_to: Callable[[GoTo], tuple[Course, TransferProtocol | None]],
        options: RunOptions,
    ) -> None:
        self._call, self._claim, self._announce = call, claim, announce
        self._options = options
        self._attempts = Attempts(
            call,
            protocol,
            course,
            go_to=go_to,
            fallback=options.fallback,
            ring_timeout=options.ring_timeout,
            max_attempts=options.max_attempts,
            holds=not options.talking,
        )
        self._taking_back = TakingBack(call.session, options.return_instructions)
        offering = Offering(call, privacy=options.privacy, priority=options.priority)
        self._giving_back = GivingBack(call, offering, reports=not options.talking)

    async def execute(self) -> TransferOutcome:
        """Run the transfer to its outcome; see `WarmTransfer.run`."""
        call = self._call
        call.teardown.push("control", call.hang_ups.aclose, last=True)
        call.teardown.push("loose ends", call.loose_ends.run)
        call.teardown.push("caller's session", call.session.restore)
        call.teardown.push("hold music", call.hold_line.stop)
        unsubscribe = call.control.subscribe(self._on_control_event)
        watcher = keep(
            asyncio.create_task(call.interrupts.watch_session(), name="livetransfer-closing")
        )
        try:
            if not self._options.talking:
                call.session.hold_the_floor()
            if not call.control.caller_present:
                call.interrupts.stop(TransferStatus.CALLER_LEFT)
            outcome = await self._execute()
        except BaseException as error:
            try:
                await call.teardown.run()
            finally:  # it may be cancelled once more meanwhile
                self._claim.release()
                call.emit(TransferEnded(call.at, self._raised(error)))
            raise
        finally:
            watcher.cancel()
            unsubscribe()
            call.interrupts.close()
        call.emit(TransferEnded(call.at, outcome))
        return outcome

    def _on_control_event(self, event: ControlEvent) -> None:
        self._call.interrupts.on_event(event)
        self._attempts.on_event(event)

    async def _execute(self) -> TransferOutcome:
        call = self._call
        try:
            call.phases.move(Phase.ANNOUNCING)
            call.hold_line.prepare()
            self._attempts.prepare()
            await call.guard(awaiting(self._announce()))
            mode, attempt = await self._attempts.run()
            return self._handed_over(mode, attempt)
        except Stopped as stopped:
            return await self._stopped(stopped)
        except GivenUp as given_up:
            outcome = outcome_of(call, given_up.attempt)
            return await self._give_back(given_up.action, outcome, self._attempts.closing)
        except UnknownDestinationError:
            raise  # a model is told, and can name another
        except Exception as error:
            logger.error("a transfer failed because of an error", **logged())
            return await self._broken_off(AttemptOver.by_error(error))

    async def _stopped(self, stopped: Stopped) -> TransferOutcome:
        call, over = self._call, stopped.over
        # Unclear: the caller pressed the exit key while a REFER was under way.
        unclear = over.status is TransferStatus.INDETERMINATE and not call.interrupts.caller_alone
        if over.status is TransferStatus.CANCELLED or unclear:
            return await self._broken_off(over)
        gone = over.status is TransferStatus.CALLER_LEFT
        call.phases.move(Phase.ENDED if gone else Phase.RETURNED)
        live = self._attempts.live
        if live is not None and gone:
            # A human who is being talked to hears why.
            await asyncio.shield(live.close(over.status))
        await call.teardown.run()
        self._claim.release()
        return outcome_by(call, over, live)

    async def _broken_off(self, over: AttemptOver) -> TransferOutcome:
        """Give the caller back, whatever the attempt under way has still to do."""
        live = self._attempts.live
        closing = live.close(over.status) if live is not None else self._attempts.closing
        outcome = outcome_by(self._call, over, live)
        return await self._give_back(ReturnToAgent(), outcome, closing)

    async def _give_back(
        self,
        action: LastAction,
        outcome: TransferOutcome,
        closing: asyncio.Task[None] | None,
    ) -> TransferOutcome:
        outcome = await self._giving_back.carry_out(action, outcome, closing)
        self._claim.release()
        if outcome.caller_present:
            self._taking_back.after_failure(outcome)
        return outcome

    def _raised(self, error: BaseException) -> TransferOutcome:
        """Return what a record has to know of a run that raises instead of returning."""
        if isinstance(error, Exception):
            over = AttemptOver.by_error(error)
        else:
            over = AttemptOver(TransferStatus.CANCELLED, "run() was cancelled")
            over.__cause__ = error
        call = self._call
        if not call.phases.over:
            call.phases.move(Phase.RETURNED)
        return outcome_by(call, over, self._attempts.live)

    # -- the bridge ------------------------------------------------------------------------

    def _handed_over(self, mode: BridgeMode | None, attempt: Attempt) -> TransferOutcome:
        """Give the call to the watch that carries what `after` promised."""
        call, live = self._call, self._attempts.live
        assert live is not None
        human = next((human for human in live.legs if human.joined), None)
        if human is not None:
            human.keep()
        call.session.answer_nothing()
        self._claim.handed_over()
        call.phases.move(Phase.REFERRED if mode is None else Phase.BRIDGED)
        after = self._options.after
        watch = Watch(
            session=call.session,
            control=call.control,
            hang_ups=call.hang_ups,
            human=human.leg if human is not None else None,
            account=human.account if human is not None else Account(None),
            # A relay cannot go on without the AI, which stays, silent, to its end.
            after="end" if (mode, after) == ("relay", "leave") else after,
            release=self._claim.release,
            tell=call.tell,
            taking_back=self._taking_back,
            gone=self._who_left(human),
            closing=(call.hold_line.stop, live.close, call.loose_ends.run),
        )
        return replace(
            outcome_of(call, attempt), mode=mode, confirmed=live.confirmed, _end=Ending(watch.end)
        )

    def _who_left(self, human: HumanLeg | None) -> EndedBy | None:
        """Return who left while the introduction was spoken."""
        if self._call.interrupts.lost:
            return EndedBy.LOST
        if not self._call.control.caller_present:
            return EndedBy.CALLER
        if human is not None and human.broken.done():
            return EndedBy.HUMAN
        return None
