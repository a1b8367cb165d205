"""The tests' agent, which can also transfer with a WarmTransferTask: livekit-agents' or ours."""

from __future__ import annotations

from typing import Any

from livekit.agents import JobContext, RunContext
from livekit.agents.beta.workflows import WarmTransferTask as TheirTask
from tests.e2e.transfer_agent import TransferAgent, serve

from livetransfer import WarmTransferTask as OurTask

TASKS: dict[str, Any] = {"their task": TheirTask, "our task": OurTask}


class TaskAgent(TransferAgent):
    """Transfers when asked for a person, with what the plan says."""

    async def follow(self, step: dict[str, Any], context: RunContext[None]) -> str:
        """Do what one step of the plan says."""
        if step["kind"] not in TASKS:
            return await super().follow(step, context)
        to = step["to"][0]
        task = TASKS[step["kind"]](
            sip_call_to=to["address"],
            sip_trunk_id=to["trunk_id"],
            ringing_timeout=20,
            chat_ctx=self.chat_ctx,
        )
        self._tell("run")
        try:
            await task
        except Exception as error:
            self._tell("outcome", status="failed", text=f"{type(error).__name__}: {error}")
            raise
        self._tell("outcome", status="bridged", text="")
        return "done"


async def entrypoint(ctx: JobContext) -> None:
    """Greet, and go by the plan."""
    await serve(ctx, TaskAgent)
