"""NextOffer: whom a run rings next: its course is asked; where all are taken the caller waits."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from livetransfer._logged import logged
from livetransfer._tasks import awaiting, keep
from livetransfer._user_code import CodeFailed
from livetransfer.circumstances import QueueState
from livetransfer.errors import DestinationNotAllowedError, TransferError, UnknownDestinationError
from livetransfer.events import HookFailed, WaitingInQueue
from livetransfer.phases import Phase
from livetransfer.routing.offer import Offer, Wait
from livetransfer.status import TransferStatus

from .call import Call
from .endings import AttemptOver
from .interrupts import EXIT_KEY, settled
from .unused_offer import give_back, leave
from .whom_next import Course

__all__ = ["NextOffer"]

logger = logging.getLogger("livetransfer")

SOON = 0.3
"""Seconds that a router may take before the caller is put on hold for it."""

SOONEST = 0.2
"""Seconds between two times that a router is asked for a caller who waits, at least."""

UNWATCHED = 2.0
"""Seconds between them where a place does not tell that it has changed."""


class NextOffer:
    """Finds whom to ring next.

    Args:
        call: The call.
        holds: Whether the caller is put on hold while nobody has answered.

    Attributes:
        refused: Why the course cannot be asked; it is told once, as nobody being there.
    """

    def __init__(self, call: Call, *, holds: bool) -> None:
        self._call, self._holds = call, holds
        self.refused: TransferError | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def find(self, course: Course, *, again: bool, first: bool) -> Offer:
        """Return whom to ring, after a wait in a queue where nobody is free.

        Args:
            course: Whom the run rings.
            again: Whether the last ones are to be tried again.
            first: Whether it is the course that the run was begun with.

        Raises:
            AttemptOver: Nobody is available, or the caller has left the queue by the exit key.
            Stopped: The transfer is over. What is offered all the same is given back.
            UnknownDestinationError: `first`, and the router knows no such department.
        """
        call = self._call
        refused, self.refused = self.refused, None
        if refused is not None:
            raise AttemptOver(TransferStatus.UNAVAILABLE, str(refused)) from refused
        if self._leaving is not None:
            # What gives up the old place must not take away a new one: a call has one in all.
            await call.guard(settled(self._leaving))
        wait: Wait | None = None
        left_at: float | None = None
        try:
            while True:
                found = await self._ask(course, again=again, first=first)
                if call.interrupts.queue_left:
                    give_back(found)
                    raise AttemptOver(TransferStatus.CANCELLED, EXIT_KEY)
                if isinstance(found, Offer):
                    wait = None  # who made the offer has taken the place back
                    return found
                if found is None:
                    raise AttemptOver(TransferStatus.UNAVAILABLE, "nobody is available")
                if left_at is None:
                    left_at = call.at + found.max_wait
                call.queue = QueueState(found.queue, found.position, found.estimate)
                if wait is None or (wait.position, wait.estimate) != (
                    found.position,
                    found.estimate,
                ):
                    call.emit(WaitingInQueue(call.at, found.queue, found.position, found.estimate))
                wait = found
                call.waits(wait)
                await self._wait(found, left_at - call.at)
                if call.interrupts.queue_left:
                    raise AttemptOver(TransferStatus.CANCELLED, EXIT_KEY)
        finally:
            call.patience.called()
            call.interrupts.leave_queue()
            call.waits(None)
            if wait is not None:
                leaving = keep(asyncio.create_task(leave(wait), name="livetransfer-queue"))
                call.teardown.push("place in the queue", lambda: settled(leaving))
                self._leaving = leaving

    async def _wait(self, wait: Wait, seconds: float) -> None:
        call = self._call
        if call.phases.current is not Phase.WAITING:
            if self._holds or call.on_hold:
                await call.guard(call.hold())
            call.phases.move(Phase.WAITING)
        call.patience.queued()
        late = AttemptOver(TransferStatus.UNAVAILABLE, "nobody was free in time")
        if seconds <= 0:
            raise late
        left = call.interrupts.in_queue()
        await call.interrupts.guard(
            _changed(wait, left), unfinished=call.teardown, limit=seconds, late=late
        )

    async def _ask(self, course: Course, *, again: bool, first: bool) -> Offer | Wait | None:
        """Ask the course; a router that takes its time has the caller on hold meanwhile."""
        call = self._call
        asking = asyncio.ensure_future(
            (course.again if again else course.next)(tuple(call.attempts))
        )
        found = None
        try:
            if self._holds and not call.on_hold:
                either: set[asyncio.Future[Any]] = {asking, call.interrupts.stopped}
                await asyncio.wait(
                    either,
                    timeout=SOON,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not asking.done():
                    call.interrupts.check()
                    call.holding()
                    await call.guard(call.hold())
            found = await call.guard(awaiting(asking))
            return found
        except UnknownDestinationError as error:
            if first:
                raise  # a model has named it, and can name another
            raise AttemptOver(TransferStatus.UNAVAILABLE, str(error)) from error
        except DestinationNotAllowedError as refused:
            raise AttemptOver(TransferStatus.UNAVAILABLE, str(refused)) from refused
        except CodeFailed as failed:
            call.emit(HookFailed(call.at, failed.hook, failed.reason, "nobody is rung"))
            logger.error("a router failed; nobody is rung", **logged(failed))
            raise AttemptOver(TransferStatus.UNAVAILABLE, str(failed)) from failed.__cause__
        finally:
            if found is None:
                asking.cancel()
                asking.add_done_callback(_unheard)


def _unheard(asking: asyncio.Future[Offer | Wait | None]) -> None:
    if not asking.cancelled() and asking.exception() is None:
        give_back(asking.result())


async def _changed(wait: Wait, left: asyncio.Future[None]) -> None:
    """Return when the router is to be asked again: not at once, and also where a place fails."""
    loop = asyncio.get_running_loop()
    again = loop.time() + SOONEST
    changed = asyncio.ensure_future(wait.place.changed())
    try:
        await asyncio.wait({changed, left}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        changed.cancel()
        keep(changed)
    if left.done():
        return
    if changed.cancelled() or changed.exception() is not None:
        logger.warning("a place in a queue could not be watched; its router is asked now and then")
        again = loop.time() + UNWATCHED
    await asyncio.wait({left}, timeout=max(0.0, again - loop.time()))
