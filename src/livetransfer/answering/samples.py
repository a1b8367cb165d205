"""Samples: frames of any rate become blocks of 8 kHz, piece by piece."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from livekit import rtc

from livetransfer.errors import ConfigurationError

__all__ = ["BLOCK", "RATE", "Samples"]

RATE = 8000
"""Samples per second that are looked at: a telephone's."""

BLOCK = 800
"""Samples of one block, 0.1 s: looking at larger pieces costs less, and waits longer."""

TAPS = 16
"""Taps of the low-pass for each sample that is kept."""

Floats = npt.NDArray[np.float32]


class Samples:
    """Collects frames, and gives blocks of `BLOCK` samples at 8 kHz, -1 to 1."""

    def __init__(self) -> None:
        self._rate = 0
        self._parts: list[Floats] = []
        self._waiting = 0
        self._need = BLOCK
        self._before: Floats = np.zeros(0, np.float32)
        self._filter: Floats = np.zeros(0, np.float32)
        self._phase = 0.0
        self._rest: Floats = np.zeros(0, np.float32)

    def push(self, frame: rtc.AudioFrame) -> list[Floats]:
        """Take a frame and return the blocks that are complete with it.

        Raises:
            ConfigurationError: Its rate is none of a call.
        """
        if frame.sample_rate != self._rate:
            self._begin(frame.sample_rate)
        samples = np.frombuffer(frame.data, np.int16)
        if frame.num_channels > 1:
            samples = samples.reshape(-1, frame.num_channels)[:, 0]
        return self._take(samples.astype(np.float32))

    def silence(self, seconds: float) -> list[Floats]:
        """Take silence of `seconds`, and return the blocks that are complete with it."""
        if not self._rate:
            self._begin(RATE)
        return self._take(np.zeros(round(seconds * self._rate), np.float32))

    def _begin(self, rate: int) -> None:
        if not 8000 <= rate <= 48_000:
            raise ConfigurationError("frame.sample_rate", rate, "push frames of 8000 to 48000 Hz")
        self._rate = rate
        self._parts, self._waiting = [], 0
        self._need = -(-rate // 10)
        if rate != RATE:
            length = round(TAPS * rate / RATE) | 1
            at = np.arange(length) - length // 2
            # 3.6 kHz: what lies above 4 kHz would be heard as something else.
            cut = np.sinc(at * (7200 / rate)) * np.hamming(length)
            self._filter = (cut / cut.sum()).astype(np.float32)
            self._before = np.zeros(length - 1, np.float32)
            self._phase = 0.0

    def _take(self, samples: Floats) -> list[Floats]:
        self._parts.append(samples)
        self._waiting += len(samples)
        if self._waiting < self._need:
            return []
        joined = np.concatenate(self._parts) * np.float32(1 / 32768)
        whole = len(joined) // self._need * self._need
        kept = joined[whole:] * np.float32(32768)
        self._parts, self._waiting = [kept], len(kept)
        slow = joined[:whole] if self._rate == RATE else self._slower(joined[:whole])
        slow = np.concatenate([self._rest, slow])
        full = len(slow) // BLOCK * BLOCK
        self._rest = slow[full:]
        return [slow[i : i + BLOCK] for i in range(0, full, BLOCK)]

    def _slower(self, samples: Floats) -> Floats:
        joined = np.concatenate([self._before, samples])
        self._before = joined[-(len(self._filter) - 1) :]
        step = self._rate / RATE
        positions = np.arange(self._phase, len(samples), step)
        self._phase = positions[-1] + step - len(samples)
        windows = np.lib.stride_tricks.sliding_window_view(joined, len(self._filter))
        whole = positions.astype(np.intp)
        first: Floats = windows[whole] @ self._filter
        between = (positions - whole).astype(np.float32)
        if not between.any():
            return first
        second = windows[np.minimum(whole + 1, len(windows) - 1)] @ self._filter
        mixed: Floats = first + between * (second - first)
        return mixed
