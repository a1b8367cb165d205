"""called_in: a caller who calls in again need not be called back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from livetransfer._checks import check_listener
from livetransfer.callback_request import CallbackStatus
from livetransfer.errors import TransferError
from livetransfer.instead.numbers import NoCallback, callback_number

from .callback_events import CallbackEnded, Listener, Telling
from .ledger import CallbackLedger, Promise

__all__ = ["called_in"]

logger = logging.getLogger("livetransfer")

LIMIT = 3.0
"""Seconds that the store may take: the caller is on the line."""

REASON = "the caller has called in again"


async def called_in(
    ledger: CallbackLedger, number: str | None, *, on_event: Listener | None = None
) -> Sequence[Promise]:
    """Cancel what was promised to a caller who has called in again; return what was cancelled.

    Call it from the entrypoint, for each caller. It takes 3 s at most, and no trouble with the
    store is one of the call: it is logged, and the caller is called back all the same. One that
    is being dialled already goes on.

    Args:
        ledger: Who keeps the promised calls.
        number: The caller's number, with the country code; None, where it was withheld, cancels
            nothing.
        on_event: Called with a CallbackEnded for each; plain or async.
    """
    if not number:
        return ()
    with contextlib.suppress(NoCallback):
        number = callback_number(number)  # as it was promised, however the network writes it
    tell = Telling(check_listener("on_event", on_event))
    try:
        found = await asyncio.wait_for(ledger.cancel_number(number, reason=REASON), LIMIT)
    except (TransferError, asyncio.TimeoutError):
        logger.warning("callbacks of a caller who has called in could not be cancelled")
        return ()
    for promise in found:
        tell(CallbackEnded(promise.id, CallbackStatus.CANCELLED, REASON))
    return found
