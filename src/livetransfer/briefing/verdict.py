"""Verdict: what the human decided, or what was found instead; and the tools that say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from livekit.agents.llm import ToolFlag, function_tool

from livetransfer.errors import ConfigurationError

__all__ = ["Verdict", "decision"]


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


def decision(method: Callable[..., Any]) -> Any:
    """Make a method a tool that the model may call once the human has spoken.

    Typed as Any: one FunctionTool may not override another, and subclasses override these.
    """
    return function_tool(method, flags=ToolFlag.IGNORE_ON_ENTER)
