"""No one hears what is not meant for them: counted in windows of 20 ms on many calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from . import cast, judge
from .behaviour import Answer
from .switchboard import PATIENCE, Switchboard

pytestmark = pytest.mark.alone

AT_ONCE, AFTER_A_RING = 0.0, 1.0


async def one_call(switchboard: Switchboard, after: float) -> tuple[int, int]:
    """Both talk without a pause from the first moment on: what each heard of the other too soon."""
    call = await switchboard.call([Answer(after=after, tone=cast.HUMAN)])
    await call.ask()
    call.caller.tone(cast.CALLER)
    human = await call.human()
    await call.briefed(human, after=0.8)
    await asyncio.gather(
        call.caller.hears(cast.HUMAN, PATIENCE, windows=10),
        human.hears(cast.CALLER, PATIENCE, windows=10),
    )
    judge.nothing_of_the_briefing(call.caller, human)
    found = judge.voices_apart(call.caller, human, await call.phase("bridging"))
    await asyncio.gather(call.caller.hang_up(), human.wait("ended", PATIENCE))
    return found


async def count(switchboard: Switchboard, after: float, repeats: int) -> list[tuple[int, int]]:
    """Repeat a call, two at a time."""
    found: list[tuple[int, int]] = []
    while len(found) < repeats:
        pair = range(min(2, repeats - len(found)))
        found += await asyncio.gather(*(one_call(switchboard, after) for _ in pair))
    return found


def told(name: str, found: Sequence[tuple[int, int]]) -> str:
    """The count, in words."""
    by_caller = [ms for ms, _ in found if ms]
    by_human = [ms for _, ms in found if ms]
    return (
        f"{len(found)} calls answered {name}: the caller heard the human too soon in "
        f"{len(by_caller)} (ms: {by_caller}), the human the caller in {len(by_human)} "
        f"(ms: {by_human}); all before the briefing, or within {judge.VOICES_APART_AFTER} s of "
        "the answer"
    )


@pytest.mark.parametrize(("after", "name"), [(AT_ONCE, "at once"), (AFTER_A_RING, "after a ring")])
async def test_nothing_leaks(switchboard: Switchboard, after: float, name: str) -> None:
    print(told(name, await count(switchboard, after, 4)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("after", "name"), [(AT_ONCE, "at once"), (AFTER_A_RING, "after a ring")])
async def test_nothing_leaks_in_twenty_calls(
    switchboard: Switchboard, after: float, name: str
) -> None:
    print(told(name, await count(switchboard, after, 20)))
