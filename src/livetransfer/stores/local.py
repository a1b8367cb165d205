"""LocalStore: a SQLite file that all processes of one machine share."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from livetransfer.errors import StoreUnavailableError

from .counters import Count
from .folder import VARIABLE, state_folder
from .health import Health
from .port import Groups, StoreHealth
from .sqlite_rows import SqliteRows, amend, connect, count
from .states import Grant, LeasePhase, Snapshot, Stale, Taken, Ticket, Usage
from .store_rules import Ledger

__all__ = ["LocalStore"]

T = TypeVar("T")

WITHIN = 2.0
"""Seconds that a process waits for its turn, at most; a caller waits meanwhile."""
POLL = 0.2
"""Seconds between two looks for news of a caller who waits; each takes some 0.1 ms."""


class LocalStore:
    """A store in a file in the state folder, shared by all processes of one machine.

    Every job of a LiveKit worker is a process of its own, so this is what calls share where
    nothing else is said. It is opened at its first use, in a thread of its own.

    Args:
        folder: The state folder. Default: the environment variable ``LIVETRANSFER_STATE``, or the
            platform's own (``~/.local/state/livetransfer`` on Linux). It has to be on a disk of
            the machine. Those with different folders share nothing. A process that is forked
            while it is open cannot use it.
        clock: Returns seconds; it has to be the same for all processes. Default: the time of day.

    Raises:
        ConfigurationError: `folder` is none.
    """

    shared_by = "this machine"

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = state_folder(folder) / "store.sqlite3"
        self._clock = clock
        self._health = Health("the local store")
        self._pid: int | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        """See `TeamStore.listen`."""
        return self._health.listen(listener)

    async def open(self) -> None:
        """Open the file, and make it where there is none.

        Raises:
            StoreUnavailableError: It cannot be used; the message says why.
        """
        await self._do(lambda connection: None, write=False)

    async def aclose(self) -> None:
        """Close the file; a later use opens it again. Idempotent."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # -- one step --------------------------------------------------------------------------

    async def _do(self, step: Callable[[sqlite3.Connection], T], *, write: bool = True) -> T:
        """Do `step` in one transaction, in the store's thread.

        On cancellation it may be done there nevertheless.
        """
        if self._pid != os.getpid():
            if self._connection is not None:
                # SQLite's locks do not outlive a fork, and it does not notice.
                raise StoreUnavailableError(
                    f"the local store {self.path} was open when this process was forked from "
                    "another. Use it in the processes of the jobs only, or close it before"
                )
            self._pid, self._thread = os.getpid(), None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="livetransfer-store")
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._thread, self._transaction, step, write)
        except (sqlite3.Error, OSError) as error:
            self._health.failed(str(error))
            raise StoreUnavailableError(
                f"the local store {self.path} cannot be used: {error}. Its folder can be named "
                f"with LocalStore(folder) or {VARIABLE}"
            ) from error
        self._health.answered()
        return found

    def _transaction(self, step: Callable[[sqlite3.Connection], T], write: bool) -> T:
        if self._connection is None:
            self._connection = connect(self.path, WITHIN)
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            found = step(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                self._close()
            raise
        return found

    async def _step(
        self,
        team: str,
        step: Callable[[Ledger], T],
        *,
        preload: Collection[str] = (),
        write: bool = True,
    ) -> T:
        return await self._do(
            lambda connection: step(Ledger(SqliteRows(connection, team, preload), self._clock())),
            write=write,
        )

    # -- leases, the line, presence --------------------------------------------------------

    async def snapshot(
        self, team: str, members: Collection[str], queue: str | None = None
    ) -> Snapshot:
        """See `TeamStore.snapshot`."""
        names = tuple(members)
        return await self._step(team, lambda ledger: ledger.snapshot(names, queue), write=False)

    async def take(
        self,
        team: str,
        ticket: Ticket,
        groups: Groups,
        *,
        ttl: float,
        capacities: Mapping[str, int] | None = None,
        version: int | None = None,
        turns: Mapping[str, str] | None = None,
    ) -> Taken | Stale | None:
        """See `TeamStore.take`."""
        ranking = tuple(tuple(group) for group in groups)
        return await self._step(
            team,
            lambda ledger: ledger.take(
                ticket,
                ranking,
                capacities=capacities or {},
                version=version,
                turns=turns or {},
                ttl=ttl,
                lease=uuid.uuid4().hex,
            ),
            preload=[name for group in ranking for name in group],
        )

    async def renew(self, team: str, grant: Grant, phase: LeasePhase, ttl: float) -> bool:
        """See `TeamStore.renew`."""
        return await self._step(team, lambda ledger: ledger.renew(grant, phase, ttl))

    async def release(self, team: str, grant: Grant, usage: Usage) -> None:
        """See `TeamStore.release`."""
        await self._step(team, lambda ledger: ledger.release(grant, usage))

    async def join(self, team: str, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.join`."""
        await self._step(team, lambda ledger: ledger.join(ticket, ttl))

    async def stay(self, team: str, ticket: Ticket, ttl: float) -> None:
        """See `TeamStore.stay`."""
        await self._step(team, lambda ledger: ledger.stay(ticket, ttl))

    async def leave(self, team: str, call: str) -> None:
        """See `TeamStore.leave`."""
        await self._step(team, lambda ledger: ledger.leave(call))

    async def pause(
        self, team: str, member: str, reason: str = "", seconds: float | None = None
    ) -> None:
        """See `TeamStore.pause`."""
        await self._step(team, lambda ledger: ledger.pause(member, reason, seconds))

    async def resume(self, team: str, member: str) -> None:
        """See `TeamStore.resume`."""
        await self._step(team, lambda ledger: ledger.resume(member))

    async def news(self, team: str, version: int, within: float) -> None:
        """See `TeamStore.news`. It looks five times a second."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while (left := until - loop.time()) > 0:
            try:
                found = await self._do(
                    lambda connection: SqliteRows(connection, team).version(), write=False
                )
            except StoreUnavailableError:
                found = version
            if found != version:
                return
            await asyncio.sleep(min(POLL, left))

    # -- counts ----------------------------------------------------------------------------

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        """See `Counters.count`."""
        wanted = tuple(counts)
        return await self._do(lambda connection: count(connection, entry, wanted, self._clock()))

    async def amend(self, entry: str, key: str, amount: float) -> None:
        """See `Counters.amend`."""
        await self._do(lambda connection: amend(connection, entry, key, amount))
