"""ConsultRoom on the wire: what it asks of LiveKit Cloud and of the open-source server."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult
from google.protobuf.message import Message
from livekit import api, rtc
from livekit.protocol import room as proto_room

from livetransfer._livekit.choose_bridge import choose
from livetransfer._livekit.consult_room import consult
from livetransfer._livekit.consult_room import room as consult_room
from livetransfer._livekit.consult_room.create_and_delete import NOBODY
from livetransfer._livekit.consult_room.room import ConsultRoom
from livetransfer._livekit.shared_room.room import SharedRoom
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._tasks import kept
from livetransfer.control import ControlEvent, Leg, LegAnswered, LegLeft, LegRinging
from livetransfer.destination import Destination
from livetransfer.errors import BridgeFailed, ConfigurationError, DialFailed
from livetransfer.status import TransferStatus

from .livekit_fakes import FakeRoom
from .twirp_server import (
    NOT_IMPLEMENTED,
    PROXY,
    SECRET,
    Connection,
    Failure,
    TwirpServer,
    busy,
)

ANN = Destination("+15550100", trunk_id="ST_1")


class Resolver(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        pass


class FakeRelay:
    """Notes what is asked of a relay."""

    opened: list[FakeRelay]

    def __init__(self) -> None:
        self.flowing = True
        self.closed = 0
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, caller_room: Any, caller: str, human_room: Any, human: str) -> FakeRelay:
        assert caller in caller_room.remote_participants
        assert human in human_room.remote_participants
        relay = cls()
        cls.opened.append(relay)
        return relay

    def pause(self) -> None:
        self.flowing = False

    def resume(self) -> None:
        self.flowing = True

    async def aclose(self) -> None:
        self.flowing = False
        self.closed += 1


class Scene:
    """A caller's room on a scripted server, and the consult-room way to bridge."""

    def __init__(self, server: TwirpServer, url: str) -> None:
        self.server = server
        self.caller_room = FakeRoom()
        self.caller_room.name = "call"
        server.views["call"] = self.caller_room
        server.rooms.add("call")
        self.caller_room.join("caller")
        self.caller_room.publish("caller", "TR_caller")
        self.wire = Wire(url, "key", SECRET, "call", "agent-AJ_1")
        events: Any = RoomEvents(self.caller_room)  # type: ignore[arg-type]
        self.seen: list[ControlEvent] = []
        events.subscribe(self.seen.append)
        chosen = choose("consult_room", self.wire, events, "caller", None)
        assert isinstance(chosen, ConsultRoom)
        self.way = chosen

    @property
    def consult(self) -> str:
        """The name of the consult room."""
        return str(self.server.of("CreateRoom")[0].message.name)

    @property
    def side(self) -> FakeRoom:
        """The consult room, as the agent sees it."""
        return self.server.views[self.consult]

    async def dialled(self, identity: str = "human-1") -> Leg:
        return await self.way.dial(ANN, identity=identity, ring_timeout=20.0, sealed=True)

    def room_of(self, identity: str) -> object:
        return self.way.place(identity).room

    def deleted(self) -> list[str]:
        return [each.message.room for each in self.server.of("DeleteRoom")]

    def told(self, kind: type[ControlEvent]) -> list[ControlEvent]:
        return [each for each in self.seen if isinstance(each, kind)]

    async def until_deleted(self) -> None:
        for _ in range(300):
            if self.deleted():
                return
            await asyncio.sleep(0.01)
        raise TimeoutError("the consult room was not deleted")


@pytest_asyncio.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    server = TwirpServer()
    port = await server.start()
    monkeypatch.setattr(rtc, "Room", lambda: Connection(server))
    monkeypatch.setattr(consult, "Relay", FakeRelay)
    monkeypatch.setattr(consult, "MOVE_WITHIN", 0.2)
    monkeypatch.setattr(consult, "SEEN_WITHIN", 0.3)
    monkeypatch.setattr(consult, "BETWEEN_ROOMS", 0.2)
    monkeypatch.setattr(consult_room, "AGAIN", (0.05, 0.1))
    connector = functools.partial(aiohttp.TCPConnector, resolver=Resolver())
    monkeypatch.setattr(aiohttp, "TCPConnector", connector)
    FakeRelay.opened = []
    # A host of Cloud: that is where livekit-api would go to other regions.
    opened = Scene(server, f"http://project.livekit.cloud:{port}")
    yield opened
    for relay in FakeRelay.opened:
        if not relay.ended.done():
            relay.ended.set_result("")
    await opened.way.aclose()
    await opened.wire.aclose()
    for _ in range(50):
        if not kept():
            break
        await asyncio.sleep(0.01)
    rooms = [each.message.name for each in server.of("CreateRoom")]
    assert sorted(opened.deleted()) == sorted(rooms), "each consult room is deleted exactly once"
    assert len(set(rooms)) == len(rooms)
    assert not server.rooms - {"call"}
    await server.stop()


# On Cloud.


async def test_the_requests_of_a_dial_and_a_move(scene: Scene) -> None:
    server = scene.server
    leg = await scene.dialled()
    created = server.of("CreateRoom")[0]
    assert created.video["roomCreate"] is True
    assert created.message.name.startswith("call-consult-")
    assert created.message.empty_timeout > 0
    # One dispatch, to a name that nobody has: without any, every unnamed agent would come.
    assert [each.agent_name for each in created.message.agents] == [NOBODY]

    dial = server.of("CreateSIPParticipant")[0]
    assert dial.sip["call"] is True
    assert dial.message.room_name == scene.consult
    assert dial.message.participant_identity == "human-1"
    assert dial.message.wait_until_answered
    assert dial.message.sip_trunk_id == "ST_1"
    assert dial.message.ringing_timeout.seconds == 20

    assert await scene.way.bridge(leg) == "consult_room"
    moved = server.of("MoveParticipant")[0]
    assert moved.message == proto_room.MoveParticipantRequest(
        room=scene.consult, identity="human-1", destination_room="call"
    )
    assert moved.video["roomAdmin"] is True
    assert moved.video["room"] == scene.consult
    assert moved.video["destinationRoom"] == "call"
    asked = [
        (each.message.room, each.message.identity, list(each.message.track_sids))
        for each in server.of("UpdateSubscriptions")
        if each.message.subscribe
    ]
    assert ("call", "caller", ["TR_human-1"]) in asked
    assert ("call", "human-1", ["TR_caller"]) in asked
    assert not [each for each in server.of("UpdateSubscriptions") if not each.message.subscribe]
    assert not FakeRelay.opened
    await scene.until_deleted()
    assert "human-1" in scene.caller_room.remote_participants


async def test_the_move_is_no_departure_and_no_second_answer(scene: Scene) -> None:
    leg = await scene.dialled()
    await scene.way.bridge(leg)
    await scene.until_deleted()
    await asyncio.sleep(0.1)
    assert scene.seen == [LegRinging("human-1"), LegAnswered("human-1")]
    assert scene.room_of("human-1") is scene.caller_room
    await scene.way.hang_up(leg)
    assert scene.server.of("RemoveParticipant")[0].message.room == "call"
    assert len(scene.told(LegLeft)) == 1


async def test_tracks_that_are_known_late_are_subscribed_too(scene: Scene) -> None:
    leg = await scene.dialled()
    await scene.way.bridge(leg)
    scene.caller_room.publish("human-1", "TR_late")
    await asyncio.sleep(0.3)
    last = [each.message for each in scene.server.of("UpdateSubscriptions")][-2]
    assert (last.identity, list(last.track_sids)) == ("caller", ["TR_human-1", "TR_late"])


async def test_before_the_move_the_leg_is_in_the_consult_room(scene: Scene) -> None:
    leg = await scene.dialled()
    assert scene.room_of("human-1") is scene.side
    await scene.way.hang_up(leg)
    assert {each.message.room for each in scene.server.of("RemoveParticipant")} == {scene.consult}
    assert scene.told(LegLeft) == [LegLeft("human-1", "participant_removed")]
    await scene.way.hang_up(leg)
    with pytest.raises(BridgeFailed):
        await scene.way.bridge(leg)


async def test_unsealed_no_second_room_is_needed(scene: Scene) -> None:
    leg = await scene.way.dial(ANN, identity="human-1", ring_timeout=5.0, sealed=False)
    assert scene.server.of("CreateSIPParticipant")[0].message.room_name == "call"
    assert not scene.server.of("CreateRoom")
    assert await scene.way.bridge(leg) == "shared_room"


async def test_a_second_agent_is_shown_out(scene: Scene) -> None:
    await scene.dialled()
    for identity in ("agent-AJ_2", "agent-AJ_1-briefing-12345678"):
        agent = scene.side.join("x")
        scene.side.remote_participants.pop("x")
        agent.identity, agent.kind = identity, rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        scene.side.remote_participants[identity] = agent
        scene.side.emit("participant_connected", agent)
    await asyncio.sleep(0.1)
    removed = [each.message.identity for each in scene.server.of("RemoveParticipant")]
    assert removed == ["agent-AJ_2"]
    assert not scene.told(LegLeft)


# A move that fails.


async def left_there(_: Any) -> Message | Failure:
    await asyncio.sleep(30)
    raise AssertionError


@pytest.mark.parametrize(
    "failure",
    [
        NOT_IMPLEMENTED,
        PROXY,
        Failure(501, "unimplemented", "not implemented"),
        Failure(503, "unavailable", "no response from servers"),
        Failure(403, "permission_denied", "no destination_room"),
        left_there,
    ],
    ids=["open-source", "502", "501", "503", "403", "never answers"],
)
async def test_it_is_relayed(scene: Scene, failure: Any) -> None:
    scene.server.replies["MoveParticipant"] = [failure]
    leg = await scene.dialled()
    began = asyncio.get_running_loop().time()
    assert await scene.way.bridge(leg) == "relay"
    assert asyncio.get_running_loop().time() - began < 1.0
    assert len(FakeRelay.opened) == 1
    assert len(scene.server.of("MoveParticipant")) == 1
    assert not scene.deleted()
    assert not scene.told(LegLeft)
    assert scene.room_of("human-1") is scene.side

    await scene.way.seal(leg)
    assert not FakeRelay.opened[0].flowing
    assert await scene.way.bridge(leg) == "relay"
    assert FakeRelay.opened[0].flowing
    assert len(scene.server.of("MoveParticipant")) == 1

    await scene.way.hang_up(leg)
    assert scene.deleted() == [scene.consult]
    assert FakeRelay.opened[0].closed == 1
    assert len(scene.told(LegLeft)) == 1


@pytest.mark.parametrize("answered", [True, False])
async def test_it_was_moved_all_the_same(scene: Scene, answered: bool) -> None:
    async def moves(asked: Any) -> Message | Failure:
        scene.server.move(asked)
        if not answered:
            await asyncio.sleep(30)
        return PROXY

    scene.server.replies["MoveParticipant"] = [moves]
    leg = await scene.dialled()
    assert await scene.way.bridge(leg) == "consult_room"
    assert not FakeRelay.opened
    assert not scene.told(LegLeft)
    await scene.until_deleted()


async def test_it_is_moved_after_the_relay_has_begun(scene: Scene) -> None:
    scene.server.replies["MoveParticipant"] = [left_there]
    leg = await scene.dialled()
    assert await scene.way.bridge(leg) == "relay"
    scene.server.move(scene.server.of("MoveParticipant")[0].message)
    await scene.until_deleted()
    assert FakeRelay.opened[0].closed
    await asyncio.sleep(0.3)
    assert not scene.told(LegLeft)
    await scene.way.hang_up(leg)
    assert "human-1" not in scene.caller_room.remote_participants
    assert len(scene.told(LegLeft)) == 1


async def test_the_human_hangs_up_while_he_is_moved(scene: Scene) -> None:
    async def hangs_up(_: Any) -> Message | Failure:
        scene.side.leave("human-1")
        return proto_room.MoveParticipantResponse()

    scene.server.replies["MoveParticipant"] = [hangs_up]
    leg = await scene.dialled()
    with pytest.raises(BridgeFailed):
        await scene.way.bridge(leg)
    assert len(scene.told(LegLeft)) == 1
    await scene.way.hang_up(leg)
    assert len(scene.told(LegLeft)) == 1


@pytest.mark.parametrize("when", ["at once", "late"])
async def test_cancelled_in_the_move_no_leg_stays_with_the_caller(scene: Scene, when: str) -> None:
    scene.server.replies["MoveParticipant"] = [left_there]
    leg = await scene.dialled()
    bridging = asyncio.create_task(scene.way.bridge(leg))
    while not scene.server.of("MoveParticipant"):
        await asyncio.sleep(0.01)
    asked = scene.server.of("MoveParticipant")[0].message
    if when == "at once":
        scene.server.move(asked)
    bridging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bridging
    if when == "late":
        asyncio.get_running_loop().call_later(0.02, scene.caller_room.join, "human-1")
    await scene.way.hang_up(leg)
    await asyncio.sleep(0.1)
    assert "human-1" not in scene.caller_room.remote_participants


# A relay belongs to the call.


async def relayed(scene: Scene) -> tuple[Leg, FakeRelay]:
    scene.server.replies["MoveParticipant"] = [NOT_IMPLEMENTED]
    leg = await scene.dialled()
    await scene.way.bridge(leg)
    return leg, FakeRelay.opened[0]


async def test_a_relay_outlives_the_control(scene: Scene) -> None:
    _, relay = await relayed(scene)
    await scene.way.aclose()
    assert relay.flowing
    assert not scene.deleted()
    relay.ended.set_result("human-1")
    await scene.until_deleted()


@pytest.mark.parametrize("first", ["human-1", "caller"])
async def test_the_ai_leaves_a_relay_with_the_first_who_does(scene: Scene, first: str) -> None:
    _, relay = await relayed(scene)
    disconnected = asyncio.Event()

    async def disconnect() -> None:
        disconnected.set()

    scene.caller_room.disconnect = disconnect  # type: ignore[attr-defined]
    await scene.way.leave()
    assert relay.flowing
    assert not disconnected.is_set()
    if first == "caller":
        scene.caller_room.leave("caller")
    relay.ended.set_result(first)
    await asyncio.wait_for(disconnected.wait(), 3.0)
    assert "caller" not in scene.caller_room.remote_participants
    assert scene.deleted() == [scene.consult]


# Dialling.


@pytest.mark.parametrize(
    "failure",
    [busy(503, "unavailable"), busy(429, "resource_exhausted")],
    ids=["livekit-sip 1.2.0", "newest"],
)
async def test_a_busy_line_is_dialled_once(scene: Scene, failure: Failure) -> None:
    scene.server.replies["CreateSIPParticipant"] = [failure]
    with pytest.raises(DialFailed) as caught:
        await scene.dialled()
    assert (caught.value.status, caught.value.sip_code) == (TransferStatus.BUSY, 486)
    await scene.until_deleted()
    assert len(scene.server.of("CreateSIPParticipant")) == 1
    assert not [path for path in scene.server.paths if "regions" in path]


async def test_livekit_api_as_it_comes_would_dial_again(scene: Scene) -> None:
    """Why our requests are made without failover: the test above can fail."""
    scene.server.replies["CreateSIPParticipant"] = [PROXY] * 8
    connector = aiohttp.TCPConnector()
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        client = api.LiveKitAPI(scene.wire.url, "key", SECRET, session=http)
        with pytest.raises(api.TwirpError):
            await client.sip.create_sip_participant(
                api.CreateSIPParticipantRequest(sip_trunk_id="ST_1", sip_call_to="+15550100")
            )
    assert len(scene.server.of("CreateSIPParticipant")) > 1


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure(401, "unauthenticated", "token"), TransferStatus.TRUNK_UNAVAILABLE),
        (Failure(429, "resource_exhausted", "quota"), TransferStatus.TRUNK_UNAVAILABLE),
        (PROXY, TransferStatus.FAILED),
    ],
)
async def test_no_consult_room_no_call(
    scene: Scene, failure: Failure, status: TransferStatus
) -> None:
    scene.server.replies["CreateRoom"] = [failure]
    with pytest.raises(DialFailed) as caught:
        await scene.dialled()
    assert caught.value.status is status
    assert not caught.value.indeterminate
    assert not scene.server.of("CreateSIPParticipant")
    await scene.until_deleted()


async def test_the_caller_leaves_while_it_rings(scene: Scene) -> None:
    scene.server.answers.clear()
    dialling = asyncio.create_task(scene.dialled())
    while not scene.told(LegRinging):
        await asyncio.sleep(0.01)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert scene.server.of("RemoveParticipant")[0].message.room == scene.consult
    assert not scene.side.remote_participants
    await scene.until_deleted()


async def test_deleting_is_tried_again(scene: Scene) -> None:
    leg = await scene.dialled()
    scene.server.replies["DeleteRoom"] = [PROXY]
    await scene.way.hang_up(leg)
    assert scene.deleted() == [scene.consult] * 2
    assert scene.consult not in scene.server.rooms
    del scene.server.asked[-1]


# Which way.


@pytest.mark.parametrize(
    ("url", "bridge", "way"),
    [
        ("wss://project.livekit.cloud", "auto", ConsultRoom),
        ("wss://Project.LiveKit.Cloud:443/", "auto", ConsultRoom),
        ("ws://127.0.0.1:7880", "auto", SharedRoom),
        ("wss://livekit.example.com", "auto", SharedRoom),
        ("wss://livekit.cloud.example.com", "auto", SharedRoom),
        ("wss://project.livekit.cloud", "shared_room", SharedRoom),
        ("ws://127.0.0.1:7880", "consult_room", ConsultRoom),
    ],
)
async def test_which_way(url: str, bridge: Any, way: type[object]) -> None:
    room: Any = FakeRoom()
    events = RoomEvents(room)
    chosen = choose(bridge, Wire(url, "key", SECRET, "call", "agent"), events, "caller", None)
    assert type(chosen) is way
    await chosen.aclose()


async def test_no_such_way() -> None:
    room: Any = FakeRoom()
    wire = Wire("ws://127.0.0.1", "key", SECRET, "call", "agent")
    unknown: Any = "conference"
    with pytest.raises(ConfigurationError, match="bridge"):
        choose(unknown, wire, RoomEvents(room), "caller", None)
