"""Making: the course of one callback in its job, and what is written down of its end."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable
from datetime import timedelta

from livekit.agents import JobContext
from livekit.agents.voice.room_io import RoomOptions

from livetransfer._flow.choose_control import connect_without_caller
from livetransfer._logged import logged
from livetransfer._tasks import finish
from livetransfer._user_code import ask
from livetransfer.callback_request import CallbackStatus
from livetransfer.control import CallControl, CallLost, ControlEvent, Leg, LegLeft
from livetransfer.destination import Destination
from livetransfer.errors import DestinationError, DestinationNotAllowedError
from livetransfer.events import DestinationRefused, TransferEvent
from livetransfer.instead.numbers import NoCallback
from livetransfer.outcome import TransferOutcome
from livetransfer.record import Records

from . import wall_clock as wall
from .attempt_result import End, answered_by, not_joined, not_now, not_reached
from .callback_events import (
    CallbackEnded,
    CallbackRefused,
    CallbackTaken,
    CallerAnswered,
    CallerDialled,
    Telling,
)
from .human_first import models_of
from .job_claim import Holding
from .ledger import CallbackLedger, Promise
from .outcome import CallbackOutcome
from .plan import Options, Plan
from .refusals import record_refusal
from .two_legs_of_control import AwaitedCaller, TowardsCaller

__all__ = ["Making"]

logger = logging.getLogger("livetransfer")

TIDY_LIMIT = 5.0
"""Seconds that deleting the room may take: a job has ten in all for its end."""

SETTLE_LIMIT = 10.0
"""Seconds that what rings the caller may take to come to its end."""

START_LIMIT = 30.0
"""Seconds that starting a session with a caller who was called first may take."""


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
        self._ctx, self._tell = ctx, tell
        self._plan = Plan(promise.request, options, self._told)
        self._key = promise.id
        self._room = promise.room or ctx.job.room.name
        self._holding = Holding(ledger, promise, job, lost=self._lose)
        self._control: CallControl | None = None
        self._course: asyncio.Task[CallbackOutcome] | None = None
        self._written: CallbackOutcome | None = None

    async def run(self) -> CallbackOutcome:
        """Make it, and return when the call is over; see `make_callback`."""
        self._tell(CallbackTaken(self._key, self._room))
        course = self._course = asyncio.create_task(self._make(), name="livetransfer-making")
        try:
            await asyncio.wait({course})
            if course.cancelled():
                why = "it is not this job's any more"
                return CallbackOutcome(self._key, None, why, request=self._plan.request)
            return course.result()
        except asyncio.CancelledError:
            course.cancel()
            await finish(course)
            await self._give_back("the job ended")
            raise
        except Exception as error:
            await self._give_back(f"it could not be made: {type(error).__name__}")
            raise
        finally:
            self._holding.close()
            await finish(asyncio.ensure_future(self._tidy()))

    def _lose(self) -> None:
        """It is another's now, or nobody's: nobody is rung any more."""
        if self._course is not None and self._written is None:
            self._course.cancel()

    async def _tidy(self) -> None:
        """Let nobody stay in the room: whoever is still there is hung up with it."""
        try:
            if self._control is not None:
                await asyncio.wait_for(self._control.aclose(), TIDY_LIMIT)
        except Exception:
            logger.warning("the end of a callback's call was not clean", **logged())
        try:
            await asyncio.wait_for(self._ctx.delete_room(self._room), TIDY_LIMIT)
        except Exception:
            logger.warning("the room of a callback could not be deleted", **logged())

    # -- what is written down --------------------------------------------------------------

    async def _end(self, end: End) -> CallbackOutcome:
        """Write down what became of it, and tell it."""
        own = await self._holding.end(end.status, end.reason, end.due)
        self._written = CallbackOutcome(
            self._key,
            end.status if own else None,
            end.reason,
            due=end.due,
            request=self._plan.request,
            answered_by=answered_by(end.caller),
            human=end.human,
            caller=end.caller,
        )
        if own:
            self._tell(CallbackEnded(self._key, end.status, end.reason, end.due))
        return self._written

    async def _give_back(self, reason: str) -> None:
        """Write down the end of one that was broken off.

        What was cancelled has been undone: the caller's phone does not ring, and he has not
        talked. After an error that nobody had thought of, nobody knows.
        """
        if self._written is not None:
            return
        undone = self._course is not None and self._course.cancelled()
        if self._holding.dialled and not undone:
            await self._end(End(CallbackStatus.INDETERMINATE, reason))
            return
        due = wall.now() + timedelta(seconds=self._plan.options.again.unmanned)
        await self._end(End(CallbackStatus.WAITING, reason, due))

    # -- its course ------------------------------------------------------------------------

    async def _make(self) -> CallbackOutcome:
        plan, options = self._plan, self._plan.options
        try:
            destination = plan.destination()
            plan.check(destination)
        except NoCallback:
            why = "it is no number at which somebody can be called back"
            return await self._end(End(CallbackStatus.FAILED, why))
        except DestinationNotAllowedError as refused:
            self._refused(destination, refused.remedy)
            why = f"the number is not called back: {refused.remedy}"
            return await self._end(End(CallbackStatus.FAILED, why))
        except DestinationError as refused:
            why = f"the number is not called back: {refused.remedy}"
            return await self._end(End(CallbackStatus.FAILED, why))
        if (end := not_now(plan, wall.now())) is not None:
            return await self._end(end)
        if not self._ctx.room.isconnected():
            await self._ctx.connect()
        control = self._control = await connect_without_caller(
            options.session,
            self._ctx.room,
            identity=f"caller-{uuid.uuid4().hex[:12]}",
            # The caller is not there while the human is briefed: no second room is needed for it.
            bridge=options.transfer.get("bridge", "shared_room"),
            trunk_id=options.trunk_id,
        )
        control.check(destination)
        reach = _Reach(self, self._plan, control, destination)
        try:
            if options.caller_first:
                return await self._caller_first(control, reach)
            return await self._human_first(control, reach)
        finally:
            await _settled(reach.released())

    async def _human_first(self, control: CallControl, reach: _Reach) -> CallbackOutcome:
        plan = self._plan
        view = AwaitedCaller(control, plan.request.number)
        transfer = plan.human_first(view, reach, wall.now())
        try:
            human = await transfer.run(plan.options.session)
            if human.succeeded:
                # At once: from here on the promise is kept, whatever becomes of this job.
                kept = End(CallbackStatus.DONE, "they talk", None, human, transfer.reached)
                written = await self._end(kept)
                await human.ended()
                return written
        finally:
            await _settled(transfer.settled())
        end = not_joined(
            plan,
            human,
            transfer.reached,
            begun=transfer.begun,
            calls=self._holding.calls,
            now=wall.now(),
        )
        return await self._end(end)

    async def _caller_first(self, control: CallControl, reach: _Reach) -> CallbackOutcome:
        plan = self._plan
        caller = await reach.ring(None)
        if not caller.succeeded:
            calls, now = self._holding.calls, wall.now()
            return await self._end(not_reached(plan, caller, calls=calls, now=now))
        gone = _gone(control)
        reached = End(CallbackStatus.DONE, "the caller was reached", None, None, caller)
        written = await self._end(reached)
        await self._start(control.caller.identity)
        if plan.transfers:
            outcome = await plan.as_usual().run(plan.options.session)
            if outcome.succeeded:
                await outcome.ended()
                return written
        await gone  # the AI talks with him, for as long as he wants to
        return written

    async def _start(self, identity: str) -> None:
        """Start the session with the caller who is on the line."""
        options = self._plan.options
        if options.start is not None:
            start = options.start
            await ask("start", lambda: start(options.session, identity), START_LIMIT)
            return
        assert options.agent is not None
        await options.session.start(
            options.agent,
            room=self._ctx.room,
            room_options=RoomOptions(participant_identity=identity),
        )

    def _told(self, event: TransferEvent) -> None:
        if isinstance(event, DestinationRefused):
            self._tell(CallbackRefused(self._key, event.destination, event.reason))

    def _refused(self, destination: Destination, reason: str) -> None:
        """Tell that the guard refuses the caller's number, before anybody is rung."""
        refused = DestinationRefused(0.0, destination, reason)
        options = self._plan.options
        records = options.transfer.get("records")
        if isinstance(records, Records):
            record_refusal(records, options.session, refused, room=self._room)
        self._told(refused)

    # -- for whoever rings the caller ------------------------------------------------------

    async def may_dial(self) -> bool:
        """Write down that the caller is dialled; return whether he may be."""
        may = await self._holding.dialling()
        if may:
            self._tell(CallerDialled(self._key, self._holding.calls))
        return may

    def answered(self, outcome: TransferOutcome) -> None:
        """Tell who or what has answered, where somebody has."""
        found = answered_by(outcome)
        if found is not None:
            self._tell(CallerAnswered(self._key, found))


class _Reach:
    """Rings the caller for a human who waits, or for nobody.

    Args:
        making: What is told.
        plan: How it is made.
        control: The call.
        destination: The caller's number.
    """

    def __init__(
        self, making: Making, plan: Plan, control: CallControl, destination: Destination
    ) -> None:
        self._making, self._plan = making, plan
        self._control, self._destination = control, destination
        self._view: TowardsCaller | None = None

    @property
    def human_gone(self) -> bool:
        """Whether he who waits has left."""
        return self._view is not None and not self._view.caller_present

    async def ring(self, human: Leg | None) -> TransferOutcome:
        """Ring the caller."""
        self._view = TowardsCaller(self._control, human, self._making.may_dial)
        transfer = self._plan.to_caller(self._view, self._destination)
        outcome = await transfer.run(models_of(self._plan.options.session))
        self._making.answered(outcome)
        return outcome

    async def released(self) -> None:
        """Wait until nothing of it is left, the watch over the caller's leg included."""
        if self._view is not None:
            await self._view.released.wait()


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


async def _settled(step: Awaitable[None]) -> None:
    """Wait for the end of something that is ending, whatever happens, for a while."""
    task = asyncio.ensure_future(step)
    await asyncio.wait({task}, timeout=SETTLE_LIMIT)
    if not task.done():
        task.cancel()
        logger.warning("what was begun in a callback did not come to its end in time")
