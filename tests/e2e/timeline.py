"""What happened and when, for a test to ask about or to wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """Something that happened, at a time.monotonic."""

    at: float
    kind: str
    detail: str = ""


async def in_time(work: Awaitable[T], within: float, what: str) -> T:
    """The result of `work`, or a TimeoutError that says what did not come."""
    try:
        return await asyncio.wait_for(work, within)
    except asyncio.TimeoutError:
        raise TimeoutError(f"{what} within {within} s") from None


@dataclass(frozen=True)
class _Wait:
    kind: str
    nth: int
    after: float
    found: asyncio.Future[Event]


class Timeline:
    """Events in the order of their being noted."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._waiting: list[_Wait] = []

    def note(self, kind: str, detail: str = "", at: float | None = None) -> None:
        """Put an event on record and wake who waits for it."""
        event = Event(time.monotonic() if at is None else at, kind, detail)
        self.events.append(event)
        for wait in self._waiting:
            found = self._find(wait.kind, wait.nth, wait.after)
            if found is not None and not wait.found.done():
                wait.found.set_result(found)

    def _find(self, kind: str, nth: int, after: float) -> Event | None:
        matching = [event for event in self.events if event.kind == kind and event.at >= after]
        return matching[nth - 1] if len(matching) >= nth else None

    def at(self, kind: str) -> float | None:
        """When something first happened, or None."""
        return next((event.at for event in self.events if event.kind == kind), None)

    def count(self, kind: str) -> int:
        """How often something has happened."""
        return sum(event.kind == kind for event in self.events)

    async def wait(
        self, kind: str, within: float = 10.0, *, nth: int = 1, after: float = 0.0
    ) -> Event:
        """The nth event of a kind, past or to come; TimeoutError tells what happened instead."""
        known = self._find(kind, nth, after)
        if known is not None:
            return known
        wait = _Wait(kind, nth, after, asyncio.get_running_loop().create_future())
        self._waiting.append(wait)
        try:
            return await asyncio.wait_for(wait.found, within)
        except asyncio.TimeoutError:
            so_far = [f"{event.kind} {event.detail}".strip() for event in self.events]
            raise TimeoutError(f"no {kind!r} within {within} s; so far: {so_far}") from None
        finally:
            self._waiting.remove(wait)
