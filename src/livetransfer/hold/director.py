"""Director: which clip is on a call's deck, and what takes over when a clip ends or fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from .clips import SYNTHESISED, builtin_clip
from .deck import Deck, Reader
from .events import HoldSourceFailed, HoldSourceLate, HoldSourceReady
from .fetch import Fetcher
from .loop import LoopReader, same_ahead
from .opening import Opening, open_track
from .settings import Settings
from .sources import Track, Url
from .stream import StreamOpening

__all__ = ["Director"]

PATIENCE = 0.15
"""Seconds that a source may take before the built-in clip begins."""

POLL = 0.05
"""Seconds between looks at a clip that should be there already."""

LATE_CHANGE = 0.8
"""Seconds over which the music changes from the built-in clip to a source that came late."""

SAME_CLIP = 1.0
"""Seconds over which a clip's start becomes the whole clip: only the level may differ."""

ITEM_CHANGE = 0.3
"""Seconds, at least, over which one clip of a playlist becomes the next."""


class Director:
    """Puts clips on a deck.

    Args:
        deck: Whose music it is.
        tracks: To be played one after another and round again; none for quiet.
        settings: How to play them.
        fetcher: Fetches URLs.
        wake: Called when `look` should be called soon.
    """

    def __init__(
        self,
        deck: Deck,
        tracks: tuple[Track, ...],
        settings: Settings,
        fetcher: Fetcher,
        wake: Callable[[], None],
    ) -> None:
        self._deck, self._how, self._start = deck, settings.rendering, settings.start
        self._tell, self._fetcher, self._wake = settings.tell, fetcher, wake
        self._tracks = list(tracks)
        self._index = 0
        self._current: Opening | None = None
        self._next: Opening | None = None
        self._spare: Opening | None = None
        self._late = False
        self._begun = 0.0
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Open the first track."""
        self._begun = self._loop.time()
        if not self._tracks:
            return
        self._next = self._open(self._tracks[0], self._start)
        if isinstance(self._tracks[0].source, Url) and self._next.reader() is None:
            # It may be needed in a moment.
            self._spare = self._builtin()

    @property
    def wait(self) -> float | None:
        """Seconds until `look` should be called, if nothing wakes it before; None: not at all."""
        if self._deck.music is not None or not (self._next or self._spare):
            return None
        return self._patience or POLL

    @property
    def _patience(self) -> float:
        return max(0.0, self._begun + PATIENCE - self._loop.time())

    def close(self) -> None:
        """Nothing of this is needed any more."""
        for opening in (self._current, self._next, self._spare):
            if opening is not None:
                opening.close()

    def _open(self, track: Track, start: str = "beginning") -> Opening:
        how = replace(self._how, volume=self._how.volume * track.volume)
        return open_track(track, how, start, self._fetcher, self._wake)

    def _builtin(self) -> Opening:
        return self._open(Track(builtin_clip()))

    def look(self) -> None:
        """See what has become of the tracks, and change the music where that is called for."""
        self._drop_failed()
        if self._deck.music is None:
            self._look_first()
        elif self._current is None or self._current is self._spare:
            self._look_late()
        else:
            self._look_on()

    def _drop_failed(self) -> None:
        """Report the next track if it failed, and try the one after it."""
        while self._next is not None and (reason := self._next.error) is not None:
            failed = self._next
            self._tell(HoldSourceFailed(failed.track.label, reason))
            failed.close()
            self._next = None
            position = self._tracks.index(failed.track)
            self._tracks.remove(failed.track)
            if self._tracks and self._current is not None and self._current is not self._spare:
                self._index = position % len(self._tracks)
            elif self._tracks:
                self._index = position % len(self._tracks)
                self._next = self._open(self._tracks[self._index])

    def _look_first(self) -> None:
        if self._next is not None and (reader := self._next.reader()) is not None:
            self._take(self._next, reader, 0.0)
            return
        if self._next is not None and self._patience > 0:
            return
        if self._spare is None:
            self._spare = self._builtin()
        if self._spare.error is not None:
            self._spare = self._open(Track(SYNTHESISED))
        if (reader := self._spare.reader()) is not None:
            if self._next is not None:
                self._late = True
                self._tell(HoldSourceLate(self._next.track.label))
            self._current = self._spare
            self._deck.change(reader, 0.0)

    def _look_late(self) -> None:
        """The built-in clip plays: has a track come?"""
        assert self._deck.music is not None
        if self._next is not None and (reader := self._next.reader()) is not None:
            if self._late:
                self._tell(HoldSourceReady(self._next.track.label))
            self._take(self._next, reader, LATE_CHANGE)
        else:
            self._improve()

    def _take(self, opening: Opening, reader: Reader, seconds: float) -> None:
        if self._current is not None and self._current is not self._spare:
            self._current.close()
        self._current, self._next, self._late = opening, None, False
        self._deck.change(reader, seconds)

    def _improve(self) -> None:
        """Let the whole clip take over from its start."""
        music = self._deck.music
        if self._current is None or music is None or self._deck.changing:
            return
        if (better := self._current.better(music)) is not None:
            self._deck.change(better, 0.0 if same_ahead(music, better) else SAME_CLIP)

    def _look_on(self) -> None:
        music = self._deck.music
        if isinstance(music, StreamOpening):
            self._look_at_stream(music)
            return
        self._improve()
        if len(self._tracks) < 2 or not isinstance(music, LoopReader):
            return
        if self._next is None:
            self._index = (self._index + 1) % len(self._tracks)
            self._next = self._open(self._tracks[self._index])
        seconds = max(self._how.crossfade, ITEM_CHANGE)
        remaining = (music.loop.end - music.position) / self._how.rate
        if music.loop.whole and remaining <= seconds + 0.2 and not self._deck.changing:
            seconds = min(seconds, music.loop.length / self._how.rate / 2)
            if (reader := self._next.reader()) is not None:
                self._take(self._next, reader, seconds)

    def _look_at_stream(self, stream: StreamOpening) -> None:
        """A stream that runs dry is replaced, and taken back when it goes on."""
        if not stream.starving:
            return
        reason = stream.error
        if reason is None:
            self._next, self._late = stream, True
            reason = "no frames come; the built-in clip plays until they do"
        else:
            self._tracks.remove(stream.track)
        self._tell(HoldSourceFailed(stream.track.label, reason))
        self._spare = self._spare or self._builtin()
        if self._spare.error is not None:
            self._spare = self._open(Track(SYNTHESISED))
        self._current = self._spare
        if (reader := self._spare.reader()) is not None:
            self._deck.change(reader, 0.1)
