"""Three stores of promised calls, each with a second one over the same data, and a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

from livetransfer.callback_request import CallbackRequest
from livetransfer.callbacks import CallbackLedger, MemoryCallbackStore, SqlCallbackStore

KINDS = ("memory", "sqlite", "postgresql")
BEGAN = datetime(2030, 1, 7, 9, 0, tzinfo=timezone.utc)
NUMBER = "+15550199"
_databases = count(1)


@dataclass
class WallClock:
    """The time of day, which goes when it is told to."""

    now: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Rig:
    """A store.

    Attributes:
        ledger: The store.
        other: One that another process would have, over the same data.
        clock: The time of day of both.
    """

    ledger: CallbackLedger
    other: CallbackLedger
    clock: WallClock = field(default_factory=WallClock)


def promised(key: str = "c1", **fields: Any) -> CallbackRequest:
    """Return a promised call that may be made for eight hours from the beginning on."""
    found: dict[str, Any] = {
        "id": key,
        "number": NUMBER,
        "not_before": BEGAN,
        "not_after": BEGAN + timedelta(hours=8),
        "reason": "The invoice is wrong.",
        "summary": "The caller is Ms Miller, customer 4711.",
        "made": BEGAN,
    }
    return CallbackRequest(**{**found, **fields})


async def new_database(postgres: str) -> str:
    """Return the URL of an empty database of a server."""
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import create_async_engine

    name = f"callbacks{next(_databases)}"
    engine = create_async_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return postgres.format(name=name)


@asynccontextmanager
async def ledgers(kind: str, folder: Path, postgres: str | None) -> AsyncIterator[Rig]:
    """Stores of one kind, which are closed afterwards."""
    clock = WallClock()
    if kind == "memory":
        memory = MemoryCallbackStore(clock=clock)
        yield Rig(memory, memory, clock)
        return
    if kind == "sqlite":
        url = f"sqlite+aiosqlite:///{folder}/callbacks.sqlite"
    else:
        assert postgres is not None
        url = await new_database(postgres)
    ledger, other = (SqlCallbackStore(url, clock=clock) for _ in range(2))
    try:
        yield Rig(ledger, other, clock)
    finally:
        await ledger.aclose()
        await other.aclose()
