"""Asking whoever chooses the people: within a bound, and what is answered is checked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeGuard

from livetransfer._user_code import CodeFailed, ask
from livetransfer.control import CallControl
from livetransfer.destination import Destination
from livetransfer.errors import (
    ConfigurationError,
    DestinationNotAllowedError,
    TransferError,
    UnknownDestinationError,
)
from livetransfer.outcome import Attempt
from livetransfer.routing.offer import Offer, Wait
from livetransfer.routing.router import Router, RouteRequest, several

from .unused_offer import give_back, release
from .whom_next import Course, ListCourse, Resolved, Ring, Routed

__all__ = ["Asking", "offers"]


def offers(targets: object) -> TypeGuard[Router]:
    """Return whether these are a router that makes offers of its own, as a Team does."""
    return isinstance(targets, Router) and type(targets).offer is not Router.offer


class Asking:
    """Makes the course of a run.

    Args:
        control: The call: what cannot be dialled on it is refused.
        permits: Raises a DestinationNotAllowedError for one that may not be dialled.
        dials: Whether a destination has to be one that can be dialled.
        limit: Seconds that a router may take.
        ring: How several are rung.
        ring_next_after: Seconds after which the next phone rings too.
    """

    def __init__(
        self,
        control: CallControl,
        *,
        permits: Callable[[Sequence[Destination]], None],
        dials: Callable[[Destination], bool],
        limit: float,
        ring: Ring,
        ring_next_after: float | None,
    ) -> None:
        self._control, self._permits = control, permits
        self._dials = dials
        self._limit = limit
        self._ring: Ring = ring
        self._ring_next_after = ring_next_after

    def course(
        self,
        targets: Router | tuple[Destination, ...],
        request: Callable[[], RouteRequest],
    ) -> Course:
        """Return the course for `targets`.

        A list, and a router that is just a map, are read now: what is wrong with them is refused
        before anything is heard of it.

        Raises:
            DestinationError: One of them is unknown, or not allowed.
            ConfigurationError: One of them cannot be dialled.
        """
        if not isinstance(targets, Router):
            return ListCourse(self._checked(targets), self._ring, self._ring_next_after)
        if offers(targets):
            return Routed(
                lambda attempts, retry: self._offer(
                    targets, replace(request(), retry=retry, within=self._limit), attempts
                )
            )
        if type(targets).resolve is Router.resolve:
            found = several(targets.resolve(request()))
            return ListCourse(self._checked(found), self._ring, self._ring_next_after)
        return Resolved(
            lambda attempts: self._resolve(targets, replace(request(), within=self._limit)),
            self._ring,
            self._ring_next_after,
        )

    def _checked(self, destinations: Sequence[Destination]) -> tuple[Destination, ...]:
        self._permits(destinations)
        for destination in destinations:
            if self._dials(destination):
                self._control.check(destination)
        return tuple(destinations)

    async def _resolve(self, router: Router, request: RouteRequest) -> Sequence[Destination]:
        found = await self._ask(lambda: router.resolve(request))
        if not found:
            return ()
        return self._checked_late(lambda: several(found))

    async def _offer(
        self, router: Router, request: RouteRequest, attempts: Sequence[Attempt]
    ) -> Offer | Wait | None:
        found = await self._ask(lambda: router.offer(request, attempts), unused=give_back)
        if found is None or isinstance(found, Wait):
            return found
        if not isinstance(found, Offer):
            raise CodeFailed("router", f"offered a {type(found).__name__}, not an Offer")
        try:
            destinations = self._checked_late(lambda: found.destinations)
        except (CodeFailed, DestinationNotAllowedError):
            # None of them is rung: who was taken for it is free again.
            await release(found)
            raise
        return replace(found, destinations=destinations)

    async def _ask(
        self,
        code: Callable[[], object | Awaitable[object]],
        unused: Callable[[object], None] | None = None,
    ) -> object:
        passes = (UnknownDestinationError,)
        return await ask("router", code, self._limit, passes=passes, unused=unused)

    def _checked_late(self, read: Callable[[], Sequence[Destination]]) -> tuple[Destination, ...]:
        try:
            return self._checked(read())
        except DestinationNotAllowedError as refused:
            if refused.__cause__ is None:
                raise  # by a rule: nobody's code has failed
            raise CodeFailed("allowed", f"could not be asked: {refused.remedy}") from refused
        except (TransferError, TypeError) as error:
            if isinstance(error, ConfigurationError) and error.field == "allowed":
                raise CodeFailed("allowed", f"could not be asked: {error.remedy}") from error
            raise CodeFailed("router", f"named somebody who cannot be rung: {error}") from error
