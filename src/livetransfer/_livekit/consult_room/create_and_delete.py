"""SideRoom: a second room, without any agent but ours, watched while it lasts, deleted once."""

from __future__ import annotations

import asyncio
import uuid
import weakref

from livekit import rtc
from livekit.agents import get_job_context

from livetransfer._livekit.signalling.api_errors import classify
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.signalling.server_api import Wire
from livetransfer._livekit.tasks import Tasks, finish, logger
from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

__all__ = ["NOBODY", "SideRoom", "is_beside"]

NOBODY = "livetransfer-no-agent"
"""An agent's name that no worker has.

A server gives a room that names no agent, when it creates it, every worker without a name, so an
empty list suppresses nothing; a room that names one gets this one only, and nobody answers to it.
"""

CREATE = 3.0
CONNECT = 5.0
# The room goes by itself if this process dies before anybody is in it.
EMPTY_TIMEOUT = 60
LEAVE_WITHIN = 2.0
DELETE_AGAIN = (0.2, 0.5, 1.0, None)


def is_beside(name: str, room_name: str) -> bool:
    """Whether `name` can only be that of a side room of the room `room_name`."""
    return name.startswith(_beside(room_name))


def _beside(room_name: str) -> str:
    # The longest name that servers take by default is 256.
    return f"{room_name[:200]}-consult-"


class SideRoom:
    """One room beside the caller's, from `open` to `aclose`.

    Args:
        wire: Of the caller's room; the side room has one of its own.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire.elsewhere(_beside(wire.room_name) + uuid.uuid4().hex[:12])
        self.room = rtc.Room()
        self.events = RoomEvents(self.room, self.wire)
        self._identity = f"{wire.agent}-consult-{uuid.uuid4().hex[:8]}"
        self._tasks = Tasks()
        self._joining: set[asyncio.Future[None]] = set()
        self._opening: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.room.on("participant_connected", self._on_joined)

    async def open(self) -> None:
        """Create the room and join it. Called again it waits for the first; so may several.

        Raises:
            CallControlError: It could not be created or joined, or is closed.
        """
        if self._closing is not None:
            raise CallControlError("the room of the leg is closed", status=TransferStatus.FAILED)
        if self._opening is None:
            self._opening = self._tasks.start(self._open(), "open-consult-room")
        await asyncio.shield(self._opening)

    def on_joining(self, joining: asyncio.Future[None]) -> None:
        """Take note that somebody is joining: he would bring the deleted room back."""
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    async def aclose(self) -> None:
        """Delete the room, which hangs up whoever is in it. May be called again."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="livetransfer-close-consult")
        await finish(_wait(self._closing), CREATE + 2 * CONNECT + 12.0)

    async def _open(self) -> None:
        _delete_at_shutdown(self)
        try:
            await self._join()
        except Exception as error:
            fault = classify(error)
            # Nothing rings yet, so nothing about it is unclear.
            raise CallControlError(
                f"the consult room could not be opened: {fault.text}",
                status=TransferStatus.FAILED if fault.indeterminate else fault.status,
            ) from error

    async def _join(self) -> None:
        await asyncio.wait_for(self.wire.create_room(NOBODY, empty_timeout=EMPTY_TIMEOUT), CREATE)
        joining = asyncio.ensure_future(
            self.room.connect(
                self.wire.url,
                self.wire.token(self._identity),
                rtc.RoomOptions(auto_subscribe=False),
            )
        )
        done, _ = await asyncio.wait([joining], timeout=CONNECT)
        if not done:
            joining.add_done_callback(self._leave_late)
            raise asyncio.TimeoutError
        joining.result()
        for participant in self.room.remote_participants.values():
            self._on_joined(participant)

    def _leave_late(self, joined: asyncio.Future[None]) -> None:
        """To join a room that was deleted is to create it again."""
        if not joined.cancelled() and joined.exception() is None:
            self._tasks.start(self._leave_again(), "leave-consult-room")

    async def _leave_again(self) -> None:
        await self.room.disconnect()
        await self._delete()
        await self.wire.aclose()

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        """Show out an agent that is not ours, before it says a word to the human."""
        if participant.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            return
        if not participant.identity.startswith(f"{self.wire.agent}-briefing-"):
            logger.warning("another agent was sent to the consult room; it is removed")
            self._tasks.start(self.wire.remove(participant.identity), "remove-agent")

    async def _close(self) -> None:
        asked = self._opening is not None
        if self._opening is not None:
            # Not cancelled: a request that is on its way creates the room after it was deleted.
            await asyncio.wait([self._opening])
        self.room.off("participant_connected", self._on_joined)
        self.events.be_quiet()
        try:
            if asked:
                joining = set(self._joining)
                await self._delete()
                joining |= self._joining
                if joining:
                    # To join a room that was deleted is to create it again, without a guard.
                    await asyncio.wait(joining, timeout=CONNECT)
                    await self._delete()
            if self.room.isconnected():
                await asyncio.wait_for(self.room.disconnect(), LEAVE_WITHIN)
        except asyncio.TimeoutError:
            logger.warning("the consult room was not left in time")
        finally:
            self.events.close()
            await self._tasks.aclose(0.5)
            await self.wire.aclose()

    async def _delete(self) -> None:
        for pause in DELETE_AGAIN:
            try:
                await self.wire.delete_room()
            except Exception:
                if pause is None:
                    logger.error("the consult room could not be deleted")
                    return
                await asyncio.sleep(pause)
            else:
                return


def _delete_at_shutdown(side: SideRoom) -> None:
    """A job that ends takes its rooms with it: nobody would be left to talk to in them."""
    job = get_job_context(required=False)
    if job is None:
        return
    remembered = weakref.ref(side)

    async def delete() -> None:
        found = remembered()
        if found is not None:
            await found.aclose()

    job.add_shutdown_callback(delete)


async def _wait(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)
