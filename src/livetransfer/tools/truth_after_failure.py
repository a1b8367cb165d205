"""A failed transfer is told the caller in words of ours, and the model is not asked to tell it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import (
    AgentSession,
    FunctionToolsExecutedEvent,
    RunContext,
    SpeechCreatedEvent,
)
from livekit.agents.llm import RealtimeModel, ToolResult
from livekit.agents.voice import SpeechHandle

from livetransfer._flow.caller_session import CallerSession
from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask_now, checked_text
from livetransfer.fallback.policy import Action, Fallback, FallbackPolicy, ReturnToAgent, decide
from livetransfer.outcome import Attempt, TransferOutcome

from .wording import apology

__all__ = ["Apology", "SaysSo", "say", "sentence", "silence", "silent_result"]

logger = logging.getLogger("livetransfer")

OWN_REPLY = 5.0
"""Seconds within which a realtime model that replies by itself begins (livekit-agents: 5 s)."""

Apology = Callable[[TransferOutcome], str | None]
"""What the caller hears of a failed transfer; None leaves it to the model."""


def sentence(apologise: Apology | None, outcome: TransferOutcome) -> str | None:
    """Return what the caller hears; what an application's function does wrong makes it ours."""
    if apologise is None:
        return None
    try:
        found = ask_now("apology", lambda: apologise(outcome))
        return None if found is None else checked_text("apology", found)
    except CodeFailed as failed:
        logger.warning("the apology could not be had: %s", failed.hook, **logged())
        return apology(outcome)


@dataclass(frozen=True)
class SaysSo(FallbackPolicy):
    """What the application's fallback says; where it gives the caller back in silence, a sentence.

    Args:
        policy: The application's.
        apologise: What is said.
    """

    policy: Fallback | None = None
    apologise: Apology | None = field(default=None, compare=False)

    def decide(self, attempt: Attempt) -> Action | None:
        """Say what happens after `attempt`."""
        action = decide(self.policy, attempt)
        if action != ReturnToAgent():
            return action
        outcome = TransferOutcome(
            attempt.status,
            attempt.destination,
            attempt.human_identity,
            attempt.sip_code,
            attempt.sip_reason,
            attempt.reason,
            attempts=(*attempt.earlier, attempt),
            words=attempt.words,
            cause=attempt.cause,
        )
        return ReturnToAgent(sentence(self.apologise, outcome))


def say(context: RunContext[Any], text: str) -> SpeechHandle | None:
    """Say `text` to the caller; None where there is no voice for it."""
    return CallerSession(context).speak(text)


def _own_reply_interrupted(session: AgentSession[Any], said: SpeechHandle | None) -> None:
    """Interrupt the next reply that a realtime model makes to a tool's result by itself.

    It is given the result when nobody speaks any more: `said` is what is being said.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def on_speech(event: SpeechCreatedEvent) -> None:
        if not event.user_initiated:
            event.speech_handle.interrupt(force=True)
            done()

    def done() -> None:
        session.off("speech_created", on_speech)
        if timer is not None:
            timer.cancel()

    def begin(_: object) -> None:
        nonlocal timer
        timer = loop.call_later(OWN_REPLY, done)

    session.on("speech_created", on_speech)
    if said is None:
        begin(said)
    else:
        said.add_done_callback(begin)


def silence(context: RunContext[Any], said: SpeechHandle | None) -> None:
    """Let the model not be asked to reply to a tool's result.

    Nor is it for another tool of the same turn: it would speak of this one too.

    Args:
        context: That of the tool.
        said: What the caller hears of it, where it is being said.
    """
    session, call_id = context.session, context.function_call.call_id

    def on_tools(event: FunctionToolsExecutedEvent) -> None:
        if call_id in [call.call_id for call in event.function_calls]:
            event.cancel_tool_reply()
            model = CallerSession(context).llm
            if isinstance(model, RealtimeModel) and model.capabilities.auto_tool_reply_generation:
                _own_reply_interrupted(session, said)

    session.on("function_tools_executed", on_tools)
    context.speech_handle.add_done_callback(
        lambda _: session.off("function_tools_executed", on_tools)
    )


def silent_result(context: RunContext[Any], text: str, said: SpeechHandle | None) -> ToolResult:
    """Return `text` as a tool's result to which the model is not asked to reply; see `silence`."""
    silence(context, said)
    return ToolResult(text, reply_required=False)
