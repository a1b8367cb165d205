"""Code of a user's that raises, or takes its time, inside a transfer."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents.llm import ChatContext

from livetransfer import BriefingAgent, Verdict, WarmTransfer

__all__ = ["HOOKS", "Hooked"]


class Broken(Exception):
    """What it raises."""


class _Greeting(BriefingAgent):
    def greeting(self, summary: str) -> str:
        raise Broken("greeting")


class _Opening(BriefingAgent):
    def opening(self) -> str:
        raise Broken("opening")


class _Summary(BriefingAgent):
    async def summarise(self, chat_ctx: ChatContext) -> str:
        raise Broken("summarise")


class _SlowSummary(BriefingAgent):
    async def summarise(self, chat_ctx: ChatContext) -> str:
        await asyncio.sleep(6)
        return "They took their time."


class _Farewell(BriefingAgent):
    def farewell(self, reason: Any) -> str | None:
        raise Broken("farewell")


def _no_briefing() -> BriefingAgent:
    raise Broken("factory")


_BRIEFINGS: dict[str, Any] = {
    "greeting": _Greeting,
    "opening": _Opening,
    "summary": _Summary,
    "slow summary": _SlowSummary,
    "farewell": _Farewell,
    "factory": _no_briefing,
}
_BRIEF = ("brief", "brief later", "brief decides", "brief says nothing")

HOOKS = (*_BRIEFINGS, *_BRIEF)
"""What may be broken, or slow."""


class Hooked(WarmTransfer):
    """A warm transfer with one hook of `HOOKS`, or ``""`` for none."""

    def __init__(self, to: Any, hook: str, **options: Any) -> None:
        super().__init__(to, briefing=_BRIEFINGS.get(hook), **options)
        self._hook = hook

    async def brief(self, agent: BriefingAgent) -> Verdict:
        """Wait for the decision, as far as the hook lets it."""
        if self._hook == "brief":
            raise Broken("brief")
        if self._hook == "brief later":
            await asyncio.sleep(1.3)
            raise Broken("brief")
        if self._hook == "brief decides":
            return Verdict("accepted")
        if self._hook == "brief says nothing":
            return None  # type: ignore[return-value]
        return await super().brief(agent)
