"""Who is in a simulated call: callers without a phone, other parties in the room, several legs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession

from livetransfer import CallerNotFoundError, HoldMusicPlayer, TransferStatus, WarmTransfer
from livetransfer.control import Leg, LegLeft, LegReturned
from livetransfer.destination import Destination
from livetransfer.errors import ReferFailed
from livetransfer.hold import Comfort
from livetransfer.testing import (
    HangUp,
    Human,
    Say,
    ScriptedLLM,
    ScriptedTTS,
    Simulation,
    Wait,
    WaitForBridge,
    Web,
    simulate,
)

ANN, BOB, EVE = "+15550100", "+15550101", "+15550177"


def new_session() -> AgentSession[Any]:
    return AgentSession(
        llm=ScriptedLLM(), tts=ScriptedTTS(), vad=None, turn_handling={"turn_detection": None}
    )


# A caller without a phone.


async def test_a_web_caller_has_no_number_and_takes_no_refer() -> None:
    async with simulate(caller=Web("anna")) as call:
        control = call.new_control(new_session())
        assert (control.caller.identity, control.caller.kind) == ("anna", "web")
        assert control.caller_number is None
        assert control.call_id(control.caller) is None
        with pytest.raises(ReferFailed, match="on the web"):
            await control.refer(Leg("anna"), "sip:100@pbx.example.com", headers={}, timeout=5.0)
        assert call.caller.on_the_line


async def test_a_web_caller_reloads_the_page() -> None:
    async with simulate(humans={ANN: Human.silent()}, caller=Web()) as call:
        session = new_session()
        call.attach(session, close_on_disconnect=False)
        control = call.new_control(session)
        events: list[object] = []
        control.subscribe(events.append)
        leg = await control.dial(Destination(ANN), identity="human-1", ring_timeout=10.0)
        call.caller.hang_up("the page was reloaded")
        assert not control.caller_present
        await asyncio.sleep(0.5)
        call.caller.comes_back()
        assert control.caller_present
        await asyncio.sleep(0)
        assert events[-2:] == [LegLeft("caller", "the page was reloaded"), LegReturned("caller")]
        assert not call.caller.talks_to(ANN)  # the human is as sealed as before
        await control.bridge(leg)
        assert call.caller.talks_to(ANN)
        call.caller.hang_up()
        assert not call.caller.talks_to(ANN)
        call.caller.comes_back()
        assert call.caller.talks_to(ANN)


async def test_what_is_played_to_a_web_caller_is_heard_again() -> None:
    async with simulate(caller=Web()) as call:
        control = call.new_control(new_session())
        player = HoldMusicPlayer()
        handle = player.play(await control.open_audio(["caller"]))
        await asyncio.sleep(2)
        call.caller.hang_up()
        await asyncio.sleep(1)
        call.caller.comes_back()
        await asyncio.sleep(2)
        music = call.caller.heard("hold-music")
        assert [round(h.duration) for h in music] == [2, 2]
        assert music[1].start - music[0].end == pytest.approx(1.0, abs=0.1)
        handle.stop()
        await handle.wait()


async def test_a_phone_does_not_come_back() -> None:
    async with simulate() as call:
        call.caller.hang_up()
        with pytest.raises(RuntimeError, match="simulate\\(caller=Web\\(\\)\\)"):
            call.caller.comes_back()
    async with simulate(caller=Web()) as call:
        with pytest.raises(RuntimeError, match="has not left"):
            call.caller.comes_back()


# Others in the room.


async def test_another_party_hears_the_caller_and_whoever_is_bridged() -> None:
    humans = {ANN: Human(1, [Say("Ann.", seconds=60)])}
    async with simulate(humans, others=[EVE]) as call:
        (eve,) = call.others
        control = call.new_control(new_session(), "caller")
        talking = asyncio.create_task(call.caller.says("Hello.", seconds=60))
        leg = await control.dial(Destination(ANN), identity="human-1", ring_timeout=10.0)
        await asyncio.sleep(1)
        assert eve.hears("caller")
        assert not eve.hears(ANN)
        assert not call.human(ANN).hears("caller")
        await control.bridge(leg)
        await asyncio.sleep(1)
        assert eve.hears(ANN)
        assert eve.talks_to(ANN)
        talking.cancel()


async def test_who_of_several_is_the_caller_has_to_be_said() -> None:
    async with simulate(others=[EVE, Web("bob")]) as call:
        with pytest.raises(CallerNotFoundError, match=r"caller, sip_\+15550177, bob"):
            call.new_control(new_session())
        with pytest.raises(CallerNotFoundError, match="nobody-here"):
            call.new_control(new_session(), "nobody-here")
        assert call.new_control(new_session(), "bob").caller == Leg("bob")
        # A session on somebody's line is linked to him.
        session = new_session()
        call.attach(session)
        assert call.new_control(session).caller == Leg("caller")
        # Of those who are still there, one is left.
        call.caller.hang_up()
        call.others[1].hang_up()
        assert call.new_control(new_session()).caller == Leg(f"sip_{EVE}")


async def test_a_transfer_of_the_one_who_was_named() -> None:
    humans = {ANN: Human.accepts(then=[Wait(5), HangUp()])}
    async with simulate(humans, others=[EVE]) as call:
        session = new_session()
        call.attach(session)
        await session.start(Agent(instructions=""))
        outcome = await WarmTransfer(ANN, caller=f"sip_{EVE}").run(session)
        assert outcome.status is TransferStatus.BRIDGED
        assert call.control.caller == Leg(f"sip_{EVE}")
        assert call.others[0].heard("hold-music")
        assert not call.caller.heard("hold-music")
        await outcome.ended()


# Several legs in one attempt.


async def both(call: Simulation) -> tuple[Leg, Leg]:
    control = call.new_control(new_session())
    one, other = await asyncio.gather(
        control.dial(Destination(ANN), identity="human-1", ring_timeout=10.0),
        control.dial(Destination(BOB), identity="human-2", ring_timeout=10.0),
    )
    return one, other


async def test_legs_are_sealed_from_each_other() -> None:
    async with simulate({ANN: Human.silent(1), BOB: Human.silent(1)}) as call:
        first, second = await both(call)
        assert not call.human(ANN).talks_to(BOB)
        await call.control.bridge(first)
        assert call.caller.talks_to(ANN)
        assert not call.human(BOB).talks_to(ANN)
        assert not call.human(BOB).talks_to("caller")
        await call.control.bridge(second)
        assert call.human(BOB).talks_to(ANN)
        await call.control.seal(first)
        assert call.caller.talks_to(BOB)
        assert not call.human(ANN).talks_to(BOB)
        assert not call.human(ANN).talks_to("caller")


async def test_a_human_waits_for_his_own_bridge() -> None:
    waits = Human(1, [WaitForBridge(), Say("Here I am.")])
    async with simulate({ANN: waits, BOB: waits}) as call:
        first, second = await both(call)
        await call.control.bridge(second)
        await asyncio.sleep(3)
        assert call.caller.heard(BOB)
        assert not call.caller.heard(ANN)
        await call.control.hang_up(second)
        await call.control.bridge(first)
        await asyncio.sleep(3)
        assert call.caller.heard(ANN)


# Lines over the music.


async def test_a_comfort_line_is_on_the_tape_with_its_words() -> None:
    async with simulate({ANN: Human.no_answer()}) as call:
        session = new_session()
        call.attach(session)
        await session.start(Agent(instructions=""))
        comfort = Comfort(["You are still in the queue.", "Somebody will be with you."], every=5)
        outcome = await WarmTransfer(
            ANN, hold_music=HoldMusicPlayer(comfort=comfort), ring_timeout=20
        ).run(session)
        assert not outcome.succeeded
        lines = call.caller.heard("comfort")
        assert [line.text for line in lines][:2] == list(comfort.lines)  # type: ignore[arg-type]
        assert lines[0].duration == pytest.approx(27 / 15, abs=0.3)
        music = call.caller.heard("hold-music")
        assert any(h.start <= lines[0].start and lines[0].end <= h.end for h in music)
        assert "You are still in the queue." in call.caller.heard_text
