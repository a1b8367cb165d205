"""Records: where the records of transfers go, and what is kept in them."""

from __future__ import annotations

import asyncio
import functools
import platform
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from weakref import WeakSet

from livekit.agents import get_job_context

from livetransfer.errors import ConfigurationError
from livetransfer.privacy import Privacy

from .chain import next_link
from .model import CallPart, TransferRecord
from .recorder import FLUSH_LIMIT, Recorder
from .sinks.function import FunctionSink
from .sinks.port import RecordSink
from .telemetry import Telemetry

__all__ = ["Records"]

Function = Callable[[TransferRecord], Awaitable[None] | None]


class Records:
    """Where the records of transfers go, and what is kept in them; given as ``records=``.

    No call waits for it or notices what goes wrong in it. In a LiveKit job, what was recorded is
    written before the job ends, within 5 s.

    Args:
        *sinks: Where they go: `JsonLinesSink`, `SqlSink`, `WebhookSink`, a function, or whatever
            has the methods of a `RecordSink`. With none, ``outcome.record`` is all there is.
        privacy: What of people's words and numbers is kept, and for how long.
        telemetry: What makes traces and metrics. Default: a `Telemetry()`.

    Raises:
        ConfigurationError: One of them is no sink.
    """

    def __init__(
        self,
        *sinks: RecordSink | Function,
        privacy: Privacy | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.sinks = tuple(_sink(sink) for sink in sinks)
        if privacy is not None and not isinstance(privacy, Privacy):
            raise ConfigurationError("privacy", privacy, "give a Privacy")
        self.privacy = Privacy() if privacy is None else privacy
        if telemetry is not None and not isinstance(telemetry, Telemetry):
            raise ConfigurationError("telemetry", telemetry, "give a Telemetry")
        self._telemetry = Telemetry() if telemetry is None else telemetry
        self._recorders: WeakSet[Recorder] = WeakSet()

    def begin(self, call: object, *, now: datetime | None = None) -> Recorder:
        """Return what listens to the events of a run that begins.

        Args:
            call: What stands for the call, such as the caller's AgentSession: the records of one
                call are chained.
            now: When it begins.
        """
        link = next_link(call, uuid.uuid4().hex)
        job = get_job_context(required=False)
        record = TransferRecord(
            id=link.id,
            previous=link.previous,
            number=link.number,
            began=now or datetime.now(timezone.utc),
            call=CallPart(job=None if job is None else job.job.id),
            software=_software(),
        )
        observation = self._telemetry.begin(call)
        recorder = Recorder(record, self.sinks, self.privacy, observation)
        self._recorders.add(recorder)
        if job is not None:

            async def at_shutdown() -> None:
                await recorder.finish()

            job.add_shutdown_callback(at_shutdown)
        return recorder

    async def flush(self, limit: float = FLUSH_LIMIT) -> None:
        """Wait until what was recorded is written, for `limit` seconds at most.

        In a LiveKit job that is done by itself; scripts and tests call it.
        """
        waiting = [asyncio.ensure_future(each.flush(limit)) for each in self._recorders]
        if waiting:
            await asyncio.wait(waiting)

    async def aclose(self) -> None:
        """Release what the sinks hold. May be called again."""
        for sink in self.sinks:
            await sink.aclose()


def _sink(sink: Any) -> RecordSink:
    if isinstance(sink, RecordSink) and not isinstance(sink, type):
        return sink
    if callable(sink) and not isinstance(sink, type):
        return FunctionSink(sink)
    raise ConfigurationError(
        "sinks", sink, "give sinks, such as JsonLinesSink(...), or functions of a record"
    )


@functools.cache
def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("livetransfer", "livekit-agents", "livekit", "livekit-api"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
