"""Faults while the AI goes on talking with the caller: each was a defect once."""

from __future__ import annotations

import asyncio
from typing import Any

from livetransfer import HangUp as HangUpCaller
from livetransfer import Phase, Retry, WarmTransfer
from livetransfer.testing import Human, simulate
from tests.unit.transfers import RULES, rig

from .promises import check_promises
from .scene import ANN, BOB, stage
from .test_defects import warm

TALKING: Any = [("being called", "I am calling them."), *RULES]
LONG = (
    "I am calling them now, and while it rings please tell me everything, your name, your order "
    "number, the day, and what happened then, in all detail please, there is time. "
)
LONG_RULES: Any = [("being called", LONG), *RULES]


async def test_max_hold_holds_where_the_hold_begins_at_the_answer() -> None:
    transfer = warm(while_ringing="conversation", max_hold=10, briefing_timeout=90)
    async with stage(transfer, humans={ANN: Human.silent(after=3)}, rules=TALKING) as scene:
        scene.ask()
        await scene.over()
        music = scene.call.caller.heard("hold-music")
        assert music[-1].end - music[0].start <= 10 + 6  # the farewell, then the AI's first word


async def test_human_hangs_up_while_the_ai_ends_its_sentence_the_next_one_is_dialled() -> None:
    humans = {ANN: Human.hangs_up(after=6, then=1), BOB: Human.accepts(after=2)}
    transfer = warm([ANN, BOB], while_ringing="conversation")
    async with stage(transfer, humans=humans, rules=LONG_RULES) as scene:
        scene.talking = True
        scene.ask()
        await scene.over()
        assert scene.outcome is not None, scene.result
        assert scene.outcome.bridged, scene.outcome.reason
        await scene.settle()
        await check_promises(scene)


async def test_exit_key_while_the_ai_ends_its_sentence_does_not_deafen_it() -> None:
    transfer = warm(while_ringing="conversation", exit_key="0")
    async with stage(transfer, humans={ANN: Human.silent(after=6)}, rules=LONG_RULES) as scene:
        scene.when(Phase.BRIEFING, lambda s: s.call.caller.press("0"), 0.5)
        scene.when(Phase.BRIEFING, lambda s: s.call.caller.press("0"), 6.0)
        scene.ask()
        await scene.over()
        for _ in range(80):
            assert scene.session.input.audio_enabled
            assert scene.session.output.audio_enabled
            await asyncio.sleep(0.1)


async def test_keys_of_a_caller_who_is_not_on_hold_end_nothing() -> None:
    transfer = warm(while_ringing="conversation", exit_key="0")
    async with stage(transfer, humans={ANN: Human.accepts(after=10)}, rules=TALKING) as scene:
        scene.when(Phase.RINGING, lambda s: s.call.caller.press("4711045"), 3)
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.bridged, scene.outcome


async def test_the_next_human_is_told_what_was_said_while_the_first_phone_rang() -> None:
    rules: Any = [
        (r"Caller:(.|\n)*4711", "The caller is customer 4711."),
        *RULES[:2],
        ("being called", "I am calling them. What is your customer number?"),
        ("4711", "Thank you."),
        *RULES[2:],
    ]
    async with simulate(humans={ANN: Human.no_answer(), BOB: Human.accepts(after=3)}) as call:
        transfer = WarmTransfer([ANN, BOB], while_ringing="conversation", ring_timeout=15)
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            call.at(6, lambda: call.caller.says("It is 4711."))
            outcome = await r.outcome()
            assert outcome.bridged, outcome
            assert "4711" in call.human(BOB).heard_text
            assert "4711" in (outcome.summary or "")


async def test_the_goodbye_is_heard_although_the_ai_was_talking() -> None:
    transfer = warm(while_ringing="conversation", fallback=lambda a: HangUpCaller("Goodbye."))
    humans = {ANN: Human.rejects(486, after=2)}
    async with stage(transfer, humans=humans, rules=LONG_RULES) as scene:
        scene.ask()
        await scene.over()
        assert "Goodbye." in scene.call.caller.heard_text


async def test_an_always_retrying_policy_ends_where_the_ai_goes_on_talking() -> None:
    transfer = warm(while_ringing="conversation", max_hold=30, fallback=lambda a: Retry(after=1))
    async with stage(transfer, humans={ANN: Human.busy()}, rules=TALKING) as scene:
        scene.ask()
        await asyncio.sleep(400)
        assert scene.agent.results, len(scene.call.human(ANN).rings)
