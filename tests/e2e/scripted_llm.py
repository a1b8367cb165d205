"""A language model that answers by rules, after the delay of a cloud one."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectionError,
    APIConnectOptions,
    NotGivenOr,
    llm,
)
from livekit.agents.utils import shortuuid

LATENCY = 0.4


@dataclass(frozen=True)
class ToolCall:
    """The model calls a tool."""

    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """The model fails."""

    message: str = "the model is down"
    retryable: bool = False


Reply = str | ToolCall | Fail | Sequence[str | ToolCall]


@dataclass(frozen=True)
class Prompt:
    """What the model was asked.

    `user` is the last text of the user; `output` is what a tool has returned if that came last,
    else None; `instructions` are all system texts; `tools` the names of the tools on offer.
    """

    user: str
    output: str | None
    instructions: str
    tools: tuple[str, ...]
    chat_ctx: llm.ChatContext


@dataclass(frozen=True)
class Rule:
    """A reply, and patterns (searched, any case) that must all be found for it to be given.

    A rule without `output` is no answer to a tool's result. `times` bounds its use.
    """

    reply: Reply
    user: str | None = None
    output: str | None = None
    instructions: str | None = None
    tool: str | None = None
    times: int | None = None

    def fits(self, prompt: Prompt) -> bool:
        """Whether it answers this prompt."""
        if (self.output is None) != (prompt.output is None):
            return False
        pairs = [
            (self.user, prompt.user),
            (self.output, prompt.output or ""),
            (self.instructions, prompt.instructions),
        ]
        found = all(want is None or re.search(want, text, re.I | re.S) for want, text in pairs)
        return found and (self.tool is None or self.tool in prompt.tools)


Script = Sequence[Rule] | Callable[[Prompt], Reply]


class ScriptedLLM(llm.LLM[str]):
    """Answers by rules, the first that fits, or by a function; `prompts` has what it was asked.

    With no rule that fits it says `default`; to a tool's result it says nothing.
    """

    def __init__(
        self, script: Script, *, default: str = "All right.", latency: float = LATENCY
    ) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []
        self.latency = latency
        self._script = script
        self._default = default
        self._used: dict[int, int] = {}

    def reply(self, prompt: Prompt) -> Reply:
        """What the script says to a prompt."""
        self.prompts.append(prompt)
        if callable(self._script):
            return self._script(prompt)
        for index, rule in enumerate(self._script):
            used = self._used.get(index, 0)
            if rule.fits(prompt) and (rule.times is None or used < rule.times):
                self._used[index] = used + 1
                return rule.reply
        return self._default if prompt.output is None else ""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        offered = [] if tool_choice == "none" else tools or []
        return _LLMStream(self, chat_ctx=chat_ctx, tools=offered, conn_options=conn_options)


def read_prompt(chat_ctx: llm.ChatContext, tools: Sequence[llm.Tool]) -> Prompt:
    """Sum a chat up."""
    user, output, system = "", None, []
    for item in chat_ctx.items:
        if item.type == "function_call_output":
            output = item.output
        elif item.type == "message":
            text = item.text_content or ""
            if item.role == "user":
                user, output = text, None
            elif item.role in ("system", "developer"):
                system.append(text)
    last = next((item for item in reversed(chat_ctx.items) if _speaks(item)), None)
    if last is None or last.type != "function_call_output":
        output = None
    names = tuple(tool.id for tool in tools)
    return Prompt(user, output, "\n".join(system), names, chat_ctx)


def _speaks(item: llm.ChatItem) -> bool:
    if item.type == "message":
        return item.role in ("user", "assistant")
    return item.type in ("function_call", "function_call_output")


class _LLMStream(llm.LLMStream):
    async def _run(self) -> None:
        model = self._llm
        assert isinstance(model, ScriptedLLM)
        reply = model.reply(read_prompt(self._chat_ctx, self._tools))
        await asyncio.sleep(model.latency)
        if isinstance(reply, Fail):
            raise APIConnectionError(reply.message, retryable=reply.retryable)
        parts: Sequence[str | ToolCall] = [reply] if isinstance(reply, str | ToolCall) else reply
        identity = shortuuid("chat_")
        for part in parts:
            if isinstance(part, ToolCall):
                call = llm.FunctionToolCall(
                    name=part.name,
                    arguments=json.dumps(dict(part.arguments)),
                    call_id=shortuuid("call_"),
                )
                delta = llm.ChoiceDelta(role="assistant", tool_calls=[call])
                self._event_ch.send_nowait(llm.ChatChunk(id=identity, delta=delta))
                continue
            for word in re.findall(r"\S+\s*", part):
                delta = llm.ChoiceDelta(role="assistant", content=word)
                self._event_ch.send_nowait(llm.ChatChunk(id=identity, delta=delta))
