"""The agent of load.py: it ends its job with the call, cancels a transfer, and counts its tasks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import JobContext, RunContext, StopResponse
from livekit.agents.llm import function_tool
from livekit.rtc._ffi_client import FfiClient
from tests.e2e.transfer_agent import Tell, TransferAgent, prepare, serve, tell_event
from tests.e2e.worker import report

from livetransfer import PhaseChanged, TransferEvent

WANTED = "LIVETRANSFER_LOAD_SAMPLE"
"""Names the file whose presence asks for a sample."""

# Two jobs in threads that are the first at the same moment would each make a client of the native
# library, and one of the two would never hear from it again (seen: 15 s later the library gave up,
# and with it the whole process).
FfiClient.instance  # noqa: B018

# A garbage collection may begin on a native thread of the LiveKit SDK that calls into Python; where
# it frees handles of that SDK, both wait for each other (seen: a worker with jobs in threads stood
# still for good). So it is left to the thread that takes the samples: the young objects once in a
# second, all of them with each sample.
gc.disable()

AFTERWARDS = 1.5
"""Seconds after the caller's hang-up for what the transfer still has to do."""


class LoadAgent(TransferAgent):
    """Transfers, or begins to and cancels."""

    def __init__(self, tell: Tell, plan: list[dict[str, Any]]) -> None:
        super().__init__(tell, plan)
        self._told, self._cancels = tell, bool(plan and plan[0].get("cancel"))

    @function_tool
    async def transfer(self, context: RunContext[None]) -> str:  # type: ignore[override]
        """Transfer the caller to a person."""
        if not self._cancels:
            return await TransferAgent.transfer(self, context)
        self._cancels = False
        rings = asyncio.Event()

        def on_event(event: TransferEvent) -> None:
            tell_event(self._told, event)
            if isinstance(event, PhaseChanged) and event.new == "ringing":
                rings.set()

        step = self._plan.pop(0)
        transfer = prepare(
            {**step, "options": {**step["options"], "on_event": on_event}}, self._told, self._store
        )
        running = asyncio.ensure_future(transfer.run(context))
        await rings.wait()
        await asyncio.sleep(0.5)
        self._told("cancel")
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        self._told("cancelled", audio=context.session.output.audio_enabled)
        context.session.say("I am sorry, nobody is free.")
        raise StopResponse


async def entrypoint(ctx: JobContext) -> None:
    """Serve the caller; the job ends when he has gone."""
    loop = asyncio.get_running_loop()

    def gone(participant: rtc.RemoteParticipant) -> None:
        if participant.identity.startswith("sip_"):
            loop.call_later(AFTERWARDS, ctx.shutdown)

    ctx.room.on("participant_disconnected", gone)
    await serve(ctx, LoadAgent)


def open_tasks() -> int:
    """How many tasks of this process have not ended, in whatever loop."""
    gc.collect()
    return sum(isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects())


def _sample(wanted: Path) -> None:
    collected = time.monotonic()
    while True:
        time.sleep(0.1)
        if time.monotonic() - collected >= 1.0:
            gc.collect(1)
            collected = time.monotonic()
        if wanted.exists():
            wanted.unlink()
            report("sample", tasks=open_tasks(), threads=threading.active_count())


if WANTED in os.environ:
    # In the process of the worker itself; with the thread executor its jobs are in it too.
    threading.Thread(target=_sample, args=(Path(os.environ.pop(WANTED)),), daemon=True).start()
