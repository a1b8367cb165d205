"""Calls that were spoken by free voices, with the noise of a line: one of each kind."""

from __future__ import annotations

from typing import Any

import pytest

from livetransfer import AnswerClass
from livetransfer.answering import ToneAndPhraseDetector

from .answering_kit import classes, clips, hear, play, recorded

DETECTOR = ToneAndPhraseDetector()
CLIPS = clips()


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip["name"])
def test_what_has_answered_is_known_in_time(clip: dict[str, Any]) -> None:
    session = DETECTOR.begin()
    play(session, clip)
    true = clip["expected"][-1][1]
    assert session.verdict.answered_by.value == true
    if true != "unknown":
        first = next(v for v in session.changes if v.answered_by.value == true)
        assert first.at <= clip["deciding"] + 0.9
    if clip["kind"] == "person":
        assert classes(session) == ["person"]
    if clip["kind"] == "unknown":
        assert classes(session) == []
    if "," in clip["kind"]:
        assert classes(session)[0] == clip["expected"][0][1]


@pytest.mark.parametrize(
    "clip", [c for c in CLIPS if c["kind"] == "person"], ids=lambda clip: clip["name"]
)
def test_a_person_is_no_machine_without_transcripts_either(clip: dict[str, Any]) -> None:
    session = DETECTOR.begin()
    hear(session, recorded(clip))
    assert not any(verdict.is_machine for verdict in session.changes)


def test_the_beep_of_a_mailbox_is_told() -> None:
    clip = next(c for c in CLIPS if c["kind"] == "voicemail" and c["language"] == "en")
    session = DETECTOR.begin()
    play(session, clip)
    assert session.beep is not None
    assert session.beep > clip["ends"][-1]
    assert session.verdict.answered_by is AnswerClass.VOICEMAIL
