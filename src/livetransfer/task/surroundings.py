"""Finds what an awaited task is awaited in: the context of the tool, or the agent's session."""

from __future__ import annotations

import contextlib
from typing import Any

from livekit.agents import AgentSession, RunContext
from livekit.agents.llm import FunctionCall

__all__ = ["surroundings"]


def surroundings(name: str) -> RunContext[Any] | AgentSession[Any]:
    """Return the context of the tool, or the session of the agent, in which this code runs.

    Raises:
        RuntimeError: It runs in neither.
    """
    # Private, and what AgentTask itself looks at; the tests of both forms watch over it.
    with contextlib.suppress(ImportError):
        from livekit.agents.voice.agent_activity import (
            _AgentActivityContextVar,
            _SpeechHandleContextVar,
        )

        activity = _AgentActivityContextVar.get(None)
        speech = _SpeechHandleContextVar.get(None)
        if activity is not None and speech is not None:
            return RunContext(
                session=activity.session,
                speech_handle=speech,
                function_call=FunctionCall(call_id=name, name=name, arguments="{}"),
                activity=activity,
            )
        if activity is not None:
            return activity.session
    raise RuntimeError(
        f"{name} can be awaited in the function tools, on_enter and on_exit of an agent only; "
        f"elsewhere use `await {name}(...).run(context)`"
    )
