"""Ear: how the words of a party of a simulated call reach an AgentSession."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from livekit.agents import Agent, AgentSession, StopResponse, UserInputTranscribedEvent
from livekit.agents.llm import ChatMessage

from livetransfer._tasks import keep

__all__ = ["Ear"]


class Ear:
    """How the words of a party reach an AgentSession.

    Args:
        session: The session.
        closes: Whether it is closed when the party leaves.
    """

    def __init__(self, session: AgentSession[Any], *, closes: bool = False) -> None:
        self.session = session
        self._closes = closes
        self._closed = False
        session.on("close", self._on_close)

    def _on_close(self, _: Any) -> None:
        self._closed = True

    def release(self) -> None:
        """Listen no more."""
        self.session.off("close", self._on_close)
        self._closed = True

    def party_left(self) -> None:
        """The party left the call."""
        if self._closes and not self._closed:
            self.session.shutdown(drain=False)

    @property
    def speaks(self) -> bool:
        """Whether what the session says can be heard now."""
        return not self._closed and self.session.output.audio_enabled

    @property
    def listens(self) -> bool:
        """Whether the session hears anything now."""
        return not self._closed and self.session.input.audio_enabled

    @property
    def deaf(self) -> bool:
        """Whether it says something that may not be interrupted, and so discards what it hears."""
        speech = self.session.current_speech
        options = self.session.options.interruption
        return (
            speech is not None
            and not speech.done()
            and not speech.interrupted
            and not speech.allow_interruptions
            and options["discard_audio_if_uninterruptible"]
        )

    def interrupt(self) -> None:
        """The party talks: the AI stops, if it lets itself be interrupted."""
        with contextlib.suppress(RuntimeError):
            self.session.interrupt()

    def hear_part(self, text: str) -> None:
        """The party has said `text` so far, and speaks on."""
        if self.listens:
            words = UserInputTranscribedEvent(transcript=text, is_final=False)
            self.session.emit("user_input_transcribed", words)

    def listen(self, text: str) -> None:
        """The party has said `text`."""
        with contextlib.suppress(RuntimeError):  # not started, or closing
            words = UserInputTranscribedEvent(transcript=text, is_final=True)
            self.session.emit("user_input_transcribed", words)
            agent = self.session.current_agent
            if type(agent).on_user_turn_completed is Agent.on_user_turn_completed:
                self.session.generate_reply(user_input=text, input_modality="audio")
            else:
                keep(asyncio.create_task(self._hooked(agent, text)))

    async def _hooked(self, agent: Agent, text: str) -> None:
        """Reply to what was said as the session does after a turn: the agent may object."""
        ctx, message = agent.chat_ctx.copy(), ChatMessage(role="user", content=[text])
        try:
            await agent.on_user_turn_completed(ctx, new_message=message)
        except StopResponse:
            return
        if self.listens:
            with contextlib.suppress(RuntimeError):
                self.session.generate_reply(
                    user_input=message, chat_ctx=ctx, input_modality="audio"
                )
