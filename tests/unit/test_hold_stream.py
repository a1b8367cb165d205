"""Frames from an async iterator: played as they come, with bounds, and never with a hole."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import AudioConfig

from livetransfer import ConfigurationError
from livetransfer.hold import HoldMusicPlayer, HoldSourceFailed, HoldSourceLate, HoldSourceReady
from livetransfer.hold.stream import AHEAD, RECORDED
from livetransfer.testing import virtual_time
from livetransfer.testing.clock import Clock

from .hold_kit import RATE, Events, FakeSink, frames_of, pitch, quietest, rms, tone


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    async with virtual_time() as clock:
        yield clock


async def heard(source: object, seconds: float) -> tuple[FakeSink, Events]:
    events, sink = Events(), FakeSink()
    player = HoldMusicPlayer(source, on_event=events.append)  # type: ignore[arg-type]
    handle = player.play(sink)
    await asyncio.sleep(seconds)
    handle.stop(0.05)
    await handle.wait()
    assert sink.gaps == []
    assert len(asyncio.all_tasks()) == 1
    return sink, events


async def test_it_is_played_as_it_comes_and_then_again(clock: Clock) -> None:
    sink, events = await heard(frames_of(tone(3, 600)), 10)
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    assert pitch(sink.heard[8 * RATE : 9 * RATE]) == pytest.approx(600, abs=2)
    assert quietest(sink.heard[RATE : 10 * RATE]) > -25


async def test_rates_and_channels_are_converted(clock: Clock) -> None:
    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(3, 600, 44_100), 44_100):
            both = np.repeat(np.frombuffer(frame.data, np.int16), 2)
            yield rtc.AudioFrame(both.tobytes(), 44_100, 2, frame.samples_per_channel)

    sink, events = await heard(AudioConfig(frames(), volume=0.5), 2)
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    assert rms(sink.heard[RATE : 2 * RATE]) == pytest.approx(-17 - 6, abs=0.5)


async def test_an_endless_stream_takes_bounded_memory(clock: Clock) -> None:
    read = 0.0

    async def endless() -> AsyncIterator[rtc.AudioFrame]:
        nonlocal read
        samples = tone(1, 600)
        while True:
            async for frame in frames_of(samples):
                read += frame.duration
                yield frame

    tracemalloc.start()
    sink = FakeSink()
    handle = HoldMusicPlayer(endless()).play(sink)
    await asyncio.sleep(RECORDED + 60)
    sink.frames.clear()
    sink._parts.clear()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read < RECORDED + 60 + AHEAD + 1, "it is not read faster than it is heard"
    assert used < 3e6, "what was recorded to be repeated is given up"
    assert sink.gaps == []
    handle.stop()
    await handle.wait()


async def test_the_built_in_clip_stands_in_for_one_that_stalls(clock: Clock) -> None:
    async def stalls() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(2, 600)):
            yield frame
        await asyncio.sleep(5)
        async for frame in frames_of(tone(30, 900)):
            yield frame

    sink, events = await heard(stalls(), 12)
    assert [type(event) for event in events] == [HoldSourceFailed, HoldSourceReady]
    assert pitch(sink.heard[RATE : 3 * RATE // 2]) == pytest.approx(600, abs=3)
    assert rms(sink.heard[3 * RATE : 6 * RATE]) > -45
    assert pitch(sink.heard[10 * RATE : 11 * RATE]) == pytest.approx(900, abs=3)


async def test_one_that_never_begins(clock: Clock) -> None:
    async def never() -> AsyncIterator[rtc.AudioFrame]:
        await asyncio.sleep(1e6)
        yield rtc.AudioFrame.create(RATE, 1, 480)

    sink, events = await heard(never(), 3)
    assert [type(event) for event in events] == [HoldSourceLate]
    assert rms(sink.heard[RATE : 2 * RATE]) > -45


async def test_one_that_raises(clock: Clock) -> None:
    async def raises() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(1, 600)):
            yield frame
        raise OSError("the radio is off")

    sink, events = await heard(raises(), 4)
    assert "the radio is off" in events.of(HoldSourceFailed)[-1].reason
    assert rms(sink.heard[2 * RATE : 3 * RATE]) > -45


async def test_one_that_yields_nothing_or_nonsense(clock: Clock) -> None:
    async def nothing() -> AsyncIterator[rtc.AudioFrame]:
        return
        yield

    async def nonsense() -> AsyncIterator[str]:
        yield "words"

    for frames in (nothing(), nonsense()):
        sink, events = await heard(frames, 2)
        assert len(events.of(HoldSourceFailed)) == 1
        assert rms(sink.heard[RATE : 2 * RATE]) > -45


async def test_it_can_be_played_to_one_call_only(clock: Clock) -> None:
    player = HoldMusicPlayer(frames_of(tone(5, 600)), on_event=(events := Events()).append)
    sinks = [FakeSink(), FakeSink()]
    handles = [player.play(sink) for sink in sinks]
    await asyncio.sleep(2)
    for handle in handles:
        handle.stop()
        await handle.wait()
    assert pitch(sinks[0].heard[RATE : 3 * RATE // 2]) == pytest.approx(600, abs=3)
    assert "another call" in events.of(HoldSourceFailed)[0].reason
    assert rms(sinks[1].heard[RATE : 2 * RATE]) > -45


async def test_a_stream_cannot_be_in_a_playlist() -> None:
    with pytest.raises(ConfigurationError, match="playlist"):
        HoldMusicPlayer([frames_of(tone()), (tone(), RATE)])


async def test_the_iterator_is_closed_at_the_end(clock: Clock) -> None:
    closed = False

    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        nonlocal closed
        try:
            async for frame in frames_of(tone(60)):
                yield frame
        finally:
            closed = True

    await heard(frames(), 1)
    assert closed
