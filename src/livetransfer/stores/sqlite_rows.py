"""SqliteRows: the rows of one team, and the guard's counts, in a SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from .counters import Count
from .documents import read_member, read_place, write_member, write_place
from .states import IDLE, MemberState
from .store_rules import Handling, Place

__all__ = ["SqliteRows", "amend", "connect", "count"]

SCHEMA = 1
_TABLES = """
CREATE TABLE member (team TEXT, name TEXT, document TEXT, PRIMARY KEY (team, name)) WITHOUT ROWID;
CREATE TABLE place (team TEXT, call TEXT, document TEXT, PRIMARY KEY (team, call)) WITHOUT ROWID;
CREATE TABLE fact (team TEXT, key TEXT, value, PRIMARY KEY (team, key)) WITHOUT ROWID;
CREATE TABLE counted (
    key TEXT, entry TEXT, amount REAL, until REAL, PRIMARY KEY (key, entry)
) WITHOUT ROWID;
CREATE INDEX counted_until ON counted (until);
"""


def connect(path: Path, within: float) -> sqlite3.Connection:
    """Return a connection to the file, which is made where there is none.

    Raises:
        sqlite3.Error: It cannot be used.
        OSError: Its folder cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = time.monotonic() + within
    while True:
        try:
            return _connect(path, within)
        except sqlite3.OperationalError as error:
            # Where several processes make the file at once, SQLite does not wait for its turn.
            if "locked" not in str(error) or time.monotonic() >= until:
                raise
            time.sleep(0.01)


def _connect(path: Path, within: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=within, isolation_level=None, check_same_thread=False
    )
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.NotSupportedError("its folder has to be on a disk of this machine")
        connection.execute("PRAGMA synchronous = NORMAL")
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if schema == 0:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone() == (0,):
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("COMMIT")
        elif schema != SCHEMA:
            raise sqlite3.NotSupportedError(f"it is of another version ({schema}) of livetransfer")
    except BaseException:
        connection.close()
        raise
    return connection


class SqliteRows:
    """The rows of one team, within one transaction.

    Args:
        connection: A connection, in a transaction.
        team: The team.
        preload: Members that will be asked for.
    """

    def __init__(
        self, connection: sqlite3.Connection, team: str, preload: Collection[str] = ()
    ) -> None:
        self._connection, self._team = connection, team
        self._known: dict[str, MemberState] = {}
        self._version: int | None = None
        if preload:
            self._known = dict.fromkeys(preload, IDLE) | dict(self.members(preload))

    def members(self, names: Collection[str]) -> Mapping[str, MemberState]:
        rows = self._connection.execute(
            "SELECT name, document FROM member"
            " WHERE team = ? AND name IN (SELECT value FROM json_each(?))",
            (self._team, json.dumps(list(names))),
        )
        return {name: read_member(document) for name, document in rows}

    def member(self, name: str) -> MemberState:
        state = self._known.get(name)
        if state is None:
            state = self.members((name,)).get(name, IDLE)
            self._known[name] = state
        return state

    def put_member(self, name: str, state: MemberState) -> None:
        self._known[name] = state
        self._connection.execute(
            "INSERT OR REPLACE INTO member VALUES (?, ?, ?)",
            (self._team, name, write_member(state)),
        )

    def places(self) -> Iterable[Place]:
        rows = self._connection.execute("SELECT document FROM place WHERE team = ?", (self._team,))
        return [read_place(document) for (document,) in rows]

    def place(self, call: str) -> Place | None:
        row = self._connection.execute(
            "SELECT document FROM place WHERE team = ? AND call = ?", (self._team, call)
        ).fetchone()
        return None if row is None else read_place(row[0])

    def put_place(self, place: Place) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO place VALUES (?, ?, ?)",
            (self._team, place.call, write_place(place)),
        )

    def drop_place(self, call: str) -> None:
        self._connection.execute(
            "DELETE FROM place WHERE team = ? AND call = ?", (self._team, call)
        )

    def version(self) -> int:
        if self._version is None:
            found = self._fact("version")
            self._version = found if isinstance(found, int) else 0
        return self._version

    def next_version(self) -> int:
        self._version = self.version() + 1
        self._put_fact("version", self._version)
        return self._version

    def cursor(self, queue: str) -> str | None:
        found = self._fact(f"cursor:{queue}")
        return None if found is None else str(found)

    def put_cursor(self, queue: str, member: str) -> None:
        self._put_fact(f"cursor:{queue}", member)

    def handling(self, queue: str) -> Handling:
        found = self._fact(f"handling:{queue}")
        return Handling() if found is None else Handling(*json.loads(str(found)))

    def put_handling(self, queue: str, handling: Handling) -> None:
        self._put_fact(f"handling:{queue}", json.dumps([handling.mean, handling.calls]))

    def _fact(self, key: str) -> object:
        row = self._connection.execute(
            "SELECT value FROM fact WHERE team = ? AND key = ?", (self._team, key)
        ).fetchone()
        return None if row is None else row[0]

    def _put_fact(self, key: str, value: str | int) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", (self._team, key, value)
        )


def count(
    connection: sqlite3.Connection, entry: str, counts: Sequence[Count], now: float
) -> Count | None:
    """Do what `Counters.count` says, within a transaction."""
    connection.execute("DELETE FROM counted WHERE until <= ?", (now,))
    for each in counts:
        (total,) = connection.execute(
            "SELECT COALESCE(SUM(amount), 0) FROM counted WHERE key = ?", (each.key,)
        ).fetchone()
        if total + each.amount > each.limit:
            return each
    connection.executemany(
        "INSERT OR REPLACE INTO counted VALUES (?, ?, ?, ?)",
        [(each.key, entry, each.amount, now + each.seconds) for each in counts],
    )
    return None


def amend(connection: sqlite3.Connection, entry: str, key: str, amount: float) -> None:
    """Do what `Counters.amend` says, within a transaction."""
    if amount:
        connection.execute(
            "UPDATE counted SET amount = ? WHERE key = ? AND entry = ?", (amount, key, entry)
        )
    else:
        connection.execute("DELETE FROM counted WHERE key = ? AND entry = ?", (key, entry))
