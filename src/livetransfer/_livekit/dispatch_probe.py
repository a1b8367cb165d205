"""Dispatch probe: whether a worker takes a job, in a room that is thrown away."""

from __future__ import annotations

import asyncio
import time

from livekit.protocol import models as proto_models
from livekit.protocol import room as proto_room
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from livetransfer.finding import Finding, failed, ok

from .server_checks import Access, bounded, leave, said

__all__ = ["probe_dispatch"]

TAKES_WITHIN = 10.0
"""Seconds in which a worker has to be in the room: it may have to start a process for the job."""
ASK_EVERY = 0.1


async def probe_dispatch(
    access: Access, room_name: str, agent_name: str, *, within: float = TAKES_WITHIN
) -> Finding:
    """Give a worker called `agent_name` (``""``: one without a name) a job, and see it come.

    Its entrypoint runs, in an empty room, until the room is deleted, which is at once.
    """
    name = "dispatch"
    called = f"a worker called {agent_name!r}" if agent_name else "a worker without a name"
    wire = access.wire(room_name)
    request = proto_room.CreateRoomRequest(name=room_name, empty_timeout=round(within) + 5)
    if agent_name:
        request.agents.append(RoomAgentDispatch(agent_name=agent_name))
    try:
        began = time.monotonic()
        await bounded(wire.api.room.create_room(request))
        while time.monotonic() - began < within:
            if any(p.kind == proto_models.ParticipantInfo.AGENT for p in await wire.participants()):
                took = time.monotonic() - began
                return ok(name, f"{called} was in the room after {took:.1f} s")
            await asyncio.sleep(ASK_EVERY)
    except Exception as error:
        return failed(name, f"no job could be given: {said(error)}", "see the server's log")
    finally:
        await asyncio.shield(leave(wire))
    return failed(
        name,
        f"{called} did not come in {within:g} s",
        "start the worker (python agent.py start); its agent_name= has to be this one",
    )
