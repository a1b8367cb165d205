"""Switchboard: what the controls of a simulated call see of it, its parties included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from livetransfer.control import BridgeMode
from livetransfer.destination import Destination

from .exchange import Exchange
from .parties import Refer
from .people import Caller, Phone

__all__ = ["Switchboard"]


class Switchboard(Exchange, Protocol):
    """An exchange with its caller, its phones, and the settings of a simulation."""

    name: str
    refer: Refer
    trunk: bool
    bridge_mode: BridgeMode
    queue: float
    ai_present: bool
    caller: Caller
    humans: Mapping[str, Phone]

    @property
    def parties(self) -> list[Caller]:
        """The caller, and who else is in the room without having been dialled."""

    def claim(self, identity: str) -> None:
        """Take an identity for a new leg."""

    def phone_for(self, destination: Destination) -> Phone | None:
        """Return the phone that `destination` reaches, if there is one."""

    def end_leg(self, identity: str, how: str) -> None:
        """Hang up one leg, whoever's it is."""

    def call_id(self, identity: str) -> str | None:
        """Return the SIP Call-ID of a leg, where it has one."""

    def play_tone(self, identity: str, source: str) -> Callable[[], None]:
        """Let `identity` hear a tone until the result is called."""

    def failed(self, error: BaseException) -> None:
        """Remember an error of a script or a listener."""
