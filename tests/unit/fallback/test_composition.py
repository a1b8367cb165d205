"""Policies that are composed: the first opinion decides, within bounds; and what explain() says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer import (
    AnswerClass,
    Attempt,
    ConfigurationError,
    Destination,
    FallbackPolicy,
    GoTo,
    HangUp,
    Next,
    OfferCallback,
    On,
    Otherwise,
    Retry,
    ReturnToAgent,
    TakeMessage,
    TransferStatus,
)
from livetransfer.fallback import Policy, explain
from livetransfer.fallback.actions import dials
from livetransfer.fallback.policy import actions_of, check_fallback, decide

ANN = Destination("+15550100")
BUSY, DECLINED, NO_ANSWER = (
    TransferStatus.BUSY,
    TransferStatus.DECLINED,
    TransferStatus.NO_ANSWER,
)


class Store:
    """Keeps callbacks; here nobody asks it to."""

    async def add(self, request: object) -> object:
        return request


STORE = Store()
ISSUE = (
    On({BUSY}, Retry(after=10), times=2)
    | On({DECLINED, NO_ANSWER}, GoTo("support"))
    | Otherwise(OfferCallback(STORE))
)


def attempt(status: TransferStatus, **more: Any) -> Attempt:
    return Attempt(ANN, status, **more)


def test_the_example_of_the_docs() -> None:
    assert decide(ISSUE, attempt(BUSY)) == Retry(after=10)
    assert decide(ISSUE, attempt(BUSY, tries=2)) == Retry(after=10)
    assert decide(ISSUE, attempt(BUSY, tries=3)) == OfferCallback(STORE)
    assert decide(ISSUE, attempt(DECLINED)) == GoTo("support")
    assert decide(ISSUE, attempt(DECLINED, gone_to=("support",))) == OfferCallback(STORE)
    assert decide(ISSUE, attempt(TransferStatus.FAILED)) == OfferCallback(STORE)
    assert decide(ISSUE, attempt(BUSY, last=True)) == OfferCallback(STORE)


def test_what_has_answered_is_a_condition() -> None:
    policy = On({AnswerClass.VOICEMAIL, AnswerClass.IVR}, HangUp())
    assert decide(policy, attempt(NO_ANSWER)) == ReturnToAgent()
    heard = attempt(TransferStatus.HUMAN_LEFT, answered_by=AnswerClass.IVR)
    assert decide(policy, heard) == HangUp()


def test_one_condition_may_be_given_alone_or_as_its_text() -> None:
    assert On(BUSY, Next()) == On({BUSY}, Next()) == On("busy", Next()) == On(["busy"], Next())


def test_a_plain_function_takes_part() -> None:
    policy = On({BUSY}, HangUp()) | (lambda a: Next()) | Otherwise(GoTo("support"))
    assert decide(policy, attempt(BUSY)) == HangUp()
    assert decide(policy, attempt(DECLINED, remaining=1)) == Next()
    # Nobody is left to be the next: no opinion.
    assert decide(policy, attempt(DECLINED)) == GoTo("support")


def test_none_of_them_having_one_means_the_default() -> None:
    policy = On({BUSY}, Retry(), times=1)
    assert decide(policy, attempt(DECLINED, remaining=1)) == Next()
    assert decide(policy, attempt(BUSY, tries=2)) == ReturnToAgent()


def test_the_last_attempt_dials_nobody() -> None:
    policy = FallbackPolicy(retries=5, finally_="hang_up", say="Bye.")
    assert decide(policy, attempt(BUSY, last=True, remaining=1)) == HangUp("Bye.")
    assert decide(lambda a: Retry(), attempt(BUSY, last=True)) == ReturnToAgent()


STATUSES = st.sampled_from(list(TransferStatus))
CONDITIONS = st.frozensets(st.sampled_from([*TransferStatus, *AnswerClass]), min_size=1, max_size=5)
ACTIONS = st.one_of(
    st.builds(Next),
    st.builds(Retry, after=st.floats(0, 60)),
    st.builds(GoTo, target=st.sampled_from(["support", "sales", "+15550101"]), cold=st.booleans()),
    st.builds(ReturnToAgent, say=st.sampled_from([None, "Sorry."])),
    st.builds(HangUp),
    st.just(OfferCallback(STORE)),
    st.just(TakeMessage(print)),
)
RULES = st.one_of(
    st.builds(On, CONDITIONS, ACTIONS, times=st.one_of(st.none(), st.integers(1, 5))),
    st.builds(Otherwise, ACTIONS),
    ACTIONS.map(lambda action: lambda _: action),
    st.just(lambda _: None),
)
ATTEMPTS = st.builds(
    Attempt,
    st.just(ANN),
    STATUSES,
    tries=st.integers(1, 6),
    remaining=st.integers(0, 3),
    answered_by=st.one_of(st.none(), st.sampled_from(list(AnswerClass))),
    last=st.booleans(),
    gone_to=st.lists(st.sampled_from(["support", "sales", "+15550101"]), max_size=3).map(tuple),
)


class Silent(Policy):
    """Has no opinion."""

    def decide(self, attempt: Attempt) -> None:
        return None


def composed(rules: list[Any]) -> Policy:
    found: Policy = Silent()
    for rule in rules:
        found = found | rule
    return found


def possible(action: Any, seen: Attempt) -> bool:
    """What the docs say, in other words than the code's."""
    over = (TransferStatus.INDETERMINATE, TransferStatus.CANCELLED)
    if dials(action) and (seen.last or seen.status in over):
        return False
    if isinstance(action, Next):
        return bool(seen.remaining)
    return not (isinstance(action, GoTo) and str(action.target) in seen.gone_to)


def opinion(rule: Any, seen: Attempt) -> Any:
    if isinstance(rule, On):
        if seen.status not in rule.when and seen.answered_by not in rule.when:
            return None
        return None if rule.times is not None and seen.tries > rule.times else rule.action
    if isinstance(rule, Otherwise):
        back = seen.status is TransferStatus.CANCELLED and isinstance(rule.action, HangUp)
        return None if back else rule.action
    return rule(seen)


@given(st.lists(RULES, min_size=1, max_size=5), ATTEMPTS)
def test_the_first_opinion_that_can_be_carried_out_decides(rules: list[Any], seen: Attempt) -> None:
    said = (opinion(rule, seen) for rule in rules)
    first = next((action for action in said if action and possible(action, seen)), None)
    found = decide(composed(rules), seen)
    if first is not None:
        assert found == first
    else:
        assert found == (Next() if possible(Next(), seen) else ReturnToAgent())
    # Whatever was composed: nobody is dialled who may have been reached, or once it is over.
    assert possible(found, seen)


@given(st.lists(RULES, min_size=2, max_size=5), ATTEMPTS)
def test_how_it_is_bracketed_changes_nothing(rules: list[Any], seen: Attempt) -> None:
    right: Policy = Silent()
    for rule in reversed(rules):
        right = rule | right
    assert decide(right, seen) == decide(composed(rules), seen)


@given(st.lists(RULES, min_size=1, max_size=4))
def test_it_is_bounded_in_tries_where_every_rule_is(rules: list[Any]) -> None:
    """A run of nothing but busy lines ends, whatever the rules say of them."""
    policy, tries = composed(rules), 1
    gone: tuple[str, ...] = ()
    for made in range(1, 50):
        last = made >= 10
        action = decide(policy, attempt(BUSY, tries=tries, gone_to=gone, last=last))
        if isinstance(action, GoTo):
            assert action.key not in gone
            gone, tries = (*gone, action.key), 1
        elif isinstance(action, Retry):
            tries += 1
        else:
            assert not isinstance(action, Next)  # nobody is left
            return
    pytest.fail("it never ends")


@given(st.lists(RULES, min_size=1, max_size=4))
def test_explain_says_what_is_decided_of_every_status(rules: list[Any]) -> None:
    lines = explain(composed(rules)).splitlines()
    assert lines[0].split("|")[1].strip() == "after"
    assert len({len(line) for line in lines}) == 1
    named = {line.split("|")[1].strip() for line in lines[2:]}
    never = {"bridged", "referred", "caller_left", "cancelled", "answered_elsewhere"}
    assert {status.value for status in TransferStatus} - never <= named
    assert all("fails" not in line for line in lines)


def test_explain() -> None:
    lines = ISSUE.explain().splitlines()
    busy = next(line for line in lines if line.startswith("| busy"))
    cells = [cell.strip() for cell in busy.strip("|").split("|")]
    assert cells == ["busy", "again after 10 s", "again after 10 s", "the AI offers a callback"]


def test_explain_tells_of_a_policy_that_fails() -> None:
    def wrong(_: Attempt) -> Any:
        raise LookupError

    assert "fails: LookupError" in explain(wrong)


def test_the_actions_of_a_composition_can_be_seen() -> None:
    assert list(actions_of(ISSUE)) == [Retry(after=10), GoTo("support"), OfferCallback(STORE)]
    assert list(actions_of(lambda a: Next())) == []


def test_an_action_is_no_policy() -> None:
    with pytest.raises(ConfigurationError, match="Otherwise"):
        check_fallback(Retry())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: On(set(), Next()), "when"),
        (lambda: On({"engaged"}, Next()), "when"),
        (lambda: On({BUSY}, BUSY), "action"),  # type: ignore[arg-type]
        (lambda: On({BUSY}, Next(), times=0), "times"),
        (lambda: Otherwise(FallbackPolicy()), "action"),  # type: ignore[arg-type]
        (lambda: GoTo(""), "target"),
        (lambda: GoTo(7), "target"),  # type: ignore[arg-type]
        (lambda: OfferCallback(object()), "store"),  # type: ignore[arg-type]
        (lambda: OfferCallback(STORE, timezone="Europe/Nowhere"), "timezone"),
        (lambda: OfferCallback(STORE, hours="9-5"), "hours"),
        (lambda: OfferCallback(STORE, window=1), "window"),
        (lambda: OfferCallback(STORE, seconds=181), "seconds"),
        (lambda: OfferCallback(STORE, attempts=0), "attempts"),
        (lambda: TakeMessage(7), "to"),
        (lambda: TakeMessage(""), "to"),
    ],
    ids=range(15),
)
def test_bad_options(make: Any, field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        make()
