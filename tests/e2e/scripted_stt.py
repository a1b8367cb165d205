"""An ear that understands tones as sentences, after the delay of a cloud one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
    stt,
)
from livekit.agents.language import LanguageCode
from livekit.agents.utils import AudioBuffer

from . import tones

LATENCY = 0.2


class ScriptedSTT(stt.STT[str]):
    """Hears tones as sentences: `{1000: "yes, put them through", 1500: "no, I can't"}`.

    A tone of `shortest` seconds starts speech; `silence` seconds without one end it, and `latency`
    seconds later come the final transcript and the end of speech.
    """

    def __init__(
        self,
        words: Mapping[int, str],
        *,
        shortest: float = 0.2,
        silence: float = 0.3,
        latency: float = LATENCY,
        threshold: float = tones.AUDIBLE,
    ) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, offline_recognize=False
            )
        )
        self.words = dict(words)
        self.latency = latency
        self.threshold = threshold
        self.shortest = round(shortest / tones.WINDOW_S)
        self.silence = round(silence / tones.WINDOW_S)

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        raise NotImplementedError("only streams are understood")

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Ear(self, conn_options)


class ClipSTT(ScriptedSTT):
    """Hears tones in the caller's voice, and in every later one clips whose words are known.

    Args:
        words: As in ScriptedSTT: for the first stream, which is the caller's session's.
        said: The words of each clip, in the order in which they are played with `APART` seconds
            between them; each word with the second of its clip at which it ends. It is told `LATE`
            seconds after that, as an interim transcript; all of them once the clip is over.
    """

    LATE = 0.3
    APART = 1.0

    def __init__(
        self, words: Mapping[int, str], said: Sequence[Sequence[tuple[str, float]]]
    ) -> None:
        super().__init__(words)
        self.said = list(said)
        self._streams = 0

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        self._streams += 1
        kind = _Ear if self._streams == 1 else _ClipEar
        return kind(self, conn_options)


class _Ear(stt.RecognizeStream):
    def __init__(self, model: ScriptedSTT, conn_options: APIConnectOptions) -> None:
        self._model = model
        self._rest = np.zeros(0, dtype=np.int16)
        self._tone: int | None = None
        self._heard = 0
        self._silent = 0
        self._later: asyncio.Queue[tuple[float, stt.SpeechEvent] | None] = asyncio.Queue()
        super().__init__(stt=model, conn_options=conn_options)

    async def _run(self) -> None:
        sender = asyncio.create_task(self._send_later())
        try:
            async for item in self._input_ch:
                if isinstance(item, rtc.AudioFrame):
                    self._hear(item)
            self._later.put_nowait(None)
            await sender
        finally:
            sender.cancel()

    async def _send_later(self) -> None:
        while (entry := await self._later.get()) is not None:
            due, event = entry
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            self._event_ch.send_nowait(event)

    def _tell(self, kind: stt.SpeechEventType, text: str = "", delay: float = 0.0) -> None:
        said = [stt.SpeechData(language=LanguageCode("en"), text=text, confidence=1.0)]
        event = stt.SpeechEvent(type=kind, alternatives=said if text else [])
        self._later.put_nowait((asyncio.get_running_loop().time() + delay, event))

    def _hear(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, dtype=np.int16)[:: frame.num_channels]
        pcm = np.concatenate([self._rest, samples])
        size = frame.sample_rate // tones.SPACING
        whole = len(pcm) // size * size
        self._rest = pcm[whole:]
        if not whole:
            return
        windows = pcm[:whole].reshape(-1, size)
        # No tone is louder than twice the peak: most of the time there is nothing to analyse.
        if np.abs(windows).max() < self._model.threshold * 32767 / 2:
            for _ in windows:
                self._window(None)
            return
        columns = {hz: tones.column(hz) for hz in self._model.words}
        for row in tones.levels(windows):
            loudest = max(columns, key=lambda hz: float(row[columns[hz]]))
            loud = row[columns[loudest]] >= self._model.threshold
            self._window(loudest if loud else None)

    def _window(self, tone: int | None) -> None:
        model = self._model
        speaking = self._heard >= model.shortest
        if tone is None:
            self._silent += 1
            if speaking and self._silent >= model.silence:
                text = model.words[self._tone or 0]
                self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, text, model.latency)
                self._tell(stt.SpeechEventType.END_OF_SPEECH, delay=model.latency)
                self._tone, self._heard = None, 0
            elif not speaking and self._silent >= 3:
                self._tone, self._heard = None, 0
            return
        self._silent = 0
        if speaking:
            return
        if tone != self._tone:
            self._tone, self._heard = tone, 0
        self._heard += 1
        if self._heard == model.shortest:
            self._tell(stt.SpeechEventType.START_OF_SPEECH)
            self._tell(stt.SpeechEventType.INTERIM_TRANSCRIPT, model.words[tone])


class _ClipEar(_Ear):
    """Knows what is said from the moment that anything is."""

    _clip = 0
    _quiet = float("inf")
    """Seconds without a sound."""

    def _hear(self, frame: rtc.AudioFrame) -> None:
        model = self._model
        assert isinstance(model, ClipSTT)
        loud = np.any(np.abs(np.frombuffer(frame.data, dtype=np.int16)) > 300)
        before = self._quiet
        self._quiet = 0.0 if loud else before + frame.duration
        if not loud or before < model.APART or self._clip >= len(model.said):
            return
        said = model.said[self._clip]
        self._clip += 1
        self._tell(stt.SpeechEventType.START_OF_SPEECH)
        so_far = ""
        for word, at in said:
            so_far = f"{so_far} {word}".strip()
            self._tell(stt.SpeechEventType.INTERIM_TRANSCRIPT, so_far, at + model.LATE)
        end = said[-1][1] + 2 * model.LATE
        self._tell(stt.SpeechEventType.FINAL_TRANSCRIPT, so_far, end)
        self._tell(stt.SpeechEventType.END_OF_SPEECH, delay=end)
