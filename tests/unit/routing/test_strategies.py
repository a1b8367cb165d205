"""Each strategy is what it is defined as."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer import ConfigurationError, RouteRequest
from livetransfer.routing import STRATEGIES, Candidate
from livetransfer.routing.strategies import RandomOrder, WeightedRandom, strategy_of

SKILLS = ("billing", "es")
MOMENTS = st.none() | st.integers(0, 20).map(float)
STATES = st.builds(
    Candidate,
    name=st.just(""),
    available=st.booleans(),
    skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 9)),
    weight=st.floats(0.1, 10),
    calls=st.integers(0, 3),
    taken=st.integers(0, 5),
    rung_at=MOMENTS,
    free_since=MOMENTS,
)
QUEUES = st.lists(STATES, max_size=12).map(
    lambda states: [
        Candidate(**{**vars(state), "name": f"m{i}", "place": i}) for i, state in enumerate(states)
    ]
)
REQUESTS = st.builds(
    RouteRequest, skills=st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 9))
)


def ranked(name: str, members: Sequence[Candidate], request: RouteRequest) -> list[list[Candidate]]:
    found = strategy_of("strategy", name).rank(members, request)
    return [[one for one in group if isinstance(one, Candidate)] for group in found]


def one_by_one(name: str, members: list[Candidate], request: RouteRequest) -> list[Candidate]:
    groups = ranked(name, members, request)
    assert all(len(group) == 1 for group in groups)
    return [group[0] for group in groups]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@given(members=QUEUES, request=REQUESTS)
def test_everybody_once_and_nothing_is_changed(
    name: str, members: list[Candidate], request: RouteRequest
) -> None:
    before = list(members)
    groups = ranked(name, members, request)
    assert Counter(one.name for group in groups for one in group) == Counter(
        one.name for one in members
    )
    assert members == before


@given(members=QUEUES, request=REQUESTS)
def test_ring_all(members: list[Candidate], request: RouteRequest) -> None:
    assert ranked("ring_all", members, request) == ([members] if members else [])


@given(members=QUEUES, request=REQUESTS)
def test_linear(members: list[Candidate], request: RouteRequest) -> None:
    assert one_by_one("linear", members, request) == members


@given(members=QUEUES, request=REQUESTS, last=st.none() | st.integers(0, 11))
def test_round_robin(members: list[Candidate], request: RouteRequest, last: int | None) -> None:
    members = [replace(one, last=one.place == last) for one in members]
    order = one_by_one("round_robin", members, request)
    # It is the queue, turned; and who was rung last comes last.
    at = 0 if not order else members.index(order[0])
    assert order == members[at:] + members[:at]
    if last is not None and last < len(members):
        assert order[-1].last
    else:
        assert at == 0


def never_first(moment: float | None) -> float:
    return -1.0 if moment is None else moment


@given(members=QUEUES, request=REQUESTS)
def test_least_recent(members: list[Candidate], request: RouteRequest) -> None:
    order = one_by_one("least_recent", members, request)
    for one, after in itertools.pairwise(order):
        first, second = never_first(one.rung_at), never_first(after.rung_at)
        assert first < second or (first == second and one.place < after.place)


@given(members=QUEUES, request=REQUESTS)
def test_fewest_calls(members: list[Candidate], request: RouteRequest) -> None:
    order = one_by_one("fewest_calls", members, request)
    for one, after in itertools.pairwise(order):
        assert (one.taken, one.place) < (after.taken, after.place)


@given(members=QUEUES, request=REQUESTS)
def test_longest_idle(members: list[Candidate], request: RouteRequest) -> None:
    order = one_by_one("longest_idle", members, request)
    for one, after in itertools.pairwise(order):
        first = (one.calls, never_first(one.free_since), one.place)
        assert first < (after.calls, never_first(after.free_since), after.place)


@given(members=QUEUES, request=REQUESTS)
def test_best_skill(members: list[Candidate], request: RouteRequest) -> None:
    def level(one: Candidate) -> int:
        return sum(one.skills.get(skill, 0) for skill in request.skills)

    order = one_by_one("best_skill", members, request)
    for one, after in itertools.pairwise(order):
        assert level(one) >= level(after)
        if level(one) == level(after):
            first = (never_first(one.free_since), one.place)
            assert first < (never_first(after.free_since), after.place)


def first_ones(strategy: RandomOrder, weights: Sequence[float], times: int) -> Counter[str]:
    members = [Candidate(f"m{i}", i, weight=weight) for i, weight in enumerate(weights)]
    found: Counter[str] = Counter()
    for _ in range(times):
        first = strategy.rank(members, RouteRequest())[0][0]
        assert isinstance(first, Candidate)
        found[first.name] += 1
    return found


def test_random_is_fair_and_weighted_random_as_its_weights_say() -> None:
    even = first_ones(RandomOrder(seed=1), [1, 5, 1, 1], 4000)
    assert all(850 < even[f"m{i}"] < 1150 for i in range(4))
    uneven = first_ones(WeightedRandom(seed=1), [1, 2, 5], 8000)
    assert 850 < uneven["m0"] < 1150
    assert 1850 < uneven["m1"] < 2150
    assert 4800 < uneven["m2"] < 5200


def test_who_comes_second_by_weight_is_as_likely_as_if_the_first_were_not_there() -> None:
    members = [Candidate(f"m{i}", i, weight=weight) for i, weight in enumerate([1, 2, 5])]
    strategy = WeightedRandom(seed=1)
    found = Counter(strategy.draw(members, 2)[1].name for _ in range(8000))
    # After m1, 1 of 6; after m2, 1 of 3: (2/8)/6 + (5/8)/3 of 8000.
    assert 1850 < found["m0"] < 2150


def test_a_weight_beside_which_the_others_are_nothing_leaves_nobody_out() -> None:
    weights = [1e-9, 999_999.0, 1e-9, 999_999.0, 1e-9]
    members = [Candidate(f"m{i}", i, weight=weight) for i, weight in enumerate(weights)]
    drawn = WeightedRandom(seed=1).draw(members, len(members))
    assert {one.name for one in drawn[:2]} == {"m1", "m3"}
    assert len(set(drawn)) == len(members)


@pytest.mark.parametrize("kind", [RandomOrder, WeightedRandom])
def test_a_seed_makes_it_the_same_again(kind: type[RandomOrder]) -> None:
    members = [Candidate(f"m{i}", i) for i in range(8)]
    one, other = kind(seed="x"), kind(seed="x")
    for _ in range(5):
        assert one.rank(members, RouteRequest()) == other.rank(members, RouteRequest())


def test_a_function_will_do_and_other_things_will_not() -> None:
    members = [Candidate("a", 0), Candidate("b", 1)]
    backwards = strategy_of("strategy", lambda members, request: [[m] for m in members[::-1]])
    assert backwards.rank(members, RouteRequest()) == [[members[1]], [members[0]]]
    for bad in ("fastest", 3, None, RandomOrder):
        with pytest.raises(ConfigurationError, match="ring_all"):
            strategy_of("strategy", bad)  # type: ignore[arg-type]
