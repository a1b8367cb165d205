"""Workers are killed at random: nobody is taken twice, and no lease outlives its time."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("killing.py")


async def killing(store: str, reservations: int, within: float) -> dict[str, Any]:
    """Run the program; return what it saw."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        *("--store", store, "--reservations", str(reservations), "--within", str(within)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-2000:]
    print(out.decode())  # the seed, where something is wrong
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def where(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    return f"local:{folder}" if kind == "local" else f"redis:{request.getfixturevalue('redis_url')}"


def nothing_is_wrong(found: dict[str, Any], reservations: int) -> None:
    assert found["reservations"] >= reservations
    assert found["killed"] > reservations / 100
    assert found["looks"] > 20
    assert (found["double_bookings"], found["stale_leases"], found["stranded"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["local", "redis"])
async def test_a_thousand_reservations(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = await killing(where(kind, request, tmp_path), 1000, 90)

    nothing_is_wrong(found, 1000)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["local", "redis"])
async def test_twenty_thousand_reservations(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = await killing(where(kind, request, tmp_path), 20_000, 800)

    nothing_is_wrong(found, 20_000)
