"""Relay: the audio of two rooms carried to each other by this process.

What is left when a participant cannot be moved. Frames go from the one room's decoder straight to
the other's encoder at the rate that both have: nothing is resampled, and nothing is queued but
what the event loop has not come round to yet. The decoder's jitter buffer runs on the clock of
this machine, as the encoder does, so the two cannot drift apart; each speaker's own drift is
taken up by that buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.rtc.participant import PublishTrackError, UnpublishTrackError

from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.tasks import Tasks
from livetransfer._livekit.track_permissions import TrackPermissions
from livetransfer.control import CallLost, ControlEvent, LegLeft
from livetransfer.errors import BridgeFailed
from livetransfer.status import TransferStatus

__all__ = ["Relay"]

# What Opus, and so every room, works in.
RATE = 48_000
CHANNELS = 1
FRAME_MS = 10
# Frames that wait while the event loop is busy; older ones are dropped, so this bounds the delay.
BACKLOG = 8
PUBLISH = 3.0
HEARD_WITHIN = 1.0
UNPUBLISH = 1.0


class Relay:
    """Both directions; see `open`."""

    def __init__(self, pipes: tuple[Pipe, Pipe]) -> None:
        self._pipes = pipes
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The identity of who left first, or "" if a room was lost."""
        for pipe in pipes:
            pipe.on_gone = self._gone
            if not pipe.present:
                self._gone(pipe.speaker)

    @classmethod
    async def open(
        cls, caller_room: rtc.Room, caller: str, human_room: rtc.Room, human: str
    ) -> Relay:
        """Let `caller` and `human`, in two rooms, hear each other; return once they do.

        Raises:
            BridgeFailed: A track could not be published. They do not hear each other.

        On cancellation neither hears the other.
        """
        opening = [
            asyncio.ensure_future(Pipe.open(human_room, human, caller_room, caller)),
            asyncio.ensure_future(Pipe.open(caller_room, caller, human_room, human)),
        ]
        try:
            first, second = await asyncio.gather(*opening)
        except BaseException as error:
            for each in opening:
                each.add_done_callback(_close_late)
                each.cancel()
            if isinstance(error, (PublishTrackError, asyncio.TimeoutError)):
                raise BridgeFailed(
                    "the parties could not be joined: the relay could not be set up",
                    status=TransferStatus.FAILED,
                ) from error
            raise
        relay = cls((first, second))
        relay.resume()
        await asyncio.wait(
            [asyncio.ensure_future(pipe.heard()) for pipe in (first, second)],
            timeout=HEARD_WITHIN,
        )
        return relay

    def pause(self) -> None:
        """Neither hears the other from now on."""
        for pipe in self._pipes:
            pipe.flowing = False

    def resume(self) -> None:
        """Each hears the other again."""
        for pipe in self._pipes:
            pipe.flowing = True

    async def aclose(self) -> None:
        """End it. May be called again."""
        await asyncio.gather(*(pipe.aclose() for pipe in self._pipes))
        self._gone("")

    def _gone(self, who: str) -> None:
        if not self.ended.done():
            self.ended.set_result(who)


class Pipe:
    """One direction: a speaker in one room, a listener in another; see `open`."""

    def __init__(
        self,
        room: rtc.Room,
        speaker: str,
        to: rtc.Room,
        *,
        source: rtc.AudioSource,
        publication: rtc.LocalTrackPublication,
        lift: Callable[[], None],
    ) -> None:
        self.speaker = speaker
        self.flowing = False
        self.on_gone: Callable[[str], None] = lambda _: None
        self._room, self._to = room, to
        self._source, self._publication, self._lift = source, publication, lift
        self._tasks = Tasks()
        # Of its own: it may outlive the control.
        self._events = RoomEvents(room)
        self._events.subscribe(self._on_event)
        self._reading: asyncio.Task[None] | None = None
        self._track: rtc.Track | None = None
        self._closed = False
        self._handlers: dict[Any, Callable[..., None]] = {
            "track_published": self._on_published,
            "track_subscribed": self._on_subscribed,
            # A subscription that is asked for while the connection is made anew is lost.
            "reconnected": self._listen,
            # When we disconnect ourselves, "disconnected" does not always come.
            "connection_state_changed": self._on_state,
        }
        for name, handler in self._handlers.items():
            room.on(name, handler)
        self._listen()

    @classmethod
    async def open(cls, room: rtc.Room, speaker: str, to: rtc.Room, listener: str) -> Pipe:
        """Publish, in `to` and for `listener` only, what `speaker` says in `room`.

        Nothing flows until `flowing` is set.
        """
        # No queue: what is captured goes to the encoder at once.
        source = rtc.AudioSource(RATE, CHANNELS, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("relay", source)
        permissions = TrackPermissions.of(to)
        lift = permissions.restrict(track, [listener])
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_UNKNOWN, dtx=False)
        publishing = asyncio.ensure_future(to.local_participant.publish_track(track, options))
        try:
            publication = await asyncio.wait_for(asyncio.shield(publishing), PUBLISH)
        except BaseException:
            publishing.add_done_callback(lambda done: _withdraw(to, done, lift))
            await source.aclose()
            raise
        permissions.apply()
        return cls(room, speaker, to, source=source, publication=publication, lift=lift)

    @property
    def present(self) -> bool:
        """Whether the speaker is there, or is just coming back."""
        return self._events.present(self.speaker)

    async def heard(self) -> None:
        """Wait until the listener is subscribed."""
        await self._publication.wait_for_subscription()

    async def aclose(self) -> None:
        """Stop, and take the track back. May be called again."""
        if self._closed:
            return
        self._closed = True
        self.flowing = False
        for name, handler in self._handlers.items():
            self._room.off(name, handler)
        self._events.close()
        if self._reading is not None:
            self._reading.cancel()
        await self._tasks.aclose(1.0)
        await _unpublish(self._to, self._publication, self._lift)
        await self._source.aclose()

    def _listen(self) -> None:
        participant = self._room.remote_participants.get(self.speaker)
        if participant is None:
            return
        for each in participant.track_publications.values():
            if each.track is not None:
                self._on_subscribed(each.track, each, participant)
            else:
                self._on_published(each, participant)

    def _on_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity == self.speaker and publication.kind == rtc.TrackKind.KIND_AUDIO:
            publication.set_subscribed(True)

    def _on_subscribed(
        self,
        track: rtc.Track,
        _publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        """Listen to the newest track of the speaker: after a reconnect that is the one.

        After one of ours it has the sid of the track before.
        """
        if participant.identity != self.speaker or track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        if self._closed or track is self._track:
            return
        self._track = track
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self._tasks.start(self._carry(track), "relay")

    async def _carry(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(
            track, sample_rate=RATE, num_channels=CHANNELS, frame_size_ms=FRAME_MS, capacity=BACKLOG
        )
        try:
            async for event in stream:
                if self.flowing:
                    await self._source.capture_frame(event.frame)
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.shield(stream.aclose()), 1.0)

    def _on_event(self, event: ControlEvent) -> None:
        if isinstance(event, CallLost):
            self.on_gone("")
        elif isinstance(event, LegLeft) and event.identity == self.speaker:
            self.on_gone(self.speaker)

    def _on_state(self, state: rtc.ConnectionState.ValueType) -> None:
        if state == rtc.ConnectionState.CONN_DISCONNECTED:
            self.on_gone("")


async def _unpublish(
    room: rtc.Room, publication: rtc.LocalTrackPublication, lift: Callable[[], None]
) -> None:
    if room.isconnected():
        with contextlib.suppress(UnpublishTrackError, asyncio.TimeoutError):
            await asyncio.wait_for(
                room.local_participant.unpublish_track(publication.sid), UNPUBLISH
            )
    lift()


def _withdraw(
    room: rtc.Room, published: asyncio.Future[rtc.LocalTrackPublication], lift: Callable[[], None]
) -> None:
    """Take back a track whose publication nobody waited for."""
    if published.cancelled() or published.exception() is not None:
        lift()
        return
    _background(_unpublish(room, published.result(), lift))


def _close_late(opened: asyncio.Future[Pipe]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        _background(opened.result().aclose())


_late: set[asyncio.Task[None]] = set()


def _background(work: Any) -> None:
    task = asyncio.ensure_future(work)
    _late.add(task)
    task.add_done_callback(_late.discard)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
