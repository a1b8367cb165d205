"""Consult: one attempt's second room, the leg in it, and how that leg gets to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from livetransfer._livekit.signalling.api_errors import bridge_failed, classify
from livetransfer._livekit.signalling.fault import Fault
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._livekit.tasks import Tasks, logger
from livetransfer.control import (
    CallLost,
    ControlEvent,
    KeyPressed,
    LegAnswered,
    LegLeft,
    LegRinging,
)
from livetransfer.status import TransferStatus

from .create_and_delete import SideRoom
from .relay import Relay

__all__ = ["Consult"]

State = Literal["apart", "moving", "moved", "relayed", "over"]

# A move takes well under a second; meanwhile the human hears nothing.
MOVE_WITHIN = 2.0
ASK_WITHIN = 1.0
# From the server's word that it moved the leg to seeing it in the caller's room.
SEEN_WITHIN = 1.5
# After a move whose end is unclear: the leg leaves the one room before it is in the other.
BETWEEN_ROOMS = 1.0
# How long the room is kept after the move for a briefing that is still being closed.
LINGER = 2.0
SEEN_OFF = 0.3
STEP = 0.01


class Consult:
    """The leg `identity`, first in a room of its own, then with the caller.

    What happens to it is told by the events of the caller's room, wherever it is: that it changes
    rooms is not told.

    Args:
        wire: Of the caller's room.
        events: Of the caller's room.
        caller: The caller's identity.
        identity: The leg's identity; it need not be there yet.
    """

    def __init__(self, wire: Wire, events: RoomEvents, caller: str, identity: str) -> None:
        self.identity = identity
        self.side = SideRoom(wire)
        self.tasks = Tasks()
        self.state: State = "apart"
        self.relay: Relay | None = None
        self._wire, self._events, self._caller = wire, events, caller
        self._held: LegLeft | None = None
        self._unclear = False
        self._told = False
        self._looking = True
        self._closing: asyncio.Task[None] | None = None
        self.side.events.subscribe(self._on_side_event)
        events.room.on("participant_connected", self._on_joined)

    @property
    def present(self) -> bool:
        """Whether the leg is in its own room."""
        return self.side.events.present(self.identity)

    @property
    def with_caller(self) -> bool:
        """Whether the leg is in the caller's room."""
        return self._events.present(self.identity)

    # To the caller.

    async def move(self) -> bool:
        """Bring the leg to the caller's room; False: it is still in its own.

        Raises:
            BridgeFailed: It is in neither.

        On cancellation it may be in either, and `hang_up` finds it.
        """
        self.state, self._held, self._unclear = "moving", None, True
        request = self.side.wire.move(self.identity, self._wire.room_name)
        try:
            await asyncio.wait_for(request, MOVE_WITHIN)
        except Exception as error:
            fault = classify(error)
            self._unclear = fault.indeterminate
            logger.warning("a leg could not be moved: %s", fault.text)
            there = fault.indeterminate and await self._asked()
        else:
            there = True
        if self.with_caller or (there and await _until(lambda: self.with_caller, SEEN_WITHIN)):
            self.state, self._unclear = "moved", False
            return True
        if self.present and self._held is None:
            self.state = "apart"
            return False
        self.state = "apart"
        self._leave(self._held or LegLeft(self.identity))
        raise bridge_failed(Fault(TransferStatus.FAILED, text="the leg has left"))

    async def carry(self) -> None:
        """Let the two hear each other through this process, each in its room.

        Raises:
            BridgeFailed: They could not be joined.
        """
        self.relay = await Relay.open(
            self._events.room, self._caller, self.side.room, self.identity
        )
        self.state = "relayed"

    async def _asked(self) -> bool:
        """Whether the server knows the leg in the caller's room."""
        try:
            asking = self._wire.participant(self.identity)
            return await asyncio.wait_for(asking, ASK_WITHIN) is not None
        except Exception:
            return False

    # What the rooms tell.

    def _on_side_event(self, event: ControlEvent) -> None:
        if isinstance(event, CallLost):
            if self.state in ("apart", "relayed"):
                self._leave(LegLeft(self.identity, event.reason))
        elif isinstance(event, (LegRinging, LegAnswered, KeyPressed, LegLeft)):
            if event.identity != self.identity:
                return
            if isinstance(event, LegAnswered):
                # Told once, also when the leg joins the caller's room as one that has answered.
                self._events.answered(self.identity)
            elif not isinstance(event, LegLeft):
                self._events.emit(event)
            elif self.state == "moving":
                self._held = event
            elif self._unclear and self.state in ("apart", "relayed"):
                self.tasks.start(self._between_rooms(event), "between-rooms")
            elif self.state != "moved":
                self._leave(event)

    def _leave(self, event: LegLeft) -> None:
        if not self._told:
            self._told = True
            self._events.emit(event)

    async def _between_rooms(self, event: LegLeft) -> None:
        """It left its room: hung up, or moved by a request that was given up."""
        if not await _until(lambda: self.with_caller, BETWEEN_ROOMS):
            self._leave(event)

    def _on_joined(self, participant: object) -> None:
        """The leg is in the caller's room after all: a late effect of a move that was given up."""
        if getattr(participant, "identity", None) != self.identity:
            return
        if self.state == "relayed":
            # It hears the caller there by itself, as every leg that joins a room does.
            self.state, self._unclear = "moved", False
            self._begin_close()
        elif self.state in ("apart", "over"):
            logger.warning("a leg that was to be apart came to the caller's room; it is removed")
            self.tasks.start(self._wire.remove(self.identity), "remove-leg")

    # The end.

    async def linger(self) -> None:
        """After the move: close the room once the briefing has left it."""
        await _until(lambda: not self.side.room.remote_participants, LINGER)
        await self.aclose()

    def give_up(self) -> State:
        """It is hung up from now on, wherever it is; return where it may be."""
        found = self.state
        if found != "moved":
            self.state = "over"
        return found

    def forget(self) -> None:
        """Look no more for it in the caller's room. May be called again."""
        if self._looking:
            self._looking = False
            self._events.room.off("participant_connected", self._on_joined)

    async def outlive(self) -> str:
        """Go on relaying until one of the two leaves, then close; return who left."""
        assert self.relay is not None
        self.forget()
        who = await self.relay.ended
        await self.aclose()
        return who

    async def aclose(self) -> None:
        """Delete the room, and with it the leg if it is in there. May be called again."""
        await asyncio.shield(self._begin_close())

    def _begin_close(self) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="livetransfer-close-consult")
        return self._closing

    async def _close(self) -> None:
        self.give_up()
        if not self._unclear:
            self.forget()
        try:
            if self.relay is not None:
                self.relay.pause()
            # One that was just hung up is on its way out, and is told to have left.
            await _until(lambda: not self.present, SEEN_OFF)
            await self.side.aclose()
        finally:
            if self.relay is not None:
                await self.relay.aclose()
            await self.tasks.aclose(0.5)


async def _until(true: Callable[[], bool], within: float) -> bool:
    """Wait until it is true, or `within` seconds; return whether it is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not true():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(STEP)
    return True
