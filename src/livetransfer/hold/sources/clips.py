"""Clips: loops that are decoded once per process and shared by every call that plays them."""

from __future__ import annotations

import concurrent.futures
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from livetransfer.hold.sound.leveling import MAX_GAIN_DB, level, loudness, trim
from livetransfer.hold.sound.loop import Loop, make_loop
from livetransfer.hold.sound.samples import AudioError, Samples

from .builtin import BUILTIN, clip_path, synthesised
from .decode import MAX_SECONDS, decode, decode_start
from .threads import decoding, standing_in

__all__ = [
    "MAX_BYTES",
    "SYNTHESISED",
    "ArrayClip",
    "Clip",
    "ClipCache",
    "FileClip",
    "Loading",
    "Rendering",
    "builtin_clip",
    "cache",
]

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of loops that are held, not counting older ones that a call still plays."""

START = 6.0
"""Seconds of a clip that are made ready first, so that it can begin before all of it is there."""

KNOWN_LOUDNESS = {("hold_music.ogg", 702_469): -19.66}
"""LUFS of files, by name and size, whose start can so be as loud as the rest from the first."""

START_GAIN = 12.0
"""The most that a start is raised, in dB: it may be softer than the rest."""


@dataclass(frozen=True)
class Rendering:
    """How a clip is to be made ready.

    Attributes:
        rate: In Hz.
        target: Loudness in LUFS, or None for as it is.
        volume: Linear, on top.
        crossfade: Seconds over which the end blends into the beginning.
    """

    rate: int
    target: float | None
    volume: float
    crossfade: float


class Clip(Protocol):
    """Something that can be decoded."""

    @property
    def label(self) -> str:
        """What to call it, for people."""

    def key(self) -> Hashable:
        """Return what identifies the content. Quick; raises AudioError if there is none."""

    @property
    def builtin(self) -> bool:
        """Whether it is one that plays when others cannot, and so must not wait for them."""

    @property
    def loudness(self) -> float | None:
        """Its loudness in LUFS, if that is known without measuring."""

    def whole(self, rate: int) -> Samples:
        """Return all samples. Blocking."""

    def start(self, rate: int, skip: float) -> tuple[Samples, int] | None:
        """Return the samples of the first seconds from the fraction `skip` of the clip on.

        Together with the number of the first one. None: all of it is as quick. Blocking.
        """


@dataclass(frozen=True, eq=False)
class FileClip:
    """A file, or the bytes of one."""

    source: Path | bytes
    label: str
    digest: str = ""
    builtin: bool = False

    def key(self) -> Hashable:
        if isinstance(self.source, bytes):
            return self.digest
        try:
            stat = self.source.stat()
        except OSError as error:
            raise AudioError(f"it cannot be read: {error.strerror}") from error
        return str(self.source), stat.st_mtime_ns, stat.st_size, stat.st_ino

    @property
    def loudness(self) -> float | None:
        if isinstance(self.source, bytes):
            return None
        try:
            return KNOWN_LOUDNESS.get((self.source.name, self.source.stat().st_size))
        except OSError:
            return None

    def whole(self, rate: int) -> Samples:
        return decode(self.source, rate)

    def start(self, rate: int, skip: float) -> tuple[Samples, int] | None:
        return decode_start(self.source, rate, START, skip)


@dataclass(frozen=True, eq=False)
class ArrayClip:
    """Samples made by `make` for a rate in Hz."""

    make: Callable[[int], Samples]
    label: str
    digest: Hashable
    loudness: float | None = None
    builtin: bool = False

    def key(self) -> Hashable:
        return self.digest

    def whole(self, rate: int) -> Samples:
        samples = self.make(rate)
        if len(samples) > MAX_SECONDS * rate:
            raise AudioError(f"it is longer than {MAX_SECONDS:.0f} s, the most that can be played")
        return samples

    def start(self, rate: int, skip: float) -> tuple[Samples, int] | None:
        return None


def builtin_clip() -> Clip:
    """Return the clip that plays when nothing else can."""
    path = clip_path(BUILTIN)
    if path is None:
        return SYNTHESISED
    return FileClip(path, "the built-in clip", builtin=True)


SYNTHESISED = ArrayClip(synthesised, "the built-in clip", "synthesised", builtin=True)


class Loading:
    """A loop that is being made ready in a thread.

    Attributes:
        start: Done with a first part of it, or, like `whole`, with all of it or what went wrong.
        whole: Done with all of it.
    """

    def __init__(self) -> None:
        self.start: concurrent.futures.Future[Loop] = concurrent.futures.Future()
        self.whole: concurrent.futures.Future[Loop] = concurrent.futures.Future()

    def succeed(self, loop: Loop) -> None:
        self.whole.set_result(loop)
        if not self.start.done():
            self.start.set_result(loop)

    def fail(self, error: AudioError) -> None:
        self.whole.set_exception(error)
        if not self.start.done():
            self.start.set_exception(error)


class ClipCache:
    """Loops by content and rendering, the least recently used dropped first.

    May be used from several threads and event loops.

    Args:
        max_bytes: The most that is held.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, Loop] = OrderedDict()
        self._loading: dict[Hashable, Loading] = {}

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        with self._lock:
            return sum(loop.nbytes for loop in self._held.values())

    def load(self, clip: Clip, how: Rendering, *, skip: float = 0.0) -> Loading:
        """Make the loop ready in a thread; whoever comes later joins. Needs a running event loop.

        Args:
            clip: What.
            how: How.
            skip: Where the first part begins, as a fraction of the clip.
        """
        loading = Loading()
        try:
            key = (clip.key(), how)
        except AudioError as error:
            loading.fail(error)
            return loading
        with self._lock:
            held, running = self._held.get(key), self._loading.get(key)
            if held is not None:
                self._held.move_to_end(key)
            elif running is None:
                self._loading[key] = loading
        if held is not None:
            loading.succeed(held)
        elif running is not None:
            return running
        else:
            threads = standing_in if clip.builtin else decoding
            try:
                threads.run(self._make, key, clip, how, skip, loading)
            except RuntimeError as error:
                self._end(key, loading, AudioError(f"no thread to decode it in: {error}"))
        return loading

    def _make(
        self, key: Hashable, clip: Clip, how: Rendering, skip: float, loading: Loading
    ) -> None:
        try:
            if (part := clip.start(how.rate, skip)) is not None and len(part[0]):
                try:
                    first = _render(part[0], how, clip.loudness, part[1], START_GAIN)
                    first.whole = False
                except AudioError:
                    pass  # silent as yet
                else:
                    loading.start.set_result(first)
            loop = _render(clip.whole(how.rate), how, clip.loudness)
        except AudioError as error:
            self._end(key, loading, error)
        except Exception as error:
            self._end(key, loading, AudioError(f"{type(error).__name__}: {error}"))
        else:
            self._end(key, loading, loop)

    def _end(self, key: Hashable, loading: Loading, result: Loop | AudioError) -> None:
        with self._lock:
            self._loading.pop(key, None)
            if isinstance(result, Loop):
                self._held[key] = result
                total = sum(loop.nbytes for loop in self._held.values())
                while total > self._max_bytes and len(self._held) > 1:
                    total -= self._held.popitem(last=False)[1].nbytes
        if isinstance(result, Loop):
            loading.succeed(result)
        else:
            loading.fail(result)


def _render(
    samples: Samples,
    how: Rendering,
    measured: float | None,
    origin: int = 0,
    max_gain: float = MAX_GAIN_DB,
) -> Loop:
    if not len(samples):
        raise AudioError("there is no audio in it")
    if measured is None:
        measured = loudness(samples, how.rate)
    if measured == -math.inf:
        raise AudioError("it is silent; for quiet, leave the music out with None")
    first, last = trim(samples, how.rate, measured)
    levelled = level(
        samples[first:last],
        how.rate,
        target=how.target,
        volume=how.volume,
        measured=measured,
        max_gain=max_gain,
    )
    del samples
    return make_loop(levelled, how.rate, crossfade=how.crossfade, origin=origin + first)


cache = ClipCache()
"""The process's own."""
