"""WarmTransferTask: a drop-in for the class of that name in livekit-agents."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from livekit import rtc
from livekit.agents import (
    NOT_GIVEN,
    AgentSession,
    AgentTask,
    AudioConfig,
    NotGivenOr,
    RunContext,
    TurnHandlingOptions,
    get_job_context,
    llm,
    stt,
    tts,
    vad,
)
from livekit.agents.beta.workflows import WarmTransferResult, WorkflowInstructions
from livekit.agents.llm import ChatContext, Tool, Toolset
from livekit.agents.llm.chat_context import Instructions
from livekit.agents.utils import is_given
from livekit.agents.voice.background_audio import AudioSource
from livekit.agents.voice.turn import TurnDetectionMode
from livekit.protocol.sip import SIPOutboundConfig

from livetransfer._flow.caller_session import session_of
from livetransfer._logged import logged
from livetransfer._tasks import finish, keep
from livetransfer.briefing import BriefingAgent, Verdict
from livetransfer.briefing.verdict import decision
from livetransfer.events import Phase, PhaseChanged, TransferEvent
from livetransfer.guard import DestinationGuard
from livetransfer.outcome import TransferOutcome
from livetransfer.warm import WarmTransfer

from .failure import WarmTransferError, WarmTransferFailure, error_from, error_of
from .keywords import destination_of, player_of
from .surroundings import surroundings
from .task_briefing import Desk, Prompt, TaskBriefing

__all__ = ["WarmTransferError", "WarmTransferFailure", "WarmTransferResult", "WarmTransferTask"]

logger = logging.getLogger("livetransfer")

ENTER_LIMIT = 5.0
"""Seconds that an overridden `on_enter` may go on after the transfer is over."""

MAX_HOLD = 180.0
"""Seconds on hold at most: there is no keyword for it, so what a longer ringing needs is added."""

TO_DECIDE = 120.0
"""Seconds beyond the ringing, in which the human may decide."""

_DECIDING = ("connect_to_caller", "decline_transfer", "voicemail_detected")


class WarmTransferTask(AgentTask[WarmTransferResult]):
    """Hands the caller to a person, with the keywords of livekit-agents' WarmTransferTask.

        result = await WarmTransferTask("+15550100", chat_ctx=self.chat_ctx)
        result = await WarmTransferTask(transfer_to="+15550100").run(context)

    The first form is for function tools and the `on_enter` of agents; the second works anywhere,
    also in a task of its own. Either way the session's agent stays its agent. One task serves one
    transfer. It returns when caller and human hear each other; the AI is silent from then on, and
    when one of them leaves, the other is hung up.

    A subclass may override `on_enter`: ``await super().on_enter()`` returns when the human has
    answered, ``self._human_agent_sess`` is the briefing's session, and if the subclass then
    speaks, the greeting is left out. It may add function tools and override the three here.

    Args:
        sip_call_to: Whom to dial: a number in E.164, a SIP URI, or an extension of the trunk.
        sip_trunk_id: The outbound trunk. Default: the environment's
            ``LIVEKIT_SIP_OUTBOUND_TRUNK``.
        sip_connection: A SIP host to dial through instead of a trunk.
        sip_number: The number that the human's phone shows. Default: the environment's
            ``LIVEKIT_SIP_NUMBER``, then the trunk's.
        sip_headers: SIP headers for the INVITE.
        dtmf: Keys to send after the answer; ``w`` waits 0.5 s.
        ringing_timeout: Seconds it may ring. Default: 30.
        hold_audio: What the caller hears meanwhile: a path or URL, a built-in clip, an
            AudioConfig, a list of them, an iterator of frames; None for quiet. Default: a
            built-in clip.
        instructions: The briefing's prompt. A text or Instructions replaces ours;
            WorkflowInstructions change its persona or add to it. The conversation with the caller
            is added to each.
        chat_ctx: The conversation that the human is told about. Default: the session's.
        turn_handling: How turns are taken in the briefing.
        turn_detection: Deprecated: how the briefing detects the end of a turn.
        tools: More tools for the briefing.
        stt: The briefing's STT. Default: the one that talks with the caller; so for the others.
        vad: Its VAD.
        llm: Its model.
        tts: Its voice.
        allow_interruptions: Deprecated: whether the human may interrupt the briefing.
        extra_instructions: Deprecated: what the briefing must stress.
        target_phone_number: Deprecated: as `sip_call_to`.
        transfer_to: As `sip_call_to`.
        hold_music_url: As `hold_audio`, as a text.
        guard: What may be dialled; its `fields` have to name what `sip_number` or `dtmf` add.

    Raises:
        ConfigurationError: A keyword is missing, or two contradict each other.
        DestinationError: A keyword cannot be dialled with.
        TypeError: A keyword has the wrong type.

    Awaiting it raises [`WarmTransferError`][livetransfer.WarmTransferError] when the transfer did
    not succeed; the caller is then with the AI, unless it was the caller who left. On cancellation
    the human is hung up and the caller is back with the AI before it is raised again.
    """

    def __init__(
        self,
        sip_call_to: NotGivenOr[str] = NOT_GIVEN,
        *,
        sip_trunk_id: NotGivenOr[str | None] = NOT_GIVEN,
        sip_connection: NotGivenOr[SIPOutboundConfig] = NOT_GIVEN,
        sip_number: NotGivenOr[str] = NOT_GIVEN,
        sip_headers: NotGivenOr[dict[str, str]] = NOT_GIVEN,
        dtmf: NotGivenOr[str | None] = NOT_GIVEN,
        ringing_timeout: NotGivenOr[float | None] = NOT_GIVEN,
        hold_audio: NotGivenOr[AudioSource | AudioConfig | list[AudioConfig] | None] = NOT_GIVEN,
        instructions: NotGivenOr[WorkflowInstructions | Instructions | str] = NOT_GIVEN,
        chat_ctx: NotGivenOr[ChatContext] = NOT_GIVEN,
        turn_handling: NotGivenOr[TurnHandlingOptions] = NOT_GIVEN,
        turn_detection: NotGivenOr[TurnDetectionMode | None] = NOT_GIVEN,
        tools: NotGivenOr[list[Tool | Toolset]] = NOT_GIVEN,
        stt: NotGivenOr[stt.STT[Any] | None] = NOT_GIVEN,
        vad: NotGivenOr[vad.VAD | None] = NOT_GIVEN,
        llm: NotGivenOr[llm.LLM[Any] | llm.RealtimeModel | None] = NOT_GIVEN,
        tts: NotGivenOr[tts.TTS[Any] | None] = NOT_GIVEN,
        allow_interruptions: NotGivenOr[bool] = NOT_GIVEN,
        # deprecated
        extra_instructions: str = "",
        target_phone_number: NotGivenOr[str] = NOT_GIVEN,
        # not in livekit-agents
        transfer_to: NotGivenOr[str] = NOT_GIVEN,
        hold_music_url: NotGivenOr[str | None] = NOT_GIVEN,
        guard: DestinationGuard | None = None,
    ) -> None:
        destination = destination_of(
            sip_call_to=sip_call_to,
            transfer_to=transfer_to,
            target_phone_number=target_phone_number,
            sip_trunk_id=sip_trunk_id,
            sip_connection=sip_connection,
            sip_number=sip_number,
            sip_headers=sip_headers,
            dtmf=dtmf,
            ringing_timeout=ringing_timeout,
        )
        player = player_of(hold_audio, hold_music_url)
        given: Any = instructions  # is_given does not tell type checkers all it could
        if not is_given(instructions):
            given = WorkflowInstructions(extra=extra_instructions)
        elif extra_instructions:
            logger.warning("`extra_instructions` will be ignored when `instructions` is provided")
        conversation = chat_ctx if is_given(chat_ctx) else None
        prompt = Prompt.of(given, conversation)
        models = {
            "stt": stt,
            "vad": vad,
            "llm": llm,
            "tts": tts,
            "turn_handling": turn_handling,
            "turn_detection": turn_detection,
            "allow_interruptions": allow_interruptions,
        }
        options: dict[str, Any] = {key: value for key, value in models.items() if is_given(value)}
        super().__init__(instructions=prompt.text, tools=list(tools or []), **options)
        self._transfer = WarmTransfer(
            # The trunk is the code's own word, of which a guard is not asked.
            replace(destination, trunk_id=None),
            trunk_id=destination.trunk_id,
            instructions=prompt.stress,
            hold_music=player,
            max_hold=max(MAX_HOLD, (destination.ring_timeout or 0.0) + TO_DECIDE),
            briefing=self._new_briefing,
            on_event=self._on_event,
            guard=guard,
            # Its own tools, which may be overridden, say what has answered.
            answer_detector=None,
        )
        overridden = frozenset(name for name in _DECIDING if _overridden(type(self), name))
        self._desk = Desk(prompt, conversation, options, overridden)
        self._context: RunContext[Any] | AgentSession[Any] | None = None
        self._transferring: asyncio.Task[TransferOutcome] | None = None
        self._over: asyncio.Future[None] = asyncio.Future()
        self._result: WarmTransferResult | Exception | None = None
        self._failed: PhaseChanged | None = None
        self._briefing: TaskBriefing | None = None
        self._outcome: TransferOutcome | None = None
        # What subclasses of livekit-agents' class look at. The music and the session's audio are
        # the transfer's own affair.
        self._caller_room: rtc.Room | None = None
        self._human_agent_sess: AgentSession[Any] | None = None
        self._human_agent_identity = ""
        self._human_agent_failed_fut: asyncio.Future[None] = asyncio.Future()
        self._hold_audio = None
        self._hold_audio_handle = None

    # -- how it is used --------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, WarmTransferResult]:
        """Transfer the caller of the session that this code serves."""
        return self._perform(surroundings(type(self).__name__)).__await__()

    async def run(self, context: RunContext[Any] | AgentSession[Any]) -> WarmTransferResult:
        """Transfer the caller; the same as awaiting the task, from anywhere.

        Args:
            context: The RunContext of the function tool, or the AgentSession.

        Raises:
            WarmTransferError: It did not succeed.
            ConfigurationError: `context` is neither.
            RuntimeError: This task was run or awaited before.
        """
        session_of(context)
        return await self._perform(context)

    @property
    def session(self) -> AgentSession[Any]:
        """The caller's session.

        Raises:
            RuntimeError: The task does not run.
        """
        context: RunContext[Any] | AgentSession[Any] | None = getattr(self, "_context", None)
        return super().session if context is None else session_of(context)

    @property
    def outcome(self) -> TransferOutcome | None:
        """What became of the transfer, with all that is known; None until it is over."""
        return self._outcome

    def complete(self, result: WarmTransferResult | Exception) -> None:
        """End the task; a transfer under way is undone.

        Raises:
            RuntimeError: It has ended already.
        """
        # In an empty context: what the task raises is not the result of the AI's turn.
        contextvars.Context().run(super().complete, result)
        self._result = result
        self._over.set_result(None)

    def cancel(self) -> None:
        """End the task and undo the transfer, unless they are over."""
        transferring = self._transferring
        if transferring is not None and transferring.done() and not transferring.cancelled():
            return  # what became of it is about to be told
        if not self.done():
            self.complete(
                WarmTransferError("the transfer was cancelled", code=WarmTransferFailure.CANCELLED)
            )

    # -- what a subclass may override ------------------------------------------------------

    async def on_enter(self) -> None:
        """Dial; return when the human has answered, or when the task is over."""
        try:
            self._human_agent_sess = await self._dial_human_agent()
        except Exception as error:
            if not self.done():
                self._set_result(error_from(error))

    @decision
    async def connect_to_caller(self) -> None:
        """Connect your colleague to the caller, when they have agreed to take the call."""
        await self._merge_calls()

    @decision
    async def decline_transfer(self, reason: str) -> None:
        """Your colleague does not take the call.

        Args:
            reason: Why, in a few words.
        """
        self._decide(Verdict("declined", reason))

    @decision
    async def voicemail_detected(self) -> None:
        """You have reached a voicemail or another machine, not a person."""
        self._decide(Verdict("voicemail"))

    # -- what subclasses of livekit-agents' class call -------------------------------------

    async def _dial_human_agent(self) -> AgentSession[Any]:
        """Begin the transfer; return the briefing's session when the human has answered."""
        if self._context is None:
            raise RuntimeError(f"{type(self).__name__} does not run: await it first")
        if self._over.done() and self._transferring is None:
            # It was ended while an overridden on_enter had not dialled yet.
            raise RuntimeError(f"{type(self).__name__} is over")
        if self._transferring is None:
            self._transferring = asyncio.create_task(
                self._transfer.run(self._context), name="livetransfer-task"
            )
            self._transferring.add_done_callback(self._transferred)
        answered = self._desk.answered
        try:
            either: set[asyncio.Future[Any]] = {answered, self._over}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._transferring.cancel()
            raise
        if isinstance(self._result, Exception):
            raise self._result
        return answered.result()

    async def _merge_calls(self) -> None:
        """Join caller and human, and wait until they are; the task is over then."""
        self._decide(Verdict("accepted"))
        released = self._briefing.released if self._briefing is not None else None
        waited: set[asyncio.Future[Any]] = {self._over}
        if released is not None:
            waited.add(released)
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not isinstance(self._result, WarmTransferResult):
            raise WarmTransferError(
                "could not connect human agent and caller", code=WarmTransferFailure.BRIDGE_FAILED
            )

    def _set_result(self, result: WarmTransferResult | Exception) -> None:
        """End the task, unless it has ended."""
        if not self.done():
            self.complete(result)

    def _set_io_enabled(self, enabled: bool) -> None:
        """Nothing to do: the transfer takes and gives back the session's audio itself."""

    # -- how it goes -----------------------------------------------------------------------

    def _new_briefing(self) -> BriefingAgent:
        self._briefing = TaskBriefing(self, self._desk)
        return self._briefing

    def _decide(self, verdict: Verdict) -> None:
        if self._briefing is not None:
            self._briefing.decide(verdict)

    def _on_event(self, event: TransferEvent) -> None:
        if isinstance(event, PhaseChanged) and event.new in (Phase.RETURNED, Phase.ENDED):
            self._failed = event

    async def _perform(self, context: RunContext[Any] | AgentSession[Any]) -> WarmTransferResult:
        if self._context is not None:
            raise RuntimeError(f"{type(self).__name__} serves one transfer; make another task")
        self._context = context
        job = get_job_context(required=False)
        self._caller_room = job.room if job is not None else None
        entering = asyncio.create_task(self.on_enter(), name="livetransfer-task-enter")
        self._desk.entering = entering
        try:
            await asyncio.wait({entering, self._over}, return_when=asyncio.FIRST_COMPLETED)
            if not self._over.done() and not self._ending:
                entering.result()
            await asyncio.wait({self._over})
        except BaseException:
            entering.cancel()
            raise
        finally:
            await self._end(entering)
        if isinstance(self._result, WarmTransferResult):
            return self._result
        assert self._result is not None
        raise self._result

    @property
    def _ending(self) -> bool:
        """Whether the briefing is over, so that the result is on its way."""
        released = self._briefing.released if self._briefing is not None else None
        return released is not None and released.done()

    async def _end(self, entering: asyncio.Task[None]) -> None:
        """Undo a transfer that still runs, and let `on_enter` and `on_exit` come to their end."""
        self._human_agent_sess = None
        if not self._human_agent_failed_fut.done():
            self._human_agent_failed_fut.cancel()
        keep(asyncio.create_task(_leave(entering), name="livetransfer-task-leave"))
        if (transferring := self._transferring) is not None and not transferring.done():
            transferring.cancel()
            await finish(transferring)
        self.cancel()
        if _overridden(type(self), "on_exit"):
            try:
                await self.on_exit()
            except Exception:
                logger.error("on_exit of a task raised", **logged())

    def _transferred(self, done: asyncio.Task[TransferOutcome]) -> None:
        """The transfer has come to its end: so has the task."""
        if done.cancelled():
            self.cancel()
        elif (error := done.exception()) is not None:
            self._set_result(error_from(error))
        else:
            outcome = self._outcome = done.result()
            if outcome.succeeded:
                self._human_agent_identity = outcome.human_identity or ""
                self._set_result(WarmTransferResult(self._human_agent_identity))
            else:
                self._set_result(error_of(outcome, self._failed))
        if not self._human_agent_failed_fut.done() and isinstance(self._result, Exception):
            self._human_agent_failed_fut.set_result(None)


def _overridden(cls: type, name: str) -> bool:
    return inspect.getattr_static(cls, name) is not inspect.getattr_static(WarmTransferTask, name)


async def _leave(entering: asyncio.Task[None]) -> None:
    await asyncio.wait({entering}, timeout=ENTER_LIMIT)
    if not entering.done():
        entering.cancel()
        await asyncio.wait({entering})
    if not entering.cancelled() and (error := entering.exception()) is not None:
        logger.debug("on_enter of a task raised", **logged(error))
