"""What can be checked of the stores: a Redis, and the database of callbacks and records."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from livetransfer.finding import Finding, failed, ok, skipped, warning

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["check_database", "check_redis"]

WITHIN = 2.0
"""Seconds that a store may take to answer."""


async def check_redis(url: str | None) -> Finding:
    """Ask a Redis whether it can hold leases and counters."""
    name = "Redis"
    if url is None:
        return skipped(name, "not configured", "--redis redis://...")
    try:
        import redis.asyncio
        from redis.exceptions import RedisError, ResponseError
    except ImportError:
        return failed(name, "redis-py is missing", "pip install 'livetransfer[redis]'")
    try:
        client = redis.asyncio.Redis.from_url(
            url, socket_connect_timeout=WITHIN, socket_timeout=WITHIN, decode_responses=True
        )
    except ValueError:
        return failed(name, "--redis is no address of a Redis", "write redis://<host>:6379/0")
    try:
        began = time.monotonic()
        await asyncio.wait_for(client.ping(), WITHIN)
        took = time.monotonic() - began
        await client.eval("return 1", 0)
        facts = await client.info()
        # A replica, a full one, and one whose user may only read, answer all the same.
        await client.set(f"livetransfer:doctor:{uuid.uuid4().hex}", 1, px=1)
    except ResponseError as error:
        return failed(
            name,
            f"it takes no writes: {error}",
            "the address of one that does: --redis; if it is full: redis-cli config set maxmemory",
        )
    except (RedisError, OSError, asyncio.TimeoutError) as error:
        why = "it did not answer" if isinstance(error, asyncio.TimeoutError) else str(error)
        return failed(name, why, "start it (redis-server), or give its address: --redis")
    finally:
        await client.aclose()
    detail = f"{facts.get('redis_version', '?')}, answers in {took * 1000:.0f} ms"
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if int(facts.get("maxmemory", 0)) and policy != "noeviction":
        return warning(
            name,
            f"{detail}; when it is full it drops leases and limits ({policy})",
            "redis-cli config set maxmemory-policy noeviction",
        )
    return ok(name, detail)


async def check_database(url: str | None) -> Finding:
    """Ask a database whether it can hold callbacks and records."""
    name = "database"
    if url is None:
        return skipped(name, "not configured", "--database postgresql+asyncpg://...")
    try:
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.ext.asyncio import create_async_engine
    except ImportError:
        return failed(name, "SQLAlchemy is missing", "pip install 'livetransfer[callbacks]'")
    try:
        engine = create_async_engine(url, pool_pre_ping=False)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        driver = getattr(error, "name", None)
        return failed(
            name,
            f"the driver {driver} is missing" if driver else "--database is no address of one",
            "write postgresql+asyncpg://user@host/name, or sqlite+aiosqlite:///file",
        )

    if (path := _file(engine.url)) is not None and not path.exists():
        await engine.dispose()
        return _could_be_made(path, name)

    from livetransfer.callbacks.sql_schema import MIGRATIONS, version_of

    async def ask() -> tuple[tuple[int | str, ...], int]:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await _write(connection)
            kept = await connection.run_sync(version_of)
            return tuple(connection.dialect.server_version_info or ()), kept

    began = time.monotonic()
    try:
        version, kept = await asyncio.wait_for(ask(), WITHIN)
    except asyncio.TimeoutError:
        return failed(name, f"it did not answer in {WITHIN:g} s", "see whether it runs")
    except (SQLAlchemyError, OSError) as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        return failed(name, why, "see whether it runs, and who may come in, and write")
    except Exception as error:
        # Drivers raise errors of their own before SQLAlchemy can wrap them.
        return failed(name, f"{type(error).__name__}: {error}", "see whether it runs")
    finally:
        await engine.dispose()
    took = time.monotonic() - began
    number = ".".join(map(str, version))
    detail = f"{engine.dialect.name} {number}, answers in {took * 1000:.0f} ms"
    known = len(MIGRATIONS)
    if kept > known:
        newer = f"{detail}; its callbacks are of version {kept}, and {known} is known here"
        return failed(name, newer, "update livetransfer on this machine, too")
    if 0 < kept < known:
        detail += f"; its callbacks are of version {kept}, and brought to {known} when first used"
    return ok(name, detail)


async def _write(connection: AsyncConnection) -> None:
    """Find out whether it can be written to, and leave nothing behind."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    if connection.dialect.name == "sqlite":
        await connection.rollback()
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.exec_driver_sql("PRAGMA user_version = 0")
        await connection.rollback()
    elif connection.dialect.name == "postgresql":
        read_only = await connection.execute(text("SHOW transaction_read_only"))
        if read_only.scalar() == "on":
            raise SQLAlchemyError("it is read-only, or a replica")


def _file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None: it has none."""
    if not url.drivername.startswith("sqlite") or not url.database or url.database == ":memory:":
        return None
    return None if url.database.startswith("file:") else Path(url.database)


def _could_be_made(path: Path, name: str) -> Finding:
    folder = path.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return failed(name, f"{path} cannot be made: see its folder", "--database, or mkdir -p")
    return ok(name, f"{path} is not there; it is made when it is first used")
