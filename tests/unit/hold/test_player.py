"""How hold music plays: at once, without gap, click or drift, and ends when it is told to."""

from __future__ import annotations

import asyncio
import collections
import itertools
import math
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from livetransfer import ConfigurationError
from livetransfer.hold import AudioError, HoldMusicPlayer, PlayHandle
from livetransfer.hold.play.sink_output import PIECE, TICK
from livetransfer.hold.sound.leveling import loudness
from livetransfer.hold.sound.loop import GUARD
from livetransfer.hold.sources.clips import cache
from livetransfer.testing.clock import Clock

from .hold_kit import (
    RATE,
    Events,
    FakeSink,
    chirp,
    encoded,
    frames_of,
    largest_step,
    pitch,
    quietest,
    rms,
    tone,
)

CLIP = (tone(3, 500), RATE)


async def end(handle: PlayHandle, fade: float = 0.05) -> None:
    handle.stop(fade)
    await handle.wait()
    assert handle.done
    assert handle.error is None


LEAST = {0.4: 0.18, 1.0: 0.57}
"""Seconds that are left when more is written, by the capacity: what is not a frame, nearly."""


async def test_whenever_it_begins_half_of_the_queue_is_left_when_more_is_written(
    clock: Clock,
    capacity: float,
) -> None:
    lowest = {}
    for late in range(100):
        await asyncio.sleep(-clock.now % TICK + late * TICK / 100)
        sink = Lowest(capacity=capacity)
        handle = HoldMusicPlayer(CLIP).play(sink)
        await asyncio.sleep(5)
        lowest[late] = sink.lowest
        await end(handle)
    assert {late: left for late, left in lowest.items() if left < LEAST[capacity]} == {}


class Lowest(FakeSink):
    """Knows how little was queued when more was written, but for the first two frames."""

    lowest = math.inf

    async def write(self, frame: rtc.AudioFrame) -> None:
        if len(self.frames) > 1:
            self.lowest = min(self.lowest, self.queued)
        await super().write(frame)


async def test_so_it_is_where_what_is_queued_goes_down_in_pieces(
    clock: Clock, capacity: float
) -> None:
    lowest = {}
    for late, phase in itertools.product(range(0, 200, 7), (0.0, 0.003, 0.005, 0.0077, 0.0095)):
        await asyncio.sleep(-clock.now % TICK + late / 1000)
        sink = Pieces(capacity, math.floor(clock.now * 100) / 100 + phase)
        handle = HoldMusicPlayer(CLIP).play(sink)
        await asyncio.sleep(4)
        lowest[late, phase] = sink.lowest
        assert sink.most <= capacity + 1e-6, "no write has to wait"
        handle.task.cancel()
        await handle.wait()
    assert {where: left for where, left in lowest.items() if left < LEAST[capacity]} == {}


class Pieces(Lowest):
    """As a `SourceSink`: what is queued goes down in steps of 10 ms, the first one at `phase`."""

    def __init__(self, capacity: float, phase: float) -> None:
        super().__init__(capacity=capacity, takes=0.001)
        self._phase, self._last = phase, 0

    @property
    def _piece(self) -> int:
        return math.floor((self.now - self._phase) / PIECE)

    @property
    def queued(self) -> float:
        return max(0, self._last - self._piece) * PIECE

    async def write(self, frame: rtc.AudioFrame) -> None:
        last = max(self._last, self._piece) + round(frame.duration / PIECE)
        self.lowest = min(self.lowest, self.queued) if len(self.frames) > 1 else math.inf
        self.frames.append(frame)
        self._last = last
        self.most = max(self.most, self.queued)
        await asyncio.sleep(self.takes)


async def test_so_it_is_for_words_after_silence(clock: Clock, capacity: float) -> None:
    lowest = {}
    for late in range(0, 200, 13):
        sink = Lowest(capacity=capacity)
        handle = HoldMusicPlayer(None).play(sink)
        await handle.say((tone(1), RATE))
        await asyncio.sleep(-clock.now % TICK + 1 + late / 1000)
        sink.frames.clear()
        sink.lowest = math.inf
        spoken = handle.say((tone(3), RATE))
        await asyncio.sleep(2)
        lowest[late] = sink.lowest
        await spoken
        await end(handle)
    assert {late: left for late, left in lowest.items() if left < LEAST[capacity]} == {}


async def test_calls_that_begin_together_are_not_all_written_to_at_once(clock: Clock) -> None:
    for late in (0.03, 0.17):
        await asyncio.sleep(-clock.now % TICK + late)
        sinks = [Written(capacity=1.0) for _ in range(20)]
        handles = [HoldMusicPlayer(CLIP).play(sink) for sink in sinks]
        await asyncio.sleep(5)
        moments = collections.Counter(round(sink.written % 0.4, 2) for sink in sinks)
        assert sorted(moments.values()) == [10, 10]
        for handle in handles:
            await end(handle)


class Written(FakeSink):
    """Knows when it was written to last."""

    written = 0.0

    async def write(self, frame: rtc.AudioFrame) -> None:
        self.written = self.now
        await super().write(frame)


@pytest.mark.parametrize("capacity", [0.4, 0.6, 0.79, 0.8, 1.0])
async def test_no_frame_is_longer_than_what_a_loop_gives_in_one_piece(
    clock: Clock, capacity: float
) -> None:
    for late in range(0, 200, 10):
        await asyncio.sleep(-clock.now % TICK + late / 1000)
        sink = FakeSink(capacity=capacity)
        handle = HoldMusicPlayer(CLIP).play(sink)
        await asyncio.sleep(3)
        assert max(frame.duration for frame in sink.frames) <= GUARD
        await end(handle)


async def test_it_begins_at_once_and_has_no_gap(clock: Clock, capacity: float) -> None:
    player, sink = HoldMusicPlayer(), FakeSink(capacity=capacity)
    called = clock.now
    handle = player.play(sink)
    await asyncio.sleep(180)
    assert sink.began - called <= 0.2
    assert sink.gaps == []
    assert quietest(sink.heard[RATE // 5 :]) > -60
    assert loudness(sink.heard, RATE) == pytest.approx(-23, abs=0.5)
    await end(handle)


@pytest.mark.parametrize("rate", [24_000, 48_000])
async def test_ten_minutes_do_not_drift(clock: Clock, rate: int) -> None:
    """What is heard ten minutes in is, to the sample, what the clip has there."""
    sink = FakeSink(rate)
    handle = HoldMusicPlayer((tone(7.77, 441.7), RATE)).play(sink)
    await asyncio.sleep(600)
    # Less than 5 ms between the audio and the clock ...
    assert len(sink.heard) / rate - sink.queued == pytest.approx(clock.now - sink.began, abs=0.001)
    assert sink.gaps == []
    # ... and every turn of the loop is as long as every other one.
    samples = sink.heard[rate:]
    turn = _period(samples[: 20 * rate], round(7.5 * rate))
    last = len(samples) // turn * turn - turn
    assert np.array_equal(samples[:turn], samples[last : last + turn])
    await end(handle)


def _period(samples: Any, least: int) -> int:
    """The smallest shift, from `least` on, at which `samples` repeat."""
    piece = samples[:2000]
    for shift in range(least, len(samples) - 2000):
        if samples[shift] == piece[0] and np.array_equal(samples[shift : shift + 2000], piece):
            return shift
    raise AssertionError("it does not repeat")


async def test_frames_are_slices_of_one_buffer_shared_by_all_calls(
    clock: Clock, capacity: float
) -> None:
    player = HoldMusicPlayer(CLIP)
    sinks = [FakeSink(capacity=capacity) for _ in range(3)]
    handles = [player.play(sink) for sink in sinks]
    await asyncio.sleep(5)
    loop = next(reversed(cache._held.values()))
    for sink in sinks:
        inside = [np.frombuffer(frame.data, np.int16) for frame in sink.frames[3:]]
        assert len(inside) > 10
        assert all(np.shares_memory(samples, loop.buffer) for samples in inside)
    for handle in handles:
        await end(handle)


async def test_one_task_and_no_thread_per_call(clock: Clock, capacity: float) -> None:
    player = HoldMusicPlayer(CLIP)
    await end(player.play(FakeSink(capacity=capacity)))
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    handles = [player.play(FakeSink(capacity=capacity)) for _ in range(20)]
    await asyncio.sleep(3)
    assert len(asyncio.all_tasks()) == tasks + 20
    assert threading.active_count() <= threads
    for handle in handles:
        await end(handle)
    assert len(asyncio.all_tasks()) == tasks


async def test_it_does_not_queue_much(clock: Clock) -> None:
    sink = FakeSink(capacity=10.0)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(5)
    assert 0.9 < sink.most <= 1.0
    await end(handle)


async def test_it_queues_less_in_a_sink_that_does_not_say_how_much_it_takes(clock: Clock) -> None:
    class Discreet:
        def __init__(self) -> None:
            self.inner = FakeSink(capacity=10.0)

        def __getattr__(self, name: str) -> Any:
            if name == "capacity":
                raise AttributeError(name)
            return getattr(self.inner, name)

    sink: Any = Discreet()
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(5)
    assert 0.3 < sink.inner.most <= 0.4
    assert sink.inner.gaps == []
    await end(handle)


@pytest.mark.parametrize("capacity", [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0])
async def test_any_capacity_of_the_sink_will_do(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(5)
    assert sink.gaps == []
    # A frame of 0.2 s is written to the smallest one too, and waited for.
    assert capacity - 0.02 <= round(sink.most, 6) <= max(capacity, 0.2) + 0.2
    await end(handle)


async def test_stereo_sinks(clock: Clock) -> None:
    sink = FakeSink(48_000, channels=2)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(2)
    assert pitch(sink.heard[48_000 : 2 * 48_000], 48_000) == pytest.approx(500, abs=2)
    both = np.frombuffer(sink.frames[4].data, np.int16).reshape(-1, 2)
    assert np.array_equal(both[:, 0], both[:, 1])
    await end(handle)


async def test_it_fades_in(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP, fade_in=1.0).play(sink)
    await asyncio.sleep(3)
    levels = [rms(sink.heard[i : i + 2400]) for i in range(0, RATE, 2400)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1] - 20
    assert largest_step(sink.heard[:200]) < 20
    await end(handle)


@pytest.mark.parametrize("fade", [0.0, 0.03, 0.1, 0.25, 0.6, 2.0])
async def test_it_ends_when_it_is_told_and_without_a_click(
    clock: Clock, capacity: float, fade: float
) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    for moment in (0.77, 1.0, 1.333):
        sink = FakeSink(capacity=capacity)
        handle = HoldMusicPlayer(CLIP).play(sink)
        await asyncio.sleep(moment)
        asked = clock.now
        handle.stop(fade)
        await handle.wait()
        assert clock.now - asked == pytest.approx(max(fade, 0.03), abs=0.015)
        assert sink.gaps == []
        assert largest_step(sink.heard) <= 1.05 * largest_step(sink.heard[RATE // 4 : RATE // 2])
        assert np.abs(sink.heard[-20:]).max() < 60
        tail = sink.since(asked)
        assert len(tail) == pytest.approx(max(fade, 0.03) * RATE, abs=0.015 * RATE)
        await asyncio.sleep(1)
        assert sink.queued == 0


async def test_stop_returns_at_once_and_may_be_hurried(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(1)
    handle.stop(5.0)
    assert not handle.done
    await asyncio.sleep(1)
    assert not handle.done
    asked = clock.now
    handle.stop(0.1)
    handle.stop(3.0)
    await handle.wait()
    assert clock.now - asked == pytest.approx(0.1, abs=0.015)
    assert largest_step(sink.heard) <= 1.05 * largest_step(sink.heard[RATE // 4 : RATE // 2])


async def test_stop_before_anything_was_heard(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    handle.stop()
    await handle.wait()
    assert sink.frames == []


async def test_the_default_fade_is_the_players(clock: Clock, capacity: float) -> None:
    handle = HoldMusicPlayer(CLIP, fade_out=0.7).play(FakeSink(capacity=capacity))
    await asyncio.sleep(1)
    asked = clock.now
    handle.stop()
    await handle.wait()
    assert clock.now - asked == pytest.approx(0.7, abs=0.015)


async def test_cancelling_wait_does_not_end_the_music(clock: Clock, capacity: float) -> None:
    handle = HoldMusicPlayer(CLIP).play(FakeSink(capacity=capacity))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(handle.wait(), 1)
    assert not handle.done
    await end(handle)


async def test_pause_and_resume_go_on_at_the_same_place(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer((chirp(30.0), RATE), fade_in=0.05).play(sink)
    await asyncio.sleep(5)
    asked = clock.now
    handle.pause()
    handle.pause()
    await asyncio.sleep(0.06)
    assert sink.queued == 0
    await asyncio.sleep(10)
    assert rms(sink.since(asked)[RATE // 10 :]) < -100
    resumed = clock.now
    handle.resume()
    await asyncio.sleep(2)
    before = sink.heard[round((asked - sink.began - 0.1) * RATE) :][: RATE // 10]
    after = sink.since(resumed)[RATE // 10 : RATE // 5]
    # 40 Hz per second: 0.2 s apart.
    assert pitch(after) - pitch(before) == pytest.approx(8, abs=12)
    assert largest_step(sink.heard) < 4000
    await end(handle)


async def test_resume_while_pause_still_fades(clock: Clock, capacity: float) -> None:
    for moment in (0.0, 0.0005, 0.01):
        sink = FakeSink(capacity=capacity, takes=0.001)
        handle = HoldMusicPlayer(CLIP).play(sink)
        await asyncio.sleep(2)
        handle.pause()
        await asyncio.sleep(moment)
        handle.resume()
        resumed = clock.now
        await asyncio.sleep(2)
        assert rms(sink.since(resumed + 1)) == pytest.approx(
            rms(sink.heard[RATE : 3 * RATE // 2]), abs=1
        )
        assert largest_step(sink.heard) <= 1.05 * largest_step(sink.heard[RATE // 4 : RATE])
        handle.pause()
        handle.resume()
        handle.pause()
        await asyncio.sleep(1)
        assert sink.queued == 0, "what was asked for last holds"
        await end(handle)


async def test_a_pause_does_not_cut_a_line(clock: Clock, capacity: float) -> None:
    """It may be rendered to its end and not be heard yet."""
    words = tone(2, 1300, level=0.3)
    for moment in np.arange(1.0, 3.0, 0.1):
        sink = FakeSink(capacity=capacity, takes=0.001)
        handle = HoldMusicPlayer(None).play(sink)
        await asyncio.sleep(1)
        heard = handle.say((words, RATE))
        await asyncio.sleep(moment)
        handle.pause()
        await heard
        loud = np.count_nonzero(np.abs(sink.heard) > 1000)
        assert loud / np.count_nonzero(np.abs(words * 32767) > 1000) > 0.98, moment
        await end(handle)


async def test_it_ends_with_its_fade_whatever_happens_meanwhile(
    clock: Clock, capacity: float
) -> None:
    """A line that becomes ready wakes it, and must not end what is still to be heard."""
    ready = asyncio.Event()

    async def slow() -> AsyncIterator[rtc.AudioFrame]:
        await ready.wait()
        async for frame in frames_of(tone(1, 1300)):
            yield frame

    sink = FakeSink(capacity=capacity, takes=0.001)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(2)
    handle.say(slow())
    asked = clock.now
    handle.stop(0.2)
    await asyncio.sleep(0.05)
    ready.set()
    await handle.wait()
    assert clock.now - asked == pytest.approx(0.2, abs=0.015)
    assert sink.queued < 0.01, "it would be cut off by who closes the sink"


async def test_stop_while_it_is_paused(clock: Clock, capacity: float) -> None:
    handle = HoldMusicPlayer(CLIP).play(FakeSink(capacity=capacity))
    await asyncio.sleep(1)
    handle.pause()
    await asyncio.sleep(1)
    asked = clock.now
    await end(handle, 1.0)
    assert clock.now - asked < 0.1


@pytest.mark.parametrize("form", ["array", "frame", "frames", "stream", "bytes"])
async def test_a_line_turns_the_music_down_and_brings_it_back(
    clock: Clock, capacity: float, form: str
) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(2)
    words = tone(1.5, 1300, level=0.3)
    frames = [frame async for frame in frames_of(words)]
    line: Any = {
        "array": (words, RATE),
        "frame": rtc.AudioFrame((words * 32767).astype(np.int16).tobytes(), RATE, 1, len(words)),
        "frames": frames,
        "stream": frames_of(words),
        "bytes": encoded(words),
    }[form]
    asked = clock.now
    await handle.say(line, duck_db=-12)
    longest = {0.4: 2.4, 1.0: 3.2}[capacity]
    assert 1.7 < clock.now - asked < longest, "done when it was heard to its end"
    await asyncio.sleep(2)
    heard = sink.since(asked)
    spoken = [i for i in range(0, 3 * RATE, 2400) if _at(heard[i : i + 2400], 1300) > -20]
    assert len(spoken) in (14, 15, 16)
    music = [_at(heard[i : i + 2400], 500) for i in range(0, 4 * RATE, 2400)]
    usual = _at(sink.since(asked - 0.5)[:2400], 500)
    assert music[spoken[7] // 2400] == pytest.approx(usual - 12, abs=0.7)
    assert music[-1] == pytest.approx(usual, abs=0.3)
    assert sink.gaps == []
    assert np.abs(heard.astype(int)).max() < 32767
    await end(handle)


def _at(samples: Any, hertz: float) -> float:
    """Level of the tone of `hertz` Hz, in dBFS."""
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / RATE)
    return 20 * float(np.log10(2 * abs(np.mean(samples * wave)) / 32768 + 1e-9))


async def test_lines_wait_for_each_other(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(1)
    asked = clock.now
    lines = [handle.say((tone(1, f, level=0.3), RATE)) for f in (1000, 2000)]
    await asyncio.gather(*lines)
    assert 2.2 < clock.now - asked < {0.4: 3.2, 1.0: 4.0}[capacity]
    heard = sink.since(asked)
    ones = [i for i in range(0, 3 * RATE, 2400) if _at(heard[i : i + 2400], 1000) > -20]
    twos = [i for i in range(0, 3 * RATE, 2400) if _at(heard[i : i + 2400], 2000) > -20]
    assert max(ones) <= min(twos)
    await end(handle)


async def test_a_line_that_is_ready_sooner_waits_for_the_one_before(
    clock: Clock, capacity: float
) -> None:
    async def slow() -> AsyncIterator[rtc.AudioFrame]:
        await asyncio.sleep(1)
        async for each in frames_of(tone(0.5, 1000, level=0.3)):
            yield each

    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    asked = clock.now
    lines = [handle.say(slow()), handle.say((tone(0.5, 2000, level=0.3), RATE))]
    await asyncio.gather(*lines)
    heard = sink.since(asked)
    pieces = range(0, len(heard) - 2400, 2400)
    ones = [i for i in pieces if _at(heard[i : i + 2400], 1000) > -20]
    twos = [i for i in pieces if _at(heard[i : i + 2400], 2000) > -20]
    assert ones
    assert twos
    assert max(ones) <= min(twos)
    await end(handle)


async def test_a_line_that_cannot_be_played(clock: Clock, capacity: float) -> None:
    handle = HoldMusicPlayer(CLIP).play(sink := FakeSink(capacity=capacity))
    for line in (object(), b"", [], "words", (np.zeros(3), 5), [3]):
        with pytest.raises((AudioError, ConfigurationError, TypeError)):
            await handle.say(line)
    handle.say(object())  # need not be awaited
    await asyncio.sleep(1)
    assert sink.gaps == []
    assert not handle.done
    await end(handle)


async def test_text_needs_a_synthesiser(clock: Clock, capacity: float) -> None:
    async def synthesise(text: str) -> Any:
        await asyncio.sleep(0.5)
        return tone(len(text) / 10, 1300, level=0.3), RATE

    handle = HoldMusicPlayer(CLIP).play(sink := FakeSink(capacity=capacity), synthesise=synthesise)
    await asyncio.sleep(1)
    await handle.say("ten chars.")
    assert max(_at(sink.heard[i : i + 2400], 1300) for i in range(0, 3 * RATE, 2400)) > -20
    await end(handle)


async def test_a_line_is_cancelled_when_the_music_ends(clock: Clock, capacity: float) -> None:
    handle = HoldMusicPlayer(CLIP).play(FakeSink(capacity=capacity))
    await asyncio.sleep(1)
    line = handle.say((tone(5), RATE))
    await asyncio.sleep(1)
    await end(handle)
    assert line.cancelled()
    assert handle.say((tone(5), RATE)).cancelled()


async def test_lines_are_spoken_in_quiet_and_while_it_is_paused(
    clock: Clock, capacity: float
) -> None:
    for source in (None, CLIP):
        sink = FakeSink(capacity=capacity)
        handle = HoldMusicPlayer(source).play(sink)
        await asyncio.sleep(1)
        handle.pause()
        await asyncio.sleep(1)
        asked = clock.now
        await handle.say((tone(1, 1300, level=0.3), RATE))
        heard = sink.since(asked)
        assert max(_at(heard[i : i + 2400], 1300) for i in range(0, RATE, 2400)) > -12
        assert max(_at(heard[i : i + 2400], 500) for i in range(0, RATE, 2400)) < -60
        await end(handle)


async def test_a_sink_that_is_closed_does_not_keep_it_busy(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    writes = 0
    write = sink.write

    async def counted(frame: rtc.AudioFrame) -> None:
        nonlocal writes
        writes += 1
        await write(frame)

    sink.write = counted  # type: ignore[method-assign]
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(1)
    await sink.aclose()
    writes = 0
    await asyncio.sleep(10)
    assert writes < 150
    await end(handle)


async def test_a_sink_that_fails_ends_it(
    clock: Clock, capacity: float, caplog: pytest.LogCaptureFixture
) -> None:
    sink = FakeSink(capacity=capacity)
    handle = HoldMusicPlayer(CLIP).play(sink)
    await asyncio.sleep(1)

    async def fail(frame: rtc.AudioFrame) -> None:
        raise OSError("the room is gone")

    sink.write = fail  # type: ignore[method-assign]
    line = handle.say((tone(5), RATE))
    await asyncio.wait_for(handle.wait(), 2)
    assert isinstance(handle.error, OSError)
    assert line.cancelled()
    assert "ended early" in caplog.text


async def test_a_listener_that_raises_does_no_harm(clock: Clock, capacity: float) -> None:
    def listener(event: object) -> None:
        raise RuntimeError("oh")

    player = HoldMusicPlayer(b"not audio", on_event=listener)
    handle = player.play(sink := FakeSink(capacity=capacity), on_event=(events := Events()).append)
    await asyncio.sleep(1)
    assert len(events) == 1
    assert rms(sink.heard) > -50
    await end(handle)


class Control:
    """As much of a CallControl as `playing` needs."""

    class caller:  # noqa: N801
        identity = "caller"

    def __init__(self) -> None:
        self.sink = FakeSink()
        self.opened: list[Any] = []

    async def open_audio(self, to: Any, *, name: str = "") -> FakeSink:
        self.opened.append((to, name))
        return self.sink


async def test_playing_is_a_block(clock: Clock) -> None:
    control: Any = Control()
    async with HoldMusicPlayer(CLIP, fade_out=0.1).playing(control) as handle:
        await asyncio.sleep(1)
        assert not handle.done
    assert control.opened == [(["caller"], "hold-music")]
    assert handle.done
    assert control.sink.closed
    assert np.abs(control.sink.heard[-20:]).max() < 60
    async with HoldMusicPlayer(CLIP).playing(control, to="somebody"):
        pass
    assert control.opened[1][0] == ["somebody"]


async def test_playing_cleans_up_when_it_is_cancelled(clock: Clock) -> None:
    control: Any = Control()

    async def hold() -> None:
        async with HoldMusicPlayer(CLIP).playing(control):
            await asyncio.sleep(100)

    task = asyncio.create_task(hold())
    await asyncio.sleep(1)
    before = len(asyncio.all_tasks())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert control.sink.closed
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before - 2


async def test_playing_to_a_room_needs_a_listener() -> None:
    with pytest.raises(ConfigurationError, match="identity"):
        async with HoldMusicPlayer(CLIP).playing(rtc.Room()):
            pass


async def test_on_a_real_clock_too() -> None:
    sink = FakeSink()
    began = time.monotonic()
    handle = HoldMusicPlayer().play(sink)
    await asyncio.sleep(0.8)
    assert sink.began - began < 0.2
    assert sink.gaps == []
    asked = time.monotonic()
    handle.stop(0.05)
    await handle.wait()
    assert time.monotonic() - asked < 0.25


async def test_the_longest_silence_is_what_the_sink_has_heard(clock: Clock) -> None:
    sink = FakeSink()
    since = asyncio.get_running_loop().time()
    await asyncio.sleep(0.7)
    handle = HoldMusicPlayer(CLIP).play(sink)
    assert handle.longest_silence(since) == pytest.approx(0.7)
    await asyncio.sleep(5.0)
    assert handle.longest_silence(since) == pytest.approx(0.7, abs=0.01)
    assert handle.longest_silence(since + 0.7) < 0.01
    handle.pause()
    await asyncio.sleep(3.0)
    handle.resume()
    await asyncio.sleep(3.0)
    heard = max(gap for _, gap in sink.gaps)
    assert handle.longest_silence(since) == pytest.approx(heard, abs=0.05)
    assert 2.5 < heard < 3.1
    await end(handle)
