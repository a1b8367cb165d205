"""LiveKitControl: the telephony verbs, on a LiveKit room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from livekit import rtc

from livetransfer.control import (
    AudioSink,
    BridgeMode,
    ControlEvent,
    Conversation,
    Leg,
    LegAudio,
    LegKind,
    LegLeft,
    Referred,
)
from livetransfer.destination import Destination
from livetransfer.errors import ReferFailed
from livetransfer.status import TransferStatus

from .choose_bridge import Joining
from .crash_repair import Repair
from .deaf_agent import Earshot
from .leg_audio import RoomLegAudio
from .room_audio import open_sink
from .signalling.dtmf import send_keys
from .signalling.own_numbers import OwnNumbers
from .signalling.refer_request import refer
from .signalling.room_events import (
    CALL_ID,
    CALLER_NUMBER,
    DISPATCH_RULE,
    OUR_NUMBER,
    RoomEvents,
)
from .signalling.server_api import Wire
from .tasks import Tasks, finish

__all__ = ["LiveKitControl"]


class LiveKitControl:
    """A [`CallControl`][livetransfer.control.CallControl] on the room of a LiveKit session.

    Args:
        wire: The server API.
        events: Of the caller's room.
        caller: The caller's identity.
        joining: How humans are brought to the caller.

    What a crashed worker left in the room is repaired beside the call.
    """

    def __init__(self, wire: Wire, events: RoomEvents, caller: str, joining: Joining) -> None:
        self._wire = wire
        self._events = events
        self._caller = Leg(caller, kind=_kind(events.room, caller))
        self._joining = joining
        self._tasks = Tasks()
        self._closed = False
        self._listening: list[RoomLegAudio] = []
        self._call_ids: dict[str, str] = {}
        self._earshot = Earshot(events.room)
        self._unsubscribe = events.subscribe(self._on_event)
        self._repair = Repair(wire, events, self._tasks)
        self._repair.start()
        self._own_numbers = OwnNumbers(wire, self._tasks)
        self._own_numbers.prepare()
        self.call_id(self._caller)

    @property
    def caller(self) -> Leg:
        """The leg that is to be transferred."""
        return self._caller

    @property
    def caller_number(self) -> str | None:
        """The caller's number, as livekit-sip tells it."""
        caller = self.room.remote_participants.get(self._caller.identity)
        return (caller.attributes.get(CALLER_NUMBER) or None) if caller is not None else None

    @property
    def caller_attributes(self) -> Mapping[str, str]:
        """The attributes of the caller's participant; empty where it is gone."""
        caller = self.room.remote_participants.get(self._caller.identity)
        return dict(caller.attributes) if caller is not None else {}

    @property
    def _called(self) -> str | None:
        """The number that the caller has called; None where it was he who was called."""
        attributes = self.caller_attributes
        return attributes.get(OUR_NUMBER) if DISPATCH_RULE in attributes else None

    @property
    def name(self) -> str:
        """The room's name."""
        return self.room.name

    @property
    def caller_present(self) -> bool:
        """Whether the caller is still on the line."""
        return self._events.present(self._caller.identity)

    @property
    def room(self) -> rtc.Room:
        """The caller's room."""
        return self._events.room

    def subscribe(self, listener: Callable[[ControlEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event from now on; the result unsubscribes it."""
        return self._events.subscribe(listener)

    def check(self, destination: Destination) -> None:
        """Raise ConfigurationError if `destination` cannot be dialled with what is configured."""
        self._joining.check(destination)

    async def dial(
        self,
        destination: Destination,
        *,
        identity: str,
        ring_timeout: float,
        sealed: bool = True,
    ) -> Leg:
        """Ring `destination` and return its leg once it is answered (and sealed).

        An inbound number of this server itself is refused: agents would dial each other.
        See [`CallControl.dial`][livetransfer.control.CallControl.dial].
        """
        await self._own_numbers.check(destination, self._called)
        if identity == self._caller.identity:
            await self._joining.dial_caller(destination, ring_timeout=ring_timeout)
            self.call_id(self._caller)
            return self._caller
        leg = await self._joining.dial(
            destination, identity=identity, ring_timeout=ring_timeout, sealed=sealed
        )
        if not sealed:
            self._earshot.leave(self._caller.identity, identity)
        self.call_id(leg)
        return leg

    async def open_conversation(self, identity: str) -> Conversation:
        """Open a line to the leg `identity`, which may not have been dialled yet.

        Raises:
            CallControlError: It could not be set up.
        """
        return await self._joining.open_conversation(identity)

    async def listen(self, identity: str, *, sample_rate: int = 16_000) -> LegAudio:
        """Take the audio that the leg `identity` sends, from its answer on.

        From the bridge on, where the agent receives nothing of the two, no frame comes.
        """
        audio = RoomLegAudio(self._joining.place(identity), identity, sample_rate)
        self._listening = [each for each in self._listening if not each.over]
        self._listening.append(audio)
        return audio

    async def open_audio(self, to: Sequence[str], *, name: str = "hold-music") -> AudioSink:
        """Open a sink that only the identities in `to` hear. They may not be there yet.

        It stays in the rooms that they are in by now: a leg that is moved later leaves it behind.

        Raises:
            CallControlError: It could not be set up.
        """
        return await open_sink(to, lambda identity: self._joining.place(identity).room, name)

    async def seal(self, leg: Leg) -> None:
        """Keep `leg` and the caller from hearing each other. Idempotent.

        Raises:
            SealFailed: It is not certain that they do not hear each other.
        """
        self._earshot.come_back()
        await self._joining.seal(leg)

    async def bridge(self, leg: Leg) -> BridgeMode:
        """Let `leg` and the caller hear each other; return how.

        From then on the agent does not receive them, until one leaves; only a relay has to.

        Raises:
            BridgeFailed: They could not be joined; both are still there, apart.
        """
        mode = await self._joining.bridge(leg)
        if mode != "relay":
            self._earshot.leave(self._caller.identity, leg.identity)
        return mode

    async def refer(
        self,
        leg: Leg,
        address: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        play_dialtone: bool = False,
    ) -> Referred:
        """Send `leg`'s phone elsewhere; see [`CallControl`][livetransfer.control.CallControl].

        Raises:
            ReferFailed: Refused, failed, or unclear (`indeterminate`); or `leg` is no phone.
        """
        place = self._joining.place(leg.identity)
        if _kind(place.room, leg.identity) != "phone":
            raise ReferFailed(
                "only a phone can be sent elsewhere with a REFER, and this party has none",
                status=TransferStatus.FAILED,
            )
        return await refer(
            place.wire,
            place.events,
            self._tasks,
            leg.identity,
            address,
            headers=headers,
            timeout=timeout,
            play_dialtone=play_dialtone,
        )

    def call_id(self, leg: Leg) -> str | None:
        """Return the SIP Call-ID of `leg`, also after it has left; None where it is not known.

        It is kept from the first time that it is seen: the caller's from the beginning, a human's
        from a moment after the answer.
        """
        room = self._joining.place(leg.identity).room
        participant = room.remote_participants.get(leg.identity)
        told = participant.attributes.get(CALL_ID) if participant is not None else None
        if told:
            self._call_ids[leg.identity] = told
        return self._call_ids.get(leg.identity)

    async def send_dtmf(self, leg: Leg, digits: str) -> None:
        """Press `digits` towards `leg` and nobody else; ``w`` waits 0.5 s."""
        await send_keys(self._joining.place(leg.identity).room, leg.identity, digits)

    async def hang_up(self, leg: Leg) -> None:
        """End `leg`'s call, also while it rings. Idempotent; a leg that is gone is fine."""
        await self._joining.hang_up(leg)

    async def leave(self) -> None:
        """Take the AI out of the call; the other parties stay.

        A relay cannot go on without it: it stays until one of them leaves, hangs up the other, and
        then goes. No events are told any more.
        """
        self._events.be_quiet()
        await self._joining.leave()

    async def aclose(self) -> None:
        """Release what this object holds; legs and calls stay as they are. Idempotent.

        On cancellation it finishes first, in some seconds at most.
        """
        if self._closed:
            return
        self._closed = True
        await finish(self._close(), 15.0)

    def _on_event(self, event: ControlEvent) -> None:
        others = self._earshot.away - {self._caller.identity}
        if isinstance(event, LegLeft) and event.identity in others:
            self._earshot.come_back()

    async def _close(self) -> None:
        self._repair.close()
        self._unsubscribe()
        self._earshot.come_back()
        for audio in self._listening:
            await audio.aclose()
        try:
            await self._joining.aclose()
            await self._tasks.aclose(0.0)
        finally:
            self._events.close()
            await self._wire.aclose()


def _kind(room: rtc.Room, identity: str) -> LegKind:
    participant = room.remote_participants.get(identity)
    sip = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
    return "phone" if participant is None or participant.kind == sip else "web"
