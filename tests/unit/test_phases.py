"""The phase table: every move in it works, every other one raises, whatever the order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livetransfer.phases import TABLE, IllegalMove, Phase, Phases

PAIRS = [(old, new) for old in Phase for new in Phase]


def path_to(phase: Phase) -> list[Phase]:
    """Return the shortest legal way from IDLE to `phase`."""
    ways = {Phase.IDLE: list[Phase]()}
    queue = [Phase.IDLE]
    while queue:
        here = queue.pop(0)
        for new in sorted(TABLE[here]):
            if new not in ways:
                ways[new] = [*ways[here], new]
                queue.append(new)
    return ways[phase]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_only_the_moves_of_the_table(old: Phase, new: Phase) -> None:
    told: list[tuple[Phase, Phase]] = []
    phases = Phases(lambda: 0.0, lambda a, b: told.append((a, b)))
    for step in path_to(old):
        phases.move(step)
    if new in TABLE[old]:
        phases.move(new)
        assert phases.current is new
        assert told[-1] == (old, new)
    else:
        before = list(told)
        with pytest.raises(IllegalMove):
            phases.move(new)
        assert phases.current is old
        assert told == before


def test_every_phase_can_be_reached_and_left_unless_it_is_the_end() -> None:
    for phase in Phase:
        path_to(phase)
        assert bool(TABLE[phase]) != (phase in (Phase.RETURNED, Phase.ENDED))


def test_the_caller_can_be_given_back_or_lost_from_every_phase_before_the_end() -> None:
    for phase in Phase:
        if phase not in (Phase.RETURNED, Phase.ENDED, Phase.REFERRED):
            assert TABLE[phase] >= {Phase.RETURNED, Phase.ENDED}


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0.01, 5)), max_size=30))
def test_timings_add_up(choices: list[tuple[int, float]]) -> None:
    clock = [0.0]
    phases = Phases(lambda: clock[0], lambda a, b: None)
    entered = None
    for pick, seconds in choices:
        options = sorted(TABLE[phases.current])
        if not options:
            break
        entered = clock[0] if entered is None else entered
        phases.move(options[pick % len(options)])
        left = clock[0]
        clock[0] += seconds
    else:
        left = clock[0] if phases.current is Phase.IDLE else left
    if entered is not None:
        assert sum(phases.timings().values()) == pytest.approx(left - entered)


ARCHITECTURE = Path(__file__).parents[2] / "docs" / "topics" / "architecture.md"


def test_the_diagram_in_the_docs_is_that_of_the_table() -> None:
    leave = {Phase.RETURNED, Phase.ENDED}
    arrows = [
        f"    {old} --> {new}"
        for old, followers in TABLE.items()
        for new in sorted(followers - leave, key=list(Phase).index)
    ]
    diagram = "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```"])
    page = ARCHITECTURE.read_text(encoding="utf-8")
    begin, end = "<!-- begin phases -->\n\n", "\n\n<!-- end phases -->"
    before, _, rest = page.partition(begin)
    there, _, after = rest.partition(end)
    if os.environ.get("LIVETRANSFER_WRITE_TABLES"):
        ARCHITECTURE.write_text(before + begin + diagram + end + after, encoding="utf-8")
        return
    assert there == diagram, "write it with LIVETRANSFER_WRITE_TABLES=1"
