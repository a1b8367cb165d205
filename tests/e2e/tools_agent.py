"""An agent that has TransferTools and nothing else to transfer with.

The job's metadata is that of `transfer_agent`; the destinations of the first step take the calls of
the department "sales", and "billing" is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from livekit.agents import Agent, JobContext
from livekit.agents.beta.tools import EndCallTool

from livetransfer import (
    BriefingAgent,
    Destination,
    Opening,
    Router,
    TransferEnded,
    TransferEvent,
    TransferTools,
)

from . import cast, tones
from .transfer_agent import Tell, described, serve, tell_event


class Office(Router):
    """Sales is open, billing is not."""

    def openings(self, now: datetime | None = None) -> Mapping[str, Opening]:
        """Say so."""
        closed = Opening("Invoices.", open=False, opens="Monday 09:00")
        return {"sales": Opening("New orders."), "billing": closed}


class ToolsAgent(Agent):
    """Has the tools, and a model that lies."""

    def __init__(self, tell: Tell, plan: list[dict[str, Any]]) -> None:
        step = plan[0]
        people = [Destination(**each) for each in step["to"]]

        def on_event(event: TransferEvent) -> None:
            tell_event(tell, event)
            if isinstance(event, TransferEnded):
                tell("outcome", **described(event.outcome))

        tools = TransferTools(
            Office({"sales": people, "billing": people}),
            apology=lambda outcome: "I am sorry, nobody is free.",
            announcement=cast.ANNOUNCEMENT,
            hold_music=(tones.tone(cast.MUSIC, 2.0, rate=24000), 24000),
            briefing=BriefingAgent,
            on_event=on_event,
            # These phones speak in single tones, as machines do.
            answer_detector=None,
            **step.get("options", {}),
        )
        super().__init__(instructions="You help.", tools=[tools, EndCallTool()])


async def entrypoint(ctx: JobContext) -> None:
    """Greet, and let the model transfer."""
    await serve(ctx, ToolsAgent)
