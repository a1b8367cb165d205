"""Comfort: lines that tell a caller on hold, now and then, that he is not forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
from collections import OrderedDict
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc

from livetransfer._user_code import CodeFailed, ask
from livetransfer.errors import ConfigurationError
from livetransfer.hold.sound.samples import AudioError, Samples, collect
from livetransfer.hold.sources.accepted_sources import program
from livetransfer.hold.sources.shared_work import Shared
from livetransfer.hold.sources.threads import decoding

__all__ = ["LIMIT", "Comfort", "ComfortLine", "Held", "Synthesise"]

ComfortLine = Any
"""Text, or audio: a path, bytes, ``(samples, rate)``, an `AudioFrame` or a list of them."""

Synthesise = Callable[[str], Awaitable[Any] | AsyncIterable[Any]]
"""Turns text into audio: frames, an async iterable of them, or ``(samples, rate)``."""

MAX_LINE = 60.0
"""The longest line, in seconds."""

LIMIT = 15.0
"""Seconds that the preparation of a line may take."""

_KEPT = 64


@dataclass(frozen=True)
class Held:
    """What a callable that gives the next line is told.

    Attributes:
        seconds: Since the music began.
        spoken: Lines that were spoken so far.
        position: The caller's place in the queue, 1 for the next; None where he is in none.
        estimate: Seconds until somebody will be free; None where it cannot be known.
        queue: The queue in which he waits.
        caller: The identity of the caller's leg.
    """

    seconds: float
    spoken: int
    position: int | None = None
    estimate: float | None = None
    queue: str | None = None
    caller: str | None = None


@dataclass(frozen=True)
class Comfort:
    """Lines spoken over the hold music.

    One object may serve all calls; what was synthesised for one is used for the others, per voice.
    To a transfer every TTS object is a voice of its own, for what voice it has is not to be seen
    from outside: sessions that share one share its lines.

    Attributes:
        lines: The lines, in turn and then again; or a callable, sync or async, that is given a
            `Held` each time and returns a line, or None for none this time. A position in a queue
            and an estimate of the wait come from it.
        every: Seconds of music between two lines.
        first: Seconds of music before the first one; None: `every`.
        duck_db: How far the music is turned down meanwhile, in dB, negative.
    """

    lines: Sequence[ComfortLine] | Callable[[Held], ComfortLine | Awaitable[ComfortLine]]
    every: float = 20.0
    first: float | None = None
    duck_db: float = -14.0
    _made: OrderedDict[Any, Samples] = field(
        default_factory=OrderedDict, repr=False, compare=False, init=False
    )
    _making: dict[Any, Shared[Samples]] = field(
        default_factory=dict, repr=False, compare=False, init=False
    )

    def __post_init__(self) -> None:
        if isinstance(self.lines, (str, bytes)):
            raise ConfigurationError("comfort.lines", self.lines, "give a list of lines")
        if not callable(self.lines):
            object.__setattr__(self, "lines", tuple(self.lines))
            if not self.lines:
                raise ConfigurationError("comfort.lines", self.lines, "give at least one line")
            for line in self.lines:
                _check(line)
        for name, low in (("every", 1.0), ("first", 0.0)):
            value = getattr(self, name)
            if value is None and name == "first":
                continue
            if not isinstance(value, (int, float)) or not low <= value < math.inf:
                raise ConfigurationError(f"comfort.{name}", value, f"use seconds, {low:g} or more")
        if not isinstance(self.duck_db, (int, float)) or not -100 <= self.duck_db <= 0:
            raise ConfigurationError("comfort.duck_db", self.duck_db, "use dB from -100 to 0")

    async def line(
        self, held: Held, rate: int, synthesise: Synthesise | None, voice: str
    ) -> tuple[str, Samples] | None:
        """Return the text and the samples of the next line, or None for none this time.

        Args:
            held: How things are.
            rate: Hz of the samples.
            synthesise: What turns text into audio.
            voice: Which voice that has; text is synthesised once for each.

        Raises:
            AudioError: It cannot be had, for a reason that is said.
            asyncio.TimeoutError: It was not synthesised within `LIMIT` seconds.

        Cancelling one call's does not cancel what others wait for too.
        """
        if callable(self.lines):
            own = self.lines
            try:
                line = await ask("comfort", lambda: own(held), LIMIT)
            except CodeFailed as failed:
                raise AudioError(str(failed)) from failed.__cause__
        else:
            line = self.lines[held.spoken % len(self.lines)]
        if line is None:
            return None
        if not is_text(line):
            return "", await line_samples(line, rate)
        key = (line, voice, rate)
        samples = self._made.get(key)
        if samples is None:
            if synthesise is None:
                raise AudioError("there is nothing that could speak a line of text")
            samples = await self._synthesised(key, synthesise)
            self._made[key] = samples
        # Another event loop's thread may have dropped it in the meantime.
        with contextlib.suppress(KeyError):
            self._made.move_to_end(key)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return line, samples

    async def _synthesised(self, key: tuple[str, str, int], synthesise: Synthesise) -> Samples:
        """Return a line, synthesised once for all calls that want it at the same time."""
        line, _, rate = key

        async def synthesised() -> Samples:
            return await collect(synthesise(line), rate, MAX_LINE)

        async def limited() -> Samples:
            # Whoever joins has a limit of his own, and must not prolong what hangs.
            return await asyncio.wait_for(synthesised(), LIMIT)

        where = (key, asyncio.get_running_loop())
        making = self._making.get(where)
        if making is None:
            making = Shared(limited(), lambda: self._making.pop(where, None))
            self._making[where] = making
        return await making.result()


def is_text(line: Any) -> bool:
    """Whether `line` is words to be spoken: any string; files are given as `pathlib.Path`."""
    return isinstance(line, str)


def _check(line: Any) -> None:
    if is_text(line):
        if not line.strip():
            raise ConfigurationError("comfort.lines", line, "the line is empty")
        return
    if isinstance(line, (rtc.AudioFrame, list)):
        return
    try:
        usable = line is not None and all(hasattr(t.source, "whole") for t in program(line).tracks)
    except ConfigurationError as error:
        raise ConfigurationError("comfort.lines", line, error.remedy) from error
    if not usable:
        raise ConfigurationError("comfort.lines", line, "use text, a path, bytes or samples")


async def line_samples(line: Any, rate: int) -> Samples:
    """Return the samples of a line that was given as audio, at `rate` Hz, as loud as it is.

    Raises:
        AudioError: It cannot be played.
    """
    if isinstance(line, (rtc.AudioFrame, list, AsyncIterable)) or inspect.isawaitable(line):
        return await collect(line, rate, MAX_LINE)
    tracks = program(line).tracks
    if len(tracks) != 1 or not hasattr(tracks[0].source, "whole"):
        raise AudioError(f"{type(line).__name__} is not audio for a line")
    samples: Samples = await decoding.run(tracks[0].source.whole, rate)
    if len(samples) > MAX_LINE * rate:
        raise AudioError(f"it is longer than {MAX_LINE:g} s")
    return samples
