"""Telling: events reach their listener in order, and nothing that it does reaches the run."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask
from livetransfer.events import CallEnded, TransferEnded, TransferEvent

__all__ = ["LISTENER_LIMIT", "Telling"]

logger = logging.getLogger("livetransfer")

LISTENER_LIMIT = 5.0
"""Seconds that an async listener may take for one event, before the next is told."""


class Telling:
    """Tells the events of one run.

    A plain listener is called at once. What an async one returns is awaited in a task of its own,
    one event after the other; the run does not wait for it.

    Args:
        listener: The application's; plain or async.
        recorder: What keeps the record; called at once, before the listener.
    """

    def __init__(
        self,
        listener: Callable[[TransferEvent], Awaitable[None] | None],
        recorder: Callable[[TransferEvent], None] | None = None,
    ) -> None:
        self._listener, self._recorder = listener, recorder
        self._before_the_end: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._waiting: deque[tuple[TransferEvent, Awaitable[None] | None]] = deque()
        self._draining: asyncio.Task[None] | None = None

    @property
    def at(self) -> float:
        """Seconds since the run began."""
        return self._loop.time() - self._began

    def __call__(self, event: TransferEvent) -> None:
        """Tell `event`."""
        if isinstance(event, CallEnded) or (
            isinstance(event, TransferEnded) and not event.outcome.succeeded
        ):
            self._tell_the_rest()
        if self._recorder is not None:
            self._recorder(event)
        if self._draining is not None and not self._draining.done():
            self._waiting.append((event, None))
            return
        answer = self._call(event)
        if answer is not None:
            self._waiting.append((event, answer))
            self._draining = keep(asyncio.create_task(self._drain(), name="livetransfer-events"))

    def before_the_end(self, tell: Callable[[], None]) -> None:
        """Call `tell`, which may tell something more, before the last event is told."""
        self._before_the_end.append(tell)

    def _tell_the_rest(self) -> None:
        rest, self._before_the_end = self._before_the_end, []
        for tell in rest:
            tell()

    def _call(self, event: TransferEvent) -> Awaitable[None] | None:
        try:
            answer = self._listener(event)
        except KeyboardInterrupt:
            raise
        except BaseException:
            logger.error("an event listener of a transfer raised", **logged())
            return None
        return answer if inspect.isawaitable(answer) else None

    async def _drain(self) -> None:
        while self._waiting:
            event, answer = self._waiting.popleft()
            if answer is None:
                answer = self._call(event)
            if answer is None:
                continue
            try:
                await ask("on_event", partial(_same, answer), LISTENER_LIMIT)
            except CodeFailed as failed:
                logger.error("an event listener of a transfer failed", **logged(failed))


def _same(answer: Awaitable[None]) -> Awaitable[None]:
    return answer
