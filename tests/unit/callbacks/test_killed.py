"""Runners and workers are killed at random: no promise is lost, and nobody is called twice."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .rigs import new_database

PROGRAM = Path(__file__).with_name("killing.py")


async def killing(database: str, callbacks: int, within: float) -> dict[str, Any]:
    """Run the program; return what it saw."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        *("--database", database, "--callbacks", str(callbacks), "--within", str(within)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    print(out.decode())  # the seed, where something is wrong
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


async def where(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite+aiosqlite:///{folder}/callbacks.sqlite"
    return await new_database(request.getfixturevalue("postgres"))


def nothing_is_wrong(found: dict[str, Any], callbacks: int) -> None:
    assert found["killed"] > callbacks / 100
    assert found["done"] + found["indeterminate"] == callbacks
    assert found["done"] > 0.6 * callbacks
    assert found["dials"] > callbacks  # of some, nobody answered the first time
    assert (found["lost"], found["doubled"]) == (0, 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_hundred(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    found = await killing(await where(kind, request, tmp_path), 100, 90)

    nothing_is_wrong(found, 100)


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_ten_thousand(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    found = await killing(await where(kind, request, tmp_path), 10_000, 1400)

    nothing_is_wrong(found, 10_000)
