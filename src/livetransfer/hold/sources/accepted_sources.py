"""Sources: what may be given as hold music, checked at once and turned into tracks."""

from __future__ import annotations

import enum
import hashlib
import io
import os
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

import numpy as np
from livekit import rtc
from livekit.agents import AudioConfig, BuiltinAudioClip

from livetransfer.errors import ConfigurationError
from livetransfer.hold.sound.samples import AudioError, check_rate, frame_samples, from_array

from .builtin import clip_path
from .clips import SYNTHESISED, ArrayClip, Clip, FileClip

__all__ = ["HoldSource", "Program", "Stream", "Track", "Url", "program"]

HoldSource = (
    str
    | os.PathLike[str]
    | bytes
    | IO[bytes]
    | BuiltinAudioClip
    | AudioConfig
    | tuple[Any, float]
    | AsyncIterator[rtc.AudioFrame]
    | Sequence[Any]
    | None
)
"""What `HoldMusicPlayer` takes; see there."""

FIELD = "hold_music"
MAX_FILE_BYTES = 256 * 1024 * 1024
"""The most that is read from a file object: 10 minutes of any usual format."""


@dataclass(frozen=True)
class Url:
    """Where to fetch a clip.

    Attributes:
        url: As it was given.
        label: Without user, password, query and fragment.
    """

    url: str
    label: str


@dataclass(eq=False)
class Stream:
    """Frames that come one by one, and once only.

    Attributes:
        taken: Whether somebody reads them.
    """

    frames: AsyncIterator[rtc.AudioFrame]
    label: str = "the stream of frames"
    taken: bool = False


@dataclass(frozen=True, eq=False)
class Track:
    """One thing to play, and how.

    Attributes:
        volume: Linear, on top of the player's.
        weight: How likely it is chosen among several.
        fade_in: Seconds; None: the player's.
        fade_out: Seconds; None: the player's.
    """

    source: Clip | Url | Stream
    volume: float = 1.0
    weight: float = 1.0
    fade_in: float | None = None
    fade_out: float | None = None

    @property
    def label(self) -> str:
        """What to call it, for people."""
        return self.source.label


class Order(enum.Enum):
    """What several tracks are to each other."""

    ONE_OF = enum.auto()
    ALL = enum.auto()


@dataclass(eq=False)
class Program:
    """What a player plays: nothing, one track, one of several, or one after another.

    Attributes:
        latest: The track that began last, in any call.
    """

    tracks: tuple[Track, ...]
    order: Order = Order.ALL
    latest: Track | None = None

    def choose(self, start: str) -> tuple[Track, ...]:
        """Return the tracks for one call, to be played one after another and round again."""
        if len(self.tracks) < 2:
            return self.tracks
        if self.order is Order.ONE_OF:
            weights = [track.weight for track in self.tracks]
            return tuple(random.choices(self.tracks, weights))
        first = 0
        if start == "random":
            first = random.randrange(len(self.tracks))
        elif start == "live" and self.latest is not None:
            first = self.tracks.index(self.latest)
        return self.tracks[first:] + self.tracks[:first]

    def began(self, track: Track) -> None:
        """Remember that `track` began."""
        self.latest = track


def program(source: Any) -> Program:
    """Return what `source` stands for.

    Raises:
        ConfigurationError: A file that is not there, a URL that is none, an empty list, ...
        TypeError: Nothing that can be played.
    """
    if source is None:
        return Program(())
    if isinstance(source, (list, tuple)) and not _is_one(source):
        if not source:
            raise ConfigurationError(FIELD, source, "the list is empty; use None for quiet")
        if all(isinstance(item, AudioConfig) for item in source):
            tracks = tuple(_track(item) for item in source)
            if not any(track.weight > 0 for track in tracks):
                raise ConfigurationError(FIELD, source, "every probability is 0")
            return Program(tracks, Order.ONE_OF)
        if all(isinstance(item, rtc.AudioFrame) for item in source):
            return Program((Track(_frames(source)),))
        tracks = tuple(_track(item) for item in source)
        if any(isinstance(track.source, Stream) for track in tracks):
            raise ConfigurationError(FIELD, source, "frames that stream cannot be in a playlist")
        return Program(tracks)
    return Program((_track(source),))


def _is_one(source: Any) -> bool:
    if isinstance(source, AudioConfig):
        return True
    return (
        isinstance(source, tuple)
        and len(source) == 2
        and isinstance(source[1], (int, float, np.integer, np.floating))
    )


def _track(source: Any) -> Track:
    if isinstance(source, AudioConfig):
        for name in ("volume", "probability", "fade_in", "fade_out"):
            value = getattr(source, name)
            if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                raise ConfigurationError(f"{FIELD}.{name}", value, "use a number from 0 up")
        return replace(
            _track(source.source),
            volume=float(source.volume),
            weight=float(source.probability),
            fade_in=source.fade_in or None,
            fade_out=source.fade_out or None,
        )
    if isinstance(source, BuiltinAudioClip):
        path = clip_path(source)
        name = f"the built-in clip {source.name}"
        return Track(SYNTHESISED if path is None else FileClip(path, name, builtin=True))
    if isinstance(source, str) and "://" in source:
        return Track(_url(source))
    if isinstance(source, (str, os.PathLike)):
        return Track(_file(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Track(_bytes(bytes(source), "given as bytes"))
    if isinstance(source, tuple) and _is_one(source):
        return Track(_array(source))
    if isinstance(source, rtc.AudioFrame):
        return Track(_frames([source]))
    if isinstance(source, AsyncIterator) or hasattr(source, "__anext__"):
        return Track(Stream(source))
    if isinstance(source, io.TextIOBase):
        raise ConfigurationError(FIELD, source, "open the file in binary mode, 'rb'")
    if hasattr(source, "read"):
        return Track(_file_object(source))
    if isinstance(source, np.ndarray):
        raise ConfigurationError(
            FIELD, f"an array of shape {source.shape}", "give its rate too: (samples, rate)"
        )
    raise TypeError(
        f"{FIELD}={source!r}: a path, a URL, bytes, a file, (samples, rate), an AudioConfig, "
        "a BuiltinAudioClip, an async iterator of frames, a list of these, or None"
    )


def _file(source: str | os.PathLike[str]) -> Clip:
    try:
        path = Path(source).expanduser()
        exists, plain = path.exists(), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigurationError(FIELD, str(source), f"this is no path: {error}") from error
    if not exists:
        raise ConfigurationError(
            FIELD, str(source), "there is no such file; leave it out for the built-in clip"
        )
    if not plain:
        raise ConfigurationError(FIELD, str(source), "this is not a file that can be played")
    if not os.access(path, os.R_OK):
        raise ConfigurationError(FIELD, str(source), "the file may not be read by this process")
    return FileClip(path.absolute(), str(source))


def _url(source: str) -> Clip | Url:
    try:
        parts = urlsplit(source)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(FIELD, source, f"this is no URL: {error}") from error
    if parts.scheme == "file":
        return _file(os.fsdecode(unquote_to_bytes(parts.path)))
    if parts.scheme not in ("http", "https"):
        raise ConfigurationError(FIELD, source, "only http, https and file URLs can be played")
    if not host:
        raise ConfigurationError(FIELD, source, "the URL names no host")
    where = parts.netloc.rpartition("@")[2]
    return Url(source, urlunsplit((parts.scheme, where, parts.path, "", "")))


def _bytes(data: bytes, label: str) -> FileClip:
    return FileClip(data, label, hashlib.sha256(data).hexdigest())


def _file_object(source: Any) -> Clip:
    data = source.read(MAX_FILE_BYTES + 1)
    if not isinstance(data, bytes):
        raise ConfigurationError(FIELD, source, "open the file in binary mode, 'rb'")
    if len(data) > MAX_FILE_BYTES:
        raise ConfigurationError(
            FIELD, source, f"more than {MAX_FILE_BYTES} bytes; give a path instead"
        )
    name = getattr(source, "name", None)
    return _bytes(data, name if isinstance(name, str) else "given as a file")


def _array(source: tuple[Any, Any]) -> Clip:
    try:
        array = np.array(source[0])
        rate = check_rate(source[1])
        from_array(array[:1], rate, rate)
    except AudioError as error:
        raise ConfigurationError(FIELD, "(samples, rate)", str(error)) from error
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    key = (digest, array.dtype.str, array.shape, rate)
    return ArrayClip(lambda target: from_array(array, rate, target), "given as samples", key)


def _frames(source: Iterable[rtc.AudioFrame]) -> Clip:
    frames = list(source)
    rates = {frame.sample_rate for frame in frames}
    if len(rates) != 1:
        raise ConfigurationError(FIELD, sorted(rates), "the frames have different rates")
    return _array((np.concatenate([frame_samples(frame) for frame in frames]), rates.pop()))
