"""What the agent's connection receives of two who were joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from livekit import rtc

from livetransfer._livekit.leg_room import Place
from livetransfer._livekit.livekit_control import LiveKitControl
from livetransfer.control import BridgeMode, Leg
from livetransfer.destination import Destination

from .livekit_fakes import FakePublication, FakeRoom, fake_call

pytestmark = pytest.mark.usefixtures("clock")  # no test waits for the machine

HUMAN = Leg("human", Destination("+4930123456", "sales"))


@dataclass
class Joined:
    """Joins at once, in the way it is told."""

    here: Place
    mode: BridgeMode = "shared_room"

    def place(self, identity: str) -> Place:
        return self.here

    async def bridge(self, leg: Leg) -> BridgeMode:
        return self.mode

    async def dial(self, destination: Destination, *, identity: str, **_: Any) -> Leg:
        return Leg(identity, destination)

    async def seal(self, leg: Leg) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Scene:
    room: FakeRoom
    control: LiveKitControl
    joining: Joined

    def received(self) -> dict[str, bool]:
        return {
            sid: publication.subscribed
            for participant in self.room.remote_participants.values()
            for sid, publication in participant.track_publications.items()
        }


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    room, wire, events = fake_call()
    for identity in ("human", "agent-briefing"):
        room.join(identity)
        room.publish(identity, f"TR_{identity}")
    joining: Any = Joined(Place(wire, events))
    control = LiveKitControl(wire, events, "caller", joining)
    yield Scene(room, control, joining)
    await control.aclose()
    followed = ("track_published", "track_subscribed", "track_unsubscribed")
    left = [handler for event in followed for handler in room.handlers[event]]
    assert not left, "a handler was left on the room"


async def test_after_the_bridge_nothing_is_received(scene: Scene) -> None:
    assert all(scene.received().values())
    await scene.control.bridge(HUMAN)
    assert scene.received() == {"TR_caller": False, "TR_human": False, "TR_agent-briefing": True}
    scene.room.publish("caller", "TR_new")
    assert not scene.received()["TR_new"]


async def test_nor_what_was_published_before_and_comes_only_after_it(scene: Scene) -> None:
    human = scene.room.remote_participants["human"]
    publication = human.track_publications["TR_human"]
    publication.subscribed = False
    await scene.control.bridge(HUMAN)
    publication.subscribed = True
    scene.room.emit("track_subscribed", object(), publication, human)
    assert not publication.subscribed


async def test_a_new_connection_of_ours_receives_nothing_either(scene: Scene) -> None:
    await scene.control.bridge(HUMAN)
    for identity in ("caller", "human"):
        scene.room.leave(identity, rtc.DisconnectReason.UNKNOWN_REASON)
        scene.room.join(identity)
        scene.room.publish(identity, f"TR_{identity}")
    assert scene.received() == {"TR_agent-briefing": True, "TR_caller": False, "TR_human": False}


async def test_code_that_subscribes_again_is_left_alone(scene: Scene) -> None:
    await scene.control.bridge(HUMAN)
    caller = scene.room.remote_participants["caller"]
    publication = caller.track_publications["TR_caller"]
    publication.set_subscribed(True)
    scene.room.emit("track_subscribed", object(), publication, caller)
    assert scene.received()["TR_caller"]


async def test_after_an_unsealed_dial_neither(scene: Scene) -> None:
    assert HUMAN.destination is not None
    await scene.control.dial(HUMAN.destination, identity="human", ring_timeout=20.0, sealed=False)
    assert not scene.received()["TR_caller"]


async def test_a_relay_has_to_receive_them(scene: Scene) -> None:
    scene.joining.mode = "relay"
    await scene.control.bridge(HUMAN)
    assert all(scene.received().values())


@pytest.mark.parametrize("end", ["human", "seal", "aclose"])
async def test_the_caller_is_received_again(scene: Scene, end: str) -> None:
    scene.room.publish("caller", "TR_muted")
    scene.room.remote_participants["caller"].track_publications["TR_muted"].subscribed = False
    await scene.control.bridge(HUMAN)
    await asyncio.sleep(1.0)
    scene.room.leave("agent-briefing")
    assert not scene.received()["TR_caller"], "somebody else has left"
    if end == "human":
        scene.room.leave("human")
    elif end == "seal":
        await scene.control.seal(HUMAN)
    else:
        await scene.control.aclose()
    assert scene.received()["TR_caller"]
    assert not scene.received()["TR_muted"], "that was not received before either"
    scene.room.publish("caller", "TR_later")
    assert scene.received()["TR_later"]


async def test_a_caller_who_leaves_changes_nothing_for_the_human(scene: Scene) -> None:
    await scene.control.bridge(HUMAN)
    scene.room.leave("caller")
    assert not scene.received()["TR_human"]


async def test_a_call_id_is_kept_when_its_leg_has_left(scene: Scene) -> None:
    participants = scene.room.remote_participants
    assert scene.control.call_id(HUMAN) is None  # a server that does not tell it
    participants["human"].attributes["sip.callIDFull"] = "a84b4c76e66710@pbx.example.com"
    participants["human"].attributes["sip.callID"] = "SCL_human"
    await scene.control.dial(Destination("+15550100"), identity="human", ring_timeout=1)
    scene.room.leave("human")
    assert scene.control.call_id(HUMAN) == "a84b4c76e66710@pbx.example.com"
    assert scene.control.call_id(Leg("nobody")) is None


class SlowPublication(FakePublication):
    """Its subscription changes when the connection says so, not when it is asked for."""

    def __init__(self, sid: str) -> None:
        super().__init__(sid)
        self.asked: list[bool] = []

    def set_subscribed(self, subscribed: bool) -> None:
        self.asked.append(subscribed)

    def comes_about(self, room: FakeRoom) -> None:
        """The connection tells that what was asked last is so now."""
        self.subscribed = self.asked[-1]
        event = "track_subscribed" if self.subscribed else "track_unsubscribed"
        room.emit(event, object(), self, room.remote_participants["caller"])


@pytest.fixture
def voice(scene: Scene) -> SlowPublication:
    """The caller's voice."""
    publication = SlowPublication("TR_slow")
    scene.room.remote_participants["caller"].track_publications = {"TR_slow": publication}
    return publication


async def test_two_requests_are_not_made_at_once(scene: Scene, voice: SlowPublication) -> None:
    """They would be sent in either order, and the agent could stay deaf for good."""
    await scene.control.bridge(HUMAN)
    scene.room.leave("human")
    assert voice.asked == [False]
    await scene.control.bridge(HUMAN)
    voice.comes_about(scene.room)
    await asyncio.sleep(1.0)
    assert voice.asked == [False], "it is what is wanted again"
    await scene.control.bridge(HUMAN)
    await scene.control.aclose()
    assert voice.asked == [False, True], "that was long ago"
    await asyncio.sleep(0.1)
    voice.comes_about(scene.room)
    await asyncio.sleep(10.0)
    assert voice.asked == [False, True]


async def test_soon_after_it_was_dropped(scene: Scene, voice: SlowPublication) -> None:
    await scene.control.bridge(HUMAN)
    await asyncio.sleep(0.02)
    await scene.control.aclose()
    voice.comes_about(scene.room)
    assert voice.asked == [False]
    await asyncio.sleep(0.031)
    assert voice.asked == [False, True]


async def test_asked_until_it_comes(scene: Scene, voice: SlowPublication) -> None:
    await scene.control.bridge(HUMAN)
    voice.comes_about(scene.room)
    await asyncio.sleep(10.0)
    scene.room.leave("human")
    await asyncio.sleep(0.7)
    assert voice.asked == [False, True, True]
    voice.comes_about(scene.room)
    await asyncio.sleep(10.0)
    assert voice.asked == [False, True, True]


async def test_joined_again_before_it_has_come(scene: Scene, voice: SlowPublication) -> None:
    await scene.control.bridge(HUMAN)
    voice.comes_about(scene.room)
    await asyncio.sleep(10.0)
    await scene.control.seal(HUMAN)
    await scene.control.bridge(HUMAN)
    assert voice.asked == [False, True]
    voice.comes_about(scene.room)
    assert voice.asked == [False, True, False], "after it has come"
    await asyncio.sleep(10.0)
    assert voice.asked == [False, True, False]


async def test_it_never_comes(
    scene: Scene, voice: SlowPublication, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.control.bridge(HUMAN)
    voice.comes_about(scene.room)
    scene.room.leave("human")
    await asyncio.sleep(5.2)
    assert voice.asked == [False, *[True] * 6]
    await asyncio.sleep(60.0)
    assert len(voice.asked) == 7
    assert "does not receive a party" in caplog.text


@pytest.mark.parametrize("after", [0.01, 1.2], ids=["before it is asked for", "after"])
async def test_a_room_that_was_left_is_asked_for_nothing(
    scene: Scene, voice: SlowPublication, after: float
) -> None:
    await scene.control.bridge(HUMAN)
    voice.comes_about(scene.room)
    scene.room.leave("human")
    await asyncio.sleep(after)
    asked = len(voice.asked)
    scene.room.connected = False
    await asyncio.sleep(60.0)
    assert len(voice.asked) == asked
