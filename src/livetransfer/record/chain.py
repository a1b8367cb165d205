"""The records of one call, each of which names the one before it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

__all__ = ["Link", "next_link"]


@dataclass(frozen=True)
class Link:
    """A record's place among those of its call.

    Attributes:
        id: Of the record.
        previous: Of the one before it in the same call.
        number: Which one of the call it is, 1 for the first.
    """

    id: str
    previous: str | None
    number: int


_last: weakref.WeakKeyDictionary[object, Link] = weakref.WeakKeyDictionary()


def next_link(call: object, new_id: str) -> Link:
    """Return the place of the next record of `call`, which is whatever stands for the call.

    It is not kept alive by that, and one that cannot be referred to weakly has no chain.
    """
    try:
        before = _last.get(call)
        link = Link(
            new_id,
            None if before is None else before.id,
            1 if before is None else before.number + 1,
        )
        _last[call] = link
    except TypeError:
        link = Link(new_id, None, 1)
    return link
