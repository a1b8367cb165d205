"""Waiting time: how long until somebody is free for a caller in line, as far as it is known."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping

from livetransfer.stores import Snapshot

__all__ = ["estimate"]


def estimate(
    snapshot: Snapshot, members: Collection[str], capacities: Mapping[str, int], position: int
) -> float | None:
    """Return the seconds until the caller at `position` will have somebody; None: not known.

    Each call is taken to last as long as the calls of the queue have on average; a call that has
    lasted longer is taken to end now.

    Args:
        snapshot: The team, with the queue's measured times.
        members: Those who are on shift for the queue.
        capacities: How many calls those take who take several.
        position: 1 for the next.
    """
    mean, now = snapshot.handling, snapshot.now
    if mean is None:
        return None
    free: list[float] = []
    for name in members:
        state = snapshot.state(name)
        pause = state.paused(now)
        if pause is not None and pause.until is None:
            continue
        back = 0.0 if pause is None or pause.until is None else pause.until - now
        calls = state.alive(now)
        for call in calls:
            ends = call.until if call.phase == "wrap_up" else call.since + mean
            free.append(max(back, ends - now))
        free.extend([back] * (capacities.get(name, 1) - len(calls)))
    if not free:
        return None
    heapq.heapify(free)
    for _ in range(position - 1):
        heapq.heapreplace(free, free[0] + mean)
    return round(max(0.0, free[0]), 1)
