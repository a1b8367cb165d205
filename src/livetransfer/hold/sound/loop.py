"""Loop: a clip as one buffer that can be read round and round without a click or a gap."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .leveling import limited
from .samples import Samples

__all__ = ["GUARD", "SEAM", "Loop", "LoopReader", "make_loop", "same_ahead"]

GUARD = 0.5
"""Seconds of the loop's beginning that stand once more behind its end, so that every frame up
to this length is one slice of the buffer."""

SEAM = 0.010
"""Seconds over which the end is blended into the beginning unless a longer time is asked for."""

DITHER = 16

_SHORTEST = 1.0
_STRETCH = 1 << 18


@dataclass(eq=False)
class Loop:
    """Samples that repeat: they are read from any place up to `end`, then on from `start`.

    Attributes:
        buffer: Shape (n,), int16, full scale 32767: introduction, loop, guard. Never changed.
        start: Where the loop goes on after `end`; what lies before is heard once only.
        end: One more than the last place from which a frame may begin.
        rate: In Hz.
        origin: Which sample of the clip `buffer` begins with.
        whole: Whether it is all of the clip, not only its start.
        mark: Where the last reader is or was: what ``start="live"`` begins with.
    """

    buffer: Samples
    start: int
    end: int
    rate: int
    origin: int = 0
    whole: bool = True
    mark: int = field(default=0, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.buffer.nbytes

    @property
    def length(self) -> int:
        """Samples in one turn."""
        return self.end - self.start

    def wrap(self, position: int) -> int:
        """Return the place in the buffer that `position`, beyond the end perhaps, stands for."""
        if position >= self.end:
            position = self.start + (position - self.start) % self.length
        return max(position, 0)


class LoopReader:
    """One listener's place in a loop."""

    def __init__(self, loop: Loop, position: int = 0) -> None:
        self.loop = loop
        self.position = loop.wrap(position)

    def read(self, count: int) -> Samples:
        """Return the next `count` samples, as a slice of the loop's buffer: do not write to it.

        `count` must not exceed `GUARD` seconds.
        """
        loop, position = self.loop, self.position
        following = position + count
        self.position = loop.mark = following if following < loop.end else loop.wrap(following)
        return loop.buffer[position:following]

    def rewind(self, count: int) -> None:
        """Go back by `count` samples, at most to the beginning or by one turn."""
        loop, position = self.loop, self.position - count
        if position < loop.start and self.position >= loop.start:
            # In the loop already, or still in its first turn: the same sound either way.
            position += loop.length
        self.position = loop.mark = loop.wrap(position)


def same_ahead(one: object, other: object) -> bool:
    """Whether two readers are about to give the same samples, but for the resampler's dither."""
    if not isinstance(one, LoopReader) or not isinstance(other, LoopReader):
        return False
    count = one.loop.rate // 20
    ahead = [reader.loop.buffer[reader.position :][:count] for reader in (one, other)]
    if len(ahead[0]) != len(ahead[1]):
        return False
    return int(np.abs(np.subtract(ahead[0], ahead[1], dtype=np.int32)).max()) <= DITHER


def make_loop(samples: Samples, rate: int, *, crossfade: float = SEAM, origin: int = 0) -> Loop:
    """Make a loop of a clip.

    The end is blended into the beginning over `crossfade` seconds. A clip that was made to be
    looped, whose end already runs into its beginning, stays as it is, to the sample. Where 10 ms
    would leave a step that is larger than any elsewhere in the clip, the blend gets longer.

    Args:
        samples: Shape (n,), int16, at least 0.1 s.
        rate: In Hz.
        crossfade: Seconds; at most half the clip is used.
        origin: Passed on.
    """
    if crossfade <= SEAM and _runs_on(samples, rate):
        return _looped(samples, samples[:0], rate, origin)
    longest = len(samples) // 2
    seam = max(1, min(round(crossfade * rate), longest))
    elsewhere = _Steps(samples)
    best: tuple[int, Samples] | None = None
    while True:
        blend = _blend(samples, seam, rate)
        excess = _excess(samples, blend, elsewhere, rate)
        if best is None or excess < best[0]:
            best = (excess, blend)
        if excess <= 0 or seam >= longest:
            return _looped(samples, best[1], rate, origin)
        seam = min(seam * 2, longest)


def _looped(samples: Samples, blend: Samples, rate: int, origin: int) -> Loop:
    """Put together the buffer: the clip, its end replaced by `blend`, and the guard."""
    start, last = len(blend), len(samples) - len(blend)
    turn = len(samples) - start
    turns = -(-round(_SHORTEST * rate) // turn)  # of a clip of a blink, several
    end, guard = start + turn * turns, round(GUARD * rate)
    buffer = np.empty(end + guard, np.int16)
    buffer[:last] = samples[:last]
    buffer[last : len(samples)] = blend
    at = len(samples)
    while at < len(buffer):
        count = min(turn, len(buffer) - at)
        buffer[at : at + count] = buffer[start : start + count]
        at += count
    return Loop(buffer, start, end, rate, origin)


def _runs_on(samples: Samples, rate: int) -> bool:
    """Whether the step and the bend from the last sample to the first are like those around."""
    around = max(4, rate // 200)
    joined = np.concatenate([samples[-around:], samples[:around]]).astype(np.int32)
    steps = np.diff(joined)
    bends = np.diff(steps)
    at = around - 1
    step, others = abs(int(steps[at])), np.abs(np.delete(steps, at))
    bend = int(np.abs(bends[at - 1 : at + 1]).max())
    other_bends = np.abs(np.delete(bends, [at - 1, at]))
    quiet = int(np.abs(joined).max()) < 4
    return not quiet and step <= others.max() and bend <= other_bends.max()


def _blend(samples: Samples, seam: int, rate: int) -> Samples:
    """Return the last `seam` samples of the clip turning into its first ones."""
    phase = (np.arange(seam, dtype=np.float32) + 0.5) / seam
    if seam > rate // 20:
        # Equal power for what is long enough to be heard as a dip; the two do not resemble.
        fade_in = np.sin(phase * np.float32(np.pi / 2))
        fade_out = np.cos(phase * np.float32(np.pi / 2))
    else:
        fade_in = phase
        fade_out = 1 - phase
    blended = samples[-seam:] * fade_out + samples[:seam] * fade_in
    return limited(blended.astype(np.float32), rate)


class _Steps:
    """The largest steps of a clip, by stretches, so that they need not be looked for again."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._largest = [
            _largest_step(samples[i : i + _STRETCH + 1]) for i in range(0, len(samples), _STRETCH)
        ]

    def until(self, index: int) -> int:
        """Return the largest step before the sample `index`."""
        whole = index // _STRETCH
        rest = _largest_step(self._samples[whole * _STRETCH : index])
        return max([rest, *self._largest[:whole]])


def _excess(samples: Samples, blend: Samples, steps: _Steps, rate: int) -> int:
    """How far the largest step within 10 ms of the seam exceeds the largest elsewhere."""
    around, last = rate // 100, len(samples) - len(blend)
    begin = max(0, last - around)
    after = samples[len(blend) : len(blend) + 1]
    near = _largest_step(np.concatenate([samples[begin:last], blend, after]))
    return near - steps.until(begin + 1)


def _largest_step(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(np.int32))).max(initial=0))
