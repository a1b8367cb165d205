"""Our own connections are made anew at the worst moments: nobody stays deaf, nothing is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio
from livekit import api, rtc
from livekit.agents import AgentSession
from livekit.rtc._proto.room_pb2 import SimulateScenarioKind as Scenario

from livetransfer._livekit import repair_room
from livetransfer._livekit.find_caller import find_caller, made_anew
from livetransfer.control import ControlEvent, LegAnswered, LegLeft
from livetransfer.destination import Destination
from livetransfer.errors import CallerNotFoundError, DialFailed
from tests.e2e.stack import Stack

from .livekit_rig import CALLER, LiveKitRig
from .rigs import Answers, Events, RingsOn, answered
from .test_livekit_only import can_hear, joined_again, received


@pytest_asyncio.fixture
async def rig(stack: Stack) -> AsyncIterator[LiveKitRig]:
    async with aclosing(await LiveKitRig(stack).open()) as opened:
        yield opened


@pytest_asyncio.fixture
async def consult(stack: Stack) -> AsyncIterator[LiveKitRig]:
    async with aclosing(await LiveKitRig(stack, "consult_room").open()) as opened:
        yield opened


async def anew(room: rtc.Room) -> None:
    await room.simulate_scenario(Scenario.SIMULATE_FULL_RECONNECT)


async def test_anew_right_at_the_answer_nobody_stays_deaf(rig: LiveKitRig) -> None:
    conversation = await rig.control.open_conversation("human-1")
    await rig.brief(conversation)
    begun: list[asyncio.Task[None]] = []

    def on_event(event: ControlEvent) -> None:
        if isinstance(event, LegAnswered) and event.identity == "human-1":
            begun.append(asyncio.create_task(anew(rig.room)))

    rig.control.subscribe(on_event)
    leg = await answered(rig, after=0.5)
    await asyncio.gather(*begun)
    await rig.run(1.5)
    assert await can_hear(rig, CALLER)
    assert await can_hear(rig, "human-1")
    rig.forget()
    await rig.hears("human", "briefing")
    assert rig.heard("human", "caller") == rig.heard("caller", "human") == 0
    await conversation.aclose()
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))


async def test_the_briefing_hears_the_human_after_its_line_was_made_anew(rig: LiveKitRig) -> None:
    conversation = await rig.control.open_conversation("human-1")
    await rig.brief(conversation)
    await answered(rig)
    await rig.hears("human", "briefing")
    room: rtc.Room = conversation.room  # type: ignore[attr-defined]
    await anew(room)
    await rig.run(2.0)
    human = room.remote_participants["human-1"]
    assert [each.subscribed for each in human.track_publications.values()] == [True]
    await conversation.aclose()


@pytest.mark.parametrize("which", ["the caller's room", "the human's room"])
async def test_a_relay_goes_on_when_a_connection_is_made_anew(
    consult: LiveKitRig, which: str
) -> None:
    rig = consult
    leg = await answered(rig)
    assert await rig.control.bridge(leg) == "relay"
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    one = rig.control._joining._consults["human-1"]  # type: ignore[attr-defined]
    await anew(rig.room if which == "the caller's room" else one.side.room)
    await rig.run(2.0)
    rig.forget()
    await rig.run(2.0)
    assert rig.heard("caller", "human") > 1700
    assert rig.heard("human", "caller") > 1700
    assert not one.relay.ended.done(), "nobody has left"
    await rig.control.aclose()
    await rig.run(0.5)
    assert rig.human_state == "talking", "they talk on, as without a new connection"


async def test_a_dial_refused_at_once_leaves_no_consult_room(consult: LiveKitRig) -> None:
    rig = consult
    opening = asyncio.create_task(rig.control.open_conversation("human-1"))
    nowhere = Destination("+15550100", trunk_id="ST_missing")
    with pytest.raises(DialFailed):
        await rig.control.dial(nowhere, identity="human-1", ring_timeout=5.0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await rig.run(1.0)
    listed = await rig.api.room.list_rooms(api.ListRoomsRequest())
    assert not [each.name for each in listed.rooms if f"{rig.room_name}-consult" in each.name]


async def test_a_job_with_the_identity_of_the_dead_one_repairs(rig: LiveKitRig) -> None:
    await answered(rig, "sealed")
    wire = rig.control._wire
    info = await wire.participant(CALLER)
    assert info is not None
    await wire.allow_subscribing(CALLER, info.permission, False)
    rig.control._events.be_quiet()
    other = await joined_again(rig, "agent")
    try:
        await repair_room(other)
        await rig.run(1.0)
        assert await can_hear(rig, CALLER)
        assert rig.human_state == "ended"
    finally:
        await wire.allow_subscribing(CALLER, info.permission, True)
        await other.disconnect()


async def test_the_caller_is_found_while_our_connection_is_made_anew(rig: LiveKitRig) -> None:
    again = asyncio.create_task(anew(rig.room))
    while rig.room.remote_participants:
        await asyncio.sleep(0.001)
    with pytest.raises(CallerNotFoundError):
        find_caller(rig.room, AgentSession(), CALLER)
    assert await made_anew(rig.room)
    assert find_caller(rig.room, AgentSession(), CALLER) == CALLER
    await again
    assert not await made_anew(rig.room), "it stands: nobody has to wait"


async def test_the_caller_hangs_up_while_our_connection_is_made_anew(rig: LiveKitRig) -> None:
    events = Events(rig.control)
    dialling = asyncio.create_task(
        rig.control.dial(rig.human(RingsOn()), identity="human-1", ring_timeout=20.0)
    )
    await rig.human_is("ringing")
    await rig.run(0.3)
    again = asyncio.create_task(anew(rig.room))
    while rig.room.remote_participants:
        await asyncio.sleep(0.001)
    began = time.monotonic()
    await rig.hang_up("caller")
    try:
        await events.wait(LegLeft, CALLER, within=12.0)
        assert time.monotonic() - began < 1.5
    finally:
        dialling.cancel()
        await asyncio.gather(dialling, again, return_exceptions=True)


async def test_bridged_at_once_the_agent_receives_nobody(rig: LiveKitRig) -> None:
    found = []
    for number in range(5):
        leg = await rig.control.dial(
            rig.human(Answers(after=0.0)), identity=f"human-{number}", ring_timeout=5.0
        )
        await rig.control.bridge(leg)
        await rig.run(0.7)
        found.append(received(rig))
        await rig.control.hang_up(leg)
        await rig.run(0.3)
    assert found == [set()] * 5
