"""SqlSink: records in a table of a database, through SQLAlchemy."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from livetransfer._database import engine_of
from livetransfer.errors import ConfigurationError
from livetransfer.privacy import Privacy
from livetransfer.record.model import TransferRecord

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["SqlSink"]

logger = logging.getLogger("livetransfer")

TRY_LIMIT = 8.0
"""Seconds that one try may take."""
WAITS = (0.5, 2.0)
"""Seconds before the second try and before the third, which is the last."""
FORGET_EVERY = timedelta(hours=1)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")


class SqlSink:
    """Keeps records in a table, one row for each transfer, from its beginning on.

    The row has the whole record as JSON (``body``), and as columns what is asked for most:
    ``id``, ``previous``, ``state``, ``began``, ``ended``, ``kind``, ``status``, ``room`` and
    ``hold_seconds``. Needs ``pip install 'livetransfer[callbacks]'``.

    Args:
        database: An ``AsyncEngine`` of SQLAlchemy, which may be that of the callbacks, or the URL
            of one: ``postgresql+asyncpg://user@host/name``, ``sqlite+aiosqlite:///records.db``.
        table: The name of the table.
        create: Whether the table is made where it is not there.

    Raises:
        ConfigurationError: SQLAlchemy is missing, or one of them cannot be used.
    """

    takes_open_records = True

    def __init__(
        self,
        database: str | AsyncEngine,
        *,
        table: str = "transfer_records",
        create: bool = True,
    ) -> None:
        if not isinstance(table, str) or not _NAME.match(table):
            raise ConfigurationError("table", table, "give the plain name of a table")
        self._own = isinstance(database, str)
        self._engine = engine_of(database)
        self._table = _table(table)
        self._create, self._forgot = create, datetime.min.replace(tzinfo=timezone.utc)
        self._making: asyncio.Lock | None = None

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Insert the record, or replace what stands there of the same transfer.

        A database that does not answer is tried three times.

        Raises:
            Exception: What the database's driver raises.
        """
        for wait in (*WAITS, None):
            try:
                await asyncio.wait_for(self._write(record, privacy), TRY_LIMIT)
                return
            except Exception:
                if wait is None:
                    raise
                logger.info("a database did not take the record of a transfer; it is tried again")
                await asyncio.sleep(wait)

    async def aclose(self) -> None:
        """Close the connections, where the engine was made from a URL."""
        if self._own:
            await self._engine.dispose()

    async def _write(self, record: TransferRecord, privacy: Privacy) -> None:
        await self._made()
        table, values = self._table, _values(record)
        async with self._engine.begin() as connection:
            done = await connection.execute(
                table.update().where(table.c.id == record.id).values(values)
            )
            if done.rowcount == 0:
                await connection.execute(table.insert().values(values))
            now = datetime.now(timezone.utc)
            if privacy.retention is not None and now - self._forgot > FORGET_EVERY:
                old = table.c.began < now - privacy.retention
                await connection.execute(table.delete().where(old))
                self._forgot = now

    async def _made(self) -> None:
        if not self._create:
            return
        if self._making is None:
            self._making = asyncio.Lock()
        async with self._making:
            if not self._create:
                return
            try:
                await self._make()
            except Exception:
                await self._make()  # another process has made it at the same time
            self._create = False

    async def _make(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(self._table.metadata.create_all)


def _values(record: TransferRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "previous": record.previous,
        "state": record.state,
        "began": record.began,
        "ended": record.ended,
        "kind": record.kind,
        "status": None if record.outcome is None else record.outcome["status"],
        "room": record.call.room,
        "hold_seconds": record.hold_seconds,
        "body": record.to_dict(),
    }


def _table(name: str) -> Table:
    import sqlalchemy as sa
    from sqlalchemy.dialects.postgresql import JSONB

    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("previous", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("ended", sa.DateTime(timezone=True)),
        sa.Column("kind", sa.String(8)),
        sa.Column("status", sa.String(32)),
        sa.Column("room", sa.Text, index=True),
        sa.Column("hold_seconds", sa.Float, nullable=False),
        sa.Column("body", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    )
