"""Virtual time: the running event loop jumps to its next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["Clock", "virtual_time"]

_THREAD_GRACE = 1.0
"""Real seconds that a job in a thread may take before time passes at its real speed."""
_WARPED = "_livetransfer_warped"
"""The attribute of a loop whose time has been virtual: it goes on from there, not backwards."""
_FAR = 24 * 3600.0
"""Seconds: the longest that an event loop waits at a time (asyncio's MAXIMUM_SELECT_TIMEOUT)."""
_BUSY_STEPS = 50_000
"""Turns of the loop with no pause, after which each costs time: a busy loop must not hang."""


START = 1000.0
"""Seconds: where virtual time begins, on every machine. A sum of floats depends on it."""

START_VARIABLE = "LIVETRANSFER_VIRTUAL_START"
"""An environment variable that moves `START`: what a test says must not depend on it."""


class Clock:
    """The time of an event loop, virtual or real.

    Attributes:
        start: The loop's time when this clock was made, in seconds.
        virtual: Whether time jumps.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, virtual: bool = False) -> None:
        self._loop = loop
        self.start = loop.time()
        self.virtual = virtual

    @property
    def now(self) -> float:
        """The loop's time, in seconds; only differences mean something."""
        return self._loop.time()

    @property
    def elapsed(self) -> float:
        """Seconds since `start`."""
        return self._loop.time() - self.start

    async def sleep_until(self, elapsed: float) -> None:
        """Wait until `elapsed` seconds after `start`; at once if that is past."""
        await asyncio.sleep(max(0.0, self.start + elapsed - self._loop.time()))


class _Warp:
    """What makes one loop's time virtual; shared by nested uses."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        selector = getattr(loop, "_selector", None)
        attributes = getattr(loop, "__dict__", None)
        if selector is None or attributes is None or not hasattr(selector, "__dict__"):
            raise RuntimeError(
                f"virtual time needs asyncio's own event loop, and this one is a "
                f"{type(loop).__module__}.{type(loop).__name__}. Run the test without uvloop, or "
                "use simulate(virtual_time=False)."
            )
        self.users = 0
        self._loop: Any = loop
        self._selector: Any = selector
        self._select: Any = selector.select
        self._executor: Any = loop.run_in_executor
        self._now = loop.time()
        self._busy = 0
        self._jobs: dict[object, float] = {}

    def install(self) -> None:
        self._now = self._loop.time()
        if not getattr(self._loop, _WARPED, False):
            setattr(self._loop, _WARPED, True)
            self._move_to(float(os.environ.get(START_VARIABLE, START)))
        self._loop.time = self._time
        self._loop.run_in_executor = self._run_in_executor
        self._selector.select = self._wait

    def _move_to(self, start: float) -> None:
        """Begin at `start`; the timers that are set already stay as far away as they are."""
        for timer in self._loop._scheduled:
            timer._when += start - self._now
        self._now = start

    def uninstall(self) -> None:
        del self._selector.select
        del self._loop.run_in_executor
        offset = self._now - time.monotonic()
        # Timers were set in virtual time, and time must not go backwards.
        self._loop.time = lambda: time.monotonic() + offset

    def _time(self) -> float:
        return self._now

    def _run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._executor(executor, func, *args)
        job = object()
        self._jobs[job] = time.monotonic()
        future.add_done_callback(lambda _: self._jobs.pop(job, None))
        return future

    def _wait(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return self._select(None)
        events = self._select(0)
        if events or timeout <= 0:
            self._busy += 1
            if self._busy > _BUSY_STEPS:
                self._now += 1e-4
            return events
        self._busy = 0
        if timeout >= _FAR and (events := self._select(_THREAD_GRACE)):
            # Nothing was due today, so what the loop waits for is not a timer but a thread of
            # somebody's own, or a socket.
            return events
        if not self._jobs:
            self._now += timeout
            return events
        return self._wait_for_threads(timeout)

    def _wait_for_threads(self, timeout: float) -> Any:
        # The computer's speed must not show in virtual time, so a short job takes none of it. A
        # long one may itself be waiting for a timer: then time passes as it does on a clock.
        grace = max(self._jobs.values()) + _THREAD_GRACE - time.monotonic()
        if grace > 0 and (events := self._select(grace)):
            return events
        began = time.monotonic()
        events = self._select(timeout)
        self._now += min(time.monotonic() - began, timeout) if events else timeout
        return events


_warps: dict[asyncio.AbstractEventLoop, _Warp] = {}
"""The loops whose time is virtual now."""


@asynccontextmanager
async def virtual_time() -> AsyncIterator[Clock]:
    """Make the running event loop's time virtual while the block runs.

    Whenever everything waits for a timer, time jumps to it, so a test of a minute takes
    milliseconds and comes out the same each time. While a job runs in a thread
    (``asyncio.to_thread``) nothing jumps: the loop waits for it. Time that is not the loop's, such
    as ``time.time()``, is untouched, and so is real I/O: with nothing but a socket to wait for
    and a timer pending, the timer wins.

    It begins at the same instant on every machine. Uses may nest. Afterwards the loop's time goes
    on from where it is, at its real speed.

    Yields:
        The clock.

    Raises:
        RuntimeError: The loop is not asyncio's own (uvloop, for example).
    """
    loop = asyncio.get_running_loop()
    warp = _warps.get(loop)
    if warp is None:
        warp = _Warp(loop)
        warp.install()
        _warps[loop] = warp
    warp.users += 1
    try:
        yield Clock(loop, virtual=True)
    finally:
        warp.users -= 1
        if warp.users == 0:
            del _warps[loop]
            warp.uninstall()
