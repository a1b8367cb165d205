"""Faults that were defects once: each test failed before its defect was mended."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from livekit.agents import APIConnectionError

from livetransfer import (
    Attempt,
    BriefingAgent,
    ColdTransfer,
    Destination,
    FallbackPolicy,
    HoldMusicProblem,
    Phase,
    TransferStatus,
    Verdict,
    WarmTransfer,
)
from livetransfer import HangUp as HangUpCaller
from livetransfer._flow.caller_session import CallerSession
from livetransfer.control import CallLost
from livetransfer.errors import CallControlError
from livetransfer.events import CallEnded, SummaryWritten, TransferEnded
from livetransfer.fallback.policy import Next, Retry, ReturnToAgent, decide
from livetransfer.outcome import CallEnd
from livetransfer.testing import HangUp, Human, Press, Refer, Say, SimControl, Wait, WaitForSpeech

from .promises import check_promises
from .scene import ANN, ANNOUNCEMENT, BOB, Scene, Transfer, stage


def down() -> CallControlError:
    return CallControlError("the server is down", status=TransferStatus.FAILED)


def warm(to: Any = ANN, **options: Any) -> Transfer:
    return lambda listen: WarmTransfer(to, on_event=listen, **options)


def cold(to: Any = ANN, **options: Any) -> Transfer:
    return lambda listen: ColdTransfer(to, on_event=listen, **options)


async def ends(scene: Scene, status: TransferStatus) -> None:
    """Ask for the transfer; it has to end so."""
    scene.ask()
    await scene.over()
    assert scene.outcome is not None, scene.result
    assert scene.outcome.status is status


async def keeps_its_promises(scene: Scene) -> None:
    """Let it settle, and look at everything."""
    await scene.settle()
    await check_promises(scene)


async def ended(scene: Scene) -> CallEnd:
    assert scene.outcome is not None, scene.result
    return await scene.outcome.ended()


INTRODUCTION = "You are now connected with each other. Please go on, I will leave you to it."


async def test_cancelled_during_the_introduction_the_human_is_hung_up() -> None:
    async with stage(warm(introduction=INTRODUCTION)) as scene:
        scene.ask()
        while not scene.call.caller.hears("introduction"):
            await asyncio.sleep(0.05)
        scene.cancel()
        await scene.over()
        await scene.settle()
        assert not scene.call.human(ANN).on_the_line
        await check_promises(scene)


@pytest.mark.parametrize("who", ["caller", "human", "room"])
async def test_one_leaves_during_the_introduction(who: str) -> None:
    async with stage(warm(introduction=INTRODUCTION)) as scene:
        scene.ask()
        while not scene.call.caller.hears("introduction"):
            await asyncio.sleep(0.05)
        {"caller": scene.caller_hangs_up, "human": scene.human_hangs_up, "room": scene.lose}[who]()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.status is TransferStatus.BRIDGED
        end = await asyncio.wait_for(ended(scene), 10)
        assert end.by == {"caller": "caller", "human": "human", "room": "lost"}[who]
        await scene.settle()
        assert not scene.call.caller.on_the_line
        await check_promises(scene)


async def test_a_seal_that_breaks_during_the_introduction_parts_nobody() -> None:
    async with stage(warm(introduction=INTRODUCTION)) as scene:
        scene.ask()
        while not scene.call.caller.hears("introduction"):
            await asyncio.sleep(0.05)
        scene.break_seal()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.status is TransferStatus.BRIDGED
        await scene.settle()
        assert scene.call.caller.talks_to(ANN)
        await check_promises(scene)


async def test_the_human_hangs_up_in_the_instant_of_the_answer() -> None:
    """Between the answer and the end of the dial, which has no fault to tell of."""
    async with stage(warm(briefing_timeout=60), humans={ANN: Human.hangs_up(3, then=0)}) as scene:
        await ends(scene, TransferStatus.HUMAN_LEFT)
        assert scene.call.now < 10
        await keeps_its_promises(scene)


async def test_answered_and_gone_while_the_request_is_late() -> None:
    async with stage(warm(), humans={ANN: Human.hangs_up(3, then=1)}) as scene:
        scene.call.faults.late("dial", by=1e6)
        await ends(scene, TransferStatus.HUMAN_LEFT)
        assert scene.call.now < 12
        await keeps_its_promises(scene)


@pytest.mark.parametrize("who", ["caller_hangs_up", "cancel", "lose"])
async def test_between_two_attempts_a_hang_up_that_hangs_holds_up_nothing(who: str) -> None:
    """The teardown of the first attempt must not delay what ends the transfer."""
    humans = {ANN: Human.silent(after=1), BOB: Human.accepts(after=1)}
    async with stage(warm([ANN, BOB], briefing_timeout=5), humans=humans) as scene:
        scene.call.faults.never("hang_up", times=None)
        scene.broken_hang_up = True
        scene.ask()
        while not scene.verbs("hang_up"):
            await asyncio.sleep(0.01)
        getattr(scene, who)()
        at = scene.call.now
        if who == "cancel":
            while not scene.call.caller.talks_to_ai:
                await asyncio.sleep(0.01)
            assert scene.call.now - at <= 0.5
        await scene.over()
        assert scene.call.now - at <= 8
        assert not scene.call.human(BOB).rings
        await scene.settle()


async def test_a_hang_up_that_failed_is_repeated() -> None:
    async with stage(warm(), humans={ANN: Human.declines(after=1)}) as scene:
        scene.call.faults.fail("hang_up", down(), times=2)
        scene.ask()
        await scene.over()
        await scene.settle()
        assert not scene.call.human(ANN).on_the_line
        await check_promises(scene)


async def test_a_hang_up_that_never_answers_is_repeated() -> None:
    async with stage(warm()) as scene:
        scene.call.faults.never("hang_up")
        scene.when(Phase.BRIEFING, Scene.cancel, 1)
        scene.ask()
        await scene.over()
        await scene.settle()
        assert not scene.call.human(ANN).on_the_line
        await check_promises(scene)


@pytest.mark.parametrize("who", ["caller", "human"])
@pytest.mark.parametrize("fault", ["fail", "never"])
async def test_after_the_bridge_a_hang_up_that_fails_is_repeated(who: str, fault: str) -> None:
    async with stage(warm()) as scene:
        scene.ask()
        await scene.over()
        if fault == "fail":
            scene.call.faults.fail("hang_up", down())
        else:
            scene.call.faults.never("hang_up")
        scene.caller_hangs_up() if who == "caller" else scene.human_hangs_up()
        await asyncio.wait_for(ended(scene), 10)
        assert not scene.call.human(ANN).on_the_line
        assert not scene.call.caller.on_the_line
        await keeps_its_promises(scene)


async def test_a_caller_who_cannot_be_hung_up_is_back_with_the_ai() -> None:
    async with stage(warm()) as scene:
        scene.ask()
        await scene.over()
        scene.call.faults.fail("hang_up", down(), times=None)
        scene.human_hangs_up()
        end = await asyncio.wait_for(ended(scene), 20)
        assert end.returned
        await scene.settle()
        assert scene.call.caller.talks_to_ai
        scene.call.faults.clear()
        await check_promises(scene)


@pytest.mark.parametrize("fault", ["fail", "never"])
async def test_the_fallback_hangs_up_and_that_fails(fault: str) -> None:
    policy = lambda a: HangUpCaller("Nobody is free. Goodbye.")  # noqa: E731
    async with stage(warm(fallback=policy), humans={ANN: Human.busy()}) as scene:
        if fault == "fail":
            scene.call.faults.fail("hang_up", down(), times=None)
        else:
            scene.call.faults.never("hang_up", times=None)
        scene.ask()
        await scene.over()
        assert scene.outcome is not None, scene.result
        assert scene.outcome.status is TransferStatus.BUSY
        assert not scene.outcome.hung_up
        assert scene.outcome.caller_present
        await scene.settle()
        assert scene.call.caller.talks_to_ai
        scene.call.faults.clear()
        await check_promises(scene)


async def test_the_fallback_hangs_up_with_a_voice_that_fails() -> None:
    policy = lambda a: HangUpCaller("Nobody is free. Goodbye.")  # noqa: E731
    async with stage(warm(fallback=policy), humans={ANN: Human.busy()}) as scene:
        scene.when(Phase.DIALLING, lambda s: setattr(s.tts, "error", APIConnectionError("no")))
        scene.ask()
        await scene.over()
        assert scene.outcome is not None, scene.result
        assert scene.outcome.hung_up
        assert not scene.call.caller.on_the_line
        await keeps_its_promises(scene)


async def test_the_session_is_closed_where_the_fallback_hung_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A leg that was hung up by us leaves for a reason that the session does not close on."""
    closed: list[CallerSession] = []
    monkeypatch.setattr(CallerSession, "close_as_if_caller_left", lambda s: closed.append(s))  # noqa: PLW0108
    async with stage(warm(fallback=lambda a: HangUpCaller()), humans={ANN: Human.busy()}) as scene:
        scene.ask()
        await scene.over()
        assert len(closed) == 1
        await scene.settle()


async def test_music_that_never_opens_does_not_hold_up_the_transfer() -> None:
    async with stage(warm()) as scene:
        scene.call.faults.never("open_audio")
        scene.quiet = True
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.bridged
        assert (scene.entered(Phase.DIALLING) or 99) - scene.began < 2
        assert any(isinstance(event, HoldMusicProblem) for _, event in scene.events)
        await keeps_its_promises(scene)


async def test_music_that_opens_late_plays_then() -> None:
    async with stage(warm(), humans={ANN: Human.accepts(after=10)}) as scene:
        scene.call.faults.delay("open_audio", 5.0)
        scene.quiet = True
        scene.ask()
        await scene.over()
        music = scene.call.caller.heard("hold-music")
        assert music[0].start - scene.began == pytest.approx(5, abs=0.2)
        await keeps_its_promises(scene)


async def test_music_that_opens_after_the_bridge_is_not_played() -> None:
    async with stage(
        warm(introduction=INTRODUCTION), humans={ANN: Human.accepts(after=1, think=0)}
    ) as scene:
        scene.call.faults.delay("open_audio", 100.0)
        scene.quiet = True
        scene.ask()
        await scene.over()
        await scene.settle(120)
        assert not scene.call.caller.heard("hold-music")
        await check_promises(scene)


async def test_errors_in_the_briefing_do_not_close_the_callers_session() -> None:
    """A model that both sessions share tells both of its errors; three close a session."""
    human = Human(1.0, (WaitForSpeech(), *(Say("Who?"), Wait(12)) * 6, HangUp()))
    async with stage(warm(briefing_timeout=120), humans={ANN: human}) as scene:
        scene.when(Phase.BRIEFING, lambda s: setattr(s.tts, "error", APIConnectionError("no")))
        await ends(scene, TransferStatus.FAILED)
        scene.tts.error = None
        await scene.settle()
        assert scene.call.caller.talks_to_ai
        assert scene.session.conn_options.max_unrecoverable_errors < 100
        await check_promises(scene)


async def test_as_many_errors_as_before_close_the_session_after_a_transfer() -> None:
    async with stage(warm(), humans={ANN: Human.busy()}) as scene:
        before = scene.session.conn_options.max_unrecoverable_errors
        scene.ask()
        await scene.over()
        await scene.settle()
        assert scene.session.conn_options.max_unrecoverable_errors == before
        scene.stt.fail()
        await asyncio.sleep(1)
        assert not scene.call.caller.talks_to_ai
        scene.closed = scene.call.now
        await check_promises(scene)


@pytest.mark.parametrize("event", ["close_session", "shut_down_job", "lose"])
async def test_a_referred_caller_whose_refer_is_cut_off_is_indeterminate(event: str) -> None:
    async with stage(cold(), refer="times_out") as scene:
        scene.when(Phase.REFERRING, lambda s: getattr(s, event)(), 2)
        await ends(scene, TransferStatus.INDETERMINATE)
        assert not scene.verbs("dial")
        await keeps_its_promises(scene)


async def test_a_refer_that_is_never_answered_is_indeterminate_in_time() -> None:
    async with stage(cold(ring_timeout=10)) as scene:
        scene.call.faults.never("refer")
        await ends(scene, TransferStatus.INDETERMINATE)
        assert scene.call.now < 30
        await keeps_its_promises(scene)


async def test_a_refer_that_cannot_be_sent_lets_the_fallback_decide() -> None:
    async with stage(cold([ANN, BOB], method="refer")) as scene:
        scene.call.faults.fail("refer", down())
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert [a.status for a in scene.outcome.attempts] == ["failed", "referred"]
        await keeps_its_promises(scene)


async def test_a_refer_that_succeeds_after_it_was_given_up() -> None:
    async with stage(cold(ring_timeout=5), refer="succeeds_late") as scene:
        await ends(scene, TransferStatus.INDETERMINATE)
        await scene.settle()
        assert scene.call.caller.referred_to is not None
        assert not scene.verbs("dial")
        assert scene.call.leftovers() == []


async def test_a_referred_caller_who_stays_has_the_ai_again() -> None:
    async with stage(cold()) as scene:
        scene.call.caller.hang_up = lambda reason="": None  # type: ignore[method-assign]
        await ends(scene, TransferStatus.REFERRED)
        end = await ended(scene)
        assert end.returned
        assert scene.call.caller.talks_to_ai
        del scene.call.caller.hang_up
        await keeps_its_promises(scene)


async def test_a_dial_that_never_answers_is_given_up_and_not_repeated() -> None:
    async with stage(warm([ANN, BOB], ring_timeout=10)) as scene:
        scene.call.faults.never("dial")
        await ends(scene, TransferStatus.INDETERMINATE)
        assert scene.call.now < 30
        await keeps_its_promises(scene)


async def test_answered_and_the_request_never_says_so() -> None:
    async with stage(warm()) as scene:
        scene.call.faults.late("dial", by=1e6)
        await ends(scene, TransferStatus.FAILED)
        assert scene.call.now < 20
        await keeps_its_promises(scene)


@pytest.mark.parametrize("action", [Next(), Retry()])
def test_nobody_at_all_is_dialled_after_an_unclear_attempt(action: Next | Retry) -> None:
    attempt = Attempt(Destination(ANN), TransferStatus.INDETERMINATE, remaining=3)
    assert decide(lambda a: action, attempt) == ReturnToAgent()


async def test_a_bridge_that_succeeds_after_its_time_leaves_nobody_joined() -> None:
    async with stage(warm()) as scene:
        scene.call.faults.late("bridge", by=7.0)
        scene.call.faults.never("hang_up")
        await ends(scene, TransferStatus.FAILED)
        await scene.settle()
        assert not scene.call.human(ANN).on_the_line
        await check_promises(scene)


async def test_the_caller_leaves_while_the_human_who_declined_hears_goodbye() -> None:
    async with stage(warm([ANN, BOB]), humans={ANN: Human.declines(after=1)}) as scene:
        scene.ask()
        while "Thank you" not in scene.call.human(ANN).heard_text:
            await asyncio.sleep(0.05)
        scene.caller_hangs_up()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.status is TransferStatus.CALLER_LEFT
        await keeps_its_promises(scene)


async def test_after_return_a_closed_session_gets_nobody_back() -> None:
    """There is no AI to return to: the caller is hung up rather than left on a dead line."""
    async with stage(warm(after="return"), after="return") as scene:
        scene.ask()
        await scene.over()
        scene.close_session()
        await asyncio.sleep(2)
        scene.human_hangs_up()
        end = await ended(scene)
        assert not end.returned
        assert not scene.call.caller.on_the_line
        await keeps_its_promises(scene)


async def test_after_return_both_leave_at_once() -> None:
    async with stage(warm(after="return"), after="return") as scene:
        scene.ask()
        await scene.over()
        scene.human_hangs_up()
        scene.caller_hangs_up()
        end = await ended(scene)
        assert not end.returned
        await keeps_its_promises(scene)


async def test_after_leave_an_ai_that_cannot_leave_closes_its_session_all_the_same() -> None:
    async with stage(warm(after="leave"), after="leave") as scene:
        scene.call.faults.never("leave")
        scene.ask()
        await scene.over()
        end = await asyncio.wait_for(ended(scene), 10)
        assert end.by == "nobody"
        await scene.settle()
        assert scene.call.caller.talks_to(ANN)
        assert not scene.call.caller.talks_to_ai
        scene.closed = scene.call.now
        await check_promises(scene)


async def test_an_announcement_that_was_given_up_is_not_spoken_into_the_hold() -> None:
    async with stage(warm(announcement=ANNOUNCEMENT), humans={ANN: Human.accepts(5)}) as scene:
        scene.tts.latency = 33.0
        scene.call.later(31.0, lambda: setattr(scene.tts, "latency", 0.25))
        scene.ask()
        await scene.over()
        held = scene.entered(Phase.HOLDING)
        assert held is not None
        assert not scene.call.caller.heard("agent", start=held)
        await keeps_its_promises(scene)


async def test_no_summary_is_written_after_the_end() -> None:
    async with stage(warm(), humans={ANN: Human.busy()}) as scene:
        scene.llm.latency = 5.0
        scene.when(Phase.RETURNED, lambda s: setattr(s.llm, "latency", 0.4))
        scene.ask()
        await scene.over()
        await scene.settle(20)
        order = [type(event) for _, event in scene.events]
        assert SummaryWritten not in order[order.index(TransferEnded) :]
        await check_promises(scene)


async def test_the_introduction_is_not_synthesised_after_the_end() -> None:
    async with stage(warm(introduction=INTRODUCTION), humans={ANN: Human.busy()}) as scene:
        scene.when(Phase.DIALLING, lambda s: setattr(s.tts, "latency", 1e6))
        scene.when(Phase.RETURNED, lambda s: setattr(s.tts, "latency", 0.25))
        scene.ask()
        await scene.over()
        await scene.settle()
        left = [t for t in asyncio.all_tasks() if t.get_name() == "livetransfer-synthesis"]
        assert not left
        await check_promises(scene)


async def test_a_farewell_that_raises_changes_nothing() -> None:
    class Rude(BriefingAgent):
        def farewell(self, reason: Any) -> str | None:
            raise RuntimeError("no manners")

    async with stage(
        warm([ANN, BOB], briefing=Rude),
        humans={ANN: Human.declines(after=1), BOB: Human.accepts(after=1)},
    ) as scene:
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.bridged
        await keeps_its_promises(scene)


async def test_a_briefing_that_cannot_be_made_lets_the_fallback_decide() -> None:
    """And nobody's phone rings for it."""

    def factory() -> BriefingAgent:
        raise RuntimeError("no briefing")

    decided: list[Attempt] = []
    async with stage(warm(briefing=factory, fallback=decided.append)) as scene:
        await ends(scene, TransferStatus.FAILED)
        assert [attempt.status for attempt in decided] == [TransferStatus.FAILED]
        assert not scene.verbs("dial")
        await keeps_its_promises(scene)


async def test_the_control_is_closed_after_the_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing it cuts off what is still being asked of the server."""
    closed: list[float] = []
    aclose = SimControl.aclose

    async def noted(control: SimControl) -> None:
        closed.append(control.simulation.now)
        await aclose(control)

    monkeypatch.setattr(SimControl, "aclose", noted)
    async with stage(warm()) as scene:
        scene.when(Phase.BRIEFING, Scene.cancel, 2)
        scene.call.faults.delay("hang_up", 0.5)
        scene.ask()
        await scene.over()
        (hang_up,) = scene.verbs("hang_up")
        assert hang_up.ended is not None
        assert closed
        assert closed[0] >= hang_up.ended
        await keeps_its_promises(scene)


def test_many_attempts_can_be_shown() -> None:
    attempts: tuple[Attempt, ...] = ()
    for _ in range(40):
        attempts += (Attempt(Destination(ANN), TransferStatus.BUSY, earlier=attempts),)
    assert len(repr(attempts[-1])) < 2000
    assert len({attempts[-1]}) == 1


async def test_an_attempt_that_cannot_be_decided_on_tries_the_next() -> None:
    """A key before the greeting counts; one after the decision changes nothing."""
    human = Human(1.0, (Wait(0.02), Press("1"), Press("2"), Wait(3), Press("2")))
    async with stage(warm(), humans={ANN: human}) as scene:
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.bridged
        await keeps_its_promises(scene)


async def test_the_policy_is_asked_with_the_call_lost_in_the_same_tick() -> None:
    async with stage(
        warm([ANN, BOB], fallback=FallbackPolicy()), humans={ANN: Human.rejects(603, after=2)}
    ) as scene:
        scene.when(Phase.RINGING, Scene.lose, 2.0)
        await ends(scene, TransferStatus.FAILED)
        assert [e for _, e in scene.call.events if isinstance(e, CallLost)]
        assert not [e for _, e in scene.events if isinstance(e, CallEnded)]
        await keeps_its_promises(scene)


@pytest.mark.parametrize("event", ["caller_hangs_up", "cancel", "close_session", "lose"])
@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.5])
async def test_interrupted_while_the_ai_talks_and_it_rings(event: str, seconds: float) -> None:
    async with stage(
        warm(while_ringing="conversation"), humans={ANN: Human.accepts(after=20)}
    ) as scene:
        scene.when(Phase.RINGING, lambda s: getattr(s, event)(), seconds)
        scene.ask()
        await scene.over()
        assert scene.returned is not None
        assert scene.fault_at is not None
        await scene.settle()
        await check_promises(scene, bound=1.0)


@pytest.mark.parametrize("refer", ["busy", "times_out", "refuses"])
async def test_a_failed_refer_with_a_dial_tone_is_followed_by_music(refer: Refer) -> None:
    transfer = cold(play_dialtone=True, method="refer", ring_timeout=5)
    async with stage(transfer, refer=refer) as scene:
        scene.ask()
        await scene.over()
        await scene.settle()
        assert scene.call.caller.heard("dialtone")
        assert scene.call.caller.heard("hold-music")
        await check_promises(scene)


@pytest.mark.parametrize("when", [Phase.BRIEFING, Phase.BRIDGED])
async def test_a_server_that_is_away_for_ten_seconds_leaves_nobody_on_the_line(when: Phase) -> None:
    """The run is over in its time, and the leg is pursued until it is hung up."""
    async with stage(warm()) as scene:
        scene.broken_hang_up = True
        scene.when(when, lambda s: s.call.faults.never("hang_up", times=None), 1)
        scene.when(when, lambda s: s.call.later(10, s.call.faults.clear), 1)
        scene.when(when, Scene.caller_hangs_up, 1.5)
        scene.ask()
        await scene.over()
        await asyncio.sleep(9)
        assert scene.caller_left is not None
        assert (scene.returned or 0) - scene.caller_left < 8
        await asyncio.sleep(8)
        assert not scene.call.human(ANN).on_the_line
        assert scene.call.leftovers() == []


async def test_a_caller_who_is_back_with_the_ai_is_not_hung_up_later() -> None:
    async with stage(warm()) as scene:
        scene.ask()
        await scene.over()
        scene.call.faults.never("hang_up", times=None)
        scene.human_hangs_up()
        assert (await asyncio.wait_for(ended(scene), 20)).returned
        scene.call.faults.clear()
        await scene.settle(90)
        assert scene.call.caller.talks_to_ai
        await check_promises(scene)


async def test_a_goodbye_that_comes_late_is_waited_for_with_music() -> None:
    policy = lambda a: HangUpCaller("Nobody is free. Goodbye.")  # noqa: E731
    async with stage(warm(fallback=policy), humans={ANN: Human.busy()}) as scene:
        scene.when(Phase.DIALLING, lambda s: setattr(s.tts, "latency", 60.0))
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.hung_up
        await keeps_its_promises(scene)


async def test_the_tools_result_causes_no_reply_although_the_caller_was_gone_before() -> None:
    async with stage(cold()) as scene:
        scene.call.attach(scene.session, close_on_disconnect=False)
        scene.call.faults.late("refer", by=1.0)
        await ends(scene, TransferStatus.REFERRED)
        asked = len(scene.llm.requests)
        await scene.settle()
        assert len(scene.llm.requests) == asked
        await check_promises(scene)


async def test_what_nobody_will_hear_is_not_synthesised_beside_the_ai_that_is_back() -> None:
    """Its errors would count against the caller's session."""
    async with stage(warm(introduction=INTRODUCTION), humans={ANN: Human.busy()}) as scene:
        scene.when(Phase.DIALLING, lambda s: setattr(s.tts, "latency", 5.0))
        scene.ask()
        await scene.over()
        scene.tts.latency = 0.25
        await asyncio.sleep(0.2)
        left = [t for t in asyncio.all_tasks() if t.get_name() == "livetransfer-synthesis"]
        assert not left
        await keeps_its_promises(scene)


async def test_music_that_begins_with_the_way_back_goes_on_until_the_ai_speaks() -> None:
    async with stage(warm(exit_key="0")) as scene:
        scene.when(Phase.HOLDING, lambda s: s.call.caller.press("0"))
        scene.ask()
        await scene.over()
        await scene.settle()
        spoken = scene.call.caller.heard("agent")[0].start
        assert scene.call.caller.heard("hold-music")[-1].end >= spoken - 0.01
        await check_promises(scene)


class NoCrm(WarmTransfer):
    async def brief(self, agent: BriefingAgent) -> Verdict:
        await asyncio.sleep(2)
        raise ConnectionError("the CRM is down")


async def test_an_error_in_a_hook_the_music_goes_on_until_the_ai_speaks() -> None:
    async with stage(
        lambda listen: NoCrm(ANN, on_event=listen), humans={ANN: Human.silent(2)}
    ) as scene:
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert scene.outcome.status is TransferStatus.FAILED
        await scene.settle()
        await check_promises(scene)


class Speechless(BriefingAgent):
    async def prepare(self, *_: Any, **__: Any) -> Any:
        raise ValueError("no words")


@pytest.mark.parametrize("briefing", [Speechless(), object], ids=["raises", "none"])
async def test_nobody_is_let_answer_a_phone_for_a_briefing_that_cannot_be(briefing: Any) -> None:
    humans = {ANN: Human.silent(after=20), BOB: Human.silent(after=20)}
    async with stage(warm([ANN, BOB], briefing=briefing), humans=humans) as scene:
        scene.ask()
        await scene.over()
        for human in scene.call.humans.values():
            assert not [ring for ring in human.rings if ring.answered_at is not None]
        assert scene.outcome is not None
        assert [attempt.status for attempt in scene.outcome.attempts] == ["failed", "failed"]
        await scene.settle()
        await check_promises(scene)


async def test_the_exit_key_does_not_cut_short_the_goodbye() -> None:
    policy = lambda a: HangUpCaller("Nobody is free now, please call again tomorrow. Goodbye.")  # noqa: E731
    async with stage(warm(fallback=policy, exit_key="0"), humans={ANN: Human.busy()}) as scene:
        scene.ask()
        while not scene.call.human(ANN).rings or not scene.call.caller.hears("agent"):
            await asyncio.sleep(0.05)
        scene.call.caller.press("0")
        await scene.over()
        assert "Goodbye." in scene.call.caller.heard_text


@pytest.mark.parametrize("event", ["lose", "close_session"])
async def test_a_caller_who_is_not_with_the_ai_is_not_said_to_be(event: str) -> None:
    async with stage(warm()) as scene:
        scene.when(Phase.BRIEFING, lambda s: getattr(s, event)(), 0.5)
        scene.ask()
        await scene.over()
        assert scene.outcome is not None
        assert not scene.outcome.caller_present
        assert "on the line with you" not in str(scene.outcome)
        assert not (await scene.outcome.ended()).returned


async def test_a_policy_that_returns_a_destination_puts_no_number_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policy: Any = lambda a: Destination(BOB)  # noqa: E731
    async with stage(warm(fallback=policy), humans={ANN: Human.busy()}) as scene:
        scene.ask()
        await scene.over()
    ours = [r for r in caplog.records if r.name.startswith("livetransfer")]
    assert not [r for r in ours if BOB in logging.Formatter().format(r)]


class Greetless(BriefingAgent):
    def greeting(self, summary: str) -> str:
        raise ValueError("no")


async def test_a_greeting_that_raises_puts_no_words_into_the_log() -> None:
    told: list[str] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(str(context)))
    try:
        async with stage(warm(briefing=Greetless())) as scene:
            scene.ask()
            await scene.over()
    finally:
        loop.set_exception_handler(before)
    assert not told


async def test_the_leg_that_was_dialled_is_in_the_outcome() -> None:
    async with stage(warm(exit_key="0"), humans={ANN: Human.silent(2)}) as scene:
        scene.when(Phase.BRIEFING, lambda s: s.call.caller.press("0"), 2)
        scene.ask()
        await scene.over()
        outcome = scene.outcome
        assert outcome is not None
        assert [attempt.status for attempt in outcome.attempts] == ["cancelled"]
        assert outcome.human_identity == scene.call.human(ANN).rings[0].leg.identity


async def test_max_hold_is_not_exceeded_for_the_humans_farewell() -> None:
    async with stage(warm(max_hold=10), humans={ANN: Human.silent(2)}) as scene:
        scene.ask()
        await scene.over()
        assert scene.returned is not None
        assert scene.returned - (scene.entered(Phase.HOLDING) or 0) < 10.5


@pytest.mark.parametrize("finally_", ["hang_up", "return"])
async def test_the_policys_last_word_is_said_where_the_hold_was_too_long(finally_: Any) -> None:
    policy = FallbackPolicy(finally_=finally_, say="Nobody is free.")
    humans = {ANN: Human.no_answer(), BOB: Human.no_answer()}
    async with stage(warm([ANN, BOB], max_hold=10, fallback=policy), humans=humans) as scene:
        scene.ask()
        await scene.over()
        assert scene.outcome is not None, scene.result
        assert scene.outcome.hung_up == (finally_ == "hang_up")
        await scene.settle()
        assert "Nobody is free." in scene.call.caller.heard_text
        await check_promises(scene)


async def test_a_refer_that_is_unclear_when_the_hold_ends_stays_unclear() -> None:
    transfer = cold([ANN, BOB], method="refer", play_dialtone=True, max_hold=5, ring_timeout=30)
    async with stage(transfer, refer="times_out") as scene:
        scene.ask()
        await scene.over()
        assert scene.outcome is not None, scene.result
        assert scene.outcome.status is TransferStatus.INDETERMINATE
        assert "Do not transfer again" in str(scene.outcome)
        await scene.settle()
        await check_promises(scene)
