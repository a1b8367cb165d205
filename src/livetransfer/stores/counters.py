"""Counters: the port through which calls are counted, over all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Count", "Counters"]


@dataclass(frozen=True)
class Count:
    """One thing to be counted.

    Attributes:
        key: What is counted.
        amount: How much of it.
        limit: What the sum of all that is counted under `key` may not exceed.
        seconds: How long it counts; then it is forgotten.
    """

    key: str
    amount: float
    limit: float
    seconds: float


@runtime_checkable
class Counters(Protocol):
    """Sums that several processes keep together. The stores of `livetransfer.stores` are such."""

    async def count(self, entry: str, counts: Sequence[Count]) -> Count | None:
        """Enter all of `counts` under the name `entry`, or, if one would go beyond its limit, none.

        It is one atomic step: of two callers who ask for the last place, one gets it. `entry` is
        new: a name that nobody has used.

        Returns:
            The first of `counts` that is over its limit; None if all are entered.
        """

    async def amend(self, entry: str, key: str, amount: float) -> None:
        """Change what `entry` counts under `key` to `amount`; 0 takes it out.

        An entry that is gone, because its time is over, stays gone. Idempotent.
        """
