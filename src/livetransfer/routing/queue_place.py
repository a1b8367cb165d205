"""QueuePlace: a caller's place in the line of a team, kept in a store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from livetransfer.errors import StoreUnavailableError
from livetransfer.stores import Snapshot, TeamStore, Ticket

from .lease_renewal import Keeping

__all__ = ["QueuePlace"]

logger = logging.getLogger("livetransfer")

LOOK = 5.0
"""Seconds after which it is always worth asking again."""
SOONEST = 0.05
"""Seconds that pass at least after what ends by itself: the clocks may differ by a little."""


class QueuePlace:
    """A place in line. It is kept alive while somebody holds it, and remembered for a while.

    Args:
        store: The store.
        team: The team.
        ticket: The caller, as he joined.
        ttl: Seconds after which the place of a worker that has died is free.
    """

    def __init__(self, store: TeamStore, team: str, ticket: Ticket, ttl: float) -> None:
        self._store, self._team, self._ticket, self._ttl = store, team, ticket, ttl
        self._joined = asyncio.get_running_loop().time()
        self._version = -1
        self._within = LOOK
        self._over = False
        self._one_at_a_time = asyncio.Lock()
        self._keeping = Keeping(self, QueuePlace._stay, ttl / 3)

    @classmethod
    async def join(cls, store: TeamStore, team: str, ticket: Ticket, ttl: float) -> QueuePlace:
        """Join the line, or take the place again that the same call had.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        await store.join(team, ticket, ttl)
        return cls(store, team, ticket, ttl)

    @property
    def call(self) -> str:
        """What names the call."""
        return self._ticket.call

    @property
    def over(self) -> bool:
        """Whether the place was given up, or the caller was given somebody."""
        return self._over

    def is_in(self, store: TeamStore) -> bool:
        """Return whether it is this store that keeps the place."""
        return self._store is store

    async def update(self, members: Iterable[str], queue: str | None = None) -> None:
        """Wait for others from now on: the line has moved to another queue, or asks for less.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        ticket = replace(
            self._ticket, members=frozenset(members), queue=queue or self._ticket.queue
        )
        if ticket != self._ticket:
            self._ticket = ticket
            async with self._one_at_a_time:
                if not self._over:
                    await self._store.join(self._team, self._now(), self._ttl)

    def seen(self, snapshot: Snapshot) -> None:
        """Remember how the team stood when the caller was last refused."""
        self._version = snapshot.version
        times = (snapshot.state(m).changes_at(snapshot.now) for m in self._ticket.members)
        soonest = min((t for t in times if t is not None), default=snapshot.now + LOOK)
        self._within = min(LOOK, max(0.0, soonest - snapshot.now) + SOONEST)

    async def changed(self) -> None:
        """Return when it is worth asking again. On cancellation the place is kept."""
        await self._store.news(self._team, self._version, self._within)

    def _now(self) -> Ticket:
        waited = asyncio.get_running_loop().time() - self._joined
        return replace(self._ticket, waited=self._ticket.waited + waited)

    async def _stay(self) -> None:
        async with self._one_at_a_time:
            if self._over:
                return
            try:
                await self._store.stay(self._team, self._now(), self._ttl)
            except StoreUnavailableError:
                return  # the store itself tells that it is lost; the next renewal tries again

    def served(self) -> None:
        """The caller has been given somebody: the store has taken the place back."""
        self._over = True
        self._keeping.stop()

    async def leave(self) -> None:
        """Give the place up. Idempotent.

        Raises:
            StoreUnavailableError: The store does not answer; the place expires.
        """
        if self._over:
            return
        self.served()
        async with self._one_at_a_time:
            await self._store.leave(self._team, self._ticket.call)
