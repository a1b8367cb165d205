"""A realtime model that answers from a script, for sessions with no STT, LLM and TTS."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

from livekit import rtc
from livekit.agents import llm, utils
from livekit.agents.types import NOT_GIVEN, NotGivenOr

from .models import Reply, Request, Rules, Script, ScriptedTTS, ToolCall
from .sounds import RATE

__all__ = ["ScriptedRealtimeModel", "ScriptedRealtimeSession"]


class ScriptedRealtimeModel(llm.RealtimeModel):
    """A realtime model that replies from a script, with audio and text.

    Args:
        rules: See `Script`.
        latency: Seconds before a reply begins.
        default: The reply where no rule matches.
        voice: Makes the audio; its latency is not used.
        auto_tool_reply: Reply to the output of tools by itself, as some models do.

    Attributes:
        script: Its script, with every request that was made.
    """

    def __init__(
        self,
        rules: Rules = (),
        *,
        latency: float = 0.4,
        default: Reply = "All right.",
        voice: ScriptedTTS | None = None,
        auto_tool_reply: bool = False,
    ) -> None:
        super().__init__(
            capabilities=llm.RealtimeCapabilities(
                message_truncation=False,
                turn_detection=False,
                user_transcription=False,
                auto_tool_reply_generation=auto_tool_reply,
                audio_output=True,
                manual_function_calls=True,
                mutable_chat_context=True,
                mutable_instructions=True,
                mutable_tools=True,
                per_response_tool_choice=True,
            )
        )
        self.script = Script(rules, default=default)
        self.latency = latency
        self.voice = voice or ScriptedTTS()

    @property
    def requests(self) -> list[Request]:
        """Every request that was made."""
        return self.script.requests

    def session(self, *, turn_detection_disabled: bool = False) -> ScriptedRealtimeSession:
        """Return a new session."""
        return ScriptedRealtimeSession(self)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


class _Generation:
    """The streams of one reply."""

    def __init__(self) -> None:
        self.messages = utils.aio.Chan[llm.MessageGeneration]()
        self.functions = utils.aio.Chan[llm.FunctionCall]()
        self.text = utils.aio.Chan[str]()
        self.audio = utils.aio.Chan[rtc.AudioFrame]()

    def close(self) -> None:
        for channel in (self.text, self.audio, self.functions, self.messages):
            channel.close()


class ScriptedRealtimeSession(llm.RealtimeSession[Any]):
    """One session of a `ScriptedRealtimeModel`."""

    def __init__(self, model: ScriptedRealtimeModel) -> None:
        super().__init__(model)
        self._model = model
        self._chat_ctx = llm.ChatContext.empty()
        self._tools = llm.ToolContext.empty()
        self._replies: dict[asyncio.Task[None], asyncio.Future[Any] | None] = {}

    @property
    def chat_ctx(self) -> llm.ChatContext:
        """The conversation, as the model knows it."""
        return self._chat_ctx.copy()

    @property
    def tools(self) -> llm.ToolContext:
        """The tools that the model may call."""
        return self._tools.copy()

    async def update_instructions(self, instructions: str) -> None:
        """Take new instructions; the script does not look at them."""

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        """Take a new conversation, and reply to new tool outputs if the model does that."""
        known = {item.id for item in self._chat_ctx.items}
        self._chat_ctx = chat_ctx.copy()
        new = [i for i in chat_ctx.items if i.id not in known and i.type == "function_call_output"]
        if new and self.capabilities.auto_tool_reply_generation:
            self._start(None, None)

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        """Take new tools."""
        self._tools = llm.ToolContext(tools)

    def update_options(self, *, tool_choice: NotGivenOr[llm.ToolChoice | None] = NOT_GIVEN) -> None:
        """Take new options; there are none that matter."""

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        """Ignore audio: words reach a scripted model as text."""

    def push_video(self, frame: rtc.VideoFrame) -> None:
        """Ignore video."""

    def generate_reply(
        self,
        *,
        instructions: NotGivenOr[str] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        tools: NotGivenOr[list[llm.Tool]] = NOT_GIVEN,
    ) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """Reply to the last message or tool output, or else to `instructions`."""
        future = asyncio.get_running_loop().create_future()
        text = instructions if isinstance(instructions, str) else None
        offered = tools if isinstance(tools, list) else None
        self._start(future, text, offered, tool_choice)
        return future

    def _start(
        self,
        future: asyncio.Future[llm.GenerationCreatedEvent] | None,
        text: str | None,
        tools: list[llm.Tool] | None = None,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
    ) -> None:
        task = asyncio.create_task(self._reply(future, text, tools, tool_choice))
        self._replies[task] = future
        task.add_done_callback(self._replies.pop)

    async def _reply(
        self,
        future: asyncio.Future[llm.GenerationCreatedEvent] | None,
        text: str | None,
        tools: list[llm.Tool] | None,
        tool_choice: NotGivenOr[llm.ToolChoice],
    ) -> None:
        await asyncio.sleep(self._model.latency)
        if future is not None and future.done():
            return  # it was cancelled: the speech was interrupted
        offered = self._tools.flatten() if tools is None else tools
        parts = await self._model.script.reply(
            self._chat_ctx, offered, text=text, tool_choice=tool_choice
        )
        error = next((part for part in parts if isinstance(part, BaseException)), None)
        if error is not None:
            if future is not None:
                future.set_exception(llm.RealtimeError(str(error)))
            return
        generation = _Generation()
        created = llm.GenerationCreatedEvent(
            message_stream=generation.messages,
            function_stream=generation.functions,
            user_initiated=future is not None,
            response_id=utils.shortuuid("response_"),
        )
        if future is not None:
            future.set_result(created)
        else:
            self.emit("generation_created", created)
        self._fill(generation, parts)

    def _fill(self, generation: _Generation, parts: list[Any]) -> None:
        words = " ".join(part for part in parts if isinstance(part, str))
        if words:
            both: list[Literal["text", "audio"]] = ["audio", "text"]
            modalities: asyncio.Future[list[Literal["text", "audio"]]] = asyncio.Future()
            modalities.set_result(both)
            item = utils.shortuuid("item_")
            generation.messages.send_nowait(
                llm.MessageGeneration(item, generation.text, generation.audio, modalities)
            )
            generation.text.send_nowait(words)
            samples = self._model.voice.audio(words)
            for start in range(0, len(samples), RATE // 10):
                part = samples[start : start + RATE // 10]
                generation.audio.send_nowait(
                    rtc.AudioFrame(bytearray(part.tobytes()), RATE, 1, len(part))
                )
            self._chat_ctx.add_message(role="assistant", content=words, id=item)
        for part in parts:
            if isinstance(part, ToolCall):
                call = llm.FunctionCall(
                    call_id=utils.shortuuid("call_"),
                    name=part.name,
                    arguments=json.dumps(dict(part.args)),
                )
                self._chat_ctx.items.append(call)
                generation.functions.send_nowait(call)
        generation.close()

    def commit_audio(self) -> None:
        """Ignore audio."""

    def clear_audio(self) -> None:
        """Ignore audio."""

    def interrupt(self) -> None:
        """Stop the replies that have not begun."""
        for task, future in list(self._replies.items()):
            task.cancel()
            if future is not None and not future.done():
                future.set_exception(llm.RealtimeError("interrupted"))
                future.exception()  # it may be that nobody waits for it any more

    def truncate(
        self,
        *,
        message_id: str,
        modalities: list[Literal["text", "audio"]],
        audio_end_ms: int,
        audio_transcript: NotGivenOr[str] = NOT_GIVEN,
    ) -> None:
        """Do nothing: the model says that it cannot."""

    async def aclose(self) -> None:
        """Stop everything."""
        tasks = list(self._replies)
        self.interrupt()
        if tasks:
            await asyncio.wait(tasks)
