"""Streams: frames that come one by one from an async iterator, buffered and bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from livetransfer.hold.sound.leveling import limited
from livetransfer.hold.sound.loop import LoopReader, make_loop
from livetransfer.hold.sound.reader import MAX_CAPACITY, MAX_FRAME, Reader
from livetransfer.hold.sound.samples import FrameResampler, Samples

from .accepted_sources import Stream, Track
from .clips import Rendering

__all__ = ["StreamOpening"]

AHEAD = 2.5
"""Seconds that are read ahead."""

LOW = MAX_FRAME + 0.1
"""Seconds that have to be left for it to go on: a frame, and what fading out takes if no more
comes after that."""

READY = MAX_CAPACITY + LOW + 0.3
"""Seconds that have to be there before it plays, also after a gap: an empty sink takes a part of
them at once, and then frames that come in real time may still be late by 0.3 s."""

RECORDED = 120.0
"""Seconds from the beginning that are kept, to be repeated should the stream end within them."""


class StreamOpening:
    """Opens, and reads from, an async iterator of frames; it is its own reader.

    The frames are as loud as they come, times the volume. If the iterator ends within
    `RECORDED` seconds it is repeated from then on; one that ends later, stalls or raises is an
    error, and played again only if it goes on.

    Args:
        track: Passed on.
        stream: The iterator. It can be read once.
        how: Rate and volume.
        wake: Called whenever there is something new.
    """

    def __init__(
        self, track: Track, stream: Stream, how: Rendering, wake: Callable[[], None]
    ) -> None:
        self.track = track
        self._how, self._wake = how, wake
        self._frames = stream.frames
        self._parts: deque[Samples] = deque()
        self._record: list[Samples] | None = []
        self._recorded = 0
        self._buffered = 0
        self._room = asyncio.Event()
        self._room.set()
        self._looped: LoopReader | None = None
        self._error: str | None = None
        self._task: asyncio.Task[None] | None = None
        if stream.taken:
            self._error = "another call has played it, and frames can be read once only"
        else:
            stream.taken = True
            self._task = asyncio.create_task(self._pump(), name="livetransfer-hold-stream")

    @property
    def error(self) -> str | None:
        """See `Opening`."""
        return self._error if self.starving else None

    @property
    def starving(self) -> bool:
        """Whether there is too little to read."""
        return self._looped is None and self._buffered < LOW * self._how.rate

    def reader(self) -> Reader | None:
        """See `Opening`."""
        needed = READY if self._error is None else LOW  # no more will come: what there is, plays
        if self._looped is not None or self._buffered >= needed * self._how.rate:
            return self
        return None

    def better(self, reader: Reader) -> Reader | None:
        """See `Opening`."""
        return None

    def read(self, count: int) -> Samples:
        """Return the next `count` samples, zeros where there are none."""
        out = np.zeros(count, np.int16)
        at = 0
        while at < count and self._parts:
            part = self._parts[0]
            taken = part[: count - at]
            out[at : at + len(taken)] = taken
            at += len(taken)
            if len(taken) == len(part):
                self._parts.popleft()
            else:
                self._parts[0] = part[len(taken) :]
        self._buffered -= at
        if at < count and self._looped is not None:
            out[at:] = self._looped.read(count - at)
        if self._buffered < AHEAD * self._how.rate:
            self._room.set()
        return out

    def rewind(self, count: int) -> None:
        """Nothing is kept that could be played again."""

    def close(self) -> list[asyncio.Task[Any]]:
        """See `Opening`."""
        if self._task is None:
            return []
        self._task.cancel()
        return [self._task]

    async def _pump(self) -> None:
        resampler = FrameResampler(self._how.rate)
        try:
            async for frame in self._frames:
                self._add(resampler.push(frame))
                await asyncio.sleep(0)  # it may never wait itself
                await self._room.wait()
            self._add(resampler.flush())
            self._end()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._wake()
            if (close := getattr(self._frames, "aclose", None)) is not None:
                with contextlib.suppress(Exception):
                    await close()

    def _add(self, samples: Samples) -> None:
        if not len(samples):
            return
        if self._how.volume != 1.0:
            samples = limited(samples, self._how.rate, self._how.volume)
        before = self._buffered
        self._parts.append(samples)
        self._buffered += len(samples)
        if self._record is not None:
            self._record.append(samples)
            self._recorded += len(samples)
            if self._recorded > RECORDED * self._how.rate:
                self._record = None
        if self._buffered >= AHEAD * self._how.rate:
            self._room.clear()
        if before < READY * self._how.rate <= self._buffered:
            self._wake()

    def _end(self) -> None:
        if self._record is None:
            self._error = "the stream has ended"
        elif self._recorded < self._how.rate // 10:
            self._error = "there is no audio in it"
        else:
            whole = np.concatenate(self._record)
            loop = make_loop(whole, self._how.rate, crossfade=self._how.crossfade)
            self._looped = LoopReader(loop, loop.start)
        self._record = None
