"""Director: which clip is on a call's deck, and what takes over when a clip ends or fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from livetransfer.hold.sound.loop import LoopReader, same_ahead
from livetransfer.hold.sound.reader import MAX_FRAME, Reader
from livetransfer.hold.sources.accepted_sources import Track, Url
from livetransfer.hold.sources.clips import SYNTHESISED, builtin_clip
from livetransfer.hold.sources.fetch import Fetcher
from livetransfer.hold.sources.opening import Opening, open_track
from livetransfer.hold.sources.stream import StreamOpening

from .hold_events import HoldSourceFailed, HoldSourceLate, HoldSourceReady
from .mixer import Deck
from .settings import Settings

__all__ = ["Director"]

PATIENCE = 0.15
"""Seconds that a source may take before the built-in clip begins."""

POLL = 0.05
"""Seconds between looks at a clip that should be there already."""

LATE_CHANGE = 0.8
"""Seconds over which the music changes from the built-in clip to a source that came late."""

FAILED_CHANGE = 0.1
"""Seconds over which it changes away from a source that failed."""

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
        self._deck, self._settings = deck, settings
        self._fetcher, self._wake = fetcher, wake
        self._quiet = not tracks
        self._tracks = list(tracks)
        self._current: Opening | None = None  # what plays, unless the built-in clip stands in
        self._next: Opening | None = None  # what is to take over
        self._spare: Opening | None = None  # the built-in clip
        self._late = self._standing_in = False
        self._begun = 0.0
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Open the first track."""
        self._begun = self._loop.time()
        if self._quiet:
            return
        self._next = self._open(self._tracks[0], self._settings.start)
        if isinstance(self._tracks[0].source, Url) and self._next.reader() is None:
            self._spare = self._builtin()  # it may be needed in a moment

    @property
    def wait(self) -> float | None:
        """Seconds until `look` should be called, if nothing wakes it before; None: not at all."""
        if self._deck.music is not None or self._quiet:
            return None
        return self._patience or POLL

    @property
    def _patience(self) -> float:
        return max(0.0, self._begun + PATIENCE - self._loop.time())

    def close(self) -> list[asyncio.Task[Any]]:
        """Nothing of this is needed any more. Returns tasks that are about to end."""
        openings = {self._current, self._next, self._spare} - {None}
        return [task for opening in openings if opening for task in opening.close()]

    def _open(self, track: Track, start: str = "beginning") -> Opening:
        how = self._settings.rendering
        how = replace(how, volume=how.volume * track.volume)
        return open_track(track, how, start, self._fetcher, self._wake)

    def _builtin(self) -> Opening:
        return self._open(Track(builtin_clip()))

    def look(self) -> None:
        """See what has become of the tracks, and change the music where that is called for."""
        if self._quiet:
            return
        self._drop_failed()
        if self._current is None:
            self._look_for_one()
        elif isinstance(self._current, StreamOpening):
            self._look_at_stream(self._current)
        else:
            self._improve(self._current)
            self._look_on(self._current)

    def _drop_failed(self) -> None:
        """Report what failed, and try the track after it."""
        for opening in (self._current, self._next):
            if opening is None or (reason := opening.error) is None:
                continue
            self._settings.tell(HoldSourceFailed(opening.track.label, reason))
            opening.close()
            at = self._tracks.index(opening.track)
            self._tracks.remove(opening.track)
            if opening is self._current:
                self._current = None
            if opening is self._next:
                self._next = None
            if self._current is None and self._next is None and self._tracks:
                self._next = self._open(self._tracks[at % len(self._tracks)])
                if (reason := self._next.error) is not None:
                    self._drop_failed()
                    return

    def _look_for_one(self) -> None:
        """No track plays: take the next if it is ready, or else the built-in clip."""
        music = self._deck.music
        if self._next is not None and (reader := self._next.reader()) is not None:
            if self._late:
                self._settings.tell(HoldSourceReady(self._next.track.label))
            self._take(self._next, reader, LATE_CHANGE if music is not None else 0.0)
            return
        if music is None and self._next is not None and self._patience > 0:
            return
        if self._spare is None:
            self._spare = self._builtin()
        if self._spare.error is not None:
            self._spare = self._open(Track(SYNTHESISED))
        if music is not None and self._standing_in:
            self._improve(self._spare)
        elif (reader := self._spare.reader()) is not None:
            if music is None and self._next is not None:
                self._late = True
                self._settings.tell(HoldSourceLate(self._next.track.label))
            self._standing_in = True
            self._deck.change(reader, 0.0 if music is None else FAILED_CHANGE)

    def _take(self, opening: Opening, reader: Reader, seconds: float) -> None:
        if self._current is not None:
            self._current.close()
        self._current, self._next = opening, None
        self._late = self._standing_in = False
        self._deck.change(reader, seconds)
        self._settings.taken(opening.track)

    def _improve(self, opening: Opening) -> None:
        """Let the whole clip take over from its start."""
        music = self._deck.music
        if music is None or self._deck.changing:
            return
        if (better := opening.better(music)) is not None:
            self._deck.change(better, 0.0 if same_ahead(music, better) else SAME_CLIP)

    def _look_on(self, current: Opening) -> None:
        """Begin the next clip of a playlist before this one ends."""
        music = self._deck.music
        if len(self._tracks) < 2 or not isinstance(music, LoopReader):
            return
        if self._next is None:
            at = self._tracks.index(current.track)
            self._next = self._open(self._tracks[(at + 1) % len(self._tracks)])
        rate = self._settings.rate
        seconds = max(self._settings.rendering.crossfade, ITEM_CHANGE)
        seconds = min(seconds, music.loop.length / rate / 2)
        remaining = (music.loop.end - music.position) / rate
        due = music.loop.whole and remaining <= seconds + MAX_FRAME
        if due and not self._deck.changing and (reader := self._next.reader()) is not None:
            self._take(self._next, reader, seconds)

    def _look_at_stream(self, stream: StreamOpening) -> None:
        """Let the built-in clip stand in for a stream that runs dry, until it goes on."""
        if stream.starving:
            self._current, self._next, self._late = None, stream, True
            reason = "no frames come; the built-in clip plays until they do"
            self._settings.tell(HoldSourceFailed(stream.track.label, reason))
            self._look_for_one()
