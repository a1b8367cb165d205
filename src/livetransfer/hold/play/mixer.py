"""Deck: one call's music, its fades, its changes of clip and the lines spoken over it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livetransfer.hold.sound.reader import Reader
from livetransfer.hold.sound.samples import Samples

__all__ = ["Deck", "Line", "Ramp"]

Gain = float | npt.NDArray[np.float32]

LEAD_IN = 0.25
"""Seconds in which the music is turned down before a line begins."""

LEAD_OUT = 0.6
"""Seconds in which it comes back after a line."""


class Ramp:
    """A gain that moves smoothly, with no bend, from where it is to where it is to be."""

    def __init__(self, value: float = 1.0) -> None:
        self.value = value
        self._from = self._to = value
        self._length = self._done = 0

    @property
    def still(self) -> bool:
        """Whether it has arrived."""
        return self._done >= self._length

    def go(self, target: float, samples: int) -> None:
        """Be at `target` after `samples` samples."""
        self._from, self._to = self.value, target
        self._length, self._done = samples, 0
        if samples <= 0:
            self.value = target

    def take(self, count: int) -> Gain:
        """Return the gain for the next `count` samples: a number while it does not move."""
        if self.still:
            self.value = self._to
            return self.value
        curve = np.arange(self._done + 1, self._done + count + 1, dtype=np.float32)
        curve *= np.float32(1.0 / self._length)
        np.minimum(curve, 1.0, out=curve)
        curve *= curve * (3.0 - 2.0 * curve)
        curve *= np.float32(self._to - self._from)
        curve += np.float32(self._from)
        self._done += count
        self.value = self._to if self.still else float(curve[-1])
        return curve


@dataclass(eq=False)
class Line:
    """A line to be spoken.

    Attributes:
        samples: Shape (n,), int16.
        duck: Gain of the music meanwhile.
        ended: Called when its last sample has been rendered.
        begins: Called when its first sample is rendered, with how many samples come before it in
            what `Deck.render` returns.
        position: How much of it was rendered; negative: samples until it begins.
    """

    samples: Samples
    duck: float
    ended: Callable[[], None] | None = None
    begins: Callable[[int], None] | None = None
    position: int = 0


class Deck:
    """Renders what one call hears.

    While nothing moves and nobody speaks, what it renders are slices of the clip's own buffer:
    no sample is touched.

    Args:
        rate: In Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._music: Reader | None = None
        self._leaving: Reader | None = None
        self._change = Ramp()
        self._duck = Ramp()
        self._lines: deque[Line] = deque()
        self.fade = Ramp()

    @property
    def music(self) -> Reader | None:
        """What plays, or comes in."""
        return self._music

    @property
    def idle(self) -> bool:
        """Whether there is nothing to hear: no music and no line."""
        silent = self._music is None or (self.fade.still and not self.fade.value)
        return silent and not self._lines

    @property
    def speaking(self) -> bool:
        """Whether a line is spoken, or about to be."""
        return bool(self._lines)

    @property
    def changing(self) -> bool:
        """Whether one clip is becoming another."""
        return self._leaving is not None

    def change(self, music: Reader | None, seconds: float) -> None:
        """Let `music` take over from what plays, over `seconds`."""
        self._leaving = self._music if seconds > 0 else None
        self._music = music
        self._change = Ramp(1.0 if self._leaving is None else 0.0)
        if self._leaving is not None:
            self._change.go(1.0, round(seconds * self._rate))

    def speak(self, line: Line) -> None:
        """Speak `line` after those that wait, the music turned down."""
        line.position = -round(LEAD_IN * self._rate) if self._music is not None else 0
        self._lines.append(line)
        if len(self._lines) == 1:
            self._duck.go(line.duck, round(LEAD_IN * self._rate))

    def rewind(self, count: int) -> None:
        """Take back `count` rendered samples of music that were not played."""
        if self._music is not None:
            self._music.rewind(count)

    def render(self, count: int) -> Samples:
        """Return the next `count` samples; not to be written to."""
        music, still = self._music, self.fade.still and self._duck.still
        if (
            still
            and music is not None
            and self._leaving is None
            and not self._lines
            and self.fade.value == 1.0
            and self._duck.value == 1.0
        ):
            return music.read(count)
        mixed = self._mix_music(count)
        for ramp in (self.fade, self._duck):
            if not ramp.still or ramp.value != 1.0:
                mixed *= ramp.take(count)
        if self._lines:
            self._mix_lines(mixed)
        np.rint(mixed, out=mixed)
        np.clip(mixed, -32767, 32767, out=mixed)
        return mixed.astype(np.int16)

    def _mix_music(self, count: int) -> npt.NDArray[np.float32]:
        silent = self.fade.still and not self.fade.value
        if self._music is None or silent:
            mixed = np.zeros(count, np.float32)
        else:
            mixed = self._music.read(count).astype(np.float32)
        if self._leaving is not None:
            gain = self._change.take(count)
            mixed *= gain
            mixed += self._leaving.read(count) * (np.float32(1.0) - gain)
            if self._change.still:
                self._leaving = None
        return mixed

    def _mix_lines(self, mixed: npt.NDArray[np.float32]) -> None:
        at = 0
        while self._lines and at < len(mixed):
            line = self._lines[0]
            if line.position < 0:
                skip = min(-line.position, len(mixed) - at)
                line.position += skip
                at += skip
                continue
            if line.position == 0 and line.begins is not None:
                line.begins(at)
            part = line.samples[line.position : line.position + len(mixed) - at]
            mixed[at : at + len(part)] += part
            line.position += len(part)
            at += len(part)
            if line.position >= len(line.samples):
                self._lines.popleft()
                if line.ended is not None:
                    line.ended()
                if self._lines:
                    self._duck.go(self._lines[0].duck, round(LEAD_IN * self._rate))
                else:
                    self._duck.go(1.0, round(LEAD_OUT * self._rate))
