"""LiveKitDispatcher: promised calls are given to workers by LiveKit's own agent dispatch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import TypeVar

import aiohttp
from livekit.api.twirp_client import ServerError
from livekit.protocol import models as proto_models
from livekit.protocol import room as proto_room
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from livetransfer.callback_dispatch import RoomState, callback_metadata
from livetransfer.errors import ConfigurationError, DispatchFailed

from .leg_attributes import BRIDGED, PHASE
from .signalling.api_errors import is_not_found
from .signalling.server_api import Wire

__all__ = ["LiveKitDispatcher"]

T = TypeVar("T")

WITHIN = 5.0
"""Seconds that one request may take."""

EMPTY = 60
"""Seconds that a room waits for its job before the server deletes it."""

DEPARTED = 20
"""Seconds that a room is kept after the last one has left it."""

NAME = "livetransfer-callbacks"


class LiveKitDispatcher:
    """A CallbackDispatcher on a LiveKit server.

    A worker with an `agent_name` gets its job by name, with the id of the callback in the job's
    metadata. A worker without one gets it by automatic dispatch, which every new room brings
    about that asks for nobody by name: the id is in the room's metadata then.

    Args:
        agent_name: What the worker is called; empty: it has no name.
        url: Of the server. Default: the environment's ``LIVEKIT_URL``.
        key: The API key. Default: ``LIVEKIT_API_KEY``.
        secret: Its secret. Default: ``LIVEKIT_API_SECRET``.

    Raises:
        ConfigurationError: One of these is not set.
    """

    def __init__(
        self,
        agent_name: str = "",
        *,
        url: str | None = None,
        key: str | None = None,
        secret: str | None = None,
    ) -> None:
        found = {
            "LIVEKIT_URL": url or os.environ.get("LIVEKIT_URL", ""),
            "LIVEKIT_API_KEY": key or os.environ.get("LIVEKIT_API_KEY", ""),
            "LIVEKIT_API_SECRET": secret or os.environ.get("LIVEKIT_API_SECRET", ""),
        }
        for name, value in found.items():
            if not value:
                raise ConfigurationError(name, "", "set this environment variable")
        self.agent_name = agent_name
        # It is bound to no room of its own: each request names the room that it is for.
        url, key, secret = found.values()
        self._wire = Wire(url, key, secret, "", NAME, owner=NAME)

    async def dispatch(self, key: str, room: str) -> None:
        """Create `room`, and with it the job.

        Raises:
            DispatchFailed: See `CallbackDispatcher`.
        """
        told = callback_metadata(key)
        request = proto_room.CreateRoomRequest(
            name=room,
            empty_timeout=EMPTY,
            departure_timeout=DEPARTED,
            metadata="" if self.agent_name else told,
        )
        if self.agent_name:
            request.agents.append(RoomAgentDispatch(agent_name=self.agent_name, metadata=told))
        await _asked("no job could be asked for", self._wire.api.room.create_room(request))

    async def look(self, room: str) -> RoomState | None:
        """Return who is in `room`; None: there is no such room.

        Raises:
            DispatchFailed: See `CallbackDispatcher`.
        """
        rooms, what = self._wire.api.room, "it could not be asked who is in a room"
        listed = await _asked(what, rooms.list_rooms(proto_room.ListRoomsRequest(names=[room])))
        if not listed.rooms:
            return None
        try:
            there = await _asked(
                what, rooms.list_participants(proto_room.ListParticipantsRequest(room=room))
            )
        except DispatchFailed as failed:
            if isinstance(failed.__cause__, ServerError) and is_not_found(failed.__cause__):
                return None
            raise
        agent = proto_models.ParticipantInfo.AGENT
        parties = [each for each in there.participants if each.kind != agent]
        return RoomState(
            agents=len(there.participants) - len(parties),
            parties=len(parties),
            bridged=any(each.attributes.get(PHASE) == BRIDGED for each in parties),
        )

    async def delete(self, room: str) -> None:
        """Delete `room`. One that is gone is fine.

        Raises:
            DispatchFailed: See `CallbackDispatcher`.
        """
        request = proto_room.DeleteRoomRequest(room=room)
        try:
            await _asked("a room could not be deleted", self._wire.api.room.delete_room(request))
        except DispatchFailed as failed:
            if not (isinstance(failed.__cause__, ServerError) and is_not_found(failed.__cause__)):
                raise

    async def aclose(self) -> None:
        """Give up the connections."""
        await self._wire.aclose()


async def _asked(what: str, request: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(request, WITHIN)
    except ServerError as error:
        why = f"LiveKit refused it: {error.message or error.code}"
        if error.status in (401, 403):
            why += "; look at LIVEKIT_API_KEY and LIVEKIT_API_SECRET"
        raise DispatchFailed(f"{what}: {why}") from error
    except asyncio.TimeoutError as error:
        raise DispatchFailed(f"{what}: LiveKit did not answer within {WITHIN:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise DispatchFailed(f"{what}: LiveKit could not be reached at LIVEKIT_URL") from error
