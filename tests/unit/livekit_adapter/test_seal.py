"""The seal: order of events, failures, and that no caller is left deaf."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.api.twirp_client import ServerError

from livetransfer._livekit.shared_room.seal import Seal
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer.control import ControlEvent, SealBroken
from livetransfer.errors import SealFailed

from .livekit_fakes import fake_call

pytestmark = pytest.mark.usefixtures("clock")  # no test waits for the machine

BROKEN = ServerError("internal", "no", status=500)


def make() -> tuple[Any, Any, RoomEvents, Seal, list[ControlEvent]]:
    room, wire, events = fake_call()
    seen: list[ControlEvent] = []
    events.subscribe(seen.append)
    return room, wire, events, Seal(wire, events, "caller", "human"), seen


async def sealed(room: Any, seal: Seal, *published: str) -> None:
    """The human joins, publishes these tracks and answers: the two are apart."""
    seal.arm()
    room.join("human")
    for track in published:
        room.publish("human", track)
    room.status("human", "active")
    await seal.answered()


async def test_answered_at_once_and_published_after_it() -> None:
    room, wire, _, seal, _ = make()
    seal.arm()
    room.join("human")
    await asyncio.sleep(0.01)
    assert wire.deaf == {"human"}
    room.status("human", "active")
    await seal.answered()
    assert wire.count("allow_subscribing", "caller", False) == 1
    assert "human" not in wire.deaf, "he may hear the briefing"
    assert ("human", "TR_caller") in wire.cut
    room.publish("human", "TR_human")
    while "caller" in wire.deaf:
        await asyncio.sleep(0.001)
    assert ("caller", "TR_human") in wire.cut
    gated = [c[1:3] for c in wire.calls if c[0] == "allow_subscribing"]
    assert gated[-1] == ("caller", True), "the caller comes last"
    await seal.aclose()


async def test_published_while_it_rang_the_music_does_not_pause() -> None:
    room, wire, _, seal, _ = make()
    seal.arm()
    room.join("human")
    room.publish("human", "TR_human")
    await asyncio.sleep(0.3)
    assert ("caller", "TR_human") in wire.cut
    room.status("human", "active")
    await seal.answered()
    assert wire.count("allow_subscribing", "caller") == 0
    await seal.aclose()


async def test_a_track_that_never_comes_does_not_keep_the_caller_deaf() -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal)
    await asyncio.sleep(0.25)
    assert wire.deaf == set()
    room.publish("human", "TR_late")
    await asyncio.sleep(0.01)
    assert ("caller", "TR_late") in wire.cut
    await seal.aclose()


async def test_repeats_end_before_the_bridge() -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal, "TR_human")
    await asyncio.sleep(0.05)
    await seal.open()
    assert wire.cut == set()
    assert wire.deaf == set()
    room.publish("human", "TR_second")
    wire.calls.clear()
    await asyncio.sleep(0.5)
    assert not [c for c in wire.calls if c[0] == "subscribe" and not c[3]], "it is not sealed again"
    assert wire.count("subscribe", "human", ("TR_caller",), True) >= 1, "and it is said once more"
    assert wire.count("subscribe", "caller", ("TR_human", "TR_second"), True), "a new track too"
    await seal.aclose()
    assert room.local_participant.lists[-1][0], "everybody may hear the session again"


@pytest.mark.parametrize("fails", [False, True])
async def test_the_two_are_joined_before_the_human_may_hear_the_agent(fails: bool) -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal, "TR_human")
    await asyncio.sleep(0.05)
    wire.calls.clear()
    lists = len(room.local_participant.lists)
    asked_at_that: list[int] = []
    told = room.local_participant.set_track_subscription_permissions

    def noted(**given: Any) -> None:
        asked_at_that.append(wire.count("subscribe"))
        told(**given)

    room.local_participant.set_track_subscription_permissions = noted
    if fails:
        wire.fail["subscribe"].append(BROKEN)
        with pytest.raises(ServerError):
            await seal.open()
    else:
        await seal.open()
    assert asked_at_that == [2], "each of the two was asked for, or has failed, by then"
    assert len(room.local_participant.lists) == lists + 1
    assert room.local_participant.lists[-1][0]
    await seal.aclose()


@pytest.mark.parametrize("who", ["caller", "human", "we"])
async def test_bridged_parties_that_come_back_hear_each_other_again(who: str) -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal, "TR_human")
    await seal.open()
    await asyncio.sleep(0.01)
    wire.calls.clear()
    if who == "we":
        room.emit("reconnected")
    else:
        room.leave(who, 2)
        room.join(who)
        room.publish(who, "TR_new")
    wire.fail["subscribe"] += [BROKEN] * 2
    await asyncio.sleep(0.4)
    tracks = {"caller": "TR_caller", "human": "TR_human", who: "TR_new"}
    if who == "we":
        tracks = {"caller": "TR_caller", "human": "TR_human"}
    assert wire.count("subscribe", "human", (tracks["caller"],), True) >= 1
    assert wire.count("subscribe", "caller", (tracks["human"],), True) >= 1
    assert not [c for c in wire.calls if c[0] == "subscribe" and not c[3]]
    await seal.aclose()
    wire.calls.clear()
    room.emit("reconnected")
    await asyncio.sleep(0.01)
    assert not wire.calls


async def test_a_server_that_is_away_while_it_rings_ends_nothing() -> None:
    room, wire, _, seal, seen = make()
    seal.arm()
    room.join("human")
    wire.fail["subscribe"] += [BROKEN] * 2
    room.publish("human", "TR_human")
    await asyncio.sleep(0.1)
    assert not [e for e in seen if isinstance(e, SealBroken)]
    assert ("caller", "TR_human") in wire.cut, "it was tried again"
    room.status("human", "active")
    await seal.answered()
    assert ("human", "TR_caller") in wire.cut
    await seal.aclose()


async def test_sealed_again_after_the_bridge() -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal, "TR_human")
    await seal.open()
    await seal.reseal()
    await seal.reseal()
    assert wire.cut == {("human", "TR_caller"), ("caller", "TR_human")}
    await seal.open()
    assert wire.cut == set()
    await seal.aclose()


@pytest.mark.parametrize("method", ["subscribe", "allow_subscribing"])
async def test_what_cannot_be_sealed_is_not_spoken_to(method: str) -> None:
    room, wire, _, seal, _ = make()
    seal.arm()
    room.join("human")
    await asyncio.sleep(0.01)
    wire.fail[method] += [BROKEN] * 6
    room.status("human", "active")
    with pytest.raises(SealFailed):
        await seal.answered()
    wire.fail[method].clear()
    await seal.aclose()
    assert "caller" not in wire.deaf


async def test_broken_later_is_told_once() -> None:
    room, wire, _, seal, seen = make()
    seal.arm()
    room.join("human")
    room.publish("human", "TR_human")
    await asyncio.sleep(0.3)
    room.status("human", "active")
    await seal.answered()
    wire.fail["subscribe"] += [BROKEN] * 20
    room.publish("human", "TR_second")
    await asyncio.sleep(0.1)
    assert [e for e in seen if isinstance(e, SealBroken)] == [SealBroken("human", seen[-1].reason)]  # type: ignore[union-attr]
    await seal.aclose()


@pytest.mark.parametrize("after", [0.0, 0.002, 0.004, 0.006, 0.01, 0.02, 0.1])
async def test_closed_in_the_middle_no_caller_is_deaf(after: float) -> None:
    room, wire, _, seal, _ = make()
    seal.arm()
    room.join("human")
    room.status("human", "active")
    closing = seal.answered()
    await asyncio.sleep(after)
    await seal.aclose()
    await asyncio.sleep(0.05)
    assert wire.deaf == set()
    assert closing.done()
    assert not room.handlers["track_published"]
    last = [c for c in wire.calls if c[:2] == ("allow_subscribing", "caller")]
    assert not last or last[-1][2] is True


async def test_giving_back_is_repeated() -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal)
    wire.fail["allow_subscribing"] += [BROKEN] * 3
    await seal.aclose()
    assert wire.deaf == set()


async def test_a_leg_that_rejoins_is_sealed_again() -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal, "TR_human")
    await asyncio.sleep(0.3)
    room.leave("human", 2)
    wire.calls.clear()
    room.join("human", **{"sip.callStatus": "active"})
    room.publish("human", "TR_again")
    await asyncio.sleep(0.05)
    assert wire.count("allow_subscribing", "human", False) == 1
    assert "human" not in wire.deaf
    assert ("caller", "TR_again") in wire.cut
    assert wire.count("subscribe", "human", ("TR_caller",), False) >= 2
    await seal.aclose()


async def test_who_may_not_hear_anyway_is_left_alone() -> None:
    room, wire, _, seal, _ = make()
    room.remote_participants["caller"].permissions.can_subscribe = False
    await sealed(room, seal)
    await asyncio.sleep(0.2)
    await seal.aclose()
    assert wire.count("allow_subscribing", "caller") == 0


async def test_another_human_is_parted_once_he_has_answered() -> None:
    room, wire, events = fake_call()
    seals = {
        "human": Seal(wire, events, "caller", "human", lambda: ("second",)),
        "second": Seal(wire, events, "caller", "second", lambda: ("human",)),
    }
    for who, seal in seals.items():
        seal.arm()
        room.join(who)
    room.status("human", "active")
    await seals["human"].answered()
    room.publish("human", "TR_human")
    await asyncio.sleep(0.5)
    assert "second" in wire.deaf, "his phone rings: he may not hear anybody"
    assert wire.count("subscribe", "second", ("TR_human",), False) == 0
    room.status("second", "active")
    await seals["second"].answered()
    room.publish("second", "TR_second")
    await asyncio.sleep(0.05)
    assert wire.deaf <= {"caller"}
    assert ("second", "TR_human") in wire.cut
    assert ("human", "TR_second") in wire.cut
    for seal in seals.values():
        await seal.aclose()


async def test_what_is_said_again_is_said_once_at_a_time() -> None:
    room, wire, _, seal, _ = make()
    await sealed(room, seal)
    for number in range(5):
        room.publish("human", f"TR_{number}")
    wire.calls.clear()
    await asyncio.sleep(2.5)
    said = [call for call in wire.calls if call[:2] == ("subscribe", "caller")]
    assert {track for call in said for track in call[2]} == {f"TR_{n}" for n in range(5)}
    assert len(said) < 25, "each new track begins it again, and ends what went on"
    await seal.aclose()
