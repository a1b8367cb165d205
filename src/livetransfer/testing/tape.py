"""The record of a simulated call: who was on the line, who was joined to whom, what sounded."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from .sounds import RATE, Samples, Sound

__all__ = ["Heard", "Tape"]

_BREATH = 0.1
"""Seconds of quiet within a sound that do not part it in two when it is listed."""


@dataclass(frozen=True)
class Heard:
    """Something that a party heard, or that it missed.

    Attributes:
        source: ``"caller"``, the address of a human, ``"agent"`` (the AI in the caller's own
            session), ``"briefing"`` (the AI on a conversation), the name of a sink, or
            ``"comfort"`` (a line spoken over hold music, which is part of that music).
        start: When, in seconds since the simulation began.
        end: Until when.
        text: The words, where they are known; as many as fall in this time.
    """

    source: str
    start: float
    end: float
    text: str = ""

    @property
    def duration(self) -> float:
        """Its length, in seconds."""
        return self.end - self.start


@dataclass
class _Span:
    """A time of something: from `start` until `end`, or until now while it is None."""

    start: float
    end: float | None = None
    between: frozenset[str] = field(default_factory=frozenset)


class Tape:
    """What is recorded of one call; times are in seconds since it began."""

    def __init__(self, now: Callable[[], float], *, keep_samples: bool) -> None:
        self.now = now
        self.keep_samples = keep_samples
        self.sounds: list[Sound] = []
        self._lines: dict[str, list[_Span]] = {}
        self._links: list[_Span] = []
        self._sounded: dict[str, asyncio.Event] = {}
        self._mute: list[tuple[float, float]] = []

    # Who is there, and who is joined to whom.

    def arrive(self, identity: str) -> None:
        """`identity` is on the line from now on."""
        self._lines.setdefault(identity, []).append(_Span(self.now()))

    def leave(self, identity: str) -> None:
        """`identity` is not on the line any more; it stops talking and is joined to nobody."""
        for span in self._lines.get(identity, ()):
            if span.end is None:
                span.end = self.now()
        self.part(identity)
        for sound in self.sounds:
            if sound.speaker == identity:
                sound.cut(self.now())

    def is_here(self, identity: str) -> bool:
        """Whether `identity` is on the line now."""
        return any(span.end is None for span in self._lines.get(identity, ()))

    def was_here(self, identity: str) -> bool:
        """Whether `identity` is or was on the line."""
        return bool(self._lines.get(identity))

    def link(self, one: str, other: str) -> None:
        """Both hear each other from now on."""
        if not self.are_linked(one, other):
            self._links.append(_Span(self.now(), between=frozenset({one, other})))

    def part(self, identity: str) -> None:
        """`identity` and whoever it is linked with do not hear each other any more."""
        for link in self._links:
            if link.end is None and identity in link.between:
                link.end = self.now()

    def are_linked(self, one: str, other: str) -> bool:
        """Whether both hear each other now."""
        pair = {one, other}
        return any(link.end is None and link.between == pair for link in self._links)

    def mute(self, seconds: float = float("inf")) -> None:
        """Nobody hears what has an audience (the AI and its music) for so many seconds."""
        self._mute.append((self.now(), self.now() + seconds))

    def muted(self, start: float, end: float) -> bool:
        """Whether the AI is cut off from the parties at some time between."""
        return any(low < end and start < high for low, high in self._mute)

    def presence(self, identity: str) -> list[tuple[float, float]]:
        """The times at which `identity` was on the line."""
        return [(s.start, self._until(s)) for s in self._lines.get(identity, ())]

    def _until(self, span: _Span) -> float:
        return float("inf") if span.end is None else span.end

    # What sounds.

    def voice(
        self,
        identity: str,
        source: str,
        seconds: float,
        *,
        text: str,
        samples: Samples | None,
        rate: int,
        pitch: float,
    ) -> Sound:
        """Record that `identity` talks for `seconds` from now on."""
        now = self.now()
        sound = Sound(
            source, now, now, speaker=identity, text=text, pitch=pitch, keep=samples is not None
        )
        if samples is None:
            sound.end = now + seconds
            sound.audible.append([now, sound.end])
        else:
            sound.pitch = None
            sound.write(now, samples, rate)
        sound.whole = True
        self.sounds.append(sound)
        return sound

    def speech(self, identity: str, start: float, count: int, rate: int) -> Samples:
        """Return `count` samples at `rate` of what `identity` says from `start` on."""
        total = np.zeros(count, np.int32)
        end = start + count / rate
        for sound in self.sounds:
            if sound.speaker == identity and sound.start < end and sound.end > start:
                total += sound.window(start, count, rate)
        return np.clip(total, -32768, 32767).astype(np.int16)

    def add(self, sound: Sound) -> None:
        """Record a sound for its audience."""
        self.sounds.append(sound)

    def note(self, audience: Iterable[str]) -> None:
        """Wake whoever waits for a first sound to any of `audience`."""
        for identity in audience:
            self.sounded(identity).set()

    def sounded(self, identity: str) -> asyncio.Event:
        """Set once something meant for `identity` sounded."""
        return self._sounded.setdefault(identity, asyncio.Event())

    def busy_until(self, identity: str) -> float | None:
        """When what is meant for `identity` ends, as far as is known; None: nothing yet."""
        ends = [s.end for s in self.sounds if s.audience is not None and identity in s.audience]
        return max(ends, default=None)

    # Who heard what.

    def heard(self, identity: str) -> list[Heard]:
        """What `identity` heard, in order."""
        return sorted(
            (h for sound in self.sounds for h in self._parts(sound, identity, missed=False)),
            key=lambda h: h.start,
        )

    def missed(self, identity: str) -> list[Heard]:
        """What was played to `identity` while it was not on the line."""
        return sorted(
            (h for sound in self.sounds for h in self._parts(sound, identity, missed=True)),
            key=lambda h: h.start,
        )

    def hears(self, identity: str, source: str, at: float) -> bool:
        """Whether `identity` hears `source` at a time."""
        return any(
            start <= at < end and any(low <= at < high for low, high in sound.audible)
            for sound in self.sounds
            if sound.source == source
            for start, end in self._windows(sound, identity)
        )

    def stretches(self, identity: str) -> list[tuple[str, float, float]]:
        """Source, start and end of every uninterrupted stretch that `identity` heard."""
        return [
            (sound.source, start, end)
            for sound in self.sounds
            for start, end in self._audible(sound, self._windows(sound, identity))
        ]

    def _windows(self, sound: Sound, identity: str) -> list[tuple[float, float]]:
        if sound.audience is not None:
            if identity not in sound.audience:
                return []
            here = self.presence(identity)
            return _intersect(here, _complement(self._mute)) if self._mute else here
        pair = {sound.speaker, identity}
        return [(k.start, self._until(k)) for k in self._links if k.between == pair]

    def _audible(
        self, sound: Sound, windows: list[tuple[float, float]]
    ) -> Iterator[tuple[float, float]]:
        now = self.now()
        for run_start, run_end in sound.audible:
            for start, end in windows:
                low, high = max(run_start, start), min(run_end, end, now)
                if high > low:
                    yield low, high

    def _parts(self, sound: Sound, identity: str, *, missed: bool) -> Iterator[Heard]:
        windows = self._windows(sound, identity)
        if missed:
            if sound.audience is None or identity not in sound.audience:
                return
            windows = _complement(windows)
        if not sound.audible and sound.text and sound.start == sound.end:
            # Words with no audio at all: an agent without a voice.
            if any(start <= sound.start < end for start, end in windows):
                yield Heard(sound.source, sound.start, sound.end, sound.text)
            return
        for window in windows:
            merged: list[list[float]] = []
            for start, end in self._audible(sound, [window]):
                if merged and start - merged[-1][1] < _BREATH:
                    merged[-1][1] = end
                else:
                    merged.append([start, end])
            if not merged:
                continue
            # Every word belongs to one part, also those that fall in a pause.
            bounds = [max(sound.start, window[0])]
            bounds += [(a[1] + b[0]) / 2 for a, b in itertools.pairwise(merged)]
            bounds.append(min(sound.end, window[1], self.now()))
            for (start, end), (since, until) in zip(
                merged, itertools.pairwise(bounds), strict=True
            ):
                yield Heard(sound.source, start, end, sound.words(since, until))

    def mix(self, identities: Iterable[str], start: float, end: float) -> Samples:
        """What `identities` heard between `start` and `end`, mixed, at 24000 Hz.

        Raises:
            RuntimeError: The simulation kept no samples.
        """
        if not self.keep_samples:
            raise RuntimeError("this simulation keeps no samples: simulate(samples=True)")
        total = np.zeros(max(0, round((end - start) * RATE)), np.int32)
        for sound in self.sounds:
            spans = [w for i in identities for w in self._windows(sound, i)]
            if not spans or sound.end <= start or sound.start >= end:
                continue
            rendered = sound.render()
            for low, high in spans:
                first = round((max(low, start, sound.start) - start) * RATE)
                last = round((min(high, end, sound.end) - start) * RATE)
                skip = round((start - sound.start) * RATE)
                part = rendered[max(0, first + skip) : max(0, last + skip)]
                total[first : first + len(part)] += part[: max(0, len(total) - first)]
        return np.clip(total, -32768, 32767).astype(np.int16)


def _intersect(
    one: list[tuple[float, float]], other: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    both = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return [(start, end) for start, end in both if start < end]


def _complement(windows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    result, at = [], float("-inf")
    for start, end in sorted(windows):
        if start > at:
            result.append((at, start))
        at = max(at, end)
    if at < float("inf"):
        result.append((at, float("inf")))
    return result
