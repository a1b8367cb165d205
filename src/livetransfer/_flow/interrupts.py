"""What ends a step early: the caller, the caller's session, the clock, the call, a leg."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from livetransfer.control import (
    CallControl,
    CallLost,
    ControlEvent,
    KeyPressed,
    LegLeft,
    LegReturned,
)
from livetransfer.status import TransferStatus

from .caller_session import CallerSession
from .endings import AttemptOver, Stopped
from .patience import Patience
from .teardown import Teardown

__all__ = ["EXIT_KEY", "Breakable", "Interrupts", "settled"]

EXIT_KEY = "the caller pressed the exit key"

T = TypeVar("T")


class Breakable(Protocol):
    """Something that can break while a step uses it."""

    @property
    def broken(self) -> asyncio.Future[None]:
        """Done, with an AttemptOver, when it can be used no more."""


class Interrupts:
    """Watches what may end a transfer, and ends the step under way.

    Args:
        control: The call.
        session: The caller's session.
        patience: How long the caller may be kept waiting.
        exit_key: The key that brings a caller on hold back to the AI; None for none.
        can_exit: Whether the caller may use it now.
        grace: Seconds in which a caller who has left may come back, as a browser does that
            reloads its page.
    """

    def __init__(
        self,
        control: CallControl,
        session: CallerSession,
        patience: Patience,
        *,
        exit_key: str | None,
        can_exit: Callable[[], bool],
        grace: float,
    ) -> None:
        self._grace, self._gone = grace, asyncio.Event()
        self._waiting: asyncio.TimerHandle | None = None
        self._control, self._session, self._patience = control, session, patience
        self._exit_key, self._can_exit = exit_key, can_exit
        self._queue_left: asyncio.Future[None] | None = None
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    def stop(self, status: TransferStatus, reason: str = "") -> None:
        """End the transfer; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_exception(Stopped(status, reason))
            self.stopped.exception()

    def no_exit(self) -> None:
        """From now on the exit key ends nothing."""
        self._exit_key = None

    def check(self) -> None:
        """Return if nothing has ended the transfer.

        Raises:
            Stopped: Something has.
        """
        if self.stopped.done():
            self.stopped.result()

    @property
    def caller_alone(self) -> bool:
        """Whether there is nobody to be with the AI, or no AI."""
        return self.lost or self._session.is_closing or not self._control.caller_present

    def on_event(self, event: ControlEvent) -> None:
        """Look at an event of the call itself, or of its caller."""
        caller = self._control.caller.identity
        if isinstance(event, CallLost):
            self.lost = True
            self.stop(TransferStatus.FAILED, event.reason or "the connection to the call was lost")
        elif isinstance(event, LegLeft) and event.identity == caller:
            self._caller_left(event.reason)
        elif isinstance(event, LegReturned) and event.identity == caller:
            self._caller_returned()
        elif (
            isinstance(event, KeyPressed)
            and event.identity == caller
            and event.digit == self._exit_key
            and self._can_exit()
        ):
            self._exit()

    def _exit(self) -> None:
        if self._queue_left is None:
            self.stop(TransferStatus.CANCELLED, EXIT_KEY)
        elif not self._queue_left.done():
            self._queue_left.set_result(None)

    def in_queue(self) -> asyncio.Future[None]:
        """The caller waits in a queue: the exit key leaves it, and does not end the transfer.

        Returns:
            Done when the key is pressed, before `leave_queue`.
        """
        if self._queue_left is None:
            self._queue_left = asyncio.get_running_loop().create_future()
        return self._queue_left

    @property
    def queue_left(self) -> bool:
        """Whether the caller has left the queue in which he waits."""
        return self._queue_left is not None and self._queue_left.done()

    def leave_queue(self) -> None:
        """The caller waits in no queue any more."""
        self._queue_left = None

    def _caller_left(self, reason: str) -> None:
        if self._grace and not self._gone.is_set():
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(self._grace, self._gone_for_good, reason)
        else:
            self._gone_for_good(reason)

    def _gone_for_good(self, reason: str) -> None:
        self._gone.set()
        self.stop(TransferStatus.CALLER_LEFT, reason)

    def _caller_returned(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def close(self) -> None:
        """Wait no longer for a caller who may come back."""
        self._caller_returned()

    async def watch_session(self) -> None:
        """End the transfer when the caller's session is being closed."""
        await self._session.closing()
        if self._waiting is not None:
            return  # it closes because the caller has left, who may come back
        if self._control.caller_present:
            self.stop(TransferStatus.FAILED, "the session with the caller is being closed")
        else:
            self.stop(TransferStatus.CALLER_LEFT)

    async def guard(
        self,
        step: Coroutine[Any, Any, T],
        *,
        unfinished: Teardown,
        leg: Breakable | None = None,
        limit: float | None = None,
        late: AttemptOver | None = None,
    ) -> T:
        """Run `step` unless something ends it first; then it is cancelled.

        Args:
            step: What to do.
            unfinished: The teardown that waits for a step that was cancelled.
            leg: The leg whose end ends the step.
            limit: Seconds it may take.
            late: What to raise after `limit`.

        Raises:
            Stopped: The caller left, or the call was lost.
            AttemptOver: `leg` can be used no more, the step or the hold took too long.
        """
        task = asyncio.ensure_future(step)
        watched: set[asyncio.Future[Any]] = {task, self.stopped}
        if leg is not None:
            watched.add(leg.broken)
        try:
            held_too_long = await self._patience.first_of(watched, limit)
            self.check()
            if leg is not None and leg.broken.done():
                leg.broken.result()
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
                unfinished.push("unfinished step", lambda: settled(task))
            elif not task.cancelled():
                task.exception()  # where something else ended the step in the same tick


async def settled(task: asyncio.Future[Any]) -> None:
    """Wait until `task` is done, whatever becomes of it."""
    await asyncio.wait({task})
