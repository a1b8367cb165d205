"""PlayHandle: the music of one call, written to its sink by one task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from livetransfer._logged import logged
from livetransfer.control import AudioSink
from livetransfer.hold.sound.samples import AudioError, Samples, collect
from livetransfer.hold.sources.accepted_sources import Track
from livetransfer.hold.sources.fetch import Fetcher

from .comfort_lines import MAX_LINE, is_text, line_samples
from .mixer import Deck, Line
from .next_clip import Director
from .reminders import Reminders
from .settings import Settings
from .sink_output import Output

__all__ = ["PlayHandle"]

logger = logging.getLogger("livetransfer")

TAIL = 0.03
"""Seconds: the shortest fade; less would click."""

CLOSING = 1.0
"""Seconds that the end waits for helpers which are slow to be cancelled."""

FOREVER = 3600.0


class PlayHandle:
    """Music that plays to one call. `HoldMusicPlayer.play` makes it.

    Attributes:
        task: The task that writes it; it never raises.
        fade_out: Seconds that `stop` takes unless it is told otherwise.
        error: What ended the music before it was stopped: the sink failed. Usually None.
    """

    def __init__(
        self, sink: AudioSink, tracks: tuple[Track, ...], settings: Settings, fetcher: Fetcher
    ) -> None:
        self._settings, self._rate = settings, settings.rate
        self._loop = asyncio.get_running_loop()
        self._output = Output(sink, self._rate)
        self._deck = Deck(self._rate)
        self._director = Director(self._deck, tracks, settings, fetcher, self._output.wake)
        self._reminders = Reminders(settings, self._output.wake)
        self._fade_in = next((t.fade_in for t in tracks if t.fade_in is not None), settings.fade_in)
        self.fade_out = next(
            (t.fade_out for t in tracks if t.fade_out is not None), settings.fade_out
        )
        self._stop: float | None = None
        self._paused = self._silent = False
        self._heard: set[asyncio.Future[None]] = set()
        self._getting: set[asyncio.Task[Samples]] = set()
        self.error: Exception | None = None
        self.task = asyncio.create_task(self._run(), name="livetransfer-hold-music")

    # What its owner may do.

    @property
    def done(self) -> bool:
        """Whether the music has ended."""
        return self.task.done()

    def longest_silence(self, since: float) -> float:
        """Return the longest time, in seconds, in which nothing was played; pauses count.

        Args:
            since: From when on, in the loop's time, there was to be music.
        """
        return self._output.longest_gap(since)

    def stop(self, fade: float | None = None) -> None:
        """Let the music end `fade` seconds from now, without waiting for it.

        What is queued in the sink is dropped where that is needed to end in time. May be called
        again, with a shorter fade too.

        Args:
            fade: In seconds; it takes 0.03 at least. None: the player's `fade_out`.
        """
        end = self._loop.time() + max(TAIL, self.fade_out if fade is None else fade)
        if self._stop is None or end < self._stop:
            self._stop = end
            self._output.wake()

    async def wait(self) -> None:
        """Wait until the music has ended: after `stop`, or because the sink failed.

        Cancelling the wait does not end the music.
        """
        await asyncio.wait({self.task})

    def pause(self) -> None:
        """Fall silent, with a short fade, until `resume`. Lines are spoken all the same."""
        self._paused = True
        self._output.wake()

    def resume(self) -> None:
        """Go on from where `pause` stopped, fading in."""
        self._paused = False
        self._output.wake()

    def say(self, line: Any, *, duck_db: float = -14.0) -> asyncio.Future[None]:
        """Speak a line over the music, which is turned down meanwhile and then comes back.

        Lines that are given while one is spoken, or is being prepared, wait for their turn.

        Args:
            line: An `AudioFrame`, an iterable or async iterable of them, ``(samples, rate)`` with
                the rate in Hz, a path or the bytes of a file; or text, if there is a
                `synthesise`. At most 60 s. It is as loud as it comes.
            duck_db: How far the music is turned down, in dB, negative.

        Returns:
            Done when the line was heard to its end; it need not be awaited, and cancelling it
            does not end a line that has begun. It raises AudioError if the line cannot be
            played, and is cancelled if the music ends before.
        """
        heard: asyncio.Future[None] = self._loop.create_future()
        if self.done or self._stop is not None:
            heard.cancel()
            return heard
        self._heard.add(heard)
        getting = asyncio.create_task(
            self._in_turn(line, set(self._getting)), name="livetransfer-hold-line"
        )
        self._getting.add(getting)
        getting.add_done_callback(self._getting.discard)

        def finish() -> None:
            if not heard.done():
                heard.set_result(None)

        def got(done: asyncio.Future[Samples]) -> None:
            if heard.done() or done.cancelled():
                return
            if (error := done.exception()) is None:
                self._speak(done.result(), duck_db, line if is_text(line) else "", finish)
                self._output.wake()
                return
            if not isinstance(error, AudioError):
                error = AudioError(f"{type(error).__name__}: {error}")
            heard.set_exception(error)
            heard.exception()  # so that it need not be awaited

        def over(_: asyncio.Future[None]) -> None:
            self._heard.discard(heard)
            getting.cancel()

        getting.add_done_callback(got)
        heard.add_done_callback(over)
        return heard

    async def _in_turn(self, line: Any, earlier: set[asyncio.Task[Samples]]) -> Samples:
        samples = await self._line(line)
        if earlier:
            await asyncio.wait(earlier)
        return samples

    async def _line(self, line: Any) -> Samples:
        if not is_text(line):
            return await line_samples(line, self._rate)
        if self._settings.synthesise is None:
            raise AudioError("there is nothing that could speak a line of text")
        return await collect(self._settings.synthesise(line), self._rate, MAX_LINE)

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
                if self._paused != self._silent:
                    self._silent = self._paused
                    if self._silent:
                        await self._fall_silent()
                    else:
                        self._deck.fade.go(1.0, round(max(TAIL, self._fade_in) * self._rate))
                elif self._deck.idle:
                    await self._output.nap(self._idle_for())
                elif await self._output.room():
                    await self._output.write(self._deck.render(self._output.next_frame()))
            await self._end()
        except Exception as error:
            self.error = error
            logger.warning("the hold music ended early", **logged())
        finally:
            for heard in list(self._heard):
                heard.cancel()
            for task in self._getting:
                task.cancel()
            ending = {*self._director.close(), *self._reminders.close(), *self._getting}
            if ending:
                await asyncio.wait(ending, timeout=CLOSING)

    def _idle_for(self) -> float:
        """Return for how long, in seconds, there is nothing to do."""
        waits = (self._director.wait, self._reminders.wait)
        return min((wait for wait in waits if wait is not None), default=FOREVER)

    def _remind(self) -> None:
        if (line := self._reminders.take()) is not None:
            text, samples, duck_db = line
            self._speak(samples, duck_db, text, self._reminders.ended)

    def _speak(
        self, samples: Samples, duck_db: float, text: str, ended: Callable[[], None]
    ) -> None:
        seconds = len(samples) / self._rate
        self._deck.speak(
            Line(
                samples,
                _gain(duck_db),
                ended=lambda: self._output.after_next(ended),
                begins=lambda at: self._output.caption_next(text, at, seconds),
            )
        )

    async def _end(self) -> None:
        """Fade out by the time that `stop` asked for; begin again if it asks for less."""
        end = None
        while end != self._stop:
            end = self._stop
            assert end is not None
            await self._fade_away(end - self._loop.time(), end)
            while end == self._stop and not await self._output.drain():
                pass

    async def _fall_silent(self) -> None:
        if self._deck.speaking or self._output.owes:
            # Not at once, for the line must not be cut.
            self._deck.fade.go(0.0, round(TAIL * self._rate))
            return
        unheard = await self._fade_away(TAIL, None)
        self._deck.fade.go(0.0, 0)
        self._deck.rewind(unheard)

    async def _fade_away(self, seconds: float, end: float | None) -> int:
        """Fade what is heard from now on; return how many rendered samples were dropped.

        Args:
            seconds: From now until silence.
            end: Go on only as long as `_stop` is this.
        """
        seconds = max(TAIL, seconds)
        queued = self._output.queued
        tail, dropped = np.empty(0, np.int16), 0
        # If there is time, the queue may play: to leave it alone is the cleanest.
        now = seconds < queued + TAIL
        length = self._output.whole(seconds if now else seconds - queued)
        if now:
            unheard = self._output.unheard()
            tail, dropped = unheard[:length], max(0, len(unheard) - length)
        if len(tail) < length and not self._deck.idle:
            tail = np.concatenate([tail, self._rendered(length - len(tail))])
        curve = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, len(tail) + 1) / max(1, len(tail)))
        faded = np.rint(tail * curve).astype(np.int16)
        if now:
            self._output.clear()  # and go on at once, lest there be a hole
        size = round(self._output.frame * self._rate)
        for start in range(0, len(faded), size):
            while self._stop == end and not await self._output.room():
                pass
            if self._stop != end:
                break
            await self._output.write(faded[start : start + size])
        return dropped

    def _rendered(self, count: int) -> Samples:
        size = round(self._output.frame * self._rate)
        parts = [self._deck.render(min(size, count - i)) for i in range(0, count, size)]
        return np.concatenate(parts)


def _gain(duck_db: float) -> float:
    return float(10 ** (min(duck_db, 0.0) / 20))
