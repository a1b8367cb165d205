"""The agent of the demo: the code that you would write, and a script in place of its models."""

from __future__ import annotations

from typing import Any

from livekit.agents import Agent, RunContext
from livekit.agents.llm import function_tool

from livetransfer import BriefingAgent, ColdTransfer, TransferOutcome, WarmTransfer
from livetransfer.testing import Rules, ScriptedLLM, ScriptedTTS, ToolCall

from .lines import lines

__all__ = ["Briefing", "FrontDesk", "scripted_llm", "scripted_tts"]

SUMMARY = "Their last order was charged twice, and they would like to talk to a person about it."

REASON = "they are in a meeting, and can call back this afternoon"


class FrontDesk(Agent):
    """Answers the phone, and hands the caller to a person when asked to."""

    def __init__(self, transfer: WarmTransfer | ColdTransfer) -> None:
        super().__init__(instructions="You answer the phone of a shop.")
        self.transfer = transfer
        self.outcome: TransferOutcome | None = None

    async def on_enter(self) -> None:
        """Answer the phone."""
        self.session.say(_text("ai.hello"))

    @function_tool
    async def transfer_to_a_person(self, context: RunContext[Any]) -> str:
        """Transfer the caller to a person."""
        self.outcome = await self.transfer.run(context)
        return str(self.outcome)


class Briefing(BriefingAgent):
    """The library's own briefing, in the words that there are clips of."""

    def greeting(self, summary: str) -> str:
        """Return what the human hears first."""
        return (
            f"Hello, I have a caller on the line for you. {summary} May I connect you? "
            "You can also press 1 for yes or 2 for no."
        )

    def farewell(self, reason: str) -> str | None:
        """Return what the human hears before the line is closed."""
        return lines()["ai.farewell"].text if reason == "declined" else None


def _text(name: str) -> str:
    return lines()[name].text


def _is(name: str) -> Any:
    return lambda said: said.strip() == _text(name)


def scripted_llm() -> ScriptedLLM:
    """Return the stand-in for the language model, with the delay of a usual one."""
    rules: Rules = (
        (r"^(Caller|Assistant): ", SUMMARY),
        (_is("caller.problem"), _text("ai.which_order")),
        (_is("caller.ask"), ToolCall("transfer_to_a_person")),
        (_is("human.which_order"), _text("ai.answer")),
        (_is("human.accept"), ToolCall("connect_to_caller")),
        (
            _is("human.decline"),
            ToolCall("decline_transfer", {"reason": REASON}),
        ),
        (_is("human.voicemail"), ToolCall("voicemail_detected")),
        (r"is busy", _text("ai.sorry_busy")),
        (r"did not answer", _text("ai.sorry_no_answer")),
        (r"voicemail of \w+ answered", _text("ai.sorry_voicemail")),
        (r"declined the call", _text("ai.sorry_declined")),
        (_is("caller.message"), _text("ai.noted")),
    )
    return ScriptedLLM(rules, default=None)


def scripted_tts() -> ScriptedTTS:
    """Return the stand-in for the voice: it plays the clips."""
    return ScriptedTTS({line.text: line.samples for line in lines().values() if line.who == "ai"})
