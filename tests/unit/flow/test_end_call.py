"""A model's end_call beside a transfer: it ends nothing while two talk, and is done afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import AgentSession
from livekit.agents.beta.tools import EndCallTool, end_call

from livetransfer import WarmTransfer
from livetransfer.testing import Human, ScriptedLLM, ScriptedTTS, Simulation, ToolCall, simulate
from tests.unit.transfers import ASK, RULES, TransferringAgent

ANN = "+15550100"


class Job:
    """What EndCallTool does to the job."""

    def __init__(self) -> None:
        self.shut_down = 0
        self.deletes: list[Callable[[], Awaitable[None]]] = []

    def add_shutdown_callback(self, callback: Callable[[], Awaitable[None]]) -> None:
        self.deletes.append(callback)

    def shutdown(self, reason: str = "") -> None:
        self.shut_down += 1


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    made = Job()
    monkeypatch.setattr(end_call, "get_job_context", lambda: made)
    return made


class Ending(TransferringAgent):
    def __init__(self, transfer: Any) -> None:
        super().__init__(transfer)
        self._tools.append(EndCallTool())


ORDERS = [
    [ToolCall("transfer"), ToolCall("end_call")],
    [ToolCall("end_call"), ToolCall("transfer")],
]


async def begun(call: Simulation, order: Any, after: Any = "end") -> Ending:
    rules = [("Caller:.*talk to a person", "A caller."), ("talk to a person", order), *RULES]
    session: AgentSession[Any] = AgentSession(llm=ScriptedLLM(rules), tts=ScriptedTTS())
    agent = Ending(WarmTransfer(ANN, after=after).run)
    call.attach(session)
    await session.start(agent)
    session.generate_reply(user_input=ASK)
    while not agent.results:
        await asyncio.sleep(0.1)
    return agent


@pytest.mark.parametrize("order", ORDERS, ids=["transfer first", "end_call first"])
@pytest.mark.parametrize("after", ["end", "return"])
async def test_the_two_talk_on_and_the_job_ends_with_their_call(
    order: Any, after: str, job: Job
) -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        agent = await begun(call, order, after)
        assert agent.results[0].bridged
        await asyncio.sleep(20)
        assert call.caller.talks_to(ANN)
        before = (job.shut_down, len(job.deletes))
        call.human(ANN).hang_up()
        await asyncio.sleep(5)
        assert not call.caller.on_the_line  # the session has closed: nobody could take him back
        assert before == (0, 0)
        assert (job.shut_down, len(job.deletes)) == (1, 1)


@pytest.mark.parametrize("order", ORDERS, ids=["transfer first", "end_call first"])
async def test_where_the_ai_leaves_nothing_deletes_the_room(order: Any, job: Job) -> None:
    async with simulate(humans={ANN: Human.accepts()}) as call:
        await begun(call, order, "leave")
        await asyncio.sleep(20)
        assert call.caller.talks_to(ANN)
        assert not job.deletes
