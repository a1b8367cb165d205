"""Making: the course of one callback in its job, and what is written down of its end."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from livekit.agents import Agent, AgentSession, JobContext
from livekit.agents.voice.room_io import RoomOptions

from livetransfer._flow.adapter import connect_without_caller
from livetransfer._tasks import finish
from livetransfer._user_code import CodeFailed, ask, ask_now, checked_text
from livetransfer.answer_class import AnswerClass
from livetransfer.answering import AnswerDetector, AnswerPolicy
from livetransfer.briefing import BriefingAgent
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.control import CallControl, CallLost, ControlEvent, Leg, LegLeft
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationError
from livetransfer.fallback import HangUp
from livetransfer.guard import DestinationGuard
from livetransfer.hold import HoldMusicPlayer, HoldSource
from livetransfer.instead.numbers import NoCallback, callback_number
from livetransfer.outcome import TransferOutcome
from livetransfer.routing.router import Router, Target
from livetransfer.status import TransferStatus
from livetransfer.warm import WarmTransfer

from . import wall
from .again import CallAgain
from .happenings import CallbackEnded, CallbackTaken, CallerAnswered, CallerDialled, Telling
from .holding import Holding
from .ledger import CallbackLedger, Promise
from .outcome import CallbackOutcome
from .reaching import HumanFirst, ToCaller, models_of
from .views import AwaitedCaller, TowardsCaller
from .words import CallbackBriefing, CallerGreeting

__all__ = ["Making", "Options"]

logger = logging.getLogger("livetransfer")

GREETING = "Hello, you asked us to call you back. One moment, I am connecting you."
SORRY = "I am sorry, my colleague has just been called away. We will call you again. Goodbye."
ONE_MOMENT = "Thank you. I am calling them now; please stay on the line."
NOT_REACHED = "I am sorry, they could not be reached. Thank you, goodbye."

DECIDES_WITHIN = 90.0
"""Seconds from the answer until the human has to have decided, as in a WarmTransfer."""

ANSWERED_WITHIN = 75.0
"""Seconds that may pass between the answer of the caller's phone and the bridge: a screener, or a
mailbox with its greeting and our message."""

TIDY_LIMIT = 5.0
"""Seconds that deleting the room may take: a job has ten in all for its end."""

SETTLE_LIMIT = 10.0
"""Seconds that what rings the caller may take to come to its end."""

LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True)
class Options:
    """What `make_callback` was asked for; see there."""

    to: Target | None
    session: AgentSession[Any]
    agent: Agent | None
    caller_first: bool
    greeting: str | Callable[[CallbackRequest], str]
    leave_message: str | None
    again: CallAgain
    ring_timeout: float
    trunk_id: str | None
    guard: DestinationGuard | None
    detector: AnswerDetector | None
    keep_place: bool
    waiting: HoldSource | HoldMusicPlayer
    briefing: BriefingAgent | Callable[[], BriefingAgent] | None
    start: Callable[[AgentSession[Any], str], Awaitable[None]] | None
    transfer: dict[str, Any]


@dataclass(frozen=True)
class _End:
    """What became of it, before it is written down."""

    status: CallbackStatus
    reason: str
    due: datetime | None = None
    human: TransferOutcome | None = None
    caller: TransferOutcome | None = None


class Making:
    """Makes one callback.

    Args:
        ctx: The job.
        ledger: Who keeps it.
        promise: The callback, which this job has taken.
        job: What the job is called.
        options: How it is made.
        tell: Where events go.
    """

    def __init__(
        self,
        ctx: JobContext,
        ledger: CallbackLedger,
        promise: Promise,
        *,
        job: str,
        options: Options,
        tell: Telling,
    ) -> None:
        self._ctx, self._options, self._tell = ctx, options, tell
        self._request = promise.request
        self._room = promise.room or ctx.job.room.name or ctx.room.name
        self._holding = Holding(ledger, promise, job, lost=self._lose)
        self._control: CallControl | None = None
        self._course: asyncio.Task[CallbackOutcome] | None = None
        self._written: CallbackOutcome | None = None

    async def run(self) -> CallbackOutcome:
        """Make it, and return when the call is over; see `make_callback`."""
        self._tell(CallbackTaken(self._request.id, self._room))
        course = self._course = asyncio.create_task(self._make(), name="livetransfer-making")
        try:
            await asyncio.wait({course})
            if course.cancelled():
                return self._outcome(None, "it is not this job's any more")
            return course.result()
        except asyncio.CancelledError:
            course.cancel()
            await finish(course)
            if self._written is None:
                await self._end(_End(*self._given_back("the job ended")))
            raise
        except Exception as error:
            if self._written is None:
                await self._end(_End(*self._given_back(f"it could not be made: {error}")))
            raise
        finally:
            self._holding.close()
            await finish(asyncio.ensure_future(self._tidy()))

    def _lose(self) -> None:
        if self._course is not None and self._written is None:
            self._course.cancel()

    async def _tidy(self) -> None:
        """Let nobody stay in the room: whoever is still there is hung up with it."""
        if self._control is not None:
            try:
                await asyncio.wait_for(self._control.aclose(), TIDY_LIMIT)
            except Exception:
                logger.warning("the end of a callback's call was not clean", exc_info=True)
        try:
            await asyncio.wait_for(self._ctx.delete_room(self._room), TIDY_LIMIT)
        except Exception:
            logger.warning("the room of a callback could not be deleted", exc_info=True)

    # -- what is written down --------------------------------------------------------------

    def _outcome(self, status: CallbackStatus | None, reason: str) -> CallbackOutcome:
        return CallbackOutcome(self._request.id, status, reason, request=self._request)

    async def _end(self, end: _End) -> CallbackOutcome:
        """Write down what became of it, and tell it."""
        own = await self._holding.end(end.status, end.reason, end.due)
        self._written = CallbackOutcome(
            self._request.id,
            end.status if own else None,
            end.reason,
            due=end.due,
            request=self._request,
            answered_by=_answered_by(end.caller),
            human=end.human,
            caller=end.caller,
        )
        if own:
            self._tell(CallbackEnded(self._request.id, end.status, end.reason, end.due))
        return self._written

    def _given_back(self, reason: str) -> tuple[CallbackStatus, str, datetime | None]:
        """Return the end of one that was broken off: nobody has talked, or nobody knows."""
        if self._control is not None and self._holding.dialled and not self._undone:
            return CallbackStatus.INDETERMINATE, reason, None
        return (
            CallbackStatus.WAITING,
            reason,
            wall.now() + timedelta(seconds=self._options.again.unmanned),
        )

    @property
    def _undone(self) -> bool:
        """Whether it is certain that the caller's phone does not ring, and that he has not talked.

        A transfer that was cancelled has undone what it had begun.
        """
        return self._course is not None and self._course.cancelled()

    def _later(
        self,
        reason: str,
        *,
        reached_nobody: bool,
        human: TransferOutcome | None = None,
        caller: TransferOutcome | None = None,
    ) -> _End:
        """Return the end of one that is to be made again, if it still can be."""
        due = self._options.again.after(
            self._request,
            calls=self._holding.calls,
            reached_nobody=reached_nobody,
            now=wall.now(),
        )
        if due is not None:
            return _End(CallbackStatus.WAITING, reason, due, human, caller)
        calls = self._holding.calls
        if calls >= self._request.attempts:
            why = f"the caller was called {calls} times, at last: {reason}"
        else:
            why = f"{reason}; the time in which the caller was to be called is over"
        return _End(CallbackStatus.FAILED, why, None, human, caller)

    # -- its course ------------------------------------------------------------------------

    async def _make(self) -> CallbackOutcome:
        try:
            destination = self._destination()
        except (NoCallback, DestinationError) as refused:
            why = refused.remedy if isinstance(refused, DestinationError) else "it is no number"
            failed = _End(CallbackStatus.FAILED, f"the number is not called back: {why}")
            return await self._end(failed)
        too_early = self._too_early()
        if too_early is not None:
            return await self._end(too_early)
        if not self._ctx.room.isconnected():
            await self._ctx.connect()
        control = self._control = await connect_without_caller(
            self._options.session,
            self._ctx.room,
            identity=f"caller-{uuid.uuid4().hex[:12]}",
            bridge=self._options.transfer.get("bridge", "auto"),
            trunk_id=self._options.trunk_id,
        )
        control.check(destination)
        if self._options.caller_first:
            return await self._caller_first(control, destination)
        return await self._human_first(control, destination)

    def _destination(self) -> Destination:
        """Return whom to call back.

        Raises:
            NoCallback: It is no number at which somebody can be called back.
            DestinationError: It is not dialled: by its own nature, or by the guard's rules.
        """
        options = self._options
        destination = Destination(callback_number(self._request.number))
        if options.guard is not None:
            options.guard.check(destination, trunk_id=options.trunk_id)
        return destination

    def _too_early(self) -> _End | None:
        """Return the end of one that is not to be made now: in hours, inside of its window."""
        now = wall.now()
        try:
            opens = self._options.again.opens(now)
        except CodeFailed as failed:
            logger.warning("the hours of callbacks could not be asked: %s", failed.reason)
            opens = now
        if opens is not None and opens <= now < self._request.not_after:
            return None
        if opens is None or opens >= self._request.not_after:
            why = "nobody may be called any more inside of the time that was promised"
            return _End(CallbackStatus.FAILED, why)
        return _End(CallbackStatus.WAITING, "nobody may be called at this time", opens)

    async def _human_first(self, control: CallControl, destination: Destination) -> CallbackOutcome:
        request, options = self._request, self._options
        reach = _Reach(self, control, destination)
        more: dict[str, Any] = {**options.transfer}
        decides_within = more.pop("briefing_timeout", DECIDES_WITHIN)
        transfer = HumanFirst(
            AwaitedCaller(control, request.number),
            reach,
            self._whom(),
            summary=_about(request),
            one_moment=ONE_MOMENT,
            not_reached=NOT_REACHED,
            decides_within=decides_within,
            reached_within=options.ring_timeout + ANSWERED_WITHIN,
            seniority=self._seniority(),
            briefing=options.briefing or CallbackBriefing,
            **{**self._placed(), **more},
            announcement=None,
            hold_music=None,
            after="end",
            trunk_id=options.trunk_id,
            guard=options.guard,
            max_hold=self._time_left(),
        )
        try:
            outcome = await transfer.run(options.session)
            if outcome.succeeded:
                # At once: from here on the promise is kept, whatever becomes of this job.
                kept = _End(
                    CallbackStatus.DONE, "they talk", human=outcome, caller=transfer.reached
                )
                written = await self._end(kept)
                await outcome.ended()
                return written
        finally:
            await _within(transfer.settled())
            await _within(reach.released())
        return await self._end(self._not_joined(transfer, outcome))

    def _not_joined(self, transfer: HumanFirst, outcome: TransferOutcome) -> _End:
        """Return the end of one in which nobody has talked with the caller."""
        reached = transfer.reached
        if not transfer.begun:
            why = f"no human was reached: {outcome.status}"
            return self._later(why, reached_nobody=True, human=outcome)
        if reached is None or reached.succeeded:
            why = f"the human was lost: {outcome.status}"
            return self._later(why, reached_nobody=True, human=outcome, caller=reached)
        return self._caller_not_reached(reached, outcome)

    def _caller_not_reached(
        self, reached: TransferOutcome, human: TransferOutcome | None = None
    ) -> _End:
        status, options = reached.status, self._options
        if status is TransferStatus.INDETERMINATE:
            why = "it is not known whether the caller's phone was reached"
            return _End(CallbackStatus.INDETERMINATE, why, human=human, caller=reached)
        if status is TransferStatus.INVALID_DESTINATION:
            why = "the number does not exist, or nobody can be reached there"
            return _End(CallbackStatus.FAILED, why, human=human, caller=reached)
        if status is TransferStatus.VOICEMAIL and options.leave_message is not None:
            why = "a message was left on the caller's mailbox"
            return _End(CallbackStatus.DONE, why, human=human, caller=reached)
        lost = status in (TransferStatus.CALLER_LEFT, TransferStatus.CANCELLED)
        why = "the human was lost" if lost else f"the caller was not reached: {status}"
        return self._later(why, reached_nobody=lost, human=human, caller=reached)

    async def _caller_first(
        self, control: CallControl, destination: Destination
    ) -> CallbackOutcome:
        options = self._options
        reach = _Reach(self, control, destination)
        try:
            reached = await reach.ring(None)
            if not reached.succeeded:
                return await self._end(self._caller_not_reached(reached))
            gone = _gone(control)
            written = await self._end(
                _End(CallbackStatus.DONE, "the caller was reached", caller=reached)
            )
            await self._start(control.caller.identity)
            if options.to is not None or self._request.destination is not None:
                transfer = WarmTransfer(
                    self._whom(),
                    trunk_id=options.trunk_id,
                    guard=options.guard,
                    briefing=options.briefing,
                    **{**self._placed(), **options.transfer},
                )
                outcome = await transfer.run(options.session)
                if outcome.succeeded:
                    await outcome.ended()
                    return written
            await gone  # the AI talks with him, for as long as he wants to
            return written
        finally:
            await _within(reach.released())

    async def _start(self, identity: str) -> None:
        """Start the session with the caller who is on the line."""
        options = self._options
        if options.start is not None:
            start = options.start
            await ask("start", lambda: start(options.session, identity), ANSWERED_WITHIN)
            return
        assert options.agent is not None
        await options.session.start(
            options.agent,
            room=self._ctx.room,
            room_options=RoomOptions(participant_identity=identity),
        )

    # -- who, and from which place ---------------------------------------------------------

    def _whom(self) -> Target:
        found = self._options.to or self._request.destination
        if found is None:
            remedy = "name who calls back: the request names nobody"
            raise ConfigurationError("to", None, remedy)
        return found

    def _placed(self) -> dict[str, Any]:
        """Return what a router is asked for, and the priority that he had."""
        found: dict[str, Any] = {}
        if isinstance(self._options.to, Router) and self._request.queue is not None:
            found["department"] = self._request.queue
        if self._options.keep_place:
            found["priority"] = self._request.priority
        return found

    def _seniority(self) -> float:
        made = self._request.made
        if not self._options.keep_place or made is None:
            return 0.0
        return max(0.0, (wall.now() - made).total_seconds())

    def _time_left(self) -> float:
        """Return for how long a human may be waited for: until the window is over."""
        left = (self._request.not_after - wall.now()).total_seconds()
        return min(LONGEST_WAIT, max(left, 1.0) + DECIDES_WITHIN + ANSWERED_WITHIN)

    # -- for whoever rings the caller ------------------------------------------------------

    @property
    def session(self) -> AgentSession[Any]:
        """Whose models talk."""
        return self._options.session

    async def may_dial(self) -> bool:
        """Write down that the caller is dialled; return whether he may be."""
        may = await self._holding.dialling()
        if may:
            self._tell(CallerDialled(self._request.id, self._holding.calls))
        return may

    def to_caller(self, view: CallControl, destination: Destination) -> ToCaller:
        """Return the transfer that rings the caller."""
        options, request = self._options, self._request
        return ToCaller(
            view,
            destination,
            announcement=None,
            hold_music=options.waiting,
            ring_timeout=options.ring_timeout,
            briefing_timeout=ANSWERED_WITHIN,
            briefing=lambda: CallerGreeting(self._greeting(), SORRY),
            fallback=lambda attempt: HangUp(),
            after="end",
            answer_detector=options.detector,
            when_answered=AnswerPolicy(
                leave_message=options.leave_message, screening_say=self._greeting()
            ),
            guard=options.guard,
            trunk_id=options.trunk_id,
            max_attempts=1,
            max_hold=LONGEST_WAIT,
            **{name: options.transfer[name] for name in ("privacy",) if name in options.transfer},
            caller_grace=0,
            department=None,
            priority=request.priority,
        )

    def _greeting(self) -> str:
        greeting = self._options.greeting
        if isinstance(greeting, str):
            return greeting
        try:
            said = ask_now("greeting", lambda: greeting(self._request))
            return checked_text("greeting", said)
        except CodeFailed as failed:
            logger.warning("a greeting could not be made: %s", failed.reason)
            return GREETING

    def answered(self, outcome: TransferOutcome) -> None:
        """Tell who or what has answered, where somebody has."""
        found = _answered_by(outcome)
        if found is not None:
            self._tell(CallerAnswered(self._request.id, found))


class _Reach:
    """Rings the caller for a human who waits, or for nobody.

    Args:
        making: The callback.
        control: The call.
        destination: The caller's number.
    """

    def __init__(self, making: Making, control: CallControl, destination: Destination) -> None:
        self._making, self._control, self._destination = making, control, destination
        self._view: TowardsCaller | None = None

    @property
    def human_gone(self) -> bool:
        """Whether he who waits has left."""
        return self._view is not None and not self._view.caller_present

    async def ring(self, human: Leg | None) -> TransferOutcome:
        """Ring the caller."""
        making = self._making
        self._view = TowardsCaller(self._control, human, making.may_dial)
        transfer = making.to_caller(self._view, self._destination)
        outcome = await transfer.run(models_of(making.session))
        making.answered(outcome)
        return outcome

    async def released(self) -> None:
        """Wait until nothing of it is left, the watch over the caller's leg included."""
        if self._view is not None:
            await self._view.released.wait()


def _about(request: CallbackRequest) -> str:
    """Return what the human is told: why, and what is known of the caller."""
    told = [part.strip() for part in (request.reason, request.summary or "") if part.strip()]
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in told)


def _answered_by(caller: TransferOutcome | None) -> AnswerClass | None:
    if caller is None or not caller.attempts:
        return None
    last = caller.attempts[-1]
    if last.answered_by is None and caller.succeeded:
        return AnswerClass.UNKNOWN
    return last.answered_by


def _gone(control: CallControl) -> asyncio.Future[None]:
    """Return what is done when the caller, or the call, is gone."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_event(event: ControlEvent) -> None:
        left = isinstance(event, LegLeft) and event.identity == control.caller.identity
        if (left or isinstance(event, CallLost)) and not gone.done():
            gone.set_result(None)

    control.subscribe(on_event)
    if not control.caller_present:
        gone.set_result(None)
    return gone


async def _within(step: Awaitable[None]) -> None:
    """Wait for the end of something that is ending, whatever happens, for a while."""
    task = asyncio.ensure_future(step)
    await asyncio.wait({task}, timeout=SETTLE_LIMIT)
    if not task.done():
        task.cancel()
        logger.warning("what was begun in a callback did not come to its end in time")
