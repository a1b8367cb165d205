"""A user's module that uses the whole public API; type checkers must find nothing in it.

It is not run. No ignores and no casts: what a user writes has to be understood as it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from livekit import api, rtc
from livekit.agents import (
    Agent,
    AgentSession,
    AudioConfig,
    BuiltinAudioClip,
    JobContext,
    JobProcess,
    RunContext,
    ToolError,
    TurnHandlingOptions,
    function_tool,
)
from livekit.agents.beta import Instructions
from livekit.agents.beta.workflows import WorkflowInstructions
from livekit.agents.llm import ChatContext
from typing_extensions import Unpack, assert_type

from livetransfer import (
    Action,
    AnswerClass,
    Attempt,
    AttemptEnded,
    BridgeFailed,
    BriefingAgent,
    BriefingEnded,
    BriefingRequest,
    CallControlError,
    CallEnd,
    CallEnded,
    CallerNotFoundError,
    ColdTransfer,
    ComfortHeard,
    ConfigurationError,
    Destination,
    DestinationError,
    DestinationGuard,
    DestinationNotAllowedError,
    DestinationRefused,
    DialFailed,
    EndedBy,
    FallbackDecided,
    FallbackPolicy,
    GoTo,
    HangUp,
    HoldEnded,
    HoldMusicPlayer,
    HoldMusicProblem,
    HoldStarted,
    HookFailed,
    Media,
    Next,
    OfferCallback,
    OfferDecided,
    OfferMade,
    On,
    Opening,
    Otherwise,
    Phase,
    PhaseChanged,
    PhoneAnswered,
    PhoneClassified,
    PhoneDialled,
    PhoneEnded,
    PhoneJoined,
    PhoneRang,
    ReferFailed,
    Retry,
    ReturnToAgent,
    Router,
    RouteRequest,
    Said,
    SealFailed,
    StoreChanged,
    StoreUnavailableError,
    SummaryWritten,
    TakeMessage,
    TransferEnded,
    TransferError,
    TransferEvent,
    TransferFailed,
    TransferInProgressError,
    TransferOptions,
    TransferOutcome,
    TransferStarted,
    TransferStatus,
    TransferTools,
    UnknownDestinationError,
    Verdict,
    WaitingInQueue,
    WarmTransfer,
    WarmTransferError,
    WarmTransferFailure,
    WarmTransferResult,
    WarmTransferTask,
    caller_of,
    prewarm,
    repair,
)
from livetransfer.guard import Limits
from livetransfer.instead import Message
from livetransfer.testing import Human, ScriptedLLM, ScriptedTTS, ToolCall, simulate


class Calls:
    """The user's own state."""

    transfers = 0


# -- policies, routers, destinations -------------------------------------------------------


def told(event: TransferEvent) -> str:
    if isinstance(event, OfferMade):
        return ", ".join(destination.label for destination in event.destinations)
    if isinstance(event, WaitingInQueue):
        return f"{event.queue}: {event.position}, {event.estimate}"
    if isinstance(event, StoreChanged):
        print(event.available, event.reason)
    if isinstance(event, HookFailed):
        return f"{event.hook} {event.reason}: {event.instead}"
    if isinstance(event, TransferStarted):
        return f"{event.kind} for {event.caller_number or event.caller}"
    if isinstance(event, (HoldStarted, ComfortHeard)):
        return (event.text if isinstance(event, ComfortHeard) else event.music) or ""
    if isinstance(event, OfferDecided):
        return f"{event.offer}: {event.result}"
    if isinstance(event, FallbackDecided):
        return f"{event.action} after {event.after:g} s: {event.reason}"
    return told_of_phones(event)


def told_of_phones(event: TransferEvent) -> str:
    if isinstance(event, (PhoneDialled, PhoneRang)):
        return event.identity
    if isinstance(event, PhoneAnswered):
        return event.call_id or event.identity
    if isinstance(event, PhoneClassified):
        return event.answered_by.value
    if isinstance(event, PhoneJoined):
        return event.mode
    if isinstance(event, PhoneEnded):
        return f"{event.status} {event.sip_code}"
    if isinstance(event, BriefingEnded):
        lines: tuple[Said, ...] = event.said
        return "\n".join(line.text for line in lines)
    if isinstance(event, HoldEnded):
        return f"{event.longest_silence}"
    return ""


def machines(attempt: Attempt) -> bool:
    return attempt.answered_by not in (None, AnswerClass.PERSON)


class Patient(FallbackPolicy):
    def decide(self, attempt: Attempt) -> Action | None:
        if attempt.status is TransferStatus.BUSY and attempt.seconds_on_hold < 60:
            return Retry(after=10)
        return super().decide(attempt)


def give_up(attempt: Attempt) -> Action | None:
    if attempt.remaining:
        return Next()
    return HangUp(say="Goodbye.") if attempt.earlier else ReturnToAgent("Nobody is free.")


class Requests:
    async def add(self, request: object) -> object:
        return request


async def mail(message: Message) -> None:
    print(message.to_json())


COMPOSED = (
    On({TransferStatus.BUSY}, Retry(after=10, say="One moment."), times=2)
    | On({AnswerClass.VOICEMAIL, TransferStatus.DECLINED}, GoTo("support", cold=True))
    | give_up
    | On({TransferStatus.UNAVAILABLE}, TakeMessage(mail))
    | Otherwise(OfferCallback(Requests(), timezone="Europe/Berlin"))
)
EXPLAINED: str = COMPOSED.explain()


class Nearest(Router):
    async def _look_up(self, request: RouteRequest) -> Sequence[Destination]:
        return [Destination("+15550100", name=request.department)]

    def resolve(
        self, request: RouteRequest
    ) -> Sequence[Destination] | Awaitable[Sequence[Destination]]:
        return self._look_up(request)


DEPARTMENTS: Mapping[str, str] = {"sales": "+15550100", "support": "sip:100@pbx.example.com"}
ROUTER = Router(DEPARTMENTS, about={"sales": "Prices and new orders."})


class OfficeHours(Router):
    def openings(self, now: datetime | None = None) -> Mapping[str, Opening]:
        return {"sales": Opening("Prices.", open=False, opens="Monday 09:00", kind="cold")}


def what_was_not_so(outcome: TransferOutcome) -> str | None:
    return None if outcome.retryable else "I am sorry."


def agent_with_tools() -> Agent:
    tools = TransferTools(
        OfficeHours(DEPARTMENTS),
        kind={"sales": "either"},
        when="When the caller asks for a person.",
        apology=what_was_not_so,
        fixed_tools=True,
        ring_timeout=20,
        method="refer",
        on_event=print,
    )
    return Agent(instructions="You help.", tools=[tools, TransferTools({"sales": "+15550100"})])


ANN = Destination(
    "100",
    name="Ann",
    kind="user",
    trunk_id="ST_1",
    caller_id="+15550001",
    headers={"X-Queue": "refunds"},
    dtmf="ww1",
    ring_timeout=20,
)
DIRECT = Destination("+15550100", sip_connection=api.SIPOutboundConfig(hostname="pbx.example.com"))
ABROAD = Destination(
    "+493012345678", media=Media(encryption="require", codecs=["PCMA"]), caller_id="caller"
)
GUARD = DestinationGuard(
    names={"ann": ANN}, countries=["DE"], domains=["pbx.example.com"], limits=Limits(per_caller=3)
)


async def guarded(text: str, caller: str) -> tuple[Destination, ...]:
    try:
        found = GUARD.check(text)
        for destination in found:
            await (await GUARD.admit(destination, caller=caller)).settle(30.0)
    except DestinationNotAllowedError:
        assert_type(GUARD.explain(text), str)
        return ()
    return found


def refused(event: TransferEvent) -> None:
    if isinstance(event, DestinationRefused):
        print(event.destination.label, event.reason)


def allowed(destination: Destination) -> bool:
    return destination.address.startswith("+1")


# -- the briefing --------------------------------------------------------------------------


class PlumberBriefing(BriefingAgent):
    def __init__(self, street: str) -> None:
        super().__init__(accept_key="5", decline_key=None)
        self.street = street

    async def summarise(self, chat_ctx: ChatContext) -> str:
        return f"{await super().summarise(chat_ctx)} {len(chat_ctx.messages())} messages."

    def greeting(self, summary: str) -> str:
        return f"Burst pipe line. {summary} Shall I put them through?"

    async def on_enter(self) -> None:
        await super().on_enter()

    @function_tool
    async def look_up_address(self) -> str:
        """The caller's address."""
        return self.street

    @function_tool
    async def connect_to_caller(self) -> None:
        """Put them through."""
        await super().connect_to_caller()

    def decide(self, verdict: Verdict) -> None:
        super().decide(Verdict("declined", "closed") if verdict.kind == "failed" else verdict)


def new_briefing() -> BriefingAgent:
    return PlumberBriefing("12 Hill Road")


def about(request: BriefingRequest) -> str:
    return f"{request.destination.label}: {request.instructions} {request.caller}"


# -- transfers -----------------------------------------------------------------------------


class Logged(WarmTransfer):
    def on_event(self, event: TransferEvent) -> None:
        super().on_event(event)
        print(described(event))

    async def brief(self, agent: BriefingAgent) -> Verdict:
        verdict = await super().brief(agent)
        return verdict if verdict.kind == "accepted" else Verdict("declined", "by rule")


def described(event: TransferEvent) -> str:
    if isinstance(event, PhaseChanged):
        return f"{event.at:.1f} {event.old} {event.new}" if event.new is Phase.BRIDGED else ""
    if isinstance(event, AttemptEnded):
        return event.attempt.status.value
    if isinstance(event, SummaryWritten):
        return event.summary
    if isinstance(event, HoldMusicProblem):
        return event.reason
    if isinstance(event, CallEnded):
        return event.end.by.value
    if isinstance(event, TransferEnded):
        return str(event.outcome)
    return ""


class Receptionist(Agent):
    """Transfers in every way."""

    @function_tool
    async def warm(self, context: RunContext[Calls], department: str) -> str:
        """Transfer the caller to a department."""
        context.userdata.transfers += 1
        outcome = await Logged(
            ROUTER,
            department=department,
            instructions="Stress the refund.",
            announcement="One moment.",
            hold_music="https://cdn.example.com/hold.mp3",
            ring_timeout=20,
            briefing_timeout=60,
            briefing=new_briefing,
            fallback=Patient(retries=1) | give_up,
            bridge="auto",
            after="return",
            introduction="You are connected.",
            allowed=["+1*", "sip:*@pbx.example.com"],
            max_hold=120,
        ).run(context)
        assert_type(outcome, TransferOutcome)
        end: CallEnd = await outcome.ended()
        if end.by is EndedBy.HUMAN and end.returned:
            return f"{end.seconds:.0f} s"
        return str(outcome)

    @function_tool
    async def several(self, context: RunContext[Calls]) -> str:
        """Transfer the caller to whoever answers."""
        transfer = WarmTransfer(
            ["+15550100", ANN, DIRECT],
            hold_music=HoldMusicPlayer(Path("hold.mp3"), volume=0.8),
            briefing=PlumberBriefing("12 Hill Road"),
            fallback=give_up,
            allowed=allowed,
            on_event=lambda event: print(described(event)),
        )
        try:
            outcome = (await transfer.run(context)).raise_for_status()
        except TransferFailed as error:
            return f"{error.outcome.status} {error.outcome.sip_code}"
        except (TransferInProgressError, CallerNotFoundError):
            return "Not now."
        spent: float = outcome.timings.get("ringing", 0.0)
        identity: str | None = outcome.human_identity
        return f"{spent} {identity} {outcome.bridged} {outcome.succeeded} {outcome.retryable}"

    @function_tool
    async def cold(self, context: RunContext[Calls], name: str) -> str:
        """Send the caller on."""
        try:
            outcome = await ColdTransfer(
                name, extensions={"sales": "sip:100@pbx.example.com", "ann": ANN}, method="refer"
            ).run(context)
        except UnknownDestinationError as error:
            return f"{error.field} {error.remedy}"
        return str(outcome)

    @function_tool
    async def drop_in(self, context: RunContext[Calls]) -> str:
        """Transfer the caller to a colleague."""
        try:
            result = await WarmTransferTask("+15550100", chat_ctx=self.chat_ctx)
        except WarmTransferError as error:
            return failed(error)
        assert_type(result, WarmTransferResult)
        return result.human_agent_identity

    @function_tool
    async def drop_in_run(self, context: RunContext[Calls]) -> str:
        """Transfer the caller to a colleague."""
        task = ImmediateTask(
            "accounts",
            transfer_to="+15550100",
            sip_trunk_id="ST_1",
            sip_number="+15550001",
            sip_headers={"X-Queue": "refunds"},
            dtmf="1",
            ringing_timeout=20,
            instructions=WorkflowInstructions(persona="You are Eva.", extra="Be brief."),
            hold_music_url="https://cdn.example.com/hold.mp3",
            turn_handling={"turn_detection": "stt"},
        )
        result = await task.run(context)
        assert_type(result, WarmTransferResult)
        outcome: TransferOutcome | None = task.outcome
        return f"{result.human_agent_identity} {outcome}"


def failed(error: WarmTransferError) -> str:
    base: ToolError = error
    root: TransferError = error
    if error.code is WarmTransferFailure.DECLINED:
        return error.reason or "no reason"
    if error.outcome is not None and error.outcome.retryable:
        return f"{error.call_status} {error.disconnect_reason}"
    return f"{base.message} {root}"


# -- subclasses as they were written for livekit-agents' class -------------------------------


class ImmediateTask(WarmTransferTask):
    def __init__(
        self,
        queue: str,
        *,
        transfer_to: str,
        sip_trunk_id: str,
        sip_number: str,
        sip_headers: dict[str, str],
        dtmf: str,
        ringing_timeout: float,
        instructions: WorkflowInstructions | Instructions | str,
        hold_music_url: str,
        turn_handling: TurnHandlingOptions,
    ) -> None:
        super().__init__(
            transfer_to=transfer_to,
            sip_trunk_id=sip_trunk_id,
            sip_number=sip_number,
            sip_headers=sip_headers,
            dtmf=dtmf,
            ringing_timeout=ringing_timeout,
            instructions=instructions,
            hold_music_url=hold_music_url,
            turn_handling=turn_handling,
        )
        self.queue = queue

    async def on_enter(self) -> None:
        await super().on_enter()
        if not self.done() and self._human_agent_sess is not None:
            self._human_agent_sess.say(f"A call from {self.queue}.")

    @function_tool
    async def connect_to_caller(self) -> None:
        """Put them through."""
        await super().connect_to_caller()

    @function_tool
    async def decline_transfer(self, reason: str) -> None:
        """They do not take it."""
        await super().decline_transfer(reason)

    @function_tool
    async def call_back(self) -> None:
        """They ask to be called back."""
        self.complete(ToolError("they ask to be called back"))


async def frames() -> AsyncIterator[rtc.AudioFrame]:
    yield rtc.AudioFrame(bytes(480), 24000, 1, 240)


def tasks() -> list[WarmTransferTask]:
    return [
        WarmTransferTask("+15550100", hold_audio=None),
        WarmTransferTask("+15550100", hold_audio="hold.mp3"),
        WarmTransferTask("+15550100", hold_audio=BuiltinAudioClip.HOLD_MUSIC),
        WarmTransferTask("+15550100", hold_audio=[AudioConfig("a.mp3"), AudioConfig("b.mp3")]),
        WarmTransferTask("+15550100", hold_audio=frames()),
        WarmTransferTask("+15550100", instructions=Instructions("Brief them.")),
        WarmTransferTask(
            sip_call_to="+15550100",
            sip_connection=api.SIPOutboundConfig(hostname="pbx.example.com"),
            llm=ScriptedLLM(),
            tts=ScriptedTTS(),
            stt=None,
            vad=None,
            tools=[],
            turn_detection="vad",
            allow_interruptions=False,
        ),
    ]


# -- errors, hold music, tests ---------------------------------------------------------------


def explained(error: TransferError) -> str:
    if isinstance(error, DestinationNotAllowedError | UnknownDestinationError):
        return error.field
    if isinstance(error, DestinationError | ConfigurationError):
        return f"{error.field} {error.value!r} {error.remedy}"
    if isinstance(error, ReferFailed):
        return str(error.target_reached)
    if isinstance(error, DialFailed | BridgeFailed | SealFailed):
        return f"{error.sip_code} {error.sip_reason}"
    return str(error.indeterminate) if isinstance(error, CallControlError) else ""


async def music_alone(room: rtc.Room) -> None:
    async with HoldMusicPlayer("https://cdn.example.com/hold.mp3").playing(room, to="caller") as on:
        on.stop(fade=0.5)
        await on.wait()


def a_process_begins(proc: JobProcess) -> None:
    prewarm(proc, tts=ScriptedTTS(), briefing=BriefingAgent(), words=["You are connected."])


def a_store_is_lost(error: StoreUnavailableError) -> str:
    return str(error)


async def a_job_begins(ctx: JobContext) -> list[str]:
    await ctx.connect()
    caller: str | None = caller_of(ctx.room)
    print(caller)
    return await repair(ctx.room)


async def a_test_of_mine() -> None:
    session: AgentSession[Calls] = AgentSession(
        llm=ScriptedLLM([("person", ToolCall("warm", {"department": "sales"}))]),
        tts=ScriptedTTS(),
        userdata=Calls(),
    )
    async with simulate(humans={"+15550100": Human.accepts(after=2)}) as call:
        call.attach(session)
        await session.start(Receptionist(instructions="Help."))
        await session.run(user_input="I want to talk to a person")
        assert call.caller.talks_to("+15550100")


class Reception(WarmTransfer):
    """A transfer with a destination of its own, and every other option."""

    def __init__(self, **options: Unpack[TransferOptions]) -> None:
        super().__init__("+15550100", instructions="Say who calls.", **options)


RECEPTION = Reception(ring_timeout=20, after="return", guard=DestinationGuard(names=["front"]))
