"""The requests to LiveKit's server API for one room, each with a deadline and never replayed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc
from livekit.agents import get_job_context
from livekit.api.twirp_client import ServerError
from livekit.protocol import models as proto_models
from livekit.protocol import room as proto_room
from livekit.protocol import sip as proto_sip
from livekit.protocol.agent_dispatch import RoomAgentDispatch

from livetransfer._livekit.leg_attributes import GATED, signature
from livetransfer.errors import ConfigurationError

from .api_errors import is_not_found

__all__ = ["REQUEST_TIMEOUT", "Wire"]

T = TypeVar("T")

REQUEST_TIMEOUT = 3.0
"""Seconds for a request that rings nobody; they take milliseconds."""
KEEP_ALIVE = 120.0
# Seconds for each attempt, and before the next one.
ATTEMPTS = ((1.0, 0.02), (1.0, 0.1), (REQUEST_TIMEOUT, 0.0))


class Wire:
    """The server API, bound to one room.

    Args:
        url: Of the server.
        key: The API key.
        secret: Its secret.
        room_name: The room.
        agent: The identity of the agent whose requests these are.
        owner: What its marks are signed with; see `marks.signature`.

    livekit-api replays a request on a 5xx or a broken connection; a dial that is replayed rings
    twice, so this one is built without.
    """

    def __init__(
        self, url: str, key: str, secret: str, room_name: str, agent: str, *, owner: str = ""
    ) -> None:
        self.url = url
        self.room_name = room_name
        self.agent = agent
        self.owner = owner or signature(self, agent)
        self._key = key
        self._secret = secret
        self._api: api.LiveKitAPI | None = None
        self._http: aiohttp.ClientSession | None = None

    @classmethod
    def for_room(cls, room: rtc.Room) -> Wire:
        """Return one for `room`, with the credentials of the job or of the environment.

        Raises:
            ConfigurationError: There are none.
        """
        job = get_job_context(required=False)
        # Fake jobs have no URL; a worker exports what it was given to the environment.
        url = (job._info.url if job is not None else "") or os.environ.get("LIVEKIT_URL", "")
        key = os.environ.get("LIVEKIT_API_KEY", "")
        secret = os.environ.get("LIVEKIT_API_SECRET", "")
        for name, value in (
            ("LIVEKIT_URL", url),
            ("LIVEKIT_API_KEY", key),
            ("LIVEKIT_API_SECRET", secret),
        ):
            if not value:
                raise ConfigurationError(name, "", "set this environment variable")
        agent = room.local_participant.identity
        return cls(url, key, secret, room.name, agent, owner=signature(room, agent))

    @property
    def api(self) -> api.LiveKitAPI:
        """The client, made when it is first used."""
        if self._api is None:
            # What was opened while it rang must still be open at the answer: there every
            # millisecond counts, and a TLS handshake takes many.
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
                connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE),
            )
            self._api = api.LiveKitAPI(
                self.url, self._key, self._secret, session=self._http, failover=False
            )
        return self._api

    def elsewhere(self, room_name: str) -> Wire:
        """Return one for another room, with the same credentials and connections of its own."""
        return Wire(self.url, self._key, self._secret, room_name, self.agent, owner=self.owner)

    def token(self, identity: str) -> str:
        """Return a token with which a second connection of this agent joins the room."""
        grants = api.VideoGrants(
            room_join=True,
            room=self.room_name,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=True,
            can_update_own_metadata=True,
        )
        token = api.AccessToken(self._key, self._secret).with_identity(identity)
        return token.with_kind("agent").with_grants(grants).to_jwt()

    async def create_room(self, agent_name: str, *, empty_timeout: int) -> None:
        """Create the room, with one dispatch: to agents called `agent_name`.

        A room that names no dispatch gets every agent that has no name.
        """
        await self.api.room.create_room(
            proto_room.CreateRoomRequest(
                name=self.room_name,
                empty_timeout=empty_timeout,
                agents=[RoomAgentDispatch(agent_name=agent_name)],
            )
        )

    async def delete_room(self) -> None:
        """Delete the room, which hangs up all its legs. One that is gone is fine."""
        try:
            await self.api.room.delete_room(proto_room.DeleteRoomRequest(room=self.room_name))
        except ServerError as error:
            if not is_not_found(error):
                raise

    async def move(self, identity: str, destination: str) -> None:
        """Move a participant to the room `destination`. LiveKit Cloud only."""
        await self.api.room.move_participant(
            proto_room.MoveParticipantRequest(
                room=self.room_name, identity=identity, destination_room=destination
            )
        )

    async def remove(self, identity: str) -> bool:
        """Remove a participant, which hangs up a phone; return whether it was there."""
        request = proto_room.RoomParticipantIdentity(room=self.room_name, identity=identity)
        try:
            await _again(lambda: self.api.room.remove_participant(request))
        except ServerError as error:
            if is_not_found(error):
                return False
            raise
        return True

    async def participant(self, identity: str) -> proto_models.ParticipantInfo | None:
        """Return what the server knows of a participant, or None if it is not there."""
        request = proto_room.RoomParticipantIdentity(room=self.room_name, identity=identity)
        try:
            return await self.api.room.get_participant(request)
        except ServerError as error:
            if is_not_found(error):
                return None
            raise

    async def participants(self) -> list[proto_models.ParticipantInfo]:
        """Return all participants of the room."""
        request = proto_room.ListParticipantsRequest(room=self.room_name)
        return list((await self.api.room.list_participants(request)).participants)

    async def audio_of(self, identity: str) -> list[str]:
        """Return the sids of the audio tracks that a participant publishes."""
        info = await _again(lambda: self.participant(identity))
        tracks = info.tracks if info is not None else ()
        return [track.sid for track in tracks if track.type == proto_models.AUDIO]

    async def room_sid(self) -> str:
        """Return the room's sid, or "" if there is no such room."""
        listed = await self.api.room.list_rooms(proto_room.ListRoomsRequest(names=[self.room_name]))
        return listed.rooms[0].sid if listed.rooms else ""

    async def mark(self, identity: str, attributes: Mapping[str, str]) -> None:
        """Set attributes of a participant; an empty value removes one."""
        await self.api.room.update_participant(
            proto_room.UpdateParticipantRequest(
                room=self.room_name, identity=identity, attributes=attributes
            )
        )

    async def allow_subscribing(
        self, identity: str, permission: proto_models.ParticipantPermission, allowed: bool
    ) -> None:
        """Let a participant subscribe, or cut all it hears. One that is gone is fine.

        Permissions are replaced whole, so `permission` is the participant's own. The mark tells
        a later job whom to give it back to if this one dies.
        """
        changed = proto_models.ParticipantPermission()
        changed.CopyFrom(permission)
        changed.can_subscribe = allowed
        request = proto_room.UpdateParticipantRequest(
            room=self.room_name,
            identity=identity,
            permission=changed,
            attributes={GATED: "" if allowed else self.owner},
        )
        try:
            await _again(lambda: self.api.room.update_participant(request))
        except ServerError as error:
            # The server knows first: an early departure reaches the room's view seconds later.
            if not is_not_found(error):
                raise

    async def subscribe(self, identity: str, sids: Iterable[str], wanted: bool) -> None:
        """Subscribe a participant to tracks, or unsubscribe it. One that is gone is fine."""
        request = proto_room.UpdateSubscriptionsRequest(
            room=self.room_name, identity=identity, track_sids=list(sids), subscribe=wanted
        )
        if not request.track_sids:
            return
        try:
            await _again(lambda: self.api.room.update_subscriptions(request))
        except ServerError as error:
            if not is_not_found(error):
                raise

    async def create_leg(
        self, request: proto_sip.CreateSIPParticipantRequest, timeout: float
    ) -> None:
        """Dial; return once it is answered. `timeout` is in seconds, for the whole request."""
        await self.api.sip.create_sip_participant(request, timeout=timeout)

    async def inbound_numbers(self) -> list[str]:
        """Return the numbers of the server's inbound trunks, as they are written there."""
        listed = await self.api.sip.list_inbound_trunk(proto_sip.ListSIPInboundTrunkRequest())
        return [number for trunk in listed.items for number in trunk.numbers]

    async def refer(
        self,
        identity: str,
        address: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        play_dialtone: bool,
    ) -> proto_sip.TransferSIPParticipantResponse:
        """Send a REFER; return once its end was reported. `timeout` is in seconds."""
        request = proto_sip.TransferSIPParticipantRequest(
            participant_identity=identity,
            room_name=self.room_name,
            transfer_to=address,
            play_dialtone=play_dialtone,
            headers=headers,
            ringing_timeout=duration(timeout),
        )
        return await self.api.sip.transfer_sip_participant(request, timeout=timeout + 5.0)

    async def aclose(self) -> None:
        """Close the HTTP connections. May be called again."""
        http, self._http, self._api = self._http, None, None
        if http is not None:
            await http.close()


async def _again(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request that may be made twice, up to three times, each with a little more time."""
    for timeout, pause in ATTEMPTS:
        try:
            return await asyncio.wait_for(request(), timeout)
        except ServerError as error:
            if error.status < 500:
                raise
            failed: Exception = error
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            failed = error
        await asyncio.sleep(pause)
    raise failed


def duration(seconds: float) -> Duration:
    """Return `seconds` as protobuf's Duration."""
    value = Duration()
    value.FromMilliseconds(round(seconds * 1000))
    return value


def full_permission(participant: Any) -> proto_models.ParticipantPermission:
    """Return a participant's permission, as its room connection knows it, for the server API."""
    own = participant.permissions
    return proto_models.ParticipantPermission(
        can_subscribe=own.can_subscribe,
        can_publish=own.can_publish,
        can_publish_data=own.can_publish_data,
        can_publish_sources=list(own.can_publish_sources),
        hidden=own.hidden,
        can_update_metadata=own.can_update_metadata,
        can_subscribe_metrics=own.can_subscribe_metrics,
        can_manage_agent_session=own.can_manage_agent_session,
    )
