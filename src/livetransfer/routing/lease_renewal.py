"""Keeping: what expires by itself is renewed for as long as somebody holds it."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from livetransfer._logged import logged
from livetransfer._tasks import keep

__all__ = ["Keeping"]

logger = logging.getLogger("livetransfer")

T = TypeVar("T")


class Keeping(Generic[T]):
    """Calls `renew` now and then until it is stopped, or until nobody holds `owner` any more.

    An offer that was dropped on its way, with all that it held, so expires: nobody has to notice.

    Args:
        owner: What is renewed. It is not kept alive by this.
        renew: Renews it. Where it raises, it is tried again in its turn.
        every: Seconds between two renewals.
    """

    def __init__(self, owner: T, renew: Callable[[T], Awaitable[None]], every: float) -> None:
        self._owner = weakref.ref(owner)
        self._renew, self._every = renew, every
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._due)

    def _due(self) -> None:
        if self._stopped or self._owner() is None:
            return
        self._task = asyncio.create_task(self._one(), name="livetransfer-renewal")
        keep(self._task)

    async def _one(self) -> None:
        owner = self._owner()
        if owner is None:
            return
        try:
            await self._renew(owner)
        except Exception:
            # A store of somebody else's may raise what it likes; the next one may succeed.
            logger.warning("a renewal failed; it is tried again", **logged())
        del owner
        if not self._stopped:
            self._wait()

    def stop(self) -> None:
        """Renew no more. A renewal under way goes on. Idempotent."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
