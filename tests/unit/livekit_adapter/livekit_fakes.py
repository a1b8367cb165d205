"""A LiveKit room and server API in memory, as far as the adapter touches them."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.protocol import models as proto_models
from livekit.protocol import sip as proto_sip

from livetransfer._livekit.signalling.room_events import RoomEvents


@dataclass
class FakePermission:
    can_subscribe: bool = True
    can_publish: bool = True
    can_publish_data: bool = True
    can_publish_sources: list[int] = field(default_factory=list)
    hidden: bool = False
    can_update_metadata: bool = True
    can_subscribe_metrics: bool = False
    can_manage_agent_session: bool = False


_SIDS = itertools.count()


@dataclass
class FakePublication:
    sid: str
    kind: int = rtc.TrackKind.KIND_AUDIO
    subscribed: bool = True

    def set_subscribed(self, subscribed: bool) -> None:
        self.subscribed = subscribed


@dataclass
class FakeParticipant:
    identity: str
    attributes: dict[str, str] = field(default_factory=dict)
    sid: str = field(default_factory=lambda: f"PA_{next(_SIDS)}")
    kind: int = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
    permissions: FakePermission = field(default_factory=FakePermission)
    track_publications: dict[str, FakePublication] = field(default_factory=dict)
    disconnect_reason: int | None = None


@dataclass
class FakeLocal:
    identity: str = "agent"
    track_publications: dict[str, Any] = field(default_factory=dict)
    lists: list[tuple[bool, dict[str, Any]]] = field(default_factory=list)

    def set_track_subscription_permissions(
        self,
        *,
        allow_all_participants: bool,
        participant_permissions: list[rtc.ParticipantTrackPermission] | None = None,
    ) -> None:
        entries = {
            p.participant_identity: "all" if p.allow_all else list(p.allowed_track_sids)
            for p in participant_permissions or []
        }
        self.lists.append((allow_all_participants, entries))


class FakeRoom:
    """Emits what it is told to.

    `remote_participants` is our view of it; `known` is whom the server knows, whose view is not
    empty while our connection is made anew (`goes`, `is_back`).
    """

    def __init__(self) -> None:
        self.name = "room"
        self.remote_participants: dict[str, FakeParticipant] = {}
        self.known: dict[str, FakeParticipant] = {}
        self.local_participant = FakeLocal()
        self.connected = True
        self.handlers: defaultdict[str, list[Callable[..., None]]] = defaultdict(list)

    @property
    async def sid(self) -> str:
        return "RM_1"

    def isconnected(self) -> bool:
        return self.connected

    def on(self, event: str, handler: Callable[..., None]) -> None:
        self.handlers[event].append(handler)

    def off(self, event: str, handler: Callable[..., None]) -> None:
        self.handlers[event].remove(handler)

    @property
    def listening(self) -> int:
        """How many handlers are on the room."""
        return sum(len(each) for each in self.handlers.values())

    def emit(self, event: str, *args: object) -> None:
        for handler in list(self.handlers[event]):
            handler(*args)

    # What happens in it.

    def join(self, identity: str, **attributes: str) -> FakeParticipant:
        participant = FakeParticipant(identity, dict(attributes))
        self.remote_participants[identity] = self.known[identity] = participant
        self.emit("participant_connected", participant)
        return participant

    def leave(self, identity: str, reason: int = 1) -> None:
        participant = self.remote_participants.pop(identity)
        participant.disconnect_reason = reason or None
        if reason:
            self.known.pop(identity, None)
        self.emit("participant_disconnected", participant)

    def goes(self) -> None:
        """Our connection is about to be made anew: everybody goes, with no reason."""
        for participant in list(self.remote_participants.values()):
            for publication in list(participant.track_publications.values()):
                self.emit("track_unpublished", publication, participant)
            self.leave(participant.identity, 0)
        self.emit("reconnecting")

    def is_back(self) -> None:
        """It is: everybody whom the server knows is back, with the sid that he had."""
        for participant in list(self.known.values()):
            participant.disconnect_reason = None
            self.remote_participants[participant.identity] = participant
            self.emit("participant_connected", participant)
            for publication in participant.track_publications.values():
                self.emit("track_published", publication, participant)
        self.emit("reconnected")

    def status(self, identity: str, status: str) -> None:
        participant = self.remote_participants[identity]
        participant.attributes["sip.callStatus"] = status
        self.emit("participant_attributes_changed", {"sip.callStatus": status}, participant)

    def publish(self, identity: str, sid: str) -> None:
        participant = self.remote_participants[identity]
        publication = FakePublication(sid)
        participant.track_publications[sid] = publication
        self.emit("track_published", publication, participant)
        self.emit("track_subscribed", object(), publication, participant)


class FakeWire:
    """Keeps who may hear whom, and fails as told.

    `calls` has every request. `fail[method]` holds exceptions to raise, one for each call.
    """

    room_name = "room"
    agent = "agent"
    owner = "agent#now"

    def __init__(self, room: FakeRoom) -> None:
        self.room = room
        self.url = f"ws://127.0.0.1/{next(_SIDS)}"
        self.calls: list[tuple[Any, ...]] = []
        self.fail: defaultdict[str, list[BaseException]] = defaultdict(list)
        self.deaf: set[str] = set()
        self.cut: set[tuple[str, str]] = set()
        self.infos: list[proto_models.ParticipantInfo] = []
        self.sid = "RM_1"
        self.joins_late = 0.0
        self.answer: asyncio.Future[None] | None = None
        self.there: set[str] = set()
        self.refer_takes = 0.0
        self.numbers: list[str] = []

    def elsewhere(self, room_name: str) -> FakeWire:
        if room_name == self.room_name:
            return self
        other = FakeWire(self.room)
        other.room_name, other.calls = room_name, self.calls
        return other

    async def delete_room(self) -> None:
        await self._call("delete_room", self.room_name)

    async def aclose(self) -> None:
        self.calls.append(("aclose",))

    async def _call(self, method: str, *args: Any) -> None:
        await asyncio.sleep(0.001)
        self.calls.append((method, *args))
        if self.fail[method]:
            raise self.fail[method].pop(0)

    async def allow_subscribing(
        self, identity: str, permission: proto_models.ParticipantPermission, allowed: bool
    ) -> None:
        await self._call("allow_subscribing", identity, allowed)
        assert permission.can_publish, "a missing can_publish removes the participant's tracks"
        (self.deaf.discard if allowed else self.deaf.add)(identity)

    async def subscribe(self, identity: str, sids: list[str], wanted: bool) -> None:
        await self._call("subscribe", identity, tuple(sids), wanted)
        for sid in sids:
            (self.cut.discard if wanted else self.cut.add)((identity, sid))

    async def mark(self, identity: str, attributes: Mapping[str, str]) -> None:
        await self._call("mark", identity, dict(attributes))

    async def participants(self) -> list[proto_models.ParticipantInfo]:
        await self._call("participants")
        return self.infos

    async def participant(self, identity: str) -> proto_models.ParticipantInfo | None:
        await self._call("participant", identity)
        if identity not in self.there and identity not in self.room.known:
            return None
        info = proto_models.ParticipantInfo(identity=identity)
        info.permission.can_publish = True
        info.permission.can_subscribe = identity not in self.deaf
        return info

    async def audio_of(self, identity: str) -> list[str]:
        await self._call("audio_of", identity)
        known = self.room.known.get(identity)
        return sorted(known.track_publications) if known is not None else []

    async def room_sid(self) -> str:
        await self._call("room_sid")
        return self.sid

    async def remove(self, identity: str) -> bool:
        await self._call("remove", identity)
        if identity not in self.there:
            return False
        self.there.discard(identity)
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(CANCELED())
        if identity in self.room.remote_participants:
            self.room.leave(identity, 4)
        return True

    async def create_leg(self, request: Any, timeout: float) -> None:
        await self._call("create_leg", request.participant_identity, timeout)
        self.answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(self.joins_late, self._join, request)
        await self.answer

    async def inbound_numbers(self) -> list[str]:
        await self._call("inbound_numbers")
        return self.numbers

    async def refer(
        self, identity: str, address: str, **_: Any
    ) -> proto_sip.TransferSIPParticipantResponse:
        await asyncio.sleep(self.refer_takes)
        await self._call("refer", identity, address)
        return proto_sip.TransferSIPParticipantResponse()

    def _join(self, request: Any) -> None:
        assert self.answer is not None
        if not self.answer.done() or self.answer.exception() is not None:
            self.there.add(request.participant_identity)
            self.room.join(request.participant_identity, **dict(request.participant_attributes))

    def count(self, method: str, *args: Any) -> int:
        """How often a request was made whose first arguments are `args`."""
        return sum(c[: len(args) + 1] == (method, *args) for c in self.calls)


def CANCELED() -> Exception:  # noqa: N802
    from livekit.api.twirp_client import ServerError

    return ServerError("canceled", "canceled", status=408)


def fake_call() -> tuple[Any, Any, RoomEvents]:
    """Return a room with a caller, its API, and its events."""
    room: Any = FakeRoom()
    events = RoomEvents(room)
    wire: Any = FakeWire(room)
    room.join("caller")
    room.publish("caller", "TR_caller")
    return room, wire, events
