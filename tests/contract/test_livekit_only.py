"""What only a real server shows: reconnections, what a crashed worker leaves, direct URIs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
import pytest
import pytest_asyncio
from livekit import api, rtc
from livekit.rtc._proto.room_pb2 import SimulateScenarioKind as Scenario

from livetransfer._livekit import connect_room
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer.control import CallLost, LegLeft
from livetransfer.destination import Destination
from livetransfer.errors import DialFailed
from livetransfer.hold import HoldMusicPlayer
from livetransfer.status import TransferStatus
from tests.e2e.stack import Stack

from .livekit_rig import CALLER, LiveKitRig
from .rigs import TONES, Answers, Events, Refuses, RingsOn, answered

SDK = "token_refreshed"


@pytest_asyncio.fixture
async def rig(stack: Stack) -> AsyncIterator[LiveKitRig]:
    async with aclosing(await LiveKitRig(stack).open()) as opened:
        yield opened


async def can_hear(rig: LiveKitRig, identity: str) -> bool:
    info = await rig.control._wire.participant(identity)
    assert info is not None
    return info.permission.can_subscribe


async def joined_again(rig: LiveKitRig, identity: str) -> rtc.Room:
    """Another worker's connection to the rig's room."""
    room = rtc.Room()
    grants = api.VideoGrants(room_join=True, room=rig.room_name, can_update_own_metadata=True)
    token = api.AccessToken(rig.stack.api_key, rig.stack.api_secret)
    token = token.with_identity(identity).with_kind("agent").with_grants(grants)
    await room.connect(rig.stack.url, token.to_jwt())
    return room


@pytest.mark.parametrize("scenario", ["SIMULATE_FULL_RECONNECT", "SIMULATE_SIGNAL_RECONNECT"])
async def test_our_reconnection_leaks_nothing_and_is_no_loss(
    rig: LiveKitRig, scenario: str
) -> None:
    events = Events(rig.control)
    music = await rig.control.open_audio([CALLER])
    await rig.play(music, "music")
    leg = await answered(rig)
    await rig.run(0.5)
    await rig.room.simulate_scenario(getattr(Scenario, scenario))
    await rig.run(0.2)
    await rig.hears("caller", "music", 6.0)
    await rig.run(1.0)
    assert rig.heard("human", "music") == 0
    assert rig.control.caller_present
    assert not events.of(CallLost)
    assert not events.of(LegLeft)
    rig.forget()
    await rig.run(0.5)
    assert rig.heard("caller", "human") == 0
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    await music.aclose()


def received(rig: LiveKitRig) -> set[str]:
    """Whose voice the agent's connection receives."""
    return {
        participant.identity
        for participant in rig.room.remote_participants.values()
        if any(publication.subscribed for publication in participant.track_publications.values())
    }


async def receives(rig: LiveKitRig, *identities: str, within: float = 3.0) -> None:
    """Wait until the agent's connection receives these voices and no other."""
    give_up = time.monotonic() + within
    while received(rig) != set(identities):
        assert time.monotonic() < give_up, f"it receives {received(rig)}"
        await asyncio.sleep(0.02)


async def test_the_agent_receives_nobody_who_is_bridged(rig: LiveKitRig) -> None:
    leg = await answered(rig)
    await receives(rig, CALLER, leg.identity)
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    await receives(rig)
    await rig.room.simulate_scenario(Scenario.SIMULATE_FULL_RECONNECT)
    await rig.run(1.0)
    await receives(rig, within=6.0)
    rig.forget()
    await rig.run(0.5)
    assert min(rig.heard("caller", "human"), rig.heard("human", "caller")) > 350
    await rig.hang_up("human")
    await receives(rig, CALLER)


async def test_the_caller_is_received_again_however_soon_the_bridge_is_over(
    rig: LiveKitRig,
) -> None:
    """The connection sends what is asked at the same moment in either order."""
    leg = await answered(rig)
    await receives(rig, CALLER, leg.identity)
    for _ in range(20):
        await rig.control.bridge(leg)
        await rig.control.seal(leg)
        # It is not seen that something is under way, which it is for 0.1 s.
        await asyncio.sleep(0.3)
        await receives(rig, CALLER, leg.identity)


async def test_music_goes_on_while_something_holds_up_the_event_loop(rig: LiveKitRig) -> None:
    clip = 0.2 * np.sin(2 * np.pi * TONES["music"] * np.arange(24_000) / 24_000)
    sink = await rig.control.open_audio([CALLER])
    handle = HoldMusicPlayer((clip, 24_000)).play(sink)
    await rig.hears("caller", "music")
    await rig.run(1.0)
    rig.forget()
    time.sleep(0.5)  # noqa: ASYNC251 - that is what the test is about
    await rig.run(1.0)
    assert rig.heard("caller", "music") > 1400
    began = time.monotonic()
    handle.stop(fade=0.1)
    assert await rig.deaf_to("caller", "music") - began < 0.6, "what is queued is dropped"
    await handle.wait()
    await sink.aclose()


async def test_the_conversation_survives_a_full_reconnection(rig: LiveKitRig) -> None:
    conversation = await rig.control._joining.open_conversation("human-1")
    await rig.brief(conversation)
    await answered(rig)
    await rig.hears("human", "briefing")
    await conversation.room.simulate_scenario(Scenario.SIMULATE_FULL_RECONNECT)  # type: ignore[attr-defined]
    await rig.run(0.3)
    await rig.hears("human", "briefing", 5.0)
    await rig.run(1.0)
    assert rig.heard("caller", "briefing") == 0
    await conversation.aclose()


async def test_a_crashed_worker_is_repaired(rig: LiveKitRig) -> None:
    await answered(rig, "sealed")
    wire = rig.control._wire
    info = await wire.participant(CALLER)
    assert info is not None
    await wire.allow_subscribing(CALLER, info.permission, False)
    assert not await can_hear(rig, CALLER)
    # The worker dies: nothing of it cleans up.
    rig.control._events.be_quiet()
    await rig.room.disconnect()
    other = await joined_again(rig, "agent-2")
    control = await connect_room(other, CALLER)
    try:
        for _ in range(50):
            if await can_hear(rig, CALLER) and rig.human_state == "ended":
                break
            await asyncio.sleep(0.05)
        assert await can_hear(rig, CALLER)
        assert rig.human_state == "ended"
        attributes = (await wire.participant(CALLER)).attributes  # type: ignore[union-attr]
        assert not [name for name in attributes if name.startswith("livetransfer.")]
    finally:
        await control.aclose()
        await other.disconnect()


async def test_bridged_parties_are_not_repaired(rig: LiveKitRig) -> None:
    leg = await answered(rig, "bridged")
    await rig.control.bridge(leg)
    await rig.control.leave()
    other = await joined_again(rig, "agent-2")
    control = await connect_room(other, CALLER)
    await rig.run(1.0)
    assert rig.human_state == "talking"
    await control.aclose()
    await other.disconnect()


async def test_a_uri_is_dialled_without_a_trunk(rig: LiveKitRig) -> None:
    control = await connect_room(rig.room, CALLER)
    try:
        rig.human(Answers())
        uri = Destination(f"sip:100@{rig.human_phone.address}", headers={"X-Ticket": "7"})
        control.check(uri)
        leg = await control.dial(uri, identity="direct", ring_timeout=5.0)
        invite = rig.human_phone.invites[-1]
        assert (invite.to_user, invite.from_user) == ("100", "anonymous")
        assert invite.message.get("X-Ticket") == "7"
        await control.hang_up(leg)
    finally:
        await control.aclose()


async def test_headers_caller_id_and_name(rig: LiveKitRig) -> None:
    destination = rig.human(Answers()).but(
        caller_id="+15557777", display_name="Ada", headers={"X-Ticket": "8"}
    )
    await rig.control.dial(destination, identity="human-1", ring_timeout=5.0)
    message = rig.human_phone.invites[-1].message
    assert rig.human_phone.invites[-1].from_user == "+15557777"
    assert "Ada" in message.get("From")
    assert message.get("X-Ticket") == "8"
    attributes = rig.room.remote_participants["human-1"].attributes
    assert "+15550100" not in attributes.values(), "everybody in the room can read them"


async def test_keys_after_the_answer(rig: LiveKitRig) -> None:
    destination = rig.human(Answers()).but(dtmf="1w2")
    await rig.control.dial(destination, identity="human-1", ring_timeout=5.0)
    for _ in range(40):
        if rig.call_of("human").digits == "12":
            break
        await asyncio.sleep(0.05)
    assert rig.call_of("human").digits == "12"


async def test_no_sip_service(rig: LiveKitRig) -> None:
    wire = rig.control._wire
    broken = Wire("ws://127.0.0.1:9", "k", "s" * 32, rig.room_name, "agent")
    rig.control._joining._wire = broken  # type: ignore[attr-defined]
    with pytest.raises(DialFailed) as caught:
        await rig.control.dial(rig.human(RingsOn()), identity="human-1", ring_timeout=5.0)
    assert caught.value.status is TransferStatus.TRUNK_UNAVAILABLE
    rig.control._joining._wire = wire  # type: ignore[attr-defined]
    await broken.aclose()


async def test_nothing_is_dialled_twice(rig: LiveKitRig) -> None:
    with pytest.raises(DialFailed):
        await rig.control.dial(rig.human(Refuses(503)), identity="human-1", ring_timeout=5.0)
    await rig.run(1.5)
    assert len(rig.human_phone.call_ids) == 1


async def test_nothing_is_left_behind(rig: LiveKitRig) -> None:
    def handlers() -> int:
        # The SDK has one of its own for each subscribed track.
        return sum(len(each) for name, each in rig.room._events.items() if name != SDK)

    tasks = len(asyncio.all_tasks())
    await rig.control.aclose()
    before = handlers()
    control = await connect_room(rig.room, CALLER, trunk_id=rig._trunks["human"])
    music = await control.open_audio([CALLER])
    conversation = await control.open_conversation("human-1")
    leg = await control.dial(rig.human(Answers()), identity="human-1", ring_timeout=5.0)
    await control.bridge(leg)
    await conversation.aclose()
    await music.aclose()
    await control.hang_up(leg)
    await control.aclose()
    await asyncio.sleep(0.2)
    assert handlers() == before
    assert not rig.room.local_participant.track_publications
    assert len(asyncio.all_tasks()) <= tasks
    assert set(await rig_participants(rig)) == {"agent", CALLER}


async def rig_participants(rig: LiveKitRig) -> list[str]:
    listed = await rig.api.room.list_participants(api.ListParticipantsRequest(room=rig.room_name))
    return [p.identity for p in listed.participants]


async def test_keys_for_one_leg_are_not_heard_by_the_other(rig: LiveKitRig) -> None:
    leg = await answered(rig)
    await rig.control.bridge(leg)
    human = rig.human_phone.calls[0]
    await rig.control.send_dtmf(leg, "5#")
    give_up = time.monotonic() + 3.0
    while human.digits != "5#":
        assert time.monotonic() < give_up, f"the human got {human.digits!r}"
        await asyncio.sleep(0.02)
    await rig.control.send_dtmf(rig.control.caller, "7")
    while rig.caller_call.digits != "7":
        assert time.monotonic() < give_up + 3.0, f"the caller got {rig.caller_call.digits!r}"
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    assert (human.digits, rig.caller_call.digits) == ("5#", "7")
