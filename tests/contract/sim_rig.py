"""SimRig: the contract on the simulator, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession

from livetransfer.control import AudioSink, CallControl, Conversation
from livetransfer.destination import Destination
from livetransfer.testing import Heard, Human, Refer, Say, Simulation, simulate

from .rigs import Answers, Listener, ReferScript, Refuses, Script, State, Voice
from .rigs import Human as Who

ANN = "+15550100"
LONG = "m" * 15 * 3600
BOB = "+15550101"
PHONES: dict[str, str] = {"human": ANN, "second": BOB}
SOURCES: dict[Voice, str] = {
    "caller": "caller",
    "human": ANN,
    "second": BOB,
    "music": "hold-music",
    "briefing": "briefing",
    "introduction": "introduction",
}
REFERS: dict[tuple[int, tuple[int, ...]], Refer] = {
    (202, (100, 200)): "accepts",
    (603, ()): "refuses",
    (405, ()): "unsupported",
    (202, (100, 486)): "busy",
    (202, ()): "times_out",
}


class SimRig:
    """A simulated caller who talks for an hour, and a control over the call."""

    refer_target = "sip:100@pbx.example.com"

    def __init__(self) -> None:
        self._exit = contextlib.AsyncExitStack()
        self._players: list[asyncio.Task[None]] = []
        self._sessions: list[AgentSession[Any]] = []
        self._since = 0.0

    async def open(self) -> SimRig:
        """Bring the caller on the line."""
        self.call: Simulation = await self._exit.enter_async_context(
            simulate(humans={ANN: Human.silent(), BOB: Human.silent()})
        )
        self._real = time.monotonic()
        self.control: CallControl = self.call.new_control(AgentSession())
        self._players.append(asyncio.create_task(self.call.caller.says(LONG)))
        return self

    async def aclose(self) -> None:
        """End the call and the control."""
        for task in self._players:
            task.cancel()
        await asyncio.gather(*self._players, return_exceptions=True)
        for session in self._sessions:
            await session.aclose()
        await self.control.aclose()
        await self._exit.aclose()

    def human(self, script: Script, who: Who = "human") -> Destination:
        """Script a human's phone."""
        if isinstance(script, Answers):
            does = Human(ring=script.after, script=[Say(LONG)])
        elif isinstance(script, Refuses):
            does = Human.rejects(script.code, after=script.after)
        else:
            does = Human.no_answer()
        self.call.human(PHONES[who]).scripts = [does]
        return Destination(PHONES[who])

    def on_refer(self, script: ReferScript) -> None:
        """Script what the caller's phone does with a REFER."""
        self.call.refer = REFERS[script.response, script.notify]

    async def run(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def _until(self, true: Callable[[], bool], within: float, what: str) -> float:
        deadline = self.call.now + within
        while not true():
            if self.call.now > deadline:
                raise TimeoutError(what)
            await asyncio.sleep(0.005)
        return self._real + self.call.now

    def _party(self, listener: Listener) -> Any:
        return self.call.caller if listener == "caller" else self.call.human(PHONES[listener])

    async def hears(self, listener: Listener, voice: Voice, within: float = 2.0) -> float:
        """Wait for a voice."""
        source = SOURCES[voice]
        return await self._until(
            lambda: self._party(listener).hears(source), within, f"{listener} hears no {voice}"
        )

    async def deaf_to(self, listener: Listener, voice: Voice, within: float = 2.0) -> float:
        """Wait for a voice to be gone."""
        source = SOURCES[voice]
        return await self._until(
            lambda: not self._party(listener).hears(source), within, f"{listener} hears {voice}"
        )

    def heard(self, listener: Listener, voice: Voice) -> int:
        """Count a voice, in ms."""
        heard: list[Heard] = self._party(listener).heard(SOURCES[voice], start=self._since)
        spans = [(max(h.start, self._since), min(h.end, self.call.now)) for h in heard]
        total: float = sum(max(0.0, end - start) for start, end in spans)
        return round(1000 * total)

    def forget(self) -> None:
        """Count from now on."""
        self._since = self.call.now

    @property
    def human_state(self) -> State:
        """What the human's phone does."""
        return self.state_of("human")

    def state_of(self, who: Who) -> State:
        """What a human's phone does."""
        rings = self.call.human(PHONES[who]).rings
        if not rings:
            return "idle"
        if rings[-1].ended_at is not None:
            return "ended"
        return "talking" if rings[-1].answered_at is not None else "ringing"

    async def human_is(self, state: State, within: float = 3.0, who: Who = "human") -> float:
        """Wait for a state of a human's phone."""
        return await self._until(lambda: self.state_of(who) == state, within, f"not {state}")

    async def hang_up(self, who: Listener) -> None:
        """A party hangs up."""
        self._party(who).hang_up()

    async def press(self, who: Listener, key: str) -> None:
        """A party presses a key."""
        self._party(who).press(key)

    async def play(self, sink: AudioSink, voice: Voice) -> None:
        """Write a voice for good."""

        async def pump() -> None:
            frame = _frame(sink.sample_rate)
            for _ in range(20 * 3600):
                await sink.write(frame)
                if not sink.queued:
                    return

        self._players.append(asyncio.create_task(pump()))

    async def brief(self, conversation: Conversation) -> None:
        """Say the briefing for good."""
        from livetransfer.testing.models import ScriptedTTS

        session: AgentSession[Any] = AgentSession(vad=None, tts=ScriptedTTS())
        self._sessions.append(session)
        await conversation.start(session, Agent(instructions=""))

        async def words() -> AsyncIterator[rtc.AudioFrame]:
            for _ in range(1200):
                yield _frame(24_000)

        session.say("briefing", audio=words(), allow_interruptions=False)


def _frame(rate: int) -> rtc.AudioFrame:
    samples = np.full(rate // 20, 1000, dtype=np.int16)
    return rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))
