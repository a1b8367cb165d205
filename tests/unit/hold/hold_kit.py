"""What the tests of hold music share: a sink that keeps what is heard, clips, and measures."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from livekit import rtc

from livetransfer.hold import HoldEvent
from livetransfer.hold.sound.samples import Samples

RATE = 24_000

CAPACITIES = [0.4, 1.0]
"""Seconds that sinks take: one that does not say how much it is, and the music's in a room."""


class FakeSink:
    """An AudioSink that plays in the event loop's time and keeps what could be heard.

    Attributes:
        capacity: Seconds that may be queued before `write` waits.
        takes: Seconds that a write takes at least; in a room it is about 0.001.
        most: The most that was queued, in seconds.
        frames: The frames that were written.
        gaps: When, in seconds after the first frame, and for how long nothing was queued.
    """

    def __init__(
        self, rate: int = RATE, channels: int = 1, capacity: float = 0.4, takes: float = 0.0
    ) -> None:
        self.sample_rate, self.num_channels = rate, channels
        self.frames: list[rtc.AudioFrame] = []
        self.gaps: list[tuple[float, float]] = []
        self.began = self.ends = self.most = 0.0
        self.closed = False
        self.capacity, self.takes = capacity, takes
        self._parts: list[Samples] = []

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def queued(self) -> float:
        return 0.0 if self.closed else max(0.0, self.ends - self.now)

    async def ready(self) -> None:
        """Return at once."""

    async def write(self, frame: rtc.AudioFrame) -> None:
        if self.closed:
            return
        assert frame.sample_rate == self.sample_rate
        assert frame.num_channels == self.num_channels
        assert frame.samples_per_channel % (self.sample_rate // 100) == 0
        if not self.frames:
            self.began = self.ends = self.now
        elif self.now > self.ends + 1e-6:
            self.gaps.append((self.ends - self.began, self.now - self.ends))
            self._parts.append(np.zeros(round((self.now - self.ends) * self.sample_rate), np.int16))
            self.ends = self.now
        self.frames.append(frame)
        self._parts.append(np.frombuffer(frame.data, np.int16)[:: self.num_channels])
        self.ends += frame.duration
        self.most = max(self.most, self.queued)
        if self.takes:
            await asyncio.sleep(self.takes)
        while self.queued > self.capacity + 1e-6:
            await asyncio.sleep(self.queued - self.capacity)

    def clear(self) -> None:
        dropped = round(self.queued * self.sample_rate)
        if dropped:
            self._parts = [self.heard[:-dropped]]
            self.ends = self.now

    async def aclose(self) -> None:
        self.closed = True

    @property
    def heard(self) -> Samples:
        """All that was heard since the first frame, and what is queued."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.int16)

    def since(self, moment: float) -> Samples:
        """What was heard from `moment`, a time of the event loop, on."""
        return self.heard[max(0, round((moment - self.began) * self.sample_rate)) :]


def tone(
    seconds: float = 2.0, hertz: float = 440.0, rate: int = RATE, level: float = 0.2
) -> npt.NDArray[np.float32]:
    """A sine."""
    at = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * at)).astype(np.float32)


def chirp(seconds: float, rate: int = RATE) -> npt.NDArray[np.float32]:
    """A tone that rises from 300 to 1500 Hz, so that a place in it can be told by its pitch."""
    at = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (300 * at + 600 * at * at / seconds)
    return (0.2 * np.sin(phase)).astype(np.float32)


def encoded(
    samples: npt.NDArray[Any], rate: int = RATE, kind: str = "WAV", subtype: str | None = None
) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def rms(samples: npt.NDArray[Any]) -> float:
    """In dBFS."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return 10 * float(np.log10(power / 32768.0**2 + 1e-20))


def quietest(samples: Samples, rate: int = RATE, window: float = 0.02) -> float:
    """RMS of the quietest window, in dBFS."""
    size = round(window * rate)
    count = len(samples) // size
    squares = samples[: count * size].astype(np.float64).reshape(count, size) ** 2
    return 10 * float(np.log10(squares.mean(axis=1).min() / 32768.0**2 + 1e-20))


def pitch(samples: Samples, rate: int = RATE) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def largest_step(samples: Samples) -> int:
    """The largest difference between neighbours."""
    return int(np.abs(np.diff(samples.astype(np.int32))).max(initial=0))


async def frames_of(
    samples: npt.NDArray[Any], rate: int = RATE, seconds: float = 0.05, pause: float = 0.0
) -> AsyncIterator[rtc.AudioFrame]:
    """Yield `samples` (floats) as frames."""
    data = (samples * 32767).astype(np.int16)
    size = round(seconds * rate)
    for start in range(0, len(data), size):
        part = data[start : start + size]
        if pause:
            await asyncio.sleep(pause)
        yield rtc.AudioFrame(part.tobytes(), rate, 1, len(part))


class Events(list[HoldEvent]):
    """Keeps events, and finds them by kind."""

    def of(self, kind: type) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for `condition`, at most `seconds`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "it did not happen"
        await asyncio.sleep(0.005)


def written(folder: Path, name: str, data: bytes) -> Path:
    """A file with `data`."""
    path = folder / name
    path.write_bytes(data)
    return path
