"""Composure: a briefing that says nothing while no person is there, but for one thing aside."""

from __future__ import annotations

import contextlib
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle

__all__ = ["Composure"]


class Composure:
    """Keeps a briefing's session quiet.

    Attributes:
        silent: Whether it is to say nothing.
    """

    def __init__(self) -> None:
        self.silent = False
        self._aside: SpeechHandle | None = None
        self._watched: AgentSession[Any] | None = None

    def keep(self, session: AgentSession[Any]) -> None:
        """Say nothing from now on, and stop what is being said."""
        self.silent = True
        if self._watched is None:
            self._watched = session
            session.on("speech_created", self._hush)
        with contextlib.suppress(RuntimeError):
            session.interrupt(force=True)

    def _hush(self, event: Any) -> None:
        # A realtime model answers by itself, and an override may say something.
        if self.silent and event.speech_handle is not self._aside:
            with contextlib.suppress(RuntimeError):
                event.speech_handle.interrupt(force=True)

    async def say_aside(self, session: AgentSession[Any], text: str) -> None:
        """Say `text` all the same, to its end, which nothing that is heard cuts short.

        Raises:
            RuntimeError: The session is over, or has no voice.
        """
        silent, self.silent = self.silent, False
        try:
            self._aside = session.say(text, allow_interruptions=False)
        finally:
            self.silent = silent
        await self._aside.wait_for_playout()
