"""A LiveKit server as its API shows it: RoomService and SIP over HTTP, in protobuf, on loopback.

Rooms and participants are those of `FakeRoom`: what a request does is seen by whoever is
connected. `replies[method]` scripts what is answered instead; `asked` has every request with the
grants of its token.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from google.protobuf.message import Message
from livekit.protocol import models, room, sip

from .livekit_fakes import FakeRoom

SECRET = "a-secret-for-tests-of-32-characters"

REQUESTS: dict[str, type[Message]] = {
    "CreateRoom": room.CreateRoomRequest,
    "DeleteRoom": room.DeleteRoomRequest,
    "ListParticipants": room.ListParticipantsRequest,
    "GetParticipant": room.RoomParticipantIdentity,
    "RemoveParticipant": room.RoomParticipantIdentity,
    "UpdateParticipant": room.UpdateParticipantRequest,
    "UpdateSubscriptions": room.UpdateSubscriptionsRequest,
    "MoveParticipant": room.MoveParticipantRequest,
    "CreateSIPParticipant": sip.CreateSIPParticipantRequest,
}


@dataclass(frozen=True)
class Failure:
    """What a server answers instead: a Twirp error, or with no code what a proxy says."""

    status: int
    code: str | None = None
    message: str = ""
    meta: tuple[tuple[str, str], ...] = ()


NOT_IMPLEMENTED = Failure(500, "unknown", "move participant not implemented")
"""What livekit-server answers to MoveParticipant (observed)."""
NOT_FOUND = Failure(404, "not_found", "participant does not exist")
PROXY = Failure(502)


def busy(status: int, code: str) -> Failure:
    """A SIP 486 as a server reports it."""
    meta = (("sip_status_code", "486"), ("sip_status", "Busy Here"))
    return Failure(status, code, "INVITE failed: sip status: 486: Busy Here", meta)


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    message: Any
    video: dict[str, Any]
    sip: dict[str, Any]


Reply = Callable[[Any], Awaitable["Message | Failure"]]


class Connection(FakeRoom):
    """What `rtc.Room()` is here: it joins the room of its token."""

    def __init__(self, server: TwirpServer) -> None:
        super().__init__()
        self.connected = False
        self._server = server

    async def connect(self, url: str, token: str, options: object = None) -> None:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        self.name = claims["video"]["room"]
        self.local_participant.identity = claims["sub"]
        self.connected = True
        self._server.views[self.name] = self

    async def disconnect(self) -> None:
        self.connected = False


class TwirpServer:
    """One server; `start` returns its port."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        self.views: dict[str, FakeRoom] = {}
        self.rooms: set[str] = set()
        self.replies: defaultdict[str, list[Reply | Failure]] = defaultdict(list)
        self.answers = asyncio.Event()
        self.answers.set()
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def of(self, method: str) -> list[Asked]:
        """The requests of a method."""
        return [each for each in self.asked if each.method == method]

    async def _handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        method = request.path.rsplit("/", 1)[-1]
        if method not in REQUESTS:
            return web.json_response({"code": "bad_route", "msg": request.path}, status=404)
        message: Any = REQUESTS[method].FromString(await request.read())
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
        self.asked.append(Asked(method, message, claims.get("video", {}), claims.get("sip", {})))
        scripted = self.replies[method].pop(0) if self.replies[method] else None
        if isinstance(scripted, Failure):
            found: Message | Failure = scripted
        elif scripted is not None:
            found = await scripted(message)
        else:
            found = await getattr(self, f"_{method}")(message)
        if not isinstance(found, Failure):
            return web.Response(body=found.SerializeToString(), content_type="application/protobuf")
        if found.code is None:
            return web.Response(status=found.status, text="<html>Bad Gateway</html>")
        error = {"code": found.code, "msg": found.message, "meta": dict(found.meta)}
        return web.Response(
            status=found.status, text=json.dumps(error), content_type="application/json"
        )

    # What a request does.

    async def _CreateRoom(self, asked: room.CreateRoomRequest) -> Message:  # noqa: N802
        self.rooms.add(asked.name)
        return models.Room(name=asked.name, sid="RM_1")

    async def _DeleteRoom(self, asked: room.DeleteRoomRequest) -> Message | Failure:  # noqa: N802
        if asked.room not in self.rooms:
            return NOT_FOUND
        self.rooms.discard(asked.room)
        view = self.views[asked.room]
        for identity in list(view.remote_participants):
            view.leave(identity, models.DisconnectReason.ROOM_DELETED)
        return room.DeleteRoomResponse()

    async def _ListParticipants(  # noqa: N802
        self, asked: room.ListParticipantsRequest
    ) -> Message:
        return room.ListParticipantsResponse()

    async def _GetParticipant(  # noqa: N802
        self, asked: room.RoomParticipantIdentity
    ) -> Message | Failure:
        if asked.identity not in self.views[asked.room].remote_participants:
            return NOT_FOUND
        return models.ParticipantInfo(identity=asked.identity)

    async def _RemoveParticipant(  # noqa: N802
        self, asked: room.RoomParticipantIdentity
    ) -> Message | Failure:
        view = self.views[asked.room]
        if asked.identity not in view.remote_participants:
            return NOT_FOUND
        view.leave(asked.identity, models.DisconnectReason.PARTICIPANT_REMOVED)
        return room.RemoveParticipantResponse()

    async def _UpdateParticipant(  # noqa: N802
        self, asked: room.UpdateParticipantRequest
    ) -> Message:
        return models.ParticipantInfo(identity=asked.identity)

    async def _UpdateSubscriptions(  # noqa: N802
        self, asked: room.UpdateSubscriptionsRequest
    ) -> Message:
        return room.UpdateSubscriptionsResponse()

    async def _CreateSIPParticipant(  # noqa: N802
        self, asked: sip.CreateSIPParticipantRequest
    ) -> Message:
        view, identity = self.views[asked.room_name], asked.participant_identity
        attributes = {**asked.participant_attributes, "sip.callStatus": "dialing"}
        view.join(identity, **attributes)
        view.status(identity, "ringing")
        await self.answers.wait()
        view.status(identity, "active")
        view.publish(identity, f"TR_{identity}")
        return sip.SIPParticipantInfo(participant_identity=identity)

    async def _MoveParticipant(self, asked: room.MoveParticipantRequest) -> Message:  # noqa: N802
        """As Cloud does: a new sid, the tracks kept, nothing subscribed."""
        self.move(asked)
        return room.MoveParticipantResponse()

    def move(self, asked: room.MoveParticipantRequest) -> None:
        """Move a participant, whatever the request is answered."""
        here, there = self.views[asked.room], self.views[asked.destination_room]
        moved = here.remote_participants[asked.identity]
        here.leave(asked.identity, models.DisconnectReason.MIGRATION)
        there.join(asked.identity, **moved.attributes)
        for sid in moved.track_publications:
            there.publish(asked.identity, sid)
