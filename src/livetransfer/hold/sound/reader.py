"""Reader: where the samples of a call's music come from, and how many are read at a time."""

from __future__ import annotations

from typing import Protocol

from .samples import Samples

__all__ = ["MAX_CAPACITY", "MAX_FRAME", "Reader"]

MAX_FRAME = 0.4
"""Seconds read, and written to a sink, at a time at most."""

MAX_CAPACITY = 1.0
"""Seconds that are queued at most in any sink: what is queued cannot be spoken over any more."""


class Reader(Protocol):
    """Where music comes from, sample by sample."""

    def read(self, count: int) -> Samples:
        """Return the next `count` samples; not to be written to."""

    def rewind(self, count: int) -> None:
        """Go back by `count` samples, as far as that is possible."""
