"""Repair: what a crashed worker left in the room: a deaf caller, a leg that rings or is sealed."""

from __future__ import annotations

import asyncio

from livekit.protocol import models as proto_models

from . import marks
from .tasks import logger
from .wire import Wire

__all__ = ["repair"]


async def repair(wire: Wire) -> list[str]:
    """Undo what agents that are not in the room any more had begun; return whom it concerned.

    Whoever may not hear gets it back first; legs that were not bridged are hung up. Bridged
    parties are left alone: they talk. What a request raises is logged: there may be nothing wrong.
    """
    try:
        participants = await wire.participants()
    except Exception:
        logger.warning("the room could not be searched for what a crashed worker left")
        return []
    present = {p.identity for p in participants} | {wire.agent}
    deaf = [p for p in participants if _orphaned(p, marks.GATED, present)]
    legs = [
        p
        for p in participants
        if marks.LEG in p.attributes
        and _orphaned(p, marks.OWNER, present)
        and p.attributes.get(marks.PHASE) != marks.BRIDGED
    ]
    await asyncio.gather(*(_hear(wire, p) for p in deaf if p not in legs))
    await asyncio.gather(*(_hang_up(wire, p) for p in legs))
    return [p.identity for p in [*deaf, *legs]]


def _orphaned(participant: proto_models.ParticipantInfo, mark: str, present: set[str]) -> bool:
    owner = participant.attributes.get(mark, "")
    return bool(owner) and owner not in present


async def _hear(wire: Wire, participant: proto_models.ParticipantInfo) -> None:
    logger.warning("a participant that a crashed worker left deaf may hear again")
    try:
        await wire.allow_subscribing(participant.identity, participant.permission, True)
    except Exception:
        logger.warning("a deaf participant could not be let hear again")


async def _hang_up(wire: Wire, participant: proto_models.ParticipantInfo) -> None:
    logger.warning("a leg that a crashed worker left is hung up")
    try:
        await wire.remove(participant.identity)
    except Exception:
        logger.warning("a leg of a crashed worker could not be hung up")
