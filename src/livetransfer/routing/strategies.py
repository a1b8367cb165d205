"""Strategies: in which order the members of a queue are rung, and who of them together."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from livetransfer.errors import ConfigurationError

from .router import RouteRequest

__all__ = [
    "STRATEGIES",
    "BestSkill",
    "Candidate",
    "FewestCalls",
    "LeastRecent",
    "Linear",
    "LongestIdle",
    "RandomOrder",
    "Ranking",
    "RingAll",
    "RoundRobin",
    "Sorted",
    "Strategy",
    "StrategyLike",
    "WeightedRandom",
    "strategy_of",
]


@dataclass(frozen=True)
class Candidate:
    """A member of a queue, as a strategy sees him. Moments are seconds of the store's clock.

    Attributes:
        name: The member's name.
        place: His place in the queue, from 0, in the order in which it names its members.
        available: Whether he can be rung now. Those who cannot are passed over, wherever they
            are ranked.
        skills: His skills and their levels.
        priority: His tier.
        weight: His weight.
        calls: Calls that he has now, wrap-up included.
        taken: Calls that he has taken so far, of any queue.
        rung_at: When his phone last began to ring; None for never.
        free_since: When the last call ended in which he talked; None for never.
        last: Whether he was rung last for this queue; where that one is not here, whoever comes
            before him in the queue.
    """

    name: str
    place: int = 0
    available: bool = True
    skills: Mapping[str, int] = field(default_factory=dict, hash=False)
    priority: int = 0
    weight: float = 1.0
    calls: int = 0
    taken: int = 0
    rung_at: float | None = None
    free_since: float | None = None
    last: bool = False


Ranking = Sequence[Sequence[Candidate | str]]
"""Groups in their order, members or their names; those of one group ring together."""


class Strategy:
    """An order of ringing; override `rank`. It holds nothing of a call and is quick.

    Attributes:
        turns: Whether it asks who was rung last for the queue, see `Candidate.last`. Where a
            strategy says False, a queue that others flow over to need not be asked for it.
    """

    turns = True

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        """Return who rings first, then, and so on; who is left out is not rung.

        Args:
            members: The members of one tier of the queue, in its order; all can do what the call
                needs and are on shift.
            request: What is known of the call; `skills` are those that the queue asks for too.
        """
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))


StrategyLike = str | Strategy | Callable[[Sequence[Candidate], RouteRequest], Ranking]
"""A strategy's name, an object, or a plain function that ranks."""

_NEVER = float("-inf")


class RingAll(Strategy):
    """``ring_all``: all ring together."""

    turns = False

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        """Return one group of all."""
        return [list(members)] if members else []


class Sorted(Strategy):
    """One after the other, by a key; those of the same key in the order of the queue.

    Attributes:
        keeps: Whether the key asks nothing of the request but its skills: the order is then kept
            from one call to the next.
    """

    keeps = False

    def key(self, member: Candidate, request: RouteRequest) -> Any:
        """Return what they are sorted by; the lowest rings first."""
        raise NotImplementedError

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        """Return each in a group of his own, the lowest key first."""
        return [[one] for one in sorted(members, key=lambda one: self.key(one, request))]


class Linear(Strategy):
    """``linear``: in the order of the queue, always from its beginning."""

    turns = False

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        """Return each in a group of his own, as they are."""
        return [[one] for one in members]


class RoundRobin(Strategy):
    """``round_robin``: in the order of the queue, beginning after the one who was rung last."""

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        """Return each in a group of his own; the one rung last comes last."""
        last = next((i for i, one in enumerate(members) if one.last), len(members) - 1)
        return [[one] for one in (*members[last + 1 :], *members[: last + 1])]


class LeastRecent(Sorted):
    """``least_recent``: whose phone rang longest ago, answered or not."""

    keeps, turns = True, False

    def key(self, member: Candidate, request: RouteRequest) -> float:
        """Return when his phone last began to ring."""
        return _NEVER if member.rung_at is None else member.rung_at


class FewestCalls(Sorted):
    """``fewest_calls``: who has taken the fewest calls."""

    keeps, turns = True, False

    def key(self, member: Candidate, request: RouteRequest) -> int:
        """Return how many he has taken."""
        return member.taken


class LongestIdle(Sorted):
    """``longest_idle``: who has had no call for longest; first those who have none now."""

    keeps, turns = True, False

    def key(self, member: Candidate, request: RouteRequest) -> tuple[int, float]:
        """Return his calls now, and since when he has been free."""
        return member.calls, _NEVER if member.free_since is None else member.free_since


class BestSkill(Sorted):
    """``best_skill``: who is best at what the call needs, all its skills' levels together."""

    keeps, turns = True, False

    def key(self, member: Candidate, request: RouteRequest) -> tuple[int, float]:
        """Return the levels' sum, negative, and since when he has been free."""
        levels = sum(member.skills.get(skill, 0) for skill in request.skills)
        return -levels, _NEVER if member.free_since is None else member.free_since


class RandomOrder(Strategy):
    """``random``: any order, each as likely.

    Args:
        seed: Makes the orders the same at each start.
    """

    turns = False

    def __init__(self, seed: int | str | None = None) -> None:
        self._random = random.Random(seed)

    def draw(self, members: Sequence[Candidate], count: int) -> Sequence[Candidate]:
        """Return the first `count` of an order of `members`, or all where they are fewer."""
        return self._random.sample(members, min(count, len(members)))

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        """Return each in a group of his own, as drawn."""
        return [[one] for one in self.draw(members, len(members))]


class WeightedRandom(RandomOrder):
    """``weighted_random``: any order; each is first as often as his weight says.

    Args:
        seed: Makes the orders the same at each start.
    """

    def draw(self, members: Sequence[Candidate], count: int) -> Sequence[Candidate]:
        """Return the first `count` of an order of `members`, drawn by their weights."""
        roll, count = self._random.random, min(count, len(members))
        weights = [one.weight for one in members]
        sums = list(accumulate(weights))
        drawn: dict[int, None] = {}
        while len(drawn) < count:
            index = min(bisect_right(sums, roll() * sums[-1]), len(sums) - 1)
            if index not in drawn:
                drawn[index] = None
                continue
            for gone in drawn:  # whoever is drawn a second time is drawn again, among the others
                weights[gone] = 0.0
            sums = list(accumulate(weights))
        return [members[index] for index in drawn]


STRATEGIES: Mapping[str, type[Strategy]] = {
    "ring_all": RingAll,
    "linear": Linear,
    "round_robin": RoundRobin,
    "least_recent": LeastRecent,
    "fewest_calls": FewestCalls,
    "longest_idle": LongestIdle,
    "random": RandomOrder,
    "weighted_random": WeightedRandom,
    "best_skill": BestSkill,
}
"""The strategies that have a name."""


class _Function(Strategy):
    def __init__(self, function: Callable[[Sequence[Candidate], RouteRequest], Ranking]) -> None:
        self._function = function

    def rank(self, members: Sequence[Candidate], request: RouteRequest) -> Ranking:
        return self._function(members, request)


def strategy_of(field: str, given: StrategyLike) -> Strategy:
    """Return the strategy that is meant.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(given, Strategy):
        return given
    if isinstance(given, str) and given in STRATEGIES:
        return STRATEGIES[given]()
    if callable(given) and not isinstance(given, type):
        return _Function(given)
    raise ConfigurationError(
        field, given, f"use one of {sorted(STRATEGIES)}, a Strategy, or a function that ranks"
    )
