"""A database by its URL: the SQLAlchemy engine that records and promised calls share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["BUSY", "engine_of"]

BUSY = 5.0
"""Seconds that one who writes into a SQLite file waits for another who does."""

REMEDY = "write postgresql+asyncpg://user@host/name, or sqlite+aiosqlite:///file"
EXTRA = "pip install 'livetransfer[callbacks]'"


def engine_of(database: str | AsyncEngine) -> AsyncEngine:
    """Return the engine of a database.

    Args:
        database: An AsyncEngine, which is returned as it is, or the URL of a database. What a
            SQLite file says is committed is on the disk (WAL, synchronous writes).

    Raises:
        ConfigurationError: SQLAlchemy or a driver is missing, or there is no such database. The
            URL is not in the message: it may have a password.
    """
    try:
        from sqlalchemy import event
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
        from sqlalchemy.pool import NullPool
    except ImportError:
        raise ConfigurationError("database", "…", f"SQLAlchemy is missing: {EXTRA}") from None
    if isinstance(database, AsyncEngine):
        return database
    if not isinstance(database, str):
        raise ConfigurationError("database", database, "give an AsyncEngine, or the URL of one")
    try:
        if not database.startswith("sqlite"):
            return create_async_engine(database, pool_pre_ping=True)
        # Its connections have threads, which the end of a process would wait for.
        engine = create_async_engine(database, poolclass=NullPool, connect_args={"timeout": BUSY})
        event.listen(engine.sync_engine, "connect", _durable)
        return engine
    except ImportError as error:
        ours = {"asyncpg": "postgres", "aiosqlite": "callbacks"}.get(error.name or "")
        mends = REMEDY if ours is None else f"pip install 'livetransfer[{ours}]'"
        driver = f"the driver {error.name} is missing: {mends}"
        raise ConfigurationError("database", "…", driver) from error
    except (SQLAlchemyError, ValueError):
        # Not even as the cause: a log would print it, with a part of the URL.
        raise ConfigurationError("database", "…", f"it is no address of one: {REMEDY}") from None


def _durable(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
