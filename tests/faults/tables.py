"""The tables of docs/topics/reliability.md: written by the tests, compared with what is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from livetransfer._flow import (
    after_bridge as after,
)
from livetransfer._flow import (
    briefing_session as briefing_line,
)
from livetransfer._flow import (
    caller_session,
    hang_up,
    hold_line,
    introduction,
    leg,
    teardown,
    warm_protocol,
)
from livetransfer._flow import (
    dial_refer_bridge as verbs,
)
from livetransfer._flow import (
    return_to_ai as giving_back,
)
from livetransfer.briefing import summary

from .cells import EVENTS, EXPECTED, PHASES, Cell
from .promises import GOODBYE, RESTORED, SILENCE, STOPS_RINGING

PAGE = Path(__file__).parents[2] / "docs" / "topics" / "reliability.md"
WRITE = "LIVETRANSFER_WRITE_TABLES"
"""Set this environment variable to write the tables instead of comparing them."""

_WHERE = {
    "with the AI": "AI",
    "with the human": "human",
    "gone": "gone",
    "nobody there": "nobody",
}


def matrix(results: Mapping[Cell, tuple[str, str]]) -> str:
    """Return the table of what became of each cell."""
    became = {(cell.phase, cell.event): result for cell, result in results.items()}
    lines = [
        "| | " + " | ".join(phase.value for phase in PHASES) + " |",
        "|---" * (len(PHASES) + 1) + "|",
    ]
    for event in EVENTS:
        cells = []
        for phase, expected in zip(PHASES, EXPECTED[event], strict=True):
            if expected is None:
                cells.append("–")
            else:
                status, where = became[phase, event]
                cells.append(f"{status}, {_WHERE[where]}")
        lines.append(f"| {event} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bounds() -> str:
    """Return the table of bounds, from the constants themselves."""
    closing = teardown.Teardown()
    rows = [
        ("the caller hangs up → no phone rings any more", STOPS_RINGING),
        ("the code is cancelled → the caller hears and is heard by the AI again", RESTORED),
        ("silence on hold, until a voice takes over", SILENCE),
        (
            "the caller hangs up → a human who is being briefed has heard why, and is hung up",
            GOODBYE,
        ),
        ("announcing, the AI's own words before it included", caller_session.ANNOUNCEMENT_LIMIT),
        ("waiting for the music before the phone is dialled without it", hold_line.OPEN_LIMIT),
        ("a dial, beyond `ring_timeout`, until it has said what became of it", verbs.DIAL_SLACK),
        ("the answer → the leg is ready to be talked to", leg.ANSWER_LIMIT),
        ("the answer → the line for the briefing is there", warm_protocol.READY_LIMIT),
        ("writing the summary, before a plain one is used", summary.SUMMARY_LIMIT),
        ("a last sentence to the human", briefing_line.FAREWELL_LIMIT),
        (
            "a last sentence to the caller, where the fallback ends the call",
            giving_back.GOODBYE_LIMIT,
        ),
        ("joining the two", verbs.BRIDGE_LIMIT),
        ("the introduction", introduction.INTRODUCTION_LIMIT),
        (
            "a REFER, beyond its own time-out, until it has said what became of it",
            verbs.REFER_SLACK,
        ),
        ("music after the caller was given back, until the AI speaks", hold_line.TAIL_LIMIT),
        ("one step of the teardown", closing._step),
        ("the teardown as a whole", closing._total),
        ("a hang-up that does not answer is asked for again after", hang_up.PATIENCE),
        ("a leg that cannot be hung up is pursued for", hang_up.PURSUED),
        ("a referred caller's leg leaves, or the caller has the AI again", after.REFERRED_LIMIT),
        ('the AI leaves the call, with `after="leave"`', after.LEAVE_LIMIT),
    ]
    lines = ["| From what to what | at most |", "|---|---|"]
    lines += [f"| {what} | {seconds:g} s |" for what, seconds in rows]
    return "\n".join(lines)


def check(name: str, table: str) -> None:
    """Compare `table` with the block `name` of the page, or write it there.

    Raises:
        AssertionError: The page has another table.
    """
    begin, end = f"<!-- begin {name} -->\n\n", f"\n\n<!-- end {name} -->"
    page = PAGE.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    there, ends, after = rest.partition(end)
    assert found and ends, f"{PAGE.name} has no place for the table {name!r}"  # noqa: PT018
    if os.environ.get(WRITE):
        PAGE.write_text(before + begin + table + end + after, encoding="utf-8")
        return
    assert there == table, (
        f"the table {name!r} in {PAGE.name} is not what the tests found; "
        f"write it with {WRITE}=1 python -m pytest tests/faults/test_matrix.py"
    )
