"""PromiseTable: transactions on the tables of promised calls, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from livetransfer.callback_request import CallbackStatus

from .encryption import Sealing
from .ledger import Promise
from .sql_errors import told
from .sql_rows import promise_of, seconds

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["AT_ONCE", "PromiseTable", "insert_into"]

T = TypeVar("T")

AT_ONCE = 1000
"""How many calls one statement is about, at most: PostgreSQL takes 32,767 arguments."""

LIMIT = 7.0
"""Seconds that one transaction may take: a caller waits for the first of them."""


class PromiseTable:
    """The tables of a database, which are made and brought up to date when they are first used.

    Args:
        engine: The database.
        sealing: How it writes what is personal.
        clock: Returns the present, with a time zone.
    """

    def __init__(
        self, engine: AsyncEngine, sealing: Sealing, clock: Callable[[], datetime]
    ) -> None:
        self._engine, self._sealing, self._clock = engine, sealing, clock
        self._ready = False
        self._migrating: asyncio.Lock | None = None

    async def transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do `work` in one transaction, whole or not at all; bounded.

        The first statement of each writes, or it only reads: in SQLite a transaction that reads
        first cannot be made to wait for another's write.
        """

        async def whole() -> T:
            await self._migrated()
            async with self._engine.begin() as connection:
                return await work(connection)

        with told(LIMIT):
            return await asyncio.wait_for(whole(), LIMIT)

    async def _migrated(self) -> None:
        from .sql_schema import migrate, up_to_date

        if self._migrating is None:
            self._migrating = asyncio.Lock()
        async with self._migrating:
            if self._ready:
                return
            async with self._engine.connect() as connection:
                ready = await connection.run_sync(up_to_date)
            if not ready:
                async with self._engine.begin() as connection:
                    await connection.run_sync(migrate)
            self._ready = True

    async def cancel(
        self,
        connection: AsyncConnection,
        which: Any,
        before: Collection[CallbackStatus],
        reason: str,
    ) -> list[str]:
        from .sql_schema import CALLS

        now = seconds(self._clock())
        values = {"status": str(CallbackStatus.CANCELLED), "owner": None, "until": None}
        done = await connection.execute(
            CALLS.update()
            .where(which, CALLS.c.status.in_([str(status) for status in before]))
            .values({**values, "taken": False, "ended": now})
            .returning(CALLS.c.id)
        )
        ids = [row.id for row in done]
        await self.note(connection, ids, CallbackStatus.CANCELLED, reason)
        return ids

    async def note(
        self,
        connection: AsyncConnection,
        ids: Sequence[str],
        status: CallbackStatus,
        reason: str = "",
    ) -> None:
        from .sql_schema import HISTORY

        if ids:
            at = seconds(self._clock())
            rows = [{"id": key, "at": at, "status": str(status), "reason": reason} for key in ids]
            await connection.execute(HISTORY.insert(), rows)

    async def promises(
        self, connection: AsyncConnection, which: Any, limit: int = AT_ONCE
    ) -> Sequence[Promise]:
        import sqlalchemy as sa

        from .sql_schema import CALLS, HISTORY

        found = await connection.execute(
            sa.select(CALLS).where(which).order_by(CALLS.c.due, CALLS.c.id).limit(limit)
        )
        rows = found.mappings().all()
        history: dict[str, list[Any]] = {row["id"]: [] for row in rows}
        ids = list(history)
        for start in range(0, len(ids), AT_ONCE):
            some = HISTORY.c.id.in_(ids[start : start + AT_ONCE])
            told_of = sa.select(HISTORY).where(some).order_by(HISTORY.c.number)
            for entry in await connection.execute(told_of):
                history[entry.id].append(entry)
        return [promise_of(row, history[row["id"]], self._sealing) for row in rows]


def insert_into(connection: AsyncConnection, table: Any) -> Any:
    """Return an insert that may be told what to do where the row is there."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table)
