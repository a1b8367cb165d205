"""Warm transfers on real calls that fail: the caller is back with the AI, or the call is over."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from . import cast, judge, tones
from .behaviour import Answer, NeverAnswer, Reject
from .call import Call
from .switchboard import PATIENCE, Switchboard, TransferCall


async def back_with_the_ai(call: TransferCall, sorry: asyncio.Future[float]) -> dict[str, Any]:
    """The caller hears music until the AI says sorry, and is served again; nothing is left over."""
    heard = await sorry
    outcome = await call.outcome()
    music = tones.first_heard(call.caller.recording, cast.MUSIC)
    assert music is not None
    judge.never_left_in_silence(call.caller, music, heard)
    await call.caller.stops_hearing(cast.SORRY, PATIENCE)
    await call.only_caller_and_agent()
    after = time.monotonic()
    await call.served_again()
    assert judge.heard(call.caller, [cast.MUSIC], after) == 0
    assert all(len(phone.call_ids) == 1 for phone in call.phones), "dialled twice"
    return outcome


def sorry(call: TransferCall) -> asyncio.Future[float]:
    return asyncio.ensure_future(call.caller.hears(cast.SORRY, PATIENCE))


async def test_refused(switchboard: Switchboard) -> None:
    async def refused(code: int, after: float, status: str) -> None:
        call = await switchboard.call([Reject(code, after=after)])
        await call.ask()
        outcome = await back_with_the_ai(call, sorry(call))
        assert (outcome["status"], outcome["sip_code"]) == (status, code)

    await asyncio.gather(
        refused(486, 0.5, "busy"),
        refused(404, 0.0, "invalid_destination"),
        refused(603, 1.0, "declined"),
    )


async def test_a_busy_line_and_a_callback(switchboard: Switchboard) -> None:
    """The AI has the caller back, reads his number back, and promises the call once."""
    step = {"kind": "warm", "options": {}, "offers": "callback", "model": "calls back"}
    call = await switchboard.call([Reject(486, after=0.5)], transfers=[step])
    await call.ask()
    outcome = await back_with_the_ai(call, sorry(call))
    assert "Offer the caller to be called back" in outcome["text"]
    call.caller.quiet()
    read_back = asyncio.ensure_future(call.caller.hears(cast.GREETING, PATIENCE))
    await call.caller.say(tones.tone(cast.NUMBER, 1.0))
    await read_back
    await call.caller.stops_hearing(cast.GREETING, PATIENCE)
    assert not call.reported("callback")
    promise = asyncio.ensure_future(call.caller.hears(cast.BACK, PATIENCE))
    await call.caller.say(tones.tone(cast.YES, 1.0))
    await promise
    assert [kept.fields["number"] for kept in call.reported("callback")] == ["+442079460000"]
    await call.told("offer_decided", offer="callback", result="made")
    await call.served_again()


async def test_a_busy_line_and_a_message(switchboard: Switchboard) -> None:
    """The message has the caller's own words as audio, and nothing of the AI's."""
    step = {"kind": "warm", "options": {}, "offers": "message", "model": "takes messages"}
    call = await switchboard.call([Reject(486, after=0.5)], transfers=[step])
    await call.ask()
    await back_with_the_ai(call, sorry(call))
    call.caller.quiet()
    passed_on = asyncio.ensure_future(call.caller.hears(cast.BACK, PATIENCE))
    await call.caller.say(tones.tone(cast.NUMBER, 2.0))
    await passed_on
    (message,) = call.reported("message")
    assert (message.fields["text"], message.fields["number"]) == ("Call back.", "+15550001")
    assert message.fields["words"][-1] == cast.HEARD[cast.NUMBER]
    assert message.fields["heard"]["number"] > 1.5
    assert message.fields["heard"]["sorry"] == 0
    await call.served_again()


async def test_not_answered(switchboard: Switchboard) -> None:
    call = await switchboard.call([NeverAnswer()], options={"ring_timeout": 2})
    await call.ask()
    human = await call.human()
    outcome = await back_with_the_ai(call, sorry(call))
    assert outcome["status"] == "no_answer"
    assert human.ended_with == "CANCEL"
    rang = human.at("ended") or 0.0
    assert 1.5 < rang - (human.at("ringing") or 0.0) < 3.5


async def test_declined_by_voice(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    waiting = sorry(call)
    human = await call.human()
    farewell = asyncio.ensure_future(human.hears(cast.FAREWELL, PATIENCE))
    await call.briefed(human, cast.NO)
    await farewell
    outcome = await back_with_the_ai(call, waiting)
    assert (outcome["status"], outcome["reason"]) == ("declined", "in a meeting")
    assert human.ended_by == "them"
    judge.nothing_of_the_briefing(call.caller, human)
    judge.voices_apart(call.caller, human, tones.NEVER)


async def test_declined_by_key(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    waiting = sorry(call)
    human = await call.human()
    await human.hears(cast.BRIEFING, PATIENCE)
    farewell = asyncio.ensure_future(human.hears(cast.FAREWELL, PATIENCE))
    await human.press("2")
    await farewell
    assert (await back_with_the_ai(call, waiting))["status"] == "declined"
    assert human.ended_by == "them"


async def test_the_human_hangs_up_during_the_briefing(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    waiting = sorry(call)
    human = await call.human()
    await human.hears(cast.BRIEFING, PATIENCE)
    await human.hang_up()
    assert (await back_with_the_ai(call, waiting))["status"] == "human_left"
    judge.nothing_of_the_briefing(call.caller, human)


async def test_the_caller_hangs_up_while_it_rings(switchboard: Switchboard) -> None:
    call = await switchboard.call([NeverAnswer()])
    await call.ask()
    human = await call.human()
    await human.wait("ringing", PATIENCE)
    await call.phase("ringing")
    hung_up = time.monotonic()
    await call.caller.hang_up()
    stopped = (await human.wait("ended", PATIENCE)).at
    assert human.ended_with == "CANCEL"
    assert stopped - hung_up < 1.0
    assert (await call.outcome())["status"] == "caller_left"
    await _room_is_over(call)


async def test_the_caller_hangs_up_during_the_briefing(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    human: Call = await call.human()
    await human.hears(cast.BRIEFING, PATIENCE)
    told = asyncio.ensure_future(human.hears(cast.FAREWELL, PATIENCE))
    await call.caller.hang_up()
    await told
    await human.wait("ended", PATIENCE)
    assert human.ended_by == "them"
    assert (await call.outcome())["status"] == "caller_left"
    await _room_is_over(call)


async def _room_is_over(call: TransferCall) -> None:
    """The session has closed, and no leg is left."""
    await call.told("closed")
    assert not [identity for identity in await call.room() if not identity.startswith("agent-")]
