"""The store of promised calls that a command is given: by an option, or by the environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livetransfer.callbacks import SqlCallbackStore

__all__ = ["KEYS", "Database", "opened"]

KEYS = "LIVETRANSFER_CALLBACK_KEYS"
"""The environment variable with the keys that the store was given, split by commas."""

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="The database, as SQLAlchemy writes it: sqlite+aiosqlite:///file, "
        "postgresql+asyncpg://user@host/name. Default: the file in the state folder.",
        envvar="LIVETRANSFER_CALLBACKS",
        show_envvar=True,
    ),
]


@asynccontextmanager
async def opened(database: str | None) -> AsyncIterator[SqlCallbackStore]:
    """Open the store, and close it afterwards.

    Raises:
        TransferError: It cannot be used.
    """
    # Imported here, because it takes a second and `livetransfer --help` should not.
    from livetransfer.callbacks import SqlCallbackStore

    keys = [key.strip() for key in os.environ.get(KEYS, "").split(",") if key.strip()]
    store = SqlCallbackStore(database, keys=keys or None)
    try:
        yield store
    finally:
        await store.aclose()
