"""Speech that is synthesised before it is needed, so that its first sound is there at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from livekit import rtc
from livekit.agents.tts import TTS

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.control import AudioSink

from .spoken_cache import spoken_words, voice_of

__all__ = ["PreparedSpeech"]

logger = logging.getLogger("livetransfer")


class PreparedSpeech:
    """A text and its sound, which is being made in the background from now on.

    Args:
        tts: The voice; None makes it silent, so that only the text is of use.
        text: What to say.
        standing: Whether the words do not depend on the call: they are synthesised once for a
            voice and machine, where the voice can be told apart; see `spoken.voice_of`.
    """

    def __init__(self, tts: TTS[Any] | None, text: str, *, standing: bool = False) -> None:
        self.text = text
        self.voiced = tts is not None
        self._frames: list[rtc.AudioFrame] = []
        self._more = asyncio.Event()
        self._done = tts is None
        self._task: asyncio.Task[None] | None = None
        self._voice = voice_of(tts) if standing and tts is not None else None
        known = None if self._voice is None else spoken_words.recall(self._voice, text)
        if known is not None:
            self._frames, self._done = list(known), True
        elif tts is not None:
            self._task = asyncio.create_task(self._synthesise(tts), name="livetransfer-synthesis")

    async def _synthesise(self, tts: TTS[Any]) -> None:
        try:
            if self._voice is not None and await self._was_kept(self._voice):
                return
            async with tts.synthesize(self.text) as stream:
                async for chunk in stream:
                    self._frames.append(chunk.frame)
                    self._more.set()
            if self._voice is not None and self._frames:
                keep(asyncio.create_task(self._keep(self._voice), name="livetransfer-words"))
        except Exception:
            logger.warning("speech could not be prepared in advance", **logged())
        finally:
            self._done = True
            self._more.set()

    async def _was_kept(self, voice: str) -> bool:
        known = await asyncio.to_thread(spoken_words.load, voice, self.text)
        if known is not None:
            self._frames.extend(known)
        return known is not None

    async def _keep(self, voice: str) -> None:
        await asyncio.to_thread(spoken_words.keep, voice, self.text, list(self._frames))

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
