"""Patience: how long a caller may be kept waiting, and waits that end with it."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Patience"]

WORTH_A_DIAL = 1.0
"""Seconds that have to be left for another phone to be rung."""


class Patience:
    """How much is left of ``max_hold``, over all attempts of one run.

    Args:
        limit: Seconds that the caller may be on hold.
    """

    def __init__(self, limit: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._dialled_at: float | None = None
        self._held_at: float | None = None
        self._hold_began: asyncio.Future[None] = self._loop.create_future()

    def dialled(self) -> None:
        """A phone is about to be rung. The first time counts."""
        if self._dialled_at is None:
            self._dialled_at = self._loop.time()

    def held(self) -> None:
        """The caller is on hold from now on. The first time counts."""
        if self._held_at is None:
            self._held_at = self._loop.time()
            self._hold_began.set_result(None)

    @property
    def on_hold(self) -> bool:
        """Whether the caller is on hold."""
        return self._held_at is not None

    @property
    def seconds_on_hold(self) -> float:
        """For how long the caller has been on hold."""
        return 0.0 if self._held_at is None else self._loop.time() - self._held_at

    @property
    def over(self) -> bool:
        """Whether nobody is to be dialled any more."""
        return self.over_in(0.0)

    def over_in(self, seconds: float) -> bool:
        """Whether nobody is to be dialled any more `seconds` from now.

        On hold the limit is that of the hold; while the AI goes on talking with the caller, it
        counts from the first attempt.
        """
        since = self._dialled_at if self._held_at is None else self._held_at
        if since is None:
            return False
        return since + self._limit - self._loop.time() - seconds < WORTH_A_DIAL

    async def first_of(self, watched: set[asyncio.Future[Any]], limit: float | None) -> bool:
        """Wait for one of `watched`, for `limit` seconds at most, while the caller may be on hold.

        Returns:
            Whether it was the time on hold that ended the wait.
        """
        ends = None if limit is None else self._loop.time() + limit
        while True:
            held_until = None if self._held_at is None else self._held_at + self._limit
            # The hold may begin meanwhile, and is bounded from then on.
            begins = {self._hold_began} if held_until is None else set()
            until = min((at for at in (ends, held_until) if at is not None), default=None)
            done, _ = await asyncio.wait(
                watched | begins,
                timeout=None if until is None else max(0.0, until - self._loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done or done & watched:
                return not done and until == held_until
