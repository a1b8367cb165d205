"""What every CallControl does, whatever carries the call."""

from __future__ import annotations

import asyncio
import time

import pytest

from livetransfer.control import (
    CallControl,
    CallLost,
    KeyPressed,
    Leg,
    LegAnswered,
    LegLeft,
    LegRinging,
)
from livetransfer.errors import BridgeFailed, DialFailed, ReferFailed
from livetransfer.status import TransferStatus

from .rigs import Answers, Events, ReferScript, Refuses, Rig, RingsOn, answered

# The voices may meet for instants right after the answer; promised is never later than this.
INSTANTS = 0.2


def test_it_is_a_call_control(rig: Rig) -> None:
    assert isinstance(rig.control, CallControl)
    assert rig.control.caller_present
    assert rig.control.caller.destination is None


async def test_answered_and_sealed_both_ways(rig: Rig) -> None:
    leg = await answered(rig)
    assert leg.identity == "human-1"
    await rig.run(INSTANTS)
    rig.forget()
    await rig.run(1.5)
    assert rig.heard("caller", "human") == 0
    assert rig.heard("human", "caller") == 0


async def test_events_of_a_dial(rig: Rig) -> None:
    events = Events(rig.control)
    await answered(rig, "human-7", after=0.5)
    await events.wait(LegRinging, "human-7")
    await events.wait(LegAnswered, "human-7")
    assert len(events.of(LegAnswered, "human-7")) == 1
    await rig.hang_up("human")
    await events.wait(LegLeft, "human-7", within=1.0)
    assert rig.control.caller_present


async def test_each_leg_has_a_call_id_of_its_own_and_keeps_it(rig: Rig) -> None:
    assert rig.control.call_id(Leg("nobody")) is None
    leg = await answered(rig)
    for _ in range(50):  # it comes with the leg's attributes, a moment after the answer
        caller, human = (rig.control.call_id(each) for each in (rig.control.caller, leg))
        if human:
            break
        await rig.run(0.02)
    assert caller
    assert human
    assert caller != human
    await rig.hang_up("human")
    await rig.human_is("ended")
    assert rig.control.call_id(leg) == human


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (486, TransferStatus.BUSY),
        (603, TransferStatus.DECLINED),
        (404, TransferStatus.INVALID_DESTINATION),
        (480, TransferStatus.NO_ANSWER),
        (503, TransferStatus.TRUNK_UNAVAILABLE),
    ],
)
async def test_refused(rig: Rig, code: int, status: TransferStatus) -> None:
    destination = rig.human(Refuses(code, after=0.2))
    with pytest.raises(DialFailed) as caught:
        await rig.control.dial(destination, identity="human-1", ring_timeout=10.0)
    assert (caught.value.status, caught.value.sip_code) == (status, code)
    assert not caught.value.indeterminate
    assert rig.human_state == "ended"


async def test_nobody_answers(rig: Rig) -> None:
    destination = rig.human(RingsOn())
    with pytest.raises(DialFailed) as caught:
        await rig.control.dial(destination, identity="human-1", ring_timeout=2.0)
    assert caught.value.status is TransferStatus.NO_ANSWER
    await rig.human_is("ended", 1.0)


async def test_cancelled_while_ringing_the_phone_stops(rig: Rig) -> None:
    destination = rig.human(RingsOn())
    dialling = asyncio.create_task(
        rig.control.dial(destination, identity="human-1", ring_timeout=20.0)
    )
    await rig.human_is("ringing")
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    await rig.human_is("ended", 1.0)


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02, 0.05])
async def test_cancelled_at_once_no_phone_rings_on(rig: Rig, delay: float) -> None:
    destination = rig.human(RingsOn())
    dialling = asyncio.create_task(
        rig.control.dial(destination, identity="human-1", ring_timeout=20.0)
    )
    await rig.run(delay)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    await rig.run(1.0)
    assert rig.human_state in ("idle", "ended")


async def test_hang_up_stops_a_ringing_phone(rig: Rig) -> None:
    destination = rig.human(RingsOn())
    dialling = asyncio.create_task(
        rig.control.dial(destination, identity="human-1", ring_timeout=20.0)
    )
    await rig.human_is("ringing")
    await rig.control.hang_up(Leg("human-1", destination))
    with pytest.raises(DialFailed):
        await dialling
    await rig.human_is("ended", 1.0)


async def test_bridge_both_hear_each_other(rig: Rig) -> None:
    leg = await answered(rig)
    await rig.run(0.5)
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    rig.forget()
    await rig.run(2.0)
    assert rig.heard("caller", "human") > 1800
    assert rig.heard("human", "caller") > 1800


async def test_bridge_right_after_the_answer(rig: Rig) -> None:
    await rig.control.bridge(await answered(rig))
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    rig.forget()
    await rig.run(2.5)
    assert rig.heard("caller", "human") > 2200
    assert rig.heard("human", "caller") > 2200


async def test_unsealed_they_are_joined_at_the_answer(rig: Rig) -> None:
    await answered(rig, sealed=False)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))


async def test_only_the_named_hear_the_audio(rig: Rig) -> None:
    music = await rig.control.open_audio([rig.control.caller.identity])
    began = time.monotonic()
    await rig.play(music, "music")
    assert await rig.hears("caller", "music", 1.0) - began < 0.3
    await answered(rig)
    await rig.run(1.0)
    assert rig.heard("human", "music") == 0
    # The seal may take it away for a moment; it comes back.
    rig.forget()
    await rig.run(1.0)
    assert rig.heard("caller", "music") > 900
    await music.aclose()
    await music.aclose()
    await rig.deaf_to("caller", "music", 1.0)


async def test_audio_for_both(rig: Rig) -> None:
    leg = await answered(rig)
    both = await rig.control.open_audio(
        [rig.control.caller.identity, leg.identity], name="introduction"
    )
    await rig.play(both, "introduction")
    await asyncio.gather(rig.hears("caller", "introduction"), rig.hears("human", "introduction"))
    await both.aclose()


async def test_the_conversation_is_for_the_human_only(rig: Rig) -> None:
    music = await rig.control.open_audio([rig.control.caller.identity])
    await rig.play(music, "music")
    conversation = await rig.control.open_conversation("human-1")
    await rig.brief(conversation)
    await answered(rig, "human-1", after=1.0)
    await rig.hears("human", "briefing", 1.0)
    await rig.run(1.5)
    assert rig.heard("caller", "briefing") == 0
    assert rig.heard("human", "music") == 0
    await conversation.aclose()
    await conversation.aclose()
    await rig.deaf_to("human", "briefing", 1.0)
    await music.aclose()


async def test_hang_up_is_idempotent(rig: Rig) -> None:
    leg = await answered(rig)
    await rig.control.hang_up(leg)
    await rig.human_is("ended", 1.0)
    await rig.control.hang_up(leg)
    await rig.control.hang_up(Leg("nobody"))
    assert rig.control.caller_present


async def test_keys(rig: Rig) -> None:
    events = Events(rig.control)
    await answered(rig)
    await rig.run(0.3)
    await rig.press("human", "1")
    assert await events.wait(KeyPressed, "human-1") == KeyPressed("human-1", "1")


async def test_the_caller_hangs_up(rig: Rig) -> None:
    events = Events(rig.control)
    await rig.hang_up("caller")
    await events.wait(LegLeft, rig.control.caller.identity, within=1.0)
    assert not rig.control.caller_present
    assert not events.of(CallLost)


async def test_the_caller_hangs_up_while_it_rings(rig: Rig) -> None:
    events = Events(rig.control)
    dialling = asyncio.create_task(
        rig.control.dial(rig.human(RingsOn()), identity="human-1", ring_timeout=20.0)
    )
    await rig.human_is("ringing")
    await rig.hang_up("caller")
    await events.wait(LegLeft, rig.control.caller.identity, within=1.0)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    await rig.human_is("ended", 1.0)


async def test_no_bridge_to_somebody_who_left(rig: Rig) -> None:
    leg = await answered(rig)
    await rig.control.hang_up(leg)
    with pytest.raises(BridgeFailed):
        await rig.control.bridge(leg)


async def test_seal_is_idempotent_and_works_after_the_bridge(rig: Rig) -> None:
    leg = await answered(rig)
    await rig.control.seal(leg)
    await rig.control.seal(leg)
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    await rig.control.seal(leg)
    await asyncio.gather(rig.deaf_to("caller", "human"), rig.deaf_to("human", "caller"))
    rig.forget()
    await rig.run(1.0)
    assert rig.heard("caller", "human") == 0
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))


async def test_a_second_leg_after_the_first(rig: Rig) -> None:
    first = await answered(rig, "human-1")
    await rig.control.hang_up(first)
    await rig.human_is("ended")
    second = await answered(rig, "human-2")
    await rig.control.bridge(second)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))


async def test_refer_accepted(rig: Rig) -> None:
    rig.on_refer(ReferScript())
    events = Events(rig.control)
    await rig.control.refer(
        rig.control.caller, rig.refer_target, headers={"X-Ticket": "7"}, timeout=10.0
    )
    await events.wait(LegLeft, rig.control.caller.identity, within=4.0)


@pytest.mark.parametrize("code", [603, 405])
async def test_refer_refused(rig: Rig, code: int) -> None:
    rig.on_refer(ReferScript(response=code, notify=()))
    with pytest.raises(ReferFailed) as caught:
        await rig.control.refer(rig.control.caller, rig.refer_target, headers={}, timeout=10.0)
    assert caught.value.sip_code == code
    assert not caught.value.target_reached
    assert not caught.value.indeterminate
    assert rig.control.caller_present


async def test_refer_failed_at_the_target(rig: Rig) -> None:
    rig.on_refer(ReferScript(notify=(100, 486)))
    with pytest.raises(ReferFailed) as caught:
        await rig.control.refer(rig.control.caller, rig.refer_target, headers={}, timeout=10.0)
    assert caught.value.status is TransferStatus.BUSY
    assert caught.value.sip_code == 486
    assert caught.value.target_reached
    assert rig.control.caller_present


async def test_refer_without_an_end(rig: Rig) -> None:
    rig.on_refer(ReferScript(notify=()))
    with pytest.raises(ReferFailed) as caught:
        await rig.control.refer(rig.control.caller, rig.refer_target, headers={}, timeout=2.0)
    assert caught.value.indeterminate
    assert caught.value.status is TransferStatus.INDETERMINATE


async def test_the_ai_leaves_and_they_talk_on(rig: Rig) -> None:
    leg = await answered(rig)
    await rig.control.bridge(leg)
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))
    await rig.control.leave()
    rig.forget()
    await rig.run(1.5)
    assert rig.heard("caller", "human") > 1300
    assert rig.heard("human", "caller") > 1300


async def test_closed_twice_it_leaves_the_legs_alone(rig: Rig) -> None:
    leg = await answered(rig)
    await rig.control.bridge(leg)
    await rig.control.aclose()
    await rig.control.aclose()
    await asyncio.gather(rig.hears("caller", "human"), rig.hears("human", "caller"))


def test_answers_is_the_usual_human() -> None:
    assert Answers().after > 0
