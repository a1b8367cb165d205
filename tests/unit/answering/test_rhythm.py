"""What the rhythm of a voice tells, where nobody transcribes it."""

from __future__ import annotations

import numpy as np
import pytest

from livetransfer import AnswerClass
from livetransfer.answering import ToneAndPhraseDetector

from .answering_kit import classes, hear, noisy, silence, voice

DETECTOR = ToneAndPhraseDetector()


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.5, 2.0])
def test_a_short_greeting_and_then_quiet_is_a_person(seconds: float) -> None:
    session = DETECTOR.begin()
    hear(session, noisy(np.concatenate([silence(0.5), voice(seconds), silence(1.5)])))
    assert classes(session) == ["person"]
    assert session.verdict.evidence.kind == "rhythm"
    assert session.verdict.at <= 0.5 + seconds + 0.8


def test_a_greeting_in_two_parts_is_a_person() -> None:
    session = DETECTOR.begin()
    parts = [silence(0.3), voice(0.6), silence(0.4), voice(1.2, seed=4), silence(1.5)]
    hear(session, noisy(np.concatenate(parts)))
    assert classes(session) == ["person"]


def test_seconds_of_speech_without_a_pause_are_a_machine() -> None:
    session = DETECTOR.begin()
    hear(session, noisy(np.concatenate([silence(0.5), voice(8.0), silence(1.0)])))
    assert classes(session) == ["voicemail"]
    assert session.verdict.confidence == 0.5
    assert session.verdict.at == pytest.approx(0.5 + 5.6, abs=0.4)


def test_words_outweigh_the_rhythm() -> None:
    session = DETECTOR.begin()
    hear(session, noisy(np.concatenate([silence(0.5), voice(6.5)])))
    assert classes(session) == ["voicemail"]
    session.push_transcript("Good morning, Harbor Dental, Ann speaking, how can I help you?")
    hear(session, noisy(silence(0.8)))
    assert session.verdict.answered_by is AnswerClass.PERSON
    assert session.verdict.evidence.kind == "words"


def test_while_words_come_a_long_greeting_is_given_more_time() -> None:
    session = DETECTOR.begin()
    session.push_transcript("Good morning, this is", final=False)
    hear(session, noisy(np.concatenate([silence(0.5), voice(8.0)])))
    assert classes(session) == []


@pytest.mark.parametrize("level", [0.0, 0.0003, 0.003, 0.02])
def test_noise_alone_decides_nothing(level: float) -> None:
    session = DETECTOR.begin()
    hear(session, noisy(silence(12.0), level))
    assert classes(session) == []


def test_lost_packets_are_no_pauses_and_no_voice() -> None:
    session = DETECTOR.begin()
    sound = noisy(np.concatenate([silence(0.5), voice(1.0), silence(2.0)]), 0.003)
    for begin in range(0, len(sound) - 160, 1600):
        sound[begin : begin + 160] = 0.0
    hear(session, sound)
    assert classes(session) == ["person"]


def test_a_reply_is_a_second_turn_or_a_late_first_one() -> None:
    early = DETECTOR.begin()
    hear(early, noisy(np.concatenate([silence(0.5), voice(1.0), silence(1.5)])))
    assert not early.replied
    hear(early, noisy(np.concatenate([voice(0.6, seed=5), silence(0.3)])))
    assert early.replied
    late = DETECTOR.begin()
    hear(late, noisy(np.concatenate([silence(4.0), voice(0.6), silence(0.3)])))
    assert late.replied


def test_what_goes_on_and_on_with_short_pauses_is_no_reply() -> None:
    session = DETECTOR.begin()
    parts = [silence(0.5)]
    for seed in range(5):
        parts += [voice(2.0, seed=seed), silence(0.7)]
    hear(session, noisy(np.concatenate(parts)))
    assert not session.replied
