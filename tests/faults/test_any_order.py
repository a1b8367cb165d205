"""Anything, in any order and at any time: the promises hold all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from livetransfer import Phase

from .hooks import HOOKS
from .script import EVENTS, FALLBACKS, HUMANS, Script, play
from .scripts import KEPT

WARM_PHASES = (
    Phase.ANNOUNCING,
    Phase.HOLDING,
    Phase.DIALLING,
    Phase.RINGING,
    Phase.BRIEFING,
    Phase.BRIDGING,
    Phase.BRIDGED,
    Phase.RETURNED,
)
COLD_PHASES = (
    Phase.ANNOUNCING,
    Phase.REFERRING,
    Phase.REFERRED,
    Phase.HOLDING,
    Phase.DIALLING,
    Phase.RINGING,
    Phase.BRIDGING,
    Phase.BRIDGED,
    Phase.RETURNED,
)
OFFSETS = (0.0, 0.005, 0.01, 0.3, 1.0, 2.5)
WARM_VERBS = (
    "bridge",
    "dial",
    "hang_up",
    "open_audio",
    "open_conversation",
    "start_conversation",
)
COLD_VERBS = ("bridge", "dial", "hang_up", "open_audio", "refer")


ACCEPTING = sorted(name for name in HUMANS if "accepts" in name)


def moments(phases: tuple[Phase, ...]) -> st.SearchStrategy[Any]:
    """A time, or a time in a phase: races want the second."""
    at = st.integers(0, 200).map(lambda n: n / 10)
    within = st.tuples(st.sampled_from(phases), st.sampled_from(OFFSETS))
    return st.one_of(within, within, at)


def faults(verbs: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """What goes wrong in a verb; a hang-up that never works at all is a test of its own."""
    return st.tuples(
        st.sampled_from(verbs),
        st.sampled_from(("fail", "never", "late", "delay")),
        st.sampled_from((0.0, 0.5, 2.0, 7.0)),
        st.integers(1, 2),
    )


def scripts(kind: str) -> st.SearchStrategy[Script]:
    """Scripts of one kind of transfer."""
    warm = kind == "warm"
    options = ["announcement", "listener raises"]
    options += ["impatient", "the first again"]
    options += ["introduction", "conversation", "talkative", "exit key"] if warm else ["dialtone"]
    return st.builds(
        Script,
        kind=st.just(kind),
        # Most answer and accept, for there is more to disturb.
        humans=st.lists(
            st.sampled_from([*ACCEPTING * 3, *sorted(HUMANS)]), min_size=1, max_size=2
        ).map(tuple),
        after=st.sampled_from(("end", "return", "leave")),
        refer=st.just("accepts")
        if warm
        else st.sampled_from(
            ("refuses", "accepts", "unsupported", "busy", "times_out", "succeeds_late")
        ),
        fallback=st.sampled_from(sorted(FALLBACKS)),
        options=st.frozensets(st.sampled_from(options), max_size=4),
        # Mostly none, for with most of them no human is ever joined.
        hook=st.sampled_from(("",) * 20 + HOOKS if warm else ("",)),
        faults=st.lists(faults(WARM_VERBS if warm else COLD_VERBS), max_size=2).map(tuple),
        events=st.lists(
            st.tuples(
                moments(WARM_PHASES if warm else COLD_PHASES), st.sampled_from(sorted(EVENTS))
            ),
            max_size=4,
        ).map(tuple),
    )


def throw(script: Script) -> None:
    scene = asyncio.run(play(script))
    outcome = scene.outcome
    event(f"{script.kind}: {outcome.status if outcome else type(scene.result).__name__}")
    event(f"disturbed in {_phase(scene)}")


def _phase(scene: Any) -> str:
    if scene.fault_at is None:
        return "no phase"
    entered = [e.new for at, e in scene.events if hasattr(e, "new") and at <= scene.fault_at]
    return entered[-1].value if entered else "idle"


COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}


@settings(max_examples=200, derandomize=True, database=None, **COMMON)
@given(scripts("warm"))
def test_warm(script: Script) -> None:
    throw(script)


@settings(max_examples=100, derandomize=True, database=None, **COMMON)
@given(scripts("cold"))
def test_cold(script: Script) -> None:
    throw(script)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=1500, **COMMON)
@given(scripts("warm"))
def test_warm_many(script: Script) -> None:
    throw(script)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=750, **COMMON)
@given(scripts("cold"))
def test_cold_many(script: Script) -> None:
    throw(script)


@pytest.mark.parametrize("name", sorted(KEPT))
def test_kept(name: str) -> None:
    asyncio.run(play(KEPT[name]))
