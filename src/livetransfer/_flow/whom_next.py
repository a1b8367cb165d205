"""Course: whom a run rings next: its targets in their order, or what a router offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

from livetransfer.destination import Destination
from livetransfer.outcome import Attempt
from livetransfer.routing.offer import Offer, Wait
from livetransfer.status import RETRYABLE

__all__ = ["Course", "ListCourse", "Resolved", "Ring", "Routed"]

Ring = Literal["in_order", "all"]
"""How several destinations are rung: one after the other, or together."""


class Course(Protocol):
    """The order of the attempts of one run."""

    @property
    def remaining(self) -> int:
        """How many offers are left, as far as it is known; 1 where there may be more."""

    @property
    def first(self) -> Offer | None:
        """The first offer, where it is known before anybody is asked."""

    def key(self, offer: Offer) -> object:
        """Return what is the same for offers whose attempts are counted as tries of one."""

    async def next(self, attempts: Sequence[Attempt]) -> Offer | Wait | None:
        """Return whom to ring next; None is nobody.

        Raises:
            CodeFailed: A router failed.
            DestinationNotAllowedError: The guard, or ``allowed=``, refused whom it named.
        """

    async def again(self, attempts: Sequence[Attempt]) -> Offer | Wait | None:
        """Return whom to ring where the last offer, or its phones that may help, is tried again.

        Raises:
            CodeFailed: A router failed.
            DestinationNotAllowedError: The guard, or ``allowed=``, refused whom it named.
        """


class ListCourse:
    """Destinations in their order.

    Args:
        destinations: Whom to ring.
        ring: ``"in_order"`` or ``"all"``.
        ring_next_after: Seconds after which the next phone rings too; None for not before the one
            before is over.
    """

    def __init__(
        self, destinations: Sequence[Destination], ring: Ring, ring_next_after: float | None
    ) -> None:
        if (ring == "all" or ring_next_after is not None) and len(destinations) > 1:
            self._offers = [Offer(tuple(destinations), ring_next_after=ring_next_after or 0.0)]
        else:
            self._offers = [Offer((destination,)) for destination in destinations]
        self._index = -1

    @property
    def remaining(self) -> int:
        """How many offers have not been made yet."""
        return max(0, len(self._offers) - self._index - 1)

    @property
    def first(self) -> Offer | None:
        """The first offer."""
        return self._offers[0]

    def key(self, offer: Offer) -> object:
        """Return the place in the list: somebody may stand in it twice."""
        return self._index

    async def next(self, attempts: Sequence[Attempt]) -> Offer | None:
        """Return the next offer."""
        self._index += 1
        return self._offers[self._index] if self._index < len(self._offers) else None

    async def again(self, attempts: Sequence[Attempt]) -> Offer | None:
        """Return the last offer; of a group, the phones that it may help to ring again."""
        offer = self._offers[self._index]
        if len(offer.destinations) > 1:
            phones = attempts[-len(offer.destinations) :]
            again = [p.destination for p in phones if p.status in RETRYABLE]
            if again:
                offer = replace(offer, destinations=tuple(d for d in again if d is not None))
                self._offers[self._index] = offer
        return offer


class Resolved:
    """The destinations that a router resolves to, once; asked again only where it found nobody.

    Args:
        resolve: Asks it.
        ring: See `ListCourse`.
        ring_next_after: See `ListCourse`.
    """

    def __init__(
        self,
        resolve: Callable[[Sequence[Attempt]], Awaitable[Sequence[Destination]]],
        ring: Ring,
        ring_next_after: float | None,
    ) -> None:
        self._resolve, self._ring, self._ring_next_after = resolve, ring, ring_next_after
        self._found: ListCourse | None = None

    @property
    def first(self) -> Offer | None:
        """None: the router has not been asked."""
        return None

    @property
    def remaining(self) -> int:
        """How many offers have not been made yet."""
        return 0 if self._found is None else self._found.remaining

    def key(self, offer: Offer) -> object:
        """Return the place in the list."""
        return None if self._found is None else self._found.key(offer)

    async def next(self, attempts: Sequence[Attempt]) -> Offer | None:
        """Return the next offer of those that the router resolved to."""
        if self._found is None:
            found = await self._resolve(attempts)
            if not found:
                return None
            self._found = ListCourse(found, self._ring, self._ring_next_after)
        return await self._found.next(attempts)

    async def again(self, attempts: Sequence[Attempt]) -> Offer | None:
        """Return the last offer again, or ask the router again."""
        return await (self.next(attempts) if self._found is None else self._found.again(attempts))


class Routed:
    """What a router offers, asked before each attempt.

    Args:
        ask: Asks it, with the attempts so far, and whether the last ones are to be tried again.
    """

    remaining = 1

    def __init__(
        self, ask: Callable[[Sequence[Attempt], bool], Awaitable[Offer | Wait | None]]
    ) -> None:
        self._ask = ask

    @property
    def first(self) -> Offer | None:
        """None: the router has not been asked."""
        return None

    def key(self, offer: Offer) -> object:
        """Return who is rung."""
        return offer.destinations

    async def next(self, attempts: Sequence[Attempt]) -> Offer | Wait | None:
        """Ask the router."""
        return await self._ask(attempts, False)

    async def again(self, attempts: Sequence[Attempt]) -> Offer | Wait | None:
        """Ask the router again."""
        return await self._ask(attempts, True)
