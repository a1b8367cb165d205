"""RoomAudio: audio for some participants of a room, written frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from livekit import rtc
from livekit.rtc.participant import PublishTrackError, UnpublishTrackError

from livetransfer._livekit.source_sink import SourceSink
from livetransfer.control import AudioSink
from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

from .track_permissions import TrackPermissions

__all__ = ["RoomAudio", "open_sink"]

SAMPLE_RATE = 24_000
NUM_CHANNELS = 1
MUSIC = "hold-music"
# Music goes on while something else holds up the event loop; words have to end soon.
MUSIC_QUEUE_MS = 1000
QUEUE_MS = 400
# A listener who is there subscribes within about 0.1 s; one who is not must not hold us up.
FIRST_LISTENER = 0.3
PUBLISH = 5.0
UNPUBLISH = 2.0


class RoomAudio:
    """An [`AudioSink`][livetransfer.control.AudioSink]: a track of its own; see `open`."""

    def __init__(
        self,
        room: rtc.Room,
        sink: SourceSink,
        publication: rtc.LocalTrackPublication,
        lift: Callable[[], None],
    ) -> None:
        self._room = room
        self._sink = sink
        self._publication = publication
        self._lift = lift
        self._closed = False
        # Music has no beginning to miss, and is heard sooner if it flows already.
        self._waits = publication.name != MUSIC
        self._heard = asyncio.create_task(
            _bounded(publication.wait_for_subscription(), FIRST_LISTENER)
        )

    @classmethod
    async def open(cls, room: rtc.Room, to: Sequence[str], name: str) -> RoomAudio:
        """Publish a track that only the identities in `to` may hear.

        Raises:
            CallControlError: It could not be published.

        On cancellation nothing stays published.
        """
        queue_ms = MUSIC_QUEUE_MS if name == MUSIC else QUEUE_MS
        source = rtc.AudioSource(SAMPLE_RATE, NUM_CHANNELS, queue_size_ms=queue_ms)
        track = rtc.LocalAudioTrack.create_audio_track(name, source)
        permissions = TrackPermissions.of(room)
        lift = permissions.restrict(track, to)
        # Silence must not stop the stream: music has pauses.
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_UNKNOWN, dtx=False)
        publishing = asyncio.ensure_future(room.local_participant.publish_track(track, options))
        try:
            publication = await asyncio.wait_for(asyncio.shield(publishing), PUBLISH)
        except BaseException as error:
            # Cancelled or not, what gets published all the same has to go again.
            publishing.add_done_callback(lambda done: _withdraw(room, done, lift))
            await source.aclose()
            if isinstance(error, (PublishTrackError, asyncio.TimeoutError)):
                why = getattr(error, "message", "the room did not answer in time")
                raise CallControlError(
                    f"the track {name!r} could not be published: {why}",
                    status=TransferStatus.FAILED,
                ) from error
            raise
        permissions.apply()
        return cls(room, SourceSink(source, queue_size_ms=queue_ms), publication, lift)

    @property
    def capacity(self) -> float:
        """Seconds that may be queued before `write` waits."""
        return self._sink.capacity

    @property
    def sample_rate(self) -> int:
        """Samples per second, in Hz, that `write` takes."""
        return self._sink.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels that `write` takes, interleaved."""
        return self._sink.num_channels

    @property
    def queued(self) -> float:
        """Seconds of audio written and not yet played."""
        return self._sink.queued

    async def ready(self) -> None:
        """Wait until somebody listens, at most 0.3 s."""
        await asyncio.wait({self._heard})

    async def write(self, frame: rtc.AudioFrame) -> None:
        """Queue `frame` (int16, interleaved); wait while the queue is full.

        Unless it is music, the first frame waits until it is `ready`, so that no word is cut.
        Cancelled, it may or may not have queued the frame. After `aclose` it does nothing.
        """
        if self._waits and not self._closed:
            await self.ready()
            self._waits = False
        await self._sink.write(frame)

    def clear(self) -> None:
        """Drop what is queued and not yet played."""
        self._sink.clear()

    async def aclose(self) -> None:
        """Unpublish the track, at once. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._heard.cancel()
        await self._sink.aclose()
        closing = asyncio.ensure_future(self._unpublish())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait([closing])
            raise

    async def _unpublish(self) -> None:
        if self._room.isconnected():
            local = self._room.local_participant
            with contextlib.suppress(UnpublishTrackError):
                await _bounded(local.unpublish_track(self._publication.sid), UNPUBLISH)
        self._lift()


class _Several:
    """One sink for listeners in several rooms."""

    def __init__(self, sinks: Sequence[RoomAudio]) -> None:
        self._sinks = tuple(sinks)

    @property
    def sample_rate(self) -> int:
        return SAMPLE_RATE

    @property
    def num_channels(self) -> int:
        return NUM_CHANNELS

    @property
    def queued(self) -> float:
        return max((sink.queued for sink in self._sinks), default=0.0)

    async def ready(self) -> None:
        await asyncio.gather(*(sink.ready() for sink in self._sinks))

    async def write(self, frame: rtc.AudioFrame) -> None:
        await asyncio.gather(*(sink.write(frame) for sink in self._sinks))

    def clear(self) -> None:
        for sink in self._sinks:
            sink.clear()

    async def aclose(self) -> None:
        await asyncio.gather(*(sink.aclose() for sink in self._sinks))


async def open_sink(to: Sequence[str], room_of: Callable[[str], rtc.Room], name: str) -> AudioSink:
    """Open a sink that only the identities in `to` hear, each in the room that it is in.

    Raises:
        CallControlError: It could not be set up.
    """
    rooms: dict[rtc.Room, list[str]] = {}
    for identity in to:
        rooms.setdefault(room_of(identity), []).append(identity)
    opened: list[RoomAudio] = []
    try:
        for room, identities in rooms.items():
            opened.append(await RoomAudio.open(room, identities, name))
    except BaseException:
        for sink in opened:
            await sink.aclose()
        raise
    return opened[0] if len(opened) == 1 else _Several(opened)


async def _bounded(work: object, seconds: float) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(work, seconds)  # type: ignore[arg-type]


def _withdraw(
    room: rtc.Room, published: asyncio.Future[rtc.LocalTrackPublication], lift: Callable[[], None]
) -> None:
    if published.cancelled() or published.exception() is not None or not room.isconnected():
        lift()
        return
    work = asyncio.ensure_future(
        _bounded(room.local_participant.unpublish_track(published.result().sid), UNPUBLISH)
    )

    def lifted(done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            done.exception()
        lift()

    work.add_done_callback(lifted)
