"""What is said in a callback: to the human who makes it, and to the caller when he answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from livekit.agents import StopResponse
from livekit.agents.llm import ChatContext, ChatMessage
from livekit.agents.voice import SpeechHandle

from livetransfer._flow.caller_session import speak
from livetransfer._tasks import keep
from livetransfer.briefing import BriefingAgent, Verdict
from livetransfer.briefing.agent import Farewell

__all__ = ["PERSONA", "CallbackBriefing", "CallerGreeting"]

GREETS_WITHIN = 5.0
"""Seconds, from the moment that somebody is known to be there, until the sentence has begun."""

PERSONA = """\
You are on the phone with a colleague whom you have just called, because a caller was promised to be
called back. The caller is not on the line yet: he is dialled when your colleague has agreed. Your
goal is that your colleague knows who is to be called and why, and says whether it can be now.

- Answer questions from what you have been told; say so when the answer is not in it.
- Be short: one or two sentences at a time. This is a phone call: no lists, no formatting.
- When your colleague agrees, call `connect_to_caller` at once, without a word.
- When your colleague cannot or does not want to, call `decline_transfer`.
- When you hear a voicemail greeting or a machine, call `voicemail_detected`.
"""


class CallbackBriefing(BriefingAgent):
    """Tells the human whom to call back and why; the default of `make_callback`.

    Override its words as those of a [`BriefingAgent`][livetransfer.BriefingAgent].
    """

    def __init__(self, *, instructions: str = PERSONA, **options: Any) -> None:
        super().__init__(instructions=instructions, **options)

    def greeting(self, summary: str) -> str:
        """Return what the human hears first."""
        about = summary.strip() or "They asked for a person."
        return f"Hello, a caller was promised a call back. {about} {self.question()}"

    def opening(self) -> str:
        """Return what the human hears first when the summary is not ready at the answer."""
        return "Hello, a caller was promised a call back. One moment, please."

    def question(self) -> str:
        """Return the question that ends the greeting."""
        return super().question().replace("connect you", "call them now and connect you")

    def to_screener(self, summary: str) -> str:
        """Return what a call screener is told, who asks who is calling."""
        about = summary.strip() or "They asked for a person."
        return f"This is an assistant. A caller is to be called back. {about}"

    def farewell(self, reason: Farewell) -> str | None:
        """Return what the human hears before the line is closed; None for nothing."""
        words = {
            "taken": "A colleague has just taken the call. Thank you, goodbye.",
            "timed_out": "I will ask somebody else. Thank you, goodbye.",
        }
        return words.get(reason) or super().farewell(reason)


class CallerGreeting(BriefingAgent):
    """Tells the caller at once who calls, and takes him for there when a person has answered.

    Args:
        sentence: Who calls, and why.
        sorry: What he hears where the human has left meanwhile.
    """

    def __init__(self, sentence: str, sorry: str) -> None:
        super().__init__(instructions="Say nothing.", accept="answer", decline_key=None)
        self._sentence, self._sorry = sentence, sorry
        self._saying: SpeechHandle | None = None
        self._greeted = asyncio.Event()
        self._settling = False

    async def summarise(self, chat_ctx: ChatContext) -> str:
        """Return nothing: he knows why he is called."""
        return ""

    def greeting(self, summary: str) -> str:
        """Return what he hears first."""
        return self._sentence

    def opening(self) -> str:
        """Return what he hears first."""
        return self._sentence

    def to_screener(self, summary: str) -> str:
        """Return what a call screener is told, who asks who is calling."""
        return self._sentence

    async def on_enter(self) -> None:
        """Wait for the answer, then say who calls; listen meanwhile, as a mailbox does not."""
        self.session.options.interruption["discard_audio_if_uninterruptible"] = False
        await super().on_enter()

    async def greet(self) -> None:
        """Say who calls."""
        speech = self._greeting or self._opening
        if speech is not None and speech.audible:
            self._saying = self.session.say(
                speech.text, audio=speech.frames(), allow_interruptions=False
            )
        else:
            self._saying = speak(self.session, self._sentence, self.session.llm)
        self._greeted.set()

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: ChatMessage) -> None:
        """Answer nothing: a person will."""
        raise StopResponse

    def decide(self, verdict: Verdict) -> None:
        """Record the verdict; who is there hears the sentence to its end first."""
        heard = self._greeted.is_set() and (self._saying is None or self._saying.done())
        if verdict.kind != "accepted" or heard:
            super().decide(verdict)
        elif not self._settling:
            self._settling = True
            keep(asyncio.create_task(self._when_said(), name="livetransfer-greeting"))

    async def _when_said(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._greeted.wait(), GREETS_WITHIN)
        if self._saying is not None:
            await self._saying.wait_for_playout()
        self._greeted.set()
        self._settling = False
        self.look()  # what has answered may have shown itself meanwhile

    def farewell(self, reason: Farewell) -> str | None:
        """Return what he hears before the line is closed; None for nothing."""
        return self._sorry if reason in ("caller_left", "cancelled") else None
