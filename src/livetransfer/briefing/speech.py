"""Speech that is synthesised before it is needed, so that its first sound is there at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents.tts import TTS

from livetransfer.control import AudioSink

__all__ = ["PreparedSpeech"]

logger = logging.getLogger("livetransfer")


class PreparedSpeech:
    """A text and its sound, which is being made in the background from now on.

    Args:
        tts: The voice; None makes it silent, so that only the text is of use.
        text: What to say.
    """

    def __init__(self, tts: TTS[Any] | None, text: str) -> None:
        self.text = text
        self.voiced = tts is not None
        self._frames: list[rtc.AudioFrame] = []
        self._more = asyncio.Event()
        self._done = tts is None
        self._task: asyncio.Task[None] | None = None
        if tts is not None:
            self._task = asyncio.create_task(self._synthesise(tts), name="livetransfer-synthesis")

    async def _synthesise(self, tts: TTS[Any]) -> None:
        try:
            async with tts.synthesize(self.text) as stream:
                async for chunk in stream:
                    self._frames.append(chunk.frame)
                    self._more.set()
        except Exception:
            logger.warning("speech could not be prepared in advance", exc_info=True)
        finally:
            self._done = True
            self._more.set()

    @property
    def audible(self) -> bool:
        """Whether the first sound is there."""
        return bool(self._frames)

    async def ready(self) -> bool:
        """Wait until the first sound is there or the voice has failed; return whether it is."""
        while not self._frames and not self._done:
            self._more.clear()
            await self._more.wait()
        return bool(self._frames)

    async def frames(self) -> AsyncIterator[rtc.AudioFrame]:
        """Yield the sound from its beginning, also while it is still being made."""
        position = 0
        while True:
            while position < len(self._frames):
                yield self._frames[position]
                position += 1
            if self._done:
                return
            self._more.clear()
            await self._more.wait()

    async def play(self, sink: AudioSink) -> None:
        """Write the sound to `sink`, at its rate, and wait until it was played."""
        resampler: rtc.AudioResampler | None = None
        async for frame in self.frames():
            if frame.sample_rate == sink.sample_rate:
                await sink.write(frame)
                continue
            if resampler is None:
                resampler = rtc.AudioResampler(
                    frame.sample_rate, sink.sample_rate, num_channels=frame.num_channels
                )
            for resampled in resampler.push(frame):
                await sink.write(resampled)
        if resampler is not None:
            for resampled in resampler.flush():
                await sink.write(resampled)
        await asyncio.sleep(sink.queued)

    async def aclose(self) -> None:
        """Stop making it. What is there already stays."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
