"""Hours: when somebody takes calls, in the words of OpenStreetMap, with holidays and time zone."""

from __future__ import annotations

import importlib
import itertools
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from livetransfer.errors import ConfigurationError

if TYPE_CHECKING:
    from opening_hours import OpeningHours

__all__ = ["Hours"]

AHEAD = timedelta(days=366)
"""How far it is looked for hours that overlap."""

_SPAN = re.compile(r"(\d{1,2}):(\d{2})(?:\+|\s*-\s*(\d{1,2}):(\d{2}))")
_SPANS = re.compile(rf"{_SPAN.pattern}(?:\s*,\s*{_SPAN.pattern})+")
_COMMENT = re.compile(r'"[^"]*"')
# The comma between two rules that both hold, not the one between two times or two days.
_ENDS = (r":\d\d", r"[+)]", "24/7", "dawn", "sunrise", "sunset", "dusk")
_STATES = ("open", "off", "closed", "unknown")
_BEFORE = "|".join(f"(?<={end})" for end in (*_ENDS, *_STATES))
_AND = re.compile(rf"(?:{_BEFORE})\s*,\s*(?=[A-Z])")


@dataclass(frozen=True)
class Hours:
    """When somebody takes calls, in OpenStreetMap's syntax for opening hours.

    ``Hours("Mo-Fr 09:00-17:00; PH off", timezone="Europe/Berlin", country="DE")`` is closed on
    German public holidays. It needs ``pip install 'livetransfer[hours]'``.

    Args:
        opening: The hours, such as ``"Mo-Fr 09:00-12:00,13:00-17:00; Sa 10:00-14:00"``; see
            https://wiki.openstreetmap.org/wiki/Key:opening_hours. A rule after a semicolon
            replaces those before it on its days.
        timezone: The time zone that they are meant in, such as ``"Europe/Berlin"``.
        country: Two letters: whose public holidays ``PH`` are. Without it ``PH`` is no day.

    Raises:
        ConfigurationError: The hours cannot be read, overlap, or never come; the time zone or the
            country is not known; or the extra is not installed.
    """

    opening: str
    timezone: str
    country: str | None = None
    _read: OpeningHours = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.opening, str) or not self.opening.strip():
            raise ConfigurationError(
                "hours.opening", self.opening, 'give hours, like "Mo-Fr 09:00-17:00"'
            )
        object.__setattr__(self, "_zone", _zone(self.timezone))
        object.__setattr__(self, "_read", self._parsed(self.opening))
        if re.search(r"\bPH\b", self.opening) and self.country is None:
            raise ConfigurationError(
                "hours.country", None, 'PH needs a country, in two letters, like "DE"'
            )
        self._check_overlap()
        now = datetime.now(timezone.utc)
        if not self.open_at(now) and self.next_change(now) is None:
            raise ConfigurationError("hours.opening", self.opening, "it is never open")

    def _parsed(self, opening: str) -> OpeningHours:
        try:
            opening_hours: Any = importlib.import_module("opening_hours")
        except ImportError as error:
            raise ConfigurationError(
                "hours", opening, "run pip install 'livetransfer[hours]'"
            ) from error
        try:
            read: OpeningHours = opening_hours.OpeningHours(
                opening, timezone=self._zone, country=self.country, auto_country=False
            )
        except opening_hours.UnknownCountryError:
            raise ConfigurationError(
                "hours.country", self.country, 'use the two letters of ISO 3166, like "DE"'
            ) from None
        except opening_hours.ParserError as error:
            where = re.search(r"--> \d+:(\d+)", str(error))
            at = f" at character {where.group(1)}" if where else ""
            raise ConfigurationError(
                "hours.opening",
                opening,
                f'it cannot be read{at}; write it like "Mo-Fr 09:00-17:00; PH off"',
            ) from None
        except TypeError as error:
            raise ConfigurationError("hours.country", self.country, "give two letters") from error
        return read

    def _check_overlap(self) -> None:
        opening = _COMMENT.sub("", self.opening)
        for spans in _SPANS.finditer(opening):
            times = [span.groups() for span in _SPAN.finditer(spans.group())]
            minutes = []
            for h1, m1, h2, m2 in times:
                begin = 60 * int(h1) + int(m1)
                # With a plus it is open until midnight.
                end = 24 * 60 if h2 is None else 60 * int(h2) + int(m2)
                minutes.append((begin, end if end > begin else end + 24 * 60))
            minutes.sort()
            minutes.append((minutes[0][0] + 24 * 60, minutes[0][1] + 24 * 60))  # the next day
            for (_, end), (begin, _) in itertools.pairwise(minutes):
                if begin < end:
                    raise ConfigurationError(
                        "hours.opening", self.opening, f"{spans.group()} overlaps with itself"
                    )
        for rule in opening.split(";"):
            parts = _AND.split(rule)
            for one, other in itertools.combinations(parts, 2):
                if len(parts) > 1 and self._meet(one, other):
                    raise ConfigurationError(
                        "hours.opening",
                        self.opening,
                        f"{one.strip()!r} overlaps with {other.strip()!r}",
                    )

    def _meet(self, one: str, other: str) -> bool:
        first, second = self._parsed(one), self._parsed(other)
        start = datetime.now(self._zone)
        spans: Any = first.intervals(start, start + AHEAD)
        for begin, end, state, *_ in spans:
            if str(state).lower() != "open" and state is not True:
                continue
            if second.is_open(begin):
                return True
            change = second.next_change(begin)
            if change is not None and end is not None and change < end and second.is_open(change):
                return True
        return False

    def _local(self, instant: datetime) -> datetime:
        if instant.tzinfo is None:
            raise ConfigurationError("instant", instant, "give it a time zone")
        return instant.astimezone(self._zone)

    def open_at(self, instant: datetime) -> bool:
        """Return whether it is open at `instant`, which has a time zone."""
        return self._read.is_open(self._local(instant))

    def next_change(self, instant: datetime) -> datetime | None:
        """Return when it opens or closes next after `instant`; None where it does not any more."""
        return self._read.next_change(self._local(instant))

    def opens_after(self, instant: datetime) -> datetime | None:
        """Return when it opens next, in its own time zone; None while it is open, or for never."""
        local = self._local(instant)
        if self._read.is_open(local):
            return None
        change = self._read.next_change(local)
        # States that are neither, as "unknown", may come before.
        while change is not None and not self._read.is_open(change):
            change = self._read.next_change(change)
        return change

    def __reduce__(self) -> tuple[Any, ...]:
        return Hours, (self.opening, self.timezone, self.country)


def _zone(name: object) -> ZoneInfo:
    remedy = 'use a name of the IANA database, like "Europe/Berlin"'
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError("hours.timezone", name, remedy)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError("hours.timezone", name, remedy) from None
