"""The participant attributes that tell our legs, so that a later job can repair what is left."""

from __future__ import annotations

import uuid
import weakref

__all__ = [
    "APART",
    "BRIDGED",
    "CONSULTING",
    "CONSULT_ROOM",
    "GATED",
    "LEG",
    "OWNER",
    "PHASE",
    "signature",
    "signed_by",
]

LEG = "livetransfer.leg"
"""On a leg that we dialled: the identity of the caller it is for."""
OWNER = "livetransfer.owner"
"""On a leg: the signature of the agent that dialled it."""
PHASE = "livetransfer.phase"
"""On a leg: APART, also while it rings, or BRIDGED."""
GATED = "livetransfer.gated"
"""On whoever may not subscribe for the moment: the signature of the agent that took it away."""
CONSULTING = "livetransfer.consulting"
"""On a caller: the signature of the agent that last opened a consult room for the call."""
CONSULT_ROOM = "livetransfer.consult_room"
"""On a caller: the name of that room, which may be gone by now."""

APART = "apart"
BRIDGED = "bridged"

_random: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()


def signature(connection: object, identity: str) -> str:
    """Return what the agent `identity` signs its marks with, the same for each `connection`.

    A job may have the identity of the one that died before it, so a random part tells the two
    apart. It goes with the object of the connection: the participant's sid changes when our own
    connection is made anew, and a process may run several jobs.
    """
    return f"{identity}#{_random.setdefault(connection, uuid.uuid4().hex[:8])}"


def signed_by(mark: str) -> str:
    """Return the identity in a signature."""
    return mark.rpartition("#")[0]
