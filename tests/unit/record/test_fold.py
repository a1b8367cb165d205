"""The fold from events to a record, and what the record then says."""

import json
from datetime import timedelta
from typing import get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tools.record_schema import schema

from livetransfer import (
    Attempt,
    AttemptEnded,
    Destination,
    PhoneRang,
    TransferEnded,
    TransferEvent,
    TransferOutcome,
    TransferStatus,
)
from livetransfer.privacy import Privacy
from livetransfer.record import TransferRecord, published_schema, read_record
from livetransfer.record.events_to_record import _CHANGES, told
from livetransfer.record.masked_record import private

from .story import ANNA, BEGAN, BEN, CARD, STORY, blank, recorded

VALIDATOR = jsonschema.Draft202012Validator(published_schema())


def test_a_whole_transfer() -> None:
    record = recorded(STORY)
    assert (record.state, record.kind) == ("ended", "warm")
    assert record.ended == BEGAN + timedelta(seconds=80)
    assert [(p.name, p.seconds) for p in record.phases][:3] == [
        ("announcing", 2.0),
        ("holding", pytest.approx(0.1)),
        ("waiting", pytest.approx(2.9)),
    ]
    assert record.phases[-1].name == "bridged"
    assert record.phases[-1].seconds == pytest.approx(63.8)
    (queue,) = record.queue
    assert (queue.queue, queue.positions, queue.estimate) == ("billing", (2, 1), 40.0)
    assert queue.seconds == pytest.approx(2.9)
    first, second = record.attempts
    (anna,), (ben,) = first.phones, second.phones
    assert (first.status, anna.sip_code, anna.member, anna.ring) == ("busy", 486, "anna", None)
    assert anna.ended == 5.6
    assert first.decision is not None
    assert first.decision.action == "next"
    assert (second.status, ben.status, ben.member) == ("bridged", "bridged", "ben")
    assert ben.ring == pytest.approx(4.0)
    assert (ben.talk, ben.answered_by) == (63.9, "person")
    assert (ben.call_id, record.call.call_id) == ("xyz@pbx", "a@b")
    (hold,) = record.hold
    assert record.hold_seconds == hold.seconds == pytest.approx(14.1)
    assert [h.what for h in hold.heard] == ["music", "comfort"]
    assert hold.longest_silence == 0.12
    assert [note.kind for note in record.notes] == ["refused", "hook", "hook", "hold_music"]
    assert record.briefings[0].usage[0]["input_tokens"] == 210
    assert record.outcome is not None
    assert record.outcome["status"] == "bridged"
    assert record.end is not None
    assert record.end.by == "human"


def test_where_the_worker_dies_the_record_says_how_far_it_was() -> None:
    record = recorded(STORY[:15])
    assert (record.state, record.ended, record.outcome) == ("running", None, None)
    assert record.attempts[-1].status is None
    handed = recorded(STORY[:-1])
    assert (handed.state, handed.ended, handed.end) == ("handed_over", None, None)
    assert handed.phases[-1].seconds is None


def test_what_todays_events_say_is_enough_for_the_attempts() -> None:
    phones = (
        Attempt(ANNA, TransferStatus.NO_ANSWER, 480, human_identity="human-a"),
        Attempt(BEN, TransferStatus.DECLINED, 603, human_identity="human-b"),
    )
    whole = Attempt(BEN, TransferStatus.DECLINED, phones=phones, seconds_on_hold=7.0)
    record = recorded(
        [
            AttemptEnded(9.0, whole),
            AttemptEnded(12.0, Attempt(None, TransferStatus.UNAVAILABLE, reason="nobody")),
            TransferEnded(12.5, TransferOutcome(TransferStatus.UNAVAILABLE)),
        ]
    )
    assert [a.status for a in record.attempts] == ["declined", "unavailable"]
    assert [(p.identity, p.status, p.ended) for p in record.attempts[0].phones] == [
        ("human-a", "no_answer", 9.0),
        ("human-b", "declined", 9.0),
    ]
    assert record.attempts[1].phones == ()
    assert record.hold_seconds == 7.0
    assert record.over


def test_two_phones_of_one_offer_are_told_apart() -> None:
    from livetransfer import OfferMade, PhoneAnswered, PhoneDialled

    record = recorded(
        [
            OfferMade(1.0, (ANNA, ANNA, BEN)),
            PhoneDialled(1.0, "one", ANNA),
            PhoneDialled(1.1, "two", ANNA),
            PhoneDialled(1.2, "three", BEN),
            PhoneRang(2.0, "two"),
            PhoneAnswered(3.0, "three"),
        ]
    )
    (attempt,) = record.attempts
    assert [(p.identity, p.dialled, p.rang, p.answered) for p in attempt.phones] == [
        ("one", 1.0, None, None),
        ("two", 1.1, 2.0, None),
        ("three", 1.2, None, 3.0),
    ]


def test_every_event_is_recorded_and_an_unknown_one_changes_nothing() -> None:
    assert set(_CHANGES) == set(get_args(TransferEvent))
    assert told(blank(), object()) == blank()


def test_the_schema_in_the_package_is_that_of_the_model() -> None:
    assert json.dumps(published_schema(), indent=2) + "\n" == schema()
    jsonschema.Draft202012Validator.check_schema(published_schema())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(STORY), max_size=25))
def test_any_events_in_any_order_make_a_valid_record(events: list[TransferEvent]) -> None:
    record = private(recorded(events), Privacy())
    data = json.loads(record.to_json())
    VALIDATOR.validate(data)
    assert read_record(data) == record
    assert data == record.to_dict()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(STORY)))
def test_the_fold_is_pure(count: int) -> None:
    before = recorded(STORY[:count])
    text = before.to_json()
    for event in STORY:
        told(before, event)
    assert before.to_json() == text


@pytest.mark.parametrize("words", ["keep", "drop"])
@pytest.mark.parametrize("numbers", ["last4", "drop"])
def test_what_leaves_is_private(words: str, numbers: str) -> None:
    privacy = Privacy(words=words, numbers=numbers)  # type: ignore[arg-type]
    text = private(recorded(STORY), privacy).to_json()
    for secret in (CARD, "15550123", "15550101", "swordfish", "4490012345678"):
        assert secret not in text
    assert ("They want to pay" in text) == (words == "keep")
    assert ("Fine, put them through" in text) == (words == "keep")
    assert ("…0123" in text) == (numbers == "last4")
    for kept in ("human-a", "xyz@pbx", "Busy Here", "input_tokens", "bridged", "Anna"):
        assert kept in text
    VALIDATOR.validate(json.loads(text))


def test_a_declined_calls_words_are_words() -> None:
    attempt = Attempt(ANNA, TransferStatus.DECLINED, reason="I am ill", words="I am ill")
    outcome = TransferOutcome(
        TransferStatus.DECLINED, ANNA, reason="I am ill", words="I am ill", attempts=(attempt,)
    )
    record = recorded([AttemptEnded(1.0, attempt), TransferEnded(2.0, outcome)])
    assert "I am ill" in private(record, Privacy()).to_json()
    assert "I am ill" not in private(record, Privacy(words="drop")).to_json()


def test_numbers_in_destinations() -> None:
    outcome = TransferOutcome(
        TransferStatus.FAILED,
        Destination("+15550100", caller_id="+15550199", headers={"X-Caller": "+15550123"}),
        cause=OSError("dialling +15550100 failed"),
    )
    text = private(recorded([TransferEnded(1.0, outcome)]), Privacy()).to_json()
    assert "1555" not in text
    assert "…0100" in text


def test_a_record_of_one_version_is_read_with_fields_it_does_not_know() -> None:
    data = recorded(STORY).to_dict() | {"later": {"a": 1}}
    assert read_record(data) == recorded(STORY)
    assert isinstance(read_record(data), TransferRecord)
