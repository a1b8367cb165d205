"""Tones: made for one phone to send, and found again in what another phone heard.

Every tone is a multiple of 50 Hz, so that one period pattern fits each 20 ms window exactly and a
window says which tones are in it. Windows are weighted (Hann) before the transform: a tone that
starts or stops in the middle of a window then shows up hardly anywhere else, provided that the
tones of one test are 200 Hz or more apart. An amplitude of 1.0 is full scale; the phones send 0.3,
and 0.03, twenty decibels below, is where a tone counts as heard.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .recording import Recording

RATE = 8000
WINDOW = 160
WINDOW_S = 0.02
SPACING = 50
LOUD = 0.3
AUDIBLE = 0.03
QUIET = 0.005
NEVER = math.inf

Samples = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]


def tone(frequency: int, seconds: float, amplitude: float = LOUD, rate: int = RATE) -> Samples:
    """A sine of `seconds`, as 16-bit samples."""
    moments = np.arange(round(seconds * rate)) * frequency % rate
    wave = np.sin(2 * np.pi * moments / rate) * amplitude * 32767
    return np.rint(wave).astype(np.int16)


def silence(seconds: float, rate: int = RATE) -> Samples:
    """Nothing, as 16-bit samples."""
    return np.zeros(round(seconds * rate), dtype=np.int16)


def levels(windows: Samples) -> Floats:
    """The amplitude (0 to 1) of every multiple of 50 Hz in each 20 ms window, at any rate.

    `windows` has one window per row; column `k` of the result stands for `k * 50` Hz.
    """
    spectrum = np.fft.rfft(windows * _weight(windows.shape[-1]), axis=-1)
    return np.asarray(np.abs(spectrum), dtype=np.float64)


@functools.lru_cache
def _weight(size: int) -> Floats:
    """Hann, so that a sine of full scale has the level 1.0."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return np.asarray(hann * (2.0 / hann.sum() / 32768.0), dtype=np.float64)


def column(frequency: int) -> int:
    """Where `levels` keeps a frequency."""
    if frequency <= 0 or frequency % SPACING:
        raise ValueError(f"a tone must be a positive multiple of {SPACING} Hz, not {frequency}")
    return frequency // SPACING


def tone_level(window: Samples, frequency: int) -> float:
    """The amplitude (0 to 1) of one tone in one 20 ms window."""
    return float(levels(window)[column(frequency)])


def windows_with(
    recording: Recording,
    frequency: int,
    threshold: float = AUDIBLE,
    *,
    after: float = -NEVER,
    before: float = NEVER,
) -> list[float]:
    """The times (time.monotonic) of the windows in which a tone is heard."""
    heard = recording.levels()[:, column(frequency)] >= threshold
    at = recording.times()
    return [float(t) for t in at[heard & (at >= after) & (at < before)]]


def first_heard(
    recording: Recording,
    frequency: int,
    *,
    after: float = -NEVER,
    before: float = NEVER,
    threshold: float = AUDIBLE,
) -> float | None:
    """When a tone is first heard, or None."""
    found = windows_with(recording, frequency, threshold, after=after, before=before)
    return found[0] if found else None


def last_heard(
    recording: Recording,
    frequency: int,
    *,
    after: float = -NEVER,
    before: float = NEVER,
    threshold: float = AUDIBLE,
) -> float | None:
    """When a tone is last heard, or None."""
    found = windows_with(recording, frequency, threshold, after=after, before=before)
    return found[-1] if found else None


def heard_between(
    recording: Recording,
    frequency: int,
    start: float,
    end: float,
    threshold: float = AUDIBLE,
) -> int:
    """How many milliseconds of a tone are heard between two instants."""
    found = windows_with(recording, frequency, threshold, after=start, before=end)
    return len(found) * round(WINDOW_S * 1000)


def longest_gap(
    recording: Recording,
    frequency: int | None,
    start: float,
    end: float,
    threshold: float | None = None,
) -> float:
    """The longest time (seconds) between two instants without a tone, or without any sound.

    What was not received counts as silence. With no `frequency`, any window whose RMS level
    reaches `threshold` is sound.
    """
    at = recording.times()
    if frequency is None:
        heard = recording.rms() >= (QUIET if threshold is None else threshold)
    else:
        limit = AUDIBLE if threshold is None else threshold
        heard = recording.levels()[:, column(frequency)] >= limit
    inside = at[heard & (at > start - WINDOW_S) & (at < end)]
    begins = np.append(inside, end)
    ends = np.insert(inside + WINDOW_S, 0, start)
    return max(0.0, float(np.max(begins - ends)))


def longest_silence(recording: Recording, start: float, end: float, below: float = QUIET) -> float:
    """The longest time (seconds) between two instants in which nothing was heard."""
    return longest_gap(recording, None, start, end, below)


def loudness(recording: Recording, start: float, end: float) -> float:
    """The level in dB below full scale of what was received between two instants."""
    at = recording.times()
    power = recording.rms()[(at >= start) & (at < end)] ** 2
    mean = float(power.mean()) if power.size else 0.0
    return 10 * math.log10(mean) if mean > 0 else -NEVER


def tones_heard(
    recording: Recording, start: float = -NEVER, end: float = NEVER, threshold: float = AUDIBLE
) -> dict[int, int]:
    """Milliseconds for the strongest frequency of each window: for the message of a failed test."""
    at = recording.times()
    chosen = recording.levels()[(at >= start) & (at < end)]
    found: dict[int, int] = {}
    for row in chosen:
        best = int(row.argmax())
        if row[best] >= threshold:
            found[best * SPACING] = found.get(best * SPACING, 0) + round(WINDOW_S * 1000)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
