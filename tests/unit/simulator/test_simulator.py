"""The simulator: phones that ring, parties that hear, words that reach an AI, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool

from livetransfer.control import (
    CallControl,
    CallLost,
    ControlEvent,
    KeyPressed,
    Leg,
    LegAnswered,
    LegLeft,
    LegRinging,
    SealBroken,
    current_control,
)
from livetransfer.destination import Destination
from livetransfer.errors import (
    BridgeFailed,
    CallControlError,
    ConfigurationError,
    DialFailed,
    ReferFailed,
    SealFailed,
)
from livetransfer.status import TransferStatus
from livetransfer.testing import (
    Human,
    Latency,
    Press,
    Refer,
    Say,
    ScriptedLLM,
    ScriptedRealtimeModel,
    ScriptedTTS,
    SimControl,
    Simulation,
    ToolCall,
    WaitForBridge,
    simulate,
)

ANN = "+15550100"
TO_ANN = Destination(ANN)


def new_session(llm: ScriptedLLM | None = None) -> AgentSession[Any]:
    return AgentSession(llm=llm or ScriptedLLM(), vad=None, turn_handling={"turn_detection": None})


def speaking_session(llm: ScriptedLLM | None = None) -> AgentSession[Any]:
    return AgentSession(
        llm=llm or ScriptedLLM(),
        tts=ScriptedTTS(),
        vad=None,
        turn_handling={"turn_detection": None},
    )


def a_control() -> SimControl:
    factory = current_control.get()
    assert factory is not None
    control = factory(new_session())
    assert isinstance(control, SimControl)
    return control


async def dial(control: SimControl, identity: str = "human-1", **options: Any) -> Leg:
    return await control.dial(TO_ANN, identity=identity, **{"ring_timeout": 30.0, **options})


def frames(seconds: float, level: int = 3000, each: float = 0.1) -> list[rtc.AudioFrame]:
    n = round(each * 24000)
    data = np.full(n, level, np.int16).tobytes()
    return [rtc.AudioFrame(bytearray(data), 24000, 1, n) for _ in range(round(seconds / each))]


async def play(control: SimControl, to: list[str], seconds: float, **options: Any) -> None:
    sink = await control.open_audio(to, **options)
    for frame in frames(seconds):
        await sink.write(frame)
    await asyncio.sleep(sink.queued)
    await sink.aclose()


class Briefing(Agent):
    """Greets, and can be told to connect."""

    def __init__(self, greeting: str = "Ann, I have a caller about a refund.") -> None:
        super().__init__(instructions="Brief the human.")
        self._greeting = greeting
        self.accepted = asyncio.Event()

    async def on_enter(self) -> None:
        self.session.say(self._greeting)

    @function_tool
    async def connect_to_caller(self) -> str:
        """Connect the human with the caller."""
        self.accepted.set()
        return "ok"


# Dialling.


async def test_it_is_a_call_control() -> None:
    async with simulate() as call:
        control = a_control()
        assert isinstance(control, CallControl)
        assert control.caller.destination is None
        assert control.caller_present
        assert call.caller.on_the_line
        assert call.control is control
        assert call.leftovers() == ["control 1 is open"]
        await control.aclose()
        await control.aclose()
        assert call.leftovers() == []
    assert current_control.get() is None


async def test_an_answer_after_two_seconds() -> None:
    async with simulate({ANN: Human.silent(after=2)}) as call:
        control = a_control()
        seen: list[ControlEvent] = []
        unsubscribe = control.subscribe(seen.append)
        leg = await dial(control)
        assert leg == Leg("human-1", TO_ANN)
        assert call.now == pytest.approx(2.06, abs=0.001)
        assert seen == [LegRinging("human-1"), LegAnswered("human-1")]
        assert [e for _, e in call.events] == seen
        phone = call.human(ANN)
        assert phone.on_the_line
        assert not phone.talks_to("caller")
        await control.hang_up(leg)
        await control.hang_up(leg)
        await control.hang_up(Leg("nobody"))
        assert phone.rings[0].ended == "it was hung up"
        await asyncio.sleep(0)
        assert seen[-1] == LegLeft("human-1", "it was hung up")
        unsubscribe()
        assert control.listeners == 0
        assert call.count("dial") == 1
        assert call.count("hang_up") == 3


@pytest.mark.parametrize(
    ("human", "code", "status", "seconds", "rang"),
    [
        (Human.busy(), 486, TransferStatus.BUSY, 0.055, False),
        (Human.unknown(), 404, TransferStatus.INVALID_DESTINATION, 0.055, False),
        (Human.rejects(603, after=3), 603, TransferStatus.DECLINED, 3.055, True),
        (Human.rejects(503, after=0), 503, TransferStatus.TRUNK_UNAVAILABLE, 0.055, False),
        (Human.no_answer(), None, TransferStatus.NO_ANSWER, 12.055, True),
    ],
)
async def test_not_answered(
    human: Human, code: int | None, status: TransferStatus, seconds: float, rang: bool
) -> None:
    async with simulate({ANN: human}) as call:
        control = a_control()
        with pytest.raises(DialFailed) as caught:
            await dial(control, ring_timeout=12.0)
        assert (caught.value.sip_code, caught.value.status) == (code, status)
        assert call.now == pytest.approx(seconds, abs=0.002)
        assert (LegRinging("human-1") in [e for _, e in call.events]) is rang
        assert not call.human(ANN).ringing
        assert call.calls[-1].error is caught.value


async def test_nobody_at_this_number() -> None:
    async with simulate({ANN: Human.silent()}):
        with pytest.raises(DialFailed) as caught:
            await a_control().dial(Destination("+15550111"), identity="x", ring_timeout=9)
        assert caught.value.sip_code == 404


async def test_any_address_of_a_destination() -> None:
    async with simulate({"100": Human.silent(), ANN: Human.silent()}) as call:
        control = a_control()
        user = Destination("100", kind="user", dtmf="12")
        await control.dial(user, identity="a", ring_timeout=9)
        assert call.human("100").keys == "12"
        await control.dial(Destination(f"tel:{ANN}"), identity="b", ring_timeout=9)
        assert call.human(ANN).on_the_line


async def test_one_script_for_each_call() -> None:
    async with simulate({ANN: [Human.busy(), Human.silent(after=1)]}) as call:
        control = a_control()
        with pytest.raises(DialFailed):
            await dial(control, "human-1")
        first = await dial(control, "human-2")
        assert len(call.human(ANN).rings) == 2
        with pytest.raises(DialFailed) as caught:
            await dial(control, "human-3")
        assert caught.value.sip_code == 486, "who is in a call is busy"
        await control.hang_up(first)
        await dial(control, "human-4")


async def test_every_dial_needs_a_fresh_identity() -> None:
    async with simulate({ANN: Human.busy()}):
        control = a_control()
        with pytest.raises(DialFailed):
            await dial(control)
        with pytest.raises(ValueError, match="fresh"):
            await dial(control)


@pytest.mark.parametrize("after", [0.0, 0.03, 1.0])
async def test_a_cancelled_dial_stops_the_phone(after: float) -> None:
    async with simulate({ANN: Human.no_answer()}) as call:
        dialling = asyncio.create_task(dial(a_control()))
        await asyncio.sleep(after)
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await asyncio.sleep(1)
        assert not call.human(ANN).ringing
        assert call.leftovers() == ["control 1 is open"]


async def test_hang_up_stops_a_ringing_phone() -> None:
    async with simulate({ANN: Human.no_answer()}) as call:
        control = a_control()
        dialling = asyncio.create_task(dial(control))
        await asyncio.sleep(1)
        assert call.human(ANN).ringing
        assert f"{ANN} rings" in call.leftovers()
        await control.hang_up(Leg("human-1"))
        with pytest.raises(DialFailed):
            await dialling
        assert not call.human(ANN).ringing


async def test_the_human_refuses_while_it_rings() -> None:
    async with simulate({ANN: Human.no_answer()}) as call:
        call.at(3.0, call.human(ANN).hang_up)
        with pytest.raises(DialFailed) as caught:
            await dial(a_control())
        assert caught.value.status is TransferStatus.DECLINED


async def test_no_trunk() -> None:
    async with simulate(trunk=False):
        control = a_control()
        with pytest.raises(ConfigurationError, match="trunk_id"):
            control.check(TO_ANN)
        control.check(TO_ANN.but(trunk_id="ST_1"))


# Who hears whom.


async def test_sealed_until_the_bridge_and_again_after_it() -> None:
    async with simulate({ANN: Human(1, [Say("human", seconds=60)])}) as call:
        control = a_control()
        talking = asyncio.create_task(call.caller.says("caller", seconds=60))
        leg = await dial(control)
        await asyncio.sleep(2)
        assert call.caller.heard() == call.human(ANN).heard() == []
        before = call.now
        assert await control.bridge(leg) == "shared_room"
        bridged = call.now
        assert bridged - before < 0.01
        assert call.caller.talks_to(ANN)
        assert call.human(ANN).talks_to("caller")
        await asyncio.sleep(3)
        assert call.caller.hears(ANN)
        assert call.human(ANN).hears("caller", bridged + 1)
        await control.seal(leg)
        sealed = call.now
        await control.seal(leg)
        await asyncio.sleep(2)
        assert not call.caller.hears(ANN)
        (voice,) = call.caller.heard(ANN)
        assert voice.start == pytest.approx(bridged)
        assert voice.end == pytest.approx(sealed)
        await control.bridge(leg)
        call.caller.hang_up()
        assert not call.human(ANN).talks_to("caller")
        talking.cancel()


async def test_unsealed_they_are_joined_at_the_answer() -> None:
    async with simulate({ANN: Human.silent(after=1)}) as call:
        await dial(a_control(), sealed=False)
        assert call.caller.talks_to(ANN)


async def test_no_bridge_to_who_left() -> None:
    async with simulate({ANN: Human.silent(after=1)}) as call:
        control = a_control()
        leg = await dial(control)
        call.human(ANN).hang_up()
        with pytest.raises(BridgeFailed) as caught:
            await control.bridge(leg)
        assert caught.value.status is TransferStatus.HUMAN_LEFT
        other = await dial(control, "human-2")
        call.caller.hang_up()
        with pytest.raises(BridgeFailed) as caught:
            await control.bridge(other)
        assert caught.value.status is TransferStatus.CALLER_LEFT
        assert call.leftovers() == [f"{ANN} is on the line alone", "control 1 is open"]


async def test_a_sink_is_heard_by_its_audience_only_and_at_its_speed() -> None:
    async with simulate({ANN: Human.silent(after=0)}) as call:
        control = a_control()
        await dial(control)
        before = call.now
        await play(control, ["caller"], 5.0)
        (music,) = call.caller.heard("hold-music")
        assert music.duration == pytest.approx(5.0)
        assert call.now - before == pytest.approx(5.005, abs=0.001)
        assert call.human(ANN).heard() == []
        await play(control, ["caller", "human-1"], 1.0, name="introduction")
        assert call.caller.heard("introduction") == call.human(ANN).heard("introduction")


async def test_a_sink_holds_one_second() -> None:
    async with simulate() as call:
        sink = await a_control().open_audio(["caller"])
        began = call.now
        for frame in frames(1.0):
            await sink.write(frame)
        assert call.now == began
        assert sink.queued == pytest.approx(1.0)
        await sink.write(frames(0.1)[0])
        assert 0 < call.now - began < 0.5
        assert sink.queued <= 1.0
        blocked = asyncio.create_task(play_into(sink, frames(30)))
        await asyncio.sleep(5)
        sink.clear()
        assert sink.queued == 0
        await asyncio.sleep(1)
        await sink.aclose()
        await sink.aclose()
        await asyncio.wait_for(blocked, 1)
        assert sink.queued == 0
        with pytest.raises(ValueError, match="48000 Hz"):
            await sink.write(rtc.AudioFrame.create(48000, 1, 480))


async def play_into(sink: Any, audio: list[rtc.AudioFrame]) -> None:
    for frame in audio:
        await sink.write(frame)


async def test_clear_cuts_what_was_not_heard_yet() -> None:
    async with simulate() as call:
        sink = await a_control().open_audio(["caller"])
        began = call.now
        await play_into(sink, frames(1.0))
        await asyncio.sleep(0.25)
        sink.clear()
        await play_into(sink, frames(0.5, level=500))
        await asyncio.sleep(1)
        (heard,) = call.caller.heard()
        assert heard.duration == pytest.approx(0.75)
        samples = call.caller.samples(start=began, end=began + 1)
        assert np.all(samples[:6000] == 3000)
        assert np.all(samples[6000:18000] == 500)
        assert not samples[18000:].any()


async def test_silence_is_what_nothing_is_heard_in() -> None:
    async with simulate() as call:
        control = a_control()
        sink = await control.open_audio(["caller"])
        await play_into(sink, frames(0.5))
        await play_into(sink, frames(0.2, level=0))
        await play_into(sink, frames(0.3))
        await asyncio.sleep(sink.queued)
        assert call.caller.silence(start=0.005) == pytest.approx(0.2)
        await asyncio.sleep(1.5)
        assert call.caller.silence() == pytest.approx(1.5)
        assert call.caller.silence(end=1.0) == pytest.approx(0.2)
        call.caller.hang_up()
        await asyncio.sleep(60)
        assert call.caller.silence() == pytest.approx(1.5), "who is gone hears no silence"


async def test_what_was_played_to_nobody_is_on_record() -> None:
    async with simulate({ANN: Human.silent(after=2)}) as call:
        control = a_control()
        playing = asyncio.create_task(play(control, ["human-1"], 4.0, name="greeting"))
        await dial(control)
        await playing
        answered = call.human(ANN).rings[0].answered_at
        (missed,), (heard,) = call.human(ANN).missed(), call.human(ANN).heard()
        assert missed.end == heard.start == answered
        assert missed.duration + heard.duration == pytest.approx(4.0)


async def test_samples_are_mixed_clipped_and_saved(tmp_path: Path) -> None:
    clip = np.full(24000, 20000, np.int16)
    async with simulate({ANN: Human(0, [WaitForBridge(), Say("hi", audio=clip)])}) as call:
        control = a_control()
        leg = await dial(control)
        await control.bridge(leg)
        bridged = call.now
        sink = await control.open_audio(["caller"])
        await play_into(sink, frames(0.5, level=20000))
        await asyncio.sleep(2)
        mixed = call.caller.samples(start=bridged)
        assert mixed.dtype == np.int16
        assert mixed.max() == 32767
        assert np.count_nonzero(mixed == 20000) == pytest.approx(12000, abs=300)
        call.caller.save(tmp_path / "caller.wav")
        saved, rate = soundfile.read(tmp_path / "caller.wav", dtype="int16")
        assert rate == 24000
        assert len(saved) == pytest.approx(call.now * 24000, abs=1)
        assert np.array_equal(saved, call.caller.samples())


async def test_other_sample_rates_are_converted() -> None:
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.int16)
    async with simulate(
        {ANN: Human(0, [WaitForBridge(), Say("a", audio=wave, rate=48000)])}
    ) as call:
        control = a_control()
        await control.bridge(await dial(control))
        began = call.now
        await asyncio.sleep(1.2)
        heard = call.caller.samples(start=began, end=began + 1)
        spectrum = np.abs(np.fft.rfft(heard))
        assert int(np.argmax(spectrum)) == pytest.approx(440, abs=2)


async def test_no_samples_are_kept_if_nobody_wants_them() -> None:
    async with simulate(samples=False) as call:
        await play(a_control(), ["caller"], 2.0)
        assert call.caller.heard()[0].duration == pytest.approx(2.0)
        with pytest.raises(RuntimeError, match="samples=True"):
            call.caller.samples()


# Keys, DTMF, REFER, leaving.


async def test_keys_reach_the_control() -> None:
    async with simulate({ANN: Human(1, [Press("12")])}) as call:
        control = a_control()
        keys: list[ControlEvent] = []
        control.subscribe(lambda event: keys.append(event) if hasattr(event, "digit") else None)
        leg = await dial(control)
        await asyncio.sleep(1)
        call.caller.press("0")
        call.human(ANN).press("#")
        await asyncio.sleep(0)
        assert keys == [
            KeyPressed("human-1", "1"),
            KeyPressed("human-1", "2"),
            KeyPressed("caller", "0"),
            KeyPressed("human-1", "#"),
        ]
        before = call.now
        await control.send_dtmf(leg, "w42")
        assert call.human(ANN).keys == "42"
        assert call.now - before == pytest.approx(0.705, abs=0.001)


async def test_a_refer_that_works() -> None:
    async with simulate() as call:
        control = a_control()
        await control.refer(
            control.caller, "tel:+15550100", headers={"X-A": "1"}, timeout=30, play_dialtone=True
        )
        assert control.caller_present
        await asyncio.sleep(0.1)
        assert not control.caller_present
        assert call.caller.referred_to == "tel:+15550100"
        assert call.caller.heard("dialtone")[0].duration == pytest.approx(0.5)
        assert call.calls[-1].args["headers"] == {"X-A": "1"}
        await control.aclose()
        assert call.leftovers() == []


@pytest.mark.parametrize(
    ("refer", "code", "status", "reached", "seconds"),
    [
        ("refuses", 603, TransferStatus.DECLINED, False, 0.505),
        ("unsupported", 405, TransferStatus.FAILED, False, 0.505),
        ("busy", 486, TransferStatus.BUSY, True, 0.505),
        ("times_out", None, TransferStatus.INDETERMINATE, False, 30.005),
    ],
)
async def test_a_refer_that_fails(
    refer: Refer, code: int | None, status: TransferStatus, reached: bool, seconds: float
) -> None:
    async with simulate(refer=refer) as call:
        control = a_control()
        with pytest.raises(ReferFailed) as caught:
            await control.refer(control.caller, "tel:+15550100", headers={}, timeout=30)
        error = caught.value
        assert (error.sip_code, error.status, error.target_reached) == (code, status, reached)
        assert error.indeterminate is (refer == "times_out")
        assert control.caller_present
        assert call.now == pytest.approx(seconds)
        await asyncio.sleep(5)
        assert control.caller_present


async def test_a_refer_that_timed_out_may_still_work() -> None:
    async with simulate(refer="succeeds_late") as call:
        control = a_control()
        with pytest.raises(ReferFailed):
            await control.refer(control.caller, "tel:+15550100", headers={}, timeout=10)
        assert control.caller_present
        await asyncio.sleep(2)
        assert call.caller.referred_to == "tel:+15550100"


async def test_the_ai_leaves_and_they_talk_on() -> None:
    async with simulate({ANN: Human.silent()}) as call:
        control = a_control()
        await control.bridge(await dial(control))
        await control.leave()
        assert call.caller.talks_to(ANN)
        assert not call.ai_present
        with pytest.raises(CallControlError):
            await control.open_audio(["caller"])


# An AI in the conversation.


async def test_a_briefing_is_a_real_conversation() -> None:
    llm = ScriptedLLM(
        [
            ("what is it about", "It is about order 7."),
            ("put them through", ToolCall("connect_to_caller")),
        ]
    )
    human = Human.accepts(after=2, by="voice", think=1.0, says="What is it about?")
    human = Human(2, [*human.script, *Human.accepts(by="voice").script])
    async with simulate({ANN: human}) as call:
        control = a_control()
        leg = await dial(control)
        line = await control.open_conversation(leg.identity)
        agent = Briefing()
        await line.start(speaking_session(llm), agent)
        await asyncio.wait_for(agent.accepted.wait(), 30)
        assert [h.text for h in call.human(ANN).heard("briefing")] == [
            "Ann, I have a caller about a refund.",
            "It is about order 7.",
        ]
        assert call.caller.heard() == []
        assert [request.text for request in llm.requests] == [
            "What is it about?",
            "Yes, please put them through.",
        ]
        await line.aclose()
        await line.aclose()
        assert call.human(ANN).on_the_line, "a conversation borrows its leg"
        await control.aclose()
        assert call.leftovers() == []


async def test_a_briefing_by_a_realtime_model() -> None:
    class Realtime(Briefing):
        async def on_enter(self) -> None:
            self.session.generate_reply(instructions="Greet Ann.")

    model = ScriptedRealtimeModel(
        [("greet", "Ann, may I connect you?"), ("put them", ToolCall("connect_to_caller"))]
    )
    async with simulate({ANN: Human.accepts(after=1, by="voice")}) as call:
        control = a_control()
        leg = await dial(control)
        line = await control.open_conversation(leg.identity)
        session: AgentSession[Any] = AgentSession(
            llm=model, vad=None, turn_handling={"turn_detection": None}
        )
        agent = Realtime()
        await line.start(session, agent)
        await asyncio.wait_for(agent.accepted.wait(), 30)
        assert call.human(ANN).heard_text == "Ann, may I connect you?"
        assert call.human(ANN).heard("briefing")[0].duration == pytest.approx(23 / 15, abs=0.01)


async def test_accepting_waits_for_the_end_of_the_first_words() -> None:
    greeting = "Ann, I have a caller about a refund."
    async with simulate({ANN: Human.accepts(after=1, think=1.0)}) as call:
        control = a_control()
        leg = await dial(control)
        line = await control.open_conversation(leg.identity)
        await line.start(speaking_session(), Briefing(greeting))
        await asyncio.sleep(10)
        (spoken,) = call.human(ANN).heard("briefing")
        pressed = next(at for at, event in call.events if isinstance(event, KeyPressed))
        assert pressed == pytest.approx(spoken.end + 0.3 + 1.0, abs=0.02)


async def test_accepting_does_not_wait_for_words_that_do_not_come() -> None:
    async with simulate({ANN: Human.accepts(after=1, think=1.0)}) as call:
        await dial(a_control())
        await asyncio.sleep(10)
        pressed = next(at for at, event in call.events if isinstance(event, KeyPressed))
        answered = call.human(ANN).rings[0].answered_at
        assert answered is not None
        assert pressed == pytest.approx(answered + 2.5)


async def test_words_before_the_answer_are_lost_and_on_record() -> None:
    async with simulate({ANN: Human.silent(after=5)}) as call:
        control = a_control()
        line = await control.open_conversation("human-1")
        await line.start(speaking_session(), Briefing("Too early, nobody hears this."))
        await dial(control)
        assert call.human(ANN).heard_text == ""
        assert call.human(ANN).missed("briefing")[0].text == "Too early, nobody hears this."


async def test_a_human_who_talks_into_it_interrupts_the_ai() -> None:
    words = " ".join(f"word{i}" for i in range(40))
    async with simulate({ANN: Human(0, [Say("Stop. " * 5)])}) as call:
        control = a_control()
        leg = await dial(control)
        line = await control.open_conversation(leg.identity)
        llm = ScriptedLLM(default="Yes?")
        session = speaking_session(llm)
        starting = asyncio.create_task(line.start(session, Briefing(words)))
        await asyncio.sleep(10)
        await starting
        first, second = call.human(ANN).heard("briefing")
        assert first.duration < 1.0
        assert words.startswith(first.text)
        assert 0 < len(first.text) < 40
        assert second.text == "Yes?"
        said = next(i for i in session.history.items if i.type == "message" and i.interrupted)
        assert said.text_content == first.text, "the history holds what was heard"


async def test_an_ai_that_may_not_be_interrupted_does_not_listen() -> None:
    class Firm(Briefing):
        async def on_enter(self) -> None:
            self.session.say("x" * 150, allow_interruptions=False)

    async with simulate({ANN: Human.silent(after=0)}) as call:
        control = a_control()
        llm = ScriptedLLM()
        line = await control.open_conversation("human-1")
        leg = await dial(control)
        await line.start(speaking_session(llm), Firm())
        await asyncio.sleep(0.5)
        await call.human(ANN).says("Hello again!")
        await asyncio.sleep(12)
        assert call.human(ANN).heard("briefing")[0].duration == pytest.approx(10, abs=0.1)
        assert llm.requests == []
        await control.hang_up(leg)


async def test_a_session_without_a_voice_is_text() -> None:
    async with simulate({ANN: Human.silent(after=0)}) as call:
        control = a_control()
        leg = await dial(control)
        line = await control.open_conversation(leg.identity)
        await line.start(new_session(ScriptedLLM(default="Sure.")), Briefing("Hello Ann."))
        await call.human(ANN).says("Can you hear me?")
        await asyncio.sleep(2)
        assert call.human(ANN).heard_text == "Hello Ann. Sure."


async def test_a_session_with_nothing_can_play_audio() -> None:
    async def audio() -> Any:
        for frame in frames(2):
            yield frame

    async with simulate({ANN: Human.silent(after=0)}) as call:
        control = a_control()
        leg = await dial(control)
        line = await control.open_conversation(leg.identity)
        session: AgentSession[Any] = AgentSession(vad=None, turn_handling={"turn_detection": None})
        await line.start(session, Agent(instructions=""))
        await session.say("Hello.", audio=audio()).wait_for_playout()
        (heard,) = call.human(ANN).heard("briefing")
        assert (heard.text, round(heard.duration, 3)) == ("Hello.", 2.0)


async def test_a_conversation_that_cannot_start() -> None:
    async with simulate() as call:
        control = a_control()
        line = await control.open_conversation("human-1")
        broken = speaking_session()

        async def fail(*args: Any, **options: Any) -> None:
            raise OSError("no line")

        broken.start = fail  # type: ignore[method-assign, assignment]
        with pytest.raises(CallControlError, match="no line"):
            await line.start(broken, Briefing())
        await line.aclose()
        with pytest.raises(CallControlError, match="closed"):
            await line.start(speaking_session(), Briefing())
        await control.aclose()
        assert call.leftovers() == []


# The caller's own session.


async def test_the_caller_talks_with_the_ai() -> None:
    llm = ScriptedLLM([("hello", "Hi. How can I help you today?")])
    async with simulate() as call, speaking_session(llm) as session:
        call.attach(session)
        await session.start(Agent(instructions=""))
        await call.caller.says("Hello!")
        await asyncio.sleep(5)
        assert call.caller.heard_text == "Hi. How can I help you today?"
        session.input.set_audio_enabled(False)
        await call.caller.says("Hello?")
        await asyncio.sleep(5)
        assert len(llm.requests) == 1, "an AI that does not listen does not hear"
        session.input.set_audio_enabled(True)
        session.output.set_audio_enabled(False)
        await call.caller.says("Hello?")
        await asyncio.sleep(5)
        assert len(llm.requests) == 2
        assert len(call.caller.heard("agent")) == 1, "nor does one speak whose audio is off"


async def test_speech_can_be_paused_and_goes_on() -> None:
    async with simulate() as call, speaking_session() as session:
        call.attach(session)
        await session.start(Agent(instructions=""))
        handle = session.say("x" * 60)  # 4 s
        await asyncio.sleep(1.25)
        assert session.output.audio is not None
        session.output.audio.pause()
        await asyncio.sleep(10)
        assert not handle.done()
        session.output.audio.resume()
        await handle.wait_for_playout()
        heard = call.caller.heard("agent")
        assert len(heard) == 2
        assert heard[1].start - heard[0].end == pytest.approx(10, abs=0.01)
        assert sum(h.duration for h in heard) == pytest.approx(4, abs=0.25)


async def test_the_session_closes_when_the_caller_leaves() -> None:
    async with simulate() as call:
        session = speaking_session()
        call.attach(session)
        await session.start(Agent(instructions=""))
        closed = asyncio.Event()
        session.on("close", lambda _: closed.set())
        call.caller.hang_up()
        await asyncio.wait_for(closed.wait(), 1)
        await call.caller.says("Too late.")
        assert not call.caller.on_the_line


# Faults.


async def test_a_verb_fails_once() -> None:
    async with simulate({ANN: Human.silent()}) as call:
        control = a_control()
        leg = await dial(control)
        error = BridgeFailed("no", status=TransferStatus.FAILED)
        call.faults.fail("bridge", error, after=2.0)
        assert call.faults.unused == ["bridge"]
        before = call.now
        with pytest.raises(BridgeFailed):
            await control.bridge(leg)
        assert call.now - before == pytest.approx(2.005)
        assert not call.caller.talks_to(ANN)
        assert call.faults.unused == []
        await control.bridge(leg)
        assert call.caller.talks_to(ANN)
        with pytest.raises(ValueError, match="brigde"):
            call.faults.delay("brigde", 1)


async def test_delayed_never_and_late() -> None:
    async with simulate({ANN: Human.silent(after=1)}) as call:
        control = a_control()
        call.faults.delay("open_audio", 3.0)
        await control.open_audio(["caller"])
        assert call.now == pytest.approx(3.005)
        call.faults.never("open_audio", times=None)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(control.open_audio(["caller"]), 60)
        assert len(control.sinks) == 1
        call.faults.late(
            "dial",
            DialFailed("no answer to the RPC", status=TransferStatus.FAILED, indeterminate=True),
            by=4.0,
        )
        with pytest.raises(DialFailed) as caught:
            await dial(control)
        assert caught.value.indeterminate
        assert call.human(ANN).on_the_line, "it did happen"
        await control.hang_up(Leg("human-1"))
        call.faults.late("dial", by=4.0)
        late = asyncio.create_task(dial(control, "human-2"))
        await asyncio.sleep(3)
        assert call.human(ANN).on_the_line
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        assert not call.human(ANN).on_the_line


async def test_answered_but_not_sealed() -> None:
    async with simulate({ANN: Human.silent(after=1)}) as call:
        call.faults.fail("dial", SealFailed("no seal", status=TransferStatus.FAILED))
        with pytest.raises(SealFailed):
            await dial(a_control())
        (ring,) = call.human(ANN).rings
        assert ring.answered_at is not None
        assert ring.ended_at is not None
        assert not call.human(ANN).on_the_line


async def test_things_happen_at_their_time() -> None:
    async with simulate({ANN: Human.silent(after=1)}) as call:
        control = a_control()
        seen: list[ControlEvent] = []
        control.subscribe(seen.append)
        call.at(5.0, lambda: call.caller.press("0"))
        call.at(6.0, lambda: call.break_seal(ANN))
        call.at(7.0, lambda: call.human(ANN).says("Who is there?"))
        call.at(9.0, call.caller.hang_up)
        await dial(control)
        await asyncio.sleep(10)
        assert [(round(at, 3), event) for at, event in call.events][2:] == [
            (5.0, KeyPressed("caller", "0")),
            (6.0, SealBroken("human-1", "the leg came back unsealed")),
            (9.0, LegLeft("caller", "the caller hung up")),
        ]
        assert seen == [event for _, event in call.events]
        assert call.caller.heard_text == "Who is there?"


async def test_the_call_is_lost() -> None:
    async with simulate({ANN: Human.no_answer()}) as call:
        control = a_control()
        seen: list[ControlEvent] = []
        control.subscribe(seen.append)
        dialling = asyncio.create_task(dial(control))
        await asyncio.sleep(1)
        call.lose("room deleted")
        with pytest.raises(DialFailed) as caught:
            await dialling
        assert caught.value.status is TransferStatus.FAILED
        assert caught.value.sip_code is None
        assert seen[-1] == CallLost("room deleted")
        assert not control.caller_present
        with pytest.raises(CallControlError, match="room deleted"):
            await control.open_audio(["caller"])
        await control.hang_up(Leg("human-1"))
        await control.aclose()


async def test_the_connection_is_lost_and_the_parties_stay() -> None:
    async with simulate({ANN: Human.silent()}) as call:
        control = a_control()
        leg = await dial(control)
        await control.bridge(leg)
        call.lose("connection lost", parties_leave=False)
        assert call.caller.talks_to(ANN)
        with pytest.raises(CallControlError):
            await control.hang_up(leg)


async def test_errors_of_scripts_and_listeners_come_out() -> None:
    def wrong(_: object = None) -> None:
        raise ZeroDivisionError

    async def fails(prepare: Callable[[Simulation], None]) -> None:
        async with simulate() as call:
            prepare(call)
            call.caller.press("1")
            await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        await fails(lambda call: call.at(0.5, wrong))

    def listen(_: Simulation) -> None:
        a_control().subscribe(wrong)

    with pytest.raises(ZeroDivisionError):
        await fails(listen)


async def test_an_outage_holds_up_verbs_events_and_audio() -> None:
    async with simulate({ANN: Human.silent(after=1)}) as call:
        control = a_control()
        seen: list[tuple[float, ControlEvent]] = []
        control.subscribe(lambda event: seen.append((round(call.now, 3), event)))
        call.at(2.0, lambda: call.outage(3.0))
        call.at(4.0, lambda: call.human(ANN).press("1"))
        leg = await dial(control)
        await control.bridge(leg)
        playing = asyncio.create_task(play(control, ["caller"], 8.0))
        talking = asyncio.create_task(call.caller.says("x" * 150))
        await asyncio.sleep(2.5 - call.now)
        await control.send_dtmf(leg, "1")
        assert call.now == pytest.approx(5.1, abs=0.01)
        await playing
        await talking
        assert seen[-1] == (5.0, KeyPressed("human-1", "1"))
        before, after = call.caller.heard("hold-music")
        assert before.end == pytest.approx(2.0)
        assert after.start == pytest.approx(5.0)
        assert len(call.human(ANN).heard("caller")) == 1, "the parties are not affected"


async def test_whether_the_caller_has_the_ai() -> None:
    async with simulate() as call, speaking_session() as session:
        assert not call.caller.talks_to_ai
        call.attach(session)
        await session.start(Agent(instructions=""))
        assert call.caller.talks_to_ai
        session.output.set_audio_enabled(False)
        assert not call.caller.talks_to_ai
        session.output.set_audio_enabled(True)
        session.input.set_audio_enabled(False)
        assert not call.caller.talks_to_ai
        session.input.set_audio_enabled(True)
        await a_control().leave()
        assert not call.caller.talks_to_ai
        await session.say("Nobody hears this.").wait_for_playout()
        assert call.caller.heard() == []


@pytest_asyncio.fixture
async def fixture_call() -> AsyncIterator[Simulation]:
    async with simulate({ANN: Human.silent()}) as call:
        yield call


async def test_it_may_be_a_fixture(fixture_call: Simulation) -> None:
    if current_control.get() is None:
        pytest.skip("this pytest-asyncio runs fixtures in a context of their own")
    await dial(a_control())
    assert fixture_call.human(ANN).on_the_line


# Many calls, and the end of a simulation.


async def test_whoever_still_listens_is_told_that_it_is_over() -> None:
    seen: list[ControlEvent] = []
    async with simulate({ANN: Human.no_answer()}) as call:
        control = a_control()
        control.subscribe(seen.append)
        sink = await control.open_audio(["caller"])
        dialling = asyncio.create_task(dial(control))
        await asyncio.sleep(1)
        assert "dial is running" in call.leftovers()
    assert seen[-1] == CallLost("the simulation is over")
    assert sink.closed
    with pytest.raises(DialFailed):
        await dialling
    assert control.listeners == 0


async def test_simulations_run_side_by_side() -> None:
    async def one(i: int) -> tuple[float, int]:
        after = 1 + i % 5
        async with simulate({ANN: Human.accepts(after=after)}, samples=i % 2 == 0) as call:
            control = a_control()
            music = asyncio.create_task(play(control, ["caller"], 3.0))
            leg = await dial(control)
            await control.bridge(leg)
            await music
            assert call.caller.talks_to(ANN)
            return call.human(ANN).rings[0].answered_at or 0.0, len(call.caller.heard("hold-music"))

    results = await asyncio.gather(*(one(i) for i in range(100)))
    for i, (answered, pieces) in enumerate(results):
        assert answered == pytest.approx(0.055 + 1 + i % 5, abs=0.001)
        assert pieces == 1


async def test_on_the_real_clock() -> None:
    fast = Latency(rpc=0.001, dial_setup=0.001)
    async with simulate({ANN: Human.silent(after=0.02)}, virtual_time=False, latency=fast) as call:
        assert not call.clock.virtual
        await dial(a_control())
        assert 0.02 <= call.now < 1
