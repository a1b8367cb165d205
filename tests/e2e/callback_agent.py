"""An agent whose entrypoint serves callers and callbacks: it keeps the promises that it makes.

`LIVETRANSFER_E2E_CALLBACKS` is a folder with the ledger and `plan.json`: the human's destination
(`to`), the trunk to the caller (`trunk_id`), and options of `make_callback`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, JobContext, TurnHandlingOptions

from livetransfer import Destination
from livetransfer.callbacks import SqlCallbackStore, callback_of, make_callback

from . import cast, tones
from .models import Rule, ScriptedLLM, ScriptedSTT, ScriptedTTS, ToolCall
from .transfer_agent import TransferAgent, serve
from .worker import report

FOLDER = "LIVETRANSFER_E2E_CALLBACKS"

VOICES = [
    ("asked us to call you back", cast.BACK),
    ("could not be reached", cast.SORRY),
    ("am calling them now", cast.ANNOUNCED),
    ("promised a call back", cast.BRIEFING),
    *cast.VOICES,
]

RULES = [Rule(ToolCall("connect_to_caller"), user="put them through", tool="connect_to_caller")]


def ledger(folder: Path | None = None) -> SqlCallbackStore:
    """Return who keeps the promises of this test."""
    folder = folder or Path(os.environ[FOLDER])
    return SqlCallbackStore(f"sqlite+aiosqlite:///{folder / 'callbacks.sqlite'}")


async def entrypoint(ctx: JobContext) -> None:
    """Serve a caller, or make a callback."""
    if callback_of(ctx) is None:
        await serve(ctx, lambda tell, plan: TransferAgent(tell, plan, store=ledger()))
        return
    plan: dict[str, Any] = json.loads((Path(os.environ[FOLDER]) / "plan.json").read_text())
    session: AgentSession[None] = AgentSession(
        llm=ScriptedLLM(RULES),
        stt=ScriptedSTT(cast.HEARD),
        tts=ScriptedTTS(VOICES, per_character=0.02),
        vad=None,
        aec_warmup_duration=None,
        turn_handling=TurnHandlingOptions(turn_detection="stt", endpointing={"min_delay": 0.1}),
    )
    report("callback", id=callback_of(ctx), room=ctx.job.room.name)
    outcome = await make_callback(
        ctx,
        ledger(),
        Destination(**plan["to"]),
        session=session,
        trunk_id=plan["trunk_id"],
        waiting=(tones.tone(cast.MUSIC, 2.0, rate=24000), 24000),
        # These phones speak in single tones, as machines do.
        answer_detector=None,
        on_event=lambda event: report("event", name=type(event).__name__, event=str(event)),
        agent=TransferAgent(report, []),
        **plan["options"],
    )
    report("made", status=str(outcome.status), reason=outcome.reason)
