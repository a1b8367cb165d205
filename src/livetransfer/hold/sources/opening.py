"""Openings: a track on its way from its source to something that can be read."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Protocol

from livetransfer.hold.sound.loop import Loop, LoopReader
from livetransfer.hold.sound.reader import Reader
from livetransfer.hold.sound.samples import AudioError

from .accepted_sources import Stream, Track, Url
from .clips import Clip, FileClip, Loading, Rendering, cache
from .fetch import Fetched, Fetcher, FetchError, Lease
from .stream import StreamOpening

__all__ = ["ClipOpening", "Opening", "open_track"]


class Opening(Protocol):
    """A track that is being made ready for one call."""

    track: Track

    @property
    def error(self) -> str | None:
        """Why it cannot be played, for people; None: it can, or it is not known yet."""

    def reader(self) -> Reader | None:
        """Return what to read from, or None if it is not ready."""

    def better(self, reader: Reader) -> Reader | None:
        """Return what should take over from `reader` at the same place, if there is anything."""

    def close(self) -> list[asyncio.Task[Any]]:
        """It is not needed any more. Returns tasks that are about to end."""


class ClipOpening:
    """Opens a clip: fetches it if it is a URL, decodes it unless that was done before.

    Args:
        track: Its `source` is a `Clip` or a `Url`.
        how: How to make it ready.
        start: Where to begin: ``"beginning"``, ``"random"`` or ``"live"``.
        fetcher: Fetches URLs.
        wake: Called, in the running event loop, whenever there is something new.
    """

    def __init__(
        self, track: Track, how: Rendering, start: str, fetcher: Fetcher, wake: Callable[[], None]
    ) -> None:
        self.track = track
        self._how, self._start = how, start
        self._wake, self._loop = wake, asyncio.get_running_loop()
        self._fetcher = fetcher
        self._skip = random.random() if start == "random" else 0.0
        self._loading: Loading | None = None
        self._lease: Lease | None = None
        self._error: str | None = None
        self._digest = ""
        if isinstance(track.source, Url):
            self._lease = fetcher.lease(track.source.url)
            self._lease.on_done(self._fetched)
        else:
            assert not isinstance(track.source, Stream)
            self._load(track.source)

    def _fetched(self, result: Fetched | FetchError) -> None:
        if isinstance(result, FetchError):
            self._error = str(result)
        else:
            self._digest = result.digest
            self._load(FileClip(result.data, self.track.label, result.digest))
        self._wake()

    def _load(self, clip: Clip) -> None:
        self._loading = cache.load(clip, self._how, skip=self._skip)
        for future in (self._loading.start, self._loading.whole):
            if not future.done():
                future.add_done_callback(self._wake_from_thread)

    def _wake_from_thread(self, _: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    @property
    def error(self) -> str | None:
        """See `Opening`."""
        if self._error is None and self._loading is not None and self._loading.whole.done():
            error = self._loading.whole.exception()
            if isinstance(error, AudioError):
                self._error = str(error)
                if isinstance(self.track.source, Url):
                    # It may be mended by the next call.
                    url, digest = self.track.source.url, self._digest
                    self._loop.run_in_executor(None, self._fetcher.forget, url, digest)
        return self._error

    def reader(self) -> Reader | None:
        """See `Opening`."""
        loading = self._loading
        if loading is None or self.error is not None or not loading.start.done():
            return None
        whole = loading.whole.done()
        loop = (loading.whole if whole else loading.start).result()
        position = 0
        if self._start == "live":
            position = loop.mark
        elif self._start == "random" and whole:
            position = int(self._skip * loop.end)
        return LoopReader(loop, position)

    def better(self, reader: Reader) -> Reader | None:
        """See `Opening`."""
        loading = self._loading
        if (
            loading is None
            or not loading.whole.done()
            or loading.whole.exception() is not None
            or not isinstance(reader, LoopReader)
            or reader.loop is (whole := loading.whole.result())
        ):
            return None
        return LoopReader(whole, _place(reader, whole))

    def close(self) -> list[asyncio.Task[Any]]:
        """See `Opening`."""
        return [] if self._lease is None else self._lease.release()


def _place(reader: LoopReader, loop: Loop) -> int:
    return max(0, reader.position + reader.loop.origin - loop.origin)


def open_track(
    track: Track, how: Rendering, start: str, fetcher: Fetcher, wake: Callable[[], None]
) -> Opening:
    """Begin to open `track`. Needs a running event loop."""
    if isinstance(track.source, Stream):
        return StreamOpening(track, track.source, how, wake)
    return ClipOpening(track, how, start, fetcher, wake)
