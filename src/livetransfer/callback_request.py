"""CallbackRequest and CallbackStore: a call that was promised to a caller, and who keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from ._checks import check_count
from .destination import Destination
from .errors import ConfigurationError

__all__ = ["FOLLOWS", "CallbackRequest", "CallbackStatus", "CallbackStore", "HistoryEntry"]


class CallbackStatus(str, Enum):
    """How a promised call stands."""

    WAITING = "waiting"
    """It is not due, or nobody has begun to make it."""
    CLAIMED = "claimed"
    DIALLING = "dialling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INDETERMINATE = "indeterminate"
    """It is unknown whether it was made; it is not dialled again by itself."""

    def __str__(self) -> str:
        return self.value


_W, _C, _D = CallbackStatus.WAITING, CallbackStatus.CLAIMED, CallbackStatus.DIALLING
FOLLOWS: Mapping[CallbackStatus, frozenset[CallbackStatus]] = MappingProxyType(
    {
        _W: frozenset({_C, CallbackStatus.CANCELLED, CallbackStatus.FAILED}),
        _C: frozenset({_C, _D, _W, CallbackStatus.CANCELLED, CallbackStatus.FAILED}),
        _D: frozenset(
            {_W, CallbackStatus.DONE, CallbackStatus.FAILED, CallbackStatus.INDETERMINATE}
        ),
        CallbackStatus.DONE: frozenset(),
        CallbackStatus.FAILED: frozenset({_W}),
        CallbackStatus.CANCELLED: frozenset({_W}),
        CallbackStatus.INDETERMINATE: frozenset({_W, CallbackStatus.CANCELLED}),
    }
)
"""What may follow what. Once it is dialling it is never claimed again by itself."""


@dataclass(frozen=True)
class HistoryEntry:
    """What has happened with a request.

    Attributes:
        at: When.
        status: How it stood then.
        reason: More words, for people; no number.
    """

    at: datetime
    status: CallbackStatus
    reason: str = ""


@dataclass(frozen=True)
class CallbackRequest:
    """A call that was promised to a caller.

    Args:
        id: What names it. One call of a caller makes one request: asked for again it has the same.
        number: The number that is called, in E.164.
        not_before: From when on he may be called, with a time zone.
        not_after: Until when.
        timezone: The caller's time zone, such as ``"Europe/Berlin"``.
        reason: What it is about, in one sentence.
        summary: What whoever calls is told of the caller.
        queue: The queue or department that calls.
        destination: Who calls, where it is no queue.
        attempts: How many times the caller is called, at most.
        call: What names the call in which it was promised: the room's name.
        priority: The caller's priority in the queue.
        place: His place in the queue, where he has waited in one.
        made: When it was promised.
        status: How it stands.
        history: What has happened with it, oldest first.

    Raises:
        ConfigurationError: A window that ends before it begins, or has no time zone; a time zone
            that does not exist; no attempt.
    """

    id: str
    number: str = field(repr=False)
    not_before: datetime
    not_after: datetime
    timezone: str = "UTC"
    reason: str = field(default="", repr=False)
    summary: str | None = field(default=None, repr=False)
    queue: str | None = None
    destination: Destination | None = None
    attempts: int = 3
    call: str | None = None
    priority: int = 0
    place: int | None = None
    made: datetime | None = None
    status: CallbackStatus = CallbackStatus.WAITING
    history: tuple[HistoryEntry, ...] = ()

    def __post_init__(self) -> None:
        for name in ("not_before", "not_after"):
            if getattr(self, name).tzinfo is None:
                raise ConfigurationError(name, getattr(self, name), "give it a time zone")
        if self.not_after <= self.not_before:
            raise ConfigurationError("not_after", self.not_after, "the window ends after it begins")
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as error:
            raise ConfigurationError("timezone", self.timezone, "name a time zone") from error
        check_count("attempts", self.attempts, 1, 100)


@runtime_checkable
class CallbackStore(Protocol):
    """Who keeps promised calls. What else it can, whoever makes the calls says."""

    async def add(self, request: CallbackRequest) -> Any:
        """Keep `request`; one whose `id` it has already is not kept again, and changes nothing.

        When it returns, the request outlives the process. It is called within 8 s.

        Raises:
            Exception: It is not kept. Nothing was promised then, and it may be asked again.
        """
