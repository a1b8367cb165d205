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
from livetransfer.hold.sources.stream import AHEAD, RECORDED
from livetransfer.testing.clock import Clock

from .hold_kit import (
    RATE,
    Events,
    FakeSink,
    frames_of,
    largest_step,
    pitch,
    quietest,
    rms,
    tone,
)


async def heard(source: object, seconds: float, capacity: float) -> tuple[FakeSink, Events]:
    events, sink = Events(), FakeSink(capacity=capacity)
    player = HoldMusicPlayer(source, on_event=events.append)  # type: ignore[arg-type]
    handle = player.play(sink)
    await asyncio.sleep(seconds)
    handle.stop(0.05)
    await handle.wait()
    assert sink.gaps == []
    assert len(asyncio.all_tasks()) == 1
    return sink, events


async def test_it_is_played_as_it_comes_and_then_again(clock: Clock, capacity: float) -> None:
    sink, events = await heard(frames_of(tone(3, 600)), 10, capacity)
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    assert pitch(sink.heard[8 * RATE : 9 * RATE]) == pytest.approx(600, abs=2)
    assert quietest(sink.heard[RATE : 10 * RATE]) > -25


async def test_rates_and_channels_are_converted(clock: Clock, capacity: float) -> None:
    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(3, 600, 44_100), 44_100):
            both = np.repeat(np.frombuffer(frame.data, np.int16), 2)
            yield rtc.AudioFrame(both.tobytes(), 44_100, 2, frame.samples_per_channel)

    sink, events = await heard(AudioConfig(frames(), volume=0.5), 2, capacity)
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    assert rms(sink.heard[RATE : 2 * RATE]) == pytest.approx(-17 - 6, abs=0.5)


async def test_its_rate_and_its_channels_may_change(clock: Clock, capacity: float) -> None:
    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(2, 600)):
            yield frame
        async for frame in frames_of(tone(2, 600, 48_000), 48_000):
            yield frame
        async for frame in frames_of(tone(8, 600, 16_000), 16_000):
            both = np.repeat(np.frombuffer(frame.data, np.int16), 2)
            yield rtc.AudioFrame(both.tobytes(), 16_000, 2, frame.samples_per_channel)

    sink, events = await heard(frames(), 8, capacity)
    assert events == []
    for second in (1, 3, 5, 7):
        piece = sink.heard[second * RATE : second * RATE + RATE // 2]
        assert pitch(piece) == pytest.approx(600, abs=3)


@pytest.mark.parametrize("pauses", [[0.02], [0.0, 0.04], [0.0, 0.0, 0.0, 0.25] * 10 + [0.0] * 10])
async def test_one_that_comes_in_real_time_is_played_and_goes_on(
    clock: Clock, capacity: float, pauses: list[float]
) -> None:
    """Seconds that each frame of 20 ms, or so many of them, lets wait for itself."""

    async def radio() -> AsyncIterator[rtc.AudioFrame]:
        seconds = sum(pauses) / len(pauses)
        while True:
            for pause in pauses:
                await asyncio.sleep(pause)
                async for frame in frames_of(tone(seconds, 600), seconds=seconds):
                    yield frame

    sink, events = await heard(radio(), 30, capacity)
    assert [type(event) for event in events] == [HoldSourceLate, HoldSourceReady]
    assert pitch(sink.heard[5 * RATE : 29 * RATE]) == pytest.approx(600, abs=3)


async def test_one_that_never_waits_does_not_hold_up_the_event_loop() -> None:
    """Empty frames never add up to what is read ahead at most."""
    given = 0

    async def empty() -> AsyncIterator[rtc.AudioFrame]:
        nonlocal given
        while given < 100_000:
            given += 1
            yield rtc.AudioFrame(b"", RATE, 1, 0)

    handle = HoldMusicPlayer(empty()).play(FakeSink())
    for _ in range(100):
        await asyncio.sleep(0)
    assert 50 < given < 150, "it takes turns"
    handle.stop()
    await handle.wait()


async def test_an_endless_stream_takes_bounded_memory(clock: Clock, capacity: float) -> None:
    read = 0.0

    async def endless() -> AsyncIterator[rtc.AudioFrame]:
        nonlocal read
        samples = tone(1, 600)
        while True:
            async for frame in frames_of(samples):
                read += frame.duration
                yield frame

    tracemalloc.start()
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(endless()).play(sink)
    await asyncio.sleep(RECORDED + 60)
    sink.frames.clear()
    sink._parts.clear()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read < RECORDED + 60 + AHEAD + capacity + 1, "it is not read faster than it is heard"
    assert used < 3e6, "what was recorded to be repeated is given up"
    assert sink.gaps == []
    handle.stop()
    await handle.wait()


async def test_the_built_in_clip_stands_in_for_one_that_stalls(
    clock: Clock, capacity: float
) -> None:
    async def stalls() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(2, 600)):
            yield frame
        await asyncio.sleep(5)
        async for frame in frames_of(tone(30, 900)):
            yield frame

    sink, events = await heard(stalls(), 12, capacity)
    assert [type(event) for event in events] == [HoldSourceFailed, HoldSourceReady]
    assert pitch(sink.heard[RATE : 3 * RATE // 2]) == pytest.approx(600, abs=3)
    assert rms(sink.heard[3 * RATE : 6 * RATE]) > -45
    assert pitch(sink.heard[10 * RATE : 11 * RATE]) == pytest.approx(900, abs=3)


async def test_the_end_of_what_came_is_faded_out(clock: Clock, capacity: float) -> None:
    """Of a stream that stalls, so much is left that there is no click."""
    for seconds in np.arange(2.0, 3.0, 0.0713):

        async def stalls(seconds: float = seconds) -> AsyncIterator[rtc.AudioFrame]:
            async for frame in frames_of(tone(seconds, 600)):
                yield frame
            await asyncio.sleep(1e6)

        sink, events = await heard(stalls(), 5, capacity)
        assert len(events.of(HoldSourceFailed)) == 1
        assert largest_step(sink.heard) < 3000, seconds


async def test_one_that_never_begins(clock: Clock, capacity: float) -> None:
    async def never() -> AsyncIterator[rtc.AudioFrame]:
        await asyncio.sleep(1e6)
        yield rtc.AudioFrame.create(RATE, 1, 480)

    sink, events = await heard(never(), 3, capacity)
    assert [type(event) for event in events] == [HoldSourceLate]
    assert rms(sink.heard[RATE : 2 * RATE]) > -45


async def test_one_that_raises(clock: Clock, capacity: float) -> None:
    async def raises() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(1, 600)):
            yield frame
        raise OSError("the radio is off")

    sink, events = await heard(raises(), 4, capacity)
    assert "the radio is off" in events.of(HoldSourceFailed)[-1].reason
    assert rms(sink.heard[2 * RATE : 3 * RATE]) > -45


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.7, 1.5, 2.2, 5.0])
async def test_one_that_raises_is_told_whatever_it_gave_before(
    clock: Clock, capacity: float, seconds: float
) -> None:
    async def raises() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(seconds, 600)):
            yield frame
        raise OSError("the radio is off")

    async def comes_back() -> AsyncIterator[rtc.AudioFrame]:
        async for frame in frames_of(tone(3, 600)):
            yield frame
        await asyncio.sleep(4)
        async for frame in raises():
            yield frame

    for stream in (raises(), comes_back()):
        sink, events = await heard(stream, 16, capacity)
        told = [event.reason for event in events.of(HoldSourceFailed)]
        assert ["the radio is off" in reason for reason in told].count(True) == 1, told
        assert rms(sink.heard[14 * RATE : 15 * RATE]) > -45


async def test_one_that_yields_nothing_or_nonsense(clock: Clock, capacity: float) -> None:
    async def nothing() -> AsyncIterator[rtc.AudioFrame]:
        return
        yield

    async def nonsense() -> AsyncIterator[str]:
        yield "words"

    for frames in (nothing(), nonsense()):
        sink, events = await heard(frames, 2, capacity)
        assert len(events.of(HoldSourceFailed)) == 1
        assert rms(sink.heard[RATE : 2 * RATE]) > -45


async def test_it_can_be_played_to_one_call_only(clock: Clock, capacity: float) -> None:
    player = HoldMusicPlayer(frames_of(tone(5, 600)), on_event=(events := Events()).append)
    sinks = [FakeSink(capacity=capacity), FakeSink(capacity=capacity)]
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


async def test_the_iterator_is_closed_at_the_end(clock: Clock, capacity: float) -> None:
    closed = False

    async def frames() -> AsyncIterator[rtc.AudioFrame]:
        nonlocal closed
        try:
            async for frame in frames_of(tone(60)):
                yield frame
        finally:
            closed = True

    await heard(frames(), 1, capacity)
    assert closed
