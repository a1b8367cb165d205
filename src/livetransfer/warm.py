"""WarmTransfer: announce, hold, dial, brief, bridge."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

from ._checks import check_choice, check_seconds, check_text
from ._flow.adapter import Bridge
from ._flow.after import After
from ._flow.attempt import LiveAttempt
from ._flow.briefing_line import BriefingLine
from ._flow.call import Call
from ._flow.caller_session import CallerSession, Context
from ._flow.course import Ring
from ._flow.endings import AttemptOver
from ._flow.introduction import Introduction
from ._flow.leg import HumanLeg
from ._flow.taking_back import RETURN_INSTRUCTIONS
from ._flow.transfer import Transfer
from ._flow.verbs import awaiting, bridge, dial
from ._tasks import keep
from ._user_code import CodeFailed, ask, ask_now
from .briefing import BriefingAgent, BriefingRequest, Verdict
from .briefing.summary import transcript
from .control import BridgeMode
from .destination import Allowed, Destination
from .errors import CallControlError, ConfigurationError
from .events import HookFailed, TransferEvent
from .fallback.policy import Fallback
from .guard import DestinationGuard
from .hold import BUILTIN, HoldMusicPlayer, HoldSource
from .outcome import TransferOutcome
from .phases import Phase
from .routing.router import Target
from .status import TransferStatus

__all__ = ["WarmTransfer"]

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

_VERDICTS = {
    "declined": TransferStatus.DECLINED,
    "voicemail": TransferStatus.VOICEMAIL,
    "failed": TransferStatus.FAILED,
}


class WarmTransfer(Transfer):
    """Hands the caller to a person who has been told who is calling and why.

    `run` may be called several times, also for different calls: all state is the run's own.

    Args:
        to: Whom to dial: a number or SIP URI, a Destination, a sequence of them tried in order,
            or a Router.
        instructions: What the briefing must stress.
        announcement: What the caller hears first. None when the tool has said it already.
        hold_music: A URL, path, bytes or other source; None for quiet; default: a built-in clip.
        ring_timeout: Seconds that a phone may ring; never longer than `max_hold`.
        ring: ``"in_order"``: one phone after the other. ``"all"``: all at once; each human who
            answers is briefed, and the first who accepts takes the call.
        ring_next_after: Seconds after which the next phone rings too, while those before go on;
            not while somebody who has answered is being briefed.
        briefing_timeout: Seconds from the answer until the human has to have decided.
        trunk_id: The outbound trunk. Default: the environment's ``LIVEKIT_SIP_OUTBOUND_TRUNK``.
        briefing: A BriefingAgent, of which each attempt gets a fresh one, or a factory of them.
        fallback: What follows an attempt that failed. Default: the next destination, then the AI.
        bridge: How the two are joined: ``"auto"``, ``"shared_room"`` or ``"consult_room"``.
        after: ``"end"``: when one leaves, the other is hung up. ``"return"``: when the human
            leaves, the caller is back with the AI. ``"leave"``: the AI leaves at the bridge, and
            nobody watches.
        return_instructions: What the AI is asked to say to a caller whom it has back, where no
            tool's result makes it speak; None leaves all words to the application.
        caller: The identity of the caller's participant, where it cannot be found by itself.
        caller_grace: Seconds in which a caller who has left may come back, as a browser does that
            reloads its page. Default: 0 for a phone, 5 for others. A session that closes when its
            participant leaves talks with nobody then: start it with ``close_on_disconnect=False``.
        introduction: A sentence that both hear at the bridge; it needs a TTS.
        department: What a Router is asked for.
        allowed: A list of patterns (``["+1*"]``) or a predicate; other destinations are refused.
        max_attempts: How many attempts are made at most, several phones that ring together being
            one. Default: 10, or as many as there are destinations.
        route_timeout: Seconds that a Router may take.
        guard: A DestinationGuard that is asked before every dial and every REFER.
        max_hold: Seconds that the caller may be on hold, over all attempts. While the AI goes on
            talking with the caller, nobody is dialled any more that long after the first dial.
        while_ringing: ``"music"``: on hold. ``"conversation"``: the AI goes on talking with the
            caller, who is put on hold only when a person has answered; the tool answers the LLM
            at once and reports later. What is said meanwhile is in the briefing.
        exit_key: A key that brings the caller, while on hold, back to the AI; None for none.
        on_event: Called with each TransferEvent; plain or async.

    Raises:
        DestinationError: A destination cannot be dialled, or is not allowed.
        ConfigurationError: Another option cannot be used; the message names it.
    """

    def __init__(
        self,
        to: Target,
        *,
        instructions: str | None = None,
        announcement: str | None = None,
        hold_music: HoldSource | HoldMusicPlayer = BUILTIN,
        ring_timeout: float = 30.0,
        ring: Ring = "in_order",
        ring_next_after: float | None = None,
        briefing_timeout: float = 90.0,
        trunk_id: str | None = None,
        briefing: BriefingAgent | Callable[[], BriefingAgent] | None = None,
        fallback: Fallback | None = None,
        bridge: Bridge = "auto",
        after: After = "end",
        return_instructions: str | None = RETURN_INSTRUCTIONS,
        caller: str | None = None,
        caller_grace: float | None = None,
        introduction: str | None = None,
        department: str | None = None,
        allowed: Allowed | None = None,
        guard: DestinationGuard | None = None,
        max_hold: float = 180.0,
        max_attempts: int | None = None,
        route_timeout: float = 10.0,
        while_ringing: WhileRinging = "music",
        exit_key: str | None = None,
        on_event: Callable[[TransferEvent], Awaitable[None] | None] | None = None,
    ) -> None:
        super().__init__(
            to,
            announcement=announcement,
            hold_music=hold_music,
            ring_timeout=ring_timeout,
            ring=ring,
            ring_next_after=ring_next_after,
            route_timeout=route_timeout,
            max_attempts=max_attempts,
            trunk_id=trunk_id,
            fallback=fallback,
            bridge=bridge,
            after=after,
            return_instructions=return_instructions,
            caller=caller,
            caller_grace=caller_grace,
            department=department,
            allowed=allowed,
            guard=guard,
            max_hold=max_hold,
            exit_key=exit_key,
            on_event=on_event,
        )
        self._instructions = check_text("instructions", instructions)
        self._introduction = check_text("introduction", introduction)
        self._briefing_timeout = check_seconds("briefing_timeout", briefing_timeout, 1, 3600)
        self._briefing = _factory(briefing)
        self._while_ringing: WhileRinging = check_choice(
            "while_ringing", while_ringing, WhileRinging
        )

    async def brief(self, agent: BriefingAgent) -> Verdict:
        """Wait for the human's decision; the briefing is under way. An override may decide."""
        return await agent.verdict()

    async def run(self, context: Context) -> TransferOutcome:
        """Transfer the caller; return at the bridge, or at the final failure.

        After the bridge the AI says and hears nothing, and the tool's result causes no reply.
        After a failure the session is as it was before, and the caller is with the AI.

        Args:
            context: The RunContext of the function tool, or the AgentSession.

        Returns:
            What became of it. Only `str` of it is meant for an LLM.

        Raises:
            ConfigurationError: `context` has no room, or no trunk is set.
            CallerNotFoundError: Nobody to transfer; or several, of whom the session is linked to
                none and ``caller=`` names none.
            DestinationError: A department is unknown, or somebody in it is not allowed.
            TransferInProgressError: This call is being transferred already; that goes on.

        On cancellation the human is hung up, the caller is back with the AI within 0.5 s, and
        the cancellation is raised again.
        """
        return await self._run(
            context,
            lambda session: _Warm(self, session),
            talking=self._while_ringing == "conversation",
        )

    __call__ = run


class _Warm:
    """The warm protocol of one run."""

    def __init__(self, transfer: WarmTransfer, session: CallerSession) -> None:
        self._transfer, self._session = transfer, session
        self._summary: asyncio.Future[str] | None = None
        self._about: list[str] = []
        self._writing = asyncio.Lock()
        self._loose = False
        self._held: asyncio.Task[None] | None = None
        self._ahead: dict[HumanLeg, tuple[BriefingLine, asyncio.Task[None]]] = {}
        self._introduction = Introduction(transfer._introduction)

    def prepare(self, attempt: LiveAttempt) -> None:
        """Write the summary and open the lines: a phone may be answered at once."""
        offer = attempt.offer
        together = len(offer.destinations) if offer.ring_next_after == 0 else 1
        for index in range(together):
            human = attempt.leg_ahead(index)
            with contextlib.suppress(AttemptOver):  # told, and tried again, when it is dialled
                self._ahead[human] = self._line(attempt, human)

    async def attempt(self, attempt: LiveAttempt) -> BridgeMode:
        """Dial and brief the phones of one offer; bridge the first who accepts."""
        call = attempt.call
        self._held = None
        if self._transfer._while_ringing == "music" or call.on_hold:
            call.holding()
            await attempt.guard(call.hold())
        elif not call.attempts:
            await attempt.guard(self._session.keep_talking(MEANWHILE))
        human = await attempt.race(partial(self._phone, attempt))
        human.hush()
        if self._held is not None:
            await attempt.guard(awaiting(asyncio.shield(self._held)), human=human)
        mode = await bridge(attempt, human)
        await self._introduction.speak(attempt, human)
        return mode

    async def _phone(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        """Dial and brief one human; return when he has accepted."""
        ahead = self._ahead.pop(human, None)
        line, ready = self._line(attempt, human) if ahead is None else ahead
        await dial(attempt, human)
        line, ready = await self._hold_at_the_answer(attempt, human, line, ready)
        attempt.has_come_to(human, Phase.BRIEFING)
        human.say_farewell, human.hush = line.farewell, line.hush
        try:
            verdict = await self._brief(attempt, human, line, ready)
        except AttemptOver:
            self._nobody_else_answered(attempt, human)
            raise
        if verdict.kind != "accepted":
            words = verdict.reason if verdict.kind == "declined" else None
            raise AttemptOver(_VERDICTS[verdict.kind], verdict.reason, words=words)

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
        ready = keep(asyncio.create_task(self._prepare(attempt.call, line, human.destination)))
        # Nobody's phone has to ring on for a briefing that there cannot be.
        ready.add_done_callback(partial(_unprepared, human))
        human.teardown.push("briefing line", lambda: line.aclose(ready))
        return line, ready

    def _new_agent(self, attempt: LiveAttempt) -> BriefingAgent:
        try:
            agent = ask_now("briefing", self._transfer._briefing)
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
        if self._transfer._while_ringing != "conversation":
            return line, ready
        if call.on_hold and self._held is None:
            return line, ready
        if self._held is None:
            call.holding()
            self._held = keep(asyncio.create_task(call.hold_when_quiet(), name="livetransfer-hold"))
            held = self._held
            attempt.teardown.push("hold", lambda: _cancelled(held))
        conversation = self._session.session.history.copy()
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

    def _nobody_else_answered(self, attempt: LiveAttempt, human: HumanLeg) -> None:
        """Leave a caller with the AI who has not been put on hold yet, before any farewell."""
        others = [one for one in attempt.legs if one is not human and one.over is None]
        if self._held is not None and not any(one.answered for one in others):
            self._held.cancel()

    async def _prepare(self, call: Call, line: BriefingLine, destination: Destination) -> None:
        """While it rings: write the summary, synthesise its first words, open the line."""
        agent = line.agent
        transfer, session = self._transfer, self._session
        self._introduction.prepare(session.tts)
        async with self._writing:
            conversation = session.session.history.copy()
            said = transcript(conversation)
            if self._summary is not None and said != self._about:
                self._summary.cancel()
                self._summary = None
            self._about = said
            written = self._summary is not None
            self._summary = await agent.prepare(
                BriefingRequest(
                    destination,
                    conversation,
                    transfer._instructions,
                    call.control.caller.identity,
                ),
                llm=session.llm,
                tts=session.tts,
                summary=self._summary,
            )
            if not written:
                self._summary.add_done_callback(call.tell_summary)
        await line.open(session)

    async def _brief(
        self,
        attempt: LiveAttempt,
        human: HumanLeg,
        line: BriefingLine,
        ready: asyncio.Task[None],
    ) -> Verdict:
        agent, seconds = line.agent, self._transfer._briefing_timeout
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
        verdict = await ask("brief", lambda: self._transfer.brief(line.agent), NO_LIMIT)
        if not isinstance(verdict, Verdict):
            raise CodeFailed("brief", f"returned a {type(verdict).__name__}, not a Verdict")
        return verdict

    async def aclose(self) -> None:
        """Stop writing and synthesising what nobody will hear any more."""
        if self._summary is not None:
            self._summary.cancel()
        await self._introduction.aclose()


def _factory(
    briefing: BriefingAgent | Callable[[], BriefingAgent] | None,
) -> Callable[[], BriefingAgent]:
    if briefing is None:
        return BriefingAgent
    if isinstance(briefing, BriefingAgent):
        return briefing.fresh
    if callable(briefing):
        return briefing
    raise ConfigurationError("briefing", briefing, "pass a BriefingAgent, or a factory of them")


def _unprepared(human: HumanLeg, ready: asyncio.Task[None]) -> None:
    if ready.cancelled() or (error := ready.exception()) is None:
        return
    if isinstance(error, CallControlError):
        over = AttemptOver.by(error)
    else:
        over = AttemptOver(TransferStatus.FAILED, f"the briefing could not be made: {error}")
    over.__cause__ = error
    human.breaks(over)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _tell(call: Call, failed: CodeFailed, instead: str) -> None:
    call.emit(HookFailed(call.at, failed.hook, failed.reason, instead))
