"""The scripted models do in a real AgentSession what their scripts say."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import numpy as np
import pytest
from livekit.agents import NOT_GIVEN, Agent, AgentSession, APIConnectionError, function_tool
from livekit.agents.llm import LLM, ChatContext, RealtimeModel, Tool

from livetransfer.testing import (
    Reply,
    ScriptedLLM,
    ScriptedRealtimeModel,
    ScriptedTTS,
    ToolCall,
    simulate,
    virtual_time,
)


class Clerk(Agent):
    """Has one tool."""

    def __init__(self) -> None:
        super().__init__(instructions="Be short.")
        self.looked_up: list[str] = []

    @function_tool
    async def look_up(self, order: str) -> str:
        """Look up an order.

        Args:
            order: Its number.
        """
        self.looked_up.append(order)
        return f"order {order} was shipped"


def session_with(
    llm: LLM[Any] | RealtimeModel, tts: ScriptedTTS | None = None
) -> AgentSession[Any]:
    return AgentSession(
        llm=llm, tts=tts or NOT_GIVEN, vad=None, turn_handling={"turn_detection": None}
    )


async def say_to(session: AgentSession[Any], text: str) -> str:
    handle = session.generate_reply(user_input=text)
    await handle
    return " ".join(
        item.text_content or ""
        for item in session.history.items
        if item.type == "message" and item.role == "assistant"
    )


async def test_rules_by_pattern_and_by_predicate() -> None:
    llm = ScriptedLLM(
        [
            ("hello", "Hi."),
            (lambda text: len(text) > 20, lambda text: f"You said {len(text)} characters."),
        ],
        default="What?",
        latency=0.4,
    )
    async with virtual_time() as clock:
        async with session_with(llm) as session:
            await session.start(Clerk())
            assert await say_to(session, "Hello!") == "Hi."
            assert clock.elapsed == pytest.approx(0.4, abs=0.01)
            assert (await say_to(session, "x" * 25)).endswith("You said 25 characters.")
            assert (await say_to(session, "hm")).endswith("What?")
    assert [request.text for request in llm.requests] == ["Hello!", "x" * 25, "hm"]
    assert llm.requests[0].tools == ("look_up",)


async def test_a_tool_is_called_and_its_output_answered() -> None:
    llm = ScriptedLLM(
        [
            ("my order", ["Let me see.", ToolCall("look_up", {"order": "7"})]),
            ("was shipped", "It is on its way."),
        ]
    )
    agent = Clerk()
    async with virtual_time(), session_with(llm) as session:
        await session.start(agent)
        assert await say_to(session, "Where is my order?") == "Let me see. It is on its way."
    assert agent.looked_up == ["7"]


@pytest.mark.parametrize("realtime", [False, True])
async def test_a_tool_that_may_not_be_called_is_not(realtime: bool) -> None:
    rules: Any = [
        ("order", ToolCall("cancel_everything")),
        ("order", ToolCall("look_up", {"order": "7"})),
        ("order", "I must not look."),
    ]
    model = ScriptedRealtimeModel(rules) if realtime else ScriptedLLM(rules)
    agent = Clerk()
    async with virtual_time(), session_with(model) as session:
        await session.start(agent)
        await session.generate_reply(user_input="My order?", tool_choice="none")
        assert agent.looked_up == []
        assert model.requests[-1].tools == ()
        last = session.history.items[-1]
        assert last.type == "message"
        assert last.text_content == "I must not look."
        await session.generate_reply(user_input="My order?")
        assert agent.looked_up[0] == "7"


async def test_a_function_may_be_the_script() -> None:
    async def script(chat_ctx: ChatContext, tools: list[Tool]) -> Reply:
        await asyncio.sleep(1.0)
        return f"{len(tools)} tools"

    async with virtual_time(), session_with(ScriptedLLM(script)) as session:
        await session.start(Clerk())
        assert await say_to(session, "?") == "1 tools"


async def test_an_error_is_raised_like_a_provider_s() -> None:
    llm = ScriptedLLM([("", APIConnectionError("no network", retryable=False))])
    async with virtual_time(), session_with(llm) as session:
        errors: list[Any] = []
        session.on("error", errors.append)
        await session.start(Clerk())
        handle = session.generate_reply(user_input="hi")
        await handle
        await asyncio.sleep(0.1)
    assert [type(event.error.error).__name__ for event in errors] == ["APIConnectionError"]


async def test_speech_takes_as_long_as_its_words() -> None:
    voice = ScriptedTTS(latency=0.25)
    async with simulate() as call, session_with(ScriptedLLM(), voice) as session:
        call.attach(session)
        await session.start(Clerk())
        await session.say("x" * 30).wait_for_playout()
        (heard,) = call.caller.heard("agent")
        assert heard.start == pytest.approx(0.25, abs=0.02)
        assert heard.duration == pytest.approx(2.0, abs=0.02)
        assert call.now == pytest.approx(heard.end, abs=0.02)
        assert np.abs(call.caller.samples()).max() > 1000
    assert voice.spoken == ["x" * 30]


async def test_clips_are_played_where_there_are_some() -> None:
    clip = np.full(12000, 4242, np.int16)
    voice = ScriptedTTS({"Good morning.": clip})
    assert np.array_equal(voice.audio("good  MORNING."), clip)
    both = voice.audio("Good morning. How are you?")
    assert np.array_equal(both[:12000], clip)
    assert len(both) == pytest.approx(12000 + 24000 * 12 / 15, abs=2)
    async with simulate() as call, session_with(ScriptedLLM(), voice) as session:
        call.attach(session)
        await session.start(Clerk())
        await session.say("Good morning.").wait_for_playout()
        (heard,) = call.caller.heard("agent")
        assert heard.duration == pytest.approx(0.5, abs=1e-6)
        first = round(heard.start * 24000)
        assert np.all(call.caller.samples()[first + 10 : first + 11990] == 4242)


async def test_a_voice_that_fails() -> None:
    voice = ScriptedTTS(error=APIConnectionError("no voice", retryable=False))
    async with simulate() as call, session_with(ScriptedLLM(), voice) as session:
        call.attach(session)
        await session.start(Clerk())
        handle = session.say("Hello.")
        await handle
        assert call.caller.heard() == []
    voice.error = None
    del handle, session
    gc.collect()  # nobody retrieves the task's error: asyncio says so now, and not in another test


async def test_synthesised_at_once_without_a_session() -> None:
    voice = ScriptedTTS()
    async with virtual_time():
        frame = await voice.synthesize("Hello there, you.").collect()
    assert frame.duration == pytest.approx(17 / 15, abs=0.02)


async def test_a_realtime_model_speaks_and_calls_tools() -> None:
    model = ScriptedRealtimeModel(
        [
            ("my order", ToolCall("look_up", {"order": "9"})),
            ("was shipped", "It is on its way."),
            ("greet", "Good morning."),
        ],
        latency=0.3,
    )
    agent = Clerk()
    async with simulate() as call, session_with(model) as session:
        call.attach(session)
        await session.start(agent)
        await session.generate_reply(instructions="Please greet the caller.")
        assert call.caller.heard_text == "Good morning."
        assert call.caller.heard()[0].start == pytest.approx(0.3, abs=0.02)
        await call.caller.says("Where is my order?")
        await asyncio.sleep(5)
        assert call.caller.heard_text == "Good morning. It is on its way."
        assert agent.looked_up == ["9"]


async def test_a_realtime_model_may_answer_its_tools_by_itself() -> None:
    model = ScriptedRealtimeModel(
        [("my order", ToolCall("look_up", {"order": "9"})), ("was shipped", "It was shipped.")],
        auto_tool_reply=True,
    )
    async with simulate() as call, session_with(model) as session:
        call.attach(session)
        await session.start(Clerk())
        await call.caller.says("Where is my order?")
        await asyncio.sleep(5)
        assert call.caller.heard_text == "It was shipped."


async def test_a_realtime_error_does_not_hang() -> None:
    model = ScriptedRealtimeModel([("", RuntimeError("quota"))])
    async with virtual_time(), session_with(model) as session:
        await session.start(Clerk())
        handle = session.generate_reply(user_input="hi")
        await handle
        assert handle.exception() is not None
