"""What a briefing's session tells of it."""

import pytest
from livekit.agents import AgentSession
from livekit.agents.llm import ChatContext
from livekit.agents.metrics import AgentSessionUsage, LLMModelUsage

from livetransfer.record.briefings import briefing_ended


async def test_what_was_said_and_what_it_has_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = ChatContext.empty()
    ctx.add_message(role="system", content="You brief.")
    ctx.add_message(role="assistant", content="Hello.", created_at=1000.0)
    ctx.add_message(role="user", content="Yes, put them through.", created_at=1003.5)
    ctx.add_message(role="user", content="  ", created_at=1004.0)
    used = [LLMModelUsage(provider="p", model="m", input_tokens=12)]
    monkeypatch.setattr(AgentSession, "history", property(lambda self: ctx))
    monkeypatch.setattr(
        AgentSession, "usage", property(lambda self: AgentSessionUsage(model_usage=[*used]))
    )
    event = briefing_ended(
        AgentSession(), identity="human-1", verdict="accepted", at=20.0, now=1005.0
    )
    assert [(line.at, line.by, line.text) for line in event.said] == [
        (15.0, "ai", "Hello."),
        (18.5, "human", "Yes, put them through."),
    ]
    assert event.usage == (
        {"type": "llm_usage", "provider": "p", "model": "m", "input_tokens": 12},
    )
    assert (event.at, event.verdict) == (20.0, "accepted")
