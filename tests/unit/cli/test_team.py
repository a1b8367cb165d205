"""`livetransfer team`: what it shows and does, over the store that calls on this machine share."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from livetransfer.__main__ import app
from livetransfer.routing import Offer, RouteRequest, Team, Wait
from livetransfer.stores import LocalStore

TEAM = """\
members:
  - {name: anna, destination: "+15550101"}
  - {name: "ben [x]", destination: "+15550102"}
queues:
  - {name: billing, members: [anna], about: Bills}
  - {name: sales, members: ["ben [x]"]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "team.yaml"
    path.write_text(TEAM)
    return path


def run(file: Path, *args: str, code: int = 0) -> str:
    """Run the command against a store in the file's folder; return what it printed."""
    where = ["--file", str(file), "--store", str(file.parent / "state")]
    result = CliRunner().invoke(app, ["team", *args, *where], env={"COLUMNS": "120"})
    assert result.exit_code == code, result.output
    return result.output


def look(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(file, "status", "--json"))
    return found


def test_status_of_calls_that_are_under_way(file: Path) -> None:
    async def two_calls() -> None:
        team = Team.from_file(file, store=LocalStore(file.parent / "state"))
        offer = await team.offer(RouteRequest("billing", call="one"), ())
        assert isinstance(offer, Offer)
        assert offer.leases[0] is not None
        await offer.leases[0].talking()
        wait = await team.offer(RouteRequest("billing", call="two"), ())
        assert isinstance(wait, Wait)
        shown = await asyncio.to_thread(run, file, "status")
        assert "talking" in shown
        assert "ben [x]" in shown
        found = await asyncio.to_thread(look, file)
        assert [m["presence"] for m in found["members"]] == ["talking", "available"]
        assert [q["waiting"] for q in found["queues"]] == [1, 0]
        await team.aclose()

    asyncio.run(two_calls())


def test_pause_and_resume(file: Path) -> None:
    run(file, "pause", "anna", "--reason", "lunch", "--seconds", "1800")
    anna = look(file)["members"][0]
    assert (anna["presence"], anna["reason"]) == ("paused", "lunch")
    assert 1790 < anna["resumes_in"] <= 1800
    shown = run(file, "status")
    assert "lunch (30:00 left)" in shown or "lunch (29:5" in shown
    run(file, "resume", "anna")
    assert look(file)["members"][0]["presence"] == "available"


@pytest.mark.parametrize("args", [("pause", "nobody"), ("resume", "nobody")])
def test_somebody_whom_the_team_does_not_have(file: Path, args: tuple[str, ...]) -> None:
    assert "no such member" in run(file, *args, code=1)


def test_a_file_that_is_wrong_and_a_store_that_is_not_there(file: Path) -> None:
    file.write_text(TEAM.replace("[anna]", "[bob]"))
    assert "line 5" in " ".join(run(file, "status", code=1).split())
    file.write_text(TEAM)
    redis = ["team", "status", "--file", str(file), "--store", "redis://127.0.0.1:1"]
    result = CliRunner().invoke(app, redis)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


HEEDS_INTERRUPTS = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from livetransfer.__main__ import main; main()"
)
"""`python -m livetransfer`; what a shell starts in the background ignores SIGINT otherwise."""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_it_is_watched_until_it_is_interrupted(file: Path) -> None:
    command = [sys.executable, "-c", HEEDS_INTERRUPTS, "team", "status", "--watch", "--json"]
    command += ["--every", "0.2", "--file", str(file), "--store", str(file.parent / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        run(file, "pause", "anna")
        until = time.monotonic() + 20
        while json.loads(process.stdout.readline()) == first:
            assert time.monotonic() < until
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_live_table(file: Path) -> None:
    command = [
        sys.executable,
        "-c",
        HEEDS_INTERRUPTS,
        "team",
        "status",
        "--watch",
        "--every",
        "0.2",
    ]
    command += ["--file", str(file), "--store", str(file.parent / "state")]
    env = os.environ | {"FORCE_COLOR": "1", "COLUMNS": "100", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        seen = ""
        until = time.monotonic() + 20
        while "anna" not in seen:
            seen += process.stdout.readline()
            assert time.monotonic() < until
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert "Traceback" not in seen + rest
    assert process.returncode == 0
