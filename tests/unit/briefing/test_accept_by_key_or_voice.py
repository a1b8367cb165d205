"""Whether what the human did connects the caller: one table for each way to accept."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer import AnswerClass, ConfigurationError
from livetransfer.briefing.accept_by_key_or_voice import (
    ANSWER_PATIENCE,
    Acceptance,
    Heard,
    draw_code,
)

A = AnswerClass
MACHINES = [A.SCREENING, A.IVR, A.VOICEMAIL, A.ANNOUNCEMENT]
YES = Heard(("Yes, put them through.",), A.PERSON)
WAYS: list[Any] = ["either", "voice", "key", "code", "answer"]


def acceptance(way: Any) -> Acceptance:
    return Acceptance(way, code="7")


@pytest.mark.parametrize(
    ("way", "voice", "one", "seven"),
    [
        ("either", True, True, False),
        ("voice", True, False, False),
        ("key", False, True, False),
        ("code", False, False, True),
        ("answer", True, False, False),
    ],
)
def test_who_accepts_how(way: Any, voice: bool, one: bool, seven: bool) -> None:
    rule = acceptance(way)
    assert rule.by_voice(YES).bridges is voice
    assert rule.by_key("1", YES).bridges is one
    assert rule.by_key("7", YES).bridges is seven
    assert not rule.by_key("2", YES).bridges


@pytest.mark.parametrize(
    "heard",
    [
        Heard((), A.UNKNOWN),
        Heard((), A.PERSON),
        Heard(("", " ... "), A.PERSON),
        Heard(("Hello.",), A.RINGBACK),
        Heard(("You have reached Ann.",), A.UNKNOWN, A.VOICEMAIL),
        Heard(("Hi, this is Ann.",), A.PERSON, replied=False),
        *(Heard(("Anything.",), machine) for machine in MACHINES),
    ],
    ids=lambda heard: f"{heard.answered_by}-{len(heard.said)}-{heard.suspected}-{heard.replied}",
)
@pytest.mark.parametrize("way", ["either", "voice"])
def test_what_a_recording_could_have_said_does_not_bridge(way: Any, heard: Heard) -> None:
    ruling = acceptance(way).by_voice(heard)
    assert not ruling.bridges
    assert ruling.why
    assert ruling.final is (heard.answered_by in MACHINES)


def test_the_model_is_told_which_key_connects() -> None:
    assert "key 7" in acceptance("code").by_voice(YES).why
    assert "key 1" in acceptance("key").by_voice(YES).why


@pytest.mark.parametrize("answer", [A.ANNOUNCEMENT, A.RINGBACK])
def test_a_key_where_nobody_is_does_not_bridge(answer: AnswerClass) -> None:
    assert not acceptance("key").by_key("1", Heard((), answer)).bridges


@pytest.mark.parametrize("answer", [A.UNKNOWN, A.VOICEMAIL, A.SCREENING, A.IVR])
def test_a_key_outweighs_what_was_taken_for_a_machine(answer: AnswerClass) -> None:
    assert acceptance("key").by_key("1", Heard((), answer)).bridges


@pytest.mark.parametrize(
    ("heard", "bridges", "final"),
    [
        (Heard((), A.PERSON, seconds=0.9), True, False),
        (Heard((), A.UNKNOWN, seconds=1.0), False, False),
        (Heard((), A.UNKNOWN, seconds=ANSWER_PATIENCE), True, False),
        (Heard((), A.RINGBACK, seconds=30.0), False, False),
        (Heard(("You have",), A.UNKNOWN, A.VOICEMAIL, seconds=5.0), False, False),
        *((Heard((), machine, seconds=9.0), False, True) for machine in MACHINES),
    ],
)
def test_whoever_answers_is_connected_unless_it_is_something_else(
    heard: Heard, bridges: bool, final: bool
) -> None:
    ruling = acceptance("answer").by_answer(heard)
    assert (ruling.bridges, ruling.final) == (bridges, final)


@pytest.mark.parametrize("way", ["either", "voice", "key", "code"])
def test_otherwise_an_answer_alone_connects_nobody(way: Any) -> None:
    assert not acceptance(way).by_answer(Heard((), A.PERSON, seconds=60)).bridges


@given(
    way=st.sampled_from(WAYS),
    answer=st.sampled_from(MACHINES),
    said=st.lists(st.text(max_size=20), max_size=3),
    digits=st.text("0345689*#", max_size=5),
)
def test_no_machine_is_ever_bridged_by_what_it_says(
    way: Any, answer: AnswerClass, said: list[str], digits: str
) -> None:
    rule, heard = acceptance(way), Heard(tuple(said), answer, seconds=99)
    assert not rule.by_voice(heard).bridges
    assert not rule.by_answer(heard).bridges
    assert not any(rule.by_key(digit, heard).bridges for digit in digits)


@given(
    taken=st.lists(st.sampled_from([*"0123456789*#", None]), max_size=3), seed=st.integers(0, 999)
)
def test_a_code_is_a_digit_that_means_nothing_else(taken: list[str | None], seed: int) -> None:
    code = draw_code(taken, chance=random.Random(seed))
    assert code.isdigit()
    assert len(code) == 1
    assert code not in taken


def test_codes_differ_from_call_to_call() -> None:
    assert len({draw_code(["1", "2", "*"]) for _ in range(200)}) > 3


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"accept": "yes"}, "accept"),
        ({"accept": "key", "accept_key": None}, "accept_key"),
        ({"accept": "code"}, "code"),
        ({"accept": "code", "code": "77"}, "code"),
    ],
    ids=["unknown", "no_key", "no_code", "long_code"],
)
def test_bad_options_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Acceptance(**options)
    assert raised.value.field == field
