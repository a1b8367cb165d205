"""Several phones that ring at once, on real calls: the first who accepts takes the call."""

from __future__ import annotations

import asyncio
import time

import pytest

from . import cast, judge
from .behaviour import Answer, NeverAnswer, Reject, Script
from .call import Call
from .switchboard import PATIENCE, Switchboard, TransferCall


async def test_the_others_stop_ringing_when_one_has_accepted(switchboard: Switchboard) -> None:
    phones: list[Script] = [NeverAnswer(), Answer(after=1.0), NeverAnswer()]
    call = await switchboard.call(phones, options={"ring": "all"})
    await call.ask()
    rings = await asyncio.gather(*(call.human(i) for i in range(3)))
    human = rings[1]
    await call.briefed(human)
    accepted = await call.told("verdict", verdict="accepted")
    for other in (rings[0], rings[2]):
        await other.wait("cancelled", 2.0)
        stopped = other.at("cancelled")
        assert stopped is not None
        assert stopped - accepted.at < 1.0
    await call.joined(human)
    outcome = await call.outcome()
    assert outcome["attempts"] == ["answered_elsewhere", "bridged", "answered_elsewhere"]


async def both_briefed(switchboard: Switchboard) -> tuple[TransferCall, Call, Call]:
    """Return a call, and the two phones that were rung at once and are both being briefed."""
    call = await switchboard.call([Answer(after=0.5), Answer(after=0.5)], options={"ring": "all"})
    await call.ask()
    first, second = await asyncio.gather(call.human(0), call.human(1))
    await asyncio.gather(
        first.hears(cast.BRIEFING, PATIENCE), second.hears(cast.BRIEFING, PATIENCE)
    )
    return call, first, second


async def test_who_is_being_briefed_hears_that_it_is_taken_and_nobody_hears_another(
    switchboard: Switchboard,
) -> None:
    call, first, second = await both_briefed(switchboard)
    # Not before: who talks on and on from the first moment is listened to, and hears nothing.
    second.tone(cast.HELLO)
    await asyncio.sleep(1.0)
    await call.briefed(first)
    await second.hears(cast.FAREWELL, PATIENCE)
    await second.wait("ended", PATIENCE)
    await call.joined(first)
    assert (await call.outcome())["attempts"] == ["bridged", "answered_elsewhere"]
    for listener in (call.caller, first):
        late = judge.heard(listener, [cast.HELLO], 0.0)
        assert late == 0, f"{late} ms of another human"


async def test_a_call_that_ends_at_once_leaves_no_colleague_on_the_line(
    switchboard: Switchboard,
) -> None:
    call, first, second = await both_briefed(switchboard)
    await asyncio.sleep(0.5)
    await call.briefed(first)
    await call.told("verdict", verdict="accepted")
    await asyncio.sleep(0.2)
    await call.caller.hang_up()
    await asyncio.gather(first.wait("ended", PATIENCE), second.wait("ended", PATIENCE))
    assert judge.heard(second, [cast.CALLER, cast.HUMAN], 0.0) == 0


async def test_one_declines_one_is_busy_and_the_last_takes_it(switchboard: Switchboard) -> None:
    call = await switchboard.call(
        [Answer(after=0.3), Reject(486), Answer(after=2.5)], options={"ring": "all"}
    )
    await call.ask()
    first, last = await asyncio.gather(call.human(0), call.human(2))
    await call.briefed(first, cast.NO)
    await first.wait("ended", PATIENCE)
    await call.briefed(last)
    await call.joined(last)
    assert (await call.outcome())["attempts"] == ["declined", "busy", "bridged"]


async def test_the_caller_leaves_and_all_stop(switchboard: Switchboard) -> None:
    call = await switchboard.call([NeverAnswer(), NeverAnswer()], options={"ring": "all"})
    await call.ask()
    rings = await asyncio.gather(call.human(0), call.human(1))
    await asyncio.sleep(1.0)
    left = time.monotonic()
    await call.caller.hang_up()
    for ring in rings:
        await ring.wait("cancelled", 2.0)
    assert time.monotonic() - left < 1.5
    assert (await call.outcome())["status"] == "caller_left"


@pytest.mark.parametrize("count", [5])
async def test_five_phones_of_which_two_answer_at_once(
    switchboard: Switchboard, count: int
) -> None:
    phones: list[Script] = [Answer(after=1.0), Answer(after=1.0)]
    phones += [NeverAnswer()] * (count - 2)
    call = await switchboard.call(phones, options={"ring": "all"})
    await call.ask()
    rings = await asyncio.gather(*(call.human(i) for i in range(count)))
    firsts = []
    for human in rings[:2]:
        word = await human.hears(cast.BRIEFING, PATIENCE)
        answered = human.at("answered")
        assert answered is not None
        firsts.append(word - answered)
    print(f"answer to first word with {count} phones: {[round(s, 3) for s in firsts]} s")
    await call.briefed(rings[0])
    await call.joined(rings[0])
    for other in rings[2:]:
        await other.wait("cancelled", 2.0)
