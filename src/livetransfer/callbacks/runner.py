"""CallbackRunner: claims promised calls that are due, and brings each to a worker as a job."""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import datetime, timedelta

from livetransfer._checks import check_count, check_listener, check_seconds
from livetransfer._logged import logged
from livetransfer._tasks import finish, keep
from livetransfer.callback_dispatch import CallbackDispatcher
from livetransfer.callback_request import CallbackStatus
from livetransfer.errors import ConfigurationError, DispatchFailed, StoreUnavailableError

from . import wall_clock as wall
from .callback_events import (
    CallbackDispatched,
    CallbackEnded,
    CallbackNotTaken,
    CallbackTaken,
    Listener,
    Telling,
)
from .ledger import CallbackLedger, Promise

__all__ = ["CallbackRunner"]

logger = logging.getLogger("livetransfer")

ASK_EVERY = 0.5
"""Seconds between two looks at whether a job has taken a callback."""

SLACK = 30.0
"""Seconds, beyond those that a job may take to come, for which a runner claims: its requests and
the store's take time too."""

GIVE_BACK_LIMIT = 5.0
"""Seconds that a runner which ends may take to give back what no job has taken yet."""

FORGET_EVERY = 3600.0
"""Seconds between two times that personal fields are dropped."""

NOBODY = (
    "no worker took the job within {seconds:g} s: see that one runs, with this agent_name, and is "
    "not full"
)
GONE = "the job ended while the caller was dialled, and nobody knows what became of it"
TALK = "the job ended when the two had been joined"
OVER = "the time in which the caller was to be called is over"


class CallbackRunner:
    """Sees that promised calls are made: it gives each, when it is due, to a worker's job.

    Any number of runners may share a ledger; each callback is claimed by one. A runner dials
    nobody: the job does, with `make_callback`. So it needs little, and may run anywhere: in a
    process of its own (`livetransfer callbacks run`), or as a task beside something else.

    A callback whose job has died before it dialled the caller is given to another job. One whose
    job has died while the caller was dialled is left as it is while its room is there and an
    agent in it; it has been made where the two are marked as joined; otherwise it is
    `INDETERMINATE`, which `on_event` is told, and nobody dials it again by itself.

    Args:
        ledger: Who keeps the promised calls.
        dispatcher: What brings a job to a worker, such as `LiveKitDispatcher`.
        every: Seconds between two looks at what is due.
        at_once: How many callbacks are on their way to a bridge at once, over all runners, as
            far as that can be seen: two runners that look at the same moment may exceed it.
        taken_within: Seconds in which a job has to have taken a callback.
        pause: Seconds after which a job is asked for again, where none has come.
        keep_days: Days after which the personal fields of what has ended are dropped; None: never.
        name: What the runner is called in the ledger. Default: one of its own.
        on_event: Called with each CallbackEvent; plain or async.

    Raises:
        ConfigurationError: An option cannot be used; the message names it.
    """

    def __init__(
        self,
        ledger: CallbackLedger,
        dispatcher: CallbackDispatcher,
        *,
        every: float = 5.0,
        at_once: int = 10,
        taken_within: float = 15.0,
        pause: float = 60.0,
        keep_days: float | None = 30.0,
        name: str | None = None,
        on_event: Listener | None = None,
    ) -> None:
        if not isinstance(ledger, CallbackLedger):
            raise ConfigurationError("ledger", type(ledger).__name__, "give a CallbackLedger")
        if not isinstance(dispatcher, CallbackDispatcher):
            remedy = "give a CallbackDispatcher, such as LiveKitDispatcher()"
            raise ConfigurationError("dispatcher", type(dispatcher).__name__, remedy)
        self._ledger, self._dispatcher = ledger, dispatcher
        self._every = check_seconds("every", every, 0.1, 3600)
        self._at_once = check_count("at_once", at_once, 1, 1000)
        self._taken_within = check_seconds("taken_within", taken_within, 1, 600)
        self._pause = check_seconds("pause", pause, 1, 24 * 3600)
        if keep_days is not None:
            check_seconds("keep_days", keep_days, 0, 36500)
        self._keep_days = keep_days
        self.name = name or f"runner-{uuid.uuid4().hex[:12]}"
        self._tell = Telling(check_listener("on_event", on_event))
        self._handing: set[asyncio.Task[None]] = set()
        self._forgotten: float | None = None

    async def run(self) -> None:
        """Look at what is due, again and again, until it is cancelled.

        A store or a server that is away is told in the log, and asked again.

        On cancellation, what no job has taken yet is given back, so that another runner has it at
        once; what a job has goes on. Then the cancellation is raised again.
        """
        try:
            while True:
                try:
                    await self.once()
                except StoreUnavailableError:
                    logger.warning("the store of callbacks is not to be had", **logged())
                await asyncio.sleep(self._every)
        finally:
            await self._stop()

    async def once(self) -> None:
        """Look once; a job that is asked for is waited for in the background.

        Raises:
            StoreUnavailableError: The store is not to be had.
        """
        ledger = self._ledger
        for swept in await ledger.sweep():
            self._tell(CallbackEnded(swept.id, CallbackStatus.FAILED, OVER))
        await self._look_at_what_was_left()
        await self._forget()
        free = self._at_once - max(len(self._handing), await self._under_way())
        if free <= 0:
            return
        seconds = self._taken_within + SLACK
        for promise in await ledger.claim(self.name, limit=free, seconds=seconds):
            task = asyncio.create_task(self._hand_over(promise), name="livetransfer-callback")
            self._handing.add(keep(task))
            task.add_done_callback(self._handing.discard)

    async def handed_over(self) -> None:
        """Wait until every callback claimed so far was taken by a job, or given back."""
        while self._handing:
            await asyncio.wait(set(self._handing))

    async def _under_way(self) -> int:
        """Return how many are on their way to a bridge: those that somebody holds now."""
        statuses = (CallbackStatus.CLAIMED, CallbackStatus.DIALLING)
        found = await self._ledger.find(statuses=statuses, limit=10 * self._at_once)
        now = wall.now()
        return sum(each.until is not None and each.until > now for each in found)

    # -- one callback ----------------------------------------------------------------------

    async def _hand_over(self, promise: Promise) -> None:
        """Bring one to a job; where that fails it waits to be given out again."""
        room = f"callback-{uuid.uuid4().hex}"
        try:
            why = await self._dispatched(promise, room)
        except asyncio.CancelledError:
            giving = keep(asyncio.create_task(self._give_back(promise, room, wall.now(), "")))
            await finish(giving)
            raise
        except StoreUnavailableError:
            # The claim ends by itself; a job that comes meanwhile may take it.
            logger.warning("the store of callbacks is not to be had", **logged())
            return
        if why is None:
            self._tell(CallbackTaken(promise.id, room))
            return
        due = wall.now() + timedelta(seconds=self._pause)
        if await self._give_back(promise, room, due, why):
            logger.warning("a callback found no worker", extra={"lk.pii.reason": why})
            self._tell(CallbackNotTaken(promise.id, why, due))

    async def _dispatched(self, promise: Promise, room: str) -> str | None:
        """Ask for a job and wait for it; return why none came, or None."""
        try:
            if promise.room is not None:
                # Of a job that died before it dialled: a human may still be in there.
                await self._dispatcher.delete(promise.room)
            await self._dispatcher.dispatch(promise.id, room)
        except DispatchFailed as failed:
            return str(failed)
        self._tell(CallbackDispatched(promise.id, room))
        loop = asyncio.get_running_loop()
        until = loop.time() + self._taken_within
        while loop.time() < until:
            await asyncio.sleep(ASK_EVERY)
            if not await self._is_mine(promise.id):
                return None
        return NOBODY.format(seconds=self._taken_within)

    async def _is_mine(self, key: str) -> bool:
        found = await self._ledger.get(key)
        return found is not None and found.owner == self.name

    async def _give_back(self, promise: Promise, room: str, due: datetime, why: str) -> bool:
        """Let it be claimed again from `due` on, unless a job has it; return whether it was."""
        try:
            given = await asyncio.wait_for(
                self._ledger.end(
                    promise.id, self.name, CallbackStatus.WAITING, reason=why, due=due
                ),
                GIVE_BACK_LIMIT,
            )
        except (StoreUnavailableError, asyncio.TimeoutError):
            logger.warning("a callback could not be given back; its claim ends by itself")
            return False
        if given:
            # From here on no job can take it, so nobody is in there who is of use.
            await self._tidy(room)
        return given

    async def _tidy(self, room: str) -> None:
        try:
            await self._dispatcher.delete(room)
        except DispatchFailed:
            logger.warning("a room that is not needed could not be deleted", **logged())

    # -- what was left ---------------------------------------------------------------------

    async def _look_at_what_was_left(self) -> None:
        """Look at the callers that were being dialled by jobs which are not heard of any more."""
        for promise in await self._ledger.left_dialling():
            try:
                await self._look_at(promise)
            except DispatchFailed:
                logger.warning("the room of a callback could not be looked at", **logged())

    async def _look_at(self, promise: Promise) -> None:
        room = promise.room
        state = None if room is None else await self._dispatcher.look(room)
        if state is not None and state.agents:
            return  # whoever makes it is alive: it is his to say
        made = state is not None and state.bridged
        status = CallbackStatus.DONE if made else CallbackStatus.INDETERMINATE
        reason = TALK if made else GONE
        if not await self._ledger.end(promise.id, promise.owner or "", status, reason=reason):
            return
        if not made:
            logger.warning("it is not known whether a callback was made; nobody dials it again")
        if room is not None and state is not None and (not made or state.parties < 2):
            await self._tidy(room)  # somebody is in there, alone
        self._tell(CallbackEnded(promise.id, status, reason))

    async def _forget(self) -> None:
        """Drop the personal fields of what has ended long ago."""
        now = asyncio.get_running_loop().time()
        if self._keep_days is None:
            return
        if self._forgotten is None or now - self._forgotten >= FORGET_EVERY:
            await self._ledger.forget(wall.now() - timedelta(days=self._keep_days))
            self._forgotten = now

    async def _stop(self) -> None:
        for task in self._handing:
            task.cancel()
        ending = keep(asyncio.create_task(self.handed_over(), name="livetransfer-runner-end"))
        await finish(ending)
