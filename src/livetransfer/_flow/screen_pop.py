"""The screen pop: the summary that a human's PBX gets in a header, with the call itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from livekit.agents.llm import LLM

from livetransfer._tasks import keep
from livetransfer.briefing.summary import plain_summary, write_summary
from livetransfer.destination import Destination
from livetransfer.privacy import Privacy
from livetransfer.privacy.conversation import filtered

from .attempt import LiveAttempt
from .leg import HumanLeg

__all__ = ["WITHIN", "ScreenPop"]

WITHIN = 2.0
"""Seconds that a dial waits for the summary; then the caller's own last words are sent."""


class ScreenPop:
    """What stands in `Destination.summary_header`, for destinations that have one.

    Args:
        privacy: What it may say.
    """

    def __init__(self, privacy: Privacy) -> None:
        self._privacy = privacy
        self._writing: asyncio.Task[str] | None = None

    def begin(self, attempt: LiveAttempt) -> None:
        """Write a summary where nobody else does, as for a cold transfer."""
        wanted = any(to.summary_header is not None for to in attempt.offer.destinations)
        if not wanted or self._writing is not None:
            return
        call = attempt.call
        conversation = filtered(call.session.session.history, self._privacy)
        model = call.session.llm
        writer = model if isinstance(model, LLM) else None
        writing = asyncio.create_task(
            write_summary(writer, conversation, None), name="livetransfer-summary"
        )
        self._writing = keep(writing)
        writing.add_done_callback(call.tell_summary)
        call.loose_ends.push("summary", lambda: _cancelled(writing))

    async def ready(
        self, attempt: LiveAttempt, destination: Destination, human: HumanLeg | None = None
    ) -> None:
        """Wait for the summary, a moment, before `destination` is dialled or referred to.

        Raises:
            AttemptOver: Something has ended the attempt meanwhile.
            Stopped: Something has ended the transfer.
        """
        call = attempt.call
        if destination.summary_header is None:
            return
        if call.summary is None:
            await attempt.guard(_at_most(call.summarised.wait(), WITHIN), human=human)
        text = call.summary
        if text is None:
            text = plain_summary(filtered(call.session.session.history, self._privacy))
        call.screen_pop = self._privacy.spoken(text)


async def _at_most(step: Awaitable[Any], seconds: float) -> None:
    task = asyncio.ensure_future(step)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()


async def _cancelled(task: asyncio.Task[str]) -> None:
    task.cancel()
    await asyncio.wait({task})
