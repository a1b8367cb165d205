"""Owned tasks: each has somebody who waits for it, cleanup is shielded and bounded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from livetransfer import _tasks

__all__ = ["Tasks", "either", "finish", "logger", "outlive"]

logger = logging.getLogger("livetransfer")

T = TypeVar("T")


class Tasks:
    """The tasks of one object; `aclose` ends them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` in a task of ours; what it raises is logged if nobody fetches it."""
        task = asyncio.create_task(work, name=f"livetransfer-{name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("task ended with an error: %s: %s", task.get_name(), type(error).__name__)

    async def aclose(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the tasks, then cancel the rest and wait for that."""
        mine = asyncio.current_task()
        running = {task for task in self._running if task is not mine}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)


def outlive(work: Coroutine[Any, Any, object], name: str) -> None:
    """Run `work`, which is bounded by itself, also after the object that began it was closed."""
    _tasks.keep(asyncio.create_task(work, name=f"livetransfer-{name}"))


async def finish(work: Coroutine[Any, Any, T], timeout: float) -> T:
    """Await `work` to its end, or to `timeout` seconds, even if cancelled meanwhile.

    Raises:
        asyncio.TimeoutError: It took too long, and was cancelled.
        asyncio.CancelledError: The caller was cancelled; raised once the work has ended.
    """
    task = asyncio.ensure_future(asyncio.wait_for(work, timeout))
    try:
        await _tasks.finish(task)
    except asyncio.CancelledError:
        if not task.cancelled():
            task.exception()  # nobody fetches it any more
        raise
    return task.result()


async def either(first: Any, second: Any, timeout: float) -> None:
    """Wait until one of the two has ended, or `timeout` seconds."""
    waiting = [asyncio.ensure_future(one) for one in (first, second) if one is not None]
    try:
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
