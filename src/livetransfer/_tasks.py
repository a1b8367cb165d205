"""Tasks with an owner: kept until they are done, finished whatever happens to who waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

from livetransfer._logged import logged

__all__ = ["awaiting", "finish", "keep", "kept"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")

_kept: set[asyncio.Future[Any]] = set()


def keep(task: asyncio.Task[Any]) -> asyncio.Task[Any]:
    """Hold a reference to `task` until it is done, and log that it failed, if it does.

    What an error says, numbers included, is for who debugs.
    """
    _kept.add(task)
    task.add_done_callback(_forget)
    return task


async def awaiting(step: Awaitable[T]) -> T:
    """Return what `step` returns: for what wants a coroutine, and is given another awaitable."""
    return await step


def kept() -> set[asyncio.Future[Any]]:
    """Return the tasks that are kept and not done, for tests that nothing is left."""
    return {task for task in _kept if not task.done()}


def _forget(task: asyncio.Future[Any]) -> None:
    _kept.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        name, kind = task.get_name() if isinstance(task, asyncio.Task) else "", type(error).__name__
        logger.warning("a background step failed: %s: %s", name, kind)
        logger.debug("what a background step failed with", **logged(error))


async def finish(task: asyncio.Future[Any]) -> None:
    """Wait for `task` to be done, whatever happens to the waiter; then pass on a cancellation.

    What the task itself raises is not raised here.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
