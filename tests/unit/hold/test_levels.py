"""Every clip sits at one loudness, and nothing clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from livetransfer.hold.sound.leveling import CEILING, TARGET_LUFS, level, limited, loudness, trim
from livetransfer.hold.sound.loop import Loop
from livetransfer.hold.sound.samples import AudioError, Samples
from livetransfer.hold.sources.clips import ArrayClip, Rendering, _render

from .hold_kit import RATE, largest_step, rms, tone

NOISE = np.random.default_rng(1).standard_normal(10 * RATE)


def int16(samples: npt.NDArray[Any]) -> Samples:
    result: Samples = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)
    return result


def rendered(samples: npt.NDArray[Any], **options: float | None) -> Loop:
    how = {"rate": RATE, "target": TARGET_LUFS, "volume": 1.0, "crossfade": 0.01, **options}
    return _render(int16(samples), Rendering(**how), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_loudness_of_the_standards_reference(rate: int) -> None:
    """BS.1770-4: a full-scale sine of 997 Hz in one channel reads -3.01 LKFS."""
    assert loudness(int16(tone(5, 997, rate, level=1.0)), rate) == pytest.approx(-3.01, abs=0.1)


def test_loudness_follows_the_ear() -> None:
    low, middle, high = (loudness(int16(tone(3, f)), RATE) for f in (50, 1000, 5000))
    assert low < middle - 4
    assert high > middle + 2


def test_pauses_do_not_count() -> None:
    talk = int16(tone(4))
    with_pauses = np.concatenate([talk, np.zeros(8 * RATE, np.int16), talk])
    assert loudness(with_pauses, RATE) == pytest.approx(loudness(talk, RATE), abs=0.3)


@pytest.mark.parametrize("amplitude", [0.02, 0.05, 0.3, 1.0])
def test_any_clip_is_brought_to_the_same_loudness(amplitude: float) -> None:
    loop = rendered(amplitude * NOISE / 4)
    assert loudness(loop.buffer[: loop.end], RATE) == pytest.approx(TARGET_LUFS, abs=0.3)
    assert np.abs(loop.buffer.astype(int)).max() <= CEILING + 1


def test_volume_is_on_top() -> None:
    half = rendered(0.1 * NOISE, volume=0.5)
    assert loudness(half.buffer[: half.end], RATE) == pytest.approx(TARGET_LUFS - 6.02, abs=0.3)


def test_without_levelling_a_clip_stays_as_loud() -> None:
    clip = int16(0.1 * NOISE)
    loop = rendered(0.1 * NOISE, target=None)
    assert loudness(loop.buffer[: loop.end], RATE) == pytest.approx(loudness(clip, RATE), abs=0.1)


def test_peaks_are_limited_with_no_step_in_the_gain() -> None:
    soft = 0.02 * tone(4, 200, level=1.0)
    soft[RATE : RATE + 600] *= 40
    clip = int16(soft)
    result = level(clip, RATE, target=-16.0, volume=1.0, measured=loudness(clip, RATE))
    assert np.abs(result.astype(int)).max() <= CEILING + 1
    assert largest_step(result) < 1.2 * np.abs(result.astype(int)).max() * 2 * np.pi * 200 / RATE


def test_the_limiter_leaves_alone_what_is_below() -> None:
    clip = int16(0.2 * tone(1))
    assert np.array_equal(limited(clip, RATE), clip)
    loud = int16(np.concatenate([tone(1), tone(0.5, level=1.0), tone(1)]))
    assert np.array_equal(limited(loud, RATE)[: RATE // 2], loud[: RATE // 2])


def test_silence_around_the_music_is_cut_off() -> None:
    samples = np.concatenate([np.zeros(RATE), tone(3), np.zeros(2 * RATE)])
    clip = int16(samples)
    first, last = trim(clip, RATE, loudness(clip, RATE))
    assert first == pytest.approx(RATE, abs=RATE // 25)
    assert last == pytest.approx(4 * RATE, abs=RATE // 25)


def test_a_click_at_the_end_is_not_music() -> None:
    clip = int16(np.concatenate([tone(3), np.zeros(RATE), [0.5], np.zeros(500)]))
    assert trim(clip, RATE, loudness(clip, RATE))[1] < 3.1 * RATE


def test_silence_within_the_music_stays() -> None:
    loop = rendered(np.concatenate([tone(2), np.zeros(RATE), tone(2)]))
    assert loop.end == pytest.approx(5 * RATE, abs=RATE // 20)


def test_silence_is_no_music() -> None:
    for silent in (np.zeros(RATE), np.full(RATE, 0.2), 0.0001 * NOISE):
        with pytest.raises(AudioError, match="silent"):
            rendered(silent)


def test_the_synthesised_clip_is_music() -> None:
    from livetransfer.hold.sources.clips import SYNTHESISED

    assert isinstance(SYNTHESISED, ArrayClip)
    for rate in (8_000, 48_000):
        samples = SYNTHESISED.whole(rate)
        loop = _render(samples, Rendering(rate, TARGET_LUFS, 1.0, 0.01), None)
        assert loop.length > 14 * rate
        assert rms(loop.buffer) > -35
