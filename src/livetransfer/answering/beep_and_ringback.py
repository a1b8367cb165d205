"""Hearing: the sound of one leg, as tones and rhythm, and what follows from the tones."""

from __future__ import annotations

from itertools import pairwise

from livekit import rtc

from .rhythm import Rhythm
from .samples import Floats, Samples
from .spectrum import HOP_SECONDS, Hop, Spectrum
from .tones import RING_BAND, Burst, Tones, signal_of

__all__ = ["Hearing"]

LONGEST_OFF = 5.2
"""Seconds for which the ringback of a network is quiet between two bursts, at most."""

LATE = 0.6
"""Seconds by which the next burst may be late."""

VOWEL = 9
"""Hops that a vowel sounds like a tone at most."""

BEEP = (0.13, 1.6)
"""Seconds that a mailbox's beep lasts."""

BEEP_BAND = (350.0, 2150.0)
AFTER_BEEP = 0.2
"""Seconds of quiet after it, before it is one."""


class Hearing:
    """Hears one leg, piece by piece.

    Attributes:
        now: Seconds that were heard.
        rhythm: Its speech.
        any_sound: Whether frames or time were pushed at all.
        signal: What the network says at this moment, if anything.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.rhythm = Rhythm()
        self.any_sound = False
        self.signal: str | None = None
        self._samples = Samples()
        self._spectrum = Spectrum()
        self._tones = Tones()
        self._pushed = 0.0
        self._rings: list[Burst] = []
        self._unsure: list[tuple[float, Hop]] | None = []
        self._is_tone = False
        self._run = 0

    def push(self, frame: rtc.AudioFrame) -> bool:
        """Take a frame; return whether there is something new to weigh."""
        self.any_sound = True
        self._pushed += frame.samples_per_channel / frame.sample_rate
        return self._hear(self._samples.push(frame))

    def pass_time(self, until: float) -> bool:
        """Take silence up to `until` seconds; return whether there is something new to weigh."""
        missing = min(until - self._pushed, 60.0)
        if missing < HOP_SECONDS:
            return False
        self.any_sound = True
        self._pushed += missing
        return self._hear(self._samples.silence(missing))

    def _hear(self, blocks: list[Floats]) -> bool:
        for block in blocks:
            for hop in self._spectrum.look(block):
                self.now += HOP_SECONDS
                self._follow(hop)
            self.rhythm.settle()
            self._signals()
        return bool(blocks)

    def _follow(self, hop: Hop) -> None:
        if self._tones.push(self.now, hop, self.rhythm.threshold):
            # A vowel is as pure as a tone for a moment: wait and see which it is.
            if self._tones.runs != self._run:
                self._run = self._tones.runs
                self._tell_rhythm(False)
                self._unsure = []
            if self._unsure is None:
                self.rhythm.push(self.now, hop, self._is_tone)
                return
            self._unsure.append((self.now, hop))
            if len(self._unsure) >= VOWEL:
                current = self._tones.current(self.now)
                self._is_tone = current is not None and current.steady
                self._tell_rhythm(self._is_tone)
                self._unsure = None
            return
        if self._unsure:
            self._tell_rhythm(False)
        self._unsure = []
        self.rhythm.push(self.now, hop, False)

    def _tell_rhythm(self, tone: bool) -> None:
        for at, hop in self._unsure or ():
            self.rhythm.push(at, hop, tone)

    def _signals(self) -> None:
        bursts, current = self._tones.bursts, self._tones.current(self.now)
        if not bursts and current is None:
            self.signal = None
            return
        spoken = self.rhythm.last if self.rhythm.spoken > 0.4 else -1.0
        self.signal = signal_of(bursts, current, self.now, spoken)
        if self.signal == "ringback":
            last = current or bursts[-1]
            if self._rings and self._rings[-1].begin == last.begin:
                self._rings[-1] = last
            else:
                self._rings.append(last)

    def ringing_ended(self) -> str | None:
        """Return why it does not ring any more; None while it does."""
        if not self._rings:
            return None
        current = self._tones.current(self.now)
        rings = [b for b in self._tones.bursts if RING_BAND[0] <= b.pitch <= RING_BAND[1]]
        last = rings[-1] if rings else self._rings[-1]
        if current is not None and RING_BAND[0] <= current.pitch <= RING_BAND[1]:
            return "not a ring" if current.seconds > 6.5 else None
        ended: str | None = None
        if self.rhythm.last > last.end + 0.15:
            ended = "somebody speaks"
        elif self.now - last.end > self._off(rings) + LATE:
            ended = "no more rings"
        elif self._cut_short(rings):
            ended = "a ring was cut short"
        if ended:
            self._rings = []
            self._tones.bursts = []
        return ended

    @staticmethod
    def _off(rings: list[Burst]) -> float:
        gaps = [b.begin - a.end for a, b in pairwise(rings)]
        long = [gap for gap in gaps if gap > 0.5]
        return max(long, default=LONGEST_OFF)

    def _cut_short(self, rings: list[Burst]) -> bool:
        if len(rings) < 2 or self.now - rings[-1].end < 0.25:
            return False
        usual = sorted(burst.seconds for burst in rings[:-1])
        return rings[-1].seconds < 0.7 * usual[0]

    def beep(self) -> float | None:
        """Return when the latest beep of a mailbox ended, None if there was none."""
        bursts = self._tones.bursts
        if not bursts:
            return None
        last = bursts[-1]
        if (
            last.second is not None
            or not last.steady
            or not BEEP[0] <= last.seconds <= BEEP[1]
            or not BEEP_BAND[0] <= last.pitch <= BEEP_BAND[1]
            or self.now - last.end < AFTER_BEEP
        ):
            return None
        spoken = self.rhythm.spoken >= 1.0 and 0.0 <= last.begin - self.rhythm.last <= 6.0
        again = len(bursts) > 1 and abs(bursts[-2].pitch - last.pitch) < 25
        alone = last.alone >= 0.1 and not (again and last.begin - bursts[-2].end < 1.0)
        return last.end if spoken and alone and not self.rhythm.music else None
