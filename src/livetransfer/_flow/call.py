"""The call that is being transferred: its caller, and what all attempts of one run share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from livetransfer._so_far import SoFar
from livetransfer.circumstances import CallerFacts, QueueState
from livetransfer.control import CallControl
from livetransfer.destination import Destination
from livetransfer.dialling import completed
from livetransfer.events import (
    ComfortHeard,
    HoldEnded,
    HoldMusicProblem,
    HoldStarted,
    PhaseChanged,
    SummaryWritten,
    TransferEvent,
)
from livetransfer.guard import DestinationGuard
from livetransfer.hold import Held, HoldMusicPlayer
from livetransfer.outcome import Attempt
from livetransfer.phases import Phase, Phases
from livetransfer.routing.offer import Wait

from .caller_session import CallerSession
from .event_delivery import Telling
from .hang_up import HangUps
from .hold_line import HoldLine
from .interrupts import Interrupts
from .patience import Patience
from .teardown import Teardown

__all__ = ["LAST_SENTENCE_LIMIT", "Call"]

T = TypeVar("T")

LAST_SENTENCE_LIMIT = 3.0
"""Seconds that the AI may go on with its sentence when the human has answered."""

WEB_GRACE = 5.0
"""Seconds in which a browser that reloads its page is back (seen: 0.5 s)."""

_CAN_EXIT = frozenset(
    {
        Phase.HOLDING,
        Phase.WAITING,
        Phase.DIALLING,
        Phase.RINGING,
        Phase.BRIEFING,
        Phase.REFERRING,
    }
)


class Call:
    """What one run has in hand.

    Args:
        session: The caller's session.
        control: The call; closed by the run, or by the watch that follows it.
        player: The hold music.
        tell: Where events go.
        max_hold: Seconds the caller may be on hold, over all attempts.
        exit_key: The key that brings a caller on hold back to the AI.
        caller_grace: Seconds in which a caller who has left may come back; None: none for a
            phone, which cannot, and `WEB_GRACE` for others.
        guard: What is asked before every dial and REFER; None allows all.
        trunk_id: The trunk that is dialled through, where a destination names none.
        counted: Whose calls the guard counts. Default: those of the caller's number.
        own: Adds the transfer's own options to a destination.
        record: Returns the record so far, where one is kept.
        department: What a router is asked for first.

    Attributes:
        record: Returns the record so far, where one is kept.
        destination_guard: What is asked before every dial and REFER.
        trunk_id: The trunk that is dialled through, where a destination names none.
        interrupts: What ends a step early.
        patience: How long the caller may be kept waiting.
        phases: Where the transfer is.
        hold_line: What the caller on hold hears.
        hang_ups: Hanging up, until it is certain.
        teardown: Closes what the run has opened.
        loose_ends: What ends with the run, whether the two were joined or not.
        attempts: What became of each phone so far, oldest first.
        destination: Whom the attempt under way is for.
        summary: What the human is told about the caller, once it is written.
        summarised: Set when it is.
        screen_pop: What the human's PBX is told about the caller, with the call.
        department: What a router is asked for now.
        gone_to: The targets to which the run has gone, and its first department.
        queue: How the caller has stood in a queue.
        tell_of_router: Tells what a router has to say, as long as the transfer is not over.
    """

    def __init__(
        self,
        *,
        session: CallerSession,
        control: CallControl,
        player: HoldMusicPlayer,
        tell: Telling,
        max_hold: float,
        exit_key: str | None,
        caller_grace: float | None = None,
        guard: DestinationGuard | None = None,
        trunk_id: str | None = None,
        counted: str | None = None,
        own: Callable[[Destination], Destination] = lambda destination: destination,
        record: SoFar | None = None,
        department: str | None = None,
    ) -> None:
        self.department = department
        self.gone_to: tuple[str, ...] = () if department is None else (department,)
        self.queue: QueueState | None = None
        if caller_grace is None:
            caller_grace = WEB_GRACE if control.caller.kind == "web" else 0.0
        self.destination_guard, self.trunk_id = guard, trunk_id
        self._own, self.record, self._counted = own, record, counted
        self.session, self.control, self.tell = session, control, tell
        self.hang_ups = HangUps(control)
        self.patience = Patience(max_hold)
        self.phases = Phases(asyncio.get_running_loop().time, self._phase_changed)
        self.hold_line = HoldLine(
            control,
            session.session,
            player,
            problem=self._music_problem,
            spoken=lambda text: self.emit(ComfortHeard(self.at, text)),
            facts=self._facts,
        )
        self.interrupts = Interrupts(
            control,
            session,
            self.patience,
            exit_key=exit_key,
            can_exit=lambda: self.can_exit,
            grace=caller_grace,
        )
        self.teardown, self.loose_ends = Teardown(), Teardown()
        self.attempts: list[Attempt] = []
        self.destination: Destination | None = None
        self.summary: str | None = None
        self.summarised = asyncio.Event()
        self.screen_pop: str | None = None
        self._held = False
        self._wait: Wait | None = None
        self._wait_at = 0.0
        self.tell_of_router = self._of_router

    # -- telling ---------------------------------------------------------------------------

    @property
    def at(self) -> float:
        """Seconds since the run began."""
        return self.tell.at

    def emit(self, event: TransferEvent) -> None:
        """Tell `event`."""
        self.tell(event)

    def _of_router(self, event: Callable[[float], TransferEvent]) -> None:
        if not self.phases.over:
            self.emit(event(self.at))

    def tell_summary(self, done: asyncio.Future[str]) -> None:
        """Keep the summary that has been written, and tell it."""
        if not done.cancelled() and done.exception() is None:
            self.summary = done.result()
            self.summarised.set()
            self.emit(SummaryWritten(self.at, done.result()))

    def _phase_changed(self, old: Phase, new: Phase) -> None:
        if self.phases.over:
            self.hold_ended()
        self.emit(PhaseChanged(self.at, old, new, self.destination))

    def _music_problem(self, reason: str) -> None:
        self.emit(HoldMusicProblem(self.at, reason))

    def completed(self, destination: Destination) -> Destination:
        """Return `destination` as it is dialled, with what the transfer and this call add."""
        return completed(
            self._own(destination),
            caller_number=self.control.caller_number,
            summary=self.screen_pop,
        )

    @property
    def counted(self) -> str | None:
        """Whose calls the guard counts: a number."""
        return self._counted or self.control.caller_number

    def circumstances(self) -> dict[str, Any]:
        """Return what an `Attempt` says of the call, whatever became of it."""
        control = self.control
        return {
            "caller": CallerFacts(
                control.caller.identity,
                control.caller.kind,
                control.caller_number,
                control.caller_attributes,
            ),
            "department": self.department,
            "queue": self.queue,
            "gone_to": self.gone_to,
        }

    async def tell_between(self, text: str) -> None:
        """Let the caller hear `text` before the next attempt: over the music, or as the AI."""
        if self.on_hold:
            await self.hold_line.say(text)
        else:
            await self.session.announce(text)

    # -- the caller ------------------------------------------------------------------------

    async def guard(self, step: Coroutine[Any, Any, T], *, limit: float | None = None) -> T:
        """Run a step that belongs to no attempt, unless something ends it first."""
        return await self.interrupts.guard(step, unfinished=self.teardown, limit=limit)

    @property
    def on_hold(self) -> bool:
        """Whether the caller is on hold."""
        return self.patience.on_hold

    @property
    def can_exit(self) -> bool:
        """Whether the caller is on hold, not yet joined and not yet given back."""
        return self.on_hold and self.phases.current in _CAN_EXIT

    def holding(self) -> None:
        """Go to HOLDING, from wherever an attempt has ended."""
        if self.phases.current is not Phase.HOLDING:
            self.phases.move(Phase.HOLDING)

    async def hold(self, *, music: bool = True) -> None:
        """Put the caller on hold, with music unless something else is to be heard. Idempotent.

        Not one who was given back meanwhile.
        """
        if self.phases.over:
            return
        if not self.on_hold:
            self._held = True
            self.emit(HoldStarted(self.at, self.hold_line.music if music else None))
        self.patience.held()
        self.session.detach()
        if music:
            await self.hold_line.start()

    def waits(self, wait: Wait | None) -> None:
        """The caller waits in a queue, as `wait` says; None: not any more."""
        self._wait, self._wait_at = wait, self.at

    def _facts(self) -> Held:
        """Return what comfort lines are told of the call."""
        caller, wait = self.control.caller.identity, self._wait
        if wait is None:
            return Held(0.0, 0, caller=caller)
        seconds = wait.estimate
        if seconds is not None:
            seconds = max(0.0, seconds - (self.at - self._wait_at))
        return Held(0.0, 0, wait.position, seconds, wait.queue, caller)

    def hold_ended(self) -> None:
        """The caller is not on hold any more: joined, back with the AI, or gone. Idempotent."""
        if self._held:
            self._held = False
            self.emit(HoldEnded(self.at, self.hold_line.longest_silence))

    async def hold_when_quiet(self) -> None:
        """Put a caller on hold who has been talking with the AI."""
        await self.session.quiet(LAST_SENTENCE_LIMIT)
        await self.hold()
