"""Who hears our tracks, who the caller is, how a destination is dialled, what is repaired."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import api, rtc
from livekit.agents import AgentSession
from livekit.protocol import models as proto_models
from livekit.protocol import sip as proto_sip

from livetransfer._livekit import connect
from livetransfer._livekit import leg_attributes as marks
from livetransfer._livekit.choose_bridge import is_cloud
from livetransfer._livekit.crash_repair import Repair, repair_room
from livetransfer._livekit.find_caller import find_caller, only_party
from livetransfer._livekit.signalling import room_events as events_module
from livetransfer._livekit.signalling.dial_request import dial_request
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._livekit.tasks import Tasks
from livetransfer._livekit.track_permissions import TrackPermissions
from livetransfer.control import CallLost, KeyPressed, LegAnswered, LegLeft, LegReturned, LegRinging
from livetransfer.destination import Destination
from livetransfer.errors import CallerNotFoundError, ConfigurationError

from .livekit_fakes import FakeRoom, FakeWire, fake_call

# Our own tracks.

pytestmark = pytest.mark.usefixtures("clock")  # no test waits for the machine


def track(sid: str) -> Any:
    return SimpleNamespace(sid=sid)


def hears(room: Any) -> dict[str, Any]:
    everybody, entries = room.local_participant.lists[-1]
    assert not everybody
    return dict(entries)


def test_music_for_the_caller_only() -> None:
    room: Any = FakeRoom()
    room.join("caller")
    room.join("supervisor")
    room.local_participant.track_publications["TR_session"] = object()
    permissions = TrackPermissions.of(room)
    assert TrackPermissions.of(room) is permissions
    music = track("not published yet")
    lift_human = permissions.exclude("human")
    lift = permissions.restrict(music, ["caller"])
    assert hears(room) == {"caller": "all", "human": [], "supervisor": ["TR_session"]}
    # Published: others still hear the session only.
    music.sid = "TR_music"
    room.local_participant.track_publications["TR_music"] = object()
    room.emit("local_track_published", None, None)
    assert hears(room) == {"caller": "all", "human": [], "supervisor": ["TR_session"]}
    # Somebody joins, and does not hear the music.
    room.join("late")
    assert hears(room)["late"] == ["TR_session"]
    # An introduction for both.
    words = track("TR_words")
    room.local_participant.track_publications["TR_words"] = object()
    lift_words = permissions.restrict(words, ["caller", "human"])
    assert hears(room)["human"] == ["TR_words"]
    assert hears(room)["caller"] == "all"
    # After a full reconnect the sids are new.
    words.sid = "TR_words2"
    room.local_participant.track_publications["TR_words2"] = object()
    room.emit("local_track_republished", None, "TR_words")
    assert hears(room)["human"] == ["TR_words2"]
    lift_words()
    lift()
    lift_human()
    lift_human()
    assert room.local_participant.lists[-1] == (True, {})
    assert not room.handlers["participant_connected"]


def test_two_tracks_for_different_people() -> None:
    room: Any = FakeRoom()
    room.join("caller")
    permissions = TrackPermissions.of(room)
    for sid, who in (("TR_a", "caller"), ("TR_b", "human")):
        room.local_participant.track_publications[sid] = object()
        permissions.restrict(track(sid), [who])
    assert hears(room) == {"caller": ["TR_a"], "human": ["TR_b"]}


def test_nothing_is_sent_where_it_would_change_nothing() -> None:
    """A message beside a publication holds it up: music begins sooner without."""
    room: Any = FakeRoom()
    room.join("caller")
    permissions, lists = TrackPermissions.of(room), room.local_participant.lists
    music = track("TR_music")
    lift = permissions.restrict(music, ["caller"])
    room.local_participant.track_publications["TR_music"] = object()
    room.emit("local_track_published", None, None)
    assert lists == [], "the caller is alone, and may hear it"
    room.join("supervisor")
    assert hears(room) == {"caller": "all", "supervisor": []}
    room.emit("local_track_published", None, None)
    assert len(lists) == 1
    room.emit("reconnected")
    assert len(lists) == 2, "a new connection knows nothing of it"
    lift()
    assert lists[-1] == (True, {})
    assert room.listening == 0


# The caller.


def session(linked: str | None = None) -> Any:
    participant = SimpleNamespace(identity=linked) if linked else None
    return SimpleNamespace(room_io=SimpleNamespace(linked_participant=participant))


def test_the_only_party_is_the_caller() -> None:
    room: Any = FakeRoom()
    room.join("caller")
    room.join("agent-2").kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    room.join("recorder").kind = rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS
    room.join("colleague", **{marks.LEG: "caller"})
    assert find_caller(room, session(), None) == "caller"
    assert find_caller(room, session("colleague"), None) == "caller"
    assert only_party(room) == "caller"


def test_several_parties() -> None:
    room: Any = FakeRoom()
    room.join("a")
    room.join("b").kind = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
    assert only_party(room) is None
    with pytest.raises(CallerNotFoundError, match=r"a, b.*caller="):
        find_caller(room, session(), None)
    assert find_caller(room, session("b"), None) == "b"
    assert find_caller(room, session("b"), "a") == "a"
    with pytest.raises(CallerNotFoundError, match="'c' is not in the room"):
        find_caller(room, session(), "c")


def test_nobody() -> None:
    room: Any = FakeRoom()
    assert only_party(room) is None
    with pytest.raises(CallerNotFoundError, match="nobody"):
        find_caller(room, session(), None)


async def test_a_session_without_a_room() -> None:
    with pytest.raises(ConfigurationError, match="room") as caught:
        await connect(AgentSession())
    assert caught.value.field == "context"


# How a destination is dialled.


def test_trunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVEKIT_SIP_OUTBOUND_TRUNK", raising=False)
    number = Destination("+15550100", caller_id="+1555", dtmf="1w2", display_name="Sales")
    with pytest.raises(ConfigurationError, match="LIVEKIT_SIP_OUTBOUND_TRUNK") as caught:
        dial_request(number, None)
    assert caught.value.field == "trunk_id"
    monkeypatch.setenv("LIVEKIT_SIP_OUTBOUND_TRUNK", "ST_env")
    assert dial_request(number, None).sip_trunk_id == "ST_env"
    assert dial_request(number, "ST_transfer").sip_trunk_id == "ST_transfer"
    request = dial_request(number.but(trunk_id="ST_own"), "ST_transfer")
    assert request.sip_trunk_id == "ST_own"
    assert (request.sip_call_to, request.sip_number) == ("+15550100", "+1555")
    assert (request.dtmf, request.display_name) == ("1w2", "Sales")
    assert request.wait_until_answered
    assert dial_request(Destination("100", kind="user"), None).sip_call_to == "100"
    assert dial_request(Destination("tel:+15550100"), None).sip_call_to == "+15550100"


def test_uris(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_SIP_OUTBOUND_TRUNK", "ST_env")
    uri = Destination("sip:100@pbx.example.com:5080;transport=tcp", headers={"X-A": "b"})
    request = dial_request(uri, None)
    assert (request.sip_call_to, request.sip_trunk_id) == ("100", "")
    assert request.trunk.hostname == "pbx.example.com:5080"
    assert request.trunk.transport == proto_sip.SIP_TRANSPORT_TCP
    assert request.sip_number == "anonymous"
    assert dict(request.headers) == {"X-A": "b"}
    through = dial_request(uri, "ST_transfer")
    assert (through.sip_call_to, through.sip_trunk_id) == ("100", "ST_transfer")
    assert not through.HasField("trunk")
    secure = dial_request(Destination("sips:a@example.com"), None)
    assert secure.trunk.transport == proto_sip.SIP_TRANSPORT_TLS
    own = Destination("+15550100", sip_connection=api.SIPOutboundConfig(hostname="h"))
    assert dial_request(own, "ST_transfer").trunk.hostname == "h"
    with pytest.raises(ConfigurationError, match="needs a user"):
        dial_request(Destination("sip:pbx.example.com"), None)
    with pytest.raises(ConfigurationError, match="transport"):
        dial_request(Destination("sip:a@b.example;transport=ws"), None)


def test_cloud() -> None:
    assert is_cloud("wss://x.livekit.cloud")
    assert not is_cloud("wss://livekit.cloud.example.com")
    assert not is_cloud("ws://127.0.0.1:7880")


# What happens in the room.


async def test_events() -> None:
    room, _, events = fake_call()
    seen: list[Any] = []

    def broken(event: object) -> None:
        raise ValueError(event)

    events.subscribe(broken)
    unsubscribe = events.subscribe(seen.append)
    room.join("human", **{"sip.callStatus": "ringing"})
    room.status("human", "ringing")
    room.status("human", "active")
    room.status("human", "active")
    who = room.remote_participants["human"]
    room.emit("sip_dtmf_received", SimpleNamespace(participant=who, digit="1"))
    room.leave("human", 1)
    room.emit("reconnecting")
    room.emit("reconnected")
    room.emit("disconnected", 5)
    assert seen == [
        LegRinging("human"),
        LegAnswered("human"),
        KeyPressed("human", "1"),
        LegLeft("human", "client_initiated"),
        CallLost("room_deleted"),
    ]
    assert not events.present("caller")
    unsubscribe()
    unsubscribe()
    events.close()
    assert room.listening == 0


async def test_a_party_that_reconnects_has_not_left() -> None:
    room, _, events = fake_call()
    seen: list[Any] = []
    events.subscribe(seen.append)
    room.leave("caller", rtc.DisconnectReason.DUPLICATE_IDENTITY)
    assert events.present("caller")
    room.join("caller")
    assert seen == []
    events.close()


async def test_our_own_reconnection_is_nobodys_departure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events_module, "RESTART_WITHIN", 0.5)
    room, _, events = fake_call()
    room.join("human")
    seen: list[Any] = []
    events.subscribe(seen.append)
    room.leave("caller", 0)
    room.emit("reconnecting")
    room.leave("human", 0)
    assert events.present("caller")
    room.join("caller")
    room.emit("reconnected")
    assert seen == []
    assert events.present("caller")
    await asyncio.sleep(0.4)
    assert seen == [], "after a restart of the server that takes its time"
    await asyncio.sleep(0.2)
    assert seen == [LegLeft("human", "")], "who did not come back has left"
    events.close()


# What a crashed worker left.


def info(identity: str, **attributes: str) -> proto_models.ParticipantInfo:
    made = proto_models.ParticipantInfo(
        identity=identity, attributes={f"livetransfer.{k}": v for k, v in attributes.items()}
    )
    made.permission.can_publish = True
    return made


def repairer(room: FakeRoom, wire: FakeWire) -> tuple[Repair, RoomEvents, Tasks]:
    events, tasks = RoomEvents(room), Tasks()  # type: ignore[arg-type]
    return Repair(wire, events, tasks), events, tasks  # type: ignore[arg-type]


async def test_repair() -> None:
    room, wire, _ = fake_call()
    wire.infos = [
        info("caller", gated="dead#1"),
        info("ringing", leg="caller", owner="dead#1", phase="apart"),
        info("bridged", leg="caller", owner="dead#1", phase="bridged"),
        info("ours", leg="caller", owner="agent#now", phase="apart"),
        info("theirs", leg="caller", owner="alive#1", phase="apart"),
        info("alive"),
    ]
    wire.there = {"ringing", "bridged", "ours", "theirs"}
    repair, events, tasks = repairer(room, wire)
    assert await repair.run() == ["caller", "ringing"]
    assert wire.count("allow_subscribing", "caller", True) == 1
    assert wire.there == {"bridged", "ours", "theirs"}
    # The server sees late that another worker has died.
    wire.infos = [i for i in wire.infos if i.identity not in ("alive", "ringing")]
    room.join("alive")
    room.leave("alive")
    await tasks.aclose(1.0)
    assert wire.there == {"bridged", "ours"}
    repair.close()
    events.close()


async def test_a_leg_that_another_agent_keeps_apart_does_not_hear_this_one() -> None:
    room, wire, first = fake_call()
    first.close()
    room.join("alive")
    room.join("theirs")
    wire.infos = [
        info("theirs", leg="caller", owner="alive#1", phase="apart"),
        info("bridged", leg="caller", owner="alive#1", phase="bridged"),
        info("alive"),
    ]
    repair, events, tasks = repairer(room, wire)
    await repair.run()
    heard_by = room.local_participant.lists[-1][1]
    assert heard_by == {"theirs": [], "caller": "all", "alive": "all"}
    room.leave("theirs")
    assert room.local_participant.lists[-1] == (True, {})
    repair.close()
    events.close()
    await tasks.aclose(1.0)
    assert not room.listening, "a handler was left on the room"


async def test_repair_closes_the_consult_room_of_this_call_and_no_other() -> None:
    room, wire, _ = fake_call()
    wire.infos = [
        info("caller", consulting="dead#1", consult_room="room-consult-1"),
        info("forged", consulting="dead#1", consult_room="another room"),
        info("served", consulting="agent#now", consult_room="room-consult-2"),
    ]
    repair, events, _ = repairer(room, wire)
    assert await repair.run() == []
    assert [c[1] for c in wire.calls if c[0] == "delete_room"] == ["room-consult-1"]
    assert wire.count("mark", "caller") == 1, "it is not looked for again"
    repair.close()
    events.close()


async def test_a_job_that_starts_repairs_now_and_when_the_dead_agent_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, wire, events = fake_call()
    events.close()
    monkeypatch.setattr(Wire, "for_room", lambda _: wire)
    wire.infos = [info("caller", gated="dying#1"), info("dying")]
    assert await repair_room(room) == []
    room.join("dying")
    wire.infos = wire.infos[:1]
    room.leave("dying")
    while not wire.count("allow_subscribing", "caller", True):
        await asyncio.sleep(0.001)
    room.emit("disconnected")
    assert room.listening == 0
    wire.infos = []
    assert await repair_room(room) == []
    assert room.listening == 0, "there is nothing to wait for"
    assert wire.calls[-1] == ("aclose",)


async def test_a_job_with_the_identity_of_the_dead_one_repairs() -> None:
    room, wire, _ = fake_call()
    wire.infos = [
        info(
            "caller", gated="agent#before", consulting="agent#before", consult_room="room-consult-1"
        ),
        info("ringing", leg="caller", owner="agent#before", phase="apart"),
        info("agent"),
    ]
    wire.there = {"ringing"}
    repair, events, _ = repairer(room, wire)
    assert await repair.run() == ["caller", "ringing"]
    assert wire.count("allow_subscribing", "caller", True) == 1
    assert not wire.there
    assert wire.count("delete_room", "room-consult-1") == 1
    repair.close()
    events.close()


async def test_who_can_mark_himself_does_not_get_what_was_taken_from_him() -> None:
    room, wire, _ = fake_call()
    web, phone = info("web", gated="nobody#1"), info("phone", gated="nobody#1")
    phone.kind = proto_models.ParticipantInfo.SIP
    for each in (web, phone):
        each.permission.can_update_metadata = True
    wire.infos = [web, phone, info("caller", gated="nobody#1")]
    repair, events, _ = repairer(room, wire)
    assert await repair.run() == ["phone", "caller"]
    assert not wire.count("allow_subscribing", "web")
    repair.close()
    events.close()


async def test_a_signature_is_of_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "API_SECRET"):
        monkeypatch.setenv(f"LIVEKIT_{name}", "ws://127.0.0.1")
    room: Any = FakeRoom()
    other: Any = FakeRoom()
    wire = Wire.for_room(room)
    assert Wire.for_room(room).owner == wire.elsewhere("another").owner == wire.owner
    assert Wire.for_room(other).owner != wire.owner
    assert marks.signed_by(wire.owner) == wire.agent == "agent"
    assert marks.signed_by(marks.signature(other, "agent #7")) == "agent #7"


async def test_repair_never_raises() -> None:
    room, wire, _ = fake_call()
    wire.fail["participants"].append(OSError())
    repair, _, _ = repairer(room, wire)
    assert await repair.run() == []


async def test_who_comes_back_after_leaving_is_told_of() -> None:
    room, _, events = fake_call()
    seen: list[Any] = []
    events.subscribe(seen.append)
    room.leave("caller")
    room.join("caller")
    room.join("somebody-new")
    assert seen == [LegLeft("caller", "client_initiated"), LegReturned("caller")]
    assert events.present("caller")
    events.close()
