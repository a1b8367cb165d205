"""WarmTransferTask on the simulator: used as livekit-agents' own, in both forms."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import RunContext

from livetransfer import WarmTransferResult, WarmTransferTask
from livetransfer.testing import Human, simulate

from .transfers import rig

ANN = "+15550100"


async def test_awaited_in_a_tool() -> None:
    async def transfer(context: RunContext[Any]) -> WarmTransferResult:
        return await WarmTransferTask(ANN, chat_ctx=context.session.history)

    async with simulate(humans={ANN: Human.accepts(after=3)}) as call:
        async with rig(call, transfer) as r:
            r.ask()
            while not r.agent.results:
                await asyncio.sleep(0.01)
            print(r.agent.results, call.human(ANN).heard_text)
            assert call.caller.talks_to(ANN)
            requests = len(r.llm.requests)
            await asyncio.sleep(10)
            assert len(r.llm.requests) == requests
