"""Holding: one job's hold on one promised call, from before it dials until it says the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from livetransfer._logged import logged
from livetransfer._tasks import finish, keep
from livetransfer.callback_request import CallbackStatus
from livetransfer.errors import StoreUnavailableError

from .ledger import CallbackLedger, Promise

__all__ = ["Holding"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")

SECONDS = 60.0
"""Seconds for which a job holds a callback, unless it renews that."""

RENEW_EVERY = 15.0
"""Seconds between two renewals: two may fail before the hold is over."""

WRITE_LIMIT = 6.0
"""Seconds that the store may take for one change."""

END_TRIES = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
"""Seconds between two times that the end is written, where the store is away. What is still not
written then, a runner finds."""


class Holding:
    """What one job may do with the callback that it has taken.

    Args:
        ledger: Who keeps it.
        promise: The callback, as it was taken.
        job: What the job is called.
        lost: Called where it is not the job's any more.

    Attributes:
        dialled: Whether the caller may have been dialled by this job.
    """

    def __init__(
        self, ledger: CallbackLedger, promise: Promise, job: str, *, lost: Callable[[], None]
    ) -> None:
        self._ledger, self.promise, self._job, self._lost = ledger, promise, job, lost
        self.dialled = False
        self._ended = False
        self._renewing = keep(asyncio.create_task(self._renew(), name="livetransfer-callback-hold"))

    @classmethod
    async def take(cls, ledger: CallbackLedger, key: str, job: str, room: str) -> Promise | None:
        """Take the callback for a job; None: it is another's, or not to be made any more.

        Raises:
            StoreUnavailableError: The store is not to be had.
        """
        return await _within(
            lambda: ledger.take(key, job, room=room, seconds=SECONDS), "a callback was not taken"
        )

    @property
    def calls(self) -> int:
        """How many times the caller was dialled, this time included."""
        return self.promise.calls + self.dialled

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            with contextlib.suppress(StoreUnavailableError):
                if not await _within(self._renewed, "a callback could not be kept"):
                    if not self._ended:
                        logger.warning("a callback is not this job's any more")
                        self._lost()
                    return

    async def _renewed(self) -> bool:
        return await self._ledger.renew(self.promise.id, self._job, seconds=SECONDS)

    async def dialling(self) -> bool:
        """Write down that the caller is dialled, before he is; return whether he may be."""
        try:
            may = await _within(
                lambda: self._ledger.dialling(self.promise.id, self._job),
                "that the caller is dialled could not be written down",
            )
        except StoreUnavailableError:
            # It may be written down all the same: then it is counted, and he was not dialled.
            logger.warning("a caller is not dialled, because the store is away", **logged())
            return False
        self.dialled = self.dialled or may
        return may

    async def end(self, status: CallbackStatus, reason: str, due: datetime | None = None) -> bool:
        """Write down what became of it; return whether it was this job's to say.

        On cancellation it is written all the same, within its bound.
        """
        self._ended = True
        self._renewing.cancel()
        writing = keep(
            asyncio.create_task(self._write(status, reason, due), name="livetransfer-callback-end")
        )
        await finish(writing)
        return not writing.cancelled() and writing.exception() is None and writing.result()

    async def _write(self, status: CallbackStatus, reason: str, due: datetime | None) -> bool:
        async def written() -> bool:
            return await self._ledger.end(
                self.promise.id, self._job, status, reason=reason, due=due
            )

        for pause in (0.0, *END_TRIES):
            await asyncio.sleep(pause)
            with contextlib.suppress(StoreUnavailableError):
                return await _within(written, "the end of a callback could not be written down")
        logger.error("the end of a callback was not written down: a runner will look at its room")
        return False

    def close(self) -> None:
        """Hold it no longer; idempotent."""
        self._ended = True
        self._renewing.cancel()


async def _within(ask: Callable[[], Awaitable[T]], what: str) -> T:
    """Return what the store says.

    Raises:
        StoreUnavailableError: It is away, or does not answer in time.
    """
    try:
        return await asyncio.wait_for(ask(), WRITE_LIMIT)
    except asyncio.TimeoutError as error:
        raise StoreUnavailableError(f"{what}: no answer within {WRITE_LIMIT:g} s") from error
