"""Repair: what a crashed worker left: a deaf caller, a leg that rings or is kept apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from livekit import rtc
from livekit.protocol import models as proto_models

from livetransfer.control import CallLost, ControlEvent, LegLeft

from . import leg_attributes as marks
from .consult_room.create_and_delete import is_beside
from .signalling.room_events import RoomEvents
from .signalling.server_api import Wire
from .tasks import Tasks, logger
from .track_permissions import TrackPermissions

__all__ = ["Repair", "repair_room"]


async def repair_room(room: rtc.Room) -> list[str]:
    """Repair `room` now, and again when an agent leaves whose marks were seen."""
    wire, events, tasks = Wire.for_room(room), RoomEvents(room), Tasks()
    repair = Repair(wire, events, tasks)

    def on_event(event: ControlEvent) -> None:
        if isinstance(event, CallLost):
            close()

    def close() -> None:
        repair.close()
        events.close()

    events.subscribe(on_event)
    repair.after = wire.aclose
    found = await repair.run()
    if not repair.others:
        close()
    return found


class Repair:
    """Undoes what agents that are not in the room any more had begun; owned by a control.

    The server may take some time to see that a worker has died, so it looks again when an agent
    leaves whose marks it saw. Until then nobody whom that agent keeps apart hears this one: what is
    said to the caller is not for him.
    """

    def __init__(self, wire: Wire, events: RoomEvents, tasks: Tasks) -> None:
        self._wire = wire
        self._tasks = tasks
        self.others: set[str] = set()
        """The agents in the room whose marks it saw."""
        self.after: Callable[[], Awaitable[None]] | None = None
        """What follows each look."""
        self._one = asyncio.Lock()
        self._room = events.room
        self._kept_out: dict[str, Callable[[], None]] = {}
        self._unsubscribe = events.subscribe(self._on_event)

    def start(self) -> asyncio.Task[list[str]]:
        """Look beside the call, which it must not delay."""
        return self._tasks.start(self.run(), "repair")

    async def run(self) -> list[str]:
        """Repair what there is to repair; return whom it concerned.

        Whoever may not hear gets it back; legs that were not bridged are hung up. Bridged parties
        are left alone: they talk. A consult room is deleted, and who is in it hung up. What a
        request raises is logged: there may be nothing wrong.
        """
        async with self._one:
            try:
                return await self._run()
            finally:
                if self.after is not None:
                    await self.after()

    async def _run(self) -> list[str]:
        try:
            participants = await self._wire.participants()
        except Exception:
            logger.warning("the room could not be searched for what a crashed worker left")
            return []
        present = {p.identity for p in participants} | {self._wire.agent}
        legs = [p for p in participants if self._orphaned(p, marks.OWNER, present) and _apart(p)]
        deaf = [
            p
            for p in participants
            if self._orphaned(p, marks.GATED, present) and p not in legs and _marked_by_us(p)
        ]
        for leg in participants:
            if marks.signed_by(leg.attributes.get(marks.OWNER, "")) in self.others and _apart(leg):
                self._keep_out(leg.identity)
        await asyncio.gather(*map(self._let_hear, deaf))
        await asyncio.gather(*map(self._hang_up, legs))
        for caller in participants:
            if self._orphaned(caller, marks.CONSULTING, present):
                await self._close_consult_room(caller)
        return [p.identity for p in [*deaf, *legs]]

    def close(self) -> None:
        """Look no more."""
        self._unsubscribe()
        for identity in list(self._kept_out):
            self._kept_out.pop(identity)()

    def _keep_out(self, identity: str) -> None:
        if identity not in self._kept_out:
            self._kept_out[identity] = TrackPermissions.of(self._room).exclude(identity)

    def _orphaned(
        self, participant: proto_models.ParticipantInfo, mark: str, present: set[str]
    ) -> bool:
        signature = participant.attributes.get(mark, "")
        if not signature or signature == self._wire.owner:
            return False
        agent = marks.signed_by(signature)
        if agent == self._wire.agent:
            # One before us had our identity, and there is only ever one of a name in a room.
            return True
        if agent in present:
            self.others.add(agent)
        return agent not in present

    def _on_event(self, event: ControlEvent) -> None:
        if not isinstance(event, LegLeft):
            return
        if event.identity in self._kept_out:
            self._kept_out.pop(event.identity)()
        if event.identity in self.others:
            self.start()

    async def _let_hear(self, participant: proto_models.ParticipantInfo) -> None:
        logger.warning("a participant that a crashed worker left deaf may hear again")
        try:
            await self._wire.allow_subscribing(participant.identity, participant.permission, True)
        except Exception:
            logger.warning("a deaf participant could not be let hear again")

    async def _hang_up(self, participant: proto_models.ParticipantInfo) -> None:
        logger.warning("a leg that a crashed worker left is hung up")
        try:
            await self._wire.remove(participant.identity)
        except Exception:
            logger.warning("a leg of a crashed worker could not be hung up")

    async def _close_consult_room(self, caller: proto_models.ParticipantInfo) -> None:
        name = caller.attributes.get(marks.CONSULT_ROOM, "")
        # A participant may be allowed to change its attributes: no other room is ever touched.
        if not is_beside(name, self._wire.room_name):
            return
        wire = self._wire.elsewhere(name)
        try:
            await wire.delete_room()
            await self._wire.mark(caller.identity, {marks.CONSULTING: "", marks.CONSULT_ROOM: ""})
        except Exception:
            logger.warning("the consult room of a crashed worker could not be closed")
        finally:
            await wire.aclose()


def _marked_by_us(participant: proto_models.ParticipantInfo) -> bool:
    """Whether its marks can only be an agent's: with one of its own it would grant itself hearing.

    livekit-sip may change attributes, and is trusted; whoever calls it cannot.
    """
    sip = participant.kind == proto_models.ParticipantInfo.SIP
    return sip or not participant.permission.can_update_metadata


def _apart(participant: proto_models.ParticipantInfo) -> bool:
    return participant.attributes.get(marks.PHASE) != marks.BRIDGED
