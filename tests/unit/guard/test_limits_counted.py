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


OPEN = {
    "countries": ["DE"],
    "domains": [
        *("pbx.example.com", "2*@pbx.example.com"),
        *("*.branch.example.com", "2*@*.branch.example.com"),
    ],
    "names": [
        Destination("00493012345678", kind="user"),
        Destination("+49-30-12345678", kind="user"),
        "sip:00493012345678@pbx.example.com",
        "sip:+493012345678;phone-context=x@pbx.example.com",
        "sip:ann@a.branch.example.com",
        "sip:ann@b.branch.example.com",
    ],
}


@pytest.mark.parametrize(
    "spelled",
    [
        "+493012345678",
        "tel:+493012345678",
        "sip:+493012345678@pbx.example.com",
        "SIPS:+493012345678@PBX.example.com:5061;user=phone",
        "sip:+493012345678@ann.branch.example.com",
        "sip:00493012345678@pbx.example.com",
        "sip:+493012345678;phone-context=x@pbx.example.com",
        Destination("00493012345678", kind="user"),
        Destination("+49-30-12345678", kind="user"),
    ],
    ids=lambda spelled: getattr(spelled, "address", spelled),
)
@pytest.mark.parametrize(
    ("limits", "match"),
    [(Limits(per_destination=1), "it was called"), (Limits(per_country=1), "its country was")],
    ids=["destination", "country"],
)
async def test_a_number_is_one_however_it_is_spelled(
    spelled: str | Destination, limits: Limits, match: str
) -> None:
    guard = DestinationGuard(**OPEN, limits=limits, store=MemoryStore())  # type: ignore[arg-type]
    await guard.admit(Destination("+493012345678"))
    with pytest.raises(DestinationNotAllowedError, match=match):
        await guard.admit(Destination.parse(spelled))


@pytest.mark.parametrize(
    ("first", "again", "trunk_id"),
    [
        ("sip:ann@pbx.example.com", "SIPS:ANN@PBX.example.com:5061;transport=tls", None),
        ("sip:2001@pbx.example.com", "sip:2-0.0_1@pbx.example.com:5060", None),
        ("sip:ann@a.branch.example.com", "sip:ann@b.branch.example.com", "ST_1"),
    ],
)
async def test_a_user_is_one_however_he_is_spelled(
    first: str, again: str, trunk_id: str | None
) -> None:
    limits = Limits(per_destination=1)
    guard = DestinationGuard(**OPEN, limits=limits, store=MemoryStore())  # type: ignore[arg-type]
    await guard.admit(Destination(first), trunk_id=trunk_id)
    with pytest.raises(DestinationNotAllowedError, match="it was called"):
        await guard.admit(Destination(again), trunk_id=trunk_id)


async def test_two_phones_are_two() -> None:
    limits = Limits(per_destination=1)
    guard = DestinationGuard(**OPEN, limits=limits, store=MemoryStore())  # type: ignore[arg-type]
    for address in (
        "+493012345678",
        "+493012345679",
        "sip:2001@pbx.example.com",
        "sip:2002@pbx.example.com",
        "sip:2001@ann.branch.example.com",
        "sip:ann@pbx.example.com",
    ):
        await guard.admit(Destination(address))


@pytest.mark.parametrize(
    "spelled",
    [
        "00493055501",
        "493055501",
        "+49 30 555-01",
        "sip:+493055501@a.net;user=phone",
        "tel:+493055501",
    ],
)
async def test_a_caller_is_one_however_his_number_is_spelled(spelled: str) -> None:
    guard = DestinationGuard(names=NAMES, limits=Limits(per_caller=1), store=MemoryStore())
    await guard.admit(ANN, caller="+493055501")
    with pytest.raises(DestinationNotAllowedError, match="this caller"):
        await guard.admit(ANN, caller=spelled)
    await guard.admit(ANN, caller="+493055502")


async def test_who_withholds_his_number_is_counted_with_those_who_have_none() -> None:
    guard = DestinationGuard(names=NAMES, limits=Limits(per_caller=1), store=MemoryStore())
    await guard.admit(ANN, caller=None)
    for withheld in ("Anonymous", "sip:anonymous@anonymous.invalid", "anonymous;tag=1", " "):
        with pytest.raises(DestinationNotAllowedError, match="this caller"):
            await guard.admit(ANN, caller=withheld)


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
