"""PlayHandle: the music of one call, written to its sink by one task."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from livekit import rtc

from ..control import AudioSink
from ._samples import AudioError, Samples, collect
from .clips import Rendering
from .comfort import MAX_LINE, Comfort, Synthesise, is_text, line_samples
from .deck import Deck, Line
from .director import Director
from .events import HoldEvent
from .fetch import Fetcher
from .reminders import Reminders
from .sources import Track

__all__ = ["PlayHandle", "Settings"]

logger = logging.getLogger("livetransfer")

FRAME = 0.2
"""Seconds written at a time. Each write costs a round trip through the FFI, whatever its size."""

AHEAD = 0.2
"""Seconds that are still queued when the next frame is written: what a busy event loop may take."""

TAIL = 0.03
"""Seconds: the shortest fade; less would click."""

STEP = 0.01
"""Seconds: WebRTC takes audio in pieces of this length; writes are whole multiples of it."""


RECENT = 0.8
"""Seconds that were written last and are kept, as references: what may have to be faded again."""

POLL = 0.02
"""Seconds between looks at a clip that should be there already."""

FOREVER = 3600.0


@dataclass(frozen=True)
class Settings:
    """How to play; see `HoldMusicPlayer`."""

    rendering: Rendering
    start: str
    fade_in: float
    fade_out: float
    comfort: Comfort | None
    synthesise: Synthesise | None
    voice: str
    tell: Callable[[HoldEvent], None]


class PlayHandle:
    """Music that plays to one call. `HoldMusicPlayer.play` makes it.

    Attributes:
        task: The task that writes it; never raises.
        fade_out: Seconds that `stop` takes unless it is told otherwise.
    """

    def __init__(
        self, sink: AudioSink, tracks: tuple[Track, ...], settings: Settings, fetcher: Fetcher
    ) -> None:
        rate = settings.rendering.rate
        self._sink, self._settings, self._rate = sink, settings, rate
        self._loop = asyncio.get_running_loop()
        self._deck = Deck(rate)
        self._director = Director(self._deck, tracks, settings.rendering, settings.start, fetcher,
                          settings.tell, self._wake)
        self._reminders = Reminders(settings.comfort, rate, settings.synthesise, settings.voice,
                                    settings.tell, self._wake)
        fades = [t.fade_out for t in tracks if t.fade_out is not None]
        self.fade_out = fades[0] if fades else settings.fade_out
        fades = [t.fade_in for t in tracks if t.fade_in is not None]
        self._fade_in = fades[0] if fades else settings.fade_in
        self._recent: deque[Samples] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._stop: float | None = None
        self._paused = self._pausing = False
        self._heard: set[asyncio.Future[None]] = set()
        self._after_write: list[Callable[[], None]] = []
        self._stops = self._ended_stops = self._kept = self._hasty = 0
        self.task = asyncio.create_task(self._run(), name="livetransfer-hold-music")

    # What its owner may do.

    @property
    def done(self) -> bool:
        """Whether the music has ended."""
        return self.task.done()

    def stop(self, fade: float | None = None) -> None:
        """Let the music end `fade` seconds from now, without waiting for it.

        What is queued in the sink is dropped where that is needed to end in time. May be called
        again with a shorter fade.

        Args:
            fade: In seconds, at least 0.03 is used; None: the player's `fade_out`.
        """
        seconds = max(TAIL, self.fade_out if fade is None else fade)
        now = self._loop.time()
        if self._stop is None or now + seconds < self._stop:
            self._stop = now + seconds
            self._stops += 1
            self._wake()

    async def wait(self) -> None:
        """Wait until the music has ended: after `stop`, or because the sink failed.

        Cancelling the wait does not end the music.
        """
        await asyncio.wait({self.task})

    def pause(self) -> None:
        """Fall silent, with a short fade, until `resume`. Lines are still spoken."""
        if not self._paused:
            self._paused = self._pausing = True
            self._wake()

    def resume(self) -> None:
        """Go on from where `pause` stopped, fading in."""
        if self._paused:
            self._paused = self._pausing = False
            self._deck.fade.go(1.0, round(max(TAIL, self._fade_in) * self._rate))
            self._wake()

    def say(self, line: Any, *, duck_db: float = -14.0) -> asyncio.Future[None]:
        """Speak a line over the music, which is turned down meanwhile and then comes back.

        Args:
            line: An `AudioFrame`, an iterable or async iterable of them, ``(samples, rate)``, a
                path or the bytes of a file; or text, if the player has a `synthesise`. At most
                60 s.
            duck_db: How far the music is turned down, in dB, negative.

        Returns:
            Done when the line was heard to its end; it need not be awaited. It raises AudioError
            if the line cannot be played, and is cancelled if the music ends before.
        """
        heard: asyncio.Future[None] = self._loop.create_future()
        if self.done or self._stop is not None:
            heard.cancel()
            return heard
        self._heard.add(heard)
        heard.add_done_callback(self._heard.discard)
        getting = asyncio.ensure_future(self._line(line))
        heard.add_done_callback(lambda _: getting.cancel())

        def got(done: asyncio.Future[Samples]) -> None:
            if heard.done() or done.cancelled():
                return
            if (error := done.exception()) is not None:
                heard.set_exception(error)
                heard.exception()  # it need not be awaited
                return
            self._deck.speak(Line(done.result(), _gain(duck_db), ended=lambda: self._said(heard)))
            self._wake()

        getting.add_done_callback(got)
        return heard

    async def _line(self, line: Any) -> Samples:
        if not is_text(line):
            return await line_samples(line, self._rate)
        if self._settings.synthesise is None:
            raise AudioError("there is nothing that could speak a line of text")
        return await collect(self._settings.synthesise(line), self._rate, MAX_LINE)

    def _said(self, heard: asyncio.Future[None]) -> None:
        def end() -> None:
            if not heard.done():
                heard.set_result(None)

        self._after_write.append(end)

    # The task.

    async def _run(self) -> None:
        try:
            self._director.begin()
            self._reminders.begin()
            self._deck.fade.go(0.0, 0)
            self._deck.fade.go(1.0, round(self._fade_in * self._rate))
            while self._stop is None:
                self._director.look()
                self._remind()
                if self._pausing:
                    self._pausing = False
                    await self._fall_silent()
                elif (wait := self._idle()) is not None:
                    await self._nap(wait)
                else:
                    await self._write_on()
            await self._end()
        except Exception:
            logger.warning("the hold music ended early", exc_info=True)
        finally:
            self._director.close()
            self._reminders.close()
            for heard in list(self._heard):
                heard.cancel()

    def _idle(self) -> float | None:
        """Return how long there is nothing to write; None: there is."""
        if not self._deck.idle:
            return None
        waits = [FOREVER]
        if not self._director.begun:
            waits.append(self._director.patience or POLL)
        if (wait := self._reminders.wait) is not None:
            waits.append(wait)
        return min(waits)

    def _remind(self) -> None:
        if (line := self._reminders.take()) is not None:
            samples, duck_db = line
            self._deck.speak(Line(samples, _gain(duck_db), ended=self._reminders.ended))

    async def _write_on(self) -> None:
        """Write one frame once there is room for it in front of the listener."""
        ahead = self._sink.queued - AHEAD
        if ahead > 0 and await self._nap(ahead):
            return
        started = self._loop.time()
        await self._write(self._deck.render(round(FRAME * self._rate)))
        if self._sink.queued < AHEAD / 2 and self._loop.time() - started < FRAME / 4:
            # A sink that takes everything and holds nothing, perhaps closed: do not run away.
            self._hasty += 1
            if self._hasty > 2:
                await self._nap(FRAME / 2)
        else:
            self._hasty = 0

    async def _write(self, samples: Samples) -> None:
        channels = self._sink.num_channels
        self._recent.append(samples)
        self._kept += len(samples)
        while self._kept - len(self._recent[0]) >= RECENT * self._rate:
            self._kept -= len(self._recent.popleft())
        if channels > 1:
            samples = np.repeat(samples, channels)
        await self._sink.write(
            rtc.AudioFrame(
                samples.view(np.uint8).data, self._rate, channels, len(samples) // channels
            )
        )
        if self._after_write:
            calls, self._after_write = self._after_write, []
            for call in calls:
                self._loop.call_later(self._sink.queued, call)

    async def _end(self) -> None:
        """Fade out by the time that `stop` asked for; begin again if it is asked for sooner."""
        while self._stop is not None and self._stops != self._ended_stops:
            self._ended_stops = self._stops
            await self._fade_away(self._stop - self._loop.time())
            while self._stops == self._ended_stops and (queued := self._sink.queued) > 0:
                await self._nap(queued)

    async def _fall_silent(self) -> None:
        unheard = await self._fade_away(TAIL)
        self._deck.fade.go(0.0, 0)
        if self._deck.music is not None:
            self._deck.rewind(unheard)

    async def _fade_away(self, seconds: float) -> int:
        """Fade what is heard from now on to nothing; return how much rendered music was dropped."""
        queued = _steps(self._sink.queued)
        seconds = max(TAIL, seconds)
        if seconds >= queued + TAIL:
            # There is time to let the queue play; a splice might be heard.
            tail, dropped = np.empty(0, np.int16), 0
            more = seconds - queued
        else:
            kept = self._last(round(queued * self._rate))
            self._sink.clear()
            tail = kept[: _whole(seconds * self._rate, self._rate)]
            dropped = len(kept) - len(tail)
            more = seconds - len(tail) / self._rate
        if more >= STEP and not self._deck.idle:
            tail = np.concatenate([tail, self._ahead(_whole(more * self._rate, self._rate))])
        if not len(tail):
            return dropped
        curve = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, len(tail) + 1) / len(tail))
        faded = np.rint(tail * curve).astype(np.int16)
        size = round(FRAME * self._rate)
        stops = self._stops
        for start in range(0, len(faded), size):
            while (ahead := self._sink.queued - AHEAD) > 0 and stops == self._stops:
                await self._nap(ahead)
            if stops != self._stops:
                break
            await self._write(faded[start : start + size])
        return dropped

    def _ahead(self, count: int) -> Samples:
        size = round(FRAME * self._rate)
        return np.concatenate(
            [self._deck.render(min(size, count - i)) for i in range(0, count, size)]
        )

    def _last(self, count: int) -> Samples:
        """Return the `count` samples that were written last, as far as they are kept."""
        if not self._recent or count <= 0:
            return np.empty(0, np.int16)
        recent = np.concatenate(self._recent)
        return recent[max(0, len(recent) - count) :]

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _nap(self, seconds: float) -> bool:
        """Sleep up to `seconds`; return whether something woke it before."""
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, _expire, waiter)
        try:
            await waiter
            return self._loop.time() < timer.when()
        finally:
            timer.cancel()
            self._waiter = None


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _gain(duck_db: float) -> float:
    return float(10 ** (min(duck_db, 0.0) / 20))


def _steps(seconds: float) -> float:
    return round(seconds / STEP) * STEP


def _whole(samples: float, rate: int) -> int:
    """Round up to whole pieces of 10 ms."""
    piece = rate // 100
    return max(1, math.ceil(samples / piece - 1e-6)) * piece
