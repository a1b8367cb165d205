"""Requesting: what the caller has confirmed becomes a request that the store keeps."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from livetransfer._user_code import ask
from livetransfer.fallback import OfferCallback

from .step import Step

__all__ = ["STORE_LIMIT", "CallbackWish", "keep_request"]

STORE_LIMIT = 8.0
"""Seconds that the store may take: the caller waits for it."""


@dataclass(frozen=True)
class CallbackWish:
    """Stands in for the port's CallbackRequest."""

    id: str
    number: str
    reason: str
    summary: str | None
    queue: str | None
    not_before: datetime
    not_after: datetime
    timezone: str
    attempts: int
    call: str


async def keep_request(
    step: Step, action: OfferCallback, number: str, window: tuple[datetime, datetime], reason: str
) -> None:
    """Ask the store to keep the request.

    Raises:
        CodeFailed: It raised, or took longer than `STORE_LIMIT` seconds.
    """
    facts = step.facts
    wish = CallbackWish(
        id=request_id(step),
        number=number,
        reason=facts.privacy.spoken(reason)[:300],
        summary=facts.summary,
        queue=action.queue or facts.department,
        not_before=window[0],
        not_after=window[1],
        timezone=action.timezone,
        attempts=action.attempts,
        call=facts.call,
    )
    await ask("callback store", lambda: action.store.add(wish), STORE_LIMIT)


def request_id(step: Step) -> str:
    """Return what names the request: the same for one call, whoever asks for it again."""
    facts = step.facts
    if facts.call_id is None:
        return step.id
    return uuid.uuid5(uuid.NAMESPACE_URL, f"livetransfer:{facts.call}/{facts.call_id}").hex
