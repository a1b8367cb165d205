"""Waiting time: how long until somebody is free for a caller in line, as far as it is known."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Set

from livetransfer.stores import Snapshot, Waiting

from .eligible_members import Roster

__all__ = ["estimate", "turn_after"]


def turn_after(
    ahead: Iterable[Waiting], queue: str, members: Set[str], rosters: Mapping[str, Roster]
) -> int:
    """Return whose turn it is after those who are ahead, 1 for the next.

    A caller of another queue counts in the proportion of its members who are among `members`:
    half, where one of its two may be taken for either queue.

    Args:
        ahead: Those who are served before.
        queue: The queue.
        members: Those who may be rung.
        rosters: Those of all queues, by their names.
    """
    turn = 1.0
    for one in ahead:
        if one.queue == queue:
            turn += 1
        elif (roster := rosters.get(one.queue)) is not None and roster.names:
            turn += len(roster.names & members) / len(roster.names)
    return int(turn + 0.5)


def estimate(
    snapshot: Snapshot, members: Collection[str], capacities: Mapping[str, int], turn: int
) -> float | None:
    """Return the seconds until the caller whose turn it is will have somebody; None: not known.

    Each call is taken to last as long as the calls of the queue have on average; a call that has
    lasted longer is taken to end now.

    Args:
        snapshot: The team, with the queue's measured times.
        members: Those who are on shift for the queue.
        capacities: How many calls those take who take several.
        turn: 1 for the next; see `turn_after`.
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
    for _ in range(turn - 1):
        heapq.heapreplace(free, free[0] + mean)
    return round(max(0.0, free[0]), 1)
