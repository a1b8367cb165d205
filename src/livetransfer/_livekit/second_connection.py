"""RoomConversation: a second connection of the agent, on which a session talks with one leg."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, get_job_context
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions

from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

from .signalling.server_api import Wire
from .tasks import Tasks, finish, logger, outlive

__all__ = ["RoomConversation"]

CONNECT = 10.0
CLOSE_SESSION = 2.0
DISCONNECT = 2.0
# A connection that is closed while it is being renewed may join all the same, seconds later.
EVICT = 20.0
EVICT_EVERY = 0.5
# A job that ends waits as long for a connection that nobody waits for any more.
LEAVE_LATE = 8.0

_leaving: set[asyncio.Future[None]] = set()


class RoomConversation:
    """A [`Conversation`][livetransfer.control.Conversation]; see `open`.

    It needs a connection of its own: on a shared one two sessions write the same attributes and
    unregister each other's handlers. Its tracks reach the human only, and it hears him only.
    """

    def __init__(self, room: rtc.Room, human: str) -> None:
        self._room = room
        self._human = human
        self._session: AgentSession[Any] | None = None
        self._starting: asyncio.Task[Any] | None = None
        self._tasks = Tasks()
        self._closing: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
        room.on("track_published", self._on_track)
        room.on("reconnected", self._listen)

    @classmethod
    async def open(
        cls,
        wire: Wire,
        human: str,
        on_joining: Callable[[asyncio.Future[None]], None] | None = None,
    ) -> RoomConversation:
        """Join the room a second time, ready for `human`, who may not be there yet.

        `on_joining` is called with the attempt to join, which goes on when this is cancelled.

        Raises:
            CallControlError: The room could not be joined.

        On cancellation it leaves again as soon as it has joined.
        """
        room = rtc.Room()
        identity = f"{wire.agent}-briefing-{uuid.uuid4().hex[:8]}"
        joining = asyncio.ensure_future(
            room.connect(wire.url, wire.token(identity), rtc.RoomOptions(auto_subscribe=False))
        )
        if on_joining is not None:
            on_joining(joining)
        try:
            await asyncio.wait_for(asyncio.shield(joining), CONNECT)
        except BaseException as error:
            _leave_before_job_ends(asyncio.ensure_future(_leave(room, joining)))
            if isinstance(error, (rtc.ConnectError, asyncio.TimeoutError)):
                raise CallControlError(
                    "the line to the human could not be set up", status=TransferStatus.FAILED
                ) from error
            raise
        # Before anything is published: whoever is not in the list hears nothing.
        room.local_participant.set_track_subscription_permissions(
            allow_all_participants=False,
            participant_permissions=[
                rtc.ParticipantTrackPermission(participant_identity=human, allow_all=True)
            ],
        )
        conversation = cls(room, human)
        conversation._wire = wire
        conversation._listen()
        return conversation

    @property
    def room(self) -> rtc.Room:
        """The second connection."""
        return self._room

    async def start(self, session: AgentSession[Any], agent: Agent) -> None:
        """Start `session` with `agent`, its audio and text going to and from the leg only.

        Raises:
            CallControlError: The line could not be set up, or is closed.
        """
        if self._closing is not None or not self._room.isconnected():
            raise CallControlError("the line to the human is closed", status=TransferStatus.FAILED)
        self._session = session
        options = RoomOptions(
            participant_identity=self._human,
            # The leg is the transfer's to watch, and the room is the caller's.
            close_on_disconnect=False,
            delete_room_on_close=False,
            # Text goes to everybody in the room: a web caller would read the briefing.
            text_input=False,
            text_output=False,
            video_input=False,
            audio_input=AudioInputOptions(pre_connect_audio=False),
            audio_output=True,
        )
        # In a task of its own: it attaches a tracing context to the task that calls it.
        self._starting = self._tasks.start(
            session.start(agent, room=self._room, room_options=options, record=False),
            "start-conversation",
        )
        try:
            await asyncio.shield(self._starting)
        except asyncio.CancelledError:
            self._starting.cancel()
            raise

    async def aclose(self) -> None:
        """Close the session and the line; the leg stays. May be called again."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await finish(_wait(self._closing), CLOSE_SESSION + DISCONNECT + 3.0)

    async def _close(self) -> None:
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait([self._starting], timeout=1.0)
        closing: asyncio.Task[None] | None = None
        if self._session is not None:
            closing = self._tasks.start(self._session.aclose(), "close-conversation")
            await asyncio.wait([closing], timeout=CLOSE_SESSION)
        self._room.off("track_published", self._on_track)
        self._room.off("reconnected", self._listen)
        if self._room.connection_state == rtc.ConnectionState.CONN_RECONNECTING and self._wire:
            outlive(_evict(self._wire, self._room.local_participant.identity), "evict-line")
        try:
            # Whatever the session still waits for, it is not heard any more from here on.
            await asyncio.wait_for(self._room.disconnect(), DISCONNECT)
        except asyncio.TimeoutError:
            logger.warning("the line to the human did not close in time")
        if closing is not None and not closing.done():
            await asyncio.wait([closing], timeout=1.0)
            if not closing.done():
                logger.warning("the session of the briefing did not close in time")
                closing.cancel()

    def _listen(self) -> None:
        """Subscribe to what the human publishes, also when our connection was made anew.

        What is asked for when the tracks are told of again, before "reconnected", is lost.
        """
        participant = self._room.remote_participants.get(self._human)
        if participant is not None:
            for publication in participant.track_publications.values():
                self._on_track(publication, participant)

    def _on_track(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if participant.identity == self._human and publication.kind == rtc.TrackKind.KIND_AUDIO:
            publication.set_subscribed(True)


async def _wait(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)


async def _evict(wire: Wire, identity: str) -> None:
    """Remove a connection of ours that comes back after it was closed (measured: 6 s later)."""
    own = wire.elsewhere(wire.room_name)
    loop = asyncio.get_running_loop()
    until = loop.time() + EVICT
    try:
        while loop.time() < until:
            await asyncio.sleep(EVICT_EVERY)
            with contextlib.suppress(Exception):
                if await own.remove(identity):
                    return
    finally:
        await own.aclose()


async def _leave(room: rtc.Room, joining: asyncio.Future[None]) -> None:
    """Leave a room that is being joined, as soon as that is possible."""
    with contextlib.suppress(rtc.ConnectError):
        await joining
        await room.disconnect()


def _leave_before_job_ends(leaving: asyncio.Future[None]) -> None:
    """A job that ends while a room is being joined is a panic of livekit-rtc, 15 s later.

    It ends the process, and with it every other job that runs in a thread of it.
    """
    _leaving.add(leaving)
    leaving.add_done_callback(_leaving.discard)
    job = get_job_context(required=False)
    if job is None:
        return

    async def wait() -> None:
        await asyncio.wait({leaving}, timeout=LEAVE_LATE)

    with contextlib.suppress(RuntimeError):
        job.add_shutdown_callback(wait)
