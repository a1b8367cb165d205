"""SharedRoom: the human is dialled into the caller's room, sealed from the caller until the bridge.

The default on a server of one's own, and it works everywhere.
"""

from __future__ import annotations

import asyncio

from livetransfer._livekit import leg_attributes as marks
from livetransfer._livekit.leg_room import Place
from livetransfer._livekit.second_connection import RoomConversation
from livetransfer._livekit.signalling.api_errors import bridge_failed, classify
from livetransfer._livekit.signalling.dial import Dial, hang_up, pursue
from livetransfer._livekit.signalling.dial_request import complete, dial_request
from livetransfer._livekit.signalling.fault import Fault
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._livekit.tasks import Tasks, finish, logger, outlive
from livetransfer.control import BridgeMode, Conversation, Leg
from livetransfer.destination import Destination
from livetransfer.errors import SealFailed
from livetransfer.status import TransferStatus

from .seal import Seal

__all__ = ["SharedRoom"]

HANG_UP = 3.0
SEAL_WITHIN = 5.0


class SharedRoom:
    """One way to bring a human to a caller; see `joining.Joining` for the contract."""

    def __init__(self, wire: Wire, events: RoomEvents, caller: str, trunk_id: str | None) -> None:
        self._wire = wire
        self._events = events
        self._caller = caller
        self._trunk_id = trunk_id
        self._tasks = Tasks()
        self._seals: dict[str, Seal] = {}
        self._dialling: dict[str, asyncio.Task[None]] = {}
        self._caller_away = False

    def check(self, destination: Destination) -> None:
        """Raise ConfigurationError if `destination` cannot be dialled with what is configured."""
        dial_request(destination, self._trunk_id)

    async def dial(
        self, destination: Destination, *, identity: str, ring_timeout: float, sealed: bool
    ) -> Leg:
        """See [`CallControl.dial`][livetransfer.control.CallControl.dial]."""
        request = complete(
            dial_request(destination, self._trunk_id),
            room_name=self._wire.room_name,
            identity=identity,
            ring_timeout=ring_timeout,
            attributes={
                marks.LEG: self._caller,
                marks.OWNER: self._wire.owner,
                marks.PHASE: marks.APART if sealed else marks.BRIDGED,
            },
        )
        leg = Leg(identity, destination)
        seal = self._seal_of(identity)
        if sealed:
            seal.arm()
        dial = Dial(
            self._wire,
            self._events,
            self._tasks,
            request,
            ring_timeout=ring_timeout,
            on_answer=seal.on_answer if sealed else None,
        )
        try:
            await dial.run()
        except BaseException:
            await self._drop(identity)
            raise
        if sealed:
            try:
                await asyncio.wait_for(asyncio.shield(seal.answered()), SEAL_WITHIN)
            except BaseException as error:
                await self.hang_up(leg)
                if isinstance(error, asyncio.TimeoutError):
                    raise SealFailed(
                        "the parties could not be kept apart in time", status=TransferStatus.FAILED
                    ) from error
                raise
        return leg

    def await_caller(self) -> None:
        """The caller is not there yet; see `dial_caller`."""
        self._caller_away = True

    def _is_away(self) -> bool:
        """Whether the caller, who is called back, has not joined yet."""
        if self._caller_away and self._caller in self._events.room.remote_participants:
            self._caller_away = False
        return self._caller_away

    async def dial_caller(self, destination: Destination, *, ring_timeout: float) -> None:
        """Ring the caller, who is not there yet: a callback calls the human first.

        He has no mark of a leg: whoever looks for the caller in the room finds him.
        """
        request = complete(
            dial_request(destination, self._trunk_id),
            room_name=self._wire.room_name,
            identity=self._caller,
            ring_timeout=ring_timeout,
            attributes={},
        )

        def answered() -> None:
            self._caller_away = False
            for seal in self._seals.values():
                seal.caller_answered()

        dial = Dial(
            self._wire,
            self._events,
            self._tasks,
            request,
            ring_timeout=ring_timeout,
            on_answer=answered,
        )
        await dial.run()

    async def open_conversation(self, identity: str) -> Conversation:
        """See [`CallControl.open_conversation`][livetransfer.control.CallControl]."""
        return await RoomConversation.open(self._wire, identity)

    async def seal(self, leg: Leg) -> None:
        """See [`CallControl.seal`][livetransfer.control.CallControl.seal]."""
        seal = self._seal_of(leg.identity)
        await seal.reseal()
        self._mark(leg.identity, marks.APART)

    async def bridge(self, leg: Leg) -> BridgeMode:
        """See [`CallControl.bridge`][livetransfer.control.CallControl.bridge]."""
        for identity in (self._caller, leg.identity):
            if not self._events.present(identity):
                raise bridge_failed(Fault(TransferStatus.FAILED, text="one of them has left"))
        seal = self._seal_of(leg.identity)
        try:
            await seal.open()
        except BaseException as error:
            # Apart again: nobody must listen in on what follows.
            self._tasks.start(seal.reseal(), "reseal")
            if isinstance(error, Exception):
                raise bridge_failed(classify(error)) from error
            raise
        self._mark(leg.identity, marks.BRIDGED)
        return "shared_room"

    async def hang_up(self, leg: Leg) -> None:
        """See [`CallControl.hang_up`][livetransfer.control.CallControl.hang_up]."""
        gone = await finish(hang_up(self._wire, leg.identity, None, HANG_UP), HANG_UP + 4.0)
        if not gone:
            logger.warning("a leg was not seen to leave in time")
        room = self._events.room
        if not gone or leg.identity in room.remote_participants:
            # A server that was restarted knows nothing of a leg that is about to come back.
            outlive(pursue(self._wire, room, leg.identity, None), "pursue-leg")
        await self._drop(leg.identity)

    def place(self, identity: str) -> Place:
        """Return the room that `identity` is in: there is one."""
        return Place(self._wire, self._events)

    async def leave(self) -> None:
        """See [`CallControl.leave`][livetransfer.control.CallControl.leave]."""
        await finish(self._events.room.disconnect(), 5.0)

    async def aclose(self) -> None:
        """Release what this holds, first of all what the caller hears."""
        await asyncio.gather(*(seal.aclose() for seal in self._seals.values()))
        self._seals.clear()
        await self._tasks.aclose(3.0)

    def _seal_of(self, identity: str) -> Seal:
        if identity not in self._seals:
            self._seals[identity] = Seal(
                self._wire,
                self._events,
                self._caller,
                identity,
                lambda: [other for other in self._seals if other != identity],
                away=self._is_away,
            )
        return self._seals[identity]

    async def _drop(self, identity: str) -> None:
        seal = self._seals.pop(identity, None)
        if seal is not None:
            await finish(seal.aclose(), 8.0)

    def _mark(self, identity: str, phase: str) -> None:
        self._tasks.start(self._marked(identity, phase), "mark-leg")

    async def _marked(self, identity: str, phase: str) -> None:
        # A bridged leg that still says "apart" would be hung up by `repair`, so this insists.
        for pause in (0.2, 0.5, 1.0, None):
            try:
                await self._wire.mark(identity, {marks.PHASE: phase})
            except Exception:
                if pause is None or not self._events.present(identity):
                    raise
                await asyncio.sleep(pause)
            else:
                return
