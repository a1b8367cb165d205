"""Warm transfers on real calls, judged by what the phones hear: the human accepts."""

from __future__ import annotations

import asyncio
import time

from . import cast, judge, tones
from .behaviour import Answer
from .call import Call
from .switchboard import PATIENCE, SPOKEN, Switchboard, TransferCall

KEY_ONE = (700, 1200)
"""Hz: nearest to what the key 1 sounds like, 697 and 1209."""


async def accepted(call: TransferCall, index: int = 0, by_key: bool = False) -> Call:
    """The caller asks, the human agrees, both talk."""
    await call.ask()
    human = await call.human(index)
    if by_key:
        await human.hears(cast.BRIEFING, PATIENCE)
        await human.press("1")
    else:
        await call.briefed(human)
    await call.joined(human)
    return human


async def test_accepted_by_voice_then_the_ai_is_silent_and_deaf(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=1.0)])
    music = asyncio.ensure_future(call.caller.hears(cast.MUSIC, PATIENCE))
    human = await accepted(call)
    judge.nothing_of_the_briefing(call.caller, human)
    talking = tones.first_heard(
        call.caller.recording, cast.HUMAN, after=await call.phase("bridging")
    )
    assert talking is not None
    judge.never_left_in_silence(call.caller, await music, talking)

    outcome = await call.outcome()
    assert outcome["status"] == "bridged"
    assert outcome["summary"] == "The caller asks about an invoice."
    assert outcome["text"] == "The caller is now talking with the person."

    # The music fades under the human's voice.
    since = await call.caller.stops_hearing(cast.MUSIC, PATIENCE)
    assert since - talking < 1.0
    await call.caller.say(tones.tone(cast.ACCOUNT, SPOKEN))  # the AI would answer this
    await human.say(tones.tone(cast.YES, SPOKEN))  # and that
    await asyncio.sleep(2.0)
    judge.nothing_of_the_ai((call.caller, human), since)
    assert not call.requests_after(await call.phase("bridged"))

    await call.caller.hang_up()
    await human.wait("ended", PATIENCE)
    assert (await call.told("end")).fields["by"] == "caller"


async def test_accepted_by_key_and_the_human_ends_the_call(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    human = await accepted(call, by_key=True)
    judge.nothing_of_the_briefing(call.caller, human)
    assert (await call.outcome())["status"] == "bridged"
    await human.hang_up()
    await call.caller.wait("ended", PATIENCE)
    assert call.caller.ended_by == "them"
    assert (await call.told("end")).fields["by"] == "human"
    await call.told("closed")


async def test_a_humans_key_reaches_the_callers_phone_as_an_event_and_not_as_a_tone(
    switchboard: Switchboard,
) -> None:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    human = await call.human()
    await human.hears(cast.BRIEFING, PATIENCE)
    key = asyncio.ensure_future(call.caller.wait("dtmf", PATIENCE))
    pressed = await human.press("1")
    await call.joined(human)
    # A server sends the packet to the whole room: docs/topics/bridging.md says so.
    assert (await key).detail == call.caller.digits == "1"
    recording = call.caller.recording
    for pitch in KEY_ONE:
        found = tones.windows_with(recording, pitch, after=pressed - 0.3, before=pressed + 0.7)
        assert len(found) < 3, f"{pitch} Hz for {len(found) * 20} ms"


async def test_answered_at_once_the_human_is_greeted_before_the_summary(
    switchboard: Switchboard,
) -> None:
    call = await switchboard.call([Answer()])
    await call.ask()
    human = await call.human()
    first = await human.hears(cast.BRIEFING, PATIENCE)
    answered = human.at("answered")
    assert answered is not None
    assert first - answered < 1.0  # how fast it is, the benchmark says
    await call.briefed(human, after=1.0)
    await call.joined(human)
    judge.nothing_of_the_briefing(call.caller, human)


async def test_the_ai_talks_with_the_caller_while_it_rings(switchboard: Switchboard) -> None:
    options = {"while_ringing": "conversation"}
    call = await switchboard.call([Answer(after=6.0)], options=options)
    await call.ask()
    human = await call.human()
    await human.wait("ringing")
    await call.served_again()
    assert human.at("answered") is None
    heard = judge.heard(call.caller, [cast.MUSIC], 0.0)
    assert heard == 0, f"{heard} ms of music in a conversation"

    await call.caller.hears(cast.MUSIC, PATIENCE)
    answered = human.at("answered")
    assert answered is not None
    assert await human.hears(cast.BRIEFING, PATIENCE) - answered < 1.0
    await call.briefed(human, after=1.0)
    await call.joined(human)
    judge.nothing_of_the_briefing(call.caller, human)
    outcome = await call.outcome()
    assert outcome["status"] == "bridged"
    told = [r for r in call.reported("llm") if r.fields["reply"] == outcome["summary"]]
    assert "account number" in told[-1].fields["user"], "what was said meanwhile is in it"


async def test_return_and_a_second_transfer_in_the_same_call(switchboard: Switchboard) -> None:
    call = await switchboard.call(
        [Answer(after=0.5), Answer(after=0.5)],
        transfers=[
            {"kind": "warm", "to": [0], "options": {"after": "return"}},
            {"kind": "warm", "to": [1]},
        ],
    )
    first = await accepted(call)
    back = asyncio.ensure_future(call.caller.hears(cast.BACK, PATIENCE))
    await first.hang_up()
    await back
    assert (await call.told("end")).fields | {"seconds": 0} == {
        "call": call.name,
        "by": "human",
        "returned": True,
        "seconds": 0,
    }
    await call.caller.stops_hearing(cast.BACK, PATIENCE)
    await call.served_again()
    await call.only_caller_and_agent()

    second = await accepted(call, 1)
    assert (await call.outcome(2))["status"] == "bridged"
    await call.caller.hang_up()
    await second.wait("ended", PATIENCE)
    assert [len(phone.call_ids) for phone in call.phones] == [1, 1]


async def test_the_ai_leaves_and_the_two_go_on(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=0.5)], options={"after": "leave"})
    human = await accepted(call)
    await call.told("closed")
    await call.told("end", by="nobody")
    identity = (await call.outcome())["identity"]
    assert sorted(await call.room()) == sorted([identity, "sip_+15550001"])

    since = time.monotonic()
    await asyncio.sleep(1.0)
    for phone, voice in ((call.caller, cast.HUMAN), (human, cast.CALLER)):
        assert tones.longest_gap(phone.recording, voice, since, since + 0.9) <= 0.06
    await call.caller.hang_up()
    await asyncio.sleep(0.5)
    assert not human.ended  # nobody watches
    await human.hang_up()
