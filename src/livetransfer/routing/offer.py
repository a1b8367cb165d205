"""The seam between a run and whoever chooses the people: an offer, a wait, or nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from livetransfer._checks import check_seconds
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError
from livetransfer.status import TransferStatus

__all__ = ["Lease", "Manner", "Offer", "Place", "Wait"]

Manner = Literal["warm", "cold"]
"""Whether somebody is briefed before he is joined with the caller."""


@runtime_checkable
class Lease(Protocol):
    """A member is taken: while he rings, talks and wraps up nobody else may ring him.

    The run tells it what happens; it renews itself meanwhile, and expires by itself where its
    worker dies. Every method may be called late or twice, and none raises for a lease that has
    expired.
    """

    @property
    def member(self) -> str:
        """The name of the member."""

    async def talking(self) -> None:
        """The member has been joined with the caller."""

    async def release(self, status: TransferStatus, *, talked: bool = False) -> None:
        """The member is done with this call.

        Args:
            status: What became of his phone: a member who does not answer may be paused for it.
            talked: Whether he talked with the caller, and wraps up now.
        """

    async def leave_talking(self) -> None:
        """The member talks on where nobody can see the end: the lease ends by its own bound."""


@runtime_checkable
class Place(Protocol):
    """A caller's place in a queue. It is kept alive while it is held."""

    async def changed(self) -> None:
        """Return when it is worth asking again: somebody may be free, or the place has moved.

        On cancellation the place is kept.
        """

    async def leave(self) -> None:
        """Give the place up. Idempotent."""


@dataclass(frozen=True)
class Offer:
    """The phones to ring for one attempt.

    Args:
        destinations: Whom to ring, in order of preference.
        ring_timeout: Seconds that they may ring. Default: the transfer's.
        ring_next_after: Seconds after which the next one rings too, while those before go on;
            0 rings all at once.
        leases: Empty, or one for each of `destinations`, in the same order; None in it for one
            that needs none.
        queue: The queue that the offer is made for.
        methods: Empty, or one for each of `destinations`: ``"cold"`` for one who is not briefed
            by a warm transfer, but joined with the caller as soon as he answers.

    Raises:
        ConfigurationError: There is nobody to ring, or the leases or methods are not one for each.
    """

    destinations: tuple[Destination, ...]
    ring_timeout: float | None = None
    ring_next_after: float = 0.0
    leases: tuple[Lease | None, ...] = field(default=(), compare=False)
    queue: str | None = None
    methods: tuple[Manner | None, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "destinations", tuple(self.destinations))
        object.__setattr__(self, "leases", tuple(self.leases))
        object.__setattr__(self, "methods", tuple(self.methods))
        if not self.destinations:
            raise ConfigurationError("destinations", (), "an offer names somebody; None is nobody")
        if self.leases and len(self.leases) != len(self.destinations):
            raise ConfigurationError("leases", self.leases, "give one for each destination")
        if self.methods and len(self.methods) != len(self.destinations):
            raise ConfigurationError("methods", self.methods, "give one for each destination")
        if self.ring_timeout is not None:
            check_seconds("ring_timeout", self.ring_timeout, 1, 600)
        check_seconds("ring_next_after", self.ring_next_after, 0, 600)


@dataclass(frozen=True)
class Wait:
    """Nobody is free now: the caller waits, on hold, in a queue.

    Args:
        place: The caller's place.
        queue: The queue's name.
        position: The caller's position in it, 1 for the next; None where it is not known.
        estimate: Seconds until somebody will be free; None where it cannot be known.
        max_wait: Seconds, from now, that the caller may still wait.
    """

    place: Place
    queue: str | None = None
    position: int | None = None
    estimate: float | None = None
    max_wait: float = 600.0
