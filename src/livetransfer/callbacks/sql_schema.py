"""The tables of promised calls, their version, and how an older one becomes a newer one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from livetransfer.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["CALLS", "HISTORY", "MIGRATIONS", "migrate", "up_to_date", "version_of"]

_METADATA = sa.MetaData()

CALLS = sa.Table(
    "livetransfer_callbacks",
    _METADATA,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    # Moments are seconds since 1970, UTC.
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("not_before", sa.Double, nullable=False),
    sa.Column("not_after", sa.Double, nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    # Who has it: a runner, and once it is `taken` a job.
    sa.Column("owner", sa.String(256)),
    sa.Column("taken", sa.Boolean, nullable=False),
    sa.Column("until", sa.Double),
    sa.Column("room", sa.Text),
    # What a number is found by, and what is personal; both are dropped in time.
    sa.Column("number", sa.String(64), index=True),
    sa.Column("personal", sa.Text),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Index("livetransfer_callbacks_due", "status", "due"),
)
HISTORY = sa.Table(
    "livetransfer_callback_history",
    _METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(128), nullable=False, index=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
_SCHEMA = sa.Table(
    "livetransfer_callback_schema",
    sa.MetaData(),
    sa.Column("only", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
_LOCK = 0x6C74_6362
"""The key of the lock under which one process of many migrates a PostgreSQL database."""


def _first(connection: Connection) -> None:
    _METADATA.create_all(connection)


MIGRATIONS: Sequence[Callable[[Connection], None]] = (_first,)
"""What makes each version of the one before it; the first makes it of nothing."""


def version_of(connection: Connection) -> int:
    """Return the version that a database has; 0: it has no promised calls."""
    if not sa.inspect(connection).has_table(_SCHEMA.name):
        return 0
    return connection.execute(sa.select(_SCHEMA.c.version)).scalar() or 0


def up_to_date(connection: Connection) -> bool:
    """Return whether a database has the version of this library.

    Raises:
        ConfigurationError: It is of a newer one.
    """
    found, newest = version_of(connection), len(MIGRATIONS)
    if found > newest:
        raise ConfigurationError(
            "database",
            "…",
            f"its promised calls are of version {found}, and this livetransfer knows {newest}: "
            "update livetransfer here, too",
        )
    return found == newest


def migrate(connection: Connection) -> None:
    """Bring a database to the version of this library, in one transaction that is the only one.

    Raises:
        ConfigurationError: It is of a newer version.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    else:
        # Python's driver begins no transaction before a CREATE TABLE.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    if up_to_date(connection):
        return
    found = version_of(connection)
    for step in MIGRATIONS[found:]:
        step(connection)
    _SCHEMA.create(connection, checkfirst=True)
    if found == 0:
        connection.execute(_SCHEMA.insert().values(only=1, version=len(MIGRATIONS)))
    else:
        connection.execute(_SCHEMA.update().values(version=len(MIGRATIONS)))
