"""Tier: the members of one tier of a queue, kept ranked from one snapshot to the next."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from operator import is_not
from typing import Any

from livetransfer.stores import IDLE, MemberState, Snapshot

from .ask_strategy import ranked
from .member import Member
from .router import RouteRequest
from .strategies import (
    Candidate,
    Linear,
    RandomOrder,
    RingAll,
    RoundRobin,
    Sorted,
    Strategy,
    WeightedRandom,
)

__all__ = ["Tier"]

_FOREVER = float("inf")


class Tier:
    """Members of one tier, and for the strategies that have a name their order.

    Only what has changed since the last snapshot is looked at again: a queue of hundreds is
    ranked thousands of times a second. What it says is what the strategy's `rank` would.

    Args:
        members: The members, in the order of the queue.
        places: Each one's place in the queue.
        strategy: The queue's.
        required: The skills that the calls need for which it is asked.
    """

    def __init__(
        self,
        members: Sequence[Member],
        places: Mapping[str, int],
        strategy: Strategy,
        required: Mapping[str, int],
    ) -> None:
        self.names = tuple(member.name for member in members)
        self._members = tuple(members)
        self._places = [places[name] for name in self.names]
        self._strategy = strategy
        kind = type(strategy)
        self._sorted = strategy if isinstance(strategy, Sorted) and strategy.keeps else None
        self._random: RandomOrder | None = None
        if isinstance(strategy, RandomOrder) and kind in (RandomOrder, WeightedRandom):
            self._random = strategy
        self._in_order = kind in (Linear, RingAll, RoundRobin)
        self._like = RouteRequest(skills=required)
        count = len(self.names)
        self._states: list[MemberState | None] = [None] * count
        self._candidates: list[Candidate] = []
        self._untils = [_FOREVER] * count
        self._until = _FOREVER
        self._order: list[tuple[Any, int]] = []
        self._lock = threading.Lock()  # a worker's jobs may be threads

    def ranked(
        self,
        snapshot: Snapshot,
        request: RouteRequest,
        after: int | None,
        limit: int | None = None,
    ) -> list[list[str]]:
        """Return who can be rung, in groups.

        Args:
            snapshot: The team as it is.
            request: What is known of the call.
            after: The place in the queue of who was rung last for it.
            limit: How many groups are enough.
        """
        names = self.names
        with self._lock:
            self._update(snapshot)
            if self._random is not None:
                free = [self._candidates[index] for _, index in self._order]
                return [[one.name] for one in self._random.draw(free, limit or len(free))]
            if self._sorted is not None or self._in_order:
                order = [index for _, index in self._order[: None if self._in_order else limit]]
                if type(self._strategy) is RoundRobin and after is not None:
                    turn = bisect_right(order, after, key=lambda index: self._places[index])
                    order = order[turn:] + order[:turn]
                if type(self._strategy) is RingAll:
                    return [[names[index] for index in order]] if order else []
                return [[names[index]] for index in order[:limit]]
            candidates = list(self._candidates)
        if after is not None and candidates:
            turn = bisect_right(self._places, after) - 1
            candidates[turn] = replace(candidates[turn], last=True)
        return ranked(self._strategy, candidates, request)

    def _update(self, snapshot: Snapshot) -> None:
        now = snapshot.now
        states = list(map(snapshot.states.get, self.names))
        if not self._candidates:
            self._candidates = [self._candidate(i, state, now) for i, state in enumerate(states)]
            self._order = sorted(
                (self._key(i), i) for i, one in enumerate(self._candidates) if one.available
            )
        else:
            before = self._states
            changed = [
                index
                for index in compress(range(len(states)), map(is_not, states, before))
                if _version(states[index]) != _version(before[index])
            ]
            if now >= self._until:
                changed += [i for i, until in enumerate(self._untils) if now >= until]
            for index in changed:
                self._replace(index, states[index], now)
            if now >= self._until:
                self._until = min(self._untils)
        self._states = states

    def _replace(self, index: int, state: MemberState | None, now: float) -> None:
        if self._candidates[index].available:
            del self._order[bisect_left(self._order, (self._key(index), index))]
        self._candidates[index] = one = self._candidate(index, state, now)
        if one.available:
            insort(self._order, (self._key(index), index))

    def _key(self, index: int) -> Any:
        if self._sorted is None:
            return self._places[index]
        return self._sorted.key(self._candidates[index], self._like)

    def _candidate(self, index: int, state: MemberState | None, now: float) -> Candidate:
        member, state = self._members[index], state or IDLE
        until = state.changes_at(now)
        self._untils[index] = _FOREVER if until is None else until
        if until is not None and until < self._until:
            self._until = until
        return Candidate(
            member.name,
            self._places[index],
            state.free(now, member.capacity),
            member.skills,
            member.priority,
            member.weight,
            len(state.alive(now)) if state.held else 0,
            state.calls,
            state.last_rung,
            state.talked_until(now),
        )


def _version(state: MemberState | None) -> int:
    """Return what changes with a state; one that is only kept for longer stays the same."""
    return -1 if state is None else state.version
