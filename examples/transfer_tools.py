"""No tool to write: the model is handed TransferTools, and knows who is open at every turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone

from livekit.agents import Agent

from livetransfer import Opening, Router, TransferOutcome, TransferStatus, TransferTools


def clock() -> datetime:
    """Tell what time it is."""
    return datetime.now(timezone.utc)


class OfficeHours(Router):
    """Sales is open in office hours, emergencies always."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__({"sales": ["+15550100", "+15550101"], "emergencies": "+15550101"})
        self._clock = now

    def openings(self, now: datetime | None = None) -> Mapping[str, Opening]:
        """Say who is open."""
        now = now or self._clock()
        in_hours = now.weekday() < 5 and 8 <= now.hour < 17
        return {
            "sales": Opening("Prices and new orders.", in_hours, "on weekdays at 8"),
            "emergencies": Opening("Burst pipes and no heating, nothing else."),
        }


def sorry(outcome: TransferOutcome) -> str:
    """What the caller hears when a transfer has failed."""
    if outcome.status is TransferStatus.NO_ANSWER:
        return "Nobody has picked up, I am afraid. Shall I take a message?"
    return "I am afraid I could not reach anybody. Shall I take a message?"


class Plumbers(Agent):
    """Answers the phone of a plumbing firm."""

    def __init__(self, now: Callable[[], datetime] = clock) -> None:
        tools = TransferTools(
            OfficeHours(now),
            when="Ask for the caller's name and address first.",
            apology=sorry,
            announcement="I am trying to reach somebody.",
            ring_timeout=20,
            ring_next_after=8,
            after="return",
        )
        super().__init__(instructions="You answer for Hill Road Plumbing.", tools=[tools])
