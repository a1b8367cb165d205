"""The warm protocol of one run: dial, brief, bridge."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from livekit.agents.llm import ChatContext

from livetransfer._tasks import awaiting, keep
from livetransfer._user_code import CodeFailed, ask, ask_now
from livetransfer.answering import AnswerDetector
from livetransfer.briefing import BriefingAgent, BriefingRequest, Verdict
from livetransfer.briefing.summary import transcript
from livetransfer.control import BridgeMode
from livetransfer.errors import CallControlError
from livetransfer.events import HookFailed
from livetransfer.phases import Phase
from livetransfer.privacy import Privacy
from livetransfer.privacy.conversation import filtered
from livetransfer.status import TransferStatus

from .attempt import LiveAttempt
from .briefing_session import BriefingLine
from .call import Call
from .caller_session import CallerSession
from .dial_refer_bridge import bridge, dial
from .endings import AttemptOver
from .introduction import Introduction
from .leg import HumanLeg
from .ring_group import RingGroup
from .screen_pop import ScreenPop
from .who_answered_cold import check_answer
from .who_answered_warm import AnswerOptions, AnswerWatch

__all__ = ["WarmOptions", "WarmProtocol", "WhileRinging"]

logger = logging.getLogger("livetransfer")

WhileRinging = Literal["music", "conversation"]

MEANWHILE = (
    "A colleague is being called. Go on talking with the caller meanwhile: say that it may take a "
    "moment, and ask for what the colleague will need to know. Do not transfer again."
)
"""What the LLM is told when the phone rings and it goes on talking."""

NO_LIMIT = 24 * 3600.0
"""Seconds for what has a bound of its own: ``briefing_timeout``."""

READY_LIMIT = 5.0
"""Seconds, from the answer, until the briefing's line has to be there."""

LINE_AHEAD = 0.5
"""Seconds that a dial waits for the briefing's line, which has been opening since the transfer
began: a phone that is answered at once is not met with silence (measured: 0.3 s to open)."""

_VERDICTS = {
    "declined": TransferStatus.DECLINED,
    "voicemail": TransferStatus.VOICEMAIL,
    "failed": TransferStatus.FAILED,
}


@dataclass(frozen=True)
class WarmOptions:
    """What a WarmTransfer says of its attempts.

    Attributes:
        instructions: What the briefing must stress.
        introduction: A sentence that both hear at the bridge.
        briefing_timeout: Seconds from the answer until the human has to have decided.
        new_briefing: Makes an agent for one phone.
        brief: Waits for the human's decision.
        while_ringing: Whether the caller is on hold, or talks with the AI.
        privacy: What a briefing is not told of.
        answers: How it is found out what has answered, and what follows.
        unbriefed: Finds it out before somebody is joined who is not briefed; None: at once.
        exit_key: The caller's key, which no code may be.
        summary: What the human is told about the caller, where it was written before this call.
    """

    instructions: str | None
    introduction: str | None
    briefing_timeout: float
    new_briefing: Callable[[], BriefingAgent]
    brief: Callable[[BriefingAgent], Awaitable[Verdict]]
    while_ringing: WhileRinging
    privacy: Privacy
    answers: AnswerOptions
    unbriefed: AnswerDetector | None
    exit_key: str | None
    summary: str | None = None


class WarmProtocol:
    """Dials, briefs and bridges; all state is that of one run.

    Args:
        options: What the transfer says.
        session: The caller's session.
    """

    def __init__(self, options: WarmOptions, session: CallerSession) -> None:
        self._options, self._session = options, session
        self._summary: asyncio.Future[str] | None = None
        self._about: list[str] = []
        self._writing = asyncio.Lock()
        self._loose = False
        self._held: asyncio.Task[None] | None = None
        self._ahead: dict[HumanLeg, tuple[BriefingLine, asyncio.Task[None]]] = {}
        self._introduction = Introduction(options.introduction)
        self._screen_pop = ScreenPop(options.privacy)

    def prepare(self, attempt: LiveAttempt) -> None:
        """Write the summary and open the lines: a phone may be answered at once."""
        offer = attempt.offer
        together = len(offer.destinations) if offer.ring_next_after == 0 else 1
        for index in range(together):
            human = attempt.leg_ahead(index)
            if not human.briefed:
                continue
            with contextlib.suppress(AttemptOver):  # told, and tried again, when it is dialled
                self._ahead[human] = self._line(attempt, human)

    async def attempt(self, attempt: LiveAttempt) -> BridgeMode:
        """Dial and brief the phones of one offer; bridge the first who accepts."""
        call = attempt.call
        self._held = None
        if self._options.while_ringing == "music" or call.on_hold:
            call.holding()
            await attempt.guard(call.hold())
        elif not call.attempts:
            await attempt.guard(self._session.keep_talking(MEANWHILE))
        human = await RingGroup(attempt).race(partial(self._phone, attempt))
        human.hush()
        if self._held is not None:
            await attempt.guard(awaiting(asyncio.shield(self._held)), human=human)
        mode = await bridge(attempt, human)
        await self._introduction.speak(attempt, human)
        return mode

    async def _phone(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        """Dial and brief one human; return when he has accepted."""
        if not human.briefed:
            await self._screen_pop.ready(attempt, human.destination, human)
            await dial(attempt, human)
            if not attempt.call.on_hold or self._held is not None:
                self._hold_the_caller(attempt)
                attempt.has_come_to(human, Phase.RINGING)  # and so from holding to the bridge
            await check_answer(attempt, human, self._options.unbriefed)
            return
        ahead = self._ahead.pop(human, None)
        line, ready = self._line(attempt, human) if ahead is None else ahead
        await self._screen_pop.ready(attempt, human.destination, human)
        await attempt.guard(_settled(ready, LINE_AHEAD), human=human)
        await dial(attempt, human)
        line, ready = await self._hold_at_the_answer(attempt, human, line, ready)
        attempt.has_come_to(human, Phase.BRIEFING)
        human.say_farewell, human.hush = line.farewell, line.hush
        watch = self._watch(attempt, human, line)
        try:
            verdict = await self._brief(attempt, human, line, ready)
        except AttemptOver:
            self._nobody_else_answered(attempt, human)
            raise
        finally:
            keep(asyncio.create_task(watch.aclose(), name="livetransfer-answer-end"))
        line.verdict = verdict.kind
        if verdict.kind != "accepted":
            words = verdict.reason if verdict.kind == "declined" else None
            raise AttemptOver(_VERDICTS[verdict.kind], verdict.reason, words=words)

    def _watch(self, attempt: LiveAttempt, human: HumanLeg, line: BriefingLine) -> AnswerWatch:
        watch = AnswerWatch(attempt, human, line, self._options.answers)
        line.on_words, line.on_voice = watch.on_words, watch.on_voice
        human.teardown.push("answer watch", watch.aclose)
        watch.begin()
        return watch

    def _line(
        self, attempt: LiveAttempt, human: HumanLeg
    ) -> tuple[BriefingLine, asyncio.Task[None]]:
        """Return a line with a briefing agent of its own, and what gets it ready."""
        if not self._loose:
            self._loose = True
            attempt.call.loose_ends.push("summary and introduction", self.aclose)
        agent = self._new_agent(attempt)
        agent.tell_problems_to(partial(_tell, attempt.call))
        line = BriefingLine(attempt.call, human, agent)
        ready = keep(asyncio.create_task(self._prepare(attempt.call, line, human)))
        # Nobody's phone has to ring on for a briefing that there cannot be.
        ready.add_done_callback(partial(_unprepared, human))
        human.teardown.push("briefing line", lambda: line.aclose(ready))
        return line, ready

    def _new_agent(self, attempt: LiveAttempt) -> BriefingAgent:
        try:
            agent = ask_now("briefing", self._options.new_briefing)
            if not isinstance(agent, BriefingAgent):
                raise CodeFailed("briefing", f"made a {type(agent).__name__}, not a BriefingAgent")
        except CodeFailed as failed:
            _tell(attempt.call, failed, "the phone is not rung")
            raise AttemptOver(TransferStatus.FAILED, f"no briefing could be made: {failed}") from (
                failed.__cause__ or failed
            )
        return agent

    async def _hold_at_the_answer(
        self,
        attempt: LiveAttempt,
        human: HumanLeg,
        line: BriefingLine,
        ready: asyncio.Task[None],
    ) -> tuple[BriefingLine, asyncio.Task[None]]:
        """After a conversation while it rang: brief on all of it, and put the caller on hold.

        Returns the line to brief on: a new one where the model takes no new instructions.
        """
        call = attempt.call
        if self._options.while_ringing != "conversation":
            return line, ready
        if call.on_hold and self._held is None:
            return line, ready
        self._hold_the_caller(attempt)
        conversation = self._conversation_so_far()
        try:
            renewed = await line.agent.renew(conversation)
        except Exception:
            logger.info("the briefing's model takes no new instructions; it begins afresh")
            await attempt.guard(line.aclose(ready), human=human, limit=READY_LIMIT)
            return self._line(attempt, human)
        if renewed is not None:
            if self._summary is not None:
                self._summary.cancel()
            self._summary, self._about = renewed, transcript(conversation)
            renewed.add_done_callback(call.tell_summary)
        return line, ready

    def _hold_the_caller(self, attempt: LiveAttempt) -> None:
        """Begin to put a caller on hold who has been talking with the AI. Idempotent."""
        if self._held is None:
            call = attempt.call
            call.holding()
            self._held = keep(asyncio.create_task(call.hold_when_quiet(), name="livetransfer-hold"))
            held = self._held
            attempt.teardown.push("hold", lambda: _cancelled(held))

    def _conversation_so_far(self) -> ChatContext:
        """Return what caller and AI have said, as a briefing may know it."""
        return filtered(self._session.session.history, self._options.privacy)

    def _nobody_else_answered(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        """Leave a caller with the AI who has not been put on hold yet, before any farewell."""
        others = [one for one in attempt.legs if one is not human and one.over is None]
        if self._held is not None and not any(one.answered for one in others):
            self._held.cancel()

    async def _prepare(self, call: Call, line: BriefingLine, human: HumanLeg) -> None:
        """While it rings: write the summary, synthesise its first words, open the line."""
        agent = line.agent
        options, session = self._options, self._session
        self._introduction.prepare(session.tts)
        async with self._writing:
            conversation = self._conversation_so_far()
            said = transcript(conversation)
            if self._summary is not None and said != self._about:
                self._summary.cancel()
                self._summary = None
            self._about = said
            written = self._summary is not None
            self._summary = await agent.prepare(
                BriefingRequest(
                    human.destination,
                    conversation,
                    options.instructions,
                    call.control.caller.identity,
                    (options.exit_key,) if options.exit_key is not None else (),
                    human.leg.identity,
                ),
                llm=session.llm,
                tts=session.tts,
                summary=self._summary if written else self._written_before(),
            )
            if not written:
                self._summary.add_done_callback(call.tell_summary)
        await line.open(session)

    def _written_before(self) -> asyncio.Future[str] | None:
        if self._options.summary is None:
            return None
        written: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        written.set_result(self._options.summary)
        return written

    async def _brief(
        self,
        attempt: LiveAttempt,
        human: HumanLeg,
        line: BriefingLine,
        ready: asyncio.Task[None],
    ) -> Verdict:
        agent, seconds = line.agent, self._options.briefing_timeout
        human.on_key = agent.on_key
        late = AttemptOver(
            TransferStatus.TIMED_OUT, f"the human did not decide within {seconds:g} s"
        )
        try:
            return await attempt.guard(
                self._conversation(line, ready), human=human, limit=seconds, late=late
            )
        except CallControlError as error:
            raise AttemptOver.by(error) from error
        except CodeFailed as failed:
            _tell(attempt.call, failed, "the phone is hung up")
            raise AttemptOver(TransferStatus.FAILED, str(failed)) from failed.__cause__
        finally:
            human.on_key = None

    async def _conversation(self, line: BriefingLine, ready: asyncio.Task[None]) -> Verdict:
        line.agent.human_answered()
        done, _ = await asyncio.wait({ready}, timeout=READY_LIMIT)
        if not done:
            return Verdict("failed", f"the line for the briefing took over {READY_LIMIT:g} s")
        ready.result()
        verdict = await ask("brief", lambda: self._options.brief(line.agent), NO_LIMIT)
        if not isinstance(verdict, Verdict):
            raise CodeFailed("brief", f"returned a {type(verdict).__name__}, not a Verdict")
        return verdict

    async def aclose(self) -> None:
        """Stop writing and synthesising what nobody will hear any more."""
        if self._summary is not None:
            self._summary.cancel()
        await self._introduction.aclose()


def _unprepared(human: HumanLeg, ready: asyncio.Task[None]) -> None:
    if ready.cancelled() or (error := ready.exception()) is None:
        return
    if isinstance(error, CallControlError):
        over = AttemptOver.by(error)
    else:
        over = AttemptOver(TransferStatus.FAILED, f"the briefing could not be made: {error}")
    over.__cause__ = error
    human.breaks(over)


async def _settled(task: asyncio.Task[None], seconds: float) -> None:
    await asyncio.wait({task}, timeout=seconds)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _tell(call: Call, failed: CodeFailed, instead: str) -> None:
    call.emit(HookFailed(call.at, failed.hook, failed.reason, instead))
