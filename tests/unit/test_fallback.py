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
from livetransfer.fallback import decide

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


def test_after_the_time_is_up_nobody_else_is_dialled() -> None:
    assert decide(None, attempt(TransferStatus.TIMED_OUT, remaining=3)) == ReturnToAgent()


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


def test_finally() -> None:
    policy = FallbackPolicy(finally_="hang_up", say="Goodbye.")
    assert decide(policy, attempt(TransferStatus.BUSY)) == HangUp("Goodbye.")


def test_what_is_no_action_is_refused() -> None:
    with pytest.raises(TypeError, match="not an action"):
        decide(lambda a: "again", attempt(TransferStatus.BUSY))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"retries": -1}, {"retry_after": -1}, {"finally_": "explode"}])
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        FallbackPolicy(**options)  # type: ignore[arg-type]
