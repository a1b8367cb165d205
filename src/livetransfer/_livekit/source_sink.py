"""SourceSink: a livekit AudioSource as an AudioSink, cheap enough for hundreds in one process."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from weakref import WeakKeyDictionary

from livekit import rtc

__all__ = ["SourceSink"]

AT_ONCE = 4
"""Frames that are handed to the native side at the same time, in one event loop."""

PATIENCE = 0.2
"""Seconds after which a frame that is not taken yet makes way for the next one."""


TICK = 0.010
"""Seconds of the pieces in which WebRTC takes audio from a source."""

ANSWER = 0.0005
"""Seconds from a tick until Python knows of it."""


class _Gate:
    """Lets a few writes through at a time.

    While `AudioSource.capture_frame` waits for its answer it is sent every event of the process,
    the answers to all others included: two hundred at a time cost forty thousand messages, and
    the more wait, the slower it gets. A write takes about 0.2 ms, so hardly any has to wait here.
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


_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[_Gate, _Gate]] = WeakKeyDictionary()


def _gates_of(loop: asyncio.AbstractEventLoop) -> tuple[_Gate, _Gate]:
    """Return the gates for writes and for what takes longer, of an event loop."""
    gates = _gates.get(loop)
    if gates is None:
        gates = _gates[loop] = (_Gate(), _Gate())
    return gates


class _Model:
    """Follows how much a source has queued, to the piece of 10 ms.

    The native side takes a piece at every tick of its own, so what was heard is a whole number of
    pieces. `AudioSource.queued_duration` goes by the clock and is up to one piece off, which would
    be a click where audio is continued after `clear_queue`.
    """

    def __init__(self) -> None:
        self._phase = 0.0
        self._level = 0.0
        self._tick = 0

    def ticked(self, at: float) -> None:
        """A tick was at `at`, in seconds of `time.monotonic`."""
        self._phase = at % TICK
        self._tick = self._ticks()
        self._level = 0.0

    def _ticks(self) -> int:
        return math.floor((time.monotonic() - self._phase) / TICK)

    @property
    def level(self) -> float:
        """Seconds queued."""
        ticks = self._ticks()
        self._level = max(0.0, self._level - (ticks - self._tick) * TICK)
        self._tick = ticks
        return self._level

    def add(self, seconds: float) -> None:
        """Audio was queued."""
        self._level = self.level + seconds

    def clear(self) -> None:
        """The queue was dropped."""
        self._tick, self._level = self._ticks(), 0.0


class SourceSink:
    """An [`AudioSink`][livetransfer.control.AudioSink] that writes to an `rtc.AudioSource`.

    Use it to play hold music into a track of your own.

    Args:
        source: Where to. It is closed by `aclose`.
        queue_size_ms: What the source was made with, in ms. If it is given, music is queued that
            far ahead, up to 1 s, and is the safer from gaps (what is not wanted any more is
            dropped all the same); and the first write finds out when the native side takes its
            audio, which takes about 10 ms, so that music ends and pauses without a click.
    """

    def __init__(self, source: rtc.AudioSource, *, queue_size_ms: int | None = None) -> None:
        self._source = source
        self._queue_ms = queue_size_ms
        self._model: _Model | None = None
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
    def capacity(self) -> float:
        """Seconds that may be queued before `write` waits."""
        return (self._queue_ms or 400) / 1000

    @property
    def queued(self) -> float:
        """Seconds of audio written and not yet played."""
        if self._closed:
            return 0.0
        return self._source.queued_duration if self._model is None else self._model.level

    async def ready(self) -> None:
        """Return: whether somebody listens is not known here."""

    async def write(self, frame: rtc.AudioFrame) -> None:
        """Queue `frame`; wait while the queue is full. See `AudioSink`."""
        writing, synchronising = _gates_of(asyncio.get_running_loop())
        if self._queue_ms and self._model is None and not self._closed:
            timer = await synchronising.enter()
            try:
                self._model = await self._synchronised(self._queue_ms)
            finally:
                synchronising.leave(timer)
        if self.queued + frame.duration > self.capacity:
            await self._capture(frame)  # it will have to wait, and must not hold up the others
            return
        timer = await writing.enter()
        try:
            await self._capture(frame)
        finally:
            writing.leave(timer)

    async def _capture(self, frame: rtc.AudioFrame) -> None:
        if not self._closed:
            if self._model is not None:
                self._model.add(frame.duration)
            await self._source.capture_frame(frame)

    async def _synchronised(self, queue_ms: int) -> _Model:
        """Return a model in step with the native side.

        A frame that does not fit into the queue by one piece is accepted at the very tick that
        makes room for it.
        """
        model = _Model()
        count = self.sample_rate * (queue_ms + round(1000 * TICK)) // 1000
        await self._source.capture_frame(
            rtc.AudioFrame.create(self.sample_rate, self.num_channels, count)
        )
        model.ticked(time.monotonic() - ANSWER)
        if not self._closed:
            self._source.clear_queue()
        return model

    def clear(self) -> None:
        """Drop what is queued and not yet played."""
        if not self._closed:
            self._source.clear_queue()
            if self._model is not None:
                self._model.clear()

    async def aclose(self) -> None:
        """Drop what is queued and close the source. May be called again."""
        if not self._closed:
            self._source.clear_queue()
            self._closed = True
            await self._source.aclose()
