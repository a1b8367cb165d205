"""Verdict: what the human decided, or what was found instead of a human."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from livetransfer.errors import ConfigurationError

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """What the human decided, or what was found instead of a human.

    Attributes:
        kind: `"accepted"`, `"declined"`, `"voicemail"`, or `"failed"` (the briefing broke down).
        reason: The human's words, or what broke.
    """

    kind: Literal["accepted", "declined", "voicemail", "failed"]
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("accepted", "declined", "voicemail", "failed"):
            raise ConfigurationError(
                "kind", self.kind, 'use "accepted", "declined", "voicemail" or "failed"'
            )
