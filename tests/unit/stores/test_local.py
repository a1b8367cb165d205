"""LocalStore: a file, which may be missing, of somebody else, or used by several at once."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from livetransfer.errors import ConfigurationError, StoreUnavailableError
from livetransfer.stores import LocalStore, StoreHealth, Taken, Ticket
from livetransfer.stores.folder import state_folder
from livetransfer.testing import virtual_time


async def test_the_file_is_made_at_the_first_use(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []

    await store.open()

    assert store.path.exists()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0
    await store.aclose()


def test_the_folder_is_the_arguments_the_variables_or_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path / "variable"))
    assert state_folder(tmp_path / "argument") == tmp_path / "argument"
    assert state_folder() == tmp_path / "variable"

    monkeypatch.setenv("LIVETRANSFER_STATE", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert "livetransfer" in str(state_folder())


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for wrong in (tmp_path / "file", 5, " "):
        with pytest.raises(ConfigurationError, match="folder"):
            LocalStore(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["text", "other version", "folder", "no folder"])
async def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, wrong: str) -> None:
    store = LocalStore(tmp_path)
    if wrong == "text":
        store.path.write_bytes(b"this is no database " * 200)
    elif wrong == "other version":
        made = sqlite3.connect(store.path)
        made.execute("PRAGMA user_version = 99")
        made.close()
    elif wrong == "folder":
        store.path.mkdir()
    else:
        (tmp_path / "x").write_text("")
        store = LocalStore(tmp_path / "x" / "below")
    told: list[StoreHealth] = []
    store.listen(told.append)

    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="LIVETRANSFER_STATE"):
            await store.open()

    assert [health.available for health in told] == [False]
    await store.aclose()


async def test_it_recovers_by_itself(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.path.write_bytes(b"this is no database " * 200)
    told: list[StoreHealth] = []
    store.listen(told.append)
    with pytest.raises(StoreUnavailableError):
        await store.snapshot("team", ())

    store.path.unlink()
    await store.pause("team", "anna")

    assert [health.available for health in told] == [False, True]
    await store.aclose()


async def test_one_who_holds_the_file_holds_up_nobody_for_long(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.open()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreUnavailableError, match="locked"):
            await asyncio.wait_for(store.pause("team", "anna"), 5)
    finally:
        other.execute("ROLLBACK")
        other.close()

    await store.pause("team", "anna")
    await store.aclose()


async def test_many_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    stores = [LocalStore(tmp_path) for _ in range(12)]

    await asyncio.gather(*(store.pause("team", f"{i}") for i, store in enumerate(stores)))

    names = [f"{i}" for i in range(12)]
    assert len((await stores[0].snapshot("team", names)).states) == 12
    for store in stores:
        await store.aclose()


async def test_it_is_opened_again_after_it_was_closed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.pause("team", "anna")
    await store.aclose()
    await store.aclose()

    snapshot = await store.snapshot("team", ["anna"])

    assert snapshot.state("anna").pause is not None
    await store.aclose()


async def test_what_is_cancelled_leaves_the_store_usable(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    await store.open()
    for i in range(20):
        step = asyncio.create_task(store.pause("team", f"{i}"))
        await asyncio.sleep(0)
        step.cancel()

    await store.pause("team", "anna")
    names = ["anna", *(f"{i}" for i in range(20))]
    snapshot = await store.snapshot("team", names)
    assert snapshot.state("anna").pause is not None
    assert snapshot.version == len(snapshot.states)
    await store.aclose()


def in_a_fork(store: LocalStore) -> int:
    """Use a store in a process that is forked from this one; return 0 if that went well."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(store.pause("team", "anna"))
        except StoreUnavailableError as error:
            os._exit(2 if "forked" in str(error) else 3)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_is_forked_may_open_it_but_not_share_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert in_a_fork(store) == 0

    async def seen() -> bool:
        return (await store.snapshot("team", ["anna"])).state("anna").pause is not None

    assert asyncio.run(seen())
    assert in_a_fork(store) == 2
    assert asyncio.run(seen())
    asyncio.run(store.aclose())
    assert in_a_fork(store) == 0


async def test_virtual_time_waits_for_the_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    async with virtual_time() as clock:
        found = await store.take("team", Ticket("1", "q"), [["anna"]], ttl=30)
        assert isinstance(found, Taken)
        assert clock.elapsed < 0.1
    await store.aclose()
