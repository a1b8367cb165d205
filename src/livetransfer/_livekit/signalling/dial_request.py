"""How a destination is dialled: through which trunk, to which user, with which SIP request."""

from __future__ import annotations

import os

from livekit.protocol import sip as proto_sip

from livetransfer.destination import Destination
from livetransfer.dialling import CALLER
from livetransfer.errors import ConfigurationError
from livetransfer.media import Media

from .server_api import duration

__all__ = ["dial_request"]

TRUNK_VARIABLE = "LIVEKIT_SIP_OUTBOUND_TRUNK"
NUMBER_VARIABLE = "LIVEKIT_SIP_NUMBER"
# RFC 3323, 4.1.1.3: whom the From header names if nobody is to be named.
ANONYMOUS = "anonymous"

_TRANSPORTS = {
    None: proto_sip.SIP_TRANSPORT_AUTO,
    "udp": proto_sip.SIP_TRANSPORT_UDP,
    "tcp": proto_sip.SIP_TRANSPORT_TCP,
    "tls": proto_sip.SIP_TRANSPORT_TLS,
}
_ENCRYPTION = {
    None: None,
    "disable": proto_sip.SIP_MEDIA_ENCRYPT_DISABLE,
    "allow": proto_sip.SIP_MEDIA_ENCRYPT_ALLOW,
    "require": proto_sip.SIP_MEDIA_ENCRYPT_REQUIRE,
}
_INCLUDED = {
    "none": proto_sip.SIP_NO_HEADERS,
    "x": proto_sip.SIP_X_HEADERS,
    "all": proto_sip.SIP_ALL_HEADERS,
}


def dial_request(
    destination: Destination, trunk_id: str | None
) -> proto_sip.CreateSIPParticipantRequest:
    """Return the request that dials `destination`, without the room, the identity and times.

    A number or a user goes through a trunk: the destination's, then `trunk_id`, then the
    environment variable ``LIVEKIT_SIP_OUTBOUND_TRUNK``. A SIP URI goes through a trunk that one
    of the first two names, and otherwise straight to its host.

    Raises:
        ConfigurationError: There is no way to dial it.
    """
    user = destination.sip_user
    if not user:
        raise ConfigurationError(
            "address", destination.address, "a SIP URI to dial needs a user: sip:user@host"
        )
    request = proto_sip.CreateSIPParticipantRequest(
        sip_call_to=user,
        wait_until_answered=True,
        headers=dict(destination.headers),
        # Everybody in the room can read a participant's attributes, a web caller too.
        hide_phone_number=True,
        participant_name=destination.name or "",
    )
    trunk = destination.trunk_id or trunk_id
    if destination.sip_connection is not None:
        request.trunk.CopyFrom(destination.sip_connection)
    elif trunk:
        request.sip_trunk_id = trunk
    elif destination.sip_host is not None:
        request.trunk.CopyFrom(_direct(destination))
    else:
        request.sip_trunk_id = os.environ.get(TRUNK_VARIABLE, "")
        if not request.sip_trunk_id:
            raise ConfigurationError(
                "trunk_id",
                None,
                f"{destination.label!r} needs an outbound trunk: give trunk_id=, or "
                f"Destination(trunk_id=...), or set {TRUNK_VARIABLE}",
            )
    # A run has put the caller's number in its place, unless it does not know it.
    if destination.caller_id not in (None, CALLER):
        request.sip_number = destination.caller_id or ""
    elif request.HasField("trunk"):
        # A stored trunk has numbers of its own; without one the server refuses to guess.
        request.sip_number = os.environ.get(NUMBER_VARIABLE) or ANONYMOUS
    if destination.display_name is not None:
        request.display_name = destination.display_name
    if destination.dtmf is not None:
        request.dtmf = destination.dtmf
    _add_details(request, destination)
    return request


def _add_details(request: proto_sip.CreateSIPParticipantRequest, destination: Destination) -> None:
    if destination.to_user_override is not None:
        request.to_user_override = destination.to_user_override
    if destination.media is not None:
        request.media.CopyFrom(_media(destination.media))
    if destination.country is not None:
        request.destination.country = destination.country
    if destination.krisp is not None:
        request.krisp_enabled = destination.krisp
    if destination.max_duration is not None:
        request.max_call_duration.CopyFrom(duration(destination.max_duration))
    if destination.metadata is not None:
        request.participant_metadata = destination.metadata
    if destination.include_headers is not None:
        request.include_headers = _INCLUDED[destination.include_headers]


def _media(media: Media) -> proto_sip.SIPMediaConfig:
    config = proto_sip.SIPMediaConfig()
    encryption = _ENCRYPTION[media.encryption]
    if encryption is not None:
        config.encryption = encryption
    for codec in media.codecs:
        name, _, rate = codec.partition("/")
        config.codecs.add(name=name, rate=int(rate or 0))
    config.only_listed_codecs = bool(media.codecs)
    if media.media_timeout is not None:
        config.media_timeout.CopyFrom(duration(media.media_timeout))
    return config


def _direct(destination: Destination) -> proto_sip.SIPOutboundConfig:
    transport = destination.sip_transport
    if transport not in _TRANSPORTS:
        raise ConfigurationError(
            "address",
            destination.address,
            f"the transport {transport!r} cannot be used; udp, tcp and tls can",
        )
    return proto_sip.SIPOutboundConfig(
        hostname=destination.sip_host or "", transport=_TRANSPORTS[transport]
    )


def complete(
    request: proto_sip.CreateSIPParticipantRequest,
    *,
    room_name: str,
    identity: str,
    ring_timeout: float,
    attributes: dict[str, str],
) -> proto_sip.CreateSIPParticipantRequest:
    """Add to `request` what belongs to one attempt."""
    request.room_name = room_name
    request.participant_identity = identity
    request.ringing_timeout.CopyFrom(duration(ring_timeout))
    request.participant_attributes.update(attributes)
    return request
