"""What networks and machines say by their tones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetransfer import AnswerClass, ConfigurationError
from livetransfer.answering import ToneAndPhraseDetector

from .answering_kit import cadence, classes, frames, hear, noisy, silence, tone, voice

DETECTOR = ToneAndPhraseDetector()

RINGS = {
    "north_america": ((440, 480), (2.0, 4.0)),
    "united_kingdom": ((400, 450), (0.4, 0.2, 0.4, 2.0)),
    "australia": ((400, 425, 450), (0.4, 0.2, 0.4, 2.0)),
    "germany": ((425,), (1.0, 4.0)),
    "austria": ((420,), (1.0, 5.0)),
    "france": ((440,), (1.5, 3.5)),
    "spain": ((425,), (1.5, 3.0)),
    "china": ((450,), (1.0, 4.0)),
    "japan": ((400,), (1.0, 2.0)),
    "italy": ((425,), (1.0, 4.0)),
    "brazil": ((425,), (1.0, 4.0)),
    "sweden": ((425,), (1.0, 5.0)),
}
BUSY = {
    "north_america": ((480, 620), (0.5, 0.5)),
    "fast": ((480, 620), (0.25, 0.25)),
    "united_kingdom": ((400,), (0.375, 0.375)),
    "germany": ((425,), (0.48, 0.48)),
    "spain": ((425,), (0.2, 0.2)),
    "france": ((440,), (0.5, 0.5)),
}


@pytest.mark.parametrize("network", RINGS)
def test_ringback_of_the_worlds_networks(network: str) -> None:
    pitches, times = RINGS[network]
    session = DETECTOR.begin()
    hear(session, noisy(np.concatenate([silence(0.3), cadence(pitches, times, 3 * sum(times))])))
    assert classes(session) == ["ringback"]
    assert session.changes[0].at < 0.3 + 1.9
    assert session.suspected is None


@pytest.mark.parametrize("network", BUSY)
def test_busy_is_no_ringback(network: str) -> None:
    pitches, times = BUSY[network]
    session = DETECTOR.begin()
    hear(session, noisy(np.concatenate([silence(0.3), cadence(pitches, times, 5.0)])))
    assert classes(session) == ["announcement"]
    assert session.verdict.evidence.what == "busy"
    assert session.verdict.at <= 0.3 + 2 * sum(times) + 0.35


@settings(max_examples=25, deadline=None)
@given(
    pitch=st.floats(400, 480),
    on=st.floats(0.9, 2.5),
    off=st.floats(2.0, 5.0),
    level=st.floats(0.02, 0.3),
    begin=st.floats(0.0, 1.0),
)
def test_any_slow_tone_in_the_band_is_ringback(
    pitch: float, on: float, off: float, level: float, begin: float
) -> None:
    session = DETECTOR.begin()
    rings = cadence((pitch,), (on, off), 2 * (on + off)) * (level / 0.1)
    hear(session, noisy(np.concatenate([silence(begin), rings])))
    assert classes(session) == ["ringback"]


def test_three_rising_tones_are_an_announcement() -> None:
    session = DETECTOR.begin()
    sit = np.concatenate([tone((p,), 0.33) for p in (950, 1400, 1800)])
    hear(session, noisy(np.concatenate([silence(0.5), sit, silence(0.5)])))
    assert classes(session) == ["announcement"]
    assert session.verdict.evidence.what == "sit"


@pytest.mark.parametrize("calls", [True, False], ids=["calling", "answering"])
def test_a_fax_is_nobody(calls: bool) -> None:
    session = DETECTOR.begin()
    sound = tone((1100,), 0.5) if calls else tone((2100,), 2.8)
    hear(session, noisy(np.concatenate([silence(0.6), sound, silence(1.0)])))
    assert classes(session) == ["announcement"]
    assert session.verdict.evidence.what == "fax"


def test_the_beep_after_a_text_is_a_mailbox() -> None:
    session = DETECTOR.begin()
    text = np.concatenate([silence(0.4), voice(3.0), silence(0.6)])
    hear(session, noisy(np.concatenate([text, tone((1000,), 0.4), silence(0.5)])))
    assert session.verdict.answered_by is AnswerClass.VOICEMAIL
    assert session.verdict.evidence.what == "beep"
    assert session.beep == pytest.approx(4.4, abs=0.08)


def test_keys_that_somebody_presses_are_no_beep() -> None:
    session = DETECTOR.begin()
    presses = np.concatenate([tone((697, 1209), 0.2), silence(0.5)] * 4)
    hear(session, noisy(np.concatenate([voice(1.4), silence(1.0), presses, silence(1.0)])))
    assert session.beep is None
    assert "voicemail" not in classes(session)


def test_a_person_after_the_ringback() -> None:
    session = DETECTOR.begin()
    rings = cadence((425,), (1.0, 4.0), 9.5)
    hear(session, noisy(np.concatenate([rings, voice(0.8), silence(1.5)])))
    assert classes(session) == ["ringback", "unknown", "person"]
    assert session.changes[1].evidence.what == "ringing ended: somebody speaks"
    assert session.changes[1].at < 9.5 + 0.5


def test_a_person_who_says_nothing_after_the_ringback() -> None:
    session = DETECTOR.begin()
    rings = cadence((425,), (1.0, 4.0), 10.5)
    hear(session, noisy(np.concatenate([rings, silence(3.0)])))
    assert classes(session) == ["ringback", "unknown"]
    assert session.verdict.evidence.what == "ringing ended: a ring was cut short"
    assert session.verdict.at < 11.2


def test_the_ringing_ends_where_the_next_ring_does_not_come() -> None:
    session = DETECTOR.begin()
    rings = cadence((440, 480), (2.0, 4.0), 8.0)
    hear(session, noisy(np.concatenate([rings, silence(6.0)])))
    assert classes(session) == ["ringback", "unknown"]
    assert session.verdict.at == pytest.approx(8.0 + 4.0 + 0.7, abs=0.3)


def test_time_that_passes_without_frames_ends_the_ringing_too() -> None:
    session = DETECTOR.begin()
    hear(session, noisy(cadence((425,), (1.0, 4.0), 6.0)))
    session.pass_time(8.0)
    assert classes(session) == ["ringback"]
    session.pass_time(13.0)
    assert classes(session) == ["ringback", "unknown"]


@settings(max_examples=20, deadline=None)
@given(
    rate=st.sampled_from([8000, 11_025, 16_000, 24_000, 44_100, 48_000]),
    seconds=st.sampled_from([0.01, 0.02, 0.03, 0.05]),
)
def test_rate_and_length_of_the_frames_change_nothing(rate: int, seconds: float) -> None:
    session = DETECTOR.begin()
    sound = np.concatenate([silence(0.3, rate), tone((425,), 1.0, rate), silence(1.0, rate)])
    hear(session, noisy(sound), rate, seconds)
    assert classes(session) == ["ringback"]
    assert session.verdict.at == pytest.approx(1.2, abs=0.15)


def test_music_decides_nothing() -> None:
    session = DETECTOR.begin()
    source = np.random.default_rng(3)
    notes = []
    for _ in range(50):
        root = 220 * 2 ** (source.integers(0, 12) / 12)
        note = tone((root, root * 1.26, root * 1.5, root / 2), 0.4)
        notes.append(note * np.exp(-np.arange(len(note)) / 3000))
    hear(session, noisy(np.concatenate(notes)))
    assert classes(session) == []


def test_a_tone_that_sounds_for_ever_is_no_ringback_in_the_end() -> None:
    session = DETECTOR.begin()
    hear(session, noisy(tone((425,), 9.0)))
    assert classes(session) == ["ringback", "unknown"]


def test_a_rate_of_no_call_is_refused() -> None:
    session = DETECTOR.begin()
    frame = next(iter(frames(silence(0.1, 96_000), 96_000)))
    with pytest.raises(ConfigurationError, match="8000 to 48000"):
        session.push_frame(frame)
