"""The warm transfer, from end to end on the simulator: judged by what each party heard."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, RunContext
from typing_extensions import Unpack

from livetransfer import (
    Attempt,
    AttemptEnded,
    ColdTransfer,
    ConfigurationError,
    DestinationError,
    DestinationNotAllowedError,
    FallbackPolicy,
    Phase,
    PhaseChanged,
    TransferError,
    TransferInProgressError,
    TransferOptions,
    TransferOutcome,
    TransferStatus,
    WarmTransfer,
)
from livetransfer import HangUp as HangUpCaller
from livetransfer.testing import (
    HangUp,
    Human,
    Say,
    Wait,
    WaitForBridge,
    WaitForSpeech,
    simulate,
)
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS

from .transfers import RULES, rig

LATE = ("background tool calls", "I am sorry, nobody is free.")
ANN, BOB = "+15550100", "+15550101"


async def test_accepted_by_key() -> None:
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        events: list[PhaseChanged] = []
        transfer = WarmTransfer(
            ANN,
            announcement="One moment, I am getting a colleague.",
            on_event=lambda e: events.append(e) if isinstance(e, PhaseChanged) else None,
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BRIDGED, outcome
            assert outcome.bridged
            assert outcome.succeeded
            assert outcome.summary == "The caller wants a person."
            assert outcome.mode == "shared_room"
            assert call.caller.talks_to(ANN)
            assert [e.new for e in events] == [
                Phase.ANNOUNCING,
                Phase.HOLDING,
                Phase.DIALLING,
                Phase.RINGING,
                Phase.BRIEFING,
                Phase.BRIDGING,
                Phase.BRIDGED,
            ]
            bridged = call.now
            await asyncio.sleep(5)
            # The AI is silent, the music is over.
            assert not call.caller.heard("agent", start=bridged)
            assert not call.caller.heard("hold-music", start=bridged + 0.5)
            # Nobody heard what was not meant for them.
            assert not call.caller.heard("briefing")
            assert not call.human(ANN).heard("hold-music")
            assert "The caller wants a person." in call.human(ANN).heard_text
            hold = next(e.at for e in events if e.new is Phase.HOLDING)
            print(call.caller.silence(bridged - 5, bridged), hold)
            call.caller.hang_up()
            end = await outcome.ended()
            assert end.by == "caller"
            assert not call.human(ANN).on_the_line


@pytest.mark.parametrize(
    ("human", "status", "code"),
    [
        (Human.busy(), TransferStatus.BUSY, 486),
        (Human.rejects(603), TransferStatus.DECLINED, 603),
        (Human.rejects(503), TransferStatus.TRUNK_UNAVAILABLE, 503),
        (Human.unknown(), TransferStatus.INVALID_DESTINATION, 404),
        (Human.no_answer(), TransferStatus.NO_ANSWER, None),
        (Human.declines(after=1), TransferStatus.DECLINED, None),
        (Human.declines(after=1, by="voice"), TransferStatus.DECLINED, None),
        (Human.voicemail(after=1), TransferStatus.VOICEMAIL, None),
        (Human.silent(after=1), TransferStatus.TIMED_OUT, None),
        (Human.hangs_up(after=1), TransferStatus.HUMAN_LEFT, None),
    ],
    ids=lambda v: v.value if isinstance(v, TransferStatus) else None,
)
async def test_what_does_not_work_gives_the_caller_back(
    human: Human, status: TransferStatus, code: int | None
) -> None:
    async with simulate(humans={ANN: human}) as call:
        transfer = WarmTransfer(ANN, ring_timeout=10, briefing_timeout=20)
        async with rig(call, transfer.run) as r:
            before = (
                r.session.input.audio_enabled,
                r.session.output.audio_enabled,
                r.session.options.user_away_timeout,
            )
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is status, outcome
            assert not outcome.succeeded
            phases = [seconds for name, seconds in outcome.timings.items() if name != "total"]
            assert sum(phases) == pytest.approx(outcome.timings["total"], abs=0.01)
            if code is not None:
                assert outcome.sip_code == code
            assert before == (
                r.session.input.audio_enabled,
                r.session.output.audio_enabled,
                r.session.options.user_away_timeout,
            )
            back = call.now
            await asyncio.sleep(8)
            # The AI has said so, and the music went on until it did.
            said = call.caller.heard("agent", start=back)
            assert said
            assert "nobody is free" in said[0].text
            held = call.caller.heard("hold-music")[0].start
            assert call.caller.silence(held, said[0].start + 0.1) <= 0.3
            assert not call.caller.heard("hold-music", start=said[0].start + 0.5)
            assert not call.human(ANN).on_the_line
            assert not call.caller.heard("briefing")
        assert call.leftovers() == []


async def test_accepted_by_voice_after_a_question() -> None:
    human = Human(
        ring=2,
        script=[
            WaitForSpeech(),
            Say("What is the account number?"),
            WaitForSpeech(),
            Say("Good, put them through."),
            WaitForBridge(),
            Say("Hello, this is Ann."),
        ],
    )
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BRIDGED, outcome
            assert "It is 4711." in call.human(ANN).heard_text
            await call.caller.says("Hi Ann.")
            await asyncio.sleep(2)
            assert "Hello, this is Ann." in call.caller.heard_text
            assert "put them through" not in call.caller.heard_text
            assert "Hi Ann." in call.human(ANN).heard_text


async def test_the_briefing_is_heard_at_once() -> None:
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            await r.outcome()
            answered = call.human(ANN).rings[0].answered_at
            assert answered is not None
            first = call.human(ANN).heard("briefing")[0]
            assert first.start - answered <= 0.15
            assert "The caller wants a person." in first.text


async def test_answered_at_once_an_opening_bridges_the_time_until_the_summary() -> None:
    async with simulate(humans={ANN: Human.accepts(after=0.05)}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            await r.outcome()
            answered = call.human(ANN).rings[0].answered_at
            assert answered is not None
            words = [h for h in call.human(ANN).heard("briefing") if h.text]
            assert words[0].text.startswith("Hello, I have a caller")
            assert words[0].start - answered <= 0.6
            assert "The caller wants a person." in call.human(ANN).heard_text


async def test_after_return_the_caller_is_back_with_the_ai() -> None:
    human = Human.accepts(after=1, then=[Wait(3), HangUp()])
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN, after="return").run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            end = await outcome.ended()
            assert end.by == "human"
            assert end.returned
            assert end.seconds == pytest.approx(3, abs=0.2)
            assert call.caller.on_the_line
            back = call.now
            await asyncio.sleep(4)
            assert call.caller.heard("agent", start=back)
            assert r.session.input.audio_enabled
            history = r.session.current_agent.chat_ctx.messages()
            assert any("colleague" in (m.text_content or "") for m in history)
            # A second transfer in the same call.
            r.ask()
            again = await r.outcome(1)
            assert again.status is TransferStatus.BRIDGED
            assert (await again.ended()).returned
        assert call.leftovers() == []


async def test_after_end_when_the_human_leaves_the_caller_is_hung_up() -> None:
    human = Human.accepts(after=1, then=[Wait(3), HangUp()])
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            outcome = await r.outcome()
            end = await outcome.ended()
            assert end.by == "human"
            assert not end.returned
            assert not call.caller.on_the_line
        assert call.leftovers() == []


async def test_after_leave_the_ai_is_gone_and_the_two_talk() -> None:
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        async with rig(call, WarmTransfer(ANN, after="leave").run) as r:
            r.ask()
            outcome = await r.outcome()
            end = await outcome.ended()
            assert end.by == "nobody"
            assert not call.ai_present
            assert call.caller.talks_to(ANN)
        assert call.caller.talks_to(ANN)


async def test_the_next_is_tried() -> None:
    attempts = []
    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts(after=1)}) as call:
        transfer = WarmTransfer(
            [ANN, BOB],
            on_event=lambda e: attempts.append(e.attempt) if isinstance(e, AttemptEnded) else None,
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BRIDGED
            assert [a.status for a in outcome.attempts] == ["busy", "bridged"]
            assert outcome.destination is not None
            assert outcome.destination.address == BOB
            assert attempts == [outcome.attempts[0]]
            assert outcome.attempts[0].human_identity != outcome.attempts[1].human_identity


async def test_after_one_who_does_not_decide_the_next_is_tried() -> None:
    async with simulate(humans={ANN: Human.silent(after=2), BOB: Human.accepts()}) as call:
        async with rig(call, WarmTransfer([ANN, BOB], briefing_timeout=20).run) as r:
            r.ask()
            outcome = await r.outcome()
            assert [a.status for a in outcome.attempts] == ["timed_out", "bridged"]
            assert call.caller.talks_to(BOB)


async def test_busy_is_tried_again_after_a_while() -> None:
    async with simulate(humans={ANN: [Human.busy(), Human.accepts(after=1)]}) as call:
        transfer = WarmTransfer(ANN, fallback=FallbackPolicy(retries=1, retry_after=7))
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BRIDGED
            first, second = call.human(ANN).rings
            assert second.at - first.at == pytest.approx(7, abs=0.5)
            assert len({first.leg.identity, second.leg.identity}) == 2


async def test_the_fallback_may_hang_up_with_a_word() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        transfer = WarmTransfer(ANN, fallback=lambda a: HangUpCaller("Nobody is free. Goodbye."))
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BUSY
            assert outcome.hung_up
            assert not call.caller.on_the_line
            assert call.caller.heard("agent")[-1].text == "Nobody is free. Goodbye."
        assert call.leftovers() == []


async def test_the_hold_is_bounded() -> None:
    async with simulate(humans={ANN: Human.no_answer(), BOB: Human.accepts()}) as call:
        transfer = WarmTransfer([ANN, BOB], ring_timeout=60, max_hold=20)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.TIMED_OUT
            assert outcome.attempts[0].seconds_on_hold == pytest.approx(20, abs=0.2)
            # What ends the transfer does not wait for the phone that was given up.
            at = call.now
            await asyncio.sleep(1.0)
            ended = call.human(ANN).rings[0].ended_at
            assert ended is not None
            assert ended - at < 1.0
            assert not call.human(BOB).rings


@pytest.mark.parametrize("moment", [1.0, 3.5, 4.2, 6.5, 8.5])
async def test_the_caller_hangs_up(moment: float) -> None:
    async with simulate(humans={ANN: Human.silent(after=3)}) as call:
        transfer = WarmTransfer(ANN, announcement="One moment, I am getting a colleague for you.")
        async with rig(call, transfer.run) as r:
            r.ask()
            call.at(moment, call.caller.hang_up)
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.CALLER_LEFT, outcome
            assert call.now - moment < 6
            assert not call.human(ANN).ringing
            assert not call.human(ANN).on_the_line
            for ring in call.human(ANN).rings:
                if ring.answered_at is None:
                    assert ring.ended_at is not None
                    assert ring.ended_at - moment < 1
                else:
                    assert "hung up" in call.human(ANN).heard_text
        assert call.leftovers() == []


@pytest.mark.parametrize("moment", [1.0, 3.5, 4.2, 6.5, 8.5])
async def test_cancelled(moment: float) -> None:
    async with simulate(humans={ANN: Human.silent(after=3)}) as call:
        session: AgentSession[Any] = AgentSession(llm=ScriptedLLM(RULES), tts=ScriptedTTS())
        call.attach(session)
        await session.start(Agent(instructions="Help."))
        transfer = WarmTransfer(ANN, announcement="One moment, I am getting a colleague for you.")
        task = asyncio.create_task(transfer.run(session))
        await asyncio.sleep(moment)
        task.cancel()
        cancelled = call.now
        with pytest.raises(asyncio.CancelledError):
            await task
        assert call.now - cancelled <= 0.5
        assert session.output.audio_enabled
        assert session.input.audio_enabled
        await asyncio.sleep(0.5)
        assert not call.human(ANN).on_the_line
        assert not call.human(ANN).ringing
        assert not call.caller.hears("hold-music")
        # There is somebody to talk to.
        await call.caller.says("Hello?")
        await asyncio.sleep(3)
        assert call.caller.heard("agent", start=cancelled)
        await session.aclose()
        assert call.leftovers() == []


async def test_a_second_transfer_of_the_same_call_raises_and_the_first_goes_on() -> None:
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            await asyncio.sleep(4)
            with pytest.raises(TransferInProgressError):
                await WarmTransfer(ANN).run(r.session)
            assert (await r.outcome()).status is TransferStatus.BRIDGED
            with pytest.raises(TransferInProgressError):
                await WarmTransfer(ANN).run(r.session)
            assert call.caller.talks_to(ANN)


async def test_both_hear_the_introduction() -> None:
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        transfer = WarmTransfer(ANN, introduction="You are now connected.")
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            assert call.caller.heard("introduction")
            assert call.human(ANN).heard("introduction")


async def test_the_tool_may_have_said_the_announcement_itself() -> None:
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:

        async def say_and_run(context: RunContext[Any]) -> TransferOutcome:
            context.session.say("I will now find somebody for you, please stay on the line.")
            return await WarmTransfer(ANN).run(context)

        async with rig(call, say_and_run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged
            said = next(h for h in call.caller.heard("agent") if "stay on the line" in h.text)
            music = call.caller.heard("hold-music")[0]
            assert said.end - said.start > 3
            assert music.start >= said.end - 0.01


async def test_the_caller_who_talks_into_the_announcement_does_not_cancel_it() -> None:
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        transfer = WarmTransfer(ANN, announcement="One moment, I am getting a colleague for you.")
        async with rig(call, transfer.run) as r:
            r.ask()
            await asyncio.sleep(1)
            await call.caller.says("Yes please, thank you!")
            assert (await r.outcome()).bridged


async def test_no_reply_after_the_bridge_and_no_away_timer() -> None:
    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            states = []
            r.session.on("user_state_changed", lambda e: states.append(e.new_state))
            r.ask()
            assert (await r.outcome()).bridged
            requests = len(r.llm.requests)
            await call.caller.says("Hello?")
            await asyncio.sleep(120)
            assert len(r.llm.requests) == requests
            assert "away" not in states


async def test_a_listener_or_a_policy_that_raises_changes_nothing() -> None:
    def listen(event: object) -> None:
        raise RuntimeError("listener")

    def policy(attempt: Attempt) -> None:
        raise RuntimeError("policy")

    async with simulate(humans={ANN: Human.busy(), BOB: Human.accepts(after=1)}) as call:
        transfer = WarmTransfer([ANN, BOB], on_event=listen, fallback=policy)
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).bridged


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"ring_timeout": 0}, "ring_timeout"),
        ({"ring_timeout": True}, "ring_timeout"),
        ({"briefing_timeout": -1}, "briefing_timeout"),
        ({"max_hold": 0}, "max_hold"),
        ({"bridge": "magic"}, "bridge"),
        ({"after": "never"}, "after"),
        ({"briefing": 7}, "briefing"),
        ({"hold_music": "no/such/file.mp3"}, "hold_music"),
        ({"fallback": "hang_up"}, "fallback"),
        ({"fallback": FallbackPolicy}, "fallback"),
        ({"on_event": "print"}, "on_event"),
        ({"announcement": 5}, "announcement"),
        ({"introduction": 5}, "introduction"),
        ({"instructions": 5}, "instructions"),
        ({"trunk_id": 5}, "trunk_id"),
        ({"caller": 5}, "caller"),
        ({"department": "sales"}, "department"),
        ({"allowed": "+1*"}, "allowed"),
        ({"allowed": []}, "allowed"),
        ({"allowed": ["+1*", 5]}, "allowed"),
        ({"allowed": 5}, "allowed"),
    ],
)
def test_bad_options_are_refused_at_once(options: dict[str, Any], field: str) -> None:
    with pytest.raises(TransferError, match=field):
        WarmTransfer(ANN, **options)


@pytest.mark.parametrize("to", ["", "5550100", "sales", [], None])
def test_bad_targets_are_refused_at_once(to: Any) -> None:
    with pytest.raises(DestinationError):
        WarmTransfer(to)


async def test_what_is_refused_is_refused_before_the_hold() -> None:
    async with simulate(humans={ANN: Human.accepts()}, trunk=False) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            with pytest.raises(ConfigurationError, match="trunk_id"):
                await r.outcome()
            assert not [c for c in call.calls if c.name in ("dial", "open_audio")]
            assert r.session.output.audio_enabled
    with pytest.raises(DestinationNotAllowedError):
        WarmTransfer(ANN, allowed=["+44*"])


def test_a_blank_text_is_none() -> None:
    """As it comes from an environment variable that is empty."""
    WarmTransfer(ANN, trunk_id="", caller="", announcement=" ", instructions="", introduction="")


async def test_a_context_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="context"):
        await WarmTransfer(ANN).run(None)  # type: ignore[arg-type]


async def test_a_session_without_a_room() -> None:
    session: AgentSession[Any] = AgentSession()
    with pytest.raises(ConfigurationError, match="context"):
        await WarmTransfer(ANN).run(session)


async def test_the_ai_goes_on_talking_while_it_rings() -> None:
    rules: Any = [
        (r"Caller:(.|\n)*4711", "The caller wants a person and is customer 4711."),
        *RULES[:2],
        ("being called", "I am calling them. What is your customer number?"),
        ("4711", "Thank you."),
        *RULES[2:],
    ]
    async with simulate(humans={ANN: Human.accepts(after=12)}) as call:
        transfer = WarmTransfer(ANN, while_ringing="conversation")
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            call.at(6, lambda: call.caller.says("It is 4711."))
            call.at(12, lambda: asking.append(call.caller.heard("hold-music")))
            asking: list[object] = []
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.BRIDGED, outcome
            assert asking == [[]]
            text = call.caller.heard_text
            assert "What is your customer number?" in text
            assert "Thank you." in text
            answered = call.human(ANN).rings[0].answered_at
            assert answered is not None
            music = call.caller.heard("hold-music")
            assert answered <= music[0].start <= answered + 3.1
            briefing = call.human(ANN).heard("briefing")
            assert briefing[0].start - answered <= 0.6
            assert "customer 4711" in call.human(ANN).heard_text
            bridged, requests = call.now, len(r.llm.requests)
            await asyncio.sleep(10)
            assert len(r.llm.requests) == requests
            assert not call.caller.heard("agent", start=bridged)
            assert call.caller.talks_to(ANN)


@pytest.mark.parametrize("human", [Human.busy(), Human.no_answer(), Human.declines(after=8)])
async def test_when_nobody_comes_the_ai_that_went_on_talking_says_so(human: Human) -> None:
    rules: Any = [("being called", "I am calling them."), LATE, *RULES]
    async with simulate(humans={ANN: human}) as call:
        transfer = WarmTransfer(ANN, while_ringing="conversation", ring_timeout=10)
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            outcome = await r.outcome()
            assert not outcome.succeeded
            await asyncio.sleep(8)
            assert "nobody is free" in call.caller.heard("agent")[-1].text
            assert r.session.input.audio_enabled
            assert not call.human(ANN).on_the_line
        assert call.leftovers() == []


async def test_the_caller_hangs_up_while_talking_and_it_rings() -> None:
    rules: Any = [("being called", "I am calling them."), LATE, *RULES]
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        transfer = WarmTransfer(ANN, while_ringing="conversation")
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            call.at(5, call.caller.hang_up)
            assert (await r.outcome()).status is TransferStatus.CALLER_LEFT
            ended = call.human(ANN).rings[0].ended_at
            assert ended is not None
            assert ended < 6
        assert call.leftovers() == []


@pytest.mark.parametrize("moment", [3.0, 7.0])
async def test_the_exit_key_brings_the_caller_back(moment: float) -> None:
    async with simulate(humans={ANN: Human.silent(after=4)}) as call:
        transfer = WarmTransfer(ANN, exit_key="9")
        rules: Any = [("come back to you", "I am here again."), *RULES]
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            call.at(moment - 1, lambda: call.caller.press("1"))
            call.at(moment, lambda: call.caller.press("9"))
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.CANCELLED
            assert call.now == pytest.approx(moment, abs=0.2)
            await asyncio.sleep(6)
            heard = call.caller.heard("agent")[-1]
            assert heard.text == "I am here again."
            assert call.caller.silence(moment, heard.start) <= 0.3
            assert not call.caller.hears("hold-music")
            assert not call.human(ANN).on_the_line
            assert not call.human(ANN).ringing
            if moment > 5:
                assert "does not need you any more" in call.human(ANN).heard_text
            # And again.
            r.ask()
            assert (await r.outcome(1)).status is TransferStatus.TIMED_OUT
            await asyncio.sleep(8)
        assert call.leftovers() == []


async def test_without_an_exit_key_no_key_does_anything() -> None:
    async with simulate(humans={ANN: Human.accepts(after=4)}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            r.ask()
            for moment, key in enumerate("0123456789*#", start=1):
                call.at(moment / 2, partial(call.caller.press, key))
            assert (await r.outcome()).bridged
    with pytest.raises(ConfigurationError, match="exit_key"):
        WarmTransfer(ANN, exit_key="99")


def test_a_subclass_passes_the_options_on() -> None:
    class Ours(WarmTransfer):
        def __init__(self, **options: Unpack[TransferOptions]) -> None:
            super().__init__(ANN, **options)

    assert Ours(ring_timeout=12)._ring_timeout == 12


@pytest.mark.parametrize("kind", [WarmTransfer, ColdTransfer])
def test_a_keyword_that_does_not_exist_is_named(kind: Any) -> None:
    with pytest.raises(TypeError, match="ring_time'"):
        kind(ANN, ring_time=12)
