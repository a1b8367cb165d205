"""What a recogniser is given of a phone: nothing while it rings, all from the answer on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeVar

__all__ = ["from_answer_on"]

Frame = TypeVar("Frame")


async def from_answer_on(
    audio: AsyncIterable[Frame], answered: asyncio.Future[Any]
) -> AsyncIterator[Frame]:
    """Wait for the answer, then return the frames that come from then on.

    What comes while it rings, a ringback tone, is dropped. A recogniser whose stream is opened only
    when this has returned is not asked for the minutes of ringing, which most charge for.

    Args:
        audio: The frames of the phone, in whatever form; one is asked for at a time. If it ends
            before the answer, nothing follows it.
        answered: Done when the phone is answered.

    Raises:
        asyncio.CancelledError: The wait was cancelled; nothing goes on.
    """
    frames = aiter(audio)
    while True:
        coming = asyncio.ensure_future(_next(frames))
        try:
            await asyncio.wait({coming, answered}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            coming.cancel()
            await asyncio.wait({coming})
            raise
        if answered.done():
            return _and_then(coming, frames)
        if not coming.result():
            await asyncio.wait({answered})
            return _and_then(coming, frames)


async def _next(frames: AsyncIterator[Frame]) -> tuple[Frame, ...]:
    """The next frame; nothing if there is no more."""
    async for frame in frames:
        return (frame,)
    return ()


async def _and_then(
    coming: asyncio.Future[tuple[Frame, ...]], frames: AsyncIterator[Frame]
) -> AsyncIterator[Frame]:
    for frame in await coming:
        yield frame
    async for frame in frames:
        yield frame
