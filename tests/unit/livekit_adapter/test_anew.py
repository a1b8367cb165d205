"""Our own connection is made anew at the worst moments: our view of the room is not the room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc
from livekit.protocol import models as proto_models

from livetransfer._livekit.shared_room.room import SharedRoom
from livetransfer._livekit.shared_room.seal import Seal
from livetransfer._livekit.signalling import room_events as events_module
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer.control import LegLeft, SealBroken
from livetransfer.destination import Destination

from .livekit_fakes import FakePublication, FakeRoom, FakeWire, fake_call

ANN = Destination("+15550100", trunk_id="ST_1")

# The seal.


async def sealed(
    room: FakeRoom, wire: FakeWire, events: RoomEvents, *, published: bool = False
) -> Seal:
    """The seal of a human who has answered, whose track was `published` long before, or is not."""
    seal = Seal(wire, events, "caller", "human")  # type: ignore[arg-type]
    seal.arm()
    room.join("human")
    if published:
        room.publish("human", "TR_human")
        await asyncio.sleep(0.3)
    room.status("human", "active")
    await seal.answered()
    return seal


async def test_answered_meanwhile_he_hears_again_but_not_the_caller() -> None:
    room, wire, events = fake_call()
    way = SharedRoom(wire, events, "caller", None)
    dialling = asyncio.create_task(way.dial(ANN, identity="human", ring_timeout=5.0, sealed=True))
    while not wire.deaf:
        await asyncio.sleep(0.001)
    room.goes()
    wire.answer.set_result(None)  # the request tells it: that is HTTP
    leg = await dialling
    assert wire.deaf <= {"caller"}, "he is to hear the briefing"
    assert ("human", "TR_caller") in wire.cut
    first = [c[:2] for c in wire.calls].index(("subscribe", "human"))
    assert first < wire.calls.index(("allow_subscribing", "human", True)), "not the caller first"
    room.is_back()
    await way.bridge(leg)
    assert wire.deaf == wire.cut == set()
    await way.aclose()


async def test_answered_meanwhile_the_caller_does_not_hear_him_either() -> None:
    room, wire, events = fake_call()
    seal = Seal(wire, events, "caller", "human")
    seal.arm()
    room.join("human")
    room.goes()
    events.answered("human")
    await seal.answered()
    assert "caller" in wire.deaf
    room.known["human"].track_publications["TR_human"] = FakePublication("TR_human")
    while "caller" in wire.deaf:
        await asyncio.sleep(0.001)
    assert ("caller", "TR_human") in wire.cut
    await seal.aclose()


@pytest.mark.parametrize("resumed", [True, False])
async def test_a_repeat_that_a_restarting_server_refuses_breaks_nothing_and_is_made_up(
    resumed: bool,
) -> None:
    room, wire, events = fake_call()
    seen: list[Any] = []
    events.subscribe(seen.append)
    seal = await sealed(room, wire, events, published=True)
    if resumed:
        room.emit("reconnecting")
    else:
        room.goes()
    wire.fail["subscribe"] += [OSError()] * 100
    await asyncio.sleep(0.1)
    assert not [event for event in seen if isinstance(event, SealBroken)]
    wire.fail.clear()
    wire.cut.clear()
    if resumed:
        room.emit("reconnected")
    else:
        room.is_back()
    await asyncio.sleep(0.1)
    assert wire.cut == {("human", "TR_caller"), ("caller", "TR_human")}
    await seal.aclose()
    events.close()
    assert room.listening == 0


async def test_who_is_back_later_than_the_other_does_not_break_the_seal() -> None:
    """A restarted server routes what is asked about him to a node that is gone: no answer."""
    room, wire, events = fake_call()
    seen: list[Any] = []
    events.subscribe(seen.append)
    seal = await sealed(room, wire, events, published=True)
    subscribe = wire.subscribe

    async def none_of_the_human(identity: str, sids: list[str], wanted: bool) -> None:
        if identity == "human":
            raise asyncio.TimeoutError
        await subscribe(identity, sids, wanted)

    wire.subscribe = none_of_the_human
    room.goes()
    room.emit("reconnected")
    room.join("caller")
    room.publish("caller", "TR_caller2")
    await asyncio.sleep(0.1)
    assert not [event for event in seen if isinstance(event, SealBroken)]
    wire.subscribe = subscribe
    room.join("human")
    await asyncio.sleep(0.1)
    assert ("human", "TR_caller2") in wire.cut
    assert wire.deaf == set()
    await seal.aclose()


async def test_bridged_meanwhile_they_hear_each_other_at_once() -> None:
    room, wire, events = fake_call()
    way = SharedRoom(wire, events, "caller", None)
    dialling = asyncio.create_task(way.dial(ANN, identity="human", ring_timeout=5.0, sealed=True))
    while not wire.deaf:
        await asyncio.sleep(0.001)
    room.publish("human", "TR_human")
    room.status("human", "active")
    leg = await dialling
    room.goes()
    await way.bridge(leg)
    assert wire.deaf == wire.cut == set()
    await way.aclose()


async def test_a_caller_who_may_not_hear_for_the_moment_hears_again() -> None:
    room, wire, events = fake_call()
    seal = await sealed(room, wire, events)
    assert "caller" in wire.deaf
    room.goes()
    await asyncio.sleep(0.3)
    room.is_back()
    await seal.aclose()
    assert wire.deaf == set()


async def test_nor_is_the_caller_left_deaf_by_a_room_that_is_lost() -> None:
    room, wire, events = fake_call()
    seal = await sealed(room, wire, events)
    room.goes()
    room.connected = False
    room.emit("disconnected", 4)
    await seal.aclose()
    assert wire.deaf == set()


# Who has left meanwhile.


def asked(room: FakeRoom, wire: FakeWire) -> tuple[RoomEvents, list[Any]]:
    events, seen = RoomEvents(room, wire), []  # type: ignore[arg-type, var-annotated]
    events.subscribe(seen.append)
    return events, seen


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "ASK_EVERY", 0.02)
    monkeypatch.setattr(events_module, "RESTART_WITHIN", 0.4)


LISTED = [proto_models.ParticipantInfo(identity="caller")]


@pytest.mark.usefixtures("soon")
async def test_who_hung_up_meanwhile_is_told_to_have_left_soon_and_once() -> None:
    room, wire, first = fake_call()
    first.close()
    events, seen = asked(room, wire)
    room.join("human")
    room.goes()
    del room.known["human"]
    room.is_back()
    wire.infos = LISTED
    await asyncio.sleep(0.2)
    assert seen == [LegLeft("human", "")]
    assert not events.present("human")
    await asyncio.sleep(0.4)
    assert seen == [LegLeft("human", "")]
    events.close()


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("server", ["lists him", "has lost all", "is away", "is asked once"])
async def test_after_a_restart_of_the_server_he_may_take_his_time(server: str) -> None:
    room, wire, first = fake_call()
    first.close()
    events, seen = asked(room, wire)
    room.goes()
    caller = room.known.pop("caller")
    room.is_back()
    if server == "lists him":
        wire.infos = LISTED
    elif server == "has lost all":
        wire.sid = "RM_2"
    elif server == "is away":
        wire.fail["participants"] += [OSError()] * 100
    else:
        await asyncio.sleep(0.01)
        wire.infos = LISTED
    await asyncio.sleep(0.3)
    assert seen == []
    assert events.present("caller")
    if server == "lists him":
        room.known["caller"] = caller
        room.is_back()
        await asyncio.sleep(0.3)
        assert seen == []
    else:
        await asyncio.sleep(0.3)
        assert seen == [LegLeft("caller", "")]
    events.close()
    assert room.listening == 0


@pytest.mark.parametrize("end", ["closed", "lost"])
async def test_nobody_is_asked_once_it_is_over(end: str) -> None:
    room, wire, first = fake_call()
    first.close()
    events, _ = asked(room, wire)
    room.goes()
    await asyncio.sleep(0.01)
    if end == "closed":
        events.close()
    else:
        room.emit("disconnected", rtc.DisconnectReason.ROOM_DELETED)
    await asyncio.sleep(0.01)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "livetransfer-ask"]
    assert not wire.count("participants")
    events.close()
