"""The participant attributes that tell our legs, so that a later job can repair what is left."""

from __future__ import annotations

__all__ = ["BRIDGED", "GATED", "LEG", "OWNER", "PHASE", "RINGING", "SEALED"]

LEG = "livetransfer.leg"
"""On a leg that we dialled: the identity of the caller it is for."""
OWNER = "livetransfer.owner"
"""On a leg: the identity of the agent that dialled it."""
PHASE = "livetransfer.phase"
"""On a leg: RINGING, SEALED or BRIDGED."""
GATED = "livetransfer.gated"
"""On whoever may not subscribe for the moment: the identity of the agent that took it away."""

RINGING = "ringing"
SEALED = "sealed"
BRIDGED = "bridged"
