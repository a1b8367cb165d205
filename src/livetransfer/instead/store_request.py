"""Requesting: what the caller has confirmed becomes a request that the store keeps."""

from __future__ import annotations

import uuid
from datetime import datetime

from livetransfer._user_code import ask
from livetransfer.callback_request import CallbackRequest
from livetransfer.fallback import OfferCallback

from . import times
from .step import Step

__all__ = ["STORE_LIMIT", "keep_request"]

STORE_LIMIT = 8.0
"""Seconds that the store may take: the caller waits for it."""


async def keep_request(
    step: Step, action: OfferCallback, number: str, window: tuple[datetime, datetime], reason: str
) -> None:
    """Ask the store to keep the request.

    Raises:
        CodeFailed: It raised, or took longer than `STORE_LIMIT` seconds.
    """
    facts = step.facts
    request = CallbackRequest(
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
        priority=facts.priority,
        place=facts.place,
        made=times.now(),
    )
    await ask("callback store", lambda: action.store.add(request), STORE_LIMIT)


def request_id(step: Step) -> str:
    """Return what names the request: the same for one call, whoever asks for it again."""
    facts = step.facts
    if facts.call_id is None:
        return step.id
    return uuid.uuid5(uuid.NAMESPACE_URL, f"livetransfer:{facts.call}/{facts.call_id}").hex
