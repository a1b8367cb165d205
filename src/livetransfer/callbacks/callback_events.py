"""What is told of promised calls while they are made."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask
from livetransfer.answer_class import AnswerClass
from livetransfer.callback_request import CallbackStatus
from livetransfer.destination import Destination

__all__ = [
    "CallbackDispatched",
    "CallbackEnded",
    "CallbackEvent",
    "CallbackNotTaken",
    "CallbackRefused",
    "CallbackTaken",
    "CallerAnswered",
    "CallerDialled",
    "Listener",
    "Telling",
]

logger = logging.getLogger("livetransfer")

LISTENER_LIMIT = 5.0
"""Seconds that an async listener may take for one event."""


@dataclass(frozen=True)
class CallbackEvent:
    """Something has happened with a promised call.

    Attributes:
        id: Which: the `id` of its request.
    """

    id: str


@dataclass(frozen=True)
class CallbackDispatched(CallbackEvent):
    """A runner has asked LiveKit for a job that makes it.

    Attributes:
        room: The room of that job.
    """

    room: str


@dataclass(frozen=True)
class CallbackNotTaken(CallbackEvent):
    """No worker has taken the job, or none could be asked for; it is asked for again.

    Attributes:
        reason: Why, and what to do.
        due: When it is asked for again.
    """

    reason: str
    due: datetime


@dataclass(frozen=True)
class CallbackTaken(CallbackEvent):
    """A job has it, and nobody else makes it.

    Attributes:
        room: Its room.
    """

    room: str


@dataclass(frozen=True)
class CallbackRefused(CallbackEvent):
    """The guard refused whom this callback would have dialled; he was not dialled.

    Attributes:
        destination: Whom: the caller, or a human.
        reason: Why, for people.
    """

    destination: Destination
    reason: str


@dataclass(frozen=True)
class CallerDialled(CallbackEvent):
    """The caller's phone is dialled now.

    Attributes:
        call: Which time that is, from 1 on.
    """

    call: int


@dataclass(frozen=True)
class CallerAnswered(CallbackEvent):
    """The caller's phone was answered.

    Attributes:
        answered_by: By whom or what, as far as it is known.
    """

    answered_by: AnswerClass


@dataclass(frozen=True)
class CallbackEnded(CallbackEvent):
    """It has come to an end: a final one, or it waits to be made again.

    Attributes:
        status: How it stands now. `INDETERMINATE`: nobody knows whether the caller was reached;
            it is not dialled again by itself, so somebody has to look.
        reason: Why, for people; no number.
        due: When it is made again, where it is.
    """

    status: CallbackStatus
    reason: str = ""
    due: datetime | None = None


Listener = Callable[[CallbackEvent], Awaitable[None] | None]


class Telling:
    """Tells events to a listener; what it does changes nothing.

    Args:
        listener: The application's; plain, or async and then awaited in a task of its own, one
            event after the other.
    """

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._last: asyncio.Task[None] | None = None

    def __call__(self, event: CallbackEvent) -> None:
        """Tell `event`."""
        listener = self._listener
        if listener is None:
            return
        try:
            found: Any = listener(event)
        except Exception:
            logger.warning("a listener of callbacks failed", **logged())
            return
        if inspect.isawaitable(found):
            told = asyncio.create_task(self._after(self._last, found), name="livetransfer-told")
            self._last = keep(told)

    async def _after(self, last: asyncio.Task[None] | None, found: Awaitable[None]) -> None:
        if last is not None:
            await asyncio.wait({last})
        try:
            await ask("on_event", lambda: found, LISTENER_LIMIT)
        except CodeFailed:
            logger.warning("a listener of callbacks failed", **logged())
