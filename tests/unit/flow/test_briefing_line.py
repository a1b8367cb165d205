"""The line of a briefing: how fast it closes, and what its session takes over from the caller's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    Agent,
    AgentSession,
    APIConnectOptions,
    NotGivenOr,
    TurnHandlingOptions,
    stt,
)
from livekit.agents.utils import AudioBuffer

from livetransfer import (
    BriefingAgent,
    ConfigurationError,
    TransferStatus,
    Verdict,
    WarmTransfer,
)
from livetransfer._flow.briefing_session import session_options
from livetransfer._flow.caller_session import CallerSession
from livetransfer.testing import Human, simulate
from tests.unit.transfers import rig

ANN = "+15550100"


@pytest.mark.parametrize(
    ("accept", "decline", "keys"),
    [
        ("1", "2", " You can also press 1 for yes or 2 for no."),
        ("5", None, " You can also press 5 for yes."),
        (None, "0", " You can also press 0 for no."),
        (None, None, ""),
    ],
)
def test_the_human_is_told_the_keys_there_are(
    accept: str | None, decline: str | None, keys: str
) -> None:
    agent = BriefingAgent(accept_key=accept, decline_key=decline)
    assert agent.greeting("It is Ann.").endswith(f"It is Ann. May I connect you?{keys}")


def test_a_verdict_is_one_of_four() -> None:
    with pytest.raises(ConfigurationError, match="kind"):
        Verdict("accept")  # type: ignore[arg-type]


class DeafSTT(stt.STT[str]):
    """Listens and never understands a word."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(stt=self, conn_options=conn_options)


class _Stream(stt.RecognizeStream):
    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


async def test_a_briefing_that_listens_does_not_hold_the_caller_back() -> None:
    # livekit-agents waits up to two seconds for a last transcript when a session is closed.
    async with simulate(humans={ANN: Human.silent(after=1)}) as call:
        by_stt: TurnHandlingOptions = {"turn_detection": "stt"}
        transfer = WarmTransfer(
            ANN, briefing=lambda: BriefingAgent(stt=DeafSTT(), vad=None, turn_handling=by_stt)
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            while not call.human(ANN).on_the_line:
                await asyncio.sleep(0.1)
            await asyncio.sleep(3)
            left = call.now
            call.human(ANN).hang_up()
            outcome = await r.outcome()
            assert outcome.status is TransferStatus.HUMAN_LEFT
            assert call.now - left < 0.5


class NoisySTT(DeafSTT):
    """Hears, when it is told to, a voice that has no words and never ends."""

    def __init__(self) -> None:
        super().__init__()
        self.noise = asyncio.Event()

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Noise(stt=self, conn_options=conn_options)


class _Noise(stt.RecognizeStream):
    async def _run(self) -> None:
        assert isinstance(self._stt, NoisySTT)
        await self._stt.noise.wait()
        self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.START_OF_SPEECH))
        async for _ in self._input_ch:
            pass


class SaysInNoise(BriefingAgent):
    """Says what has to be synthesised first, while a noise begins."""

    def __init__(self, noise: asyncio.Event) -> None:
        super().__init__()
        self._noise = noise

    async def on_enter(self) -> None:
        await self.answered()
        self.session.say("There is somebody for you.")
        self._noise.set()


async def test_noise_that_begins_before_the_first_words_does_not_hold_them_back() -> None:
    hearing = NoisySTT()
    by_stt: TurnHandlingOptions = {"turn_detection": "stt"}
    async with simulate(humans={ANN: Human.silent(after=1)}) as call:
        transfer = WarmTransfer(
            ANN, briefing=lambda: SaysInNoise(hearing.noise), answer_detector=None
        )
        async with rig(call, transfer.run, stt=hearing, vad=None, turn_handling=by_stt) as r:
            r.ask()
            while not call.human(ANN).on_the_line:
                await asyncio.sleep(0.1)
            await asyncio.sleep(8)
            said = [heard.text for heard in call.human(ANN).heard("briefing")]
            assert said == ["There is somebody for you."]
            call.human(ANN).hang_up()
            await r.outcome()


def _options(turns: TurnHandlingOptions) -> dict[str, Any]:
    session: AgentSession[None] = AgentSession(stt=DeafSTT(), vad=None, turn_handling=turns)
    return session_options(CallerSession(session))


async def test_the_briefing_takes_turns_as_the_caller_session_does() -> None:
    options = _options({"turn_detection": "stt", "endpointing": {"min_delay": 0.1}})
    assert options["vad"] is None
    assert options["turn_handling"]["turn_detection"] == "stt"
    assert options["turn_handling"]["endpointing"]["min_delay"] == 0.1


async def test_turns_that_the_caller_code_commits_are_not_taken_over() -> None:
    assert "turn_detection" not in _options({"turn_detection": "manual"})["turn_handling"]


async def test_words_interrupt_a_briefing_and_noise_does_not() -> None:
    interruption = _options({"turn_detection": "stt"})["turn_handling"]["interruption"]
    assert interruption["min_words"] == 1
    assert not interruption["resume_false_interruption"]


async def test_the_agent_of_the_moment_decides() -> None:
    session: AgentSession[None] = AgentSession(vad=None)
    await session.start(Agent(instructions="", turn_handling={"turn_detection": "stt"}))
    try:
        options = session_options(CallerSession(session))
        assert options["turn_handling"]["turn_detection"] == "stt"
    finally:
        await session.aclose()
