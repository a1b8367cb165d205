"""A warm transfer by a session whose model speaks by itself: no STT, no TTS."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import AgentSession, llm

from livetransfer import TransferStatus, WarmTransfer
from livetransfer.testing import (
    HangUp,
    Human,
    Say,
    Wait,
    WaitForBridge,
    WaitForSpeech,
    simulate,
)
from livetransfer.testing.models import ToolCall
from livetransfer.testing.realtime import ScriptedRealtimeModel, ScriptedRealtimeSession
from tests.unit.transfers import TransferringAgent

ANN = "+15550100"
RULES: Any = [
    ("Say exactly this and nothing else: (.*)", "One moment, please."),
    ("Say this to your colleague", "A caller wants a person. May I connect you?"),
    ("put them through", ToolCall("connect_to_caller")),
    ("talk to a person", ToolCall("transfer")),
    ("did not work", "I am sorry, nobody is free."),
]


@pytest.mark.parametrize("auto_reply", [False, True])
async def test_it_announces_briefs_and_is_silent_afterwards(auto_reply: bool) -> None:
    human = Human(
        ring=2, script=[WaitForSpeech(5), Say("Good, put them through."), WaitForBridge()]
    )
    async with simulate(humans={ANN: human}) as call:
        agent = TransferringAgent(WarmTransfer(ANN, announcement="One moment, please.").run)
        session: AgentSession[None] = AgentSession(
            llm=ScriptedRealtimeModel(RULES, auto_tool_reply=auto_reply)
        )
        call.attach(session)
        await session.start(agent)
        session.generate_reply(user_input="I want to talk to a person")
        while not agent.results:
            await asyncio.sleep(0.05)
        outcome = agent.results[0]
        assert outcome.status is TransferStatus.BRIDGED, outcome
        assert "One moment, please." in call.caller.heard_text
        assert "A caller wants a person." in call.human(ANN).heard_text
        assert not call.caller.heard("briefing")
        bridged = call.now
        await call.caller.says("Hello?")
        await asyncio.sleep(10)
        assert not call.caller.heard("agent", start=bridged)
        await session.aclose()


async def test_a_failure_is_told_by_the_model() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        agent = TransferringAgent(WarmTransfer(ANN).run)
        session: AgentSession[None] = AgentSession(llm=ScriptedRealtimeModel(RULES))
        call.attach(session)
        await session.start(agent)
        session.generate_reply(user_input="I want to talk to a person")
        await asyncio.sleep(15)
        assert agent.results[0].status is TransferStatus.BUSY
        assert "nobody is free" in call.caller.heard_text
        await session.aclose()


async def test_the_caller_who_left_is_told_of_by_the_model() -> None:
    rules: Any = [("just hung up", "They have just hung up."), *RULES]
    async with simulate(humans={ANN: Human.silent(after=1)}) as call:
        agent = TransferringAgent(WarmTransfer(ANN).run)
        session: AgentSession[None] = AgentSession(llm=ScriptedRealtimeModel(rules))
        call.attach(session)
        await session.start(agent)
        session.generate_reply(user_input="I want to talk to a person")
        call.at(8, call.caller.hang_up)
        await asyncio.sleep(20)
        assert agent.results[0].status is TransferStatus.CALLER_LEFT
        assert "They have just hung up." in call.human(ANN).heard_text
        assert not call.human(ANN).on_the_line
        await session.aclose()


async def test_a_realtime_model_that_takes_no_context_still_speaks_to_who_came_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(self: Any, chat_ctx: Any) -> None:
        raise llm.RealtimeError("update_chat_ctx timed out.")

    human = Human.accepts(after=2, then=(Wait(3), HangUp()))
    async with simulate(humans={ANN: human}) as call:
        session: AgentSession[Any] = AgentSession(llm=ScriptedRealtimeModel(RULES))
        agent = TransferringAgent(WarmTransfer(ANN, after="return").run)
        call.attach(session)
        await session.start(agent)
        session.generate_reply(user_input="I want to talk to a person")
        while not agent.results:
            await asyncio.sleep(0.05)
        monkeypatch.setattr(ScriptedRealtimeSession, "update_chat_ctx", refuse)
        end = await asyncio.wait_for(agent.results[0].ended(), 60)
        assert end.returned
        back = call.now
        await asyncio.sleep(5)
        assert call.caller.heard("agent", start=back)
        await session.aclose()
