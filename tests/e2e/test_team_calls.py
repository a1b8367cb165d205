"""A team on real calls: three callers in three processes, and one member."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from . import cast
from .behaviour import Answer
from .switchboard import PATIENCE, Switchboard

WRAP_UP = 1.0


async def test_three_callers_and_one_member(switchboard: Switchboard, tmp_path: Path) -> None:
    team = {"folder": str(tmp_path), "wrap_up": WRAP_UP}
    first = await switchboard.call([Answer(after=0.3)], team=team)
    second = await switchboard.call([], team=team, phones_of=first)
    third = await switchboard.call([], team=team, phones_of=first)
    await first.ask()
    human = await first.human()
    await second.ask()
    await second.told("waiting", queue="desk", position=1)
    await third.ask()
    await third.told("waiting", queue="desk", position=2)
    # The others hear music meanwhile, and the one member is briefed for the first.
    await asyncio.gather(*(c.caller.hears(cast.MUSIC, PATIENCE) for c in (second, third)))
    await first.briefed(human)
    await first.joined(human)
    for waits in (second, third):
        await human.hang_up()
        left = time.monotonic()
        human = await waits.human()
        print(f"rings {time.monotonic() - left:.2f} s after the call before was over")
        assert time.monotonic() - left > WRAP_UP
        await waits.briefed(human)
        await waits.joined(human)
    assert not third.reported("attempt")
    await third.told("waiting", queue="desk", position=1)
    for call in (first, second, third):
        outcome = await call.outcome()
        assert (outcome["status"], outcome["attempts"]) == ("bridged", ["bridged"])
    await human.hang_up()


async def test_a_caller_who_leaves_the_queue_is_not_rung_for(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    team = {"folder": str(tmp_path)}
    first = await switchboard.call([Answer(after=0.3)], team=team)
    second = await switchboard.call([], team=team, phones_of=first)
    third = await switchboard.call([], team=team, phones_of=first)
    await first.ask()
    human = await first.human()
    await first.briefed(human)
    await first.joined(human)
    await second.ask()
    await second.told("waiting", queue="desk", position=1)
    await third.ask()
    await third.told("waiting", queue="desk", position=2)
    await second.caller.hang_up()
    assert (await second.outcome())["status"] == "caller_left"
    await third.told("waiting", queue="desk", position=1)
    await human.hang_up()
    human = await third.human()
    await third.briefed(human)
    await third.joined(human)
    assert (await third.outcome())["status"] == "bridged"
