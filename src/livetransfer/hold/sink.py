"""SourceSink: a livekit AudioSource as an AudioSink, cheap enough for hundreds in one process."""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

from livekit import rtc

__all__ = ["SourceSink"]

AT_ONCE = 16
"""Frames that are handed to the native side at the same time, in one event loop."""

PATIENCE = 0.02
"""Seconds after which a frame that is not taken yet makes way for the next one."""


class _Gate:
    """Lets a few writes through at a time.

    While `AudioSource.capture_frame` waits for its answer it is sent every event of the process,
    the answers to all others included: a hundred at a time cost ten thousand messages. A write
    takes about 0.2 ms, so hardly any has to wait.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> asyncio.TimerHandle:
        """Wait for a turn. The result has to be given to `leave`."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
        else:
            turn = self._loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._release()
                raise
        return self._loop.call_later(PATIENCE, self._release)

    def leave(self, timer: asyncio.TimerHandle) -> None:
        """End a turn, unless it has ended because it took too long."""
        if not timer.cancelled() and timer.when() > self._loop.time():
            timer.cancel()
            self._release()

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gate] = WeakKeyDictionary()


class SourceSink:
    """An [`AudioSink`][livetransfer.control.AudioSink] that writes to an `rtc.AudioSource`.

    Use it to play hold music into a track of your own. Give the source a `queue_size_ms` of 400.

    Args:
        source: Where to. It is closed by `aclose`.
    """

    def __init__(self, source: rtc.AudioSource) -> None:
        self._source = source
        self._closed = False

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz, that `write` takes."""
        return self._source.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels that `write` takes, interleaved."""
        return self._source.num_channels

    @property
    def queued(self) -> float:
        """Seconds of audio written and not yet played."""
        return 0.0 if self._closed else self._source.queued_duration

    async def write(self, frame: rtc.AudioFrame) -> None:
        """Queue `frame`; wait while the queue is full. See `AudioSink`."""
        gate = _gates.get(loop := asyncio.get_running_loop())
        if gate is None:
            gate = _gates[loop] = _Gate()
        timer = await gate.enter()
        try:
            if not self._closed:
                await self._source.capture_frame(frame)
        finally:
            gate.leave(timer)

    def clear(self) -> None:
        """Drop what is queued and not yet played."""
        if not self._closed:
            self._source.clear_queue()

    async def aclose(self) -> None:
        """Drop what is queued and close the source. May be called again."""
        if not self._closed:
            self._source.clear_queue()
            self._closed = True
            await self._source.aclose()
