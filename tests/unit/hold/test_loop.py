"""The loop of hold music: no click at its seam, no copy, no lost sample."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetransfer.hold.sound.loop import Loop, LoopReader, make_loop
from livetransfer.hold.sound.samples import Samples

from .hold_kit import RATE, chirp, largest_step, tone


def int16(samples: npt.NDArray[Any]) -> Samples:
    result: Samples = np.rint(samples * 32767).astype(np.int16)
    return result


def turns(loop: Loop, count: int = 2) -> Samples:
    """The introduction and `count` turns, as they are heard."""
    return np.concatenate([loop.buffer[: loop.end], *[loop.buffer[loop.start : loop.end]] * count])


def seam_steps(loop: Loop, clip: Samples) -> tuple[int, int]:
    """The largest step within 10 ms of the seam as it is heard, and the largest of the clip."""
    around = loop.rate // 100
    heard = turns(loop, 1)
    return largest_step(heard[loop.end - around : loop.end + around + 1]), largest_step(clip)


@st.composite
def clips(draw: st.DrawFn) -> Samples:
    rate = 8_000
    seconds = draw(st.floats(1.0, 4.0) | st.sampled_from([1.0, 20.0]))
    at = np.arange(round(seconds * rate)) / rate
    clip = np.zeros(len(at))
    for _ in range(draw(st.integers(1, 4))):
        hertz = draw(st.floats(30.0, 3000.0))
        clip += draw(st.floats(0.02, 0.2)) * np.sin(
            2 * np.pi * hertz * at + draw(st.floats(0.0, 6.3))
        )
    if draw(st.booleans()):
        noise = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(len(at))
        clip += draw(st.floats(0.0, 0.05)) * noise
    if draw(st.booleans()):
        clip *= np.linspace(draw(st.floats(0.3, 1.0)), draw(st.floats(0.3, 1.0)), len(at))
    return int16(np.clip(clip, -0.89, 0.89))


@settings(max_examples=50, deadline=None)
@given(clips())
def test_no_click_at_the_seam(clip: Samples) -> None:
    near, elsewhere = seam_steps(make_loop(clip, 8_000), clip)
    assert near <= elsewhere + 1


@pytest.mark.parametrize("seconds", [1.0, 7.3, 60.0])
@pytest.mark.parametrize("hertz", [31.0, 100.7, 441.3, 3000.9])
def test_no_click_in_a_bare_tone(seconds: float, hertz: float) -> None:
    """The hardest case: nothing in the clip hides a step."""
    clip = int16(tone(seconds, hertz))
    near, elsewhere = seam_steps(make_loop(clip, RATE), clip)
    assert near <= elsewhere + 1


def test_a_clip_made_to_loop_is_left_alone() -> None:
    clip = int16(tone(2.0, 440.0))  # a whole number of periods
    loop = make_loop(clip, RATE)
    assert loop.start == 0
    assert np.array_equal(loop.buffer[: loop.end], clip)


def test_a_clip_that_does_not_meet_its_beginning_loses_a_blink() -> None:
    clip = int16(chirp(2.0))
    loop = make_loop(clip, RATE)
    assert RATE // 100 <= len(clip) - loop.length <= RATE // 20
    assert np.array_equal(loop.buffer[: loop.end - loop.start], clip[: loop.end - loop.start])


def test_a_longer_crossfade() -> None:
    clip = int16(chirp(4.0))
    loop = make_loop(clip, RATE, crossfade=1.0)
    assert loop.length == 3 * RATE
    blend = loop.buffer[2 * RATE : 3 * RATE].astype(float)
    assert loop.start == RATE
    # Half way, both are there and the power is what it was.
    middle = blend[RATE // 2 - 1200 : RATE // 2 + 1200]
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.2 * 32767 / np.sqrt(2), rel=0.1)


def test_reading_is_slicing_across_the_end() -> None:
    clip = int16(chirp(1.5))
    loop = make_loop(clip, RATE)
    reader, parts = LoopReader(loop), []
    for _ in range(40):
        part = reader.read(RATE // 5)
        assert np.shares_memory(part, loop.buffer)
        parts.append(part)
    heard = np.concatenate(parts)
    assert np.array_equal(heard, turns(loop, 8)[: len(heard)])


def test_rewinding_gives_the_same_again() -> None:
    loop = make_loop(int16(chirp(1.5)), RATE)
    for before in (3, 9, 100):
        reader = LoopReader(loop)
        for _ in range(before):
            reader.read(RATE // 5)
        again = reader.read(RATE // 5).copy()
        reader.rewind(RATE // 5)
        assert np.array_equal(reader.read(RATE // 5), again)


def test_a_very_short_clip_is_repeated() -> None:
    loop = make_loop(int16(tone(0.1, 437.0)), RATE)
    assert loop.length >= RATE // 2
    assert len(loop.buffer) - loop.end >= RATE // 2


def test_a_short_clip_has_no_click_between_its_repeats() -> None:
    clip = int16(tone(0.137, 437.0))
    loop = make_loop(clip, RATE)
    assert loop.length >= RATE
    assert largest_step(turns(loop)) <= largest_step(clip) + 1


def test_the_longest_clip_takes_bounded_time_and_memory() -> None:
    rate = 48_000
    clip = np.tile(int16(chirp(20.0, rate)), 30)
    tracemalloc.start()
    began = time.perf_counter()
    loop = make_loop(clip, rate)
    took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert loop.nbytes < 1.01 * clip.nbytes
    assert peak < 1.2 * clip.nbytes
    assert took < 5
