"""TeamStatus: how the members and the queues of a team stand at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal

from livetransfer.stores import Snapshot

from .eligible_members import Roster
from .member import Member
from .waiting_time import estimate, turn_after

__all__ = ["MemberStatus", "Presence", "QueueStatus", "TeamStatus", "team_status"]

Presence = Literal["available", "ringing", "talking", "wrap_up", "paused", "off_hours", "full"]
"""What a member does; ``"full"``: he has as many calls as he takes, where he takes several."""


@dataclass(frozen=True)
class MemberStatus:
    """How a member stands.

    Attributes:
        name: His name.
        presence: What he does.
        calls: Calls that he has, those that ring and those he wraps up included.
        capacity: How many he takes at once.
        taken: Calls that he has taken so far.
        missed: Calls in a row that he did not answer.
        seconds: For how long he has had his last call; None without one.
        reason: Why he is paused.
        resumes_in: Seconds until the pause ends; None where it does not by itself.
    """

    name: str
    presence: Presence
    calls: int = 0
    capacity: int = 1
    taken: int = 0
    missed: int = 0
    seconds: float | None = None
    reason: str = ""
    resumes_in: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class QueueStatus:
    """How a queue stands.

    Attributes:
        name: Its name.
        open: Whether its hours are now, and somebody is on shift.
        waiting: How many callers wait.
        longest_wait: Seconds that the longest of them has waited; None where nobody waits.
        estimate: Seconds that the next who comes has to wait; None where it cannot be known.
        available: Members who can be rung now.
        on_shift: Members who are on shift and not paused.
    """

    name: str
    open: bool
    waiting: int = 0
    longest_wait: float | None = None
    estimate: float | None = None
    available: int = 0
    on_shift: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class TeamStatus:
    """How a team stands.

    Attributes:
        members: Its members, in their order.
        queues: Its queues, in their order.
    """

    members: tuple[MemberStatus, ...]
    queues: tuple[QueueStatus, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "members": [member.to_dict() for member in self.members],
            "queues": [queue.to_dict() for queue in self.queues],
        }


def team_status(
    members: Sequence[Member],
    rosters: Mapping[str, Roster],
    snapshot: Snapshot,
    handling: Mapping[str, float | None],
    now: float,
) -> TeamStatus:
    """Return how a team stands.

    Args:
        members: All of it.
        rosters: Those of its queues, by their names.
        snapshot: What the store knows of all members.
        handling: The mean seconds of a call, by queue.
        now: Seconds since the epoch, for hours.
    """
    return TeamStatus(
        tuple(_member(member, snapshot, now) for member in members),
        tuple(_queue(rosters, name, snapshot, handling.get(name), now) for name in rosters),
    )


def _member(member: Member, snapshot: Snapshot, now: float) -> MemberStatus:
    state, moment = snapshot.state(member.name), snapshot.now
    calls, pause = state.alive(moment), state.paused(moment)
    presence: Presence = "available"
    if pause is not None:
        presence = "paused"
    elif calls:
        full = len(calls) >= member.capacity > 1
        presence = "full" if full else calls[-1].phase
    elif member.hours is not None and not member.hours.open_at(
        datetime.fromtimestamp(now, timezone.utc)
    ):
        presence = "off_hours"
    until = None if pause is None else pause.until
    return MemberStatus(
        member.name,
        presence,
        len(calls),
        member.capacity,
        state.calls,
        state.missed,
        round(moment - calls[-1].since, 1) if calls else None,
        "" if pause is None else pause.reason,
        None if until is None else round(until - moment, 1),
    )


def _queue(
    rosters: Mapping[str, Roster],
    name: str,
    snapshot: Snapshot,
    handling: float | None,
    now: float,
) -> QueueStatus:
    roster, moment = rosters[name], snapshot.now
    queue = roster.queue
    pool = roster.pool(queue.required({}, 0.0), now)
    line = [waiting for waiting in snapshot.waiting if waiting.queue == queue.name]
    on_shift = [n for n in pool.names if snapshot.state(n).paused(moment) is None]
    available = sum(
        snapshot.state(each).free(moment, pool.members[each].capacity) for each in on_shift
    )
    measured = replace(snapshot, handling=handling)
    ahead = [waiting for waiting in snapshot.waiting if waiting.priority >= queue.priority]
    turn = turn_after(ahead, name, pool.names, rosters)
    return QueueStatus(
        queue.name,
        roster.open(now) and bool(pool.names),
        len(line),
        round(moment - min(w.since for w in line), 1) if line else None,
        estimate(measured, pool.names, pool.capacities, turn),
        available,
        len(on_shift),
    )
