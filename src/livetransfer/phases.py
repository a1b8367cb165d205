"""The phases of a transfer and which may follow which: one table, no I/O.

An illegal move raises [`IllegalMove`][livetransfer.phases.IllegalMove]. The only writer of a
transfer's phase is [`Phases.move`][livetransfer.phases.Phases.move], which logs, then notifies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

__all__ = ["TABLE", "IllegalMove", "Phase", "Phases"]

logger = logging.getLogger("livetransfer")


class Phase(str, Enum):
    """Where a transfer is."""

    IDLE = "idle"
    ANNOUNCING = "announcing"
    HOLDING = "holding"
    WAITING = "waiting"
    """Nobody is free: the caller waits in a queue."""
    DIALLING = "dialling"
    RINGING = "ringing"
    BRIEFING = "briefing"
    BRIDGING = "bridging"
    BRIDGED = "bridged"
    REFERRING = "referring"
    REFERRED = "referred"
    RETURNED = "returned"
    """The caller is (again) with the AI."""
    ENDED = "ended"

    def __str__(self) -> str:
        return self.value


_P = Phase
_LEAVE = frozenset({_P.RETURNED, _P.ENDED})

TABLE: dict[Phase, frozenset[Phase]] = {
    _P.IDLE: frozenset({_P.ANNOUNCING}) | _LEAVE,
    _P.ANNOUNCING: frozenset({_P.HOLDING, _P.WAITING, _P.REFERRING, _P.DIALLING}) | _LEAVE,
    _P.HOLDING: frozenset({_P.WAITING, _P.DIALLING, _P.RINGING, _P.REFERRING, _P.BRIEFING})
    | _LEAVE,
    _P.WAITING: frozenset({_P.HOLDING, _P.DIALLING, _P.REFERRING}) | _LEAVE,
    _P.DIALLING: frozenset(
        {_P.DIALLING, _P.RINGING, _P.BRIEFING, _P.BRIDGING, _P.HOLDING, _P.WAITING}
    )
    | _LEAVE,
    _P.RINGING: frozenset({_P.DIALLING, _P.BRIEFING, _P.BRIDGING, _P.HOLDING, _P.WAITING}) | _LEAVE,
    _P.BRIEFING: frozenset({_P.BRIDGING, _P.HOLDING, _P.DIALLING, _P.RINGING}) | _LEAVE,
    _P.BRIDGING: frozenset({_P.BRIDGED, _P.HOLDING}) | _LEAVE,
    _P.BRIDGED: _LEAVE,
    _P.REFERRING: frozenset({_P.REFERRED, _P.HOLDING}) | _LEAVE,
    _P.REFERRED: frozenset({_P.ENDED}),
    _P.RETURNED: frozenset(),
    _P.ENDED: frozenset(),
}
"""From each phase, the phases that may follow.

HOLDING, WAITING, or DIALLING, again is the next attempt. Of several phones that ring together, the
phase is that of the one which has come furthest: from BRIEFING it may go back to RINGING.
"""


class IllegalMove(RuntimeError):
    """A transfer tried to go from one phase to another that cannot follow it: a defect here."""


class Phases:
    """The phase of one transfer, the moments each began, and who is told.

    Args:
        now: Returns the time in seconds; only differences matter.
        notify: Called as ``notify(old, new)`` after each move.
    """

    def __init__(self, now: Callable[[], float], notify: Callable[[Phase, Phase], None]) -> None:
        self._now = now
        self._notify = notify
        self._current = Phase.IDLE
        self._since = now()
        self._spent: dict[str, float] = {}

    @property
    def current(self) -> Phase:
        """The phase the transfer is in."""
        return self._current

    @property
    def over(self) -> bool:
        """Whether no move is possible any more."""
        return not TABLE[self._current]

    def move(self, new: Phase) -> None:
        """Go to `new`.

        Raises:
            IllegalMove: `new` cannot follow the current phase.
        """
        old = self._current
        if new not in TABLE[old]:
            raise IllegalMove(f"{old} -> {new}")
        now = self._now()
        if old is not Phase.IDLE:
            self._spent[old.value] = self._spent.get(old.value, 0.0) + now - self._since
        self._current, self._since = new, now
        logger.debug("transfer phase: %s -> %s", old.value, new.value)
        self._notify(old, new)

    def timings(self) -> dict[str, float]:
        """Return the seconds spent in each phase that has been left, in order of first entry."""
        return dict(self._spent)
