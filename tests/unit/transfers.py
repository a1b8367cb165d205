"""Helpers for tests of transfers: an agent whose tool transfers, on a simulated call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import Agent, AgentSession, RunContext
from livekit.agents.llm import function_tool

from livetransfer import TransferOutcome
from livetransfer.testing import Simulation
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS, ToolCall

Transfer = Callable[[RunContext[Any]], Awaitable[Any]]

ASK = "I want to talk to a person"

RULES: Any = [
    ("Caller:.*talk to a person", "The caller wants a person."),
    ("talk to a person", ToolCall("transfer")),
    ("transfer did not work|technical problem|not known whether", "I am sorry, nobody is free."),
    ("put them through", ToolCall("connect_to_caller")),
    ("cannot take", ToolCall("decline_transfer", {"reason": "in a meeting"})),
    ("leave a message", ToolCall("voicemail_detected")),
    ("account number", "It is 4711."),
]


class TransferringAgent(Agent):
    """Transfers when asked for a person; keeps what the tool got."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__(instructions="You are a helpful assistant.")
        self._transfer = transfer
        self.results: list[Any] = []

    @function_tool
    async def transfer(self, context: RunContext[Any]) -> str:
        """Transfer the caller to a person."""
        try:
            result = await self._transfer(context)
        except BaseException as error:
            self.results.append(error)
            raise
        self.results.append(result)
        return str(result)


@dataclass
class Rig:
    """A simulated call with a session that talks and a tool that transfers."""

    call: Simulation
    session: AgentSession[Any]
    agent: TransferringAgent
    llm: ScriptedLLM
    tts: ScriptedTTS
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def ask(self, text: str = ASK) -> None:
        """The caller asks for a person."""
        self.session.generate_reply(user_input=text)

    async def outcome(self, number: int = 0, within: float = 300.0) -> TransferOutcome:
        """Wait for what the tool got."""
        async with asyncio.timeout(within) if hasattr(asyncio, "timeout") else _no_limit():
            while len(self.agent.results) <= number:
                await asyncio.sleep(0.01)
        result = self.agent.results[number]
        if isinstance(result, BaseException):
            raise result
        assert isinstance(result, TransferOutcome)
        return result


@asynccontextmanager
async def _no_limit() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def rig(
    call: Simulation, transfer: Transfer, rules: Any = RULES, **models: Any
) -> AsyncIterator[Rig]:
    """Start a session on `call` whose tool runs `transfer`."""
    llm = ScriptedLLM(rules)
    tts = ScriptedTTS()
    session: AgentSession[Any] = AgentSession(llm=llm, tts=tts, **models)
    agent = TransferringAgent(transfer)
    call.attach(session)
    await session.start(agent)
    try:
        yield Rig(call, session, agent, llm, tts)
    finally:
        await session.aclose()
