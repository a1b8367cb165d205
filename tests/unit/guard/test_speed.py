"""The guard decides fast enough to be asked about everything."""

from __future__ import annotations

import time

from livetransfer import Destination
from livetransfer.guard import DestinationGuard

FLOOR = 100_000
"""Decisions a second, on one core."""


def test_a_hundred_thousand_destinations_a_second() -> None:
    guard = DestinationGuard(
        names={"reception": "sip:100@pbx.example.com"},
        countries=["DE", "GB", "US"],
        domains=["pbx.example.com"],
    )
    asked = [Destination(f"+4420794{i:05d}") for i in range(5000)]
    asked += [Destination(f"+449012{i:06d}") for i in range(5000)]
    asked += [Destination(f"+1416555{i:04d}") for i in range(5000)]
    asked += [Destination(f"sip:user{i}@pbx.example.com") for i in range(5000)]
    for destination in asked[::100]:
        guard.decide(destination)
    best = min(_seconds(guard, asked) for _ in range(5))
    assert len(asked) / best > FLOOR


def _seconds(guard: DestinationGuard, asked: list[Destination]) -> float:
    began = time.process_time()
    for destination in asked:
        guard.decide(destination)
    return time.process_time() - began
