"""FallbackTools: the tools with which the AI offers a callback, or takes a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from livekit.agents import RunContext, ToolError
from livekit.agents.llm import RawFunctionTool, Tool, Toolset, function_tool

from livetransfer.fallback import Fallback, OfferCallback, TakeMessage
from livetransfer.fallback.policy import actions_of, check_fallback

from . import words
from .callback_step import choose_time, confirm_number, decline_callback
from .message_step import decline_message, take_message
from .step import Step, step_of

__all__ = ["FallbackTools", "tools_for"]


class _CallbackTools(Toolset):
    """The tools of `OfferCallback`; which call they are used in, each use says."""

    def __init__(self) -> None:
        super().__init__(
            id="livetransfer-callback",
            tools=[
                _tool(
                    self._confirm,
                    "confirm_callback_number",
                    words.CONFIRM,
                    number={"type": "string", "description": words.NUMBER},
                    confirmed={"type": "boolean", "description": words.CONFIRMED},
                ),
                _tool(
                    self._choose,
                    "choose_callback_time",
                    words.CHOOSE,
                    when={"type": "string", "description": words.WHEN},
                    reason={"type": "string", "description": words.REASON},
                ),
                _tool(self._decline, "decline_callback", words.DECLINE_CALLBACK),
            ],
        )

    async def _confirm(self, raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        step = _step(context, OfferCallback)
        number = _text(raw_arguments, "number")
        confirmed = raw_arguments.get("confirmed") is True
        return confirm_number(step, number, confirmed, turn=context.speech_handle)

    async def _choose(self, raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        step = _step(context, OfferCallback)
        return await choose_time(step, _text(raw_arguments, "when"), _text(raw_arguments, "reason"))

    async def _decline(self, raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        return await decline_callback(_step(context, OfferCallback))


class _MessageTools(Toolset):
    """The tools of `TakeMessage`; which call they are used in, each use says."""

    def __init__(self) -> None:
        super().__init__(
            id="livetransfer-message",
            tools=[
                _tool(
                    self._take,
                    "take_message",
                    words.TAKE,
                    message={"type": "string", "description": words.MESSAGE},
                    name={"type": "string", "description": words.NAME},
                    number={"type": "string", "description": words.NUMBER_OF_MESSAGE},
                ),
                _tool(self._decline, "decline_message", words.DECLINE_MESSAGE),
            ],
        )

    async def _take(self, raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        step = _step(context, TakeMessage)
        fields = (_text(raw_arguments, name) for name in ("message", "name", "number"))
        return await take_message(step, *fields)

    async def _decline(self, raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        return await decline_message(_step(context, TakeMessage))


class FallbackTools(Toolset):
    """The tools that `OfferCallback` and `TakeMessage` need, for a model whose tools are fixed.

    Other models need it not: they are given the tools by the transfer, for as long as they are
    needed. One that takes no tools during a session has to have them from the start,
    ``Agent(tools=[..., FallbackTools(policy)])``; used at another time they say that there is
    nothing to decide.

    Args:
        policy: The fallback of the transfers, or several. Of a plain function it cannot be seen
            what it will say, so both kinds of tools are there; that is so for None, too.
    """

    def __init__(self, policy: Fallback | Sequence[Fallback] | None = None) -> None:
        several = policy if isinstance(policy, Sequence) else [policy]
        kinds = {type(action) for each in several for action in actions_of(check_fallback(each))}
        both = kinds.isdisjoint({OfferCallback, TakeMessage})
        tools: list[Tool | Toolset] = []
        if both or OfferCallback in kinds:
            tools.append(_CallbackTools())
        if both or TakeMessage in kinds:
            tools.append(_MessageTools())
        super().__init__(id="livetransfer-instead", tools=tools)


def tools_for(action: OfferCallback | TakeMessage) -> Toolset:
    """Return the tools that an action needs."""
    return _CallbackTools() if isinstance(action, OfferCallback) else _MessageTools()


def _tool(
    code: Any, called: str, description: str, /, **parameters: object
) -> RawFunctionTool[..., Any]:
    tool: RawFunctionTool[..., Any] = function_tool(
        code,
        raw_schema={
            "name": called,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": parameters,
                "required": list(parameters),
                "additionalProperties": False,
            },
        },
    )
    return tool


def _text(arguments: Mapping[str, object], name: str) -> str:
    value = arguments.get(name)
    return value.strip() if isinstance(value, str) else ""


def _step(context: RunContext[Any], kind: type[OfferCallback] | type[TakeMessage]) -> Step:
    """Return the step of the call that a tool is used in.

    Raises:
        ToolError: There is none, or it is over.
    """
    step = step_of(context.session)
    if step is None or not isinstance(step.action, kind):
        raise ToolError(
            "There is nothing to decide now: this is for after a transfer that has failed, when "
            "you were told to offer it. Nothing was promised."
        )
    if step.result == "expired":
        raise ToolError(
            "The time for that is over; nothing was promised. Offer another way to help."
        )
    if step.result == "declined":
        raise ToolError("The caller has declined that; nothing was promised.")
    return step
