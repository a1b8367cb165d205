"""What a router has found and nobody uses is given back: leases of an offer, a place in line."""

from __future__ import annotations

import asyncio
import logging

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer._user_code import CodeFailed, ask
from livetransfer.routing.offer import Offer, Wait
from livetransfer.status import TransferStatus

from .lease_and_admission import Account

__all__ = ["give_back", "leave", "release"]

logger = logging.getLogger("livetransfer")

LEAVE_LIMIT = 2.0
"""Seconds that giving up a place in a queue may take."""


def give_back(found: object) -> None:
    """Give back, in the background, what a router has found too late for its call."""
    if isinstance(found, Offer):
        keep(asyncio.create_task(release(found), name="livetransfer-unused-offer"))
    elif isinstance(found, Wait):
        keep(asyncio.create_task(leave(found), name="livetransfer-queue"))


async def release(offer: Offer) -> None:
    """Give back the leases of an offer of which nobody was rung."""
    for lease in offer.leases:
        await Account(lease).over(TransferStatus.ANSWERED_ELSEWHERE)


async def leave(wait: Wait) -> None:
    """Give up a place in a queue; one that cannot be given up expires."""
    try:
        await ask("place", wait.place.leave, LEAVE_LIMIT)
    except CodeFailed:
        logger.warning("a place in a queue could not be given up; it expires", **logged())
