"""Documents: the rows of a store as JSON, with times in whole milliseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .states import Held, MemberState, Pause
from .store_rules import Place

__all__ = ["read_member", "read_place", "write_member", "write_place"]

# A Lua number writes 14 digits as they are: seconds with their fractions would lose some.


def write_member(state: MemberState) -> str:
    """Return a member's state as JSON. What is None or empty is left out."""
    document: dict[str, Any] = {"v": state.version}
    if state.held:
        document["h"] = [
            {
                "i": held.id,
                "c": held.call,
                "q": held.queue,
                "p": held.phase,
                "s": _ms(held.since),
                "u": _ms(held.until),
            }
            for held in state.held
        ]
    for key, time in (("r", state.last_rung), ("e", state.last_call_ended)):
        if time is not None:
            document[key] = _ms(time)
    for key, number in (("n", state.calls), ("m", state.missed)):
        if number:
            document[key] = number
    if state.pause is not None:
        document["z"] = state.pause.reason
        if state.pause.until is not None:
            document["zu"] = _ms(state.pause.until)
    if state.released:
        document["x"] = list(state.released)
    return json.dumps(document, separators=(",", ":"))


@lru_cache(maxsize=8192)
def read_member(document: str) -> MemberState:
    """Return the state that `write_member`, or the script of Redis, has written."""
    found: Mapping[str, Any] = json.loads(document)
    return MemberState(
        held=tuple(
            Held(each["i"], each["c"], each["q"], each["p"], each["s"] / 1e3, each["u"] / 1e3)
            for each in found.get("h", ())
        ),
        last_rung=_seconds(found.get("r")),
        last_call_ended=_seconds(found.get("e")),
        calls=found.get("n", 0),
        missed=found.get("m", 0),
        pause=Pause(found["z"], _seconds(found.get("zu"))) if "z" in found else None,
        version=found.get("v", 0),
        released=tuple(found.get("x", ())),
    )


def write_place(place: Place) -> str:
    """Return a place as JSON."""
    return json.dumps(
        {
            "c": place.call,
            "q": place.queue,
            "p": place.priority,
            "s": _ms(place.since),
            "n": place.seq,
            "u": _ms(place.until),
            "w": place.waits,
            "m": sorted(place.members),
        },
        separators=(",", ":"),
    )


@lru_cache(maxsize=1024)
def read_place(document: str) -> Place:
    """Return the place that `write_place` has written."""
    found = json.loads(document)
    return Place(
        found["c"],
        found["q"],
        found["p"],
        found["s"] / 1e3,
        found["n"],
        found["u"] / 1e3,
        found["w"],
        frozenset(found["m"]),
    )


def _ms(seconds: float) -> int:
    # Never later than it was: who comes in the same millisecond may not overtake one who waits.
    return math.floor(seconds * 1e3 + 0.001)


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1e3
