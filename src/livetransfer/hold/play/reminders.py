"""Reminders: when the next comfort line of one call is due, and its preparation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from livetransfer.hold.sound.samples import AudioError, Samples

from .comfort_lines import LIMIT, Comfort
from .hold_events import ComfortFailed, ComfortSpoken
from .settings import Settings

__all__ = ["Reminders"]

LEAD = 5.0
"""Seconds before a line is due at which a fixed one is prepared."""


class Reminders:
    """The comfort lines of one call.

    Args:
        settings: Which lines, when, and who speaks them.
        wake: Called when a line is ready.
    """

    def __init__(self, settings: Settings, wake: Callable[[], None]) -> None:
        self._comfort, self._rate = settings.comfort, settings.rate
        self._synthesise, self._voice = settings.synthesise, settings.voice
        self._tell, self._wake, self._facts = settings.tell, wake, settings.facts
        self._loop = asyncio.get_running_loop()
        self._begun = self._due = 0.0
        self._spoken = 0
        self._task: asyncio.Task[tuple[str, Samples] | None] | None = None
        self._speaking = False

    def begin(self) -> None:
        """Time runs from now."""
        self._begun = self._loop.time()
        if self._comfort is not None:
            first = self._comfort.first
            self._due = self._begun + (self._comfort.every if first is None else first)

    @property
    def wait(self) -> float | None:
        """Seconds until `take` should be called; None: until woken."""
        if self._comfort is None or self._speaking:
            return None
        if self._task is None:
            return max(0.0, self._due - self._lead - self._loop.time())
        return max(0.0, self._due - self._loop.time()) if self._task.done() else None

    @property
    def _lead(self) -> float:
        # A callable is asked when the line is due, so that a position in a queue is of now.
        return 0.0 if self._comfort is None or callable(self._comfort.lines) else LEAD

    def take(self) -> tuple[str, Samples, float] | None:
        """Return the text of a line that is ready and due, its samples, and how far to turn down
        the music in dB.

        `ended` has to be called when it was spoken.
        """
        comfort, now = self._comfort, self._loop.time()
        if comfort is None or self._speaking:
            return None
        if self._task is None:
            if now >= self._due - self._lead:
                self._task = asyncio.create_task(self._prepare(comfort))
                self._task.add_done_callback(lambda _: self._wake())
            return None
        if not self._task.done() or now < self._due:
            return None
        task, self._task = self._task, None
        try:
            line = task.result()
        except (Exception, asyncio.CancelledError) as error:
            reason = "it took too long" if isinstance(error, asyncio.TimeoutError) else str(error)
            self._tell(ComfortFailed(reason or type(error).__name__))
            line = None
            self._spoken += 1  # not the same one again
        if line is None:
            self._due = now + comfort.every
            return None
        text, samples = line
        self._speaking = True
        self._spoken += 1
        self._tell(ComfortSpoken(text))
        return text, samples, comfort.duck_db

    async def _prepare(self, comfort: Comfort) -> tuple[str, Samples] | None:
        held = replace(
            self._facts(), seconds=max(0.0, self._due - self._begun), spoken=self._spoken
        )
        try:
            return await asyncio.wait_for(
                comfort.line(held, self._rate, self._synthesise, self._voice), LIMIT
            )
        except AudioError:
            raise
        except Exception as error:
            if isinstance(error, asyncio.TimeoutError):
                raise
            raise AudioError(f"{type(error).__name__}: {error}") from error

    def ended(self) -> None:
        """The line that was taken has been spoken."""
        self._speaking = False
        if self._comfort is not None:
            self._due = self._loop.time() + self._comfort.every
        self._wake()

    def close(self) -> list[asyncio.Task[Any]]:
        """No more lines. Returns tasks that are about to end."""
        self._comfort = None
        if self._task is None:
            return []
        self._task.cancel()
        return [self._task]
