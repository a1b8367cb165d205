"""TeamStore: the port through which workers share who is taken, and who waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .counters import Counters
from .states import Grant, LeasePhase, Snapshot, Stale, Taken, Ticket, Usage

__all__ = ["Groups", "StoreHealth", "TeamStore"]

Groups = Sequence[Sequence[str]]
"""A ranking: groups of members, the best first; those of one group ring together."""


@dataclass(frozen=True)
class StoreHealth:
    """A store has been lost, or answers again.

    Attributes:
        available: Whether it answers.
        reason: Why not, for people.
    """

    available: bool
    reason: str = ""


@runtime_checkable
class TeamStore(Counters, Protocol):
    """What workers share: leases, presence and the line of a team, and the guard's counts.

    Every step is atomic over all processes that share the store. Every method may raise a
    [`StoreUnavailableError`][livetransfer.StoreUnavailableError], within the store's own bound;
    nothing is then known of what it was to do, and what it may have taken expires. On cancellation
    a step may have been done or not.
    """

    @property
    def shared_by(self) -> str:
        """Who shares it, for people: ``"this process"``, ``"this machine"``, ``"all workers"``."""

    async def open(self) -> None:
        """See that the store answers. Not needed: the first use opens it. Idempotent."""

    async def aclose(self) -> None:
        """Close what is open. Idempotent; a later use opens it again."""

    def listen(self, listener: Callable[[StoreHealth], None]) -> Callable[[], None]:
        """Have `listener` told when the store is lost and when it is back; return what ends that.

        It is called on the event loop that uses the store, and has to be quick and plain.
        """

    async def snapshot(
        self, team: str, members: Collection[str], queue: str | None = None
    ) -> Snapshot:
        """Return the team as it is now.

        Args:
            team: The team.
            members: Whose states to read.
            queue: Whose cursor and measured times to read.
        """

    async def take(
        self,
        team: str,
        ticket: Ticket,
        groups: Groups,
        *,
        ttl: float,
        capacities: Mapping[str, int] | None = None,
        version: int | None = None,
        turns: Mapping[str, str] | None = None,
    ) -> Taken | Stale | None:
        """Take all that are free of the first group in which somebody is free.

        A member is not free for this caller while one who waits longer (or with a higher
        priority) could take him. Who takes somebody does not wait any more; his place is
        remembered for `ttl` seconds more.

        Args:
            team: The team.
            ticket: The caller. One who waits keeps the age and priority with which he joined.
            groups: The ranking.
            ttl: Seconds after which the leases expire unless they are renewed.
            capacities: How many calls members take at once; 1 where it does not say.
            version: That of the snapshot of the ranking; None takes by the ranking as it is.
            turns: Of which queue the cursor moves where one of these is taken; ``""``: of none.
                For all others it is that of the ticket's queue.

        Returns:
            Those taken; `Stale` where one of those who would be has changed since `version`, so
            that he may rank otherwise now; None where nobody is free.
        """

    async def renew(self, team: str, grant: Grant, phase: LeasePhase, ttl: float) -> bool:
        """Keep a lease for `ttl` seconds from now, and say what the member does.

        One that has expired, or that a store has forgotten, is taken again where he is free. The
        first time he talks, the call counts as taken by him.

        Returns:
            Whether the lease is held; False where it was released, or others have taken him.
        """

    async def release(self, team: str, grant: Grant, usage: Usage) -> None:
        """End a lease, once: the wrap-up begins, or he is free. Idempotent."""

    async def join(self, team: str, ticket: Ticket, ttl: float) -> None:
        """Wait in line: a new place, or the one that the same call had within `ttl` seconds."""

    async def stay(self, team: str, ticket: Ticket, ttl: float) -> None:
        """Keep a place for `ttl` seconds from now.

        One that has expired, or that a store has forgotten, is taken again by the ticket's age;
        that of a caller who has somebody by now is not.
        """

    async def leave(self, team: str, call: str) -> None:
        """Give up a place. Idempotent."""

    async def news(self, team: str, version: int, within: float) -> None:
        """Return when the team's version is no more `version`, or after `within` seconds.

        A store that is lost is no news, and raises nothing.
        """

    async def pause(
        self, team: str, member: str, reason: str = "", seconds: float | None = None
    ) -> None:
        """Have a member offered to nobody, for `seconds` or until he is resumed."""

    async def resume(self, team: str, member: str) -> None:
        """Have him offered again, with no missed calls. Idempotent."""
