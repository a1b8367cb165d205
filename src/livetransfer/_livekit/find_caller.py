"""Which participant of the room is the caller, and which room a session talks in."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession, get_job_context
from livekit.agents.job import DEFAULT_PARTICIPANT_KINDS

from livetransfer.errors import CallerNotFoundError, ConfigurationError

from .leg_attributes import LEG

__all__ = ["find_caller", "find_room", "made_anew", "only_party"]

# The SDK says that everybody has gone 2 ms before it says that our own connection is made anew.
_SAYS_SO = 0.05
# How long that may take, without a restart of the server (measured: 0.04 s to some seconds).
_MADE_ANEW = 5.0


def find_room(session: AgentSession[Any]) -> rtc.Room:
    """Return the connected room that `session` talks in.

    Raises:
        ConfigurationError: It talks in none.
    """
    try:
        room = session.room_io.room
    except RuntimeError:  # the session was started without a room
        job = get_job_context(required=False)
        found = job.room if job is not None else None
    else:
        found = room
    if found is None or not found.isconnected():
        raise ConfigurationError(
            "context",
            type(session).__name__,
            "the session is not connected to a LiveKit room; start it with "
            "session.start(agent, room=ctx.room), or test with livetransfer.testing.simulate()",
        )
    return found


def find_caller(room: rtc.Room, session: AgentSession[Any], caller: str | None) -> str:
    """Return the caller's identity: `caller`, whom the session is linked to, or the only party.

    Raises:
        CallerNotFoundError: There is nobody, or several and `caller` names none of them.
    """
    present = _parties(room)
    if caller is not None:
        if caller in room.remote_participants:
            return caller
        raise CallerNotFoundError(
            f"caller={caller!r} is not in the room; present: {', '.join(present) or 'nobody'}"
        )
    linked = _linked(session)
    if linked is not None and linked in present:
        return linked
    if len(present) == 1:
        return present[0]
    if not present:
        raise CallerNotFoundError("nobody is in the room whom the call could be transferred for")
    raise CallerNotFoundError(
        f"several participants could be the caller ({', '.join(present)}); "
        "name one with caller=<identity>"
    )


async def made_anew(room: rtc.Room) -> bool:
    """Wait while our own connection is being made anew; return whether that was so.

    Nobody is seen in the room meanwhile.
    """
    begins, stands = asyncio.Event(), asyncio.Event()
    handlers: dict[Any, Any] = {
        "reconnecting": lambda *_: begins.set(),
        "reconnected": lambda *_: stands.set(),
        "disconnected": lambda *_: stands.set(),
    }
    for name, handler in handlers.items():
        room.on(name, handler)
    try:
        if room.connection_state != rtc.ConnectionState.CONN_RECONNECTING:
            await asyncio.wait_for(begins.wait(), _SAYS_SO)
        await asyncio.wait_for(stands.wait(), _MADE_ANEW)
    except asyncio.TimeoutError:
        return False
    finally:
        for name, handler in handlers.items():
            room.off(name, handler)
    return room.isconnected()


def only_party(room: rtc.Room) -> str | None:
    """Return the only party in `room` that no transfer has dialled; None if it is not one."""
    present = _parties(room)
    return present[0] if len(present) == 1 else None


def _parties(room: rtc.Room) -> list[str]:
    return sorted(
        p.identity
        for p in room.remote_participants.values()
        if p.kind in DEFAULT_PARTICIPANT_KINDS and LEG not in p.attributes
    )


def _linked(session: AgentSession[Any]) -> str | None:
    try:
        participant = session.room_io.linked_participant
    except RuntimeError:
        return None
    return participant.identity if participant is not None else None
