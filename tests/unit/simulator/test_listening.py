"""The audio of a leg of a simulated call, as frames."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from livekit.agents import AgentSession

from livetransfer import ConfigurationError
from livetransfer.control import LegAudio
from livetransfer.destination import Destination
from livetransfer.testing import Human, Say, SimControl, Simulation, Wait, simulate

ANN = "+15550100"
IDENTITY = "human-1"


def session() -> AgentSession[Any]:
    return AgentSession(vad=None)


async def answered(call: Simulation) -> SimControl:
    control = call.new_control(session())
    await control.dial(Destination(ANN), identity=IDENTITY, ring_timeout=10.0)
    return control


async def take(audio: LegAudio, seconds: float) -> np.ndarray[Any, Any]:
    count = round(seconds / 0.02)
    frames = [await audio.__anext__() for _ in range(count)]
    return np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])


@pytest.mark.parametrize("rate", [8000, 16_000, 24_000, 48_000])
async def test_a_tone_arrives_whole_at_any_rate(rate: int) -> None:
    pitch = 440.0
    at = np.arange(2 * 16_000) / 16_000
    wave = (8000 * np.sin(2 * np.pi * pitch * at)).astype(np.int16)
    async with simulate({ANN: Human(0, [Wait(0.1), Say("", audio=wave, rate=16_000)])}) as call:
        control = await answered(call)
        audio = await control.listen(IDENTITY, sample_rate=rate)
        await take(audio, 0.3)
        began = call.now
        samples = await take(audio, 1.0)
        assert call.now - began == pytest.approx(1.0, abs=0.03)
        assert len(samples) == rate
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        assert int(spectrum.argmax()) == 440
        # No click at the joints of the frames: nothing but the tone.
        assert spectrum[430:451].sum() > 0.97 * spectrum[1:4000].sum()
        await control.aclose()


async def test_quiet_is_frames_of_silence_and_a_voice_is_not() -> None:
    async with simulate({ANN: Human(0, [Wait(1), Say("Hello there.", seconds=1)])}) as call:
        control = await answered(call)
        audio = await control.listen(IDENTITY)
        assert not (await take(audio, 0.9)).any()
        await take(audio, 0.2)
        assert np.abs(await take(audio, 0.7)).max() > 2000
        await take(audio, 0.3)
        assert not (await take(audio, 0.5)).any()
        await control.aclose()


async def test_a_voice_is_the_same_as_on_the_tape() -> None:
    async with simulate({ANN: Human(0, [Say("Hello there.", seconds=3)])}) as call:
        control = await answered(call)
        audio = await control.listen(IDENTITY, sample_rate=24_000)
        begins = call.now
        samples = await take(audio, 1.0)
        (sound,) = [s for s in call.tape.sounds if s.speaker == IDENTITY]
        first = round((begins - sound.start) * 24_000)
        assert np.allclose(samples, sound.render()[first : first + 24_000], atol=400)
        await control.aclose()


async def test_only_what_is_said_while_it_is_taken() -> None:
    async with simulate({ANN: Human(1, [Say("Hello.", seconds=20)])}, samples=False) as call:
        control = call.new_control(session())
        dialling = asyncio.create_task(
            control.dial(Destination(ANN), identity=IDENTITY, ring_timeout=10.0)
        )
        await asyncio.sleep(0.5)
        audio = await control.listen(IDENTITY)
        await audio.__anext__()
        assert call.now == pytest.approx(call.human(ANN).rings[0].answered_at or 0, abs=0.021)
        await dialling
        await asyncio.sleep(5)
        assert audio.dropped == 0  # known when it is taken next
        await take(audio, 1.9)
        assert audio.dropped == pytest.approx(3.0, abs=0.1)
        await audio.aclose()
        await control.aclose()


@pytest.mark.parametrize("how", ["hang_up", "bridge", "leave", "lose"])
async def test_it_ends(how: str) -> None:
    async with simulate({ANN: Human.silent(0)}) as call:
        control = await answered(call)
        audio = await control.listen(IDENTITY)

        async def count() -> int:
            return len([frame async for frame in audio])

        counting = asyncio.create_task(count())
        await asyncio.sleep(1.0)
        assert call.leftovers().count(f"{IDENTITY} is listened to") == 1
        if how == "lose":
            call.lose()
        elif how == "leave":
            await control.leave()
        elif how == "bridge":
            await control.bridge(call.human(ANN).rings[0].leg)
        else:
            call.human(ANN).hang_up()
        assert 49 <= await asyncio.wait_for(counting, 0.1) <= 51
        await control.aclose()
        assert not [left for left in call.leftovers() if "listened" in left]


async def test_an_outage_is_a_hole() -> None:
    async with simulate({ANN: Human.silent(0)}) as call:
        control = await answered(call)
        audio = await control.listen(IDENTITY)
        await take(audio, 0.5)
        call.outage(2.0)
        began = call.now
        await audio.__anext__()
        assert call.now - began == pytest.approx(2.0, abs=0.05)
        assert audio.dropped == 0
        await control.aclose()


async def test_one_task_at_a_time() -> None:
    async with simulate({ANN: Human.silent(0)}) as call:
        control = await answered(call)
        audio = await control.listen(IDENTITY)
        first = asyncio.create_task(take(audio, 0.1))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="listen to it twice"):
            await audio.__anext__()
        await first
        with pytest.raises(ConfigurationError, match="sample_rate"):
            await control.listen(IDENTITY, sample_rate=0)
        call.faults.fail("listen", OSError("no"))
        with pytest.raises(OSError, match="no"):
            await control.listen(IDENTITY)
        await control.aclose()
