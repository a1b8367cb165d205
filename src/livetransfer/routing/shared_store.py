"""SharedStore: the store that a team uses: its own, or this machine's where that is allowed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from weakref import WeakKeyDictionary

from livetransfer.errors import StoreUnavailableError
from livetransfer.events import StoreChanged, TransferEvent
from livetransfer.stores import LocalStore, Snapshot, StoreHealth, TeamStore

__all__ = ["SharedStore"]

logger = logging.getLogger("livetransfer")

AGAIN = 15.0
"""Seconds until a store that was not there at the start is tried again."""

Tell = Callable[[Callable[[float], TransferEvent]], None]


class SharedStore:
    """Opens the store, and tells where it is lost and where it is back.

    Each run that has asked for it is told at once, on its own event loop, as long as it lives; one
    that asks while the store is lost is told that.

    Args:
        store: The team's store.
        required: Whether it has to be there at the start; otherwise this machine's LocalStore is
            used until it is.
    """

    def __init__(self, store: TeamStore, required: bool) -> None:
        self.own, self._required = store, required
        self._instead: TeamStore | None = None
        self._beside: TeamStore | None = None
        self._opened = self._listening = False
        self._again_at = 0.0
        self._lost: StoreHealth | None = None
        self._hearers: WeakKeyDictionary[Tell, asyncio.AbstractEventLoop] = WeakKeyDictionary()
        self._lock = threading.Lock()  # a worker's jobs may be threads

    async def get(self, tell: Tell) -> TeamStore:
        """Return the store to use now.

        Args:
            tell: Tells an event of the run that asks; the same object each time. It is not kept
                alive by this.

        Raises:
            StoreUnavailableError: It is not there, and is required.
        """
        with self._lock:
            new = tell not in self._hearers
            self._hearers[tell] = asyncio.get_running_loop()
        if new and self._lost is not None:
            tell(partial(_event, self._lost))
        if not self._opened:
            await self._open(tell)
        return self.own if self._instead is None else self._instead

    async def snapshot(
        self,
        store: TeamStore,
        team: str,
        members: Collection[str],
        queue: str,
        others: Collection[str] = (),
    ) -> Snapshot:
        """Return how a team stands, those included who were taken before its store was there.

        Their calls go on with the leases that this machine's store has given.

        Args:
            store: The store that is used now.
            team: The team.
            members: See `TeamStore.snapshot`.
            queue: See `TeamStore.snapshot`.
            others: Other queues whose cursors to read.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        snapshot = await store.snapshot(team, members, queue)
        if others:
            read = {name: (await store.snapshot(team, (), name)).cursor for name in others}
            cursors = {name: cursor for name, cursor in read.items() if cursor is not None}
            snapshot = replace(snapshot, cursors=cursors)
        if self._required or store is not self.own:
            return snapshot
        if self._beside is None:
            self._beside = LocalStore()
        try:
            here = await self._beside.snapshot(team, members)
        except StoreUnavailableError:
            return snapshot
        later, states = snapshot.now - here.now, dict(snapshot.states)
        for name, state in here.states.items():
            if alive := state.alive(here.now):
                own = snapshot.state(name)
                held = tuple(replace(one, until=one.until + later) for one in alive)
                # No store gives this version: what is kept ranked by versions is looked at again.
                states[name] = replace(own, held=(*own.held, *held), version=-2 - own.version)
        return replace(snapshot, states=states)

    async def _open(self, tell: Tell) -> None:
        if not self._listening:
            self._listening = True
            self.own.listen(self._changed)
        now = asyncio.get_running_loop().time()
        if self._instead is not None and now < self._again_at:
            return
        try:
            await self.own.open()
        except StoreUnavailableError as error:
            if self._required:
                raise
            self._again_at = now + AGAIN
            if self._instead is None:
                self._instead = LocalStore()
                reason = f"{error}; a LocalStore is used, which only this machine shares"
                logger.warning("a team's store is not there; this machine's is used")
                tell(lambda at: StoreChanged(at, False, reason))
            return
        self._opened = True
        if self._instead is not None:
            self._instead = None
            logger.warning("a team's store is there; it is used from now on")
            tell(lambda at: StoreChanged(at, True, "the team's own store is used from now on"))

    def _changed(self, health: StoreHealth) -> None:
        if health.available:
            logger.warning("a team's store answers again")
        else:
            logger.warning("a team's store is lost; nobody is rung until it answers")
        if not self._opened and not self._required:
            return  # what is used in its place is told instead
        self._lost = None if health.available else health
        with self._lock:
            hearers = list(self._hearers.items())
        here = asyncio.get_running_loop()
        for tell, loop in hearers:
            if loop is here:
                tell(partial(_event, health))
            else:
                with contextlib.suppress(RuntimeError):  # its loop is closed: its run is over
                    loop.call_soon_threadsafe(tell, partial(_event, health))


def _event(health: StoreHealth, at: float) -> StoreChanged:
    return StoreChanged(at, health.available, health.reason)
