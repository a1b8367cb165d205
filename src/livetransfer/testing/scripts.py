"""Runs what is scripted in a simulation: at its time, in its own context, until it is over."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Scripts"]

logger = logging.getLogger("livetransfer")


class Scripts:
    """Timers and tasks that end with the simulation, and the errors that they met."""

    def __init__(self) -> None:
        # Not that of the tool which happens to dial: a script is nobody's tool.
        self._context = contextvars.copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._errors: list[BaseException] = []

    def later(self, seconds: float, act: Callable[[], object]) -> asyncio.TimerHandle:
        """Call `act` after so many seconds, unless the simulation is over."""

        def run() -> None:
            self._timers.discard(timer)
            act()

        loop = asyncio.get_running_loop()
        timer = self._context.run(loop.call_later, seconds, run)
        self._timers.add(timer)
        return timer

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[None]:
        """Run `coroutine`, in the context in which the simulation began, until it is over."""
        task: asyncio.Task[None] = self._context.run(asyncio.create_task, coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Remember an error of a script or a listener; `simulate` raises it at its end."""
        self._errors.append(error)

    async def stop(self) -> None:
        """End what still runs."""
        for timer in self._timers:
            timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def log_errors(self) -> None:
        """Log what scripts and listeners raised: it may be behind what the test failed with."""
        for error in self._errors:
            logger.error("a script of the simulation failed", exc_info=error)

    def raise_errors(self) -> None:
        """Raise the first error of a script or a listener, if there was one."""
        if self._errors:
            raise self._errors[0]
