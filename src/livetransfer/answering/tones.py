"""Tones: bursts of one or two steady pitches, and what networks and machines mean by them.

Sources: ITU-T E.180 supplement 2 (tones of the world's networks), E.180 3.7 (SIT), T.30 (fax).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from .spectrum import HOP_SECONDS, Hop

__all__ = ["Burst", "Tones", "signal_of"]

PURE = 0.78
"""The share of the power that a tone has at its pitch, noise of 7 dB below it included."""

PURE_BOTH = 0.84
"""The same for two pitches together."""

AUDIBLE = -48.0
"""dBFS below which nothing is taken for a tone."""

SAME = 18.0
"""Hz by which the pitch of one tone may seem to move."""

STEADY = 6.0
"""Hz by which it moves at most while it is steady."""

LOST = 4
"""Hops without the tone that do not end it: lost packets."""

BLUR = 5
"""Hops at the begin of a tone in which it is not yet pure, or another dies away."""

SHORTEST = 0.09
"""Seconds of the shortest burst that is kept."""


@dataclass
class Burst:
    """A tone, from its first hop to its last.

    Attributes:
        begin: Seconds since the answer.
        end: The same; of a burst that still sounds, so far.
        pitch: Of the louder pitch, in Hz.
        second: Of the other, where two sound; else None.
        level: dBFS.
        steady: Whether level and pitch stay the same: a machine's do, those of a voice do not.
        alone: Seconds without any sound before it.
    """

    begin: float
    end: float
    pitch: float
    second: float | None
    level: float
    steady: bool
    alone: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return self.end - self.begin


class Tones:
    """Makes bursts of hops."""

    def __init__(self) -> None:
        self.bursts: list[Burst] = []
        self._hops: list[Hop] = []
        self._begin = 0.0
        self._missed = 0
        self._sounded: deque[float] = deque([0.0] * BLUR, maxlen=BLUR)
        self._alone = 0.0
        self.runs = 0
        """How many tones have begun."""

    def push(self, at: float, hop: Hop, threshold: float) -> bool:
        """Take a hop; return whether it belongs to a tone.

        Args:
            at: When it ends.
            hop: It.
            threshold: dBFS above which something sounds.
        """
        sounds = hop.level > AUDIBLE and (hop.share > PURE or hop.both > PURE_BOTH)
        if self._hops and not (sounds and abs(hop.pitch - self._pitch) <= SAME):
            self._missed += 1
            if self._missed <= LOST and not (sounds and self._missed > 1):
                self._note(self._sounded[-1])
                return True
            self._finish()
        if not sounds:
            self._note(at if hop.level > threshold else self._sounded[-1])
            return False
        if not self._hops:
            # The window reaches back: the tone has begun before it was most of it.
            self._begin = at - 2 * HOP_SECONDS
            self._alone = max(0.0, self._begin - self._sounded[0])
            self.runs += 1
        self._hops.append(hop)
        self._note(at)
        self._missed = 0
        return True

    def _note(self, sounded: float) -> None:
        self._sounded.append(sounded)

    @property
    def _pitch(self) -> float:
        latest = self._hops[-4:]
        return sum(hop.pitch for hop in latest) / len(latest)

    def current(self, now: float) -> Burst | None:
        """Return the tone that sounds at `now`, None if none does."""
        if not self._hops:
            return None
        return self._burst(now - self._missed * HOP_SECONDS)

    def _finish(self) -> None:
        length = len(self._hops)
        burst = self._burst(self._begin + (length + 1) * HOP_SECONDS)
        if burst.seconds >= SHORTEST:
            self.bursts = [*self.bursts[-11:], burst]
        self._hops, self._missed = [], 0

    def _burst(self, end: float) -> Burst:
        inner = self._hops[2:-2] or self._hops
        two = median(hop.share for hop in inner) <= PURE
        pitch = median(hop.pitch for hop in inner)
        # Pitches that are near beat: four hops together are as loud as the next four.
        levels = [hop.level for hop in inner]
        smooth = [sum(levels[i : i + 4]) / 4 for i in range(len(levels) - 3)]
        level = sum(levels) / len(levels)
        off = sum(abs(one - level) > 2.5 for one in smooth)
        off += sum(abs(hop.pitch - pitch) > STEADY for hop in inner)
        return Burst(
            begin=self._begin,
            end=max(end, self._begin),
            pitch=pitch,
            second=median(hop.second for hop in inner) if two else None,
            level=level,
            steady=off <= 0.2 * len(inner),
            alone=self._alone,
        )


SIT = ((880.0, 1020.0), (1335.0, 1465.0), (1735.0, 1845.0))
RING_BAND = (380.0, 520.0)
"""Hz in which the ringback of every network lies."""

LONG_RING = 0.8
"""Seconds of one burst that is too long for a busy tone: ringback."""

AFTER_SPEECH = 1.4
"""The same just after speech, where it may be a mailbox's beep."""


def signal_of(bursts: list[Burst], current: Burst | None, now: float, spoken: float) -> str | None:
    """Return what the network or a machine says by its tones.

    Args:
        bursts: Those that are over, in order.
        current: The one that sounds.
        now: Seconds since the answer.
        spoken: When speech was heard last; a negative number if never.

    Returns:
        `"sit"`, `"busy"`, `"fax"`, `"ringback"`, or None.
    """
    every = [*bursts, current] if current is not None else bursts
    if not every or now - every[-1].end > 1.0:
        return None
    if _sit(every):
        return "sit"
    if _fax(every[-1], now, spoken):
        return "fax"
    if _busy(every) and every[-3].begin - spoken > 0.1:
        return "busy"
    if _rings(every, current, now, spoken):
        return "ringback"
    return None


def _sit(every: list[Burst]) -> bool:
    three = every[-3:]
    if len(three) < 3:
        return False
    return all(
        low <= burst.pitch <= high and 0.12 <= burst.seconds <= 0.6 and burst.second is None
        for burst, (low, high) in zip(three, SIT, strict=True)
    ) and all(b.begin - a.end < 0.25 for a, b in pairwise(three))


def _fax(last: Burst, now: float, spoken: float) -> bool:
    if last.second is not None or not last.steady:
        return False
    answering = abs(last.pitch - 2100) < 25 and last.seconds >= 1.2
    calling = (
        spoken < 0
        and abs(last.pitch - 1100) < 45
        and 0.42 <= last.seconds <= 0.62
        and now - last.end >= 0.3
    )
    return answering or calling


def _busy(every: list[Burst]) -> bool:
    last = every[-3:]
    if len(last) < 3:
        return False
    one, two, three = last
    if any(abs(b.pitch - one.pitch) > 25 or not 300 <= b.pitch <= 650 for b in last):
        return False
    gaps = (two.begin - one.end, three.begin - two.end)
    lengths = (one.seconds, two.seconds)
    return (
        all(0.12 <= seconds <= 0.8 for seconds in (*gaps, *lengths))
        and abs(gaps[0] - gaps[1]) < 0.12
        and abs(lengths[0] - lengths[1]) < 0.12
        and all(burst.steady and burst.alone > 0.1 for burst in last)
    )


def _in_ring_band(burst: Burst) -> bool:
    return RING_BAND[0] <= burst.pitch <= RING_BAND[1] and burst.second is None and burst.steady


def _rings(every: list[Burst], current: Burst | None, now: float, spoken: float) -> bool:
    last = every[-1]
    if not _in_ring_band(last):
        return False
    enough = LONG_RING if spoken < 0 or last.begin - spoken > 3.0 else AFTER_SPEECH
    if enough <= last.seconds <= 6.0:
        return True
    if len(every) < 2 or current is not None or not _in_ring_band(every[-2]):
        return False
    one = every[-2]
    double = 0.3 <= one.seconds <= 0.55 and 0.3 <= last.seconds <= 0.55
    return double and 0.1 <= last.begin - one.end <= 0.3 and now - last.end >= 0.4
