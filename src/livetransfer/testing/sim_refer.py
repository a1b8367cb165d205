"""What a REFER meets in a simulated call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from livetransfer.control import Leg, Referred
from livetransfer.errors import ReferFailed
from livetransfer.sip_status_codes import status_for_sip
from livetransfer.status import TransferStatus

if TYPE_CHECKING:
    from .switchboard import Switchboard

__all__ = ["refer"]

_REFUSALS = {
    "refuses": (603, "Decline", False),
    "unsupported": (405, "Method Not Allowed", False),
    "busy": (486, "Busy Here", True),
}
"""Code, phrase, and whether the target itself answered (a NOTIFY says so)."""


async def refer(switch: Switchboard, leg: Leg, address: str, timeout: float) -> Referred:
    """Do what `Switch.refer` says about a REFER of `leg` to `address`.

    Raises:
        ReferFailed: Refused, failed, or unclear.
    """
    if not switch.tape.is_here(leg.identity):
        raise ReferFailed("the leg is gone", status=TransferStatus.CALLER_LEFT)
    party = next((p for p in switch.parties if p.leg == leg), None)
    if party is not None and party.leg.kind == "web":
        raise ReferFailed(
            "only a phone can be sent elsewhere with a REFER, and this caller is on the web",
            status=TransferStatus.FAILED,
        )
    if switch.refer in ("times_out", "succeeds_late"):
        if switch.refer == "succeeds_late":
            switch.later(timeout + 1.0, lambda: _referred(switch, leg, address))
        await asyncio.sleep(timeout)
        raise ReferFailed(
            f"no final answer to the REFER within {timeout:g} s",
            status=TransferStatus.INDETERMINATE,
            indeterminate=True,
        )
    await asyncio.sleep(switch.latency.refer)
    if switch.refer in _REFUSALS:
        code, phrase, reached = _REFUSALS[switch.refer]
        raise ReferFailed(
            f"the REFER was answered {code} {phrase}",
            status=status_for_sip(code),
            sip_code=code,
            sip_reason=phrase,
            target_reached=reached,
        )
    if switch.refer == "ends":
        _referred(switch, leg, address)
        return Referred(confirmed=False)
    # The phone hangs up by itself, a moment after it was told that the target answered.
    switch.later(0.05, lambda: _referred(switch, leg, address))
    return Referred()


def _referred(switch: Switchboard, leg: Leg, address: str) -> None:
    how = f"referred to {address}"
    party = next((party for party in switch.parties if party.leg == leg), None)
    if party is None:
        switch.end_leg(leg.identity, how)
    elif party.on_the_line:
        party.referred_to = address
        party.hang_up(how)
