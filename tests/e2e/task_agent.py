"""Agents from the guides to WarmTransferTask, each with only its import changed.

The job's metadata says which one serves, and whom it may call; see switchboard.py. What the
guides keep in the environment is there: the trunk, the numbers, the music's URL.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from livekit.agents import Agent, AgentSession, JobContext, RunContext, TurnHandlingOptions
from livekit.agents.llm import function_tool

from livetransfer import WarmTransferTask

from . import cast
from .models import Prompt, Reply, Rule, ScriptedLLM, ScriptedSTT, ScriptedTTS, ToolCall
from .worker import report

logger = logging.getLogger("guides")

INSTRUCTIONS = "You are a helpful assistant. When the caller wants a person, transfer the call."


class Announcing(Agent):
    """Says what happens, then runs the transfer."""

    @function_tool
    async def transfer_to_human(self, context: RunContext[None]) -> str:
        """Transfer the caller to a human agent."""
        await context.session.say("One moment, I am getting a colleague.")
        transfer = WarmTransferTask(
            transfer_to=os.environ["SUPPORT_NUMBER"],
            instructions="Brief the human agent: who is calling and what they need.",
        )
        await transfer.run(context)
        return "Transferred."


class WithMusic(Agent):
    """Plays music from a URL meanwhile."""

    @function_tool
    async def transfer_to_human(self, context: RunContext[None]) -> str:
        """Transfer the caller to a human agent."""
        transfer = WarmTransferTask(
            transfer_to=os.environ["SUPPORT_NUMBER"],
            instructions="Brief the human agent: who is calling and what they need.",
            hold_music_url=os.environ["HOLD_MUSIC_URL"],
        )
        await transfer.run(context)
        return "Transferred."


class Departments(Agent):
    """The model chooses a department and writes the summary."""

    @function_tool
    async def transfer_call(self, context: RunContext[None], department: str, summary: str) -> str:
        """Transfer the caller to a department.

        Args:
            department: One of sales, support.
            summary: What the caller wants, in one sentence.
        """
        departments = {
            "sales": os.environ["SALES_NUMBER"],
            "support": os.environ["SUPPORT_NUMBER"],
        }
        number = departments.get(department)
        if number is None:
            return f"There is no department {department}."
        transfer = WarmTransferTask(
            transfer_to=number,
            instructions=f"Tell the human agent this about the caller: {summary}",
        )
        await transfer.run(context)
        return f"Transferred to {department}."


class WithAnAlternative(Agent):
    """Offers something else when nobody is there."""

    @function_tool
    async def transfer_to_human(self, context: RunContext[None]) -> str:
        """Transfer the caller to a human agent."""
        try:
            transfer = WarmTransferTask(
                transfer_to=os.environ["SUPPORT_NUMBER"],
                instructions="Brief the human agent: who is calling and what they need.",
            )
            await transfer.run(context)
        except Exception as e:
            logger.error("transfer failed: %s", e)
            report_of(context, "outcome", error=type(e).__name__, text=str(e))
            await context.session.say("I am sorry, nobody is free. May I take a message?")
            return "The caller was offered to leave a message. Wait for the answer."
        return "Transferred."


class Awaited(Agent):
    """As livekit-agents' own example."""

    @function_tool
    async def transfer_to_human(self) -> str:
        """Transfer the caller to a human agent."""
        result = await WarmTransferTask(
            target_phone_number=os.environ["SUPPORT_NUMBER"],
            chat_ctx=self.chat_ctx,
        )
        report("outcome", call=CALL, identity=result.human_agent_identity)
        await self.session.say("You are on the line with my colleague. Goodbye.")
        return "Transferred."


class ImmediateTransferTask(WarmTransferTask):
    """Speaks as soon as the phone is answered."""

    async def on_enter(self) -> None:
        await super().on_enter()
        if not self.done() and self._human_agent_sess is not None:
            self._human_agent_sess.generate_reply(instructions="Say who calls right now.")


class Immediate(Agent):
    """Uses a subclass that overrides on_enter."""

    @function_tool
    async def transfer_to_human(self) -> str:
        """Transfer the caller to a human agent."""
        await ImmediateTransferTask(sip_call_to=os.environ["SUPPORT_NUMBER"])
        return "Transferred."


GUIDES: dict[str, type[Agent]] = {
    "announcing": Announcing,
    "music": WithMusic,
    "departments": Departments,
    "alternative": WithAnAlternative,
    "awaited": Awaited,
    "immediate": Immediate,
}

RULES = [
    Rule("I have a caller on the line for you: a lost parcel.", user="just answered the phone"),
    Rule("I have a caller on the line for you, in person.", instructions="calls right now"),
    Rule(
        ToolCall("transfer_call", {"department": "sales", "summary": "A parcel is lost."}),
        user="talk to a person",
        tool="transfer_call",
    ),
    Rule(ToolCall("transfer_to_human"), user="talk to a person", tool="transfer_to_human"),
    Rule("It is 4711.", user="account number", tool="transfer_to_human"),
    *cast.RULES,
]

CALL = ""


class ReportingLLM(ScriptedLLM):
    """Tells of every request."""

    def reply(self, prompt: Prompt) -> Reply:
        found = super().reply(prompt)
        report("llm", call=CALL, user=prompt.user, reply=str(found), system=prompt.instructions)
        return found


def report_of(context: RunContext[None], kind: str, **fields: Any) -> None:
    """Report something of the call that `context` is of."""
    report(kind, call=CALL, audio=context.session.output.audio_enabled, **fields)


async def entrypoint(ctx: JobContext) -> None:
    """Greet, and serve as the guide that the metadata names."""
    global CALL  # noqa: PLW0603 - a job has its process to itself
    plan = json.loads(ctx.job.metadata)
    CALL = plan["call"]
    step = plan["transfers"][0]
    numbers = [target["address"] for target in step["to"]]
    os.environ["SUPPORT_NUMBER"], os.environ["SALES_NUMBER"] = numbers[0], numbers[-1]
    os.environ["LIVEKIT_SIP_OUTBOUND_TRUNK"] = step["to"][-1]["trunk_id"]
    os.environ["HOLD_MUSIC_URL"] = step.get("options", {}).get("url", "")

    await ctx.connect()
    session: AgentSession[None] = AgentSession(
        llm=ReportingLLM(RULES),
        stt=ScriptedSTT(cast.HEARD),
        tts=ScriptedTTS(cast.VOICES, per_character=0.02),
        vad=None,
        turn_handling=TurnHandlingOptions(turn_detection="stt", endpointing={"min_delay": 0.1}),
    )
    session.on("close", lambda _: report("closed", call=CALL))
    agent = GUIDES[step["kind"]](instructions=INSTRUCTIONS)
    await session.start(agent, room=ctx.room, record=False)
    report("started", call=CALL, room=ctx.room.name)
    await session.say(cast.WELCOME)
    report("greeted", call=CALL)
