"""When somebody takes calls."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from livetransfer import ConfigurationError
from livetransfer.routing import Hours

BERLIN = ZoneInfo("Europe/Berlin")
WEEK = Hours("Mo-Fr 09:00-17:00; PH off", timezone="Europe/Berlin", country="DE")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("instant", "is_open"),
    [
        (utc(2026, 3, 27, 7, 59), False),
        (utc(2026, 3, 27, 8, 0), True),
        (utc(2026, 3, 27, 15, 59), True),
        (utc(2026, 3, 27, 16, 0), False),
        (utc(2026, 3, 30, 7, 0), True),  # summer time has begun
        (utc(2026, 4, 3, 10, 0), False),  # Good Friday
        (utc(2026, 12, 25, 10, 0), False),
        (utc(2026, 3, 28, 10, 0), False),  # a Saturday
    ],
)
def test_open_in_its_own_time_zone_and_not_on_holidays(instant: datetime, is_open: bool) -> None:
    assert WEEK.open_at(instant) is is_open
    assert WEEK.open_at(instant.astimezone(ZoneInfo("Asia/Tokyo"))) is is_open


def test_when_it_changes_and_when_it_opens() -> None:
    assert WEEK.next_change(utc(2026, 3, 27, 10)) == datetime(2026, 3, 27, 17, tzinfo=BERLIN)
    assert WEEK.next_change(utc(2026, 3, 27, 18)) == datetime(2026, 3, 30, 9, tzinfo=BERLIN)
    assert WEEK.opens_after(utc(2026, 4, 2, 18)) == datetime(2026, 4, 7, 9, tzinfo=BERLIN)
    assert WEEK.opens_after(utc(2026, 3, 27, 10)) is None
    always = Hours("24/7", timezone="UTC")
    assert always.next_change(utc(2026, 1, 1)) is None
    assert always.open_at(utc(2026, 1, 1))


@pytest.mark.parametrize(
    ("opening", "zone", "country", "field"),
    [
        ("", "UTC", None, "hours.opening"),
        ("whenever", "UTC", None, "hours.opening"),
        ("Mo-Fr 9-17", "UTC", None, "hours.opening"),
        ("off", "UTC", None, "hours.opening"),
        ("2020 Mo-Fr 09:00-17:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 09:00-13:00,12:00-17:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 22:00-06:00,05:00-07:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 09:00-17:00, Fr 16:00-20:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 08:00+, We 16:00-20:00", "UTC", None, "hours.opening"),
        ("We 16:00-20:00, Mo-Fr 08:00+", "UTC", None, "hours.opening"),
        ("Mo-Fr 08:00+,16:00-20:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 16:00-20:00,08:00+", "UTC", None, "hours.opening"),
        ("Mo-Fr 09:00 - 13:00, 12:00 - 17:00", "UTC", None, "hours.opening"),
        ("24/7, Mo 10:00-12:00", "UTC", None, "hours.opening"),
        ("sunrise-sunset, Mo 10:00-12:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 10:00-sunset, Mo 10:00-12:00", "UTC", None, "hours.opening"),
        ("Mo-Fr 10:00-12:00 open, We 11:00-12:00", "UTC", None, "hours.opening"),
        ('Mo-Fr 10:00-12:00 "by the door", We 11:00-12:00', "UTC", None, "hours.opening"),
        ("Mo-Fr 10:00-(sunset+01:00), We 11:00-12:00", "UTC", None, "hours.opening"),
        ("08:00-10:00, We 20:00+, Th 09:00-11:00", "UTC", None, "hours.opening"),
        ("24/7", "Europe/Atlantis", None, "hours.timezone"),
        ("24/7", "", None, "hours.timezone"),
        ("24/7", None, None, "hours.timezone"),
        ("24/7", "UTC", "XX", "hours.country"),
        ("24/7", "UTC", "de", "hours.country"),
        ("24/7", "UTC", 49, "hours.country"),
        ("Mo-Fr 09:00-17:00; PH off", "UTC", None, "hours.country"),
    ],
)
def test_what_cannot_be_used_is_refused(opening: str, zone: str, country: str, field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Hours(opening, timezone=zone, country=country)
    assert raised.value.field == field


@pytest.mark.parametrize(
    "opening",
    [
        "Mo-Fr 09:00-12:00,13:00-17:00",
        "Mo-Fr 09:00-17:00, Sa 10:00-14:00",
        "22:00-06:00",
        "Mo-Fr 08:00+, Sa 16:00-20:00",
        "Mo-Fr 08:00-12:00,16:00+",
        "Mo-Fr 08:00-12:00, We 16:00+",
        "Mo-Fr 08:00-12:00 open, Mo,We 13:00+",
        "Mo,We 09:00-12:00",
        "Jan,Mar 09:00-12:00",
        "Mo-Fr 09:00-17:00, Dec 24 off",
    ],
)
def test_hours_that_do_not_overlap(opening: str) -> None:
    Hours(opening, timezone="Europe/Berlin")


def test_a_moment_has_a_time_zone() -> None:
    with pytest.raises(ConfigurationError, match="time zone"):
        WEEK.open_at(datetime(2026, 3, 27, 10))


def test_equal_copied_and_pickled() -> None:
    for other in (copy.copy(WEEK), copy.deepcopy(WEEK), pickle.loads(pickle.dumps(WEEK))):
        assert other == WEEK
        assert hash(other) == hash(WEEK)
        assert other.open_at(utc(2026, 3, 27, 10))
