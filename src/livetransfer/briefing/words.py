"""BriefingWords: what a briefing says, whatever an override of it does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, Protocol

from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask_now, checked_text

__all__ = ["GOODBYES", "PERSONA", "BriefingWords", "Farewell", "Problem"]

logger = logging.getLogger("livetransfer")

PERSONA = """\
You are on the phone with a colleague whom you have just called, because a caller needs a person.
The caller is on hold and hears nothing of this. Your goal is that your colleague knows who is
calling and why, and says whether to be connected.

- Answer questions from the conversation below; say so when the answer is not in it.
- Be short: one or two sentences at a time. This is a phone call: no lists, no formatting.
- When your colleague agrees to take the call, call `connect_to_caller` at once, without a word.
- When your colleague cannot or does not want to take it, call `decline_transfer`.
- When you hear a voicemail greeting or a machine, call `voicemail_detected`.
"""

Farewell = Literal["caller_left", "cancelled", "declined", "taken", "timed_out"]
GOODBYES: dict[Farewell, str] = {
    "caller_left": "I am sorry, the caller has just hung up. Goodbye.",
    "cancelled": "I am sorry, the caller does not need you any more. Goodbye.",
    "declined": "All right. Thank you, goodbye.",
    "taken": "A colleague has just taken the call. Thank you, goodbye.",
    "timed_out": "I will take the caller back now. Thank you, goodbye.",
}
Problem = Callable[[CodeFailed, str], None]


class Speaker(Protocol):
    """Whose words they are."""

    def farewell(self, reason: Farewell) -> str | None:
        """Return what the human hears before the line is closed; None for nothing."""


class BriefingWords:
    """Asks an agent for its words; where an override has failed, the default ones are said.

    Args:
        agent: The agent.
        default: The class whose words are the default.

    Attributes:
        problem: Called with what has failed, and what is done instead.
    """

    def __init__(self, agent: Speaker, default: type[Any]) -> None:
        self._agent, self._default = agent, default
        self.problem: Problem = lambda failed, instead: None

    def opening(self) -> str:
        """Return what the human hears first when the summary is not ready at the answer."""
        return self._asked("opening")

    def question(self) -> str:
        """Return the question that ends the greeting."""
        return self._asked("question")

    def greeting(self, summary: str) -> str:
        """Return what the human hears first."""
        return self._asked("greeting", summary)

    def to_screener(self, summary: str) -> str:
        """Return what a screener is told."""
        return self._asked("to_screener", summary)

    def farewell(self, reason: Farewell) -> str | None:
        """Return what the human hears before the line is closed; None for nothing."""
        try:
            text = ask_now("farewell", lambda: self._agent.farewell(reason))
            return None if text is None else checked_text("farewell", text)
        except CodeFailed as failed:
            self.failed(failed, "the default words")
            default: str | None = self._default.farewell(self._agent, reason)
            return default

    def failed(self, failed: CodeFailed, instead: str) -> None:
        """Tell that an override has failed."""
        logger.warning("words of a briefing could not be made", **logged(failed))
        self.problem(failed, instead)

    def _asked(self, hook: str, *arguments: str) -> str:
        try:
            return checked_text(hook, ask_now(hook, lambda: getattr(self._agent, hook)(*arguments)))
        except CodeFailed as failed:
            self.failed(failed, "the default words")
            default: str = getattr(self._default, hook)(self._agent, *arguments)
            return default
