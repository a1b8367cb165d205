"""A leg's audio, for code that has to find out who or what has answered."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from livekit import rtc

from livetransfer.control import LegAudio

from .rigs import Answers, Rig, answered

LOUD = 500
"""Of 32767: a voice is above it."""


async def take(audio: LegAudio, seconds: float) -> list[rtc.AudioFrame]:
    """Take so many seconds of it."""
    frames: list[rtc.AudioFrame] = []
    while sum(frame.duration for frame in frames) < seconds - 1e-6:
        frames.append(await asyncio.wait_for(audio.__anext__(), 3.0))
    return frames


def peak(frames: list[rtc.AudioFrame]) -> int:
    """The loudest sample."""
    return max(int(np.abs(np.frombuffer(f.data, np.int16).astype(int)).max()) for f in frames)


async def until_heard(audio: LegAudio) -> None:
    """Take what comes until it is loud."""
    while peak([await asyncio.wait_for(audio.__anext__(), 3.0)]) < LOUD:
        pass


@pytest.mark.parametrize("rate", [8000, 16_000])
async def test_what_a_sealed_human_says(rig: Rig, rate: int) -> None:
    dialling = asyncio.create_task(answered(rig, "human-1", after=0.8))
    await rig.human_is("ringing")
    audio = await rig.control.listen("human-1", sample_rate=rate)
    assert audio.sample_rate == rate
    await dialling
    await until_heard(audio)
    frames = await take(audio, 0.5)
    assert {(f.sample_rate, f.num_channels) for f in frames} == {(rate, 1)}
    assert all(0.01 <= f.duration <= 0.05 for f in frames)
    assert peak(frames) > LOUD
    await audio.aclose()
    await audio.aclose()
    with pytest.raises(StopAsyncIteration):
        await audio.__anext__()


async def test_it_ends_with_the_leg(rig: Rig) -> None:
    await answered(rig)
    audio = await rig.control.listen("human-1")
    await until_heard(audio)

    async def to_the_end() -> None:
        async for _ in audio:
            pass

    ending = asyncio.create_task(to_the_end())
    await rig.run(0.3)
    assert not ending.done()
    await rig.hang_up("human")
    await asyncio.wait_for(ending, 2.0)
    await audio.aclose()


async def test_cancelled_it_goes_on_where_it_was(rig: Rig) -> None:
    await answered(rig)
    audio = await rig.control.listen("human-1")
    await until_heard(audio)
    for _ in range(5):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_forever(audio), 0.1)
    assert audio.dropped == 0
    assert peak(await take(audio, 0.2)) > LOUD
    await audio.aclose()


async def _forever(audio: LegAudio) -> None:
    async for _ in audio:
        pass


async def test_the_oldest_is_dropped(rig: Rig) -> None:
    await answered(rig)
    audio = await rig.control.listen("human-1")
    await until_heard(audio)
    await rig.run(3.0)
    queued = await asyncio.wait_for(take(audio, 1.9), 0.5)
    assert peak(queued) > LOUD
    assert 0.7 < audio.dropped < 1.4
    await audio.aclose()


async def test_closed_while_somebody_waits(rig: Rig) -> None:
    dialling = asyncio.create_task(
        rig.control.dial(rig.human(Answers(after=5.0)), identity="human-1", ring_timeout=20.0)
    )
    await rig.human_is("ringing")
    audio = await rig.control.listen("human-1")
    waiting = asyncio.create_task(_forever(audio))
    await rig.run(0.2)
    await audio.aclose()
    await asyncio.wait_for(waiting, 1.0)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling


async def test_two_listen_to_two_legs(rig: Rig) -> None:
    await asyncio.gather(answered(rig, "human-1"), answered(rig, "human-2", who="second"))
    one, other = [await rig.control.listen(f"human-{n}") for n in (1, 2)]
    await asyncio.gather(until_heard(one), until_heard(other))
    await rig.hang_up("human")
    await asyncio.wait_for(_forever(one), 2.0)
    assert peak(await take(other, 0.3)) > LOUD
    await rig.control.aclose()
    await asyncio.wait_for(_forever(other), 1.0)
