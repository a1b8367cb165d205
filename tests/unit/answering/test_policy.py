"""What follows each class, as one table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer import AnswerClass, ConfigurationError, TransferStatus
from livetransfer.answering import (
    AnswerPolicy,
    AnswerVerdict,
    Brief,
    End,
    Evidence,
    Introduce,
    LeaveMessage,
    Navigate,
    SendKeys,
    Situation,
    WaitSilently,
    decide_answer,
    timed_out,
)

A, S = AnswerClass, TransferStatus
PLAIN = Situation()
KEYS = Situation(dtmf="ww1")
TOOLS = Situation(navigates=True)
BOTH = Situation(dtmf="1", navigates=True)

TABLE: list[tuple[AnswerPolicy, AnswerClass, Situation, Any]] = [
    (AnswerPolicy(), A.PERSON, PLAIN, Brief()),
    (AnswerPolicy(), A.UNKNOWN, PLAIN, Brief()),
    (AnswerPolicy(), A.RINGBACK, PLAIN, WaitSilently()),
    (AnswerPolicy(), A.SCREENING, PLAIN, Introduce(None, 20.0)),
    (AnswerPolicy(screening_say="Ann for Bob.", screening_wait=5), A.SCREENING, PLAIN,
     Introduce("Ann for Bob.", 5)),
    (AnswerPolicy(), A.VOICEMAIL, PLAIN, S.VOICEMAIL),
    (AnswerPolicy(leave_message="Call us."), A.VOICEMAIL, PLAIN, LeaveMessage("Call us.", 20.0)),
    (AnswerPolicy(), A.ANNOUNCEMENT, PLAIN, S.INVALID_DESTINATION),
    (AnswerPolicy(), A.IVR, PLAIN, S.FAILED),
    (AnswerPolicy(), A.IVR, KEYS, SendKeys("ww1", 30.0)),
    (AnswerPolicy(), A.IVR, TOOLS, Navigate()),
    (AnswerPolicy(), A.IVR, BOTH, SendKeys("1", 30.0)),
    (AnswerPolicy(menu="tools"), A.IVR, BOTH, Navigate()),
    (AnswerPolicy(menu="tools"), A.IVR, KEYS, S.FAILED),
    (AnswerPolicy(menu="end"), A.IVR, BOTH, S.FAILED),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "answer", "situation", "expected"), TABLE)
def test_the_table(
    policy: AnswerPolicy, answer: AnswerClass, situation: Situation, expected: Any
) -> None:
    action = decide_answer(policy, A.UNKNOWN, AnswerVerdict(answer), situation)
    if isinstance(expected, TransferStatus):
        assert isinstance(action, End)
        assert action.status is expected
        assert action.why
    else:
        assert action == expected


@pytest.mark.parametrize(
    ("what", "status"), [("busy", S.BUSY), ("fax", S.INVALID_DESTINATION)], ids=["busy", "fax"]
)
def test_a_tone_says_more_than_its_class(what: str, status: TransferStatus) -> None:
    verdict = AnswerVerdict(A.ANNOUNCEMENT, evidence=Evidence("tone", what))
    action = AnswerPolicy().decide(verdict, PLAIN)
    assert isinstance(action, End)
    assert action.status is status


@pytest.mark.parametrize(
    ("before", "afresh"),
    [
        (A.RINGBACK, True),
        (A.SCREENING, True),
        (A.IVR, True),
        (A.UNKNOWN, False),
        (A.PERSON, False),
    ],
)
@pytest.mark.parametrize("now", [A.PERSON, A.UNKNOWN])
def test_who_has_heard_nothing_is_briefed_afresh(
    before: AnswerClass, afresh: bool, now: AnswerClass
) -> None:
    assert decide_answer(None, before, AnswerVerdict(now), PLAIN) == Brief(afresh=afresh)


def test_a_function_is_a_policy_and_none_means_as_usual() -> None:
    def mine(verdict: AnswerVerdict, situation: Situation) -> End | None:
        return End(S.DECLINED, "x") if verdict.answered_by is A.SCREENING else None

    screened = decide_answer(mine, A.UNKNOWN, AnswerVerdict(A.SCREENING), PLAIN)
    assert screened == End(S.DECLINED, "x")
    person = decide_answer(mine, A.UNKNOWN, AnswerVerdict(A.PERSON), PLAIN)
    assert person == Brief()


def test_what_is_no_action_is_refused() -> None:
    with pytest.raises(TypeError, match="str, which is not an action"):
        decide_answer(lambda v, s: "hang up", A.UNKNOWN, AnswerVerdict(), PLAIN)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="when_answered"):
        decide_answer(AnswerPolicy, A.UNKNOWN, AnswerVerdict(), PLAIN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (WaitSilently(5), S.NO_ANSWER),
        (Introduce(), S.NO_ANSWER),
        (SendKeys("1"), S.NO_ANSWER),
        (Navigate(), S.NO_ANSWER),
        (LeaveMessage("x"), S.VOICEMAIL),
    ],
)
def test_when_nobody_comes_in_time(action: Any, status: TransferStatus) -> None:
    end = timed_out(action)
    assert end.status is status
    assert end.why


@pytest.mark.parametrize(
    "options",
    [
        {"screening_wait": 0},
        {"menu_wait": 1000},
        {"beep_within": "soon"},
        {"menu": "press"},
        {"leave_message": 5},
    ],
    ids=lambda options: next(iter(options)),
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        AnswerPolicy(**options)
    assert raised.value.field == next(iter(options))


@given(
    answer=st.sampled_from(list(AnswerClass)),
    before=st.sampled_from(list(AnswerClass)),
    dtmf=st.none() | st.just("1"),
    navigates=st.booleans(),
)
def test_there_is_always_an_answer_and_a_machine_is_never_briefed(
    answer: AnswerClass, before: AnswerClass, dtmf: str | None, navigates: bool
) -> None:
    verdict = AnswerVerdict(answer)
    action = decide_answer(None, before, verdict, Situation(dtmf, navigates))
    assert isinstance(action, Brief) == (answer in (A.PERSON, A.UNKNOWN))
