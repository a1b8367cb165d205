"""Patience: how long a caller may be kept waiting, and waits that end with it."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Patience"]

WORTH_A_DIAL = 1.0
"""Seconds that have to be left for another phone to be rung."""


class Patience:
    """How much is left of ``max_hold``, over all attempts of one run.

    Time spent waiting in a queue does not count: the queue bounds it.

    Args:
        limit: Seconds that the caller may be on hold.
    """

    def __init__(self, limit: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._dialled_at: float | None = None
        self._held_at: float | None = None
        self._hold_began: asyncio.Future[None] = self._loop.create_future()
        self._waits: list[tuple[float, float]] = []
        self._waiting_since: float | None = None
        self._queue_from = 0

    def dialled(self) -> None:
        """A phone is about to be rung. The first time counts."""
        if self._dialled_at is None:
            self._dialled_at = self._loop.time()

    def held(self) -> None:
        """The caller is on hold from now on. The first time counts."""
        if self._held_at is None:
            self._held_at = self._loop.time()
            self._hold_began.set_result(None)

    def queued(self) -> None:
        """The caller waits in a queue from now on, until `called`. Idempotent."""
        if self._waiting_since is None:
            self._waiting_since = self._loop.time()

    def called(self) -> None:
        """The caller waits in a queue no more. Idempotent."""
        if self._waiting_since is not None:
            self._waits.append((self._waiting_since, self._loop.time()))
            self._waiting_since = None

    def another_queue(self) -> None:
        """What the caller waits from now on is in another queue. Call it after `called`."""
        self._queue_from = len(self._waits)

    @property
    def on_hold(self) -> bool:
        """Whether the caller is on hold."""
        return self._held_at is not None

    @property
    def seconds_on_hold(self) -> float:
        """For how long the caller has been on hold, waiting in queues included."""
        return 0.0 if self._held_at is None else self._loop.time() - self._held_at

    @property
    def seconds_waited(self) -> float:
        """For how long the caller has waited in queues."""
        return self._waited_since(float("-inf"))

    @property
    def seconds_in_queue(self) -> float:
        """For how long the caller has waited in the queue that he is in, or was in last."""
        return self._waited_since(float("-inf"), self._queue_from)

    def _waited_since(self, moment: float, index: int = 0) -> float:
        waits = self._waits[index:]
        if self._waiting_since is not None:
            waits.append((self._waiting_since, self._loop.time()))
        return sum(max(0.0, end - max(start, moment)) for start, end in waits)

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
        left = since + self._limit + self._waited_since(since) - self._loop.time()
        return left - seconds < WORTH_A_DIAL

    @property
    def _held_until(self) -> float | None:
        if self._held_at is None or self._waiting_since is not None:
            return None
        return self._held_at + self._limit + self._waited_since(self._held_at)

    async def first_of(self, watched: set[asyncio.Future[Any]], limit: float | None) -> bool:
        """Wait for one of `watched`, for `limit` seconds at most, while the caller may be on hold.

        Returns:
            Whether it was the time on hold that ended the wait.
        """
        ends = None if limit is None else self._loop.time() + limit
        while True:
            held_until = self._held_until
            # The hold may begin meanwhile, and is bounded from then on.
            begins = {self._hold_began} if self._held_at is None else set()
            until = min((at for at in (ends, held_until) if at is not None), default=None)
            done, _ = await asyncio.wait(
                watched | begins,
                timeout=None if until is None else max(0.0, until - self._loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done or done & watched:
                return not done and until == held_until
