"""Opening: how a department stands now, for whoever is to choose one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from livetransfer._checks import check_choice
from livetransfer.errors import ConfigurationError

__all__ = ["Kind", "Opening"]

Kind = Literal["warm", "cold", "either"]
"""How a department's calls are transferred; ``"either"``: as whoever asks for it chooses."""


@dataclass(frozen=True)
class Opening:
    """How a department stands now.

    Args:
        about: What it is for, in one sentence; a model chooses by it.
        open: Whether its people take calls now.
        opens: When it opens again, in words, such as ``"Monday 09:00"``; for a closed one.
        kind: How its calls are transferred; None where it does not say.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    about: str = ""
    open: bool = True
    opens: str | None = None
    kind: Kind | None = None

    def __post_init__(self) -> None:
        for name in ("about", "opens"):
            value = getattr(self, name)
            if value is None and name == "opens":
                continue
            if not isinstance(value, str):
                raise ConfigurationError(name, value, "give a text")
            # It stands in one line of what a model reads.
            object.__setattr__(self, name, " ".join(value.split()))
        if not isinstance(self.open, bool):
            raise ConfigurationError("open", self.open, "use True or False")
        if self.kind is not None:
            check_choice("kind", self.kind, Kind)
