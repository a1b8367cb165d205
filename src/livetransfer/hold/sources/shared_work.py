"""Sharing: one piece of work that several wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

T = TypeVar("T")


class Shared(Generic[T]):
    """A task that is cancelled when nobody waits for it any more, and not before.

    Args:
        work: What is to be done. It begins at once; needs a running event loop.
        over: Called when nobody may join any more: it is done, or given up.
    """

    def __init__(self, work: Coroutine[Any, Any, T], over: Callable[[], object]) -> None:
        self._over = over
        self._waiting = 0
        self._task = asyncio.create_task(work, name="livetransfer-hold-shared")

    async def result(self) -> T:
        """Wait for the result, or raise what the work raises.

        Cancelled, the last one who waits waits on until the work has ended.
        """
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._over()
                if not self._task.done():
                    await self._give_up()

    async def _give_up(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # nobody is left to be told
