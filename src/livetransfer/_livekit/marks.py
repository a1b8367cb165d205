"""The participant attributes that tell our legs, so that a later job can repair what is left."""

from __future__ import annotations

__all__ = ["APART", "BRIDGED", "CONSULTING", "CONSULT_ROOM", "GATED", "LEG", "OWNER", "PHASE"]

LEG = "livetransfer.leg"
"""On a leg that we dialled: the identity of the caller it is for."""
OWNER = "livetransfer.owner"
"""On a leg: the identity of the agent that dialled it."""
PHASE = "livetransfer.phase"
"""On a leg: APART, also while it rings, or BRIDGED."""
GATED = "livetransfer.gated"
"""On whoever may not subscribe for the moment: the identity of the agent that took it away."""
CONSULTING = "livetransfer.consulting"
"""On a caller: the identity of the agent that last opened a consult room for the call."""
CONSULT_ROOM = "livetransfer.consult_room"
"""On a caller: the name of that room, which may be gone by now."""

APART = "apart"
BRIDGED = "bridged"
