"""Repeating: a human who says nothing hears the first words once more, and again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

from livetransfer._tasks import keep

__all__ = ["Repeating"]

logger = logging.getLogger("livetransfer")

AFTER = 6.0
"""Seconds of silence at both ends after which the first words are said once more: who has put the
phone to his ear late has missed them."""

TIMES = 2
"""How often they are said again; who has not answered then hears nothing more."""


class Repeating:
    """Says the first words again until the human has said a word, or the AI something else.

    Args:
        session: The briefing's session.
        said: The first words, being said.
        again: Says them again; None where the briefing is over.
    """

    def __init__(
        self,
        session: AgentSession[Any],
        said: SpeechHandle,
        again: Callable[[], Awaitable[SpeechHandle | None]],
    ) -> None:
        self._session, self._said, self._again = session, said, again
        self._heard = asyncio.Event()
        self._ours = False
        self._task = keep(asyncio.create_task(self._run(), name="livetransfer-repeat"))

    def stop(self) -> None:
        """Say nothing more."""
        self._task.cancel()

    def _on_words(self, event: Any) -> None:
        # Words that are taken back, as those of a noise, were none.
        if event.is_final and event.transcript.strip():
            self._heard.set()

    def _on_state(self, event: Any) -> None:
        # With no transcripts, any voice counts.
        if self._session.stt is None and event.new_state == "speaking":
            self._heard.set()

    def _on_speech(self, _: Any) -> None:
        if not self._ours:
            self._heard.set()

    async def _run(self) -> None:
        session: Any = self._session
        handlers = (
            ("user_input_transcribed", self._on_words),
            ("user_state_changed", self._on_state),
            ("speech_created", self._on_speech),
        )
        for event, handler in handlers:
            session.on(event, handler)
        try:
            for _ in range(TIMES):
                await self._said.wait_for_playout()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._heard.wait(), AFTER)
                if self._heard.is_set():
                    return
                self._ours = True
                said = await self._again()
                self._ours = False
                if said is None:
                    return
                self._said = said
        except RuntimeError:
            logger.debug("the briefing ended while its first words were to be said again")
        finally:
            for event, handler in handlers:
                session.off(event, handler)
