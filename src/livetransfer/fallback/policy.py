"""Policies: what to do after an attempt that failed. Frozen and pure; they compose by ``|``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from livetransfer._checks import check_count, check_seconds
from livetransfer.answer_class import AnswerClass
from livetransfer.errors import ConfigurationError
from livetransfer.outcome import Attempt
from livetransfer.status import TransferStatus

from .actions import (
    Action,
    GoTo,
    HangUp,
    Next,
    OfferCallback,
    Retry,
    ReturnToAgent,
    TakeMessage,
)
from .explain import table

__all__ = [
    "Action",
    "Fallback",
    "FallbackPolicy",
    "GoTo",
    "HangUp",
    "Next",
    "OfferCallback",
    "On",
    "Otherwise",
    "Policy",
    "Retry",
    "ReturnToAgent",
    "TakeMessage",
    "actions_of",
    "check_fallback",
    "decide",
    "explain",
]

ACTIONS = (Next, Retry, GoTo, ReturnToAgent, HangUp, OfferCallback, TakeMessage)
MOST_TIMES = 100


class Policy:
    """What every policy can: decide, be composed by ``|``, and explain itself.

    Subclass it and override [`decide`][livetransfer.fallback.Policy.decide], or pass any plain
    function that takes an [`Attempt`][livetransfer.Attempt] and returns an action, or None for "no
    opinion". In ``a | b | c`` the first that has an opinion decides; an action that cannot be
    carried out (`Next` with nobody left, a second `GoTo` of the same target, and whatever dials
    once the attempts or the time on hold are used up) is no opinion. Where none has one, the
    default decides: the next destination, then the AI.
    """

    def decide(self, attempt: Attempt) -> Action | None:
        """Say what happens after `attempt`; None is "no opinion"."""
        raise NotImplementedError

    def __or__(self, other: Fallback) -> Policy:
        """Return a policy that asks `other` where this one has no opinion."""
        return FirstOpinion((*_parts(self), *_parts(other)))

    def __ror__(self, other: Callable[[Attempt], Action | None]) -> Policy:
        """Return a policy that asks this one where the function `other` has no opinion."""
        return FirstOpinion((*_parts(other), *_parts(self)))

    def explain(self) -> str:
        """Return a table of what follows each status: after the first, second and last attempt."""
        return explain(self)


Fallback = Policy | Callable[[Attempt], Action | None]
"""A policy, or a plain function that is one."""


@dataclass(frozen=True)
class FallbackPolicy(Policy):
    """Try again where that may help, then the next destination, then what `finally_` says.

    For a list of people, with one rule for all of them. Not where a status asks for something of
    its own, such as a callback after a busy line: compose `On` and `Otherwise` for that. It always
    has an opinion, so what stands after it in ``a | b`` is never asked.

    Args:
        retries: How many more times a destination is tried that was busy, did not answer, or
            whose trunk was not available.
        retry_after: Seconds on hold before each such retry.
        finally_: What happens after the last destination. A caller who has left a queue by the
            exit key goes back to the AI.
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
        """Say what happens after `attempt`."""
        if attempt.status is TransferStatus.CANCELLED:
            return ReturnToAgent()
        if attempt.status is not TransferStatus.INDETERMINATE and not attempt.last:
            if attempt.retryable and attempt.tries <= self.retries:
                return Retry(after=self.retry_after)
            if attempt.remaining:
                return Next()
        return HangUp(self.say) if self.finally_ == "hang_up" else ReturnToAgent(self.say)


When = TransferStatus | AnswerClass | str


@dataclass(frozen=True)
class On(Policy):
    """One rule: after these statuses, or these answers, do this.

    For what is to follow a busy line, a mailbox, a decline. Not for all the rest: that is
    `Otherwise`, or the default.

    ``On({TransferStatus.BUSY}, Retry(after=10), times=2)`` tries a busy line twice more, and has no
    opinion of the third time.

    Args:
        when: The statuses, the answer classes, or both; one of them may be given alone. An
            attempt fits where its status or what has answered is among them; of several phones
            that rang together, what decided.
        action: What happens then.
        times: After how many attempts at the same destination, at most. None: as often as the
            transfer allows, which is ``max_attempts`` (10) and ``max_hold`` (180 s).

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    when: frozenset[TransferStatus | AnswerClass] = field()
    action: Action
    times: int | None = None

    def __init__(
        self, when: When | Iterable[When], action: Action, times: int | None = None
    ) -> None:
        object.__setattr__(self, "when", _conditions(when))
        object.__setattr__(self, "action", _checked(action))
        if times is not None:
            check_count("times", times, 1, MOST_TIMES)
        object.__setattr__(self, "times", times)

    def fits(self, attempt: Attempt) -> bool:
        """Return whether it is about `attempt`."""
        return attempt.status in self.when or attempt.answered_by in self.when

    def decide(self, attempt: Attempt) -> Action | None:
        """Return the action where it is about `attempt`."""
        if not self.fits(attempt) or (self.times is not None and attempt.tries > self.times):
            return None
        return self.action if possible(self.action, attempt) else None


@dataclass(frozen=True)
class Otherwise(Policy):
    """The last rule: whatever has happened, do this.

    For the end of a composition. Not before other rules: what stands after it is asked only where
    its action cannot be carried out. A caller who has left a queue by the exit key is not hung up
    by it: `On` with ``TransferStatus.CANCELLED`` says so where that is meant.

    Args:
        action: What happens.

    Raises:
        ConfigurationError: It is no action.
    """

    action: Action

    def __post_init__(self) -> None:
        _checked(self.action)

    def decide(self, attempt: Attempt) -> Action | None:
        """Return the action."""
        if attempt.status is TransferStatus.CANCELLED and isinstance(self.action, HangUp):
            return None
        return self.action if possible(self.action, attempt) else None


@dataclass(frozen=True)
class FirstOpinion(Policy):
    """What ``a | b`` makes: the first of its parts that has an opinion decides."""

    parts: tuple[Fallback, ...]

    def decide(self, attempt: Attempt) -> Action | None:
        """Say what the first part that has an opinion says."""
        for part in self.parts:
            action = _ask(part, attempt)
            if action is not None and possible(action, attempt):
                return action
        return None


def _parts(policy: Fallback) -> tuple[Fallback, ...]:
    return policy.parts if isinstance(policy, FirstOpinion) else (policy,)


def _conditions(when: When | Iterable[When]) -> frozenset[TransferStatus | AnswerClass]:
    given = [when] if isinstance(when, str) else list(when)
    found: set[TransferStatus | AnswerClass] = set()
    for each in given:
        if isinstance(each, (TransferStatus, AnswerClass)):
            found.add(each)
            continue
        try:
            found.add(TransferStatus(each))
        except ValueError:
            raise ConfigurationError(
                "when", each, "give members of TransferStatus, of AnswerClass, or of both"
            ) from None
    if not found:
        raise ConfigurationError("when", when, "name at least one status; Otherwise is for all")
    return frozenset(found)


def _checked(action: Action) -> Action:
    if not isinstance(action, ACTIONS):
        raise ConfigurationError("action", action, "give an action, such as Retry() or GoTo(...)")
    return action


def possible(action: object, attempt: Attempt) -> bool:
    """Return whether `action` can be carried out after `attempt`."""
    if not isinstance(action, (Next, Retry, GoTo)):
        return True
    if attempt.last or attempt.status in (TransferStatus.INDETERMINATE, TransferStatus.CANCELLED):
        return False  # nobody is dialled any more
    if isinstance(action, Next):
        return attempt.remaining > 0
    return not isinstance(action, GoTo) or action.key not in attempt.gone_to


def _ask(policy: Fallback, attempt: Attempt) -> Action | None:
    return policy.decide(attempt) if isinstance(policy, Policy) else policy(attempt)


def actions_of(policy: Fallback | None) -> Iterator[Action]:
    """Return the actions that stand in `policy`, as far as that can be seen from outside."""
    if policy is None or not isinstance(policy, Policy):
        return
    if isinstance(policy, (On, Otherwise)):
        yield policy.action
    elif isinstance(policy, FirstOpinion):
        for part in policy.parts:
            yield from actions_of(part)
    else:
        yield from actions_of(getattr(policy, "policy", None))


def explain(policy: Fallback | None) -> str:
    """Return a table, in Markdown, of what follows each status.

    Its columns are the first attempt at a destination with another one left, the second attempt
    with none left, and one after which nobody is dialled any more.

    Args:
        policy: A policy, or a function; None is the default.
    """
    return table(lambda attempt: decide(policy, attempt), _answers(policy))


def _answers(policy: Fallback | None) -> set[AnswerClass]:
    if isinstance(policy, On):
        return {when for when in policy.when if isinstance(when, AnswerClass)}
    if isinstance(policy, FirstOpinion):
        return {answer for part in policy.parts for answer in _answers(part)}
    return set()


def check_fallback(policy: Fallback | None) -> Fallback | None:
    """Return `policy` if it can be asked.

    Raises:
        ConfigurationError: It is neither a policy nor a callable, or it is a class, or an action.
    """
    if isinstance(policy, ACTIONS):
        raise ConfigurationError(
            "fallback", policy, f"make a policy of it: Otherwise({type(policy).__name__}(...))"
        )
    usable = policy is None or isinstance(policy, Policy) or callable(policy)
    if not usable or isinstance(policy, type):
        raise ConfigurationError(
            "fallback", policy, "give a policy, or a function that takes an Attempt"
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
    if action is not None and not isinstance(action, ACTIONS):
        if inspect.iscoroutine(action):
            action.close()
        # Only its type: it may be a number.
        kind = type(action).__name__
        raise TypeError(f"a fallback policy returned a {kind}, which is not an action")
    if action is None:
        action = FallbackPolicy().decide(attempt)
    if action is None or not possible(action, attempt):
        return ReturnToAgent()
    return action
