"""Step: the time in which the AI of one call has the tools for a callback, or for a message."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import WeakKeyDictionary

from livekit.agents import Agent, AgentSession, ToolError
from livekit.agents.llm import RealtimeModel, Tool, Toolset
from livekit.agents.utils import is_given
from livekit.agents.voice import SpeechHandle

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.fallback import OfferCallback, TakeMessage

from .facts import Facts
from .recording import Recording

__all__ = ["Step", "step_of", "unharmed"]

logger = logging.getLogger("livetransfer")

TURN_LIMIT = 20.0
"""Seconds that a turn may go on after the step, before the tools are taken out of it."""

UPDATE_LIMIT = 2.0
"""Seconds that a model may take to be given its tools."""

_steps: WeakKeyDictionary[AgentSession[Any], Step] = WeakKeyDictionary()


def step_of(session: AgentSession[Any]) -> Step | None:
    """Return the latest step of a session, open or not."""
    return _steps.get(session)


class Step:
    """One step of a conversation.

    Args:
        session: The caller's session.
        action: What the fallback has said.
        facts: What is known of the call.
        told: Called once with how it ended: ``"made"``, ``"declined"`` or ``"expired"``.

    Attributes:
        id: What names what comes of it.
        result: How it ended; None while it is open.
        lock: Held while something is decided.
        note: What the AI is to know of it later.
        number: The number that the caller has confirmed.
        read_back: The number that was read back to him, in the turn `read_in`.
        began: How many items the conversation had.
        recording: What keeps his words as audio, where that is asked for.
    """

    def __init__(
        self,
        session: AgentSession[Any],
        action: OfferCallback | TakeMessage,
        facts: Facts,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.session, self.action, self.facts, self._told = session, action, facts, told
        self.id = uuid.uuid4().hex
        self.result: str | None = None
        self.note: str | None = None
        self.lock = asyncio.Lock()
        self.number: str | None = None
        self.read_back: str | None = None
        self.read_in: SpeechHandle | None = None
        self.began = len(session.history.items)
        self._tools: Toolset | None = None
        self._agents: list[Agent] = []
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wants_audio = isinstance(action, TakeMessage) and action.audio
        self.recording = Recording(session, action.seconds) if wants_audio else None

    @property
    def is_open(self) -> bool:
        """Whether it can still be decided."""
        return self.result is None

    async def open(self, tools: Toolset) -> bool:
        """Give the AI the tools, unless it has such ones already; return whether it has them.

        Args:
            tools: The tools, where it has none.
        """
        session = self.session
        before = _steps.get(session)
        if before is not None:
            await before.expire()
            await before.put_away()
        try:
            agent = session.current_agent
        except RuntimeError:
            return False
        if not any(isinstance(each, type(tools)) for each in _flat(agent.tools)):
            if not _takes_tools(session, agent):
                logger.error(
                    "the AI's model takes no tools during a session: give its Agent "
                    "FallbackTools(policy) from the start"
                )
                return False
            if not await _within(agent.update_tools([*agent.tools, tools])):
                return False
            self._tools = tools
            self._agents.append(agent)
        _steps[session] = self
        if self.recording is not None:
            self.recording.begin()
        keep(asyncio.create_task(self._live(), name="livetransfer-instead"))
        return True

    def end(self, result: str) -> None:
        """It is decided. Idempotent: the first result counts."""
        if self.result is None:
            self.result = result
            if not self._over.done():
                self._over.set_result(None)
            self._told(result)

    async def expire(self) -> None:
        """Its time is over; what is being decided at the last moment is decided. Idempotent."""
        async with self.lock:
            self.end("expired")

    async def _live(self) -> None:
        session = self.session

        def on_close(_: object) -> None:
            if not self._over.done():
                self._over.set_result(None)

        def on_item(event: Any) -> None:
            if getattr(event.item, "type", None) == "agent_handoff":
                keep(asyncio.create_task(self._follow(), name="livetransfer-instead-follow"))

        session.on("close", on_close)
        session.on("conversation_item_added", on_item)
        try:
            await asyncio.wait({self._over}, timeout=self.action.seconds)
            await self.expire()
        finally:
            session.off("close", on_close)
            session.off("conversation_item_added", on_item)
            if self.recording is not None:
                self.recording.end()
        await self._turn_over()
        await self.put_away()

    async def _turn_over(self) -> None:
        speech = self.session.current_speech
        if speech is not None:
            over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            speech.add_done_callback(lambda _: None if over.done() else over.set_result(None))
            await asyncio.wait({over}, timeout=TURN_LIMIT)

    async def _follow(self) -> None:
        """The application has handed the caller to another of its agents."""
        tools = self._tools
        try:
            agent = self.session.current_agent
        except RuntimeError:
            return
        if self.is_open and tools is not None and tools not in agent.tools:
            self._agents.append(agent)
            await _within(agent.update_tools([*agent.tools, tools]))

    async def put_away(self) -> None:
        """Take the tools back, and leave word of how it ended where they were. Idempotent."""
        tools, self._tools = self._tools, None
        if tools is None:
            return
        for agent in self._agents:
            if tools not in agent.tools:
                continue
            if self.note:
                # A model does not see the calls of a tool that it has no longer.
                ctx = agent.chat_ctx.copy()
                ctx.add_message(role="system", content=self.note)
                await _within(agent.update_chat_ctx(ctx))
            await _within(agent.update_tools([each for each in agent.tools if each is not tools]))


async def unharmed(work: Coroutine[Any, Any, str], name: str) -> str:
    """Return what `work` returns; it goes on where a turn that waits for it is interrupted.

    Raises:
        ToolError: That is what it raises.
    """

    async def answered() -> str | ToolError:
        try:
            return await work
        except ToolError as refused:
            return refused

    task = asyncio.create_task(answered(), name=name)
    keep(task)
    found = await asyncio.shield(task)
    if isinstance(found, ToolError):
        raise found
    return found


def _flat(tools: list[Tool | Toolset]) -> list[Tool | Toolset]:
    found: list[Tool | Toolset] = []
    for tool in tools:
        found.append(tool)
        if isinstance(tool, Toolset):
            found += _flat(list(tool.tools))
    return found


def _takes_tools(session: AgentSession[Any], agent: Agent) -> bool:
    llm = agent.llm if is_given(agent.llm) else session.llm
    return not isinstance(llm, RealtimeModel) or llm.capabilities.mutable_tools


async def _within(step: Any) -> bool:
    """Wait for `step`, for `UPDATE_LIMIT` seconds; return whether it has worked."""
    try:
        await asyncio.wait_for(step, UPDATE_LIMIT)
    except Exception:
        logger.warning("the AI could not be given its tools", **logged())
        return False
    return True
