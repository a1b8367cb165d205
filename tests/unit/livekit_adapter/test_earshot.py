"""What the agent's connection receives of two who were joined."""

from __future__ import annotations

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

from .livekit_fakes import FakeRoom, fake_call

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
    left = room.handlers["track_published"] + room.handlers["track_subscribed"]
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
