"""What an AgentSession speaks through and listens with in a simulated call."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from livekit import rtc
from livekit.agents import NOT_GIVEN, Agent, AgentSession, llm
from livekit.agents.utils import is_given
from livekit.agents.voice import io

from .sounds import Sound
from .tape import Tape
from .writer import Writer

__all__ = ["SessionVoice", "SimAudioInput", "SimAudioOutput", "SimTextOutput", "has_voice"]


def has_voice(session: AgentSession[Any], agent: Agent | None) -> bool:
    """Whether what `session` says with `agent` comes as audio and not only as text."""
    if agent is not None and type(agent).tts_node is not Agent.tts_node:
        return True
    tts = agent.tts if agent is not None else NOT_GIVEN
    if tts if is_given(tts) else session.tts:
        return True
    given = agent.llm if agent is not None else NOT_GIVEN
    model = given if is_given(given) else session.llm
    if model is None:
        return True  # all it can say is say(audio=...)
    return isinstance(model, llm.RealtimeModel) and model.capabilities.audio_output


class SimAudioInput(io.AudioInput):
    """Ears: no frame ever arrives, but whether the session listens can be seen.

    Attributes:
        attached: Whether the session listens now.
    """

    def __init__(self) -> None:
        super().__init__(label="Simulation")
        self.attached = False

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.get_running_loop().create_future()
        raise StopAsyncIteration

    def on_attached(self) -> None:
        self.attached = True

    def on_detached(self) -> None:
        self.attached = False


class SimTextOutput(io.TextOutput):
    """Collects the words of each utterance and hands them to its voice."""

    def __init__(self, voice: SessionVoice, next_in_chain: io.TextOutput | None) -> None:
        super().__init__(label="Simulation", next_in_chain=next_in_chain)
        self._voice = voice

    async def capture_text(self, text: str) -> None:
        self._voice.words(text)
        if self.next_in_chain:
            await self.next_in_chain.capture_text(text)

    def flush(self) -> None:
        self._voice.end_of_words()
        if self.next_in_chain:
            self.next_in_chain.flush()


class SimAudioOutput(io.AudioOutput):
    """Plays what a session says on a tape, at the speed of its loop's clock.

    Like the one of a room: frames may come faster than they play, `flush` ends an utterance,
    `clear_buffer` interrupts it, and `playback_finished` comes when it has played.
    """

    def __init__(self, voice: SessionVoice) -> None:
        super().__init__(label="Simulation", capabilities=io.AudioOutputCapabilities(pause=True))
        self._voice = voice
        self._writer = voice.writer
        self._capturing = False  # frames of an utterance come
        self._flushed = False  # they all came, and it still plays
        self._interrupted = False
        self._pushed = 0.0
        self._played = 0.0
        self._queue: deque[tuple[float, rtc.AudioFrame]] = deque()
        self._held: list[rtc.AudioFrame] | None = None  # while paused: what is still to be played
        self._timer: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self._flushed:
            self._finish()
        await super().capture_frame(frame)
        if not self._capturing:
            self._capturing, self._interrupted, self._pushed = True, False, 0.0
            self.on_playback_started(created_at=time.time())
        if self._interrupted:
            return
        self._pushed += frame.duration
        if self._held is not None:
            self._held.append(frame)
        else:
            self._play(frame)

    def _play(self, frame: rtc.AudioFrame) -> None:
        now = asyncio.get_running_loop().time()
        while self._queue and self._queue[0][0] <= now:
            self._queue.popleft()
        self._queue.append((now + self._writer.queued, frame))
        self._writer.write(frame)
        self._voice.label()

    def flush(self) -> None:
        super().flush()
        if not self._capturing:
            return
        self._capturing, self._flushed = False, True
        if self._interrupted:
            self._finish()
        elif self._held is None:
            self._finish_in(self._writer.queued)

    def clear_buffer(self) -> None:
        if not (self._capturing or self._flushed) or self._interrupted:
            return
        held = sum(frame.duration for frame in self._held or ())
        self._played = max(0.0, self._pushed - self._writer.queued - held)
        self._interrupted = True
        self._writer.clear()
        self._queue.clear()
        if self._held is not None:
            self._held = []
        if self._flushed:
            self._finish()

    def _finish_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._finish)

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushed = False
        sound = self._writer.finish()
        spoken = None
        if not self._interrupted:
            self._played = self._pushed
        elif self._pushed and sound is not None:
            spoken = self._voice.shorten(sound, self._played / self._pushed)
        self.on_playback_finished(
            playback_position=self._played,
            interrupted=self._interrupted,
            synchronized_transcript=spoken,
        )

    def pause(self) -> None:
        super().pause()
        if self._held is not None:
            return
        now = asyncio.get_running_loop().time()
        self._held = [frame for at, frame in self._queue if at > now]
        self._queue.clear()
        self._writer.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        super().resume()
        held, self._held = self._held, None
        for frame in held or ():
            self._play(frame)
        if held is not None and self._flushed:
            self._finish_in(self._writer.queued)


class _Words:
    """The words of one utterance, and the sound that they belong to once there is one."""

    def __init__(self) -> None:
        self.text = ""
        self.sound: Sound | None = None


class SessionVoice:
    """The mouth of one session: its audio and the words that belong to it.

    Args:
        tape: Where it is recorded.
        source: What to call it there.
        audience: Who hears it.
    """

    def __init__(self, tape: Tape, source: str, audience: frozenset[str]) -> None:
        self._tape = tape
        self.source = source
        self.audience = audience
        self.writer = Writer(tape, source, audience)
        self.audio: SimAudioOutput | None = None
        self._words: _Words | None = None  # while they come
        self._unspoken: _Words | None = None  # until their audio begins
        self._last: _Words | None = None
        self._sound: Sound | None = None

    def attach(self, session: AgentSession[Any], *, audio: bool) -> None:
        """Make `session` speak through this voice; with `audio` False as text only."""
        if audio:
            self.audio = SimAudioOutput(self)
            session.output.audio = self.audio
        session.output.transcription = SimTextOutput(self, session.output.transcription)

    def words(self, delta: str) -> None:
        """More words of the utterance come."""
        words = self._words
        if words is None:
            words = self._words = self._unspoken = _Words()
            if self._sound is not None and not self._sound.text and not self._sound.whole:
                self._bind(self._sound)
        words.text += delta
        if words.sound is not None:
            words.sound.text = words.text

    def end_of_words(self) -> None:
        """The words of the utterance are complete."""
        words, self._words = self._words, None
        if words is not None and self.audio is None and words.text.strip():
            now = self._tape.now()
            self._tape.add(
                Sound(self.source, now, now, audience=self.audience, text=words.text, whole=True)
            )
            self._tape.note(self.audience)

    def label(self) -> None:
        """Audio came: give the sound its words, if it is a new one and they are known."""
        if self.writer.sound is not self._sound:
            self._sound = self.writer.sound
            if self._sound is not None:
                self._bind(self._sound)

    def _bind(self, sound: Sound) -> None:
        words, self._unspoken = self._unspoken, None
        if words is not None:
            words.sound = sound
            sound.text = words.text
            self._last = words

    def shorten(self, sound: Sound, part: float) -> str:
        """Keep the words of `sound` that were spoken, a `part` of it between 0 and 1."""
        if self._last is not None and self._last.sound is sound:
            self._last.sound = None
        words = sound.text.split()
        sound.text = " ".join(words[: round(len(words) * part)])
        return sound.text
