"""Helpers for tests of WarmTransferTask: every way to use it, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import (
    RunContext,
)

from livetransfer import (
    WarmTransferError,
    WarmTransferResult,
    WarmTransferTask,
)
from livetransfer.testing import (
    Simulation,
)
from tests.unit.transfers import RULES, Rig, rig

ANN, BOB = "+15550100", "+15550101"
Use = Callable[[WarmTransferTask, RunContext[Any]], Awaitable[WarmTransferResult]]


async def awaited(task: WarmTransferTask, context: RunContext[Any]) -> WarmTransferResult:
    return await task


async def run(task: WarmTransferTask, context: RunContext[Any]) -> WarmTransferResult:
    return await task.run(context)


async def awaited_in_wait_for(
    task: WarmTransferTask, context: RunContext[Any]
) -> WarmTransferResult:
    return await asyncio.wait_for(task, 300)


async def run_in_a_task(task: WarmTransferTask, context: RunContext[Any]) -> WarmTransferResult:
    return await asyncio.create_task(task.run(context))


async def run_with_the_session(
    task: WarmTransferTask, context: RunContext[Any]
) -> WarmTransferResult:
    return await task.run(context.session)


USES = [awaited, run, awaited_in_wait_for, run_in_a_task, run_with_the_session]


async def result(r: Rig, number: int = 0) -> Any:
    """Wait for what the tool got, or what it raised."""
    give_up = r.call.now + 300
    while len(r.agent.results) <= number:
        assert r.call.now < give_up
        await asyncio.sleep(0.01)
    return r.agent.results[number]


async def failure(r: Rig, number: int = 0) -> WarmTransferError:
    error = await result(r, number)
    assert isinstance(error, WarmTransferError), error
    return error


def told(call: Simulation, address: str = ANN) -> str:
    """What the human heard of the briefing."""
    return " ".join(heard.text for heard in call.human(address).heard("briefing"))


async def transferred_by(
    call: Simulation, task: Callable[[], WarmTransferTask], rules: Any = RULES
) -> Any:
    async with rig(call, lambda context: awaited(task(), context), rules) as r:
        r.ask()
        return await result(r)
