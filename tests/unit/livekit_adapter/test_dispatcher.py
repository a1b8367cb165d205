"""LiveKitDispatcher: what it asks the server for, and what it says where that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from livekit.protocol import models as proto_models
from livekit.protocol import room as proto_room

from livetransfer._livekit import dispatcher
from livetransfer._livekit import leg_attributes as marks
from livetransfer.callback_dispatch import RoomState, callback_in
from livetransfer.callbacks import CallbackDispatcher, LiveKitDispatcher
from livetransfer.errors import ConfigurationError, DispatchFailed

SECRET = "0123456789abcdef0123456789abcdef"
AGENT, SIP = proto_models.ParticipantInfo.AGENT, proto_models.ParticipantInfo.SIP


class Server:
    """As much of a server as it is asked for.

    Attributes:
        made: Every room that was created.
        people: Who is in which room.
        error: What every request is answered with; None: as it should be.
        takes: Seconds that an answer takes.
    """

    def __init__(self) -> None:
        self.made: list[proto_room.CreateRoomRequest] = []
        self.people: dict[str, list[proto_models.ParticipantInfo]] = {}
        self.error: tuple[int, str] | None = None
        self.takes = 0.0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request of the RoomService."""
        await asyncio.sleep(self.takes)
        if self.error is not None:
            status, code = self.error
            return web.json_response({"code": code, "msg": "no"}, status=status)
        body, verb = await request.read(), request.path.rpartition("/")[2]
        found: Any = proto_models.Room()
        if verb == "CreateRoom":
            self.made.append(proto_room.CreateRoomRequest.FromString(body))
        elif verb == "ListRooms":
            (name,) = proto_room.ListRoomsRequest.FromString(body).names
            rooms = [proto_models.Room(name=name)] if name in self.people else []
            found = proto_room.ListRoomsResponse(rooms=rooms)
        elif verb == "ListParticipants":
            name = proto_room.ListParticipantsRequest.FromString(body).room
            found = proto_room.ListParticipantsResponse(participants=self.people[name])
        elif verb == "DeleteRoom":
            name = proto_room.DeleteRoomRequest.FromString(body).room
            if self.people.pop(name, None) is None:
                return web.json_response({"code": "not_found", "msg": "no room"}, status=404)
            found = proto_room.DeleteRoomResponse()
        return web.Response(body=found.SerializeToString(), content_type="application/protobuf")


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A server on a port of its own."""
    found, app = Server(), web.Application()
    app.router.add_post("/twirp/livekit.RoomService/{verb}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest_asyncio.fixture
async def rooms(server: Server) -> AsyncIterator[LiveKitDispatcher]:
    """A dispatcher to a worker with a name."""
    made = LiveKitDispatcher("my-agent", url=server.url, key="key", secret=SECRET)
    assert isinstance(made, CallbackDispatcher)
    yield made
    await made.aclose()


async def test_a_worker_with_a_name_is_asked_by_name(
    server: Server, rooms: LiveKitDispatcher
) -> None:
    await rooms.dispatch("c1", "room-1")
    (made,) = server.made
    assert made.name == "room-1"
    ((name, told),) = [(each.agent_name, each.metadata) for each in made.agents]
    assert (name, callback_in(told)) == ("my-agent", "c1")
    assert made.metadata == ""
    assert made.empty_timeout > 0


async def test_a_worker_without_a_name_finds_it_in_the_room(server: Server) -> None:
    rooms = LiveKitDispatcher(url=server.url, key="key", secret=SECRET)
    await rooms.dispatch("c1", "room-1")
    (made,) = server.made
    assert callback_in(made.metadata) == "c1"
    assert not made.agents, "a named agent would keep automatic dispatch away"
    await rooms.aclose()


async def test_who_is_in_a_room(server: Server, rooms: LiveKitDispatcher) -> None:
    assert await rooms.look("room-1") is None
    person = proto_models.ParticipantInfo
    server.people["room-1"] = [person(identity="agent", kind=AGENT)]
    assert await rooms.look("room-1") == RoomState(1, 0, False)
    apart = person(identity="human", kind=SIP, attributes={marks.PHASE: marks.APART})
    server.people["room-1"] += [apart, person(identity="caller", kind=SIP)]
    assert await rooms.look("room-1") == RoomState(1, 2, False)
    apart.attributes[marks.PHASE] = marks.BRIDGED
    server.people["room-1"] = [apart]
    assert await rooms.look("room-1") == RoomState(0, 1, True)


async def test_a_room_is_deleted_and_one_that_is_gone_is_fine(
    server: Server, rooms: LiveKitDispatcher
) -> None:
    server.people["room-1"] = []
    await rooms.delete("room-1")
    assert server.people == {}
    await rooms.delete("room-1")


@pytest.mark.parametrize(
    ("error", "said"),
    [((401, "unauthenticated"), "LIVEKIT_API_KEY"), ((503, "unavailable"), "refused it")],
)
async def test_what_the_server_refuses_is_said(
    server: Server, rooms: LiveKitDispatcher, error: tuple[int, str], said: str
) -> None:
    server.error = error
    for ask in (rooms.dispatch("c1", "room-1"), rooms.look("room-1"), rooms.delete("room-1")):
        with pytest.raises(DispatchFailed, match=said):
            await ask


async def test_a_server_that_is_not_there_is_said() -> None:
    rooms = LiveKitDispatcher("my-agent", url="http://127.0.0.1:9", key="key", secret=SECRET)
    with pytest.raises(DispatchFailed, match="could not be reached at LIVEKIT_URL"):
        await rooms.dispatch("c1", "room-1")
    await rooms.aclose()


async def test_a_server_that_does_not_answer_is_said(
    server: Server, rooms: LiveKitDispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "WITHIN", 0.05)
    server.takes = 0.3
    with pytest.raises(DispatchFailed, match="did not answer within"):
        await rooms.dispatch("c1", "room-1")


def test_without_credentials_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="LIVEKIT_URL"):
        LiveKitDispatcher("my-agent")
