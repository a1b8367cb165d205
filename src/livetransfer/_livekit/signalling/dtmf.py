"""Keys pressed by us: DTMF for one SIP leg of a room, and for no other.

A room's `publish_dtmf` addresses all who are in it, so that keys for the human's PBX would be heard
by the caller too. The native library takes the identities to address, which rtc 1.1.21 does not
pass on: the request is made here, and tested against the version that is installed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from livekit import rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import ffi_pb2

from livetransfer.errors import CallControlError
from livetransfer.status import TransferStatus

__all__ = ["send_keys"]

# RFC 4733, 3.2: the event codes of the keys are their places here.
_KEYS = "0123456789*#ABCD"
_PAUSE = 0.5
# livekit-sip plays each for 0.25 s; a little apart they are told from one another.
_APART = 0.3
_ANSWER_LIMIT = 5.0


async def send_keys(room: rtc.Room, identity: str, digits: str) -> None:
    """Press `digits` towards the leg `identity` of `room`, one after another; ``w`` waits 0.5 s.

    Raises:
        CallControlError: A key could not be sent.
    """
    for digit in digits.upper():
        if digit == "W":
            await asyncio.sleep(_PAUSE)
            continue
        await _press(room, identity, digit)
        await asyncio.sleep(_APART)


async def _press(room: rtc.Room, identity: str, digit: str) -> None:
    request = ffi_pb2.FfiRequest()
    asked = request.publish_sip_dtmf
    asked.local_participant_handle = room.local_participant._ffi_handle.handle
    asked.code, asked.digit = _KEYS.index(digit), digit
    asked.destination_identities.append(identity)
    client: Any = FfiClient.instance
    queue = client.queue.subscribe()
    try:
        response = client.request(request)
        answer = await asyncio.wait_for(
            queue.wait_for(
                lambda e: e.publish_sip_dtmf.async_id == response.publish_sip_dtmf.async_id
            ),
            _ANSWER_LIMIT,
        )
    except asyncio.TimeoutError:
        raise CallControlError("a key was not sent in time", status=TransferStatus.FAILED) from None
    finally:
        client.queue.unsubscribe(queue)
    if answer.publish_sip_dtmf.error:
        raise CallControlError("a key could not be sent", status=TransferStatus.FAILED)
