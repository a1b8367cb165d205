"""The LiveKit adapter: `CallControl` on a LiveKit room. Nothing else imports `livekit.api`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession

from livetransfer.control import AudioSink
from livetransfer.errors import CallerNotFoundError

from .choose_bridge import Bridge, choose
from .crash_repair import repair_room
from .find_caller import find_caller, find_room, made_anew, only_party
from .livekit_control import LiveKitControl
from .room_audio import RoomAudio
from .signalling.room_events import RoomEvents
from .signalling.server_api import Wire

__all__ = [
    "Bridge",
    "LiveKitControl",
    "connect",
    "connect_room",
    "only_party",
    "open_room_audio",
    "repair_room",
]


async def connect(
    session: AgentSession[Any],
    *,
    caller: str | None = None,
    bridge: Bridge = "auto",
    trunk_id: str | None = None,
) -> LiveKitControl:
    """Return the control over the call that `session` talks in. Close it with `aclose`.

    Args:
        session: A session that was started in a room.
        caller: The caller's identity; needed only where several could be.
        bridge: How to join caller and human.
        trunk_id: The outbound trunk for destinations that name none.

    Raises:
        ConfigurationError: The session has no room, or there are no credentials.
        CallerNotFoundError: Nobody, or more than one, could be the caller.
    """
    room = find_room(session)
    try:
        identity = find_caller(room, session, caller)
    except CallerNotFoundError:
        if not await made_anew(room):
            raise
        identity = find_caller(room, session, caller)
    return await connect_room(room, identity, bridge=bridge, trunk_id=trunk_id)


async def connect_room(
    room: rtc.Room,
    caller: str,
    *,
    bridge: Bridge = "auto",
    trunk_id: str | None = None,
    away: bool = False,
) -> LiveKitControl:
    """Return the control over the call in `room`, whose caller is `caller`.

    Args:
        room: The connected room.
        caller: The caller's identity.
        bridge: How to join caller and human.
        trunk_id: The outbound trunk for destinations that name none.
        away: The caller is not there yet: a dial with his identity brings him.

    Raises:
        ConfigurationError: There are no credentials, or `bridge` is not possible.
    """
    wire = Wire.for_room(room)
    events = RoomEvents(room, wire)
    try:
        joining = choose(bridge, wire, events, caller, trunk_id)
    except BaseException:
        events.close()
        raise
    if away:
        joining.await_caller()
    return LiveKitControl(wire, events, caller, joining)


async def open_room_audio(room: rtc.Room, to: Sequence[str], name: str = "hold-music") -> AudioSink:
    """Open a sink in `room` that only the identities in `to` hear.

    Raises:
        CallControlError: It could not be set up.
    """
    return await RoomAudio.open(room, to, name)
