"""One sound of a simulated call: when it can be heard, what was said, and its samples."""

from __future__ import annotations

import functools
import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "CHARS_PER_SECOND",
    "RATE",
    "Samples",
    "Sound",
    "mono",
    "speech_seconds",
    "tone",
    "tone_part",
]

Samples = npt.NDArray[np.int16]

RATE = 24000
"""Samples per second of everything that is mixed."""
CHARS_PER_SECOND = 15.0
"""How fast people speak here; about 150 words in a minute."""
_MARGIN = 16
"""Samples on both sides of a window, so that it joins the next one without a click."""
_AUDIBLE = 33
"""The peak, of 32767, below which 20 ms of samples are silence: -60 dBFS."""
_SYLLABLE = round(0.18 * RATE)
"""Samples of one syllable of a voice-like tone."""
_SAME = 1e-4
"""Seconds that do not count as a gap."""


def speech_seconds(text: str) -> float:
    """Return how long it takes to say `text`, in seconds."""
    return max(0.3, len(text.strip()) / CHARS_PER_SECOND)


def mono(data: Any, channels: int = 1) -> Samples:
    """Return interleaved int16 samples (an array or a buffer) as one channel, copied."""
    raw = data if isinstance(data, np.ndarray) else np.frombuffer(data, dtype=np.int16)
    if channels > 1:
        raw = raw.reshape(-1, channels).mean(axis=1)
    samples: Samples = raw.reshape(-1).astype(np.int16)
    return samples


_pool: weakref.WeakValueDictionary[int, Samples] = weakref.WeakValueDictionary()


def _shared(samples: Samples) -> Samples:
    """Return an equal array that is held already, so that a looping clip is stored once."""
    key = hash(samples.tobytes())
    known = _pool.get(key)
    if known is not None and np.array_equal(known, samples):
        return known
    _pool[key] = samples
    return samples


@functools.lru_cache(maxsize=64)
def tone(seconds: float, pitch: float) -> Samples:
    """Return something voice-like: syllables of 0.18 s around `pitch`, in Hz, at `RATE`."""
    samples = tone_part(pitch, 0, max(1, round(seconds * RATE)))
    samples.flags.writeable = False
    return samples


_OVERTONES = {2: (0.6, 1.1), 3: (0.5, 2.3), 5: (0.35, 3.1), 8: (0.25, 4.3), 13: (0.2, 5.9)}
"""How loud each is at most, and how it changes from syllable to syllable: its vowels."""


def tone_part(pitch: float, first: int, last: int) -> Samples:
    """Return the samples from `first` to `last`, at `RATE`, of an endless `tone`.

    It has what tells a voice from a tone or music: syllables, gliding pitch, changing overtones.
    """
    at = np.arange(first, last)
    syllable, within = at // _SYLLABLE, at % _SYLLABLE
    number = np.arange(last // _SYLLABLE + 1)
    bends = 1.0 + 0.12 * np.sin(number * 2.4)
    before = np.concatenate([[0.0], np.cumsum(bends)[:-1]]) * _SYLLABLE
    gone = within / _SYLLABLE
    glide = 0.25 * np.sin(number * 1.7 + 0.5)[syllable] * (gone - gone * gone) * _SYLLABLE
    phase = 2 * np.pi * pitch * (before[syllable] + bends[syllable] * (within + 1) + glide) / RATE
    wave = np.sin(phase)
    for overtone, (loud, changes) in _OVERTONES.items():
        vowel = loud * (0.5 + 0.5 * np.sin(number * changes + overtone))
        wave = wave + vowel[syllable] * np.sin(overtone * phase)
    envelope = 0.04 + 0.96 * np.abs(np.sin(np.pi * at / _SYLLABLE)) ** 1.5
    samples: Samples = (2700 * envelope * wave).astype(np.int16)
    return samples


@dataclass
class Sound:
    """A stretch of audio from one source.

    Attributes:
        source: Who or what makes it.
        start: When it begins, in seconds since the simulation began.
        end: When it ends; moves while more is written.
        audience: The identities that hear it. None: a voice, heard by whom `speaker` is joined to.
        speaker: The identity whose voice it is, or None.
        text: The words, where they are known.
        audible: The stretches of it that are not silence, as ``[start, end]``.
        whole: Whether nothing more will be written to it.
    """

    source: str
    start: float
    end: float
    audience: frozenset[str] | None = None
    speaker: str | None = None
    text: str = ""
    pitch: float | None = None
    audible: list[list[float]] = field(default_factory=list)
    whole: bool = False
    keep: bool = True
    _chunks: list[tuple[float, int, Samples]] = field(default_factory=list)

    def write(self, at: float, samples: Samples, rate: int) -> None:
        """Add mono `samples` that begin at `at`, which is not before `end`."""
        self._mark(at, samples, rate)
        self.end = at + len(samples) / rate
        if self.keep:
            self._chunks.append((at, rate, _shared(samples)))

    def _mark(self, at: float, samples: Samples, rate: int) -> None:
        window = max(1, rate // 50)
        count = -(-len(samples) // window)
        if count <= 1:
            loud = [bool(len(samples)) and _is_loud(samples)]
        else:
            padded = np.zeros(count * window, np.int32)
            padded[: len(samples)] = samples
            loud = (np.abs(padded).reshape(count, window).max(axis=1) > _AUDIBLE).tolist()
        end = at + len(samples) / rate
        if all(loud):
            self._extend(at, end)
            return
        for i, is_loud in enumerate(loud):
            if is_loud:
                self._extend(at + i * window / rate, min(end, at + (i + 1) * window / rate))

    def _extend(self, start: float, end: float) -> None:
        if self.audible and start - self.audible[-1][1] < _SAME:
            self.audible[-1][1] = end
        else:
            self.audible.append([start, end])

    def cut(self, at: float) -> None:
        """Drop what comes after `at`."""
        if at >= self.end:
            return
        self.end = max(at, self.start)
        while self.audible and self.audible[-1][0] >= at:
            self.audible.pop()
        if self.audible:
            self.audible[-1][1] = min(self.audible[-1][1], at)
        while self._chunks and self._chunks[-1][0] >= at:
            self._chunks.pop()
        if self._chunks:
            begin, rate, samples = self._chunks[-1]
            kept = max(0, round((at - begin) * rate))
            if kept < len(samples):
                self._chunks[-1] = (begin, rate, samples[:kept])

    def words(self, start: float, end: float) -> str:
        """Return the words that fall between `start` and `end`."""
        length = self.end - self.start
        if not self.whole:
            length = max(length, speech_seconds(self.text))
        if not self.text or length <= 0:
            return self.text
        words = self.text.split()
        first = round(max(0.0, (start - self.start) / length) * len(words))
        last = round(min(1.0, (end - self.start) / length) * len(words))
        if first <= 0 and last >= len(words):
            return self.text
        return " ".join(words[first:last])

    def render(self) -> Samples:
        """Return all of it, from `start` to `end`, at `RATE`."""
        n = max(0, round((self.end - self.start) * RATE))
        out = np.zeros(n, np.int16)
        if self.pitch is not None and not self._chunks:
            out[:] = tone(max(n, 1) / RATE, self.pitch)[:n]
            return out
        block: list[Samples] = []
        begin, rate, expected = 0.0, RATE, -1.0
        for at, chunk_rate, samples in [*self._chunks, (float("inf"), 0, np.zeros(0, np.int16))]:
            if block and (chunk_rate != rate or abs(at - expected) > _SAME):
                _place(out, round((begin - self.start) * RATE), _resample(block, rate))
                block = []
            if not block:
                begin, rate = at, chunk_rate
            block.append(samples)
            expected = at + len(samples) / max(chunk_rate, 1)
        return out

    def window(self, start: float, count: int, rate: int) -> Samples:
        """Return `count` samples at `rate` from the time `start` on; silence where it is not."""
        at = start + np.arange(count) / rate
        out = np.zeros(count, np.float64)
        if self.pitch is not None and not self._chunks:
            first = int((start - self.start) * RATE) - _MARGIN
            last = int((at[-1] - self.start) * RATE) + _MARGIN
            part = tone_part(self.pitch, max(0, first), max(0, last))
            out += _at(at - self.start - max(0, first) / RATE, part, RATE, rate)
        for begin, chunk_rate, samples in self._chunks:
            first = max(0, int((start - begin) * chunk_rate) - _MARGIN)
            last = max(0, int((at[-1] - begin) * chunk_rate) + _MARGIN)
            part = samples[first:last]
            out += _at(at - begin - first / chunk_rate, part, chunk_rate, rate)
        out[(at < self.start) | (at >= self.end)] = 0
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


def _at(
    times: npt.NDArray[np.float64], samples: Samples, rate: int, to: int
) -> npt.NDArray[np.float64]:
    """Return what `samples` are at `times`, in seconds since the first; 0 outside."""
    if not len(samples):
        return np.zeros(len(times))
    data = samples.astype(np.float64)
    if rate > to:
        width = max(1, round(rate / to))
        data = np.convolve(data, np.ones(width) / width, mode="same")
    return np.interp(times * rate, np.arange(len(data)), data, left=0.0, right=0.0)


def _is_loud(samples: Samples) -> bool:
    return bool(samples.max() > _AUDIBLE or samples.min() < -_AUDIBLE)


def _place(out: Samples, index: int, samples: Samples) -> None:
    part = samples[: max(0, len(out) - index)]
    out[index : index + len(part)] = part


def _resample(block: list[Samples], rate: int) -> Samples:
    samples = block[0] if len(block) == 1 else np.concatenate(block)
    if rate == RATE:
        return samples
    # Good enough to listen to: a moving average keeps most of what would alias out.
    data = samples.astype(np.float64)
    if rate > RATE:
        width = max(1, round(rate / RATE))
        data = np.convolve(data, np.ones(width) / width, mode="same")
    n = round(len(samples) * RATE / rate)
    at = np.arange(n) * (rate / RATE)
    resampled: Samples = np.interp(at, np.arange(len(data)), data).astype(np.int16)
    return resampled
