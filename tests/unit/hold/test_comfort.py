"""Comfort lines: spoken when they are due, synthesised once, and never the end of the music."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from livetransfer import ConfigurationError
from livetransfer.hold import (
    Comfort,
    ComfortFailed,
    ComfortSpoken,
    Held,
    HoldMusicPlayer,
    PlayHandle,
)
from livetransfer.hold.sound.samples import collect
from livetransfer.testing.clock import Clock
from livetransfer.testing.models import ScriptedTTS

from .hold_kit import (
    RATE,
    Events,
    FakeSink,
    encoded,
    frames_of,
    pitch,
    rms,
    tone,
    written,
)

MUSIC = (tone(3, 500), RATE)


class Speaker:
    """A synthesiser: every line takes 2 s to say, as a tone of 1300 Hz."""

    def __init__(self, delay: float = 0.5) -> None:
        self.said: list[str] = []
        self._delay = delay

    async def __call__(self, text: str) -> Any:
        self.said.append(text)
        await asyncio.sleep(self._delay)
        return tone(2, 1300, level=0.3), RATE


def lines_in(sink: FakeSink) -> list[float]:
    """When lines begin, in seconds after the first frame."""
    size = RATE // 10
    wave = np.exp(-2j * np.pi * 1300 * np.arange(size) / RATE)
    heard = sink.heard[: len(sink.heard) // size * size].reshape(-1, size)
    loud = np.abs(heard @ wave) * 2 / size > 3000
    return [i / 10 for i in range(len(loud)) if loud[i] and not loud[max(0, i - 2) : i].any()]


async def end(handle: PlayHandle) -> None:
    handle.stop(0.05)
    await handle.wait()
    assert handle.error is None
    assert len(asyncio.all_tasks()) == 1


async def test_lines_are_spoken_in_turn_at_their_times(clock: Clock, capacity: float) -> None:
    speaker, events, sink = Speaker(), Events(), FakeSink(capacity=capacity)
    comfort = Comfort(every=20, lines=["One.", "Two."])
    player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=speaker, on_event=events.append)
    handle = player.play(sink)
    await asyncio.sleep(100)
    assert [event.text for event in events.of(ComfortSpoken)] == ["One.", "Two.", "One.", "Two."]
    assert speaker.said == ["One.", "Two."], "each is synthesised once"
    begins = lines_in(sink)
    assert begins[0] == pytest.approx(20.4 + capacity, abs=0.5)
    pauses = np.diff([0, *begins]) - 2.0
    assert all(pause == pytest.approx(20.6 + capacity, abs=0.7) for pause in pauses[1:])
    assert sink.gaps == []
    await end(handle)


async def test_the_first_line_may_come_sooner(clock: Clock, capacity: float) -> None:
    sink = FakeSink(capacity=capacity)
    comfort = Comfort(every=30, first=2, lines=["Hello."])
    handle = HoldMusicPlayer(MUSIC, comfort=comfort).play(sink, synthesise=Speaker())
    await asyncio.sleep(10)
    assert lines_in(sink)[0] == pytest.approx(2.4 + capacity, abs=0.5)
    await end(handle)


async def test_a_line_is_ready_when_it_is_due(clock: Clock, capacity: float) -> None:
    """A fixed line is synthesised ahead of time, however slow that is."""
    sink = FakeSink(capacity=capacity)
    comfort = Comfort(every=20, lines=["Hello."])
    handle = HoldMusicPlayer(MUSIC, comfort=comfort).play(sink, synthesise=Speaker(delay=4))
    await asyncio.sleep(25)
    assert lines_in(sink)[0] == pytest.approx(20.4 + capacity, abs=0.5)
    await end(handle)


async def test_lines_may_be_audio(clock: Clock, capacity: float, tmp_path: Path) -> None:
    words = tone(2, 1300, level=0.3)
    frames = [frame async for frame in frames_of(words)]
    whole = rtc.AudioFrame((words * 32767).astype(np.int16).tobytes(), RATE, 1, len(words))
    path = written(tmp_path, "line.wav", encoded(words))
    sink = FakeSink(capacity=capacity)
    comfort = Comfort(every=5, lines=[path, path.read_bytes(), (words, RATE), frames, whole])
    handle = HoldMusicPlayer(MUSIC, comfort=comfort).play(
        sink, on_event=(events := Events()).append
    )
    await asyncio.sleep(40)
    assert len(events.of(ComfortSpoken)) == 5
    assert len(lines_in(sink)) == 5
    await end(handle)


async def test_a_callable_gives_the_next_line(clock: Clock, capacity: float) -> None:
    held: list[Held] = []
    position = 4

    async def next_line(now: Held) -> str | None:
        nonlocal position
        held.append(now)
        await asyncio.sleep(0.1)
        position -= 1
        return f"You are number {position}." if position > 1 else None

    speaker, events = Speaker(), Events()
    comfort = Comfort(every=10, lines=next_line)
    handle = HoldMusicPlayer(MUSIC, comfort=comfort).play(
        sink := FakeSink(capacity=capacity), synthesise=speaker, on_event=events.append
    )
    await asyncio.sleep(60)
    assert speaker.said == ["You are number 3.", "You are number 2."]
    assert [now.spoken for now in held] == [0, 1, 2, 2, 2]
    assert held[0].seconds == pytest.approx(10, abs=0.5)
    assert held[1].seconds == pytest.approx(23 + capacity, abs=0.8)
    assert len(lines_in(sink)) == 2
    assert events.of(ComfortFailed) == []
    await end(handle)


async def test_one_comfort_serves_many_calls_and_voices(clock: Clock, capacity: float) -> None:
    speaker = Speaker()
    comfort = Comfort(every=5, lines=["Hello."])
    for voice in ("ann", "ann", "bob"):
        player = HoldMusicPlayer(MUSIC, comfort=comfort)
        handle = player.play(sink := FakeSink(capacity=capacity), synthesise=speaker, voice=voice)
        await asyncio.sleep(8)
        assert len(lines_in(sink)) == 1
        await end(handle)
    assert speaker.said == ["Hello.", "Hello."]


async def test_what_a_tts_yields_will_do(clock: Clock, capacity: float) -> None:
    @dataclass
    class SynthesizedAudio:
        frame: rtc.AudioFrame

    async def synthesise(text: str) -> AsyncIterator[SynthesizedAudio]:
        async for frame in frames_of(tone(2, 1300, level=0.3)):
            yield SynthesizedAudio(frame)

    comfort = Comfort(every=5, lines=["Hello."])
    handle = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=synthesise).play(
        sink := FakeSink(capacity=capacity)
    )
    await asyncio.sleep(9)
    assert len(lines_in(sink)) == 1
    await end(handle)


async def test_calls_of_the_same_moment_synthesise_a_line_once(clock: Clock) -> None:
    speaker, comfort = Speaker(), Comfort(every=5, lines=["Hello."])
    player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=speaker)
    sinks = [FakeSink() for _ in range(10)]
    handles = [player.play(sink, voice="ann") for sink in sinks]
    handles += [player.play(sink := FakeSink(), voice="bob")]
    await asyncio.sleep(9)
    assert [len(lines_in(sink)) for sink in [*sinks, sink]] == [1] * 11
    assert speaker.said == ["Hello.", "Hello."], "once for each voice"
    for handle in handles[:-1]:
        handle.stop()
        await handle.wait()
    await end(handles[-1])


async def test_a_call_that_ends_does_not_take_a_line_from_the_others(clock: Clock) -> None:
    speaker, comfort = Speaker(delay=3), Comfort(every=10, lines=["Hello."])
    player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=speaker)
    first, second = player.play(FakeSink()), player.play(sink := FakeSink())
    await asyncio.sleep(6.5)
    first.stop()
    await first.wait()
    await asyncio.sleep(8)
    assert len(lines_in(sink)) == 1
    assert speaker.said == ["Hello."]
    await end(second)


async def test_a_line_that_nobody_waits_for_any_more_is_given_up(clock: Clock) -> None:
    speaker, comfort = Speaker(delay=4), Comfort(every=10, lines=["Hello."])
    player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=speaker)
    handles = [player.play(FakeSink()) for _ in range(2)]
    await asyncio.sleep(7)
    assert speaker.said == ["Hello."]
    for handle in handles:
        handle.stop()
    for handle in handles:
        await handle.wait()
    assert len(asyncio.all_tasks()) == 1
    # Whoever comes next begins anew, even in that very moment.
    handle = player.play(sink := FakeSink())
    await asyncio.sleep(13)
    assert speaker.said == ["Hello.", "Hello."]
    assert len(lines_in(sink)) == 1
    await end(handle)


async def test_a_line_that_hangs_does_so_for_nobody_who_comes_later(clock: Clock) -> None:
    said: list[str] = []

    async def hangs_once(text: str) -> Any:
        said.append(text)
        if len(said) == 1:
            await asyncio.sleep(1e6)
        return tone(2, 1300, level=0.3), RATE

    comfort, handles = Comfort(every=5, lines=["Hello."]), []
    player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=hangs_once)
    sinks = [FakeSink() for _ in range(5)]
    for sink in sinks:
        handles.append(player.play(sink))
        await asyncio.sleep(10)  # so that there is always one that waits
    assert len(said) == 2
    assert all(lines_in(sink) for sink in sinks[1:])
    for handle in handles[:-1]:
        handle.stop()
        await handle.wait()
    await end(handles[-1])


async def test_a_failure_is_told_to_all_and_not_kept(clock: Clock) -> None:
    said: list[str] = []

    async def fails_once(text: str) -> Any:
        said.append(text)
        await asyncio.sleep(0.5)
        if len(said) == 1:
            raise ConnectionError("no voice today")
        return tone(2, 1300, level=0.3), RATE

    comfort, events = Comfort(every=6, lines=["Hello."]), Events()
    player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=fails_once, on_event=events.append)
    handles = [player.play(sink := FakeSink()) for _ in range(3)]
    await asyncio.sleep(16)
    assert ["no voice today" in str(event) for event in events.of(ComfortFailed)] == [True] * 3
    assert said == ["Hello.", "Hello."]
    assert len(lines_in(sink)) == 1
    for handle in handles[:-1]:
        handle.stop()
        await handle.wait()
    await end(handles[-1])


async def test_the_frames_of_a_line_may_change_their_rate() -> None:
    frames = [frame async for frame in frames_of(tone(1, 600))]
    frames += [frame async for frame in frames_of(tone(1, 600, 48_000), 48_000)]
    samples = await collect(frames, RATE, 60.0)
    assert len(samples) == pytest.approx(2 * RATE, abs=RATE // 50)
    for second in (0, 1):
        piece = samples[second * RATE : second * RATE + RATE // 2]
        assert pitch(piece) == pytest.approx(600, abs=3)


@pytest.mark.parametrize("waits", [True, False])
async def test_a_line_of_empty_frames_does_not_hold_up_the_event_loop(waits: bool) -> None:
    given = 0

    def empty() -> Iterator[rtc.AudioFrame]:
        nonlocal given
        while given < 100_000:
            given += 1
            yield rtc.AudioFrame(b"", RATE, 1, 0)

    async def also_empty() -> AsyncIterator[rtc.AudioFrame]:
        for frame in empty():
            yield frame

    task = asyncio.create_task(collect(also_empty() if waits else empty(), RATE, 60.0))
    for _ in range(100):
        await asyncio.sleep(0)
    assert 50 < given < 150, "it takes turns"
    task.cancel()
    await asyncio.wait({task})


async def test_a_livekit_tts_will_do() -> None:
    tts = ScriptedTTS()
    samples = await collect(tts.synthesize("One moment, please."), RATE, 60.0)
    assert len(samples) > RATE
    assert rms(samples) > -60
    await tts.aclose()


async def test_a_line_that_fails_is_left_out_and_the_music_goes_on(
    clock: Clock, capacity: float
) -> None:
    async def broken(text: str) -> Any:
        raise ConnectionError("no voice today")

    async def hangs(text: str) -> Any:
        await asyncio.sleep(1e6)

    async def empty(text: str) -> Any:
        return []

    def raises(held: Held) -> str:
        raise KeyError("position")

    cases: list[tuple[Any, Any, str]] = [
        (["Hello."], broken, "no voice today"),
        (["Hello."], hangs, "too long"),
        (["Hello."], empty, "no audio"),
        (["Hello."], None, "nothing that could speak"),
        (raises, broken, "position"),
        (lambda held: 3, None, "3"),
        (lambda held: (tone(100), RATE), None, "longer than 60 s"),
    ]
    for lines, synthesise, says in cases:
        events, sink = Events(), FakeSink(capacity=capacity)
        player = HoldMusicPlayer(MUSIC, comfort=Comfort(every=10, lines=lines))
        handle = player.play(sink, synthesise=synthesise, on_event=events.append)
        await asyncio.sleep(60)
        failures = events.of(ComfortFailed)
        assert 2 <= len(failures) <= 6
        assert says in failures[0].reason
        assert events.of(ComfortSpoken) == []
        assert sink.gaps == []
        await end(handle)


async def test_lines_with_no_music(clock: Clock, capacity: float) -> None:
    comfort = Comfort(every=10, lines=["Hello."])
    handle = HoldMusicPlayer(None, comfort=comfort, synthesise=Speaker()).play(
        sink := FakeSink(capacity=capacity)
    )
    began = clock.now
    await asyncio.sleep(40)
    assert [round(start, 1) for start, _ in sink.gaps] != []
    assert sink.began - began == pytest.approx(10, abs=0.5)
    assert lines_in(sink) == pytest.approx([0, 12, 24], abs=1.0)
    assert rms(sink.heard[5 * RATE : 8 * RATE]) < -100
    await end(handle)


async def test_it_ends_while_a_line_is_prepared_or_spoken(clock: Clock, capacity: float) -> None:
    comfort = Comfort(every=10, lines=["Hello."])
    for seconds in (8, 11):
        player = HoldMusicPlayer(MUSIC, comfort=comfort, synthesise=Speaker(delay=3))
        handle = player.play(FakeSink(capacity=capacity))
        await asyncio.sleep(seconds)
        await end(handle)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"lines": "Please wait."}, "comfort.lines"),
        ({"lines": []}, "comfort.lines"),
        ({"lines": [" "]}, "comfort.lines"),
        ({"lines": [None]}, "comfort.lines"),
        ({"lines": [Path("/nowhere.wav")]}, "comfort.lines"),
        ({"lines": ["a"], "every": 0}, "comfort.every"),
        ({"lines": ["a"], "every": float("nan")}, "comfort.every"),
        ({"lines": ["a"], "first": -1}, "comfort.first"),
        ({"lines": ["a"], "duck_db": 3}, "comfort.duck_db"),
    ],
    ids=repr,
)
def test_comfort_is_checked(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Comfort(**options)
    assert caught.value.field == field
