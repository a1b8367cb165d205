"""Limits: how often, how many at once, and how long; and the one place that counts."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import uuid
from dataclasses import dataclass, fields

from livetransfer._checks import check_seconds
from livetransfer._logged import logged
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationNotAllowedError
from livetransfer.stores.counters import Count, Counters

from .canonical_number import called_key, called_number, caller_key
from .numbers import country_of

__all__ = ["Admission", "Limits", "admit"]

logger = logging.getLogger("livetransfer")

HOUR = 3600.0
DAY = 24 * HOUR
RESERVED = 60.0
"""Seconds of talk that a call without `max_duration` reserves of the budget until it has ended."""
STORE_WITHIN = 2.0
"""Seconds that a store may take; a caller waits meanwhile."""


@dataclass(frozen=True)
class Limits:
    """How often, how many at once, and how long. What is left out is not limited.

    Hours and days slide: an hour is the 3600 s before the call. Every dial and REFER counts,
    also one that nobody answers: ringing a phone all day is abuse too.

    Args:
        per_caller: Calls in an hour for one caller. Callers without a number count as one. A
            callback is two calls of its caller: one to the human, and one to himself.
        per_destination: Calls in an hour to one phone, however its number or URI is written.
        per_country: Calls in an hour to the numbers of one country, as the users of SIP URIs too
            (needs the extra ``phone``).
        per_hour: Calls in an hour, all together.
        at_once: Calls at the same time, all together, from the dial to the hang-up.
        minutes: Minutes of talk in a day, all together. A call reserves its `max_duration`, or
            one minute, and no call begins that could not.
        longest_call: Seconds after which a call whose end nobody told (its worker died) does not
            count among those at the same time any more.

    Raises:
        ConfigurationError: One of them is no limit.
    """

    per_caller: int | None = None
    per_destination: int | None = None
    per_country: int | None = None
    per_hour: int | None = None
    at_once: int | None = None
    minutes: float | None = None
    longest_call: float = 2 * HOUR

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name == "longest_call":
                check_seconds(name, value, 60, DAY)
            elif name == "minutes" and isinstance(value, float) and 0 < value < math.inf:
                continue
            elif value is not None and (
                isinstance(value, bool) or not isinstance(value, int) or value < 1
            ):
                raise ConfigurationError(name, value, "use a number of 1 or more, or None")
        if self.per_country is not None:
            # Without the tables no number has a country.
            country_of("+12025550123")


class Admission:
    """One call that the guard has allowed. Whoever dials it tells its end, exactly once matters.

    Attributes:
        destination: Whom it is for.
    """

    def __init__(
        self, destination: Destination, entry: str, counters: Counters | None, ends: dict[str, bool]
    ) -> None:
        self.destination = destination
        self._entry = entry
        self._counters = counters
        self._ends = ends

    async def settle(self, seconds: float) -> None:
        """The call is over: its place is free, and `seconds` of talk are spent. Idempotent.

        A store that does not answer is logged, never raised: the place then comes free by
        `Limits.longest_call`, and what was reserved stays spent.

        On cancellation it goes on in the background.
        """
        counters, self._counters = self._counters, None
        if counters is None or not self._ends:
            return
        task = asyncio.ensure_future(self._settle(counters, max(0.0, seconds)))
        _settling.add(task)
        task.add_done_callback(_settling.discard)
        await asyncio.shield(task)

    async def release(self) -> None:
        """The call was never answered: its place is free, and no talk is spent. Idempotent."""
        await self.settle(0.0)

    async def _settle(self, counters: Counters, seconds: float) -> None:
        for key, is_talk in self._ends.items():
            try:
                await asyncio.wait_for(
                    counters.amend(self._entry, key, seconds if is_talk else 0.0), STORE_WITHIN
                )
            except Exception:
                logger.warning("a limit could not be settled; its time ends it", **logged())


_settling: set[asyncio.Future[None]] = set()


async def admit(
    limits: Limits | None,
    counters: Counters | None,
    destination: Destination,
    caller: str | None,
    trunk_id: str | None = None,
) -> Admission:
    """Count one call to `destination`, or refuse it.

    Raises:
        DestinationNotAllowedError: A limit is reached, or the store does not answer.
    """
    if limits is None or counters is None:
        return Admission(destination, "", None, {})
    counts = _counts(limits, destination, caller, bool(trunk_id or destination.trunk_id))
    entry = uuid.uuid4().hex
    ends = {c.key: c.key == _TALK for c in counts if c.key in (_TALK, _AT_ONCE)}
    admission = Admission(destination, entry, counters, ends)
    try:
        over = await asyncio.wait_for(counters.count(entry, counts), STORE_WITHIN)
    except asyncio.CancelledError:
        await admission.release()
        raise
    except Exception as error:
        # Who cannot count cannot hold a limit.
        raise _refused(destination, "the store of the limits does not answer") from error
    if over is not None:
        raise _refused(destination, _SAID[over.key.partition(":")[0]].format(limit=over.limit))
    return admission


def _counts(
    limits: Limits, destination: Destination, caller: str | None, trunk: bool
) -> list[Count]:
    country, number = None, called_number(destination)
    if limits.per_country is not None and number is not None:
        country = country_of(number)
    wanted = (
        (f"caller:{_secret(caller_key(caller))}", limits.per_caller),
        (f"destination:{_secret(called_key(destination, trunk))}", limits.per_destination),
        (f"country:{country}", limits.per_country if country is not None else None),
        ("hour", limits.per_hour),
    )
    counts = [Count(key, 1.0, limit, HOUR) for key, limit in wanted if limit is not None]
    if limits.at_once is not None:
        counts.append(Count(_AT_ONCE, 1.0, limits.at_once, limits.longest_call))
    if limits.minutes is not None:
        reserved = destination.max_duration or RESERVED
        counts.append(Count(_TALK, reserved, limits.minutes * 60.0, DAY))
    return counts


_AT_ONCE = "at_once"
_TALK = "talk"
_SAID = {
    "caller": "this caller has had {limit:g} calls in an hour",
    "destination": "it was called {limit:g} times in an hour",
    "country": "its country was called {limit:g} times in an hour",
    "hour": "there were {limit:g} calls in an hour",
    _AT_ONCE: "{limit:g} calls are being made at the same time",
    _TALK: "the minutes of the day are spent",
}


def _secret(text: str) -> str:
    """Return a key for `text`; a store need not hold whole numbers of callers."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()


def _refused(destination: Destination, reason: str) -> DestinationNotAllowedError:
    return DestinationNotAllowedError(
        "address", destination.address, f"{reason}; nothing was dialled"
    )
