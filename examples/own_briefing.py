"""A briefing in one's own words, with a tool of its own, and a sentence to both at the bridge."""

from __future__ import annotations

from typing import Any

from livekit.agents import Agent, RunContext
from livekit.agents.llm import ChatContext, function_tool

from livetransfer import BriefingAgent, PhaseChanged, TransferEvent, WarmTransfer


class EmergencyBriefing(BriefingAgent):
    """Says the address first, and can look up more."""

    def __init__(self, address: str) -> None:
        super().__init__(accept_key="5", decline_key="6")
        self.address = address

    async def summarise(self, chat_ctx: ChatContext) -> str:
        """Put the address before what was said."""
        return f"Burst pipe at {self.address}. {await super().summarise(chat_ctx)}"

    def greeting(self, summary: str) -> str:
        """Come to the point."""
        return f"Emergency line. {summary} {self.question()}"

    @function_tool
    async def look_up_boiler(self) -> str:
        """Which boiler is installed at the caller's address."""
        return "A combi boiler from 2019."


class EmergencyLine(Agent):
    """Takes emergencies."""

    def __init__(self) -> None:
        super().__init__(instructions="You take plumbing emergencies. Ask for the address.")
        self.seen: list[str] = []

    def watch(self, event: TransferEvent) -> None:
        """Keep what happens, for a dashboard."""
        if isinstance(event, PhaseChanged):
            self.seen.append(str(event.new))

    @function_tool
    async def get_a_plumber(self, context: RunContext[Any], address: str) -> str:
        """Get a plumber on the line."""
        outcome = await WarmTransfer(
            "+15550100",
            briefing=EmergencyBriefing(address),
            introduction="You are connected with a plumber.",
            announcement="Stay on the line, I am getting a plumber.",
            on_event=self.watch,
        ).run(context)
        return str(outcome)
