"""WarmTransferTask on the simulator: both forms, failures, cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    RunContext,
    ToolError,
)
from livekit.agents.beta.workflows import WarmTransferResult as TheirResult
from livekit.agents.llm import function_tool

from livetransfer import (
    DialFailed,
    EndedBy,
    TransferError,
    TransferInProgressError,
    TransferStatus,
    WarmTransfer,
    WarmTransferError,
    WarmTransferFailure,
    WarmTransferResult,
    WarmTransferTask,
)
from livetransfer.testing import (
    Human,
    Say,
    Wait,
    WaitForSpeech,
    simulate,
)
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS, ToolCall
from tests.unit.transfers import RULES, rig

from .tasks import ANN, BOB, USES, Use, awaited, failure, result, run, told


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_accepted(use: Use) -> None:
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        tasks = []

        async def transfer(context: RunContext[Any]) -> WarmTransferResult:
            tasks.append(WarmTransferTask(ANN))
            return await use(tasks[0], context)

        async with rig(call, transfer) as r:
            r.ask()
            got = await result(r)
            assert isinstance(got, WarmTransferResult), got
            assert isinstance(got, TheirResult)
            outcome = tasks[0].outcome
            assert outcome is not None
            assert got.human_agent_identity == outcome.human_identity
            assert call.caller.talks_to(ANN)
            assert tasks[0].done()
            assert r.session.current_agent is r.agent
            answered = call.human(ANN).rings[0].answered_at
            assert answered is not None
            assert call.human(ANN).heard("briefing")[0].start - answered <= 0.15
            assert "The caller wants a person." in told(call)
            # From now on the AI is silent, whatever the tool returns.
            requests, now = len(r.llm.requests), call.now
            await call.caller.says("Hello?")
            await asyncio.sleep(30)
            assert len(r.llm.requests) == requests
            assert not call.caller.heard("agent", start=now)
            assert not call.caller.heard("briefing")
            assert not call.human(ANN).heard("hold-music")
            # When one leaves, the other is hung up.
            call.human(ANN).hang_up()
            assert (await outcome.ended()).by is EndedBy.HUMAN
            assert not call.caller.on_the_line
        assert call.leftovers() == []


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_a_failure_gives_the_caller_back(use: Use) -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, lambda context: use(WarmTransferTask(ANN), context)) as r:
            before = (r.session.input.audio_enabled, r.session.output.audio_enabled)
            r.ask()
            error = await failure(r)
            assert error.code is WarmTransferFailure.DIAL_FAILED
            assert before == (r.session.input.audio_enabled, r.session.output.audio_enabled)
            assert r.session.current_agent is r.agent
            back = call.now
            await asyncio.sleep(8)
            said = call.caller.heard("agent", start=back)
            assert "nobody is free" in said[0].text
            await call.caller.says("What is my account number?")
            await asyncio.sleep(4)
            assert "It is 4711." in call.caller.heard_text
        assert call.leftovers() == []


async def test_awaited_in_the_on_enter_of_an_agent() -> None:
    class Receptionist(Agent):
        async def on_enter(self) -> None:
            self.got = await WarmTransferTask(ANN)

    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        session: AgentSession[Any] = AgentSession(llm=ScriptedLLM(RULES), tts=ScriptedTTS())
        call.attach(session)
        agent = Receptionist(instructions="Transfer.")
        await session.start(agent)
        while not hasattr(agent, "got"):
            assert call.now < 60
            await asyncio.sleep(0.1)
        assert call.caller.talks_to(ANN)
        await session.aclose()


async def test_awaited_elsewhere_it_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"\.run\(context\)"):
        await WarmTransferTask(ANN, sip_trunk_id="ST_1")


async def test_one_task_serves_one_transfer() -> None:
    task: list[WarmTransferTask] = []

    async def transfer(context: RunContext[Any]) -> WarmTransferResult:
        if not task:
            task.append(WarmTransferTask(ANN))
        return await task[0]

    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, transfer) as r:
            r.ask()
            await failure(r)
            await asyncio.sleep(10)
            r.ask()
            error = await result(r, 1)
            assert isinstance(error, RuntimeError)
            assert "one transfer" in str(error)


async def test_a_second_transfer_in_the_same_call() -> None:
    async with simulate(humans={ANN: [Human.declines(after=1), Human.accepts(after=1)]}) as call:
        async with rig(call, lambda context: awaited(WarmTransferTask(ANN), context)) as r:
            r.ask()
            assert (await failure(r)).code is WarmTransferFailure.DECLINED
            await asyncio.sleep(10)
            r.ask()
            assert isinstance(await result(r, 1), WarmTransferResult)
            assert call.caller.talks_to(ANN)
            call.caller.hang_up()
            await asyncio.sleep(1)
        assert call.leftovers() == []


async def test_while_one_runs_another_is_refused_and_the_first_goes_on() -> None:
    async with simulate(humans={ANN: Human.accepts(after=5), BOB: Human.accepts(after=1)}) as call:

        async def transfer(context: RunContext[Any]) -> WarmTransferResult:
            first = asyncio.create_task(WarmTransferTask(ANN).run(context))
            await asyncio.sleep(2)
            with pytest.raises(WarmTransferError) as refused:
                await WarmTransferTask(BOB)
            assert refused.value.code is WarmTransferFailure.REFUSED
            assert isinstance(refused.value.__cause__, TransferInProgressError)
            return await first

        async with rig(call, transfer) as r:
            r.ask()
            assert isinstance(await result(r), WarmTransferResult)
            assert not call.human(BOB).rings


# -- failures ------------------------------------------------------------------------------

_F = WarmTransferFailure


@pytest.mark.parametrize(
    ("human", "code", "status", "call_status", "words"),
    [
        (Human.busy(), _F.DIAL_FAILED, "busy", "dialing", "could not dial human agent"),
        (Human(ring=1, code=486), _F.DIAL_FAILED, "busy", "ringing", "could not dial human agent"),
        (Human.unknown(), _F.DIAL_FAILED, "invalid_destination", "dialing", "could not dial"),
        (Human.rejects(503), _F.DIAL_FAILED, "trunk_unavailable", "ringing", "could not dial"),
        (Human.no_answer(), _F.DIAL_FAILED, "no_answer", "ringing", "could not dial human agent"),
        (Human.rejects(603), _F.DECLINED, "declined", "ringing", "declined to connect"),
        (
            Human.declines(after=1, by="voice"),
            _F.DECLINED,
            "declined",
            "active",
            "human agent declined to connect: in a meeting",
        ),
        (Human.declines(after=1), _F.DECLINED, "declined", "active", "declined to connect"),
        (Human.voicemail(after=1), _F.VOICEMAIL, "voicemail", "active", "voicemail detected"),
        (Human.hangs_up(after=1), _F.DESTINATION_LEFT, "human_left", "hangup", "destination left"),
        (Human.silent(after=1), _F.TIMED_OUT, "timed_out", "active", "did not decide in time"),
    ],
)
async def test_each_failure_has_its_code(
    human: Human, code: WarmTransferFailure, status: str, call_status: str, words: str
) -> None:
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, lambda c: awaited(WarmTransferTask(ANN, ringing_timeout=10), c)) as r:
            r.ask()
            error = await failure(r)
            assert isinstance(error, ToolError)
            assert isinstance(error, TransferError)
            assert error.code is code
            assert error.call_status == call_status
            assert error.outcome is not None
            assert error.outcome.status == status
            assert words in error.message
            # The model is told what to do now.
            assert "The caller is on the line with you." in error.message
            if code is _F.DIAL_FAILED:
                assert isinstance(error.__cause__, DialFailed)
            if code is _F.DECLINED and "meeting" in words:
                assert error.reason == "in a meeting"
            assert str(error.code) == error.code.value
            await asyncio.sleep(8)  # the music ends when the AI speaks
            assert not call.human(ANN).on_the_line
        assert call.leftovers() == []


async def test_the_caller_who_leaves_ends_it() -> None:
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, lambda c: awaited(WarmTransferTask(ANN), c)) as r:
            r.ask()
            await asyncio.sleep(5)
            assert call.human(ANN).ringing
            call.caller.hang_up()
            error = await failure(r)
            assert error.code is WarmTransferFailure.CALLER_LEFT
            assert not call.human(ANN).ringing
        assert call.leftovers() == []


async def test_a_session_that_is_closed_ends_it() -> None:
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, lambda c: awaited(WarmTransferTask(ANN), c)) as r:
            r.ask()
            await asyncio.sleep(5)
            await asyncio.wait_for(r.session.aclose(), 5)
            error = await failure(r)
            assert error.code is WarmTransferFailure.ROOM_CLOSED
        assert call.leftovers() == []


async def test_no_trunk_in_the_simulation_is_refused() -> None:
    async with simulate(humans={ANN: Human.accepts()}, trunk=False) as call:
        async with rig(call, lambda c: awaited(WarmTransferTask(ANN), c)) as r:
            r.ask()
            error = await failure(r)
            assert error.code is WarmTransferFailure.REFUSED
            assert error.outcome is None
            assert "trunk_id" in str(error)


async def test_why_a_leg_was_disconnected() -> None:
    async with simulate(humans={ANN: Human.silent(after=1)}) as call:
        async with rig(call, lambda c: awaited(WarmTransferTask(ANN), c)) as r:
            r.ask()
            await asyncio.sleep(5)
            call.human(ANN).hang_up("client_initiated")
            error = await failure(r)
            assert error.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED
            assert "destination left: CLIENT_INITIATED" in str(error)


async def test_a_failure_that_the_tool_handles_is_not_the_result_of_the_turn() -> None:
    async def transfer(context: RunContext[Any]) -> str:
        try:
            await WarmTransferTask(ANN)
        except Exception as error:
            await context.session.say("Nobody is there. May I take a message?")
            return f"handled: {type(error).__name__}"
        return "connected"

    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, transfer) as r:
            turn: Any = await r.session.run(user_input="I want to talk to a person")
            turn.expect.contains_function_call(name="transfer")
            assert r.agent.results == ["handled: WarmTransferError"]
            assert "May I take a message?" in call.caller.heard_text


# -- cancellation --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "human", [Human.no_answer(), Human.silent(after=1)], ids=["rings", "brief"]
)
@pytest.mark.parametrize("use", [awaited, run], ids=lambda use: use.__name__)
async def test_cancelled(use: Use, human: Human) -> None:
    async with simulate(humans={ANN: human}) as call:
        done = []

        async def transfer(context: RunContext[Any]) -> Any:
            transferring = asyncio.ensure_future(use(WarmTransferTask(ANN), context))
            await asyncio.sleep(8)
            since = call.now
            transferring.cancel()
            with pytest.raises(asyncio.CancelledError):
                await transferring
            done.append(call.now - since)
            return "cancelled"

        async with rig(call, transfer) as r:
            r.ask()
            assert await result(r) == "cancelled"
            assert done[0] <= 0.5
            assert r.session.output.audio_enabled
            assert not call.human(ANN).ringing
            await asyncio.sleep(1)
            assert not call.human(ANN).on_the_line
            await asyncio.sleep(5)
            await call.caller.says("What is my account number?")
            await asyncio.sleep(4)
            assert "It is 4711." in call.caller.heard_text
        assert call.leftovers() == []


async def test_cancel_and_complete_end_it() -> None:
    class Patient(WarmTransferTask):
        @function_tool
        async def call_back(self) -> None:
            """The colleague asks to be called back."""
            self.complete(ToolError("they ask to be called back"))

    rules = [("ring me later", ToolCall("call_back")), *RULES]
    human = Human(ring=1, script=[WaitForSpeech(), Say("Please ring me later."), Wait(60)])
    async with simulate(humans={ANN: human, BOB: Human.no_answer()}) as call:

        async def transfer(context: RunContext[Any]) -> str:
            with pytest.raises(ToolError, match="called back"):
                await Patient(ANN)
            other = WarmTransferTask(BOB)
            asyncio.get_running_loop().call_later(3, other.cancel)
            with pytest.raises(WarmTransferError) as cancelled:
                await other
            assert cancelled.value.code is WarmTransferFailure.CANCELLED
            other.cancel()
            return "done"

        async with rig(call, transfer, rules) as r:
            r.ask()
            assert await result(r) == "done"
            await asyncio.sleep(5)
            assert not call.human(ANN).on_the_line
        assert call.leftovers() == []


async def test_it_gives_way_to_a_transfer_of_another_kind() -> None:
    """Both kinds know of each other: one call, one transfer."""
    async with simulate(humans={ANN: Human.accepts(after=5), BOB: Human.accepts()}) as call:

        async def transfer(context: RunContext[Any]) -> Any:
            first = asyncio.create_task(WarmTransfer(ANN).run(context))
            await asyncio.sleep(1)
            with pytest.raises(WarmTransferError):
                await WarmTransferTask(BOB)
            return await first

        async with rig(call, transfer) as r:
            r.ask()
            assert (await result(r)).status is TransferStatus.BRIDGED


async def test_a_task_that_is_cancelled_as_it_succeeds_says_one_thing() -> None:
    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:

        async def transfer(context: RunContext[Any]) -> Any:
            task = WarmTransferTask(ANN)
            inner = task._on_event

            def listen(event: Any) -> None:
                inner(event)
                if type(event).__name__ == "TransferEnded":
                    asyncio.get_running_loop().call_soon(task.cancel)

            task._transfer._on_event = listen
            return await task.run(context)

        async with rig(call, transfer) as r:
            r.ask()
            while not r.agent.results:
                await asyncio.sleep(0.01)
            await asyncio.sleep(6)
            failed = isinstance(r.agent.results[0], BaseException)
            assert call.caller.talks_to(ANN) is not failed


@pytest.mark.parametrize("way", ["cancel", "complete", "succeed"])
async def test_a_task_that_has_ended_dials_nobody(way: str) -> None:
    """`on_enter` may go on for 5 s after the end; what it dials then belongs to nobody."""

    class Slow(WarmTransferTask):
        async def on_enter(self) -> None:
            await asyncio.sleep(3)  # looks something up, says something
            await super().on_enter()

    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:

        async def transfer(context: RunContext[Any]) -> Any:
            task = Slow(ANN)
            loop = asyncio.get_running_loop()
            if way == "cancel":
                loop.call_later(1, task.cancel)
            elif way == "succeed":
                loop.call_later(1, task.complete, WarmTransferResult("somebody"))
            else:
                error = WarmTransferError("closed now", code=WarmTransferFailure.REFUSED)
                loop.call_later(1, task.complete, error)
            return await task

        async with rig(call, transfer) as r:
            r.ask()
            await result(r)
            await asyncio.sleep(30)
            assert not call.human(ANN).rings
            assert not call.caller.talks_to(ANN)
            assert r.session.output.audio_enabled
        assert call.leftovers() == []


async def test_tools_may_be_none() -> None:
    assert WarmTransferTask(ANN, sip_trunk_id="ST_1", tools=None)  # type: ignore[arg-type]
