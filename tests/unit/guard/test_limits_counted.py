"""Limits that are counted in a real store, by several processes' guards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livetransfer import DestinationGuard
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationNotAllowedError
from livetransfer.guard import Limits
from livetransfer.stores import MemoryStore

NAMES = ["+15550100", "+15550101"]
ANN, BOB = (Destination(name) for name in NAMES)


async def test_processes_of_one_machine_count_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path))
    one, other = (DestinationGuard(names=NAMES, limits=Limits(at_once=1)) for _ in range(2))

    admission = await one.admit(ANN)
    with pytest.raises(DestinationNotAllowedError, match="1 calls are being made"):
        await other.admit(BOB)
    await admission.release()
    await other.admit(BOB)

    assert (tmp_path / "store.sqlite3").exists()


async def test_a_guard_without_limits_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path))

    await DestinationGuard(names=NAMES).admit(ANN)

    assert list(tmp_path.iterdir()) == []


async def test_minutes_that_were_not_talked_are_given_back() -> None:
    guard = DestinationGuard(names=NAMES, limits=Limits(minutes=1.5), store=MemoryStore())

    first = await guard.admit(ANN)
    with pytest.raises(DestinationNotAllowedError, match="minutes of the day are spent"):
        await guard.admit(ANN)
    await first.settle(10)
    await (await guard.admit(ANN)).settle(40)
    with pytest.raises(DestinationNotAllowedError):
        await guard.admit(ANN)


async def test_where_nothing_can_be_counted_nobody_is_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store.sqlite3").write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path))

    with pytest.raises(DestinationNotAllowedError, match="does not answer"):
        await DestinationGuard(names=NAMES, limits=Limits(per_hour=9)).admit(ANN)


def test_a_store_has_to_be_one() -> None:
    with pytest.raises(ConfigurationError, match="store"):
        DestinationGuard(countries=["DE"], store={})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_caller", 0),
        ("per_hour", True),
        ("at_once", 1.5),
        ("minutes", 0.0),
        ("minutes", float("nan")),
        ("minutes", float("inf")),
        ("longest_call", 1.0),
    ],
)
def test_a_limit_that_is_none_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Limits(**{name: value})
