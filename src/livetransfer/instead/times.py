"""Times at which a caller may be called back: read, checked, and said in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from livetransfer._user_code import CodeFailed, ask_now

__all__ = ["NoTime", "Window", "in_words", "window"]

SOON = frozenset({"now", "soon", "as soon as possible", "asap"})
PAST = timedelta(minutes=2)
"""How far back a time may lie: a model takes its while to write it."""
SHORTEST = timedelta(minutes=5)

Window = tuple[datetime, datetime]


class NoTime(ValueError):
    """A time at which nobody is called back; its text says why, and what to do."""


def now() -> datetime:
    """Return this moment."""
    return datetime.now(timezone.utc)


def window(
    when: str, *, zone: ZoneInfo, hours: Any, seconds: float, ahead: int, at: datetime
) -> Window:
    """Return from when to when a caller is called back who has said `when`.

    Args:
        when: ``"soon"``, or a date and time as ISO 8601 has it, in `zone` where it names none.
        zone: The caller's time zone.
        hours: When somebody calls back; None: at any time.
        seconds: How long the window is.
        ahead: How many days ahead it may begin.
        at: This moment.

    Raises:
        NoTime: There is no such time, or nobody calls then.
    """
    here = at.astimezone(zone)
    length = timedelta(seconds=seconds)
    begins = here if when.strip().casefold() in SOON else _read(when, zone, here)
    if begins < here - PAST:
        raise NoTime(
            f"That is in the past: it is {in_words(here, here)} now. Ask for a later time."
        )
    begins = max(begins, here)
    if begins > here + timedelta(days=ahead):
        raise NoTime(f"That is more than {ahead} days ahead. Ask the caller for an earlier time.")
    if hours is None:
        return begins, begins + length
    if not _open(hours, begins):
        raise NoTime(_closed(hours, begins, here))
    ends = min(begins + length, _closes(hours, begins) or begins + length)
    if ends - begins < SHORTEST:
        raise NoTime(_closed(hours, ends, here))
    return begins, ends


def _read(when: str, zone: ZoneInfo, here: datetime) -> datetime:
    text = when.strip()
    if text.endswith(("Z", "z")):
        text = text[:-1] + "+00:00"
    try:
        if len(text) <= 10:
            raise ValueError("a day without a time")
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NoTime(
            'That is no date and time. Write "soon", or the date and the time of day, like '
            f'"{here:%Y-%m-%dT%H:%M}", which is now.'
        ) from None
    local = found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)
    # A time that the change to summer time leaves out becomes one that there is.
    return local.astimezone(timezone.utc).astimezone(zone)


def _open(hours: Any, moment: datetime) -> bool:
    code: Callable[[datetime], Any] = getattr(hours, "open_at", hours)
    try:
        return bool(ask_now("hours", lambda: code(moment)))
    except CodeFailed as failed:
        raise NoTime(
            "It cannot be found out now whether somebody calls back then. Tell the caller that a "
            "callback cannot be promised."
        ) from failed


def _asked(hours: Any, name: str, moment: datetime) -> datetime | None:
    code = getattr(hours, name, None)
    if code is None:
        return None
    try:
        found = ask_now("hours", lambda: code(moment))
    except CodeFailed:
        return None
    return found if isinstance(found, datetime) and found.tzinfo is not None else None


def _closes(hours: Any, moment: datetime) -> datetime | None:
    found = _asked(hours, "next_change", moment)
    return None if found is None else found.astimezone(moment.tzinfo)


def _closed(hours: Any, moment: datetime, here: datetime) -> str:
    opens = _asked(hours, "opens_after", moment)
    if opens is None:
        return "Nobody calls back at that time. Ask the caller for another one."
    local = opens.astimezone(here.tzinfo)
    return (
        f"Nobody calls back at that time. The next time is {in_words(local, here)} "
        f'("{local:%Y-%m-%dT%H:%M}"). Ask the caller whether that is convenient.'
    )


def in_words(moment: datetime, here: datetime) -> str:
    """Return a moment as it is said, beside `here`, which is now: ``"today at 15:30"``."""
    days = (moment.date() - here.date()).days
    day = {0: "today", 1: "tomorrow"}.get(days, f"{moment:%A} {moment.day} {moment:%B}")
    return f"{day} at {moment:%H:%M}"
