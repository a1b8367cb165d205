"""What every detector of what has answered does, whatever it goes by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from livekit import rtc

from livetransfer import AnswerClass
from livetransfer.answering import (
    AnswerDetector,
    AnswerSession,
    AnswerVerdict,
    Evidence,
    OnChange,
    ToneAndPhraseDetector,
)

MAILBOX = "You have reached the voicemail of Ann. Please leave a message after the tone."


class ByModel:
    """A detector of the application's own: asks a model of texts, here a very small one."""

    def begin(self, *, on_change: OnChange | None = None) -> AnswerSession:
        """Listen to a leg."""
        return _ByModelSession(on_change)


class _ByModelSession:
    def __init__(self, on_change: OnChange | None) -> None:
        self._on_change, self._closed, self._said = on_change, False, 0
        self.verdict, self.changes = AnswerVerdict(), list[AnswerVerdict]()
        self.suspected: AnswerClass | None = None
        self.beep: float | None = None
        self.heard = 0.0

    @property
    def replied(self) -> bool:
        return self._said > 1

    def push_frame(self, frame: rtc.AudioFrame) -> AnswerVerdict | None:
        return None if self._closed else self.pass_time(self.heard + frame.duration)

    def push_transcript(self, text: str, *, final: bool = True) -> AnswerVerdict | None:
        if self._closed or not text.strip():
            return None
        self._said += final
        machine = "voicemail" in text.lower()
        answer = AnswerClass.VOICEMAIL if machine else AnswerClass.PERSON
        if answer is self.verdict.answered_by or not (machine or final):
            return None
        self.verdict = AnswerVerdict(answer, self.heard, Evidence("model", "asked"), 0.9)
        self.suspected = answer if machine else None
        self.changes.append(self.verdict)
        if self._on_change is not None:
            try:
                self._on_change(self.verdict)
            except Exception:
                return self.verdict
        return self.verdict

    def pass_time(self, since_answer: float) -> AnswerVerdict | None:
        self.heard = max(self.heard, since_answer)
        return None

    async def aclose(self) -> None:
        self._closed = True


@pytest.fixture(params=[ToneAndPhraseDetector, ByModel], ids=["tones_and_phrases", "by_model"])
def detector(request: pytest.FixtureRequest) -> AnswerDetector:
    made: AnswerDetector = request.param()
    return made


def frame(rate: int = 16_000, seconds: float = 0.02) -> rtc.AudioFrame:
    count = round(rate * seconds)
    return rtc.AudioFrame(np.zeros(count, np.int16).tobytes(), rate, 1, count)


def kinds(session: AnswerSession) -> Sequence[AnswerClass]:
    return [verdict.answered_by for verdict in session.changes]


def test_it_is_a_detector(detector: AnswerDetector) -> None:
    assert isinstance(detector, AnswerDetector)


def test_nothing_is_known_at_the_beginning(detector: AnswerDetector) -> None:
    session = detector.begin()
    assert session.verdict == AnswerVerdict(AnswerClass.UNKNOWN)
    assert not session.changes
    assert session.suspected is None
    assert session.beep is None
    assert not session.replied


def test_silence_decides_nothing(detector: AnswerDetector) -> None:
    session = detector.begin()
    for _ in range(500):
        assert session.push_frame(frame()) is None
    assert session.pass_time(30.0) is None
    assert session.verdict.answered_by is AnswerClass.UNKNOWN


def test_time_is_counted_from_the_frames_and_from_what_is_said_of_it(
    detector: AnswerDetector,
) -> None:
    session = detector.begin()
    for _ in range(50):
        session.push_frame(frame())
    assert session.heard == pytest.approx(1.0, abs=0.11)
    session.pass_time(5.0)
    assert session.heard == pytest.approx(5.0, abs=0.11)
    session.pass_time(2.0)
    assert session.heard == pytest.approx(5.0, abs=0.11)


def test_a_mailbox_is_known_by_its_words_and_told_once(detector: AnswerDetector) -> None:
    told: list[AnswerVerdict] = []
    session = detector.begin(on_change=told.append)
    returned = session.push_transcript(MAILBOX)
    assert returned == session.verdict
    assert session.verdict.answered_by is AnswerClass.VOICEMAIL
    assert session.verdict.is_machine
    assert session.verdict.evidence.kind in ("words", "model")
    assert 0 < session.verdict.confidence <= 1
    assert session.push_transcript(MAILBOX) is None
    assert told == list(session.changes) == [session.verdict]
    assert session.suspected is AnswerClass.VOICEMAIL


def test_interim_words_count_and_the_final_ones_replace_them(detector: AnswerDetector) -> None:
    session = detector.begin()
    session.push_transcript("You have reached the voicemail", final=False)
    session.push_transcript("You have reached the voicemail of Ann, leave a message", final=False)
    assert session.verdict.answered_by is AnswerClass.VOICEMAIL


def test_a_person_is_known_by_a_greeting(detector: AnswerDetector) -> None:
    session = detector.begin()
    session.push_transcript("Hello, Ann Miller speaking.")
    assert session.verdict.answered_by is AnswerClass.PERSON
    assert not session.verdict.is_machine
    assert session.suspected is None


def test_evidence_holds_no_word_that_was_said(detector: AnswerDetector) -> None:
    session = detector.begin()
    session.push_transcript("Hello, Zebediah speaking.")
    session.push_transcript("You have reached the voicemail of Zebediah. Leave a message, please.")
    assert "zebediah" not in repr(session.changes).lower()


def test_blank_words_are_nothing(detector: AnswerDetector) -> None:
    session = detector.begin()
    assert session.push_transcript("") is None
    assert session.push_transcript("   ", final=False) is None
    assert not session.changes


def test_a_listener_that_fails_changes_nothing(detector: AnswerDetector) -> None:
    def fails(_: AnswerVerdict) -> None:
        raise RuntimeError("the listener's own fault")

    session = detector.begin(on_change=fails)
    session.push_transcript(MAILBOX)
    assert session.verdict.answered_by is AnswerClass.VOICEMAIL


def test_calls_do_not_share_anything(detector: AnswerDetector) -> None:
    one, two = detector.begin(), detector.begin()
    one.push_transcript(MAILBOX)
    two.push_transcript("Hello, Ann Miller speaking.")
    assert kinds(one) == [AnswerClass.VOICEMAIL]
    assert kinds(two) == [AnswerClass.PERSON]


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_frames_of_every_rate_are_taken(detector: AnswerDetector, rate: int) -> None:
    session = detector.begin()
    for _ in range(100):
        session.push_frame(frame(rate))
    assert session.heard == pytest.approx(2.0, abs=0.15)


async def test_nothing_is_told_after_the_end(detector: AnswerDetector) -> None:
    told: list[AnswerVerdict] = []
    session = detector.begin(on_change=told.append)
    await session.aclose()
    await session.aclose()
    session.push_frame(frame())
    session.push_transcript(MAILBOX)
    session.pass_time(10.0)
    assert not told
    assert session.verdict.answered_by is AnswerClass.UNKNOWN
