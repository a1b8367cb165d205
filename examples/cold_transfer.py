"""Callers are sent on by SIP REFER; where the phone system refuses, the target is dialled."""

from __future__ import annotations

from typing import Any

from livekit.agents import Agent, RunContext
from livekit.agents.llm import ToolError, function_tool

from livetransfer import ColdTransfer, UnknownDestinationError

EXTENSIONS = {"front desk": "sip:100@pbx.example.com", "warehouse": "+15550100"}


class Operator(Agent):
    """Connects callers, and says so when it did not work."""

    def __init__(self) -> None:
        super().__init__(instructions="You are an operator. Connect callers with an extension.")

    @function_tool
    async def connect(self, context: RunContext[Any], extension: str) -> str:
        """Connect the caller.

        Args:
            extension: "front desk" or "warehouse".
        """
        try:
            transfer = ColdTransfer(
                extension,
                extensions=EXTENSIONS,
                announcement=f"I am connecting you with the {extension}.",
            )
        except UnknownDestinationError as error:
            raise ToolError(str(error)) from error
        return str(await transfer.run(context))
