"""Subclasses that were written for livekit-agents' WarmTransferTask work with ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import (
    AgentSession,
    RunContext,
    ToolError,
    utils,
)
from livekit.agents.llm import function_tool

from livetransfer import (
    WarmTransferError,
    WarmTransferFailure,
    WarmTransferResult,
    WarmTransferTask,
)
from livetransfer.testing import (
    Human,
    Press,
    Say,
    WaitForBridge,
    WaitForSpeech,
    simulate,
)
from livetransfer.testing.models import ToolCall
from tests.unit.transfers import RULES, rig

from .tasks import ANN, awaited, failure, result, told, transferred_by


async def test_a_subclass_that_speaks_at_the_answer() -> None:
    class Immediate(WarmTransferTask):
        async def on_enter(self) -> None:
            await super().on_enter()
            if not self.done() and self._human_agent_sess is not None:
                self._human_agent_sess.say("Hi, it is about an invoice. Do you take it?")

    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        assert isinstance(await transferred_by(call, lambda: Immediate(ANN)), WarmTransferResult)
        assert told(call) == "Hi, it is about an invoice. Do you take it?"


async def test_a_subclass_that_lets_the_model_speak_at_the_answer() -> None:
    class Immediate(WarmTransferTask):
        async def on_enter(self) -> None:
            await super().on_enter()
            assert self._human_agent_sess is not None
            await self._human_agent_sess.generate_reply(instructions="Say who calls.")

    rules = [("Say who calls", "It is the caller with the invoice."), *RULES]
    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        assert isinstance(
            await transferred_by(call, lambda: Immediate(ANN), rules), WarmTransferResult
        )
        assert "Hello, I have a caller" not in told(call)


async def test_a_subclass_that_does_not_speak_leaves_the_greeting_to_us() -> None:
    steps = []

    class Reporting(WarmTransferTask):
        async def on_enter(self) -> None:
            steps.append("hold")
            assert self.session.current_agent.instructions == "You are a helpful assistant."
            await super().on_enter()
            steps.append("answered")
            await asyncio.sleep(0.5)

        async def on_exit(self) -> None:
            steps.append("exit")

    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        assert isinstance(await transferred_by(call, lambda: Reporting(ANN)), WarmTransferResult)
        assert steps == ["hold", "answered", "exit"]
        assert told(call).startswith("Hello, I have a caller")


async def test_on_enter_returns_when_nobody_answers() -> None:
    seen = []

    class Careless(WarmTransferTask):
        async def on_enter(self) -> None:
            await super().on_enter()
            seen.append((self.done(), self._human_agent_sess))
            await self._human_agent_sess.say("Hello")  # type: ignore[union-attr]

    async with simulate(humans={ANN: Human.busy()}) as call:
        error = await transferred_by(call, lambda: Careless(ANN))
        assert isinstance(error, WarmTransferError)
        assert seen == [(True, None)]


async def test_an_on_enter_that_raises_ends_it() -> None:
    class Broken(WarmTransferTask):
        async def on_enter(self) -> None:
            await super().on_enter()
            raise ValueError("broken")

    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        error = await transferred_by(call, lambda: Broken(ANN))
        assert isinstance(error, ValueError)
        await asyncio.sleep(2)
        assert not call.human(ANN).on_the_line
        assert call.leftovers() == []


async def test_a_subclass_that_takes_the_answer_for_a_yes() -> None:
    steps: list[Any] = []

    class Answered(WarmTransferTask):
        async def on_enter(self) -> None:
            await super().on_enter()
            session = self._human_agent_sess
            if session is None or self.done():
                return
            speech = session.say("A caller about an invoice, here you go.")
            await speech.wait_for_playout()
            await self.connect_to_caller()
            steps.append(self.done())

    async with simulate(humans={ANN: Human.silent(after=2)}) as call:
        assert isinstance(await transferred_by(call, lambda: Answered(ANN)), WarmTransferResult)
        await asyncio.sleep(0.1)
        assert steps == [True]
        assert told(call) == "A caller about an invoice, here you go."
        assert call.caller.talks_to(ANN)


async def test_a_subclass_with_a_copy_of_their_on_enter() -> None:
    class Copied(WarmTransferTask):
        async def on_enter(self) -> None:
            if self._hold_audio is not None:
                raise AssertionError("two kinds of music")
            self._set_io_enabled(False)
            dial: asyncio.Task[AgentSession[Any]] | None = None
            try:
                dial = asyncio.create_task(self._dial_human_agent())
                done, _ = await asyncio.wait(
                    (dial, self._human_agent_failed_fut), return_when=asyncio.FIRST_COMPLETED
                )
                if dial not in done:
                    raise RuntimeError
                self._human_agent_sess = dial.result()
                await self._human_agent_sess.say("hello i have a caller on line")
            except Exception:
                self._set_result(ToolError("could not dial human agent"))
            finally:
                if dial is not None:
                    await utils.aio.cancel_and_wait(dial)

    async with simulate(humans={ANN: [Human.accepts(after=2), Human(ring=1, code=486)]}) as call:
        assert isinstance(await transferred_by(call, lambda: Copied(ANN)), WarmTransferResult)
        assert told(call) == "hello i have a caller on line"
    async with simulate(humans={ANN: Human(ring=1, code=486)}) as call:
        assert isinstance(await transferred_by(call, lambda: Copied(ANN)), ToolError)


async def test_a_subclass_that_watches_the_steps() -> None:
    steps = []

    class Watching(WarmTransferTask):
        async def _dial_human_agent(self) -> AgentSession[Any]:
            steps.append("consult")
            session = await super()._dial_human_agent()
            steps.append("briefing")
            return session

        async def _merge_calls(self) -> None:
            steps.append("move")
            await super()._merge_calls()

    human = Human(ring=1, script=[WaitForSpeech(), Say("Put them through."), WaitForBridge()])
    async with simulate(humans={ANN: human}) as call:
        assert isinstance(await transferred_by(call, lambda: Watching(ANN)), WarmTransferResult)
        assert steps == ["consult", "briefing", "move"]


async def test_tools_of_a_subclass_and_of_the_keyword() -> None:
    @function_tool
    async def opening_hours() -> str:
        """The opening hours."""
        return "from nine to five"

    class Helpful(WarmTransferTask):
        @function_tool
        async def look_up(self, context: RunContext[Any]) -> str:
            """The caller's address."""
            assert context.session is self._human_agent_sess
            assert context.session is not self.session
            return "12 Hill Road"

    human = Human(
        ring=1,
        script=[
            WaitForSpeech(),
            Say("What is the address?"),
            WaitForSpeech(),
            Say("When do we close?"),
            WaitForSpeech(),
            Say("Good, put them through."),
            WaitForBridge(),
        ],
    )
    rules = [
        ("what is the address", ToolCall("look_up")),
        ("Hill Road", "It is 12 Hill Road."),
        ("when do we close", ToolCall("opening_hours")),
        ("nine to five", "At five."),
        *RULES,
    ]
    async with simulate(humans={ANN: human}) as call:
        got = await transferred_by(call, lambda: Helpful(ANN, tools=[opening_hours]), rules)
        assert isinstance(got, WarmTransferResult)
        assert "It is 12 Hill Road." in told(call)
        assert "At five." in told(call)


@pytest.mark.parametrize("by_key", [False, True], ids=["voice", "key"])
async def test_the_deciding_tools_overridden(by_key: bool) -> None:
    steps = []

    class Logged(WarmTransferTask):
        @function_tool
        async def connect_to_caller(self) -> None:
            """Put the caller through."""
            steps.append("accepting")
            await super().connect_to_caller()
            steps.append("accepted")

        @function_tool
        async def decline_transfer(self, reason: str) -> None:
            """They do not take it.

            Args:
                reason: Why.
            """
            steps.append(reason)
            await super().decline_transfer(reason)

        @function_tool
        async def voicemail_detected(self) -> None:
            """A machine."""
            steps.append("machine")
            await super().voicemail_detected()

    accept = Press("1") if by_key else Say("Put them through.")
    human = Human(ring=1, script=[WaitForSpeech(), accept, WaitForBridge()])
    decline = Human.declines(after=1, by="key" if by_key else "voice")
    async with simulate(humans={ANN: [decline, Human.voicemail(after=1), human]}) as call:
        async with rig(call, lambda context: awaited(Logged(ANN), context)) as r:
            r.ask()
            error = await failure(r)
            assert error.code is WarmTransferFailure.DECLINED
            reason = "the human pressed 2" if by_key else "in a meeting"
            assert error.reason == reason
            await asyncio.sleep(10)
            r.ask()
            assert (await failure(r, 1)).code is WarmTransferFailure.VOICEMAIL
            await asyncio.sleep(10)
            r.ask()
            assert isinstance(await result(r, 2), WarmTransferResult)
            await asyncio.sleep(0.1)
            assert steps == [reason, "machine", "accepting", "accepted"]


async def test_a_key_counts_also_when_the_overridden_tool_raises() -> None:
    class Broken(WarmTransferTask):
        @function_tool
        async def connect_to_caller(self) -> None:
            """Put the caller through."""
            raise ValueError("the database is down")

    async with simulate(humans={ANN: Human.accepts(after=1)}) as call:
        assert isinstance(await transferred_by(call, lambda: Broken(ANN)), WarmTransferResult)
