"""A simulated call whose model has TransferTools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from livekit.agents import Agent, AgentSession
from livekit.agents.llm import FunctionCallOutput, RawFunctionTool, ToolContext

from livetransfer import Router
from livetransfer.routing import Opening
from livetransfer.testing import ScriptedLLM, ScriptedTTS, Simulation, ToolCall
from livetransfer.tools import TransferTools

ANN, BOB = "+15550100", "+15550101"
ASK = "I want to talk to a person"
SALES = ToolCall("transfer_call", {"department": "sales", "reason": "A new order."})
BILLING = ToolCall("transfer_call", {"department": "billing", "reason": "An invoice."})
LIE = "You are connected now, they are on the line!"


def rules(asked: Any = SALES, *more: Any, reply: Any = LIE) -> list[Any]:
    """What the model does: `asked` when a person is asked for, `reply` to any tool's result."""
    return [
        ("Caller:.*talk to a person", "The caller wants a person."),
        *more,
        ("talk to a person", asked),
        ("put them through", ToolCall("connect_to_caller")),
        ("cannot take", ToolCall("decline_transfer", {"reason": "in a meeting"})),
        ("leave a message", ToolCall("voicemail_detected")),
        ("account number", "It is 4711."),
        ("", reply),
    ]


class Hours(Router):
    """A router of which departments open and close."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            {"sales": ANN, "billing": BOB},
            about={"sales": "Prices and new orders.", "billing": "Invoices"},
            **options,
        )
        self.closed: dict[str, str | None] = {}
        self.asked = 0

    def openings(self, now: Any = None) -> dict[str, Opening]:
        self.asked += 1
        return {
            name: Opening(opening.about, name not in self.closed, self.closed.get(name))
            for name, opening in super().openings(now).items()
        }


@dataclass
class Talk:
    """The call, the session and what its models did."""

    call: Simulation
    session: AgentSession[Any]
    llm: ScriptedLLM
    tts: ScriptedTTS

    @property
    def results(self) -> list[FunctionCallOutput]:
        """What the model's tools have returned, in order."""
        items = self.session.current_agent.chat_ctx.items
        return [item for item in items if isinstance(item, FunctionCallOutput)]

    @property
    def said(self) -> str:
        """All that the caller has heard the AI say."""
        return " | ".join(self.tts.spoken)

    def ask(self, text: str = ASK) -> None:
        """The caller says something."""
        self.session.generate_reply(user_input=text)

    async def over(self, results: int = 1, within: float = 200.0) -> None:
        """Wait for the results, and for what follows them."""
        for _ in range(int(within * 10)):
            if len(self.results) >= results:
                break
            await asyncio.sleep(0.1)
        assert len(self.results) >= results
        await asyncio.sleep(8)


@asynccontextmanager
async def talk(
    call: Simulation,
    tools: TransferTools,
    script: Any = None,
    *,
    others: Sequence[Any] = (),
    agent: Agent | None = None,
) -> AsyncIterator[Talk]:
    """Start a session on `call` whose agent has `tools`."""
    llm, tts = ScriptedLLM(rules() if script is None else script), ScriptedTTS()
    session: AgentSession[Any] = AgentSession(llm=llm, tts=tts)
    call.attach(session)
    await session.start(agent or Agent(instructions="You help.", tools=[tools, *others]))
    try:
        yield Talk(call, session, llm, tts)
    finally:
        await session.aclose()


def schema(tools: TransferTools, name: str = "transfer_call") -> dict[str, Any] | None:
    """Return what a model is told of a tool now."""
    tool = ToolContext([tools]).get_function_tool(name)
    return tool.info.raw_schema if isinstance(tool, RawFunctionTool) else None


def listed(tools: TransferTools) -> list[str]:
    """Return the departments that a model may name now."""
    found = schema(tools)
    return found["parameters"]["properties"]["department"]["enum"] if found else []
