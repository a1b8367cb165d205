"""Levelling: any clip sits at one loudness that suits a telephone, and nothing clips.

Loudness follows ITU-R BS.1770-4: K-weighting, blocks of 400 ms that overlap by 75 %, an absolute
gate at -70 LUFS and a relative one at -10 LU. The weighting is applied to the power spectrum of
segments of 100 ms, which gives the same mean squares (Parseval) without a filter in Python.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from .samples import Samples

__all__ = ["CEILING", "MAX_GAIN_DB", "TARGET_LUFS", "level", "limited", "loudness", "trim"]

TARGET_LUFS = -23.0
"""Where music is put. EBU R 128's programme level, 3 dB above the nominal active speech level of
telephony (-26 dBov, ITU-T P.56 and G.100.1): clearly there, and not louder than the voices."""

CEILING = 10 ** (-1.0 / 20) * 32767
"""The largest sample: -1 dBFS, so that an encoder's ripple does not clip."""

AUDIBLE_DB = -19.0
"""Level relative to a clip's loudness, in dB, below which its ends count as silence."""

MAX_TRIM = 5.0
"""Seconds that are taken off either end at most."""

MAX_GAIN_DB = 30.0
MAX_LIMITING_DB = 6.0
_ABSOLUTE_GATE = -70.0
_RELATIVE_GATE = -10.0
_OFFSET = -0.691

_SHELF = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (1.0, -1.69065929318241, 0.73248077421585),
)
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
"""BS.1770-4, tables 1 and 2, for 48 kHz."""


@functools.lru_cache(maxsize=8)
def _weights(size: int, rate: int) -> npt.NDArray[np.float32]:
    frequency = np.fft.rfftfreq(size, 1.0 / rate)
    z = np.exp(-2j * np.pi * np.minimum(frequency, 24_000.0) / 48_000.0)
    response = np.ones_like(z)
    for (b0, b1, b2), (a0, a1, a2) in (_SHELF, _HIGH_PASS):
        response = response * (b0 + b1 * z + b2 * z * z) / (a0 + a1 * z + a2 * z * z)
    power = np.abs(response) ** 2 * 2.0 / size**2
    power[0] /= 2
    if size % 2 == 0:
        power[-1] /= 2
    weights: npt.NDArray[np.float32] = power.astype(np.float32)
    return weights


def loudness(samples: Samples, rate: int) -> float:
    """Return the integrated loudness in LUFS; -inf if all of it is below the gates.

    Args:
        samples: Shape (n,), int16.
        rate: In Hz.
    """
    size = rate // 10
    count = max(1, len(samples) // size)
    weights = _weights(size, rate)
    powers = np.empty(count)
    for start in range(0, count, 64):
        stop = min(count, start + 64)
        block = np.zeros((stop - start, size), np.float32)
        part = samples[start * size : stop * size]
        block.reshape(-1)[: len(part)] = part
        spectrum = np.fft.rfft(block, axis=1)
        squares = spectrum.real**2 + spectrum.imag**2
        powers[start:stop] = squares @ weights / 32768.0**2
    if count >= 4:
        powers = np.convolve(powers, np.full(4, 0.25), mode="valid")
    return _gated(powers)


def _gated(powers: npt.NDArray[np.float64]) -> float:
    kept = powers[powers > _power(_ABSOLUTE_GATE)]
    if not len(kept):
        return -math.inf
    kept = kept[kept > _power(_lufs(float(kept.mean())) + _RELATIVE_GATE)]
    return _lufs(float(kept.mean()))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


def _lufs(power: float) -> float:
    return _OFFSET + 10 * math.log10(power)


def level(
    samples: Samples,
    rate: int,
    *,
    target: float | None,
    volume: float,
    measured: float,
    max_gain: float = MAX_GAIN_DB,
) -> Samples:
    """Return `samples` at the loudness `target` times `volume`, with no sample above `CEILING`.

    Peaks are limited by at most 6 dB; where that is not enough, all of it stays softer.

    Args:
        samples: Shape (n,), int16.
        rate: In Hz.
        target: In LUFS; None leaves the clip as loud as it is.
        volume: Linear, applied on top.
        measured: Its loudness in LUFS.
        max_gain: The most that a soft clip is raised, in dB.
    """
    gain = volume
    if target is not None:
        gain *= 10 ** (min(target - measured, max_gain) / 20)
    peak = max(float(samples.max()), -float(samples.min()))
    gain = min(gain, CEILING * 10 ** (MAX_LIMITING_DB / 20) / peak)
    if gain == 1.0 and peak <= CEILING:
        return samples
    return limited(samples, rate, gain)


def limited(samples: Samples | npt.NDArray[np.float32], rate: int, gain: float = 1.0) -> Samples:
    """Return `samples` times `gain`, with what would exceed `CEILING` turned down around it.

    The gain moves in straight lines between blocks of 5 ms, so there is no step in it.
    """
    size = max(1, rate // 200)
    step = size * 2000
    result = np.empty(len(samples), np.int16)
    knots = _knots(samples, size, gain)
    along = np.arange(size, dtype=np.float32) / size
    for start in range(0, len(samples), step):
        part = samples[start : start + step].astype(np.float32)
        part *= np.float32(gain)
        if knots is not None:
            first, last = start // size, start // size + -(-len(part) // size)
            slopes = (knots[first + 1 : last + 1] - knots[first:last])[:, None]
            part *= (knots[first:last, None] + slopes * along).reshape(-1)[: len(part)]
        result[start : start + step] = np.rint(part)
    return result


def _knots(
    samples: Samples | npt.NDArray[np.float32], size: int, gain: float
) -> npt.NDArray[np.float32] | None:
    """Return the limiter's gain at the borders of blocks of `size`; None: there is no need."""
    peaks = np.empty(-(-len(samples) // size), np.float32)
    whole = len(samples) // size
    for start in range(0, whole, 2000):
        stop = min(whole, start + 2000)
        block = samples[start * size : stop * size].reshape(-1, size)
        # Not abs(): -32768 has no positive counterpart.
        peaks[start:stop] = np.maximum(block.max(axis=1), -block.min(axis=1).astype(np.float32))
    if whole < len(peaks):
        peaks[whole] = np.abs(samples[whole * size :].astype(np.float32)).max()
    peaks *= np.float32(gain)
    if float(peaks.max(initial=0.0)) <= CEILING:
        return None
    allowed = np.minimum(1.0, CEILING / np.maximum(peaks, 1.0)).astype(np.float32)
    return np.minimum(np.append(allowed, allowed[-1:]), np.insert(allowed, 0, allowed[0]))


def trim(samples: Samples, rate: int, measured: float) -> tuple[int, int]:
    """Return where what can be heard begins and ends, as sample numbers.

    A clip that fades in from nothing and out again would be a hole in every turn of the loop.
    Silence inside the clip belongs to it.

    Args:
        samples: Shape (n,), int16.
        rate: In Hz.
        measured: Their loudness in LUFS.
    """
    size = max(1, rate // 50)
    count = len(samples) // size
    if count < 10:
        return 0, len(samples)
    squares = np.empty(count)
    for start in range(0, count, 4096):
        part = samples[start * size : min(count, start + 4096) * size].astype(np.float32)
        squares[start : start + 4096] = (part.reshape(-1, size) ** 2).mean(axis=1)
    loud = squares > (32768.0 * 10 ** ((measured + AUDIBLE_DB) / 20)) ** 2
    # Three windows in a row: a click at the very end of a file is not the end of its music.
    runs = loud[:-2] & loud[1:-1] & loud[2:]
    found = np.flatnonzero(runs)
    if not len(found):
        return 0, len(samples)
    first, last = int(found[0]) * size, (int(found[-1]) + 3) * size
    if last >= count * size:
        last = len(samples)
    most = round(MAX_TRIM * rate)
    first, last = min(first, most), max(last, len(samples) - most)
    return (first, last) if last - first >= rate // 2 else (0, len(samples))
