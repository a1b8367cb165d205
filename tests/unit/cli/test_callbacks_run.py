"""`livetransfer callbacks run`: a runner in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livetransfer.__main__ import app
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.callbacks import SqlCallbackStore

SERVER = {
    "LIVEKIT_URL": "ws://127.0.0.1:9",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "0123456789abcdef0123456789abcdef",
}


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'callbacks.sqlite'}"


@pytest.mark.parametrize(
    ("env", "store", "said"),
    [
        pytest.param({}, None, "LIVEKIT_URL", id="no server"),
        pytest.param(SERVER, "nonsense://", "it is no address", id="no database"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, env: dict[str, str], store: str | None, said: str
) -> None:
    unset = dict.fromkeys(SERVER, "")
    found = CliRunner().invoke(
        app, ["callbacks", "run", "--database", store or url(tmp_path)], env={**unset, **env}
    )
    assert found.exit_code == 1
    assert said in found.output
    assert "Traceback" not in found.output


def test_it_tells_what_happens_and_gives_back_what_it_has(tmp_path: Path) -> None:
    """No server is there: the callback waits, and is not lost when the runner is stopped."""

    async def look(*, add: bool) -> Any:
        store, now = SqlCallbackStore(url(tmp_path)), datetime.now(timezone.utc)
        try:
            if add:
                hour = timedelta(hours=1)
                await store.add(
                    CallbackRequest("c1", "+15550199", not_before=now, not_after=now + hour)
                )
            return (await store.get("c1"), now)
        finally:
            await store.aclose()

    asyncio.run(look(add=True))
    command = [sys.executable, "-m", "livetransfer", "callbacks", "run", "--json"]
    with subprocess.Popen(
        [*command, "--database", url(tmp_path), "--every", "0.2"],
        env={**os.environ, **SERVER},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert told["event"] == "CallbackNotTaken"
    assert told["id"] == "c1"
    assert "could not be reached at LIVEKIT_URL" in told["reason"]
    assert "15550199" not in json.dumps(told)
    promise, now = asyncio.run(look(add=False))
    assert promise.status is CallbackStatus.WAITING
    assert promise.due > now
