"""CallAgain: when a caller who was not reached is called again. Frozen and pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from livetransfer._checks import check_seconds
from livetransfer._user_code import CodeFailed, ask_now
from livetransfer.callback_request import CallbackRequest
from livetransfer.errors import ConfigurationError

__all__ = ["CallAgain"]


@dataclass(frozen=True)
class CallAgain:
    """When a caller who was not reached is called again: inside his window, and in hours.

    For a caller whose phone rang out, was busy, or had its mailbox answer. How often at most, his
    request says (`attempts`). Not for a number that does not exist: that one has failed.

    Args:
        pauses: Seconds to wait after the first time, the second, and so on; the last one stands
            for all that follow.
        unmanned: Seconds to wait where no human was free, or he was lost before the caller
            had answered. The caller's phone has not rung then, or not for long.
        hours: When callers may be called: `Hours`, or a function of a moment that says whether;
            None: at any time of his window.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    pauses: Sequence[float] = (300.0, 1800.0, 3600.0)
    unmanned: float = 120.0
    hours: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pauses", tuple(self.pauses))
        if not self.pauses:
            raise ConfigurationError("pauses", self.pauses, "give at least one")
        for pause in self.pauses:
            check_seconds("pauses", pause, 1, 7 * 24 * 3600)
        check_seconds("unmanned", self.unmanned, 1, 24 * 3600)
        if self.hours is not None and not (
            callable(self.hours) or callable(getattr(self.hours, "open_at", None))
        ):
            raise ConfigurationError("hours", self.hours, "give Hours, or a function of a moment")

    def opens(self, moment: datetime) -> datetime | None:
        """Return from when on a caller may be called: `moment`, or when it opens after it.

        None where nobody knows: it is closed, and nothing says when it opens.

        Raises:
            CodeFailed: `hours` raised.
        """
        hours = self.hours
        if hours is None:
            return moment
        is_open: Callable[[datetime], Any] = getattr(hours, "open_at", hours)
        if ask_now("hours", lambda: is_open(moment)):
            return moment
        opens_after = getattr(hours, "opens_after", None)
        return None if opens_after is None else ask_now("hours", lambda: opens_after(moment))

    def after(
        self, request: CallbackRequest, *, calls: int, unmanned: bool, now: datetime
    ) -> datetime | None:
        """Return when he is called next; None: not any more.

        Args:
            request: What was promised.
            calls: How many times he was dialled.
            unmanned: Whether it was for want of a human.
            now: This moment.
        """
        if calls >= request.attempts:
            return None
        pause = self.unmanned if unmanned else self.pauses[min(calls, len(self.pauses)) - 1]
        try:
            due = self.opens(now + timedelta(seconds=pause))
        except CodeFailed:
            due = now + timedelta(seconds=pause)
        return due if due is not None and due < request.not_after else None
