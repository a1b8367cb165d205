"""SqlCallbackStore: its tables, what it writes of a person, and databases that refuse."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import create_async_engine

from livetransfer import ConfigurationError, Destination, StoreUnavailableError
from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import SqlCallbackStore, sql_schema, sql_table

from .rigs import BEGAN, NUMBER, WallClock, new_database, promised


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/callbacks.sqlite"


def store(folder: Path, **options: Any) -> SqlCallbackStore:
    return SqlCallbackStore(url(folder), clock=WallClock(), **options)


def written(folder: Path) -> str:
    """Everything that is in the file."""
    with sqlite3.connect(folder / "callbacks.sqlite") as connection:
        return "\n".join(connection.iterdump())


# -- the tables ------------------------------------------------------------------------------


async def test_it_is_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path / "state"))
    kept = SqlCallbackStore(clock=WallClock())
    await kept.add(promised())
    assert (tmp_path / "state" / "callbacks.sqlite").exists()
    assert await SqlCallbackStore(clock=WallClock()).get("c1")


async def test_several_begin_at_once(tmp_path: Path, postgres: str) -> None:
    for database in (url(tmp_path), await new_database(postgres)):
        stores = [SqlCallbackStore(database, clock=WallClock()) for _ in range(6)]
        await asyncio.gather(*(each.add(promised(f"c{n}")) for n, each in enumerate(stores)))
        assert len(await stores[0].find()) == 6
        for each in stores:
            await each.aclose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_older_database_is_brought_up(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    database = url(tmp_path)
    if kind == "postgresql":
        database = await new_database(request.getfixturevalue("postgres"))
    old = SqlCallbackStore(database, clock=WallClock())
    await old.add(promised())

    def second(connection: sa.Connection) -> None:
        connection.execute(sa.text("ALTER TABLE livetransfer_callbacks ADD COLUMN note TEXT"))

    monkeypatch.setattr(sql_schema, "MIGRATIONS", (*sql_schema.MIGRATIONS, second))
    new = [SqlCallbackStore(database, clock=WallClock()) for _ in range(3)]
    found = await asyncio.gather(*(each.get("c1") for each in new))
    assert all(found)
    assert not await new[0].find(number="+15550000")
    engine = create_async_engine(database)
    async with engine.connect() as connection:
        columns = await connection.run_sync(
            lambda c: {
                column["name"] for column in sa.inspect(c).get_columns(sql_schema.CALLS.name)
            }
        )
        assert await connection.run_sync(sql_schema.version_of) == 2
    assert "note" in columns
    await engine.dispose()
    for each in (old, *new):
        await each.aclose()


async def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store(tmp_path).add(promised())
    before = written(tmp_path)

    def broken(connection: sa.Connection) -> None:
        connection.execute(sa.text("CREATE TABLE half (a INTEGER)"))
        connection.execute(sa.text("CREATE NONSENSE"))

    monkeypatch.setattr(sql_schema, "MIGRATIONS", (*sql_schema.MIGRATIONS, broken))
    with pytest.raises(StoreUnavailableError):
        await store(tmp_path).find()
    assert written(tmp_path) == before


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    await store(tmp_path).add(promised())
    with sqlite3.connect(tmp_path / "callbacks.sqlite") as connection:
        connection.execute("UPDATE livetransfer_callback_schema SET version = 9")
    with pytest.raises(ConfigurationError, match=r"version 9.*knows 1.*update livetransfer"):
        await store(tmp_path).find()


# -- what is personal ------------------------------------------------------------------------


async def test_it_is_written_encrypted(tmp_path: Path) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    await store(tmp_path, keys=old).add(promised("a"))
    await store(tmp_path, keys=[new, old]).add(promised("b"))
    dump = written(tmp_path)
    assert not any(word in dump for word in ("5550199", "invoice", "Miller"))
    both = store(tmp_path, keys=[new, old])
    found = await both.find(number=NUMBER)
    assert [promise.request.reason for promise in found] == ["The invoice is wrong."] * 2
    assert len(await both.cancel_number(NUMBER)) == 2


async def test_without_the_key_it_is_not_read(tmp_path: Path) -> None:
    await store(tmp_path, keys=Fernet.generate_key()).add(promised())
    with pytest.raises(StoreUnavailableError, match="a key that is not among those given"):
        await store(tmp_path, keys=Fernet.generate_key()).find()


@pytest.mark.parametrize("keys", ["secret", ["YQ=="], 7])
def test_what_is_no_key(tmp_path: Path, keys: Any) -> None:
    with pytest.raises(ConfigurationError, match="keys") as caught:
        store(tmp_path, keys=keys)
    assert "secret" not in str(caught.value)


async def test_what_was_forgotten_is_in_the_file_no_more(tmp_path: Path) -> None:
    kept = store(tmp_path)
    await kept.add(promised())
    await kept.cancel("c1")
    await kept.forget(BEGAN + timedelta(days=1))
    assert not any(word in written(tmp_path) for word in ("5550199", "invoice", "Miller"))


async def test_a_connection_with_a_password_is_not_kept(tmp_path: Path) -> None:
    from livekit.protocol.sip import SIPOutboundConfig

    config = SIPOutboundConfig(hostname="pbx.example.com", auth_password="hunter2")
    destination = Destination("+15550100", sip_connection=config)
    with pytest.raises(ConfigurationError, match="name a trunk") as caught:
        await store(tmp_path).add(promised(destination=destination))
    assert "hunter2" not in str(caught.value)


# -- databases that refuse -------------------------------------------------------------------


async def test_one_that_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store(tmp_path)
    await kept.add(promised())
    monkeypatch.setattr(sql_table, "LIMIT", 0.3)
    holder = sqlite3.connect(tmp_path / "callbacks.sqlite")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match=r"did not answer within|keeps it locked"):
        await kept.add(promised("c2"))
    assert await kept.get("c1")  # whoever reads is not held up
    holder.rollback()
    holder.close()
    await kept.add(promised("c2"))


async def test_one_whose_disk_is_full(tmp_path: Path) -> None:
    kept = store(tmp_path)
    await kept.add(promised())
    engine = create_async_engine(url(tmp_path))

    @sa.event.listens_for(engine.sync_engine, "connect")
    def full(connection: Any, _: Any) -> None:
        connection.cursor().execute("PRAGMA max_page_count = 1")

    small = SqlCallbackStore(engine, clock=WallClock())

    async def many() -> None:
        for number in range(500):
            await small.add(promised(f"d{number}", reason="x" * 300))

    with pytest.raises(StoreUnavailableError, match="its disk is full"):
        await many()
    await engine.dispose()
    assert await kept.get("c1")


async def test_one_that_is_not_there(tmp_path: Path) -> None:
    gone = SqlCallbackStore(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder.sqlite")
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        await gone.find()
    (tmp_path / "text.sqlite").write_text("this is no database, and it is long enough " * 99)
    damaged = SqlCallbackStore(f"sqlite+aiosqlite:///{tmp_path}/text.sqlite")
    with pytest.raises(StoreUnavailableError, match="damaged, or no database"):
        await damaged.find()


async def test_a_server_that_is_away_shows_no_password(tmp_path: Path) -> None:
    away = SqlCallbackStore(f"postgresql+asyncpg://u:hunter2@/callbacks?host={tmp_path}")
    with pytest.raises(StoreUnavailableError, match="could not be used") as caught:
        await away.add(promised(not_after=BEGAN + timedelta(days=9999)))
    assert "hunter2" not in str(caught.value)
    assert NUMBER not in str(caught.value)


async def test_one_that_comes_back_is_used(postgres: str) -> None:
    database = await new_database(postgres)
    kept = SqlCallbackStore(database, clock=WallClock())
    await kept.add(promised())
    engine = create_async_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        name = database.split("/")[-1].split("?")[0]
        await connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": name},
        )
    await engine.dispose()
    assert await kept.get("c1")  # the pool finds out that its connections are gone
    await kept.aclose()


def test_it_needs_an_extra_only_where_it_is_used() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from livetransfer import ConfigurationError\n"
        "from livetransfer.callbacks import SqlCallbackStore\n"
        "try: SqlCallbackStore('sqlite+aiosqlite:///x')\n"
        "except ConfigurationError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'livetransfer[callbacks]'" in done.stdout, done.stderr


async def test_a_status_that_is_written_is_one_of_those_there_are(tmp_path: Path) -> None:
    kept = store(tmp_path)
    await kept.add(promised())
    await kept.claim("runner", limit=1, seconds=30)
    await kept.take("c1", "job", room="room", seconds=30)
    await kept.dialling("c1", "job")
    for status in (CallbackStatus.CLAIMED, CallbackStatus.CANCELLED, CallbackStatus.DIALLING):
        assert not await kept.end("c1", "job", status)  # nothing that follows dialling


# -- whole, or not at all --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_claim_that_cannot_be_written_down_is_none(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Python's driver for SQLite begins no transaction before a WITH: the claim was half done."""
    database = url(tmp_path)
    if kind == "postgresql":
        database = await new_database(request.getfixturevalue("postgres"))
    kept = SqlCallbackStore(database, clock=WallClock())
    await kept.add(promised())

    async def fails(*_: Any, **__: Any) -> None:
        raise OSError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(sql_table.PromiseTable, "note", fails)
        with pytest.raises(StoreUnavailableError, match="its disk is full"):
            await kept.claim("runner", limit=1, seconds=30)
    found = await kept.get("c1")
    assert found is not None
    assert (found.status, found.owner) == (CallbackStatus.WAITING, None)
    await kept.aclose()


async def test_what_is_logged_of_a_failure_has_no_number(tmp_path: Path) -> None:
    kept = store(tmp_path)
    await kept.find()
    with sqlite3.connect(tmp_path / "callbacks.sqlite") as connection:
        connection.execute("DROP TABLE livetransfer_callback_history")
        connection.execute("DROP TABLE livetransfer_callbacks")
    with pytest.raises(StoreUnavailableError) as caught:
        await kept.add(promised())
    logged = "".join(traceback.format_exception(caught.value))
    assert "5550199" not in logged
    assert "Miller" not in logged


async def test_a_key_may_come_later(tmp_path: Path) -> None:
    await store(tmp_path).add(promised("before"))
    both = store(tmp_path, keys=Fernet.generate_key())
    await both.add(promised("after"))
    assert {promise.id for promise in await both.find(number=NUMBER)} == {"before", "after"}
    with pytest.raises(StoreUnavailableError, match="no key was given"):
        await store(tmp_path).get("after")


async def test_the_name_of_the_room_is_personal(tmp_path: Path) -> None:
    kept = store(tmp_path, keys=Fernet.generate_key())
    await kept.add(promised(call=f"call-{NUMBER}"))
    assert "5550199" not in written(tmp_path)
    found = await kept.get("c1")
    assert found is not None
    assert found.request.call == f"call-{NUMBER}"


async def test_more_than_a_statement_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_table, "AT_ONCE", 2)
    kept = store(tmp_path)
    for number in range(5):
        await kept.add(promised(f"c{number}"))
    found = await kept.find()
    assert [len(promise.request.history) for promise in found] == [1] * 5
