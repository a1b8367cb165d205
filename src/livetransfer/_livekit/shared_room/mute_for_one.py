"""Gate: takes away what one participant may hear for a moment, and gives it back for certain."""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.protocol import models as proto_models

from livetransfer._livekit.signalling.server_api import Wire, full_permission
from livetransfer._livekit.tasks import logger

__all__ = ["Gate"]

# Seconds between attempts at giving back: a deaf caller is the worst that can happen here.
_AGAIN = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0)


class Gate:
    """`can_subscribe` of one participant.

    Closing it stops every subscription at once; opening it renews those that are still wanted.
    It outlives a crashed worker, so `repair` looks for the mark that `close` leaves.
    """

    def __init__(self, wire: Wire, room: rtc.Room, identity: str) -> None:
        self._wire = wire
        self._room = room
        self._identity = identity
        # The participant's own permission, from the first time that we may have changed it.
        self._own: proto_models.ParticipantPermission | None = None
        self._shut = False
        self._retired = False
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Stop what the participant hears. One that is gone, or may not hear anyway, is fine.

        Raises:
            Exception: What the request raised; it may be closed all the same, so `release` it.
        """
        async with self._lock:
            if self._shut or self._retired:
                return
            if self._own is None:
                own = await self._permission()
                if own is None or not own.can_subscribe:
                    return
                self._own = own
            await self._wire.allow_subscribing(self._identity, self._own, False)
            self._shut = True

    async def _permission(self) -> proto_models.ParticipantPermission | None:
        participant = self._room.remote_participants.get(self._identity)
        if participant is not None:
            return full_permission(participant)
        # While our own connection is made anew our view of the room is empty, the room is not.
        info = await self._wire.participant(self._identity)
        return info.permission if info is not None else None

    def rejoined(self) -> None:
        """Take note that the participant has a new connection, with its permission as it was."""
        self._shut = False

    async def open(self) -> None:
        """Let the participant hear again, if `close` was called.

        Raises:
            Exception: What the request raised; it is still closed.
        """
        async with self._lock:
            if self._own is None:
                return
            # Asked of the server even if we do not see the participant, who may be there.
            await self._wire.allow_subscribing(self._identity, self._own, True)
            self._own, self._shut = None, False

    async def release(self, *, final: bool = False) -> None:
        """Open it whatever it takes: again and again for some seconds, also when cancelled.

        `final`: it is never closed again.
        """
        self._retired = self._retired or final
        work = asyncio.ensure_future(self._release())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    async def _release(self) -> None:
        for delay in _AGAIN:
            await asyncio.sleep(delay)
            try:
                await self.open()
            except Exception:
                logger.warning("a participant could not be let hear again yet")
            else:
                return
        logger.error("a participant could not be let hear again")
