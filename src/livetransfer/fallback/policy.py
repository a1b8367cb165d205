"""FallbackPolicy: what to do after an attempt that failed. Frozen and pure."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from livetransfer._checks import check_seconds
from livetransfer.errors import ConfigurationError
from livetransfer.outcome import Attempt
from livetransfer.status import TransferStatus

__all__ = [
    "Action",
    "FallbackPolicy",
    "HangUp",
    "Next",
    "Retry",
    "ReturnToAgent",
    "check_fallback",
    "decide",
]


@dataclass(frozen=True)
class Next:
    """Try the next destination; where there is none, return the caller to the AI."""


@dataclass(frozen=True)
class Retry:
    """Try the same destination again; where a router found nobody, ask it again.

    Args:
        after: Seconds to wait first; the caller stays on hold.
    """

    after: float = 5.0

    def __post_init__(self) -> None:
        check_seconds("after", self.after, 0, 24 * 3600)


@dataclass(frozen=True)
class ReturnToAgent:
    """Take the caller off hold; the AI goes on.

    Args:
        say: A sentence that the AI says first; None leaves the words to the LLM.
    """

    say: str | None = None


@dataclass(frozen=True)
class HangUp:
    """End the caller's call.

    Args:
        say: A sentence that the caller hears first.
    """

    say: str | None = None


Action = Next | Retry | ReturnToAgent | HangUp
"""What a policy may say."""


@dataclass(frozen=True)
class FallbackPolicy:
    """Try again where that may help, then the next destination, then what `finally_` says.

    Subclass it and override [`decide`][livetransfer.FallbackPolicy.decide], or pass any callable
    that takes an [`Attempt`][livetransfer.Attempt] and returns an action, or None for "no
    opinion". ``a | b`` asks `b` where `a`, a callable or a subclass, has no opinion;
    FallbackPolicy itself always has one.

    Args:
        retries: How many more times a destination is tried that was busy, did not answer, or
            whose trunk was not available.
        retry_after: Seconds on hold before each such retry.
        finally_: What happens after the last destination.
        say: A sentence for the caller at that point.
    """

    retries: int = 0
    retry_after: float = 5.0
    finally_: Literal["return", "hang_up"] = "return"
    say: str | None = None

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ConfigurationError("retries", self.retries, "use 0 or more")
        check_seconds("retry_after", self.retry_after, 0, 24 * 3600)
        if self.finally_ not in ("return", "hang_up"):
            raise ConfigurationError("finally_", self.finally_, 'use "return" or "hang_up"')

    def decide(self, attempt: Attempt) -> Action | None:
        """Say what happens after `attempt`; None is "no opinion"."""
        if attempt.status is not TransferStatus.INDETERMINATE:
            if attempt.retryable and attempt.tries <= self.retries:
                return Retry(after=self.retry_after)
            if attempt.remaining:
                return Next()
        return HangUp(self.say) if self.finally_ == "hang_up" else ReturnToAgent(self.say)

    def __or__(self, other: Fallback) -> FallbackPolicy:
        """Return a policy that asks `other` where this one has no opinion."""
        return _Either(first=self, second=other)

    def __ror__(self, other: Callable[[Attempt], Action | None]) -> FallbackPolicy:
        """Return a policy that asks this one where the callable `other` has no opinion."""
        return _Either(first=other, second=self)


Fallback = FallbackPolicy | Callable[[Attempt], Action | None]


@dataclass(frozen=True)
class _Either(FallbackPolicy):
    first: Fallback = FallbackPolicy()
    second: Fallback = FallbackPolicy()

    def decide(self, attempt: Attempt) -> Action | None:
        action = _ask(self.first, attempt)
        return action if action is not None else _ask(self.second, attempt)


def _ask(policy: Fallback, attempt: Attempt) -> Action | None:
    return policy.decide(attempt) if isinstance(policy, FallbackPolicy) else policy(attempt)


def check_fallback(policy: Fallback | None) -> Fallback | None:
    """Return `policy` if it can be asked.

    Raises:
        ConfigurationError: It is neither a policy nor a callable, or it is a class.
    """
    usable = policy is None or isinstance(policy, FallbackPolicy) or callable(policy)
    if not usable or isinstance(policy, type):
        raise ConfigurationError(
            "fallback", policy, "give a FallbackPolicy(), or a function that takes an Attempt"
        )
    return policy


def decide(policy: Fallback | None, attempt: Attempt) -> Action:
    """Return what `policy` says of `attempt`, made safe.

    Where a destination may have been reached nobody is dialled any more, and no opinion, like no
    policy, means the default one.

    Raises:
        TypeError: The policy returned something that is not an action.
    """
    action = None if policy is None else _ask(policy, attempt)
    if action is None:
        action = FallbackPolicy().decide(attempt)
    if not isinstance(action, (Next, Retry, ReturnToAgent, HangUp)):
        if inspect.iscoroutine(action):
            action.close()
        # Only its type: it may be a number.
        kind = type(action).__name__
        raise TypeError(f"a fallback policy returned a {kind}, which is not an action")
    if isinstance(action, (Next, Retry)) and attempt.status is TransferStatus.INDETERMINATE:
        return ReturnToAgent()
    if isinstance(action, Next) and not attempt.remaining:
        return ReturnToAgent()
    return action
