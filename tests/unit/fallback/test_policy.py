"""What follows a failed attempt."""

from __future__ import annotations

import pytest

from livetransfer import (
    Attempt,
    ConfigurationError,
    Destination,
    FallbackPolicy,
    HangUp,
    Next,
    Retry,
    ReturnToAgent,
    TransferStatus,
)
from livetransfer.fallback.policy import decide

ANN = Destination("+15550100")


def attempt(status: TransferStatus, *, tries: int = 1, remaining: int = 0) -> Attempt:
    return Attempt(ANN, status, tries=tries, remaining=remaining)


def test_the_default_tries_the_next_then_returns() -> None:
    assert decide(None, attempt(TransferStatus.BUSY, remaining=1)) == Next()
    assert decide(None, attempt(TransferStatus.DECLINED, remaining=1)) == Next()
    assert decide(None, attempt(TransferStatus.BUSY)) == ReturnToAgent()


def test_it_retries_only_where_that_may_help() -> None:
    policy = FallbackPolicy(retries=1, retry_after=3)
    assert decide(policy, attempt(TransferStatus.BUSY)) == Retry(after=3)
    assert decide(policy, attempt(TransferStatus.BUSY, tries=2)) == ReturnToAgent()
    assert decide(policy, attempt(TransferStatus.DECLINED)) == ReturnToAgent()


def test_after_one_who_did_not_decide_the_next_is_tried() -> None:
    assert decide(None, attempt(TransferStatus.TIMED_OUT, remaining=3)) == Next()
    assert decide(None, attempt(TransferStatus.TIMED_OUT)) == ReturnToAgent()


@pytest.mark.parametrize("policy", [None, FallbackPolicy(retries=5), lambda a: Retry()])
def test_what_may_have_been_reached_is_never_dialled_again(policy: object) -> None:
    action = decide(policy, attempt(TransferStatus.INDETERMINATE, remaining=2))  # type: ignore[arg-type]
    assert action == ReturnToAgent()


def test_next_with_nobody_left_returns() -> None:
    assert decide(lambda a: Next(), attempt(TransferStatus.BUSY)) == ReturnToAgent()


def test_policies_compose_and_callables_are_policies() -> None:
    class HangUpWhenDeclined(FallbackPolicy):
        def decide(self, attempt: Attempt) -> HangUp | None:
            return HangUp("Bye.") if attempt.status is TransferStatus.DECLINED else None

    policy = HangUpWhenDeclined() | (lambda a: Retry(1) if a.tries < 2 else None)
    assert decide(policy, attempt(TransferStatus.DECLINED)) == HangUp("Bye.")
    assert decide(policy, attempt(TransferStatus.FAILED)) == Retry(1)
    assert decide(policy, attempt(TransferStatus.FAILED, tries=2, remaining=1)) == Next()


def test_a_callable_may_come_first() -> None:
    def busy_again(a: Attempt) -> Retry | None:
        return Retry(7) if a.status is TransferStatus.BUSY else None

    policy = busy_again | FallbackPolicy(finally_="hang_up")
    assert decide(policy, attempt(TransferStatus.BUSY)) == Retry(7)
    assert decide(policy, attempt(TransferStatus.DECLINED)) == HangUp()


def test_finally() -> None:
    policy = FallbackPolicy(finally_="hang_up", say="Goodbye.")
    assert decide(policy, attempt(TransferStatus.BUSY)) == HangUp("Goodbye.")


def test_what_is_no_action_is_refused() -> None:
    with pytest.raises(TypeError, match="not an action"):
        decide(lambda a: "again", attempt(TransferStatus.BUSY))  # type: ignore[arg-type]


def test_it_is_told_by_its_type_alone() -> None:
    """It may hold a number, and the message is logged."""
    with pytest.raises(TypeError) as refused:
        decide(lambda a: ANN, attempt(TransferStatus.BUSY))  # type: ignore[arg-type]
    assert "5550100" not in str(refused.value)


NAN = float("nan")


def test_how_long_to_wait_is_a_time() -> None:
    for after in (-1, NAN, "5"):
        with pytest.raises(ConfigurationError, match="after"):
            Retry(after)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [{"retries": -1}, {"retry_after": -1}, {"retry_after": NAN}, {"finally_": "explode"}],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        FallbackPolicy(**options)  # type: ignore[arg-type]
