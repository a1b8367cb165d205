"""Keys that a briefing agent presses towards the human's phone, and towards nobody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from livekit.agents import ToolError
from livekit.agents.llm import Tool, Toolset, function_tool

from livetransfer.errors import CallControlError

__all__ = ["with_own_keys"]

NAME = "send_dtmf_events"
"""livekit-agents' tool for keys: it addresses the whole room, the caller included."""

Press = Callable[[str], Awaitable[None]]


def with_own_keys(tools: Sequence[Tool | Toolset], press: Press) -> list[Tool | Toolset] | None:
    """Return `tools` with ours in the place of livekit-agents' tool for keys; None without that.

    Args:
        tools: The agent's.
        press: Presses keys towards the human.
    """
    if not any(getattr(tool, "id", None) == NAME for tool in tools):
        return None
    own = _tool(press)
    return [own if getattr(tool, "id", None) == NAME else tool for tool in tools]


def _tool(press: Press) -> Any:
    @function_tool(name=NAME)
    async def send_dtmf_events(events: list[str]) -> str:
        """Press keys on the phone line to your colleague, for example to get through a menu.

        Args:
            events: The keys, one each: 0 to 9, * or #.
        """
        keys = "".join(events)
        if not keys or any(key not in "0123456789*#ABCD" for key in keys):
            raise ToolError("give keys, one each: 0 to 9, * or #")
        try:
            await press(keys)
        except CallControlError as error:
            raise ToolError("the keys could not be sent; try once more") from error
        return "The keys were pressed."

    return send_dtmf_events
