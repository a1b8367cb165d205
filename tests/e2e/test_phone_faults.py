"""Phones that misbehave, on real calls: early media, passwords, re-INVITEs, silence, vanishing."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from . import cast, judge, tones
from .aftermath import (
    dialled_once,
    heard_by_now,
    nobody_but_agents,
    nothing_of_ours,
    told,
)
from .backoffice import Backoffice
from .behaviour import Answer
from .call import Call
from .conftest import PhoneFactory
from .sip_messages import Credentials
from .switchboard import Switchboard, TransferCall

EARLY = 300
"""The tone of early media."""


async def bridged(call: TransferCall) -> Call:
    await call.ask()
    human = await call.human()
    await call.briefed(human)
    await call.joined(human)
    return human


async def test_early_media_is_no_answer(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=2.0, early_media=True, early_tone=EARLY)])
    await call.ask()
    human = await call.human()
    await human.wait("early_media")
    await call.briefed(human)
    await call.joined(human)
    answered = human.at("answered")
    assert answered is not None
    assert await call.phase("briefing") >= answered
    assert judge.heard(human, [cast.BRIEFING], 0.0, answered) == 0, "briefed before the answer"
    assert judge.heard(call.caller, [EARLY], 0.0) == 0, "the caller heard the early media"
    judge.nothing_of_the_briefing(call.caller, human)
    dialled_once(call)
    await call.caller.hang_up()
    await nobody_but_agents(call)


@pytest.mark.parametrize("right", [True, False], ids=["right password", "wrong password"])
async def test_a_trunk_with_a_password(
    switchboard: Switchboard, office: Backoffice, phone: PhoneFactory, right: bool
) -> None:
    secret = Credentials("trunk", "secret")
    desk = await phone(Answer(after=0.5), auth=secret)
    trunk = await office.trunk(
        desk.address, auth=secret if right else Credentials("trunk", "guessed")
    )
    target = {"address": "+15550100777", "trunk_id": trunk}
    call = await switchboard.call([], destination=target)
    call.phones.append(desk)
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, within=25))
    asked = time.monotonic()
    if right:
        human = await bridged(call)
        sorry.cancel()
        assert [invite.challenged for invite in desk.invites] == [True, False]
        await human.hang_up()
        await call.caller.wait("ended", 2)
        await nobody_but_agents(call)
    else:
        await call.ask()
        assert (await call.outcome())["status"] == "trunk_unavailable"
        told("wrong password", the_AI_is_back_after=await sorry - asked)
        await call.caller.stops_hearing(cast.SORRY)
        await call.only_caller_and_agent()
        await call.served_again()
        assert not desk.calls, "it rang"
    dialled_once(call)


async def test_the_human_holds_and_resumes(switchboard: Switchboard) -> None:
    """livekit-sip 1.2.0 does not answer the re-INVITE of a phone that it dialled; 1.10.0 does."""
    call = await switchboard.call([Answer(after=0.5)])
    human = await bridged(call)
    since = time.monotonic()
    for reinvite in (human.hold, human.resume):
        with contextlib.suppress(TimeoutError):
            await reinvite(0.5)
    for reinvite in (call.caller.hold, call.caller.resume):
        await reinvite(2)
    await asyncio.sleep(0.5)
    until = time.monotonic() - 0.1
    for listener, voice in ((call.caller, cast.HUMAN), (human, cast.CALLER)):
        assert tones.longest_gap(listener.recording, voice, since, until) <= 0.3
    assert not call.reported("end")
    await human.hang_up()
    await call.caller.wait("ended", 2)
    await nobody_but_agents(call)


# What takes the media timeouts of livekit-sip: 30 s before the first packet, 15 s after.


@pytest.mark.slow
@pytest.mark.parametrize("who", ["caller", "human"])
async def test_one_vanishes_while_they_talk(switchboard: Switchboard, who: str) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    human = await bridged(call)
    gone, other = (call.caller, human) if who == "caller" else (human, call.caller)
    moment = time.monotonic()
    gone.vanish()
    hung_up = (await other.wait("ended", 45)).at
    assert other.ended_by == "them"
    told(f"{who} vanishes while they talk", the_other_is_hung_up_after=hung_up - moment)
    assert 14 < hung_up - moment < 35
    assert (await call.told("end")).fields["by"] == who
    await nobody_but_agents(call)


@pytest.mark.slow
async def test_the_human_vanishes_in_the_briefing(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    human = await call.human()
    await human.hears(cast.BRIEFING)
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, within=60))
    moment = time.monotonic()
    human.vanish()
    outcome = await call.outcome(within=60)
    heard = await sorry
    told("human vanishes in the briefing", the_AI_is_back_after=heard - moment)
    assert outcome["status"] in ("human_left", "timed_out")
    judge.never_left_in_silence(call.caller, moment, heard)
    await call.caller.stops_hearing(cast.SORRY)
    await call.only_caller_and_agent()
    await call.served_again()
    dialled_once(call)


@pytest.mark.slow
async def test_the_caller_vanishes_while_it_rings(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=55)], options={"ring_timeout": 60})
    await call.ask()
    human = await call.human()
    await call.phase("ringing")
    moment = time.monotonic()
    call.caller.vanish()
    stopped = (await human.wait("ended", 45)).at
    told("caller vanishes while it rings", the_phone_stops_after=stopped - moment)
    assert human.ended_with == "CANCEL"
    assert (await call.outcome())["status"] == "caller_left"
    await nobody_but_agents(call)


@pytest.mark.slow
async def test_a_phone_answers_and_sends_no_audio(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5, rtp=False)])
    await call.ask()
    human = await call.human()
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, within=60))
    answered = (await human.wait("answered")).at
    outcome = await call.outcome(within=60)
    heard = await sorry
    told(
        "answered without audio",
        the_human_hears_the_briefing_after=await _first_briefing(human) - answered,
        the_AI_is_back_after=heard - answered,
    )
    assert outcome["status"] == "human_left"
    judge.never_left_in_silence(call.caller, answered, heard)
    await call.caller.stops_hearing(cast.SORRY)
    await call.only_caller_and_agent()
    await call.served_again()
    assert human.ended_by == "them"
    dialled_once(call)


async def _first_briefing(human: Call) -> float:
    found = tones.first_heard(human.recording, cast.BRIEFING)
    assert found is not None
    return found


@pytest.mark.slow
async def test_a_hold_without_audio_for_longer_than_the_media_timeout(
    switchboard: Switchboard,
) -> None:
    """A human who mutes his phone so that it sends no packets at all is hung up by livekit-sip."""
    call = await switchboard.call([Answer(after=0.5)])
    human = await bridged(call)
    moment = time.monotonic()
    human.mute()
    hung_up = (await call.caller.wait("ended", 45)).at
    told("the human's phone sends nothing", the_caller_is_hung_up_after=hung_up - moment)
    assert human.ended
    assert (await call.told("end")).fields["by"] == "human"
    await nobody_but_agents(call)
    await nothing_of_ours(call)


@pytest.mark.slow
async def test_a_short_pause_of_a_phone_ends_nothing(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    human = await bridged(call)
    human.mute()
    await asyncio.sleep(8)
    human.mute(False)
    await heard_by_now(call, human)
    await call.caller.hang_up()
    await human.wait("ended", 2)
    await nobody_but_agents(call)
