"""Output: writes one call's samples to its sink at the sink's pace, and can take some back."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Callable

import numpy as np
from livekit import rtc

from livetransfer.control import AudioSink
from livetransfer.hold.sound.reader import MAX_CAPACITY, MAX_FRAME
from livetransfer.hold.sound.samples import Samples

__all__ = ["Output"]

SHARE = 0.5
"""Of a sink's capacity, written at a time. Each write costs a round trip through the FFI, whatever
its size; what is left in the queue by then covers an event loop that is busy with other things."""

CAPACITY = 0.4
"""Seconds that are queued at most in a sink that does not say how much it takes without waiting.

What is left of it when the next frame is written is how long the event loop may be busy with
other things before the caller hears a gap."""

TICK = 0.2
"""Seconds between the moments at which calls are written to. All calls of an event loop share
them, so that it wakes up once for many."""

PIECE = 0.01
"""Seconds: what WebRTC sends at a time."""

_count = itertools.count()

SLACK = 0.001
"""Seconds that are not worth a nap."""


class Output:
    """The way from samples to a sink, for one writer.

    A sink that keeps a record of what is heard may have a method ``caption(text, delay, seconds)``:
    it is told the words of each line that is in the audio, and in how many seconds they begin.

    Args:
        sink: Where to write.
        rate: The sink's, in Hz.

    Attributes:
        frame: Seconds written at a time.
    """

    def __init__(self, sink: AudioSink, rate: int) -> None:
        self._sink, self._rate = sink, rate
        capacity = min(getattr(sink, "capacity", CAPACITY), MAX_CAPACITY)
        seconds = min(SHARE * capacity, MAX_FRAME)
        self.frame = max(1, int(seconds / TICK + SLACK)) * TICK
        self._ahead = max(TICK, capacity - self.frame - SLACK)
        self._memory = round((self._ahead + 2 * self.frame) * rate)
        self._loop = asyncio.get_running_loop()
        self._recent: deque[Samples] = deque()
        self._kept = self._hasty = 0
        self._first = self._heard_until = math.nan
        self._longest_gap = 0.0
        # Calls that begin together are not all written to in the same moment ever after.
        self._slot = next(_count) % round(self.frame / TICK)
        self._frames = 0
        self._owed_until = -math.inf
        self._waiter: asyncio.Future[None] | None = None
        self._after: list[Callable[[], None]] = []
        self._caption: Callable[[str, float, float], None] | None
        self._caption = getattr(sink, "caption", None)
        self._captions: list[tuple[str, int, float]] = []

    def next_frame(self) -> int:
        """Return how many samples to write next, at most `MAX_FRAME` seconds."""
        if self._sink.queued <= SLACK:
            self._frames = 0
        self._frames += 1
        seconds = self.frame
        if self._frames == 2:
            seconds = self._until_a_tick()
        elif self._frames == 3:
            seconds -= self._slot * TICK
        return round(seconds * self._rate)

    def _until_a_tick(self) -> float:
        """Return what to write so that, from now on, a frame is due just when a tick comes.

        Due after it, however little, it would be written at the tick after that, when nothing is
        left. So it is due half a piece before, for what is queued may go down in whole pieces.
        """
        now = self._loop.time()
        tick = math.ceil(now / TICK) * TICK
        seconds = self._ahead - PIECE / 2 - self._sink.queued + tick - now
        if seconds < PIECE:
            seconds += TICK
        while seconds > MAX_FRAME:
            seconds -= TICK
        return math.floor(seconds / PIECE) * PIECE

    @property
    def queued(self) -> float:
        """Seconds that were written and not yet heard."""
        return self._sink.queued

    def whole(self, seconds: float) -> int:
        """Return how many samples that is, rounded up to pieces of `PIECE`."""
        piece = round(PIECE * self._rate)
        return max(1, math.ceil(seconds * self._rate / piece - 1e-6)) * piece

    def wake(self) -> None:
        """End the nap that is going on, if one is."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def nap(self, seconds: float) -> bool:
        """Sleep up to `seconds`; return whether `wake` ended it before."""
        waiter = self._waiter = self._loop.create_future()
        woken = True

        def expire() -> None:
            nonlocal woken
            woken = False
            if not waiter.done():
                waiter.set_result(None)

        timer = self._loop.call_later(seconds, expire)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None
        return woken

    async def room(self) -> bool:
        """Wait until a frame should be written; return False if woken before."""
        ahead = self._sink.queued - self._ahead
        if ahead <= SLACK:
            return True
        now = self._loop.time()
        # Where what is queued goes down in whole pieces, it is due up to a piece sooner than that.
        tick = math.ceil((now + ahead - PIECE) / TICK) * TICK
        return not await self.nap(tick - now)

    async def write(self, samples: Samples) -> None:
        """Write `samples`, which are not copied and must not change any more."""
        self._recent.append(samples)
        self._kept += len(samples)
        while self._kept - len(self._recent[0]) >= self._memory:
            self._kept -= len(self._recent.popleft())
        channels = self._sink.num_channels
        if channels > 1:
            samples = np.repeat(samples, channels)
        count = len(samples) // channels
        began = self._loop.time()
        if math.isnan(self._first):
            self._first = self._heard_until = began
        self._longest_gap = self.longest_gap(began)
        # An array of bytes is handed on as it is; of a slice of anything else livekit makes a copy.
        await self._sink.write(
            rtc.AudioFrame(samples.view(np.uint8).data, self._rate, channels, count)
        )
        self._heard_until = self._loop.time() + self._sink.queued
        if self._captions:
            self._tell_captions(count)
        if self._after:
            queued = self._sink.queued
            self._owed_until = self._loop.time() + queued
            for call in self._after:
                self._loop.call_later(queued, call)
            self._after = []
        if self._sink.queued < self.frame / 2 and self._loop.time() - began < self.frame / 4:
            # A sink that takes everything and keeps nothing, perhaps closed: do not run away.
            self._hasty += 1
            if self._hasty > 3:
                await self.nap(self.frame / 2)
        else:
            self._hasty = 0

    def longest_gap(self, since: float) -> float:
        """Return the longest time, in seconds, in which there was nothing to be heard.

        Args:
            since: From when on, in the loop's time, something is to be heard.
        """
        if math.isnan(self._first):
            return self._loop.time() - since
        quiet_now = self._loop.time() - self._heard_until
        return max(self._longest_gap, self._first - since, quiet_now)

    def caption_next(self, text: str, at: int, seconds: float) -> None:
        """Say the words of a line that begins at the sample `at` of what is written next."""
        if self._caption is not None:
            self._captions.append((text, at, seconds))

    def _tell_captions(self, count: int) -> None:
        begins = self._sink.queued - count / self._rate
        for text, at, seconds in self._captions:
            if self._caption is not None:
                self._caption(text, begins + at / self._rate, seconds)
        self._captions = []

    def after_next(self, call: Callable[[], None]) -> None:
        """Call `call` when what is written next has been heard."""
        self._after.append(call)

    @property
    def owes(self) -> bool:
        """Whether something is queued that somebody waits for, with `after_next`, to be heard."""
        return self._loop.time() < self._owed_until

    def unheard(self) -> Samples:
        """Return what was written and has not been heard yet."""
        count = round(self._sink.queued * self._rate)
        if not self._recent or count <= 0:
            return np.empty(0, np.int16)
        recent = np.concatenate(self._recent)
        return recent[max(0, len(recent) - count) :]

    def clear(self) -> None:
        """Drop what has not been heard yet. What is to be heard instead is written next."""
        self._sink.clear()
        self._heard_until = min(self._heard_until, self._loop.time())
        self._recent.clear()
        self._kept = self._frames = 0

    async def drain(self) -> bool:
        """Wait until all that was written has been heard; return False if woken before."""
        while (queued := self._sink.queued) > SLACK:
            if await self.nap(queued):
                return False
        return True
