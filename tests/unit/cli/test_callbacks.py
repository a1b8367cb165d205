"""`livetransfer callbacks`: what was promised, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from livetransfer.__main__ import app
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.callbacks import SqlCallbackStore

NOW = datetime.now(timezone.utc)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/callbacks.sqlite"


def use(database: str, work: Callable[[SqlCallbackStore], Any], **options: Any) -> Any:
    async def used() -> Any:
        store = SqlCallbackStore(database, **options)
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(used())


def promise(database: str, *keys: str, **options: Any) -> None:
    async def add(store: SqlCallbackStore) -> None:
        for minutes, key in enumerate(keys):
            due = NOW - timedelta(minutes=9 - minutes)
            await store.add(
                CallbackRequest(
                    key,
                    f"+155501991{minutes}",
                    due,
                    due + timedelta(hours=4),
                    timezone="Europe/Berlin",
                    queue="billing",
                    reason="The invoice is [wrong].",
                )
            )

    use(database, add, **options)


def ended(database: str, key: str, status: CallbackStatus) -> None:
    async def end(store: SqlCallbackStore) -> None:
        await store.claim("runner", limit=9, seconds=30)
        assert await store.take(key, "job", room="room", seconds=30)
        assert await store.dialling(key, "job")
        assert await store.end(key, "job", status, reason="as it was")

    use(database, end)


def call(database: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["callbacks", *arguments, "--database", database])


def test_they_are_listed_for_people(database: str) -> None:
    promise(database, "c1", "c2")
    result = call(database, "list")
    assert result.exit_code == 0
    assert "c1" in result.stdout
    assert "waiting" in result.stdout
    assert "…9910" in result.stdout
    assert "+15550199" not in result.stdout
    assert "0/3" in result.stdout


def test_and_for_programs(database: str) -> None:
    promise(database, "c1", "c2")
    ended(database, "c1", CallbackStatus.DONE)
    found = json.loads(call(database, "list", "--json", "--numbers", "--status", "done").stdout)
    (one,) = found
    assert (one["id"], one["status"], one["number"]) == ("c1", "done", "+1555019910")
    assert [entry["status"] for entry in one["history"]][-2:] == ["dialling", "done"]
    assert datetime.fromisoformat(one["due"]).tzinfo is not None
    assert json.loads(call(database, "list", "--json", "--number", "+15550000").stdout) == []


def test_one_is_shown_by_the_beginning_of_its_name(database: str) -> None:
    promise(database, "abc1", "abd2")
    ended(database, "abc1", CallbackStatus.FAILED)
    result = call(database, "show", "abc")
    assert result.exit_code == 0
    assert "The invoice is [wrong]." in result.stdout
    assert "failed  as it was" in result.stdout
    for key, says in (("ab", "2 promised calls begin"), ("x", "there is no 'x'")):
        refused = call(database, "show", key)
        assert refused.exit_code == 1
        assert says in refused.stderr


def test_one_is_cancelled_until_it_is_dialled(database: str) -> None:
    promise(database, "c1", "c2")
    result = call(database, "cancel", "c1", "--reason", "solved", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["history"][-1] == {
        "at": json.loads(result.stdout)["history"][-1]["at"],
        "status": "cancelled",
        "reason": "solved",
    }
    ended(database, "c2", CallbackStatus.DONE)
    refused = call(database, "cancel", "c2")
    assert refused.exit_code == 1
    assert "it is done" in refused.stderr


def test_one_is_made_again(database: str) -> None:
    promise(database, "c1")
    assert "it is waiting, and is not made again" in call(database, "retry", "c1").stderr
    ended(database, "c1", CallbackStatus.INDETERMINATE)
    result = call(database, "retry", "c1", "--minutes", "30", "--json")
    assert result.exit_code == 0
    again = json.loads(result.stdout)
    assert again["status"] == "waiting"
    window = datetime.fromisoformat(again["not_after"]) - datetime.fromisoformat(again["due"])
    assert window == timedelta(minutes=30)


def test_what_is_encrypted_is_read_with_its_key(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    promise(database, "c1", keys=old)
    monkeypatch.setenv("LIVETRANSFER_CALLBACK_KEYS", f"{new}, {old}")
    assert "…9910" in call(database, "list").stdout
    monkeypatch.setenv("LIVETRANSFER_CALLBACK_KEYS", new)
    refused = call(database, "list")
    assert refused.exit_code == 1
    assert "not among those given" in " ".join(refused.stderr.split())


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    refused = call(f"sqlite+aiosqlite:///{tmp_path}/no/file.sqlite", "list")
    assert refused.exit_code == 1
    assert "cannot be opened" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
