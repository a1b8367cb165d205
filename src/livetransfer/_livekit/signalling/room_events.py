"""What happens in a room, told as the port's events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from livekit import rtc

from livetransfer._livekit.tasks import logger
from livetransfer._logged import logged
from livetransfer.control import (
    CallLost,
    ControlEvent,
    KeyPressed,
    LegAnswered,
    LegLeft,
    LegReturned,
    LegRinging,
)

from .server_api import Wire

__all__ = ["CALL_ID", "CALL_STATUS", "DISPATCH_RULE", "OUR_NUMBER", "RoomEvents"]

CALL_STATUS = "sip.callStatus"
# The header's value, as the trunk has it; "sip.callID" is a name of LiveKit's own.
CALLER_NUMBER = "sip.phoneNumber"
"""The attribute with the number of the other side of a SIP leg: of an inbound one, the caller's."""

OUR_NUMBER = "sip.trunkPhoneNumber"
"""The attribute with the number of this side: of an inbound leg, the one that was called."""

DISPATCH_RULE = "sip.ruleID"
"""The attribute of an inbound leg with the rule that brought it to a room."""

CALL_ID = "sip.callIDFull"

# A participant that rejoins is announced as gone and is back at once.
REJOINING = (
    rtc.DisconnectReason.DUPLICATE_IDENTITY,
    rtc.DisconnectReason.STATE_MISMATCH,
    rtc.DisconnectReason.MIGRATION,
)
REJOIN_WITHIN = 2.0
# After a restart of the server everybody comes back in a time of its own: 4 to 9 s (measured).
RESTART_WITHIN = 10.0
# All that time the server goes on listing them, and the room keeps its sid, because both are kept
# in Redis; who hung up while our own connection was made anew is not listed (measured).
ASK_EVERY = 0.4
# The SDK tells of that first, without a reason, and 2 ms later of the reconnecting.
_OURS_WITHIN = 0.05


class RoomEvents:
    """Listens to one room connection and tells its listeners the port's events.

    `close` takes every handler off the room again.

    Args:
        room: The connection; it need not be connected yet.
        wire: The server API, which is asked who is still there when our own connection was made
            anew. Without it, who left meanwhile is told to have left some 10 s late.
    """

    def __init__(self, room: rtc.Room, wire: Wire | None = None) -> None:
        self.room = room
        self._wire = wire
        self._listeners: list[Callable[[ControlEvent], None]] = []
        self._answered: set[str] = set()
        self._ringing: set[str] = set()
        self._gone: set[str] = set()
        self._rejoining: dict[str, asyncio.TimerHandle | None] = {}
        self._reconnecting = False
        self._back = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None
        self._quiet = False
        self.lost = False
        self._handlers: dict[Any, Callable[..., None]] = {
            "participant_connected": self._on_connected,
            "participant_disconnected": self._on_disconnected,
            "participant_attributes_changed": self._on_attributes,
            "sip_dtmf_received": self._on_key,
            "reconnecting": self._on_reconnecting,
            "reconnected": self._on_reconnected,
            "disconnected": self._on_lost,
        }
        for name, handler in self._handlers.items():
            room.on(name, handler)

    def subscribe(self, listener: Callable[[ControlEvent], None]) -> Callable[[], None]:
        """Call `listener` for each event from now on; the result unsubscribes it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def emit(self, event: ControlEvent) -> None:
        """Tell every listener `event`; one that raises is logged and does not stop the others."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                logger.error("a listener of call events raised", **logged())

    def answered(self, identity: str) -> None:
        """Tell that `identity` has answered, unless that was told."""
        if identity not in self._answered:
            self._answered.add(identity)
            self.emit(LegAnswered(identity))

    def has_answered(self, identity: str) -> bool:
        """Return whether `identity` is known to have answered."""
        return identity in self._answered

    def present(self, identity: str) -> bool:
        """Return whether `identity` is on the line, or is just coming back."""
        if self.lost or not self.room.isconnected():
            return False
        return identity in self.room.remote_participants or identity in self._rejoining

    def sees(self, identity: str) -> bool:
        """Return whether `identity` is seen to be there now, by a connection that stands."""
        return not self._reconnecting and identity in self.room.remote_participants

    def audio_of(self, identity: str) -> list[str]:
        """Return the sids of the audio tracks that `identity` publishes."""
        participant = self.room.remote_participants.get(identity)
        if participant is None:
            return []
        return [
            sid
            for sid, publication in participant.track_publications.items()
            if publication.kind == rtc.TrackKind.KIND_AUDIO
        ]

    def be_quiet(self) -> None:
        """Tell nothing any more: we leave the room ourselves."""
        self._quiet = True

    def close(self) -> None:
        """Take the handlers off the room. May be called again."""
        for name, handler in self._handlers.items():
            self.room.off(name, handler)
        self._handlers = {}
        for timer in self._rejoining.values():
            if timer is not None:
                timer.cancel()
        self._rejoining.clear()
        self._ask_no_more()
        self._listeners.clear()

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        timer = self._rejoining.pop(participant.identity, None)
        if timer is not None:
            timer.cancel()
        if participant.identity in self._gone and not self._quiet:
            self._gone.remove(participant.identity)
            self.emit(LegReturned(participant.identity))
        self._status(participant.identity, participant.attributes.get(CALL_STATUS))

    def _on_attributes(self, changed: dict[str, str], participant: rtc.Participant) -> None:
        if CALL_STATUS in changed and participant.identity in self.room.remote_participants:
            self._status(participant.identity, changed[CALL_STATUS])

    def _status(self, identity: str, status: str | None) -> None:
        if status == "ringing" and identity not in self._ringing:
            self._ringing.add(identity)
            self.emit(LegRinging(identity))
        elif status == "active":
            self.answered(identity)

    def _on_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        identity, reason = participant.identity, participant.disconnect_reason
        if reason in REJOINING:
            self._await_return(identity, reason, REJOIN_WITHIN)
        elif reason is None:
            # Perhaps our own connection begins anew: then everybody goes and comes back.
            self._await_return(identity, reason, _OURS_WITHIN)
        else:
            self._left(identity, reason)

    def _await_return(
        self, identity: str, reason: rtc.DisconnectReason.ValueType | None, within: float
    ) -> None:
        timer = None
        if not self._reconnecting:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(within, self._left, identity, reason)
        self._rejoining[identity] = timer

    def _on_reconnecting(self) -> None:
        self._reconnecting = True
        self._ask_no_more()
        self._back.clear()
        if self._wire is not None:
            self._asking = asyncio.create_task(self._ask(self._wire), name="livetransfer-ask")
        for identity, timer in self._rejoining.items():
            if timer is not None:
                timer.cancel()
            self._rejoining[identity] = None

    def _on_reconnected(self) -> None:
        self._reconnecting = False
        for identity in list(self._rejoining):
            self._await_return(identity, None, RESTART_WITHIN)
        self._back.set()

    async def _ask(self, wire: Wire) -> None:
        """Tell at once who is not back because he has left, and not because the server restarted.

        A server that has lost what it knew lists nobody either: then the room has another sid.
        """
        room = await self.room.sid
        await self._back.wait()
        missed: set[str] = set()
        while self._rejoining:
            gone = set(self._rejoining)
            try:
                gone -= {each.identity for each in await wire.participants()}
                if gone and await wire.room_sid() != room:
                    return
            except Exception:
                logger.debug("the room could not be asked who is there")
                gone.clear()
            # Asked twice: whoever joins again may be between his old entry and his new one.
            for identity in gone & missed & set(self._rejoining):
                self._left(identity, None)
            missed = gone
            await asyncio.sleep(ASK_EVERY)

    def _ask_no_more(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    def _left(self, identity: str, reason: rtc.DisconnectReason.ValueType | None) -> None:
        timer = self._rejoining.pop(identity, None)
        if timer is not None:
            timer.cancel()
        if not self._quiet:
            name = rtc.DisconnectReason.Name(reason) if reason else ""
            self._gone.add(identity)
            self.emit(LegLeft(identity, name.lower()))

    def _on_key(self, key: rtc.SipDTMF) -> None:
        if key.participant is not None and not self._quiet:
            self.emit(KeyPressed(key.participant.identity, key.digit))

    def _on_lost(self, reason: rtc.DisconnectReason.ValueType | None = None) -> None:
        # `reconnecting` and `reconnected` come before: this is the end.
        self.lost = True
        self._ask_no_more()
        if not self._quiet:
            name = rtc.DisconnectReason.Name(reason) if reason else ""
            self.emit(CallLost(name.lower()))
