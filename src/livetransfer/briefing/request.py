"""BriefingRequest: what a briefing is about."""

from __future__ import annotations

from dataclasses import dataclass, field

from livekit.agents.llm import ChatContext

from livetransfer.destination import Destination

__all__ = ["BriefingRequest"]


@dataclass(frozen=True)
class BriefingRequest:
    """What a briefing is about.

    Attributes:
        destination: Whom it is for.
        conversation: What was said between the caller and the AI.
        instructions: What the briefing must stress, as given to the transfer.
        caller: The identity of the caller's leg.
    """

    destination: Destination
    conversation: ChatContext = field(repr=False)
    instructions: str | None = None
    caller: str = ""
