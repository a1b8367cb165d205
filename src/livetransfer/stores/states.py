"""What a store knows, as frozen data: members and their leases, callers who wait, a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal

from livetransfer.errors import ConfigurationError

__all__ = [
    "IDLE",
    "Grant",
    "Held",
    "LeasePhase",
    "MemberState",
    "Pause",
    "Snapshot",
    "Stale",
    "Taken",
    "Ticket",
    "Usage",
    "Waiting",
]

LeasePhase = Literal["ringing", "talking", "wrap_up"]
"""What a member who is taken does."""


@dataclass(frozen=True)
class Held:
    """One call of a member. Times are seconds by the store's clock.

    Attributes:
        id: What names the lease.
        call: What names the caller's call.
        queue: The queue that it came from.
        phase: What the member does in it.
        since: When he was taken.
        until: When the lease expires unless it is renewed; the end of the wrap-up.
    """

    id: str
    call: str
    queue: str
    phase: LeasePhase
    since: float
    until: float


@dataclass(frozen=True)
class Pause:
    """A member takes no calls.

    Attributes:
        reason: Why, for people.
        until: When it ends, by the store's clock; None: when he is resumed.
    """

    reason: str
    until: float | None = None


@dataclass(frozen=True)
class MemberState:
    """What a store knows of one member.

    Attributes:
        held: His leases, oldest first; some may have expired, see `alive`.
        last_rung: When his phone last began to ring.
        last_call_ended: When the last call ended in which he talked.
        calls: Calls that he has taken, since the store began to count.
        missed: Calls in a row that he did not answer.
        pause: Since he was paused; it may be over, see `paused`.
        version: The version of the team when he last changed.
        released: The leases that ended last.
    """

    held: tuple[Held, ...] = ()
    last_rung: float | None = None
    last_call_ended: float | None = None
    calls: int = 0
    missed: int = 0
    pause: Pause | None = None
    version: int = 0
    released: tuple[str, ...] = ()

    def alive(self, now: float) -> tuple[Held, ...]:
        """Return the leases that count now."""
        return tuple(held for held in self.held if held.until > now)

    def paused(self, now: float) -> Pause | None:
        """Return the pause that he has now, if any."""
        pause = self.pause
        if pause is None or (pause.until is not None and pause.until <= now):
            return None
        return pause

    def free(self, now: float, capacity: int) -> bool:
        """Return whether he can be taken: not paused, and with fewer calls than `capacity`."""
        if self.pause is not None and self.paused(now) is not None:
            return False
        return not self.held or len(self.alive(now)) < capacity

    def talked_until(self, now: float) -> float | None:
        """Return when he talked last: also with a caller the end of whose call nobody has seen."""
        unseen = [one.until for one in self.held if one.phase == "talking" and one.until <= now]
        return max(*unseen, self.last_call_ended or 0.0) if unseen else self.last_call_ended

    def changes_at(self, now: float) -> float | None:
        """Return when the first of his leases, or his pause, ends by itself."""
        times = [held.until for held in self.held if held.until > now]
        if (pause := self.paused(now)) is not None and pause.until is not None:
            times.append(pause.until)
        return min(times, default=None)


IDLE = MemberState()
"""The state of a member of whom nothing is known yet."""


@dataclass(frozen=True)
class Ticket:
    """A caller who wants somebody of a team.

    Args:
        call: What names the call over all of its transfers, on any worker.
        queue: The queue.
        priority: A higher one is served first.
        waited: Seconds that he has waited already.
        members: Those who could take the call, busy ones too.

    Raises:
        ConfigurationError: The call has no name.
    """

    call: str
    queue: str
    priority: int = 0
    waited: float = 0.0
    members: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.members))
        if not isinstance(self.call, str) or not self.call:
            raise ConfigurationError("call", self.call, "a ticket needs the name of its call")


@dataclass(frozen=True)
class Waiting:
    """A caller in the line of a team.

    Attributes:
        call: What names the call.
        queue: The queue.
        priority: The priority.
        since: Since when he waits, by the store's clock.
    """

    call: str
    queue: str
    priority: int
    since: float


@dataclass(frozen=True)
class Snapshot:
    """A team at one moment.

    Attributes:
        version: Goes up whenever a member or the line changes.
        now: The store's clock, in seconds; it compares with the times of the states only.
        states: The members that were asked for and are known; others are `IDLE`.
        waiting: Those who wait for anybody of the team, in the order in which they are served.
        cursor: The member whom the queue took last, for strategies that go round.
        cursors: Those of other queues, by their names, where somebody has read them.
        handling: Mean seconds that a member is taken for a call of the queue, wrap-up included;
            None where none has been measured.
    """

    version: int
    now: float
    states: Mapping[str, MemberState] = field(default_factory=dict)
    waiting: tuple[Waiting, ...] = ()
    cursor: str | None = None
    handling: float | None = None
    cursors: Mapping[str, str] = field(default_factory=dict)

    def state(self, member: str) -> MemberState:
        """Return the state of `member`."""
        return self.states.get(member, IDLE)

    def ahead(self, call: str) -> tuple[Waiting, ...]:
        """Return those of all queues who are served before `call`."""
        return tuple(takewhile(lambda waiting: waiting.call != call, self.waiting))

    def position(self, call: str) -> int | None:
        """Return the place of `call` in its queue, 1 for the next; None if it does not wait."""
        queue = next((waiting.queue for waiting in self.waiting if waiting.call == call), None)
        line = [waiting.call for waiting in self.waiting if waiting.queue == queue]
        return line.index(call) + 1 if queue is not None else None


@dataclass(frozen=True)
class Grant:
    """A member has been taken for a call; whoever holds it renews and releases it.

    Attributes:
        member: The member.
        id: What names the lease.
        call: The call.
        queue: The queue.
        capacity: How many calls the member takes at once.
        since: When he was taken, by the store's clock.
    """

    member: str
    id: str
    call: str
    queue: str
    capacity: int
    since: float


@dataclass(frozen=True)
class Taken:
    """These members are taken, in the order of the ranking."""

    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Stale:
    """Nobody was taken: who would be has changed since the snapshot. Look again."""


@dataclass(frozen=True)
class Usage:
    """How a lease was used.

    Attributes:
        talked: Whether the member talked with the caller.
        answered: Whether he answered; None where it says nothing about him.
        wrap_up: Seconds that he wraps up if he talked.
        autopause_after: Calls in a row not answered after which he is paused; None for never.
        autopause_for: Seconds of that pause; None until he is resumed.
    """

    talked: bool = False
    answered: bool | None = None
    wrap_up: float = 0.0
    autopause_after: int | None = None
    autopause_for: float | None = None
