"""Faults while the AI goes on talking with the caller: each was a defect once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer import HangUp as HangUpCaller
from livetransfer import Phase, Retry, ReturnToAgent, TransferStatus, WarmTransfer
from livetransfer.testing import Human, SimControl, simulate
from tests.unit.transfers import RULES, rig

from .promises import check_promises
from .scene import ANN, BOB, stage
from .script import LONG_RULES, TALKING
from .test_defects import warm


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


async def test_retries_of_an_attempt_that_never_dials_end_where_the_ai_goes_on_talking() -> None:
    def broken() -> Any:
        raise RuntimeError("no briefing")

    transfer = warm(
        while_ringing="conversation",
        max_hold=30,
        briefing=broken,
        fallback=lambda a: Retry(after=2),
    )
    async with stage(transfer, rules=TALKING) as scene:
        scene.ask()
        await scene.over()  # 600 s
        assert scene.outcome is not None, scene.result
        assert scene.outcome.status is TransferStatus.FAILED
        assert scene.call.now < 60


async def test_nobody_is_dialled_after_max_hold_by_a_retry_that_waits_beyond_it() -> None:
    transfer = warm(while_ringing="conversation", max_hold=30, fallback=lambda a: Retry(after=60))
    async with stage(transfer, humans={ANN: Human.busy()}, rules=TALKING) as scene:
        scene.ask()
        await scene.over()
        dials = [verb.at for verb in scene.verbs("dial")]
        assert max(dials) - min(dials) < 30, dials


def cut_off(fallback: Any) -> Any:
    """The human answers late and does not decide while the AI ends its sentence."""
    return warm(
        while_ringing="conversation",
        max_hold=4,
        ring_timeout=20,
        briefing_timeout=1,
        fallback=fallback,
    )


async def test_the_goodbye_is_heard_although_a_hold_was_about_to_begin() -> None:
    transfer = cut_off(lambda a: HangUpCaller("Goodbye for now."))
    humans = {ANN: Human.silent(after=6)}
    async with stage(transfer, humans=humans, rules=LONG_RULES) as scene:
        scene.talking = True
        scene.ask()
        await scene.over()
        assert "Goodbye for now." in scene.call.caller.heard_text
        assert not scene.call.caller.heard("hold-music")


async def test_what_the_policy_says_is_not_cut_short_by_a_hold_that_was_about_to_begin() -> None:
    words = "Nobody is there, I am afraid, so you are back with me, and we can go on."
    humans = {ANN: Human.silent(after=6)}
    transfer = cut_off(lambda a: ReturnToAgent(words))
    async with stage(transfer, humans=humans, rules=LONG_RULES) as scene:
        scene.talking = True
        scene.ask()
        await scene.over()
        await scene.settle(20)
        assert "we can go on." in scene.call.caller.heard_text


@pytest.mark.parametrize("ringing", ["music", "conversation"])
async def test_the_control_is_open_until_the_fallback_has_hung_up(
    ringing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    hang_up = SimControl.hang_up

    async def watched(self: SimControl, leg: Any) -> None:
        if self.closed:
            closed.append(leg.identity)
        await hang_up(self, leg)

    monkeypatch.setattr(SimControl, "hang_up", watched)
    transfer = warm(while_ringing=ringing, fallback=lambda a: HangUpCaller("Nobody is free. Bye."))
    async with stage(transfer, humans={ANN: Human.rejects(486, after=2)}, rules=TALKING) as scene:
        scene.ask()
        await scene.over()
        assert scene.outcome is not None, scene.result
        assert scene.outcome.hung_up
        assert not closed
