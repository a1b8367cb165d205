"""What a WarmTransferTask tells the human: prompt, conversation, first words, models."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from livekit.agents import NOT_GIVEN, AgentSession
from livekit.agents.beta import Instructions
from livekit.agents.beta.workflows import WorkflowInstructions
from livekit.agents.llm import ChatContext

from livetransfer import (
    WarmTransferResult,
    WarmTransferTask,
)
from livetransfer.testing import (
    Human,
    Say,
    Simulation,
    WaitForBridge,
    WaitForSpeech,
    simulate,
)
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS, ToolCall
from livetransfer.testing.realtime import ScriptedRealtimeModel
from tests.unit.transfers import RULES, TransferringAgent, rig

from .tasks import ANN, awaited, result, told


def prompts(call: Simulation, llm: ScriptedLLM) -> list[str]:
    """The system prompts of the requests that had the deciding tools: those of the briefing."""
    return [
        "\n".join(m.text_content or "" for m in request.chat_ctx.messages() if m.role == "system")
        for request in llm.requests
        if "connect_to_caller" in request.tools
    ]


def conversation() -> ChatContext:
    ctx = ChatContext.empty()
    ctx.add_message(role="user", content="My parcel {from Tuesday} is lost.")
    ctx.add_message(role="assistant", content="I am sorry to hear that.")
    return ctx


TALKATIVE = Human(
    ring=2,
    script=[WaitForSpeech(), Say("What is it?"), WaitForSpeech(), Say("Put them through.")],
)


async def briefed(task: Callable[[], WarmTransferTask], rules: Any = RULES) -> tuple[str, str]:
    """Return what the human heard first, and the prompt of the briefing."""
    async with simulate(humans={ANN: TALKATIVE}) as call:
        async with rig(call, lambda context: awaited(task(), context), rules) as r:
            r.ask()
            assert isinstance(await result(r), WarmTransferResult)
            return call.human(ANN).heard("briefing")[0].text, prompts(call, r.llm)[0]


async def test_the_conversation_is_the_session_s_unless_given() -> None:
    first, prompt = await briefed(lambda: WarmTransferTask(ANN))
    assert "The caller wants a person." in first
    assert "Caller: I want to talk to a person" in prompt
    assert "connect_to_caller" in prompt

    rules = [("parcel {from Tuesday}", "A parcel is lost."), *RULES]
    first, prompt = await briefed(lambda: WarmTransferTask(ANN, chat_ctx=conversation()), rules)
    assert "A parcel is lost." in first
    assert prompt.count("Caller: My parcel {from Tuesday} is lost.") == 1
    assert "talk to a person" not in prompt


WRITTEN: Any = [("has just answered the phone", "Guten Tag, ein Anruf zum Paket."), *RULES]


@pytest.mark.parametrize("kind", [str, Instructions], ids=["text", "Instructions"])
async def test_a_text_replaces_the_prompt(kind: Any) -> None:
    first, prompt = await briefed(
        lambda: WarmTransferTask(ANN, instructions=kind("Du sprichst Deutsch.")), WRITTEN
    )
    assert prompt.startswith("Du sprichst Deutsch.")
    assert "# Goal" not in prompt
    assert "# Rules" not in prompt
    assert "Caller: I want to talk to a person" in prompt
    # And the first words are what this prompt makes of it.
    assert first == "Guten Tag, ein Anruf zum Paket."


async def test_a_text_that_holds_the_conversation_already() -> None:
    text = (
        "Tell them.\nCaller: My parcel {from Tuesday} is lost.\nAssistant: I am sorry to hear that."
    )
    _, prompt = await briefed(
        lambda: WarmTransferTask(ANN, instructions=text, chat_ctx=conversation()), WRITTEN
    )
    assert prompt == text


async def test_workflow_instructions_extend_the_prompt() -> None:
    task = WarmTransferTask(
        ANN,
        sip_trunk_id="ST_1",
        instructions=WorkflowInstructions(extra="Mention the refund."),
        chat_ctx=conversation(),
    )
    text = str(task.instructions)
    assert "# Goal" in text
    assert "Mention the refund." in text
    assert "Caller: My parcel {from Tuesday} is lost." in text

    def stressed(ctx: ChatContext, tools: Any) -> Any:
        lines = [m.text_content or "" for m in ctx.messages()]
        if any("Stress this: Mention the refund" in line for line in lines):
            return "They want a refund."
        return next((reply for what, reply in RULES if re.search(what, lines[-1], re.I)), None)

    first, prompt = await briefed(
        lambda: WarmTransferTask(
            ANN, instructions=WorkflowInstructions(extra="Mention the refund.")
        ),
        stressed,
    )
    assert "They want a refund." in first
    assert "Mention the refund." in prompt


async def test_a_persona_replaces_ours() -> None:
    first, prompt = await briefed(
        lambda: WarmTransferTask(ANN, instructions=WorkflowInstructions(persona="You are Eva.")),
        WRITTEN,
    )
    assert prompt.startswith("You are Eva.")
    assert "# Goal" not in prompt
    assert "# Rules" in prompt
    assert first == "Guten Tag, ein Anruf zum Paket."


async def test_the_deprecated_extra_instructions() -> None:
    _, prompt = await briefed(lambda: WarmTransferTask(ANN, extra_instructions="Mention the dog."))
    assert "Mention the dog." in prompt
    assert "# Goal" in prompt
    both = WarmTransferTask(
        ANN, sip_trunk_id="ST_1", instructions="Mine.", extra_instructions="Mention the dog."
    )
    assert both.instructions == "Mine."


async def test_first_words_that_cannot_be_written_are_ours() -> None:
    rules = [("has just answered the phone", RuntimeError("down")), *RULES]
    first, _ = await briefed(lambda: WarmTransferTask(ANN, instructions="Brief them."), rules)
    assert first.startswith("Hello, I have a caller on the line for you.")
    assert "The caller wants a person." in first


async def test_the_models_of_the_briefing() -> None:
    own_llm = ScriptedLLM(
        [("Caller:", "Someone calls."), ("put them through", ToolCall("connect_to_caller"))]
    )
    own_tts = ScriptedTTS()
    human = Human(ring=2, script=[WaitForSpeech(), Say("Put them through."), WaitForBridge()])
    async with simulate(humans={ANN: human}) as call:

        def task() -> WarmTransferTask:
            return WarmTransferTask(
                ANN,
                llm=own_llm,
                tts=own_tts,
                stt=None,
                vad=None,
                turn_handling={
                    "turn_detection": "manual",
                    "interruption": {"enabled": False},
                },
            )

        async with rig(call, lambda context: awaited(task(), context)) as r:
            r.ask()
            assert isinstance(await result(r), WarmTransferResult)
            assert "Someone calls." in told(call)
            assert any("Someone calls." in text for text in own_tts.spoken)
            assert not [q for q in r.llm.requests if "connect_to_caller" in q.tools]
            started = next(c for c in call.calls if c.name == "start_conversation")
            agent = started.args["agent"]
            assert agent.turn_detection == "manual"
            assert agent.allow_interruptions is False


@pytest.mark.parametrize("instructions", [None, "You are Eva."], ids=["ours", "own"])
async def test_a_realtime_model_briefs_by_itself(instructions: str | None) -> None:
    rules: Any = [
        ("has just answered the phone", "Eva here, with a caller."),
        ("Say this to your colleague", "A caller wants a person."),
        ("put them through", ToolCall("connect_to_caller")),
        ("talk to a person", ToolCall("transfer")),
    ]
    human = Human(ring=2, script=[WaitForSpeech(5), Say("Put them through."), WaitForBridge()])

    def task() -> WarmTransferTask:
        return WarmTransferTask(ANN, instructions=instructions or NOT_GIVEN)

    async with simulate(humans={ANN: human}) as call:
        agent = TransferringAgent(lambda context: awaited(task(), context))
        session: AgentSession[None] = AgentSession(llm=ScriptedRealtimeModel(rules))
        call.attach(session)
        await session.start(agent)
        session.generate_reply(user_input="I want to talk to a person")
        while not agent.results:
            await asyncio.sleep(0.05)
        assert isinstance(agent.results[0], WarmTransferResult)
        expected = "Eva here, with a caller." if instructions else "A caller wants a person."
        assert told(call) == expected
        await session.aclose()
