"""A tier that is kept ranked is ranked as its strategy would rank it anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer import RouteRequest
from livetransfer.routing import STRATEGIES, Candidate, Member
from livetransfer.routing.ask_strategy import ranked
from livetransfer.routing.ranked_tier import Tier
from livetransfer.routing.strategies import strategy_of
from livetransfer.stores import IDLE, Held, MemberState, Pause, Snapshot

NAMES = [f"m{i}" for i in range(6)]
SKILLS = {"billing": 2}
ROLLS = {"random", "weighted_random"}
MEMBERS = [
    Member(name, f"+1555010{i}", skills={"billing": 1 + i % 3}, capacity=1 + i % 2)
    for i, name in enumerate(NAMES)
]
PLACES = {name: place for place, name in enumerate([NAMES[0], "gone", *NAMES[1:]])}

moments = st.integers(0, 40).map(float)
helds = st.builds(
    Held,
    id=st.just("x"),
    call=st.just("c"),
    queue=st.just("q"),
    phase=st.just("ringing"),
    since=st.just(0.0),
    until=moments,
)
states = st.builds(
    MemberState,
    held=st.lists(helds, max_size=2).map(tuple),
    last_rung=st.none() | moments,
    last_call_ended=st.none() | moments,
    calls=st.integers(0, 3),
    pause=st.none() | st.builds(Pause, st.just(""), st.none() | moments),
)
changes = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(NAMES), states, max_size=3), st.integers(0, 8)),
    min_size=1,
    max_size=8,
)


def candidates(snapshot: Snapshot, last: int | None) -> list[Candidate]:
    found = []
    turn = None if last is None else max(i for i, n in enumerate(NAMES) if PLACES[n] <= last)
    for i, member in enumerate(MEMBERS):
        state = snapshot.state(member.name)
        found.append(
            Candidate(
                member.name,
                PLACES[member.name],
                state.free(snapshot.now, member.capacity),
                member.skills,
                calls=len(state.alive(snapshot.now)),
                taken=state.calls,
                rung_at=state.last_rung,
                free_since=state.last_call_ended,
                last=i == turn,
            )
        )
    return found


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@given(history=changes, last=st.none() | st.integers(0, 6))
def test_it_is_as_if_ranked_anew(
    name: str, history: list[tuple[dict[str, MemberState], int]], last: int | None
) -> None:
    tier = Tier(MEMBERS, PLACES, strategy_of("strategy", name), SKILLS)
    request = RouteRequest(skills=SKILLS)
    known: dict[str, MemberState] = {}
    now, version = 0.0, 0
    for changed, seconds in history:
        now += seconds
        for one, state in changed.items():
            version += 1
            known[one] = MemberState(**{**vars(state), "version": version})
        snapshot = Snapshot(version, now, dict(known))
        found = tier.ranked(snapshot, request, last)
        anew = ranked(strategy_of("strategy", name), candidates(snapshot, last), request)
        if name in ROLLS:
            assert sorted(found) == sorted(anew)
            assert len(tier.ranked(snapshot, request, last, 2)) == min(2, len(anew))
        else:
            assert found == anew
            assert tier.ranked(snapshot, request, last, 2) == anew[:2]


def test_a_lease_that_was_only_kept_for_longer_holds() -> None:
    tier = Tier(MEMBERS[:1], PLACES, strategy_of("strategy", "linear"), {})
    held = Held("x", "c", "q", "talking", 0.0, 10.0)
    taken = MemberState(held=(held,), version=1)
    assert tier.ranked(Snapshot(1, 5.0, {"m0": taken}), RouteRequest(), None) == []
    kept = MemberState(held=(Held("x", "c", "q", "talking", 0.0, 30.0),), version=1)
    assert tier.ranked(Snapshot(1, 12.0, {"m0": kept}), RouteRequest(), None) == []
    assert tier.ranked(Snapshot(1, 31.0, {"m0": kept}), RouteRequest(), None) == [["m0"]]
    assert tier.ranked(Snapshot(2, 31.0, {"m0": IDLE}), RouteRequest(), None) == [["m0"]]


def test_who_talked_on_where_nobody_saw_the_end_is_idle_since_his_lease_has_ended() -> None:
    talked = Held(id="x", call="c", queue="q", phase="talking", since=10.0, until=300.0)
    states = {NAMES[0]: MemberState(held=(talked,)), NAMES[1]: MemberState(last_call_ended=100.0)}
    tier = Tier(MEMBERS[:2], PLACES, strategy_of("strategy", "longest_idle"), {})
    first = tier.ranked(Snapshot(version=1, now=400.0, states=states), RouteRequest(), None)
    assert first == [[NAMES[1]], [NAMES[0]]]
