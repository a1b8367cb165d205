"""Models that answer from a script, at once and with no network: an LLM and a TTS."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit.agents import llm, tts, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from .sounds import RATE, Samples, mono, speech_seconds, tone

__all__ = ["Reply", "Request", "Rules", "Script", "ScriptedLLM", "ScriptedTTS", "ToolCall"]


@dataclass(frozen=True)
class ToolCall:
    """A reply that calls a tool.

    Attributes:
        name: The tool.
        args: Its arguments.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request to a scripted model.

    Attributes:
        text: What it is to react to: the last message, or the output of the last tool.
        chat_ctx: The whole conversation.
        tools: The names of the tools that it may call.
        at: The loop's time of the request, in seconds.
    """

    text: str
    chat_ctx: llm.ChatContext
    tools: tuple[str, ...]
    at: float


Part = str | ToolCall | BaseException
Reply = Part | Sequence[Part] | None
"""Words, a tool call, an error to raise, several of these, or nothing."""
Rule = tuple[str | Callable[[str], bool], Reply | Callable[[str], Reply]]
Rules = (
    Sequence[Rule]
    | Callable[[llm.ChatContext, list[llm.Tool]], Reply]
    | Callable[[llm.ChatContext, list[llm.Tool]], Awaitable[Reply]]
)
"""Pairs of what to look for and what to reply, or a function of the conversation and the tools."""


class Script:
    """What a scripted model replies to what.

    Args:
        rules: Pairs; the first that matches the last message or tool output counts. What to look
            for is a regular expression (found anywhere, case ignored) or a predicate; the reply
            may be a function of the text. A pair that calls a tool which is not there, or may not
            be called, does not match. Or one function ``(chat_ctx, tools) -> reply``.
        default: The reply where nothing matches.
    """

    def __init__(self, rules: Rules = (), *, default: Reply = "All right.") -> None:
        self._rules = rules
        self._default = default
        self.requests: list[Request] = []

    async def reply(
        self,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        *,
        text: str | None = None,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
    ) -> list[Part]:
        """Return the parts of the reply, and keep the request."""
        text = _last_text(chat_ctx) if text is None else text
        offered = [] if tool_choice == "none" else tools
        names = tuple(llm.ToolContext(offered).function_tools)
        request = Request(text, chat_ctx.copy(), names, asyncio.get_running_loop().time())
        self.requests.append(request)
        found: Any
        if callable(self._rules):
            found = self._rules(chat_ctx, offered)
            if inspect.isawaitable(found):
                found = await found
        else:
            found = self._match(text, names)
        return _parts(found)

    def _match(self, text: str, tools: tuple[str, ...]) -> Reply:
        assert not callable(self._rules)
        for what, reply in self._rules:
            matched = re.search(what, text, re.I) if isinstance(what, str) else what(text)
            if matched:
                found = reply(text) if callable(reply) else reply
                calls = [part.name for part in _parts(found) if isinstance(part, ToolCall)]
                if all(name in tools for name in calls):
                    return found
        return self._default


def _parts(reply: Reply) -> list[Part]:
    if reply is None:
        return []
    return [reply] if isinstance(reply, str | ToolCall | BaseException) else list(reply)


def _last_text(chat_ctx: llm.ChatContext) -> str:
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role != "assistant":
            return item.text_content or ""
        if item.type == "function_call_output":
            return item.output
    return ""


class ScriptedLLM(llm.LLM[Any]):
    """An LLM that replies from a script.

    Args:
        rules: See `Script`.
        latency: Seconds before a reply begins.
        default: The reply where no rule matches.

    Attributes:
        script: Its script, with every request that was made.
    """

    def __init__(
        self, rules: Rules = (), *, latency: float = 0.4, default: Reply = "All right."
    ) -> None:
        super().__init__()
        self.script = Script(rules, default=default)
        self.latency = latency

    @property
    def requests(self) -> list[Request]:
        """Every request that was made."""
        return self.script.requests

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
        """Return a stream with the reply."""
        return _LLMStream(self, chat_ctx, tools or [], conn_options, tool_choice)


class _LLMStream(llm.LLMStream):
    def __init__(
        self,
        model: ScriptedLLM,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
        tool_choice: NotGivenOr[llm.ToolChoice],
    ) -> None:
        self._tool_choice = tool_choice
        super().__init__(model, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)

    async def _run(self) -> None:
        assert isinstance(self._llm, ScriptedLLM)
        await asyncio.sleep(self._llm.latency)
        request_id = utils.shortuuid("scripted_")
        parts = await self._llm.script.reply(
            self._chat_ctx, self._tools, tool_choice=self._tool_choice
        )
        for part in parts:
            if isinstance(part, BaseException):
                raise part
            delta = llm.ChoiceDelta(role="assistant")
            if isinstance(part, ToolCall):
                delta.tool_calls = [
                    llm.FunctionToolCall(
                        name=part.name,
                        arguments=json.dumps(dict(part.args)),
                        call_id=utils.shortuuid("call_"),
                    )
                ]
            else:
                delta.content = part
            self._event_ch.send_nowait(llm.ChatChunk(id=request_id, delta=delta))


class ScriptedTTS(tts.TTS[Any]):
    """A TTS that plays clips, and a soft tone as long as the words take where there is none.

    Args:
        clips: Samples (int16, mono, 24000 Hz) by text; they are looked up for a whole utterance,
            then for each of its sentences.
        latency: Seconds before the first audio of an utterance.
        pitch: Of the tone, in Hz.
        error: Raised instead, if given; may be set at any time.

    Attributes:
        spoken: Every text that was synthesised.
    """

    def __init__(
        self,
        clips: Mapping[str, Any] | None = None,
        *,
        latency: float = 0.25,
        pitch: float = 170.0,
        error: BaseException | None = None,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True), sample_rate=RATE, num_channels=1
        )
        self._clips = {_plain(text): mono(samples) for text, samples in (clips or {}).items()}
        self._pitch = pitch
        self.latency = latency
        self.error = error
        self.spoken: list[str] = []

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """Return a stream of the audio of `text`."""
        return self._synthesize_with_stream(text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        """Return a stream that takes text as it comes."""
        return _TTSStream(tts=self, conn_options=conn_options)

    def audio(self, text: str) -> Samples:
        """Return the samples for `text`."""
        whole = self._clips.get(_plain(text))
        if whole is not None:
            return whole
        parts = [
            self._clips.get(_plain(part), tone(speech_seconds(part), self._pitch))
            for part in re.split(r"(?<=[.!?])\s+", text.strip())
            if part.strip()
        ]
        return np.concatenate(parts) if parts else tone(0.1, self._pitch)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


class _TTSStream(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, ScriptedTTS)
        output_emitter.initialize(
            request_id=utils.shortuuid("scripted_"),
            sample_rate=RATE,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        text = ""
        async for data in self._input_ch:
            if isinstance(data, str):
                text += data
        if not text.strip():
            return
        self._mark_started()
        await asyncio.sleep(self._tts.latency)
        if self._tts.error is not None:
            raise self._tts.error
        self._tts.spoken.append(text)
        output_emitter.start_segment(segment_id=utils.shortuuid("segment_"))
        output_emitter.push(self._tts.audio(text).tobytes())
        output_emitter.end_segment()
