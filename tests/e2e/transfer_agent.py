"""An agent that transfers its caller as the job's metadata says, and reports what came of it.

The metadata is JSON: `{"call": name, "transfers": [{"kind": "warm" | "cold", "to": [...],
"options": {...}}, ...]}`. Each call of the tool runs the next transfer; destinations are the
keywords of Destination. `cast.py` says which tone stands for which voice and sentence.
"""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
from livekit.agents import (
    NOT_GIVEN,
    Agent,
    AgentSession,
    JobContext,
    JobProcess,
    RunContext,
    TurnHandlingOptions,
)
from livekit.agents.beta.tools import EndCallTool
from livekit.agents.llm import function_tool
from livekit.agents.voice.room_io import RoomOptions

from livetransfer import (
    AttemptEnded,
    BriefingAgent,
    CallEnded,
    ColdTransfer,
    Destination,
    OfferCallback,
    OfferDecided,
    Otherwise,
    PhaseChanged,
    PhoneClassified,
    TakeMessage,
    TransferError,
    TransferEvent,
    TransferOutcome,
    Verdict,
    WaitingInQueue,
    WarmTransfer,
    prewarm,
)
from livetransfer.answering import ToneAndPhraseDetector
from livetransfer.instead import Message
from livetransfer.record import Records
from livetransfer.routing import Hours, Member, Queue, Team
from livetransfer.stores import LocalStore

from . import cast, tones
from .models import ClipSTT, Prompt, Reply, ScriptedLLM, ScriptedSTT, ScriptedTTS
from .worker import report

Tell = Callable[..., None]


class ReportingLLM(ScriptedLLM):
    """Tells of every request."""

    def __init__(self, tell: Tell, model: str = "") -> None:
        super().__init__(cast.MODELS[model])
        self._tell = tell

    def reply(self, prompt: Prompt) -> Reply:
        found = super().reply(prompt)
        self._tell("llm", user=prompt.user, output=prompt.output, reply=str(found))
        return found


class ReportingBriefing(BriefingAgent):
    """Tells of the verdict, the moment it is known."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell_of = tell

    def decide(self, verdict: Verdict) -> None:
        self._tell_of("verdict", verdict=verdict.kind, reason=verdict.reason)
        super().decide(verdict)


class TellingStore:
    """Tells of the callbacks that it is to keep."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    async def add(self, request: Any) -> Any:
        """Keep it."""
        self._tell("callback", number=request.number, id=request.id)
        return request


class TransferAgent(Agent):
    """Transfers when asked for a person."""

    def __init__(self, tell: Tell, plan: list[dict[str, Any]], *, store: Any = None) -> None:
        super().__init__(instructions="You are a helpful assistant.", tools=[EndCallTool()])
        self._tell, self._plan = tell, list(plan)
        self._store = store or TellingStore(tell)

    @function_tool
    async def transfer(self, context: RunContext[None]) -> str:
        """Transfer the caller to a person."""
        return await self.follow(self._plan.pop(0), context)

    async def follow(self, step: dict[str, Any], context: RunContext[None]) -> str:
        """Do what one step of the plan says."""
        transfer = prepare(step, self._tell, self._store)
        self._tell("run")
        try:
            outcome = await transfer.run(context)
        except TransferError as error:
            self._tell("raised", error=type(error).__name__, text=str(error))
            raise
        self._tell("outcome", **described(outcome))
        if outcome.succeeded:
            self._ended = asyncio.create_task(self._tell_of_end(outcome))
        return str(outcome)

    async def _tell_of_end(self, outcome: TransferOutcome) -> None:
        end = await outcome.ended()
        self._tell("end", by=str(end.by), seconds=end.seconds, returned=end.returned)


def prepare(step: dict[str, Any], tell: Tell, store: Any) -> WarmTransfer | ColdTransfer:
    """Make the transfer that one step of the plan asks for."""
    options: dict[str, Any] = {
        "announcement": cast.ANNOUNCEMENT,
        "hold_music": (tones.tone(cast.MUSIC, 2.0, rate=24000), 24000),
        "on_event": lambda event: tell_event(tell, event),
        "records": Records(lambda record: tell("record", record=record.to_dict())),
        **step.get("options", {}),
    }
    to = [Destination(**each) for each in step["to"]]
    if step.get("offers") == "callback":
        options["fallback"] = Otherwise(OfferCallback(store, timezone="Europe/Berlin"))
    if step.get("offers") == "message":
        options["fallback"] = Otherwise(
            TakeMessage(lambda message: tell_message(tell, message), audio=True)
        )
    if step["kind"] == "cold":
        if step.get("detects"):
            options["answer_detector"] = ToneAndPhraseDetector()
        return ColdTransfer(to, **options)
    if not step.get("detects"):
        # These phones speak in single tones, as machines do.
        options["answer_detector"] = None
    people = _team(to, **step["team"]) if "team" in step else to
    return WarmTransfer(people, briefing=lambda: ReportingBriefing(tell), **options)


def _team(to: list[Destination], folder: str, hours: str | None = None, **queue: Any) -> Team:
    """Return a team of one queue; the callers' jobs share it through a folder."""
    if hours is not None:
        queue["hours"] = Hours(hours, timezone="UTC")
    members = [Member(f"m{index}", each) for index, each in enumerate(to)]
    names = [member.name for member in members]
    return Team(members, [Queue("desk", members=names, **queue)], store=LocalStore(folder))


def tell_message(tell: Tell, message: Message) -> None:
    """Report a message, and for how long each tone is heard in its audio."""
    assert message.audio is not None
    with wave.open(io.BytesIO(message.audio)) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    size = rate // 50
    samples = np.frombuffer(frames, np.int16)
    windows = tones.levels(samples[: len(samples) // size * size].reshape(-1, size))
    heard = {
        name: float((windows[:, tones.column(frequency)] > tones.AUDIBLE).sum() / 50)
        for name, frequency in (("number", cast.NUMBER), ("sorry", cast.SORRY))
    }
    tell("message", text=message.text, number=message.number, words=message.words, heard=heard)


def tell_event(tell: Tell, event: TransferEvent) -> None:
    """Report what the transfer tells."""
    if isinstance(event, PhaseChanged):
        tell("phase", old=str(event.old), new=str(event.new))
    elif isinstance(event, AttemptEnded):
        tell("attempt", status=str(event.attempt.status.value), reason=event.attempt.reason)
    elif isinstance(event, WaitingInQueue):
        tell("waiting", queue=event.queue, position=event.position)
    elif isinstance(event, PhoneClassified):
        tell("classified", answered_by=event.answered_by.value)
    elif isinstance(event, OfferDecided):
        tell("offer_decided", offer=event.offer, result=event.result)
    elif isinstance(event, CallEnded):
        tell("call_ended", by=str(event.end.by))


def described(outcome: TransferOutcome) -> dict[str, Any]:
    """What a test wants to know of an outcome."""
    return {
        "status": outcome.status.value,
        "sip_code": outcome.sip_code,
        "reason": outcome.reason,
        "summary": outcome.summary,
        "mode": outcome.mode,
        "confirmed": outcome.confirmed,
        "caller_call_id": outcome.caller_call_id,
        "human_call_id": outcome.human_call_id,
        "identity": outcome.human_identity,
        "attempts": [attempt.status.value for attempt in outcome.attempts],
        "timings": dict(outcome.timings),
        "text": str(outcome),
    }


def setup(proc: JobProcess) -> None:
    """Make the process ready, as a worker of one's own does."""
    prewarm(proc)


async def entrypoint(ctx: JobContext) -> None:
    """Greet, and go by the plan."""
    await serve(ctx, TransferAgent)


async def serve(
    ctx: JobContext,
    agent: Callable[[Tell, list[dict[str, Any]]], Agent],
    caller: str | None = None,
) -> None:
    """Greet (`caller`, or whoever is first), and leave the rest to `agent`, given the plan."""
    plan = json.loads(ctx.job.metadata)
    voice = ScriptedTTS(cast.VOICES, per_character=0.02)
    first = plan["transfers"][0]
    if name := first.get("voice_key"):
        voice.voice_key = name
    # Where voices sound beside the tones somebody has to know them; they have a low tone in them.
    voices = first.get("voices", False)
    heard = {tone: said for tone, said in cast.HEARD.items() if not voices or tone != cast.HELLO}

    def tell(kind: str, **fields: object) -> None:
        report(kind, call=plan["call"], **fields)

    await ctx.connect()
    ear = ScriptedSTT(heard)
    if said := first.get("human_says"):
        ear = ClipSTT(heard, [[(text, at) for text, at in clip] for clip in said])
    session: AgentSession[None] = AgentSession(
        llm=ReportingLLM(tell, first.get("model", "")),
        stt=ear,
        tts=voice,
        vad=NOT_GIVEN if voices else None,
        aec_warmup_duration=None,
        turn_handling=TurnHandlingOptions(turn_detection="stt", endpointing={"min_delay": 0.1}),
    )
    session.on("user_input_transcribed", lambda event: tell("heard", text=event.transcript))
    session.on("agent_state_changed", lambda event: tell("agent", state=event.new_state))
    session.on("user_state_changed", lambda event: tell("user", state=event.new_state))
    session.on("close", lambda _: tell("closed"))
    await session.start(
        agent(tell, plan["transfers"]),
        room=ctx.room,
        room_options=RoomOptions(participant_identity=caller or NOT_GIVEN),
        record=False,
    )
    tell("started", room=ctx.room.name)
    await session.say(cast.WELCOME)
    tell("greeted")
