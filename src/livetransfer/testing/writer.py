"""Writes frames on the tape of a simulated call, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .sounds import Sound, mono
from .tape import Tape

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["Writer"]


class Writer:
    """Places frames on a tape one after another, for one audience."""

    def __init__(self, tape: Tape, source: str, audience: Iterable[str]) -> None:
        self._tape = tape
        self.source = source
        self.audience = frozenset(audience)
        self.sound: Sound | None = None

    @property
    def queued(self) -> float:
        """Seconds of what was written and has not sounded yet."""
        return 0.0 if self.sound is None else max(0.0, self.sound.end - self._tape.now())

    def write(self, frame: rtc.AudioFrame) -> None:
        """Place `frame` after what is queued, or now."""
        samples = mono(frame.data, frame.num_channels)
        now = self._tape.now()
        if self.sound is None:
            keep = self._tape.keep_samples
            self.sound = Sound(self.source, now, now, audience=self.audience, keep=keep)
            self._tape.add(self.sound)
            self._tape.note(self.audience)
        self.sound.write(max(now, self.sound.end), samples, frame.sample_rate)

    def clear(self) -> None:
        """Drop what has not sounded yet."""
        if self.sound is not None:
            self.sound.cut(self._tape.now())

    def finish(self) -> Sound | None:
        """End the sound that is being written; the next frame begins another."""
        sound, self.sound = self.sound, None
        if sound is not None:
            sound.whole = True
        return sound
