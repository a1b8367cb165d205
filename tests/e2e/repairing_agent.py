"""The agent of a job that starts in a room in which another one may have died."""

from __future__ import annotations

import json

from livekit.agents import JobContext

import livetransfer

from . import transfer_agent
from .worker import report


async def entrypoint(ctx: JobContext) -> None:
    """Repair, then serve the caller."""
    await ctx.connect()
    found = await livetransfer.repair(ctx.room)
    report("repaired", call=json.loads(ctx.job.metadata)["call"], found=found)
    caller = livetransfer.caller_of(ctx.room)
    await transfer_agent.serve(ctx, transfer_agent.TransferAgent, caller)
