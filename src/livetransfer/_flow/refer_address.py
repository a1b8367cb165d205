"""Ways: whether a caller is referred or dialled for, and the address that a REFER sends him to."""

from __future__ import annotations

from livetransfer.destination import Destination, Method
from livetransfer.errors import ConfigurationError

__all__ = ["Ways"]


class Ways:
    """The ways in which a destination is reached without a briefing.

    Args:
        method: ``"auto"``, ``"refer"`` or ``"dial"``.
        trunk_domain: The host of the caller's trunk, for the address of a REFER.
    """

    def __init__(self, method: Method, trunk_domain: str | None) -> None:
        self.method: Method = method
        self._trunk_domain = trunk_domain

    def dials(self, destination: Destination) -> bool:
        """Whether `destination` has to be one that can be dialled."""
        return "refer" not in self.plan(destination)

    def plan(self, destination: Destination) -> tuple[str, ...]:
        """Return the ways to reach `destination`, in order.

        Raises:
            ConfigurationError: There is none.
        """
        method = destination.method or self.method
        if method == "refer" and destination.dtmf:
            raise ConfigurationError(
                "method", method, "after a REFER nobody is there to press the keys of dtmf="
            )
        can_refer = self.refer_address(destination) is not None
        if method == "refer" and not can_refer:
            raise ConfigurationError(
                "trunk_domain",
                self._trunk_domain,
                f"a REFER to the extension {destination.label!r} needs the trunk's host",
            )
        if method == "auto":
            return ("refer", "dial") if can_refer and not destination.dtmf else ("dial",)
        return (method,)

    def refer_address(self, destination: Destination) -> str | None:
        """Return the address that the caller's phone system is sent to; None: it has none."""
        number = destination.number
        if destination.kind == "uri" and (number is None or self._trunk_domain is None):
            return destination.address
        if self._trunk_domain is not None:
            return f"sip:{destination.sip_user}@{self._trunk_domain}"
        return f"tel:{number}" if number is not None else None
