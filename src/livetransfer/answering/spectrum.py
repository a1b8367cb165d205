"""Spectrum: what each 20 ms of a call sounds like, in five numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .samples import RATE, Floats

__all__ = ["HOP", "HOP_SECONDS", "Hop", "Spectrum"]

HOP = 160
HOP_SECONDS = HOP / RATE
WINDOW = 512
"""Samples that one look covers, 64 ms: it parts pitches that are 60 Hz apart."""

NEAR = 5
"""Bins on each side that belong to a pitch: 78 Hz, so that 440 and 480 Hz sound as one."""

QUIET = 1e-9


@dataclass(frozen=True, slots=True)
class Hop:
    """20 ms of a call.

    Attributes:
        level: dBFS.
        pitch: Of what sounds loudest, in Hz.
        share: Of the power that lies there, 0 to 1.
        second: The next pitch, in Hz.
        both: Of the power that lies at either.
    """

    level: float
    pitch: float
    share: float
    second: float
    both: float


class Spectrum:
    """Looks at blocks in order."""

    def __init__(self) -> None:
        self._before: Floats = np.zeros(WINDOW - HOP, np.float32)
        self._window = np.hanning(WINDOW).astype(np.float32)
        bins = np.arange(WINDOW // 2 + 1)
        self._frequencies = bins * (RATE / WINDOW)
        self._heard = (self._frequencies >= 200) & (self._frequencies <= 3600)
        # A row for each bin: which others belong to it.
        self._near = (np.abs(bins[:, None] - bins[None, :]) <= NEAR).astype(np.float64)

    def look(self, block: Floats) -> list[Hop]:
        """Return a hop for each 20 ms of `block`."""
        joined = np.concatenate([self._before, block])
        self._before = joined[-(WINDOW - HOP) :]
        windows = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[::HOP]
        found = np.fft.rfft(windows * self._window)
        power = (found.real**2 + found.imag**2) * self._heard
        total = power.sum(axis=1) + QUIET
        rows = np.arange(len(power))
        peak = power.argmax(axis=1)
        near = self._near[peak]
        first = power * near
        share = first.sum(axis=1)
        pitch = first @ self._frequencies / (share + QUIET)
        others = power - first
        peak_2 = others.argmax(axis=1)
        second = (others * self._near[peak_2]).sum(axis=1)
        pitch_2 = self._frequencies[peak_2]
        pieces = block.reshape(-1, HOP)
        level = 10 * np.log10(np.einsum("ij,ij->i", pieces, pieces) / HOP + QUIET)
        return [
            Hop(*numbers)
            for numbers in zip(
                level[rows].tolist(),
                pitch.tolist(),
                (share / total).tolist(),
                pitch_2.tolist(),
                ((share + second) / total).tolist(),
                strict=True,
            )
        ]
