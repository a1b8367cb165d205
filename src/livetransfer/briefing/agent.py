"""BriefingAgent: tells the human who is calling and why, and takes the yes or the no."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from livekit import rtc
from livekit.agents import NOT_GIVEN, Agent, ModelSettings, StopResponse, ToolError
from livekit.agents.llm import LLM, ChatContext, ChatMessage, RealtimeModel, Tool, Toolset
from livekit.agents.stt import SpeechEvent
from livekit.agents.tts import TTS
from livekit.agents.utils import is_given
from livekit.agents.voice import SpeechHandle
from typing_extensions import Self

from livetransfer._checks import check_choice, check_key
from livetransfer._logged import logged
from livetransfer._user_code import CodeFailed, ask, checked_text
from livetransfer.errors import ConfigurationError

from .accept_by_key_or_voice import Accept, Acceptance, Heard
from .listen_from_answer import from_answer_on
from .presynthesis import PreparedSpeech
from .repeat_first_words import Repeating
from .request import BriefingRequest
from .silent_until_person import Composure
from .summary import SUMMARY_LIMIT, plain_summary, transcript, write_summary
from .verdict import Verdict, decision
from .words import GOODBYES, PERSONA, BriefingWords, Farewell, Problem

__all__ = ["BriefingAgent", "BriefingRequest", "Farewell", "Verdict"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")


class BriefingAgent(Agent):
    """Talks with the human before the bridge.

    Pass an instance or a factory as ``briefing=``. An instance is never used itself: each attempt
    gets a fresh one, made with the same arguments and given the same public attributes.

    Override [`summarise`][livetransfer.BriefingAgent.summarise] and
    [`greeting`][livetransfer.BriefingAgent.greeting] to change what is said, add function tools
    for what the human may ask for, and `instructions` to change the manner. It borrows its leg:
    it never hangs up.

    Args:
        instructions: Replaces the persona. The conversation and what must be stressed are added.
        tools: More tools.
        accept: How the human accepts: ``"either"``, by voice or by `accept_key`; ``"voice"``;
            ``"key"``, which no recording presses; ``"code"``, a digit that is drawn for each call
            and named in the greeting; ``"answer"``: whoever answers is connected with no
            briefing, unless something else than a person was heard.
        accept_key: The key that accepts; None for none.
        decline_key: The key that declines; None for none.
        **options: `llm`, `tts`, `stt`, `vad` (default: those that serve the caller), and every
            other keyword of `livekit.agents.Agent`.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments, so that each attempt gets an agent of its own."""
        self = super().__new__(cls)
        self._arguments = (args, kwargs)
        return self

    def __init__(
        self,
        *,
        instructions: str = PERSONA,
        tools: Sequence[Tool | Toolset] = (),
        accept: Accept = "either",
        accept_key: str | None = "1",
        decline_key: str | None = "2",
        **options: Any,
    ) -> None:
        super().__init__(instructions=instructions, tools=list(tools), **options)
        if accept_key is not None and accept_key == decline_key:
            raise ConfigurationError("decline_key", decline_key, "use another than accept_key")
        self.accept_key = check_key("accept_key", accept_key)
        self.decline_key = check_key("decline_key", decline_key)
        self.accept: Accept = check_choice("accept", accept, Accept)
        self.acceptance = Acceptance.drawn(self.accept, self.accept_key, (decline_key,))
        self._request: BriefingRequest | None = None
        self._persona: str | None = None
        self._renewed = False
        self._voice: TTS[Any] | None = None
        self._writer: LLM[Any] | RealtimeModel | None = None
        self._summary: asyncio.Future[str] | None = None
        self._opening: PreparedSpeech | None = None
        self._greeting: PreparedSpeech | None = None
        self._answered: asyncio.Future[None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._verdict: asyncio.Future[Verdict] | None = None
        self._own = BriefingWords(self, BriefingAgent)
        self._heard: Callable[[], Heard] = Heard
        self._composure = Composure()
        self._repeating: Repeating | None = None

    def tell_problems_to(self, problem: Problem) -> None:
        """Call `problem` where an override has failed, with what is done instead."""
        self._own.problem = problem

    def fresh(self) -> Self:
        """Return a new agent for one attempt, made like this one."""
        args, kwargs = self._arguments
        copy = type(self)(*args, **kwargs)
        for name, value in vars(self).items():
            if not name.startswith("_") and name != "acceptance":
                # What one attempt notes down is not for the next.
                own = value.copy() if isinstance(value, (list, dict, set)) else value
                setattr(copy, name, own)
        return copy

    @property
    def request(self) -> BriefingRequest | None:
        """What the briefing is about; None until a transfer has prepared it."""
        return self._request

    # -- what a subclass may override ------------------------------------------------------

    async def summarise(self, chat_ctx: ChatContext) -> str:
        """Return what the human is told about the call, written while the phone rings.

        Uses the briefing's LLM; without one, or where it fails, the caller's own last words.

        Args:
            chat_ctx: What was said between the caller and the AI.
        """
        stress = self._request.instructions if self._request else None
        return await write_summary(self._writer, chat_ctx, stress)

    def greeting(self, summary: str) -> str:
        """Return what the human hears first.

        Args:
            summary: What `summarise` returned; may be empty.
        """
        about = summary.strip() or "They asked for a person."
        return f"Hello, I have a caller on the line for you. {about} {self._own.question()}"

    def opening(self) -> str:
        """Return what the human hears first when the summary is not ready at the answer."""
        return "Hello, I have a caller on the line for you. One moment, please."

    def question(self) -> str:
        """Return the question that ends the greeting."""
        meanings = ((self.acceptance.key, "yes"), (self.decline_key, "no"))
        keys = " or ".join(f"{key} for {meaning}" for key, meaning in meanings if key)
        if self.accept in ("key", "code"):
            return f"May I connect you? Please press {keys}."
        return "May I connect you?" + (f" You can also press {keys}." if keys else "")

    def to_screener(self, summary: str) -> str:
        """Return what a call screener is told, who asks who is calling.

        Args:
            summary: What `summarise` returned; may be empty.
        """
        about = summary.strip() or "They asked for a person."
        return f"This is an assistant with a caller on the line. {about}"

    def farewell(self, reason: Farewell) -> str | None:
        """Return what the human hears before the line is closed; None for nothing."""
        return GOODBYES[reason]

    # -- the decisions ---------------------------------------------------------------------

    def decide(self, verdict: Verdict) -> None:
        """Record the verdict; the first one counts."""
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(verdict)

    @decision
    async def connect_to_caller(self) -> None:
        """Connect your colleague to the caller, when they have agreed to take the call."""
        ruling = self.acceptance.by_voice(self._heard())
        if not ruling.bridges:
            raise ToolError(ruling.why)
        self.decide(Verdict("accepted"))
        raise StopResponse

    @decision
    async def decline_transfer(self, reason: str) -> None:
        """Your colleague does not take the call.

        Args:
            reason: Why, in a few words.
        """
        self.decide(Verdict("declined", reason))
        raise StopResponse

    @decision
    async def voicemail_detected(self) -> None:
        """You have reached a voicemail or another machine, not a person."""
        self.decide(Verdict("voicemail"))
        raise StopResponse

    # -- its life, driven by the transfer --------------------------------------------------

    async def on_enter(self) -> None:
        """Wait for the answer, then greet. An override calls this first."""
        await self.answered()
        await self.greet()

    async def answered(self) -> None:
        """Wait until the human has answered the phone.

        Raises:
            asyncio.CancelledError: The briefing is over before that.
        """
        if self._answered is not None:
            await self._while_it_lasts(self._answered)

    async def _while_it_lasts(self, awaited: asyncio.Future[T]) -> T:
        """Wait, but not beyond the briefing: a session waits for `on_enter` when it is closed."""
        assert self._over is not None
        either: set[asyncio.Future[Any]] = {awaited, self._over}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done():
            raise asyncio.CancelledError
        return awaited.result()

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[SpeechEvent]:
        """Ask no recogniser while the phone rings. An override iterates over this one's."""
        heard = await from_answer_on(audio, self._answered) if self._answered else audio
        events = Agent.default.stt_node(self, heard, model_settings)
        async with aclosing(events):
            async for event in events:
                yield event

    async def greet(self) -> None:
        """Say who is calling and why, as soon as it is known.

        A briefing that has no voice has failed.
        """
        if self.accept == "answer":
            return
        try:
            said = await self._greet()
            if said is not None:
                if self._repeating is not None:
                    self._repeating.stop()
                self._repeating = Repeating(self.session, said, self._say_again)
        except RuntimeError as error:
            logger.warning("the greeting could not be spoken", **logged())
            self.decide(Verdict("failed", f"the greeting could not be spoken: {error}"))

    async def _say_again(self) -> SpeechHandle | None:
        over = self._verdict is None or self._verdict.done()
        if over or self._composure.silent or self._summary is None:
            return None
        summary = self._summary.result() if self._summary.done() else ""
        if self._voice is None and isinstance(self._writer, RealtimeModel):
            return self._reply_with(summary)
        return self.session.say(self._own.greeting(summary))

    def _reply_with(self, summary: str) -> SpeechHandle:
        told = f"Say this to your colleague: {self._own.greeting(summary)}"
        return self.session.generate_reply(instructions=told)

    async def _greet(self) -> SpeechHandle | None:
        if self._summary is None:
            return None
        if self._voice is None and isinstance(self._writer, RealtimeModel):
            return self._reply_with(await self._while_it_lasts(self._summary))
        greeting = self._greeting
        if greeting is not None and (greeting.audible or not greeting.voiced):
            return self._say(greeting)
        if self._opening is not None:
            self._say(self._opening)
        about = (await self._while_it_lasts(self._summary)).strip() or "They asked for a person."
        return self.session.say(f"{about} {self._own.question()}")

    def _say(self, speech: PreparedSpeech) -> SpeechHandle:
        audio = speech.frames() if speech.audible else NOT_GIVEN
        return self.session.say(speech.text, audio=audio)

    async def prepare(
        self,
        request: BriefingRequest,
        *,
        llm: LLM[Any] | RealtimeModel | None,
        tts: TTS[Any] | None,
        summary: asyncio.Future[str] | None,
    ) -> asyncio.Future[str]:
        """Get ready while the phone rings; return the summary, which may still be on its way."""
        self._request = request
        taken = (self.decline_key, *request.taken_keys)
        self.acceptance = Acceptance.drawn(self.accept, self.accept_key, taken)
        self._writer = self.llm if is_given(self.llm) else llm
        self._voice = self.tts if is_given(self.tts) else tts
        loop = asyncio.get_running_loop()
        self._answered, self._over = loop.create_future(), loop.create_future()
        self._verdict = loop.create_future()
        self._persona = str(self.instructions)
        await self.update_instructions(self._compose(self._persona, request))
        prepared_voice = self._voice if type(self).tts_node is Agent.tts_node else None
        self._opening = PreparedSpeech(prepared_voice, self._own.opening(), standing=True)
        if summary is None:
            summary = asyncio.ensure_future(self._write_summary(request))
        self._summary = summary
        summary.add_done_callback(lambda done: self._prepare_greeting(done, prepared_voice))
        return summary

    async def _write_summary(self, request: BriefingRequest) -> str:
        try:
            summary = await ask(
                "summarise", lambda: self.summarise(request.conversation), 2 * SUMMARY_LIMIT
            )
            return checked_text("summarise", summary)
        except CodeFailed as failed:
            self._own.failed(failed, "the caller's own last words")
            return plain_summary(request.conversation)

    def standing(self, text: str) -> PreparedSpeech | None:
        """Return `text` as it was synthesised once; None where this agent speaks otherwise."""
        if self._voice is None or type(self).tts_node is not Agent.tts_node:
            return None
        return PreparedSpeech(self._voice, text, standing=True)

    def last_words(self, reason: Farewell) -> str | None:
        """Return what the human hears before the line is closed, whatever an override does."""
        return self._own.farewell(reason)

    def _prepare_greeting(self, summary: asyncio.Future[str], voice: TTS[Any] | None) -> None:
        if (
            not self._renewed
            and not summary.cancelled()
            and summary.exception() is None
            and self._over is not None
            and not self._over.done()
        ):
            self._greeting = PreparedSpeech(voice, self._own.greeting(summary.result()))

    async def renew(self, conversation: ChatContext) -> asyncio.Future[str] | None:
        """Write the summary again if the conversation has gone on; None if it has not.

        The opening then bridges the time until it is there.
        """
        request = self._request
        if request is None or self._persona is None:
            return None
        if transcript(conversation) == transcript(request.conversation):
            return None
        self._request = replace(request, conversation=conversation)
        await self.update_instructions(self._compose(self._persona, self._request))
        self._greeting, self._renewed = None, True
        self._summary = asyncio.ensure_future(self._write_summary(self._request))
        return self._summary

    @staticmethod
    def _compose(persona: str, request: BriefingRequest) -> str:
        return request.instructions_after(persona)

    def human_answered(self) -> None:
        """The phone was answered: greet."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def on_key(self, digit: str) -> None:
        """Decide by a key that the human pressed."""
        if digit == self.decline_key:
            self.decide(Verdict("declined"))
        elif self.acceptance.by_key(digit, self._heard()).bridges:
            self.decide(Verdict("accepted"))

    # -- what has answered -----------------------------------------------------------------

    def knows(self, heard: Callable[[], Heard]) -> None:
        """Take from now on from `heard` what is known of the far end."""
        self._heard = heard

    def look(self) -> None:
        """What is known of the far end has changed, or time has passed: it may be enough."""
        if self.acceptance.by_answer(self._heard()).bridges:
            self.decide(Verdict("accepted"))

    def be_silent(self) -> None:
        """Say nothing, and answer nothing, until `go_on`: no person is there to talk to."""
        if self._repeating is not None:
            self._repeating.stop()
        self._composure.keep(self.session)

    async def go_on(self) -> None:
        """A person is there who has heard nothing yet: greet afresh."""
        self._composure.silent = False
        await self.greet()

    async def say_aside(self, text: str | None) -> None:
        """Say one thing to a machine, to its end; None: what a screener is told.

        Raises:
            RuntimeError: The briefing is over, or has no voice.
        """
        if text is None:
            written = self._summary is not None and self._summary.done()
            summary = self._summary.result() if written and self._summary is not None else ""
            text = self._own.to_screener(summary)
        await self._composure.say_aside(self.session, text)

    async def on_user_turn_completed(self, turn_ctx: ChatContext, new_message: ChatMessage) -> None:
        """Answer nothing while no person is there. An override calls this first."""
        if self._composure.silent:
            raise StopResponse

    async def verdict(self) -> Verdict:
        """Wait for the verdict. Cancelling the wait changes nothing."""
        if self._verdict is None:
            raise RuntimeError("this briefing has not been prepared by a transfer")
        return await asyncio.shield(self._verdict)

    async def release(self) -> None:
        """The briefing is over: stop what is being prepared, and what waits. Idempotent."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if self._repeating is not None:
            self._repeating.stop()
        for speech in (self._opening, self._greeting):
            if speech is not None:
                await speech.aclose()
