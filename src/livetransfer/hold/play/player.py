"""HoldMusicPlayer: what to play to callers on hold, and how; it starts one play for each call."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from livetransfer._logged import logged
from livetransfer.control import AudioSink, CallControl
from livetransfer.errors import ConfigurationError
from livetransfer.hold.sound.leveling import TARGET_LUFS
from livetransfer.hold.sound.loop import SEAM
from livetransfer.hold.sources.accepted_sources import HoldSource, Stream, Track, Url, program
from livetransfer.hold.sources.builtin import BUILTIN
from livetransfer.hold.sources.clips import Clip, FileClip, Loading, Rendering, cache
from livetransfer.hold.sources.fetch import Fetched, Fetcher, FetchError, FetchLimits, Lease

from .comfort_lines import Comfort, Held, Synthesise
from .hold_events import HoldEvent
from .play_handle import PlayHandle
from .settings import Settings

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["HoldMusicPlayer"]

logger = logging.getLogger("livetransfer")

Start = Literal["beginning", "random", "live"]

CLOSING = 0.5
"""Seconds that the end of `playing` waits, beyond the fade, for the music to end."""


class HoldMusicPlayer:
    """Hold music: decoded once, shared by every call, and never silent because of a bad source.

    Args:
        source: What to play, over and over:

            - a path, the bytes of a file, or a file object: WAV, MP3, FLAC, OGG, Opus, ... of any
              rate and any number of channels, up to 10 minutes;
            - a URL: http or https, fetched within `limits`;
            - samples and their rate in Hz, ``(array, 44100)``, shape (n,) or (n, channels);
            - what `WarmTransferTask` takes: a `BuiltinAudioClip`, an `AudioConfig`, a list of
              `AudioConfig` (one is chosen for each call, by `probability`), an async iterator of
              `AudioFrame` (which can be played to one call);
            - a playlist: a list of these, played one after another;
            - None for quiet.
        volume: Linear, from 0 to 4, on top of the levelling.
        fade_in: Seconds over which the music begins.
        fade_out: Seconds over which it ends, unless `PlayHandle.stop` says otherwise.
        start: Where a call's music begins: at the ``"beginning"``, at a ``"random"`` place, or,
            ``"live"``, where the caller before is or left off.
        crossfade: Seconds over which the end of a clip blends into its beginning, and one clip of
            a playlist into the next. With the default, 10 ms, no click is heard at the seam.
        loudness: LUFS (ITU-R BS.1770) that every clip is brought to; None leaves it as it is.
        comfort: Lines to be spoken over the music.
        synthesise: What speaks lines of text: called with the text, it returns or yields
            `AudioFrame`s or what a livekit TTS yields, or returns ``(samples, rate)``. A transfer
            sets it to the session's TTS.
        limits: Bounds on fetching a URL.
        on_event: Called with each `HoldEvent`, on the event loop. What it raises is logged.

    Raises:
        ConfigurationError: A file that does not exist, a URL that is none, a number out of range.
        TypeError: A `source` of a kind that cannot be played.

    A source that fails later (it cannot be fetched or decoded, is too long, ...) is reported with
    a `HoldSourceFailed`, and the built-in clip plays, 0.2 s after `play` at the latest.
    """

    def __init__(
        self,
        source: HoldSource = BUILTIN,
        *,
        volume: float = 1.0,
        fade_in: float = 0.2,
        fade_out: float = 0.2,
        start: Start = "beginning",
        crossfade: float = SEAM,
        loudness: float | None = TARGET_LUFS,
        comfort: Comfort | None = None,
        synthesise: Synthesise | None = None,
        limits: FetchLimits | None = None,
        on_event: Callable[[HoldEvent], None] | None = None,
    ) -> None:
        _number("volume", volume, 0.0, 4.0)
        _number("fade_in", fade_in, 0.0, 60.0)
        _number("fade_out", fade_out, 0.0, 60.0)
        _number("crossfade", crossfade, 0.0, 30.0)
        if loudness is not None:
            _number("loudness", loudness, -70.0, -5.0)
        if start not in ("beginning", "random", "live"):
            raise ConfigurationError("start", start, "use 'beginning', 'random' or 'live'")
        if comfort is not None and not isinstance(comfort, Comfort):
            raise TypeError(f"comfort={comfort!r}: use Comfort(lines=[...])")
        self._program = program(source)
        self._fetcher = Fetcher(limits or FetchLimits())
        self._rendering = Rendering(0, loudness, volume, crossfade)
        self._start = start
        self._fade_in, self._fade_out = fade_in, fade_out
        self.comfort = comfort
        self.synthesise = synthesise
        self.on_event = on_event
        self._prefetched: list[Lease] = []

    @property
    def music(self) -> str | None:
        """What plays, in a word: as its source names itself; None where it is quiet."""
        tracks = self._program.tracks
        return ", ".join(track.label for track in tracks) or None

    def prefetch(self, sample_rate: int = 24_000) -> None:
        """Begin to fetch and to decode, in the background, without waiting for it.

        With no event loop running it does nothing. `close` gives up what is still being fetched.

        Args:
            sample_rate: Of the sink that will be played to, in Hz.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        if any(not lease.released for lease in self._prefetched):
            return
        self._prefetched.clear()
        tracks = self._program.tracks
        for track in tracks:
            if isinstance(track.source, Url):
                lease = self._fetcher.lease(track.source.url)
                self._prefetched.append(lease)
                if len(tracks) == 1:
                    lease.on_done(partial(self._fetched, track, sample_rate))
        if len(tracks) == 1 and not isinstance(tracks[0].source, (Url, Stream)):
            self._decode(tracks[0], sample_rate, tracks[0].source)

    async def warm(self, sample_rate: int = 24_000) -> None:
        """Decode what is on this machine, and wait until that is done.

        Args:
            sample_rate: Of the sinks that will be played to, in Hz.

        Raises:
            AudioError: It cannot be decoded; the built-in clip will play.
        """
        loading = [
            self._decode(track, sample_rate, track.source)
            for track in self._program.tracks
            if not isinstance(track.source, (Url, Stream))
        ]
        for each in loading:
            await asyncio.wrap_future(each.whole)

    def _fetched(self, track: Track, rate: int, what: Fetched | FetchError) -> None:
        if isinstance(what, Fetched):  # an error is told when it is to be played
            self._decode(track, rate, FileClip(what.data, track.label, what.digest))

    def _decode(self, track: Track, rate: int, what: Clip) -> Loading:
        volume = self._rendering.volume * track.volume
        return cache.load(what, replace(self._rendering, rate=rate, volume=volume))

    def close(self) -> None:
        """Give up what `prefetch` began and nobody else waits for. Plays go on."""
        leases, self._prefetched = self._prefetched, []
        for lease in leases:
            lease.release()

    def play(
        self,
        sink: AudioSink,
        *,
        synthesise: Synthesise | None = None,
        voice: str = "",
        on_event: Callable[[HoldEvent], None] | None = None,
        facts: Callable[[], Held] | None = None,
    ) -> PlayHandle:
        """Start the music into `sink` and return at once. Needs a running event loop.

        One task writes it, at the pace at which the sink takes it; no thread, and nothing of the
        clip is copied. The sink stays open when the music ends.

        Args:
            sink: Where to; nobody else may write to it meanwhile.
            synthesise: For this call, instead of the player's.
            voice: Which voice `synthesise` has: lines of text are synthesised once for each.
            on_event: For this call, in addition to the player's.
            facts: What a callable that gives the next comfort line is told of this call, besides
                the seconds and how many lines were spoken; it has to be quick and plain.
        """

        def tell(event: HoldEvent) -> None:
            logger.info("hold music event", extra={"lk.pii.event": str(event)})
            for listener in (self.on_event, on_event):
                if listener is not None:
                    try:
                        listener(event)
                    except Exception:
                        logger.error("on_event raised", **logged())

        settings = Settings(
            rendering=replace(self._rendering, rate=sink.sample_rate),
            start=self._start,
            fade_in=self._fade_in,
            fade_out=self._fade_out,
            comfort=self.comfort,
            synthesise=synthesise or self.synthesise,
            voice=voice,
            facts=facts or _nothing_known,
            tell=tell,
            taken=self._program.began,
        )
        return PlayHandle(sink, self._program.choose(self._start), settings, self._fetcher)

    @asynccontextmanager
    async def playing(
        self, where: rtc.Room | CallControl, *, to: str | None = None
    ) -> AsyncIterator[PlayHandle]:
        """Play to one participant, and nobody else, while the block runs.

        Args:
            where: A connected room, or a `CallControl`.
            to: Identity of who hears it. May be left out with a `CallControl`: its caller.

        Raises:
            CallControlError: The audio could not be opened.

        However the block is left, the music has faded out and its track is gone afterwards.
        """
        sink = await self._open(where, to)
        try:
            handle = self.play(sink)
            try:
                yield handle
            finally:
                handle.stop()
                await asyncio.wait({handle.task}, timeout=handle.fade_out + CLOSING)
                handle.task.cancel()
        finally:
            await sink.aclose()

    async def _open(self, where: Any, to: str | None) -> AudioSink:
        if hasattr(where, "open_audio"):
            control: CallControl = where
            return await control.open_audio([to or control.caller.identity], name="hold-music")
        if not to:
            raise ConfigurationError("to", to, "name the identity that is to hear the music")
        from livetransfer._livekit import open_room_audio

        sink: AudioSink = await open_room_audio(where, [to], name="hold-music")
        return sink


def _nothing_known() -> Held:
    return Held(0.0, 0)


def _number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigurationError(name, value, f"use a number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise ConfigurationError(name, value, f"use a number from {low:g} to {high:g}")
