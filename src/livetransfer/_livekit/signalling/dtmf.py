"""Keys pressed by us: DTMF for the SIP legs of a room."""

from __future__ import annotations

import asyncio

from livekit import rtc

__all__ = ["send_keys"]

# RFC 4733, 3.2: the event codes of the keys are their places here.
_KEYS = "0123456789*#ABCD"
_PAUSE = 0.5
# livekit-sip plays each for 0.25 s; a little apart they are told from one another.
_APART = 0.3


async def send_keys(room: rtc.Room, digits: str) -> None:
    """Press `digits` towards every SIP leg of `room`, one after the other; ``w`` waits 0.5 s."""
    for digit in digits.upper():
        if digit == "W":
            await asyncio.sleep(_PAUSE)
            continue
        await room.local_participant.publish_dtmf(code=_KEYS.index(digit), digit=digit)
        await asyncio.sleep(_APART)
