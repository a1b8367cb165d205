"""One run of a transfer: its phases, its attempts, what interrupts it, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from ._after import After, Watch
from ._hang_up import WITHIN, HangUps
from ._hold import TAIL_LIMIT, HoldLine
from ._phases import Phase, Phases
from ._resolve import Claim
from ._session import CallerSession
from ._teardown import Teardown, keep
from .control import (
    BridgeMode,
    CallControl,
    CallLost,
    ControlEvent,
    KeyPressed,
    Leg,
    LegAnswered,
    LegLeft,
    LegRinging,
    SealBroken,
)
from .destination import Destination
from .errors import CallControlError
from .events import AttemptEnded, HoldMusicProblem, PhaseChanged, TransferEnded, TransferEvent
from .fallback import Fallback, HangUp, Next, Retry, ReturnToAgent, decide
from .hold import HoldMusicPlayer
from .outcome import Attempt, EndedBy, TransferOutcome
from .status import TransferStatus

__all__ = ["AttemptOver", "HumanLeg", "Run", "Stopped", "TransferProtocol"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")

DIAL_SLACK = 10.0
"""Seconds, beyond the ringing, in which a dial has to have said what became of it."""

ANSWER_LIMIT = 8.0
"""Seconds, from the answer, in which the leg has to be ready to be talked to."""

REFER_SLACK = 10.0
"""Seconds, beyond its own time-out, in which a REFER has to have said what became of it."""

BRIDGE_LIMIT = 5.0
"""Seconds that joining the two may take."""

REFER_ANSWER_LIMIT = 2.0
"""Seconds that the answer to a REFER may come after the caller has left (measured: about 1 s)."""

LAST_SENTENCE_LIMIT = 3.0
"""Seconds that the AI may go on with its sentence when the human has answered."""

GOODBYE_LIMIT = 10.0
"""Seconds that a last sentence to the caller may take before the call is ended."""


_CAN_EXIT = frozenset(
    {Phase.HOLDING, Phase.DIALLING, Phase.RINGING, Phase.BRIEFING, Phase.REFERRING}
)


class AttemptOver(Exception):
    """An attempt ended without a bridge; the fallback decides."""

    def __init__(
        self,
        status: TransferStatus,
        reason: str | None = None,
        *,
        sip_code: int | None = None,
        sip_reason: str | None = None,
    ) -> None:
        super().__init__(status.value, reason)
        self.status, self.reason = status, reason
        self.sip_code, self.sip_reason = sip_code, sip_reason

    @property
    def cause(self) -> BaseException | None:
        """The error behind it that is not one of ours."""
        error = self.__cause__
        return error.cause if isinstance(error, AttemptOver) else error

    @classmethod
    def by(cls, error: CallControlError) -> AttemptOver:
        """Return what an error of the call control means."""
        status = TransferStatus.INDETERMINATE if error.indeterminate else error.status
        return cls(status, str(error), sip_code=error.sip_code, sip_reason=error.sip_reason)


class Stopped(Exception):
    """The whole transfer is over: nobody is left to transfer, or nothing to do it with."""

    def __init__(self, status: TransferStatus, reason: str) -> None:
        super().__init__(status.value, reason)
        self.status, self.reason = status, reason


@dataclass(eq=False)
class HumanLeg:
    """The leg of the attempt under way.

    Attributes:
        leg: The leg; it may not have been answered yet.
        broken: Done, with an AttemptOver, when the leg can be used no more.
        on_key: Called with each key that the human presses.
        keep_leg: Takes back that the teardown hangs it up.
        answered: Whether the phone was answered.
    """

    leg: Leg
    broken: asyncio.Future[None]
    on_key: Callable[[str], None] | None = None
    keep_leg: Callable[[], None] = lambda: None
    answered: bool = False

    def breaks(self, over: AttemptOver) -> None:
        """Say why it can be used no more; the first reason counts."""
        if not self.broken.done():
            self.broken.set_exception(over)
            self.broken.exception()


class TransferProtocol(Protocol):
    """What makes a warm transfer warm and a cold one cold."""

    async def attempt(self, run: Run, destination: Destination) -> BridgeMode | None:
        """Hand the caller to `destination`; None when the caller was referred away.

        Raises:
            AttemptOver: It did not work.
        """


class Run:
    """One `run()` of a transfer.

    Args:
        session: The caller's session.
        control: The call; closed by this run, or by the watch that follows it.
        claim: The claim on the call, released when the AI may transfer it again.
        player: The hold music.
        emit: Where events go.
        announce: Lets the caller hear what is said first.
        fallback: What follows a failed attempt.
        ring_timeout: Seconds a phone may ring.
        max_hold: Seconds the caller may be on hold, over all attempts.
        after: What follows the bridge.
        interruptible: Whether the caller may interrupt the AI at the beginning, because the two
            go on talking.
        exit_key: The key that brings a caller on hold back to the AI.
    """

    def __init__(
        self,
        *,
        session: CallerSession,
        control: CallControl,
        claim: Claim,
        player: HoldMusicPlayer,
        emit: Callable[[TransferEvent], None],
        announce: Callable[[], Awaitable[None]],
        fallback: Fallback | None,
        ring_timeout: float,
        max_hold: float,
        after: After,
        interruptible: bool = False,
        exit_key: str | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.session, self.control = session, control
        self._hang_ups = HangUps(control)
        self.summary: str | None = None
        self.teardown = Teardown()
        self.attempt_teardown = Teardown()
        self.loose_ends = Teardown()
        self._claim, self._emit_to, self._announce = claim, emit, announce
        self._fallback, self._ring_timeout = fallback, ring_timeout
        self._max_hold, self._after = max_hold, after
        self._interruptible, self._exit_key = interruptible, exit_key
        self.parting: Callable[[], Awaitable[None]] | None = None
        self._held_since: float | None = None
        self._human: HumanLeg | None = None
        self._destination: Destination | None = None
        self._closing: asyncio.Task[None] | None = None
        self._attempts: list[Attempt] = []
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._lost = self._dialling = False
        self._overdue: asyncio.TimerHandle | None = None
        self.phases = Phases(self._loop.time, self._phase_changed)
        self.hold_line = HoldLine(control, session.session, player, self._music_problem)

    # -- telling -------------------------------------------------------------------------

    @property
    def at(self) -> float:
        """Seconds since the run began."""
        return self._loop.time() - self._began

    def emit(self, event: TransferEvent) -> None:
        """Tell `event`; a listener that raises is logged and changes nothing."""
        try:
            self._emit_to(event)
        except Exception:
            logger.exception("an event listener of a transfer raised")

    def _phase_changed(self, old: Phase, new: Phase) -> None:
        self.emit(PhaseChanged(self.at, old, new, self._destination))

    def _music_problem(self, reason: str) -> None:
        self.emit(HoldMusicProblem(self.at, reason))

    # -- being interrupted ---------------------------------------------------------------

    def _stop(self, status: TransferStatus, reason: str) -> None:
        if not self._stopped.done():
            self._stopped.set_exception(Stopped(status, reason))
            self._stopped.exception()

    def _on_control_event(self, event: ControlEvent) -> None:
        human = self._human
        if isinstance(event, CallLost):
            self._lost = True
            self._stop(TransferStatus.FAILED, event.reason or "the connection to the call was lost")
        elif isinstance(event, LegLeft) and event.identity == self.control.caller.identity:
            self._stop(TransferStatus.CALLER_LEFT, event.reason)
        elif isinstance(event, KeyPressed) and event.identity == self.control.caller.identity:
            if event.digit == self._exit_key and self.phases.current in _CAN_EXIT:
                self._stop(TransferStatus.CANCELLED, "the caller pressed the exit key")
        elif human is None or event.identity != human.leg.identity:
            return
        elif isinstance(event, LegAnswered):
            human.answered = True
            if self._dialling:
                over = f"the leg was not ready {ANSWER_LIMIT:g} s after the answer"
                self._overdue = self._loop.call_later(
                    ANSWER_LIMIT, human.breaks, AttemptOver(TransferStatus.FAILED, over)
                )
        elif isinstance(event, LegLeft):
            # Before the answer the dial itself says why.
            if human.answered or self.phases.current in (Phase.BRIEFING, Phase.BRIDGING):
                human.breaks(AttemptOver(TransferStatus.HUMAN_LEFT, event.reason or None))
        elif isinstance(event, SealBroken):
            human.breaks(AttemptOver(TransferStatus.FAILED, event.reason or "the seal broke"))
        elif isinstance(event, LegRinging) and self.phases.current is Phase.DIALLING:
            self.phases.move(Phase.RINGING)
        elif isinstance(event, KeyPressed) and human.on_key is not None:
            human.on_key(event.digit)

    async def _watch_session(self) -> None:
        await self.session.closing()
        if self.control.caller_present:
            self._stop(TransferStatus.FAILED, "the session with the caller is being closed")
        else:
            self._stop(TransferStatus.CALLER_LEFT, "")

    def hold_left(self) -> float | None:
        """Seconds that the caller may still be on hold; None while not on hold."""
        if self._held_since is None:
            return None
        return max(0.0, self._held_since + self._max_hold - self._loop.time())

    async def guard(
        self,
        step: Coroutine[Any, Any, T],
        *,
        human: HumanLeg | None = None,
        limit: float | None = None,
        late: AttemptOver | None = None,
    ) -> T:
        """Run `step` unless something ends it first; then it is cancelled, and the teardown waits.

        Args:
            step: What to do.
            human: The leg whose end ends the step.
            limit: Seconds it may take.
            late: What to raise after `limit`.

        Raises:
            Stopped: The caller left, or the call was lost.
            AttemptOver: `human` can be used no more, the step or the hold took too long.
        """
        task = asyncio.ensure_future(step)
        watched: set[asyncio.Future[Any]] = {task, self._stopped}
        if human is not None:
            watched.add(human.broken)
        hold_left = self.hold_left()
        bounds = [seconds for seconds in (limit, hold_left) if seconds is not None]
        try:
            await asyncio.wait(
                watched,
                timeout=min(bounds) if bounds else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._stopped.done():
                self._stopped.result()
            if human is not None and human.broken.done():
                human.broken.result()
            if task.done():
                return task.result()
            if limit is not None and (hold_left is None or limit < hold_left):
                raise late or AttemptOver(
                    TransferStatus.TIMED_OUT, f"there was no answer within {limit:g} s"
                )
            raise AttemptOver(TransferStatus.TIMED_OUT, "the caller was on hold for too long")
        finally:
            if not task.done():
                task.cancel()
                self.attempt_teardown.push("unfinished step", lambda: _settled(task))
            elif not task.cancelled():
                task.exception()  # where something else ended the step in the same tick

    # -- the steps -----------------------------------------------------------------------

    async def hold(self, *, music: bool = True) -> None:
        """Put the caller on hold, with music unless something else is to be heard. Idempotent."""
        if self._held_since is None:
            self._held_since = self._loop.time()
            self.session.detach()
        if music:
            await self.hold_line.start()

    async def refer(
        self, address: str, *, headers: Mapping[str, str], timeout: float, play_dialtone: bool
    ) -> None:
        """Send the caller to `address` by REFER; the caller who leaves meanwhile has arrived.

        Raises:
            ReferFailed: Refused, failed or unclear.
        """
        task = asyncio.ensure_future(
            self.control.refer(
                self.control.caller,
                address,
                headers=headers,
                timeout=timeout,
                play_dialtone=play_dialtone,
            )
        )
        try:
            await self.guard(_awaiting(asyncio.shield(task)), limit=timeout + REFER_SLACK)
        except AttemptOver as over:
            # Nobody can take a REFER back: it may still succeed.
            raise AttemptOver(TransferStatus.INDETERMINATE, over.reason) from over
        except Stopped as stopped:
            if stopped.status is TransferStatus.FAILED:
                raise Stopped(TransferStatus.INDETERMINATE, stopped.reason) from stopped
            if stopped.status is not TransferStatus.CALLER_LEFT:
                raise
            # The leg is gone before the answer to the RPC: accepted, or the caller hung up.
            await asyncio.wait({task}, timeout=REFER_ANSWER_LIMIT)
            if not task.done() or task.exception() is not None:
                raise
        finally:
            if not task.done():
                task.cancel()
                self.attempt_teardown.push("unfinished refer", lambda: _settled(task))
            elif not task.cancelled():
                task.exception()

    @property
    def on_hold(self) -> bool:
        """Whether the caller is on hold."""
        return self._held_since is not None

    @property
    def attempted(self) -> bool:
        """Whether an attempt has been made before this one."""
        return bool(self._attempts)

    async def hold_when_quiet(self) -> None:
        """Put a caller on hold who has been talking with the AI."""
        await self.session.quiet(LAST_SENTENCE_LIMIT)
        await self.hold()

    def new_human(self, destination: Destination) -> HumanLeg:
        """Return the leg of a new attempt: an identity that was never used before."""
        leg = Leg(f"human-{uuid.uuid4().hex[:12]}", destination)
        self._human = HumanLeg(leg, self._loop.create_future())
        return self._human

    async def dial(self, human: HumanLeg) -> None:
        """Ring the human until answered; whatever happens, the phone does not ring afterwards.

        Raises:
            AttemptOver: Not answered, or not to be used.
        """
        destination = human.leg.destination
        assert destination is not None
        self.phases.move(Phase.DIALLING)
        human.keep_leg = self.attempt_teardown.push(
            "human leg", lambda: self._hang_ups.leg(human.leg)
        )
        ring_timeout = destination.ring_timeout or self._ring_timeout
        # Keys that are pressed after the answer take their time too.
        limit = ring_timeout * (2 if destination.dtmf else 1) + DIAL_SLACK
        late = AttemptOver(
            TransferStatus.INDETERMINATE, f"what became of the dial was not known in {limit:g} s"
        )
        self._dialling = True
        try:
            await self.guard(
                self.control.dial(
                    destination, identity=human.leg.identity, ring_timeout=ring_timeout
                ),
                human=human,
                limit=limit,
                late=late,
            )
        except CallControlError as error:
            raise AttemptOver.by(error) from error
        finally:
            self._dialling = False
            if self._overdue is not None:
                self._overdue.cancel()

    async def bridge(self, human: HumanLeg) -> BridgeMode:
        """Let caller and human hear each other, then end the music.

        Raises:
            AttemptOver: They could not be joined.
        """
        self.phases.move(Phase.BRIDGING)
        late = AttemptOver(TransferStatus.FAILED, f"joining the two took over {BRIDGE_LIMIT:g} s")
        try:
            mode = await self.guard(
                self.control.bridge(human.leg), human=human, limit=BRIDGE_LIMIT, late=late
            )
        except CallControlError as error:
            raise AttemptOver.by(error) from error
        self.hold_line.fade()
        return mode

    # -- the whole -----------------------------------------------------------------------

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
        status, reason, cause = TransferStatus.FAILED, None, None
        try:
            self.phases.move(Phase.ANNOUNCING)
            self.hold_line.prepare()
            await self.guard(_awaiting(self._announce()))
            mode = await self._attempts_at(protocol, destinations)
            return self._handed_over(mode)
        except Stopped as stopped:
            status, reason = stopped.status, stopped.reason or None
            if status is TransferStatus.CANCELLED:
                self._closing = keep(asyncio.create_task(self._close_attempt()))
                return await self._given_back(ReturnToAgent(), self._outcome(status, reason=reason))
        except _GivenUp as given_up:
            return await self._given_back(
                given_up.action, self._attempt_outcome(self._attempts[-1])
            )
        except Exception as error:
            logger.exception("a transfer failed because of an error")
            reason, cause = f"{type(error).__name__}: {error}", error
        gone = status is TransferStatus.CALLER_LEFT
        self.phases.move(Phase.ENDED if gone else Phase.RETURNED)
        await self.teardown.run()
        self._claim.release()
        return self._outcome(status, reason=reason, cause=cause)

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
            else:
                done = TransferStatus.REFERRED if mode is None else TransferStatus.BRIDGED
                self._record(AttemptOver(done), tries[index], remaining)
                return mode
            self._human = None
            # What ends the transfer need not wait for it: the teardown of the whole does.
            closing = keep(asyncio.create_task(self.attempt_teardown.run()))
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
        now = self._loop.time()
        attempt = Attempt(
            self._destination,
            over.status,
            over.sip_code,
            over.sip_reason,
            over.reason,
            self._human.leg.identity if self._human else None,
            tries=tries,
            remaining=remaining,
            seconds_on_hold=now - self._held_since if self._held_since is not None else 0.0,
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
        if self.hold_left() == 0.0 and isinstance(action, (Next, Retry)):
            return ReturnToAgent()
        return action

    async def _given_back(
        self, action: ReturnToAgent | HangUp, outcome: TransferOutcome
    ) -> TransferOutcome:
        """Give the caller back to the AI, or end the call as the fallback says."""
        if not isinstance(action, HangUp):
            self.phases.move(Phase.RETURNED)
        self.session.restore()
        handle = self.session.speak(action.say) if action.say else None
        # Where the call is to be ended, nothing but the goodbye or its end may end the music.
        limit = GOODBYE_LIMIT + WITHIN if isinstance(action, HangUp) else TAIL_LIMIT
        tail = keep(asyncio.create_task(self._tail(limit), name="livetransfer-hold-tail"))
        hung_up = False
        if isinstance(action, HangUp):
            if handle is not None:
                spoken = keep(asyncio.ensure_future(handle.wait_for_playout()))
                await asyncio.wait(
                    {spoken, self._stopped},
                    timeout=GOODBYE_LIMIT,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            hung_up = await self._hang_ups.caller()
            self.phases.move(Phase.ENDED if hung_up else Phase.RETURNED)
            tail.cancel()
            await asyncio.wait({tail})
            if hung_up:
                self.session.close_as_if_caller_left()
        self._claim.release()
        return replace(outcome, hung_up=hung_up, timings=self._timings())

    async def _tail(self, limit: float) -> None:
        """End the music when a voice takes over, then close what is left."""
        try:
            await self.hold_line.until_voice(limit)
            if self._closing is not None:
                await asyncio.shield(self._closing)
        finally:
            await self.teardown.run()

    async def _close_attempt(self) -> None:
        """End the attempt under way while the caller is with the AI already."""
        if self.parting is not None:
            await self.parting()
        await self.attempt_teardown.run()

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
        )


class _GivenUp(Exception):
    def __init__(self, action: ReturnToAgent | HangUp) -> None:
        super().__init__()
        self.action = action


async def _awaiting(step: Awaitable[T]) -> T:
    return await step


async def _settled(task: asyncio.Future[Any]) -> None:
    await asyncio.wait({task})
