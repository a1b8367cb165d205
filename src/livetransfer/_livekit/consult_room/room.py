"""ConsultRoom: the human is dialled into a second room, and moved into the caller's for the bridge.

The default on LiveKit Cloud. Where a participant cannot be moved after all, the two rooms' audio
is relayed through this process until the call ends.
"""

from __future__ import annotations

import asyncio

from livetransfer._livekit import leg_attributes as marks
from livetransfer._livekit.leg_room import Place
from livetransfer._livekit.second_connection import RoomConversation
from livetransfer._livekit.shared_room.room import SharedRoom
from livetransfer._livekit.signalling.api_errors import bridge_failed
from livetransfer._livekit.signalling.dial import Dial, hang_up
from livetransfer._livekit.signalling.dial_request import complete, dial_request
from livetransfer._livekit.signalling.fault import Fault
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._livekit.tasks import Tasks, finish, logger, outlive
from livetransfer.control import BridgeMode, Conversation, Leg
from livetransfer.destination import Destination
from livetransfer.errors import CallControlError, DialFailed
from livetransfer.status import TransferStatus

from .consult import Consult

__all__ = ["ConsultRoom"]

HANG_UP = 3.0
CLOSE = 12.0
# After the move, seconds between what makes sure that both subscribe.
AGAIN = (0.1, 0.3, 0.6, 1.0)


class ConsultRoom:
    """One way to bring a human to a caller; see `joining.Joining` for the contract.

    A leg that was moved, or was dialled to talk at once, is in the caller's room, so from then on
    everything is as in a `SharedRoom`.
    """

    def __init__(self, wire: Wire, events: RoomEvents, caller: str, trunk_id: str | None) -> None:
        self._wire = wire
        self._events = events
        self._caller = caller
        self._trunk_id = trunk_id
        self._tasks = Tasks()
        self._shared = SharedRoom(wire, events, caller, trunk_id)
        self._consults: dict[str, Consult] = {}
        self._all: list[Consult] = []
        self._over: set[str] = set()
        # Moved legs, and those of them that are to hear the caller.
        self._moved: set[str] = set()
        self._joined: set[str] = set()

    def check(self, destination: Destination) -> None:
        """Raise ConfigurationError if `destination` cannot be dialled with what is configured."""
        dial_request(destination, self._trunk_id)

    def place(self, identity: str) -> Place:
        """Return the room that `identity` is in."""
        consult = self._consults.get(identity)
        if consult is None or consult.state == "moved":
            return self._shared.place(identity)
        return Place(consult.side.wire, consult.side.events)

    async def dial(
        self, destination: Destination, *, identity: str, ring_timeout: float, sealed: bool
    ) -> Leg:
        """See [`CallControl.dial`][livetransfer.control.CallControl.dial]."""
        if not sealed:
            return await self._shared.dial(
                destination, identity=identity, ring_timeout=ring_timeout, sealed=False
            )
        route = dial_request(destination, self._trunk_id)
        try:
            consult = self._consult(identity)
            await consult.side.open()
            request = complete(
                route,
                room_name=consult.side.wire.room_name,
                identity=identity,
                ring_timeout=ring_timeout,
                attributes={
                    marks.LEG: self._caller,
                    marks.OWNER: self._wire.owner,
                    # It comes to the caller's room only to talk.
                    marks.PHASE: marks.BRIDGED,
                },
            )
            await Dial(
                consult.side.wire,
                consult.side.events,
                consult.tasks,
                request,
                ring_timeout=ring_timeout,
                on_answer=None,
            ).run()
        except BaseException as error:
            self._retire(identity)
            if isinstance(error, CallControlError) and not isinstance(error, DialFailed):
                raise DialFailed(str(error), status=error.status) from error
            raise
        return Leg(identity, destination)

    def await_caller(self) -> None:
        """The caller is not there yet; see `dial_caller`."""
        self._shared.await_caller()

    async def dial_caller(self, destination: Destination, *, ring_timeout: float) -> None:
        """See [`CallControl.dial`][livetransfer.control.CallControl.dial]: no human is in here."""
        await self._shared.dial_caller(destination, ring_timeout=ring_timeout)

    async def open_conversation(self, identity: str) -> Conversation:
        """See [`CallControl.open_conversation`][livetransfer.control.CallControl]."""
        consult = self._consult(identity)
        await consult.side.open()
        return await RoomConversation.open(consult.side.wire, identity, consult.side.on_joining)

    async def seal(self, leg: Leg) -> None:
        """See [`CallControl.seal`][livetransfer.control.CallControl.seal]."""
        consult = self._consults.get(leg.identity)
        if consult is None or consult.state == "moved":
            self._joined.discard(leg.identity)
            await self._shared.seal(leg)
        elif consult.relay is not None:
            consult.relay.pause()

    async def bridge(self, leg: Leg) -> BridgeMode:
        """See [`CallControl.bridge`][livetransfer.control.CallControl.bridge]."""
        consult = self._consults.get(leg.identity)
        if consult is None or consult.state == "moved":
            return await self._join(leg)
        if not consult.present or not self._events.present(self._caller):
            raise bridge_failed(Fault(TransferStatus.FAILED, text="one of them has left"))
        if consult.relay is not None:
            consult.relay.resume()
            return "relay"
        if await consult.move():
            self._moved.add(leg.identity)
            self._tasks.start(consult.linger(), "close-consult-room")
            return await self._join(leg)
        await consult.carry()
        logger.warning("caller and human are in two rooms; their audio is relayed")
        return "relay"

    async def _join(self, leg: Leg) -> BridgeMode:
        """Let two hear each other who are in one room. A move has cleared what both heard."""
        mode = await self._shared.bridge(leg)
        if leg.identity not in self._moved:
            return mode
        self._joined.add(leg.identity)
        self._tasks.start(self._again(leg.identity), "subscribe-again")
        return "consult_room"

    async def _again(self, human: str) -> None:
        """Tracks of a moved leg may become known some time after the leg."""
        for pause in AGAIN:
            await asyncio.sleep(pause)
            if human not in self._joined or not self._events.present(human):
                return
            for listener, speaker in ((self._caller, human), (human, self._caller)):
                try:
                    await self._wire.subscribe(listener, self._events.audio_of(speaker), True)
                except Exception:
                    logger.warning("a moved leg's audio could not be subscribed to again")

    async def hang_up(self, leg: Leg) -> None:
        """See [`CallControl.hang_up`][livetransfer.control.CallControl.hang_up]."""
        self._joined.discard(leg.identity)
        consult = self._consults.get(leg.identity)
        if consult is None:
            await self._shared.hang_up(leg)
            return
        found = consult.give_up()
        if found != "moved":
            wire = consult.side.wire
            gone = await finish(hang_up(wire, leg.identity, None, HANG_UP), HANG_UP + 4.0)
            if not gone:
                logger.warning("a leg was not seen to leave in time")
        if found in ("moved", "moving"):
            await self._shared.hang_up(leg)
        self._retire(leg.identity)
        await finish(consult.aclose(), CLOSE)

    async def leave(self) -> None:
        """Take the AI out of the call; where it carries the audio it goes with the first of them.

        The other one is then hung up.
        """
        carried = [each for each in self._consults.values() if each.relay is not None]
        if not carried:
            await self._shared.leave()
        for consult in carried:
            del self._consults[consult.identity]
            consult.side.events.be_quiet()
            own = self._wire.elsewhere(self._wire.room_name)
            outlive(self._leave_after(consult, own), "relay-to-the-end")

    async def aclose(self) -> None:
        """Release what this holds, first of all what the caller hears.

        Legs that are relayed talk on: the relay ends with them.
        """
        await self._shared.aclose()
        await self._tasks.aclose(3.0)
        for consult in self._all:
            consult.forget()
        going = []
        for consult in self._consults.values():
            if consult.relay is not None and not consult.relay.ended.done():
                outlive(consult.outlive(), "relay-to-the-end")
            else:
                going.append(consult.aclose())
        self._consults.clear()
        await asyncio.gather(*going)

    async def _leave_after(self, consult: Consult, wire: Wire) -> None:
        room = self._events.room
        try:
            if await consult.outlive() != self._caller:
                await hang_up(wire, self._caller, None, HANG_UP)
        finally:
            await wire.aclose()
            await room.disconnect()

    def _consult(self, identity: str) -> Consult:
        if identity in self._over:
            raise CallControlError("the leg has gone", status=TransferStatus.FAILED)
        if identity not in self._consults:
            consult = Consult(self._wire, self._events, self._caller, identity)
            self._consults[identity] = consult
            self._all.append(consult)
            self._tasks.start(self._mark(consult), "mark-caller")
        return self._consults[identity]

    async def _mark(self, consult: Consult) -> None:
        """Tell a later job of the room, in which it could not look for what rings."""
        room_name = consult.side.wire.room_name
        own = {marks.CONSULTING: self._wire.owner, marks.CONSULT_ROOM: room_name}
        try:
            await self._wire.mark(self._caller, own)
        except Exception:
            logger.warning("a caller could not be marked as being transferred")

    def _retire(self, identity: str) -> None:
        """Let the room of a leg go, in the background: nobody waits for that."""
        self._over.add(identity)
        consult = self._consults.pop(identity, None)
        if consult is not None:
            self._tasks.start(consult.aclose(), "close-consult-room")
