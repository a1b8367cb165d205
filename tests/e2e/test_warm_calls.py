"""Warm transfers on real calls, judged by what the phones hear: accepted."""

from __future__ import annotations

from . import cast, tones
from .behaviour import Answer
from .switchboard import Switchboard


async def test_accepted_by_voice(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer(after=1.0)])
    await call.ask()
    await call.caller.hears(cast.MUSIC)
    human = await call.human()
    await human.wait("answered")
    await call.briefed(human)
    await call.joined(human)
    outcome = await call.outcome()
    assert outcome["status"] == "bridged"
    print(outcome)
    await call.caller.hang_up()
    await human.wait("ended")
