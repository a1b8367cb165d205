"""Tests that have the machine to themselves, although others run beside each other.

What a phone hears is judged in windows of 20 ms. Two workers and two stacks on two cores delay
each other by half a second now and then, which says nothing of the code; a test marked `alone`
waits until no other real call is under way, and keeps others from beginning.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where the servers are not, either
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold a place beside the others, or the only one, in all processes that share `folder`.

    Who wants to be alone bars the door while it waits for those inside, so it is never starved.
    """
    if fcntl is None:
        yield
        return
    with (folder / "door.lock").open("w") as door, (folder / "inside.lock").open("w") as inside:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(door, fcntl.LOCK_UN)
        yield
