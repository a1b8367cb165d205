"""The least agent that can be spoken with over the phone, for test_smoke.py."""

from __future__ import annotations

from livekit.agents import Agent, AgentSession, JobContext, TurnHandlingOptions

from .models import Rule, ScriptedLLM, ScriptedSTT, ScriptedTTS
from .worker import report

GREETING = 600
ANSWER = 1600
QUESTION = 1000


async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()
    session: AgentSession[None] = AgentSession(
        llm=ScriptedLLM([Rule("Certainly, at once.", user="person")]),
        stt=ScriptedSTT({QUESTION: "I want a person"}),
        tts=ScriptedTTS([("certainly", ANSWER), ("", GREETING)], seconds=1.0),
        vad=None,
        session_close_transcript_timeout=0.2,
        turn_handling=TurnHandlingOptions(turn_detection="stt"),
    )
    session.on("user_input_transcribed", lambda event: report("heard", text=event.transcript))
    session.on("close", lambda _: report("closed"))
    await session.start(Agent(instructions="Be brief."), room=ctx.room, record=False)
    report("started", room=ctx.room.name)
    session.say("Good morning.")
