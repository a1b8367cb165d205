"""A voice that speaks every text as a tone, after the delay of a cloud one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectionError, APIConnectOptions, tts
from livekit.agents.utils import shortuuid

from . import tones

LATENCY = 0.25


class ScriptedTTS(tts.TTS[str]):
    """Speaks every text as a tone.

    `frequency` is a number, or pairs of a pattern and a number of which the first that is found in
    the text counts. `seconds` fixes the length; else it is `per_character` times the text's.
    `texts` has what was spoken; `failing` makes it fail; a `voice_key` names the voice, so that
    its standing words are kept.
    """

    voice_key = ""

    def __init__(
        self,
        frequency: int | Sequence[tuple[str, int]] = 600,
        *,
        amplitude: float = tones.LOUD,
        seconds: float | None = None,
        per_character: float = 0.05,
        latency: float = LATENCY,
        sample_rate: int = 24000,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True),
            sample_rate=sample_rate,
            num_channels=1,
        )
        self.texts: list[str] = []
        self.failing = False
        self.latency = latency
        self._voices = [("", frequency)] if isinstance(frequency, int) else list(frequency)
        self._amplitude = amplitude
        self._seconds = seconds
        self._per_character = per_character

    def speech(self, text: str) -> bytes:
        """The tone for a text, a whole number of 20 ms windows."""
        self.texts.append(text)
        if self.failing:
            raise APIConnectionError("the voice is down", retryable=False)
        default = self._voices[-1][1]
        pitch = next((hz for want, hz in self._voices if re.search(want, text, re.I)), default)
        wanted = self._seconds or len(text.strip()) * self._per_character
        windows = max(5, round(wanted / tones.WINDOW_S))
        rate = self.sample_rate
        return tones.tone(pitch, windows * tones.WINDOW_S, self._amplitude, rate).tobytes()

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _ChunkedSpeech(tts=self, input_text=text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        return _StreamedSpeech(tts=self, conn_options=conn_options)


class _ChunkedSpeech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        assert isinstance(voice, ScriptedTTS)
        _begin(output_emitter, voice, stream=False)
        speech = voice.speech(self._input_text)
        await asyncio.sleep(voice.latency)
        output_emitter.push(speech)
        output_emitter.flush()


class _StreamedSpeech(tts.SynthesizeStream):
    """Speaks sentence by sentence, the first after the delay, the others at once."""

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        voice = self._tts
        assert isinstance(voice, ScriptedTTS)
        _begin(output_emitter, voice, stream=True)
        output_emitter.start_segment(segment_id=shortuuid("segment_"))
        text, begun = "", False
        async for item in self._input_ch:
            if isinstance(item, str):
                text += item
                if not re.search(r"[.!?]\s*$", text):
                    continue
            if not text.strip():
                continue
            self._mark_started()
            speech = voice.speech(text)
            if not begun:
                await asyncio.sleep(voice.latency)
                begun = True
            output_emitter.push(speech)
            text = ""
        output_emitter.end_segment()


def _begin(emitter: tts.AudioEmitter, voice: ScriptedTTS, *, stream: bool) -> None:
    emitter.initialize(
        request_id=shortuuid("speech_"),
        sample_rate=voice.sample_rate,
        num_channels=1,
        mime_type="audio/pcm",
        stream=stream,
    )
