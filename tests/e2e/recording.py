"""What a phone heard: every 20 ms of received audio, placed on this machine's monotonic clock.

A packet is placed by its RTP timestamp, anchored to the packet of its stretch that had the least
delay: a burst after a stall is laid out as a phone's jitter buffer would play it, and what never
came is a hole. Stretches end after ten seconds, or where a timestamp and the clock part by more
than 0.1 s, so no error grows.
"""

from __future__ import annotations

import asyncio
import time
import wave
from pathlib import Path

import numpy as np

from . import tones
from .tones import AUDIBLE, RATE, WINDOW, Floats, Samples

_STRETCH = 500
_APART = 0.1


class _Listener:
    """One pending `hears` or `stops_hearing`."""

    def __init__(self, frequency: int, threshold: float, windows: int, wants: bool) -> None:
        self.column = tones.column(frequency)
        self.threshold = threshold
        self.windows = windows
        self.wants = wants
        self.run: list[float] = []
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def feed(self, at: float, row: Floats) -> None:
        if (row[self.column] >= self.threshold) is not np.bool_(self.wants):
            self.run.clear()
            return
        self.run.append(at)
        if len(self.run) >= self.windows and not self.done.done():
            self.done.set_result(self.run[0])


class Recording:
    """Received audio in windows of 20 ms, with its own time for each."""

    def __init__(self) -> None:
        self._arrived: list[float] = []
        self._clock: list[float] = []
        self._stretch_of: list[int] = []
        self._anchors: list[float] = []
        self._stretch_size = 0
        self._last_timestamp: int | None = None
        self._unwrapped = 0
        self._pcm: list[Samples] = []
        self._listeners: list[_Listener] = []
        self._cached: tuple[Floats, Floats, Floats, Samples, Floats] | None = None

    def __len__(self) -> int:
        return len(self._pcm)

    @property
    def first_at(self) -> float | None:
        """When the first packet arrived."""
        return self._arrived[0] if self._arrived else None

    def new_source(self) -> None:
        """The sender has changed: its timestamps have nothing to do with those before."""
        self._last_timestamp = None

    def add(self, arrived: float, timestamp: int, samples: Samples) -> None:
        """Take one packet's audio in."""
        for start in range(0, len(samples), WINDOW):
            window = samples[start : start + WINDOW]
            if len(window) < WINDOW:
                window = np.pad(window, (0, WINDOW - len(window)))
            self._add_window(arrived, (timestamp + start) & 0xFFFFFFFF, window)

    def _add_window(self, arrived: float, timestamp: int, window: Samples) -> None:
        fresh = self._last_timestamp is None
        if self._last_timestamp is not None:
            step = (timestamp - self._last_timestamp) & 0xFFFFFFFF
            self._unwrapped += step - (1 << 32) if step >= 1 << 31 else step
        self._last_timestamp = timestamp
        clock = self._unwrapped / RATE
        anchor = arrived - clock
        if fresh or self._stretch_size >= _STRETCH or abs(anchor - self._anchors[-1]) > _APART:
            self._anchors.append(anchor)
            self._stretch_size = 0
        self._stretch_size += 1
        self._anchors[-1] = min(self._anchors[-1], anchor)
        self._arrived.append(arrived)
        self._clock.append(clock)
        self._stretch_of.append(len(self._anchors) - 1)
        self._pcm.append(window)
        self._cached = None
        if self._listeners:
            row = tones.levels(window)
            for listener in self._listeners:
                listener.feed(self._anchors[-1] + clock, row)

    def _analysed(self) -> tuple[Floats, Floats, Floats, Samples, Floats]:
        if self._cached is None:
            anchors = np.asarray(self._anchors, dtype=np.float64)
            clock = np.asarray(self._clock, dtype=np.float64)
            at = clock
            if len(at):
                at = clock + anchors[np.asarray(self._stretch_of)]
                pcm = np.stack(self._pcm)
            else:
                pcm = np.zeros((0, WINDOW), dtype=np.int16)
            order = np.argsort(at, kind="stable")
            pcm = pcm[order]
            rms = np.sqrt(np.mean((pcm / 32768.0) ** 2, axis=1))
            self._cached = at[order], tones.levels(pcm), rms, pcm, clock[order]
        return self._cached

    def times(self) -> Floats:
        """When each window was heard (time.monotonic), in order."""
        return self._analysed()[0]

    def sent(self) -> Floats:
        """When each window was sent, in the order of `times`, by the sender's clock (seconds).

        No step of `times` may be taken for a gap: every 10 s they are set by what arrived.
        """
        return self._analysed()[4]

    def levels(self) -> Floats:
        """Per window the amplitude of each multiple of 50 Hz: see `tones.levels`."""
        return self._analysed()[1]

    def rms(self) -> Floats:
        """Per window its level, 1.0 being full scale."""
        return self._analysed()[2]

    def pcm(self) -> Samples:
        """The windows' samples, one window per row."""
        return self._analysed()[3]

    def missing(self, start: float, end: float) -> int:
        """How many milliseconds between two instants were not received at all."""
        at = self.times()
        inside = int(((at >= start) & (at < end)).sum())
        return max(0, round((end - start) * 1000) - inside * 20)

    async def hears(
        self, frequency: int, *, within: float, windows: int = 2, threshold: float = AUDIBLE
    ) -> float:
        """Wait until a tone is heard in that many windows on end; the time of the first.

        Only what arrives from now on counts. TimeoutError after `within` seconds.
        """
        return await self._listen(_Listener(frequency, threshold, windows, True), within, frequency)

    async def stops_hearing(
        self, frequency: int, *, within: float, windows: int = 10, threshold: float = AUDIBLE
    ) -> float:
        """Wait until a tone is absent from that many received windows on end; when it began."""
        listener = _Listener(frequency, threshold, windows, False)
        return await self._listen(listener, within, frequency)

    async def _listen(self, listener: _Listener, within: float, frequency: int) -> float:
        since = time.monotonic()
        self._listeners.append(listener)
        try:
            return await asyncio.wait_for(listener.done, within)
        except asyncio.TimeoutError:
            verb = "was not heard" if listener.wants else "did not stop"
            heard = tones.tones_heard(self, since)
            raise TimeoutError(
                f"the {frequency} Hz tone {verb} within {within} s; heard instead (ms): {heard}"
            ) from None
        finally:
            self._listeners.remove(listener)

    def samples(self) -> Samples:
        """All that was heard on one line of time from the first window on, holes as silence."""
        at, pcm = self.times(), self.pcm()
        if not len(at):
            return np.zeros(0, dtype=np.int16)
        starts = np.rint((at - at[0]) * RATE).astype(np.int64)
        whole = np.zeros(int(starts[-1]) + WINDOW, dtype=np.int16)
        for start, window in zip(starts, pcm, strict=True):
            whole[start : start + WINDOW] = window
        return whole

    def save(self, path: str | Path) -> None:
        """Write `samples()` as a WAV file."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.samples().astype("<i2").tobytes())
