"""What an operator of a telephone line sets up and sees: trunks, dispatch rules, rooms, legs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

from livekit import api
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.models import ParticipantInfo, TrackInfo
from livekit.protocol.room import RoomConfiguration

from .sip_messages import Credentials
from .stack import Stack


@dataclass(frozen=True)
class Line:
    """A number that callers dial, and the rooms to which it leads."""

    number: str
    trunk_id: str
    rule_id: str
    room_prefix: str


class Backoffice:
    """LiveKit's API, and what was made with it, to be undone at the end."""

    def __init__(self, client: api.LiveKitAPI) -> None:
        self.api = client
        self._trunks: list[str] = []
        self._rules: list[str] = []
        self._prefixes: list[str] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, stack: Stack) -> AsyncIterator[Backoffice]:
        """A client of the stack; what it has made is deleted on the way out."""
        client = api.LiveKitAPI(stack.url, stack.api_key, stack.api_secret)
        office = cls(client)
        try:
            yield office
        finally:
            try:
                await office.clear()
            finally:
                await client.aclose()

    async def line(
        self,
        number: str,
        agent_name: str,
        *,
        metadata: str = "",
        room_config: RoomConfiguration | None = None,
    ) -> Line:
        """An inbound trunk for a number, and a rule: one room per call, with a named agent."""
        trunk = await self.api.sip.create_inbound_trunk(
            api.CreateSIPInboundTrunkRequest(
                trunk=api.SIPInboundTrunkInfo(name=f"in {number}", numbers=[number])
            )
        )
        self._trunks.append(trunk.sip_trunk_id)
        prefix = f"call-{token_hex(3)}"
        self._prefixes.append(prefix)
        config = RoomConfiguration()
        if room_config is not None:
            config.CopyFrom(room_config)
        config.agents.append(RoomAgentDispatch(agent_name=agent_name, metadata=metadata))
        rule = await self.api.sip.create_dispatch_rule(
            api.CreateSIPDispatchRuleRequest(
                rule=api.SIPDispatchRule(
                    dispatch_rule_individual=api.SIPDispatchRuleIndividual(room_prefix=prefix)
                ),
                trunk_ids=[trunk.sip_trunk_id],
                name=f"to {agent_name}",
                room_config=config,
            )
        )
        self._rules.append(rule.sip_dispatch_rule_id)
        return Line(number, trunk.sip_trunk_id, rule.sip_dispatch_rule_id, prefix)

    async def trunk(
        self, address: str, number: str = "+15550999", *, auth: Credentials | None = None
    ) -> str:
        """An outbound trunk to `host:port`, a phone's address; returns its id."""
        info = api.SIPOutboundTrunkInfo(
            name=f"out {address}",
            address=address,
            numbers=[number],
            auth_username=auth.user if auth else "",
            auth_password=auth.password if auth else "",
        )
        made = await self.api.sip.create_outbound_trunk(
            api.CreateSIPOutboundTrunkRequest(trunk=info)
        )
        self._trunks.append(made.sip_trunk_id)
        return made.sip_trunk_id

    async def dial(
        self,
        trunk_id: str,
        room: str,
        *,
        to: str = "+15550300",
        identity: str = "leg",
        wait: bool = True,
    ) -> api.SIPParticipantInfo:
        """Dial a phone into a room; `wait` until it is answered."""
        return await self.api.sip.create_sip_participant(
            api.CreateSIPParticipantRequest(
                sip_trunk_id=trunk_id,
                sip_call_to=to,
                room_name=room,
                participant_identity=identity,
                wait_until_answered=wait,
            )
        )

    def room(self) -> str:
        """A fresh room name; the room is deleted in the end."""
        name = f"room-{token_hex(3)}"
        self._prefixes.append(name)
        return name

    async def rooms(self, prefix: str = "") -> list[str]:
        """The names of the rooms that exist."""
        response = await self.api.room.list_rooms(api.ListRoomsRequest())
        return [room.name for room in response.rooms if room.name.startswith(prefix)]

    async def participants(self, room: str) -> dict[str, ParticipantInfo]:
        """Who is in a room, by identity; nobody if there is no such room."""
        try:
            response = await self.api.room.list_participants(api.ListParticipantsRequest(room=room))
        except api.TwirpError as error:
            if error.code == "not_found":
                return {}
            raise
        return {participant.identity: participant for participant in response.participants}

    async def tracks(self, room: str) -> dict[str, list[TrackInfo]]:
        """What each participant of a room has published."""
        everyone = await self.participants(room)
        return {identity: list(info.tracks) for identity, info in everyone.items()}

    async def delete_room(self, room: str) -> None:
        """Close a room, and so hang up its legs."""
        await self.api.room.delete_room(api.DeleteRoomRequest(room=room))

    async def clear(self) -> None:
        """Delete what was made here: rules, trunks, and the rooms."""
        for rule in self._rules:
            await self.api.sip.delete_dispatch_rule(
                api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule)
            )
        for trunk in self._trunks:
            await self.api.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk))
        for room in await self.rooms():
            if room.startswith(tuple(self._prefixes)):
                await self.delete_room(room)
        self._rules.clear()
        self._trunks.clear()
        self._prefixes.clear()
