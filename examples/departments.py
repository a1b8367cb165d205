"""The LLM picks a department by name; several people take its calls, busy ones are tried again."""

from __future__ import annotations

from typing import Any

from livekit.agents import Agent, RunContext
from livekit.agents.llm import ToolError, function_tool

from livetransfer import FallbackPolicy, Router, UnknownDestinationError, WarmTransfer

ROUTER = Router(
    {
        "sales": ["+15550100", "+15550101"],
        "support": "sip:200@pbx.example.com",
    }
)


class Switchboard(Agent):
    """Knows who takes which calls."""

    def __init__(self) -> None:
        super().__init__(instructions="You are the switchboard. Find out what it is about.")

    @function_tool
    async def transfer(self, context: RunContext[Any], department: str, reason: str) -> str:
        """Transfer the caller to a department.

        Args:
            department: "sales" or "support".
            reason: What the caller wants, in a few words.
        """
        try:
            people = ROUTER[department]
        except UnknownDestinationError as error:
            raise ToolError(str(error)) from error
        outcome = await WarmTransfer(
            people,
            instructions=f"The caller wants: {reason}",
            announcement=f"I am connecting you with {department}.",
            fallback=FallbackPolicy(retries=1, retry_after=5),
            after="return",
        ).run(context)
        return str(outcome)
