"""Which adapter carries the call: the simulation this code runs in, or the job's LiveKit room."""

from __future__ import annotations

from typing import Any, Literal

from livekit import rtc
from livekit.agents import AgentSession

from livetransfer import _livekit
from livetransfer._livekit.dispatcher import LiveKitDispatcher
from livetransfer.control import CallControl, current_control

__all__ = [
    "Bridge",
    "LiveKitDispatcher",
    "caller_of",
    "connect",
    "connect_without_caller",
    "repair",
]

Bridge = Literal["auto", "shared_room", "consult_room"]


async def connect(
    session: AgentSession[Any], *, caller: str | None, bridge: Bridge, trunk_id: str | None
) -> CallControl:
    """Return the control of the call that `session` talks to.

    Raises:
        ConfigurationError: There is no room and no simulation.
        CallerNotFoundError: Nobody, or several and `caller` names none.
    """
    factory = current_control.get()
    if factory is not None:
        return factory(session, caller)
    return await _livekit.connect(session, caller=caller, bridge=bridge, trunk_id=trunk_id)


async def connect_without_caller(
    session: AgentSession[Any],
    room: rtc.Room,
    *,
    identity: str,
    bridge: Bridge,
    trunk_id: str | None,
) -> CallControl:
    """Return the control of a call whose caller is not there yet: `dial` brings him.

    Args:
        session: Whose models talk with the human.
        room: The connected room of the job.
        identity: What the caller is to be called in the room.
        bridge: How the two are joined.
        trunk_id: The outbound trunk for destinations that name none.

    Raises:
        ConfigurationError: There are no credentials for LiveKit's API.
    """
    factory = current_control.get()
    if factory is not None:
        return factory(session, None)
    return await _livekit.connect_room(room, identity, bridge=bridge, trunk_id=trunk_id, away=True)


async def repair(room: rtc.Room) -> list[str]:
    """Undo what a transfer of a worker that has died left in `room`; return whom it concerned.

    For a job that starts in a room where there may have been one before: call it after
    `ctx.connect()`. A caller who was left deaf hears again; a phone that still rings, or a leg
    that was kept from the caller, is hung up. Two who were bridged are left alone: they talk.
    A server sees only after some time (measured: 21 s) that a worker is dead; what is found
    too early is repaired when the dead agent leaves the room, as long as `room` is connected.
    Every transfer does the same when it begins.

    Args:
        room: The connected room of the job.

    Raises:
        ConfigurationError: There are no credentials for LiveKit's API.
    """
    if current_control.get() is not None:
        return []
    return await _livekit.repair_room(room)


def caller_of(room: rtc.Room) -> str | None:
    """Return the identity of the caller in `room`: the only party that no transfer has dialled.

    A session links itself to whoever is first among the parties in its room. Where a transfer was
    under way, that may be the human who was dialled: the session would listen to him, and be
    without anybody when he leaves. So start it with
    ``RoomOptions(participant_identity=caller_of(ctx.room) or NOT_GIVEN)``.

    Args:
        room: The connected room of the job.

    None where nobody has joined yet, or where there are several.
    """
    if current_control.get() is not None:
        return None
    return _livekit.only_party(room)
