"""The steps of a transfer: each runs unless something ends it first, and is then undone."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from livetransfer.control import (
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
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError
from livetransfer.events import HoldMusicProblem, PhaseChanged, TransferEvent
from livetransfer.hold import HoldMusicPlayer
from livetransfer.outcome import Attempt
from livetransfer.phases import Phase, Phases
from livetransfer.status import TransferStatus

from .caller_session import CallerSession
from .endings import AttemptOver, HumanLeg, Stopped
from .hang_up import HangUps
from .hold_line import HoldLine
from .patience import Patience
from .teardown import Teardown

__all__ = ["Steps", "awaiting"]

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

_CAN_EXIT = frozenset(
    {Phase.HOLDING, Phase.DIALLING, Phase.RINGING, Phase.BRIEFING, Phase.REFERRING}
)


class Steps:
    """What a protocol does with a call: hold, dial, refer, bridge, each one interruptible.

    Args:
        session: The caller's session.
        control: The call; closed by the run, or by the watch that follows it.
        player: The hold music.
        emit: Where events go.
        ring_timeout: Seconds a phone may ring.
        max_hold: Seconds the caller may be on hold, over all attempts.
        exit_key: The key that brings a caller on hold back to the AI.

    Attributes:
        summary: What the human is told about the caller, once it is written.
        attempt_teardown: Closes what the attempt under way has opened.
        loose_ends: What ends with the run, whether the two were joined or not.
        parting: What is still said to the human of an attempt that the caller has cancelled.
    """

    def __init__(
        self,
        *,
        session: CallerSession,
        control: CallControl,
        player: HoldMusicPlayer,
        emit: Callable[[TransferEvent], None],
        ring_timeout: float,
        max_hold: float,
        exit_key: str | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.session, self.control = session, control
        self._hang_ups = HangUps(control)
        self.summary: str | None = None
        self.attempt_teardown = Teardown()
        self.loose_ends = Teardown()
        self.parting: Callable[[], Awaitable[None]] | None = None
        self._emit_to, self._ring_timeout = emit, ring_timeout
        self._exit_key = exit_key
        self.patience = Patience(max_hold)
        self._human: HumanLeg | None = None
        self._destination: Destination | None = None
        self._attempts: list[Attempt] = []
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._lost = self._dialling = self._joined = False
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
            if event.digit == self._exit_key and self._can_exit:
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
        elif isinstance(event, SealBroken) and not self._joined:
            human.breaks(AttemptOver(TransferStatus.FAILED, event.reason or "the seal broke"))
        elif isinstance(event, LegRinging) and self.phases.current is Phase.DIALLING:
            self.phases.move(Phase.RINGING)
        elif isinstance(event, KeyPressed) and human.on_key is not None:
            human.on_key(event.digit)

    @property
    def _can_exit(self) -> bool:
        """Whether the caller is on hold, not yet joined and not yet given back."""
        return self.on_hold and self.phases.current in _CAN_EXIT

    async def _watch_session(self) -> None:
        await self.session.closing()
        if self.control.caller_present:
            self._stop(TransferStatus.FAILED, "the session with the caller is being closed")
        else:
            self._stop(TransferStatus.CALLER_LEFT, "")

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
        try:
            held_too_long = await self.patience.first_of(watched, limit)
            if self._stopped.done():
                self._stopped.result()
            if human is not None and human.broken.done():
                human.broken.result()
            if task.done():
                return task.result()
            if held_too_long:
                raise AttemptOver(TransferStatus.TIMED_OUT, "the caller was on hold for too long")
            raise late or AttemptOver(
                TransferStatus.TIMED_OUT, f"there was no answer within {limit:g} s"
            )
        finally:
            if not task.done():
                task.cancel()
                self.attempt_teardown.push("unfinished step", lambda: _settled(task))
            elif not task.cancelled():
                task.exception()  # where something else ended the step in the same tick

    # -- the steps -----------------------------------------------------------------------

    async def hold(self, *, music: bool = True) -> None:
        """Put the caller on hold, with music unless something else is to be heard. Idempotent.

        Not one who was given back meanwhile.
        """
        if self.phases.over:
            return
        self.patience.held()
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
            await self.guard(awaiting(asyncio.shield(task)), limit=timeout + REFER_SLACK)
        except AttemptOver as over:
            # Nobody can take a REFER back: it may still succeed.
            raise AttemptOver(TransferStatus.INDETERMINATE, over.reason) from over
        except Stopped as stopped:
            if stopped.status is not TransferStatus.CALLER_LEFT:
                raise Stopped(TransferStatus.INDETERMINATE, stopped.reason) from stopped
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
        return self.patience.on_hold

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
        self.patience.dialled()
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
        self._joined = True
        self.hold_line.fade()
        return mode


async def awaiting(step: Awaitable[T]) -> T:
    """Return what `step` returns: `guard` wants a coroutine."""
    return await step


async def _settled(task: asyncio.Future[Any]) -> None:
    await asyncio.wait({task})
