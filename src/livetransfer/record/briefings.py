"""What a briefing's session can tell of it when it is over: what was said, and what it has used."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from livetransfer.events import BriefingEnded, Said

if TYPE_CHECKING:
    from livekit.agents import AgentSession

__all__ = ["briefing_ended"]


def briefing_ended(
    session: AgentSession[Any],
    *,
    identity: str,
    verdict: str | None,
    at: float,
    now: float | None = None,
) -> BriefingEnded:
    """Return the event of a briefing that is over.

    Args:
        session: The briefing's own.
        identity: Of the human's leg.
        verdict: What the human, or the briefing, has decided.
        at: Seconds since the transfer began.
        now: The time of day, in seconds, at that moment.
    """
    shift = at - (time.time() if now is None else now)
    said = []
    for message in session.history.messages():
        text = (message.text_content or "").strip()
        if text and message.role in ("user", "assistant"):
            by: Literal["ai", "human"] = "human" if message.role == "user" else "ai"
            said.append(Said(max(0.0, message.created_at + shift), by, text))
    usage = tuple(
        {key: value for key, value in one.model_dump().items() if value not in (0, 0.0)}
        for one in session.usage.model_usage
    )
    return BriefingEnded(at, identity, verdict, tuple(said), usage)
