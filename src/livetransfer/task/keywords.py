"""The keywords of a WarmTransferTask: checked at once, and turned into what a transfer takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from livekit.agents import AudioConfig, BuiltinAudioClip
from livekit.agents.utils import is_given
from livekit.protocol.sip import SIPOutboundConfig

from livetransfer._checks import check_seconds
from livetransfer.control import current_control
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationError
from livetransfer.hold import BUILTIN, HoldMusicPlayer

__all__ = ["destination_of", "player_of"]

logger = logging.getLogger("livetransfer")

TRUNK = "LIVEKIT_SIP_OUTBOUND_TRUNK"
NUMBER = "LIVEKIT_SIP_NUMBER"

_KEYWORDS = {
    "address": "sip_call_to",
    "trunk_id": "sip_trunk_id",
    "caller_id": "sip_number",
    "headers": "sip_headers",
    "ring_timeout": "ringing_timeout",
}


def destination_of(
    *,
    sip_call_to: Any,
    transfer_to: Any,
    target_phone_number: Any,
    sip_trunk_id: Any,
    sip_connection: Any,
    sip_number: Any,
    sip_headers: Any,
    dtmf: Any,
    ringing_timeout: Any,
) -> Destination:
    """Return whom to dial, and how.

    Raises:
        ConfigurationError: Keywords contradict each other, or one is missing.
        DestinationError: A value cannot be dialled; the message names the keyword.
        TypeError: A value has the wrong type; the message names the keyword.
    """
    keyword, address = _whom(sip_call_to, transfer_to, target_phone_number)
    trunk, connection = _through(sip_trunk_id, sip_connection)
    headers = _given(sip_headers) or {}
    if not isinstance(headers, Mapping) or not all(
        isinstance(text, str) for pair in headers.items() for text in pair
    ):
        raise TypeError(f"sip_headers={sip_headers!r}: give a dict of texts")
    number = _given(sip_number) if is_given(sip_number) else os.environ.get(NUMBER)
    seconds = _given(ringing_timeout)
    if seconds is not None:
        check_seconds("ringing_timeout", seconds, 1, 600)
    fields: dict[str, Any] = {
        "trunk_id": trunk,
        "sip_connection": connection,
        "caller_id": _text("sip_number", number),
        "headers": headers,
        "dtmf": _text("dtmf", _given(dtmf)),
        "ring_timeout": seconds,
    }
    try:
        return _destination(address, fields)
    except DestinationError as error:
        named = keyword if error.field == "address" else _KEYWORDS.get(error.field, error.field)
        named = named.replace("headers[", "sip_headers[")
        raise type(error)(named, error.value, error.remedy) from None


def _destination(address: str, fields: Mapping[str, Any]) -> Destination:
    try:
        return Destination(address, **fields)
    except DestinationError as error:
        if error.field != "address":
            raise
        # livekit-agents passes on whatever a trunk may take: an extension, a national number.
        try:
            return Destination(address, kind="user", **fields)
        except DestinationError:
            raise error from None


def _given(value: Any) -> Any:
    return value if is_given(value) else None


def _text(keyword: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{keyword}={value!r}: give a text")
    return value or None


def _whom(sip_call_to: Any, transfer_to: Any, target_phone_number: Any) -> tuple[str, str]:
    call_to = _text("sip_call_to", _given(sip_call_to))
    to = _text("transfer_to", _given(transfer_to))
    old = _text("target_phone_number", _given(target_phone_number))
    if call_to and to and call_to != to:
        raise ConfigurationError(
            "transfer_to", to, f"sip_call_to={call_to!r} says something else; give one of the two"
        )
    if old:
        logger.warning("`target_phone_number` is deprecated, use `sip_call_to` instead")
        if (call_to or to or old) != old:
            logger.warning("`target_phone_number` is ignored: another destination was given")
    for keyword, address in (
        ("sip_call_to", call_to),
        ("transfer_to", to),
        ("target_phone_number", old),
    ):
        if address:
            return keyword, address
    raise ConfigurationError("sip_call_to", _given(sip_call_to), "give a number or a SIP URI")


def _through(sip_trunk_id: Any, sip_connection: Any) -> tuple[str | None, Any]:
    trunk = _text("sip_trunk_id", _given(sip_trunk_id))
    connection = _given(sip_connection)
    if connection is not None and not isinstance(connection, SIPOutboundConfig):
        raise TypeError(f"sip_connection={connection!r}: give a livekit.api.SIPOutboundConfig")
    if trunk is not None and connection is not None:
        raise ConfigurationError(
            "sip_trunk_id", trunk, "sip_connection is given too; give one of the two"
        )
    if trunk is None and connection is None:
        # Like there, None is no trunk, and does not mean the environment's.
        trunk = None if is_given(sip_trunk_id) else os.environ.get(TRUNK) or None
        # A simulation has a trunk of its own, and says itself when it has none.
        if trunk is None and current_control.get() is None:
            raise ConfigurationError(
                "sip_trunk_id",
                _given(sip_trunk_id),
                f"give the ID of an outbound trunk, set {TRUNK}, or give sip_connection",
            )
    return trunk, connection


def player_of(hold_audio: Any, hold_music_url: Any) -> HoldMusicPlayer:
    """Return what the caller hears meanwhile.

    Raises:
        ConfigurationError: Both are given, a file is not there, a URL is none.
        TypeError: The wrong type; the message names the keyword.
    """
    if is_given(hold_audio) and is_given(hold_music_url):
        raise ConfigurationError(
            "hold_music_url", hold_music_url, "hold_audio is given too; give one of the two"
        )
    keyword, source = "hold_audio", BUILTIN if not is_given(hold_audio) else hold_audio
    if is_given(hold_music_url):
        keyword, source = "hold_music_url", hold_music_url
        if source is not None and not isinstance(source, str):
            raise TypeError(f"hold_music_url={source!r}: give a text, or None for quiet")
    elif not _audio(source):
        raise TypeError(
            f"hold_audio={source!r}: give a path or URL, a BuiltinAudioClip, an AudioConfig, a "
            "list of AudioConfig, an async iterator of frames, or None for quiet"
        )
    try:
        return HoldMusicPlayer(source)
    except ConfigurationError as error:
        named = error.field.replace("hold_music", keyword, 1)
        raise ConfigurationError(named, error.value, error.remedy) from None


def _audio(source: Any) -> bool:
    if isinstance(source, list):
        return all(isinstance(item, AudioConfig) for item in source)
    simple = source is None or isinstance(source, (str, BuiltinAudioClip, AudioConfig))
    return simple or source is BUILTIN or hasattr(source, "__anext__")
