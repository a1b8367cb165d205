"""A real livekit-agents worker as a child process, and what its jobs report to the test.

    worker = Worker(stack, "tests.e2e.smoke_agent", "smoke", folder)
    await worker.start_async()
    ...
    report = await worker.wait("session_started")

The module has `async def entrypoint(ctx: JobContext)` and may have `def setup(proc: JobProcess)`.
Inside a job, `report("kind", key=value)` puts an event on record; its time is comparable with the
phones'. `await worker.stop_async()` is SIGTERM, `await worker.kill_async()` SIGKILL to all its
processes, and `group=False` to the main one alone.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from livekit.agents import AgentServer, JobContext, JobExecutorType, JobProcess

from .process import Process
from .stack import Stack

Executor = Literal["process", "thread"]

_PREFIX = "LIVETRANSFER_E2E_WORKER_"
_STEP = 0.01


@dataclass(frozen=True)
class Report:
    """An event in a job; `at` is a time.monotonic."""

    at: float
    kind: str
    fields: dict[str, Any]


def report(kind: str, **fields: object) -> None:
    """Tell the test that something has happened. For use inside the worker's processes."""
    line = json.dumps({"at": time.monotonic(), "kind": kind, "fields": fields}, default=str)
    path = os.environ.get(_PREFIX + "REPORTS")
    if path is None:
        return
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode() + b"\n")
    finally:
        os.close(handle)


class Worker(Process):
    """A worker process that is ready when it is registered and one job process is warm."""

    def __init__(
        self,
        stack: Stack,
        module: str,
        agent_name: str,
        folder: Path,
        *,
        executor: Executor = "process",
        env: Mapping[str, str] | None = None,
        drain: float = 0.0,
        patience: float = 40.0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.agent_name = agent_name
        self.reports_path = folder / f"{agent_name}.reports"
        self._warm_before = 0
        root = str(Path(__file__).resolve().parents[__name__.count(".")])
        path = os.pathsep.join([root, *(each or os.curdir for each in sys.path)])
        settings = {
            "MODULE": module,
            "AGENT": agent_name,
            "EXECUTOR": executor,
            "DRAIN": str(drain),
            "REPORTS": str(self.reports_path),
        }
        super().__init__(
            f"worker {agent_name}",
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            folder / f"{agent_name}.log",
            ready=self._warm,
            env={
                **os.environ,
                **stack.env,
                "PYTHONPATH": path,
                "PYTHONUNBUFFERED": "1",
                **{_PREFIX + key: value for key, value in settings.items()},
                **(env or {}),
            },
            patience=patience,
        )

    def spawn(self) -> None:
        self._warm_before = len(self.reports())
        super().spawn()

    def _warm(self) -> bool:
        kinds = {each.kind for each in self.reports()[self._warm_before :]}
        return {"worker_registered", "process_warm"} <= kinds

    def reports(self, kind: str | None = None) -> list[Report]:
        """What was reported so far, over all of its lives."""
        if not self.reports_path.exists():
            return []
        lines = self.reports_path.read_text().splitlines(keepends=True)
        found = [Report(**json.loads(line)) for line in lines if line.endswith("\n")]
        return [each for each in found if kind is None or each.kind == kind]

    async def wait(
        self, kind: str, within: float = 10.0, *, nth: int = 1, after: float = 0.0
    ) -> Report:
        """The nth report of a kind, past or to come."""
        give_up = time.monotonic() + within
        while True:
            found = [each for each in self.reports(kind) if each.at >= after]
            if len(found) >= nth:
                return found[nth - 1]
            if time.monotonic() > give_up:
                so_far = [each.kind for each in self.reports()]
                raise TimeoutError(
                    f"no report {kind!r} within {within} s; so far: {so_far}\n{self.tail()}"
                )
            await asyncio.sleep(_STEP)


# What runs in the child.


def _setup(proc: JobProcess) -> None:
    module = importlib.import_module(os.environ[_PREFIX + "MODULE"])
    prepare: Callable[[JobProcess], None] | None = getattr(module, "setup", None)
    if prepare is not None:
        prepare(proc)
    report("process_warm", pid=os.getpid())


def _no_load() -> float:
    """A busy test machine still takes calls: above 0.7 the server silently offers it no more."""
    return 0.0


async def _run() -> None:
    module = importlib.import_module(os.environ[_PREFIX + "MODULE"])
    entrypoint: Callable[[JobContext], Awaitable[None]] = module.entrypoint
    executor = JobExecutorType[os.environ[_PREFIX + "EXECUTOR"].upper()]
    server = AgentServer(
        job_executor_type=executor,
        load_fnc=_no_load,
        # Else a job that is just being launched counts as full load with one idle process, and the
        # server drops a second call of the same moment: "no workers with sufficient capacity".
        load_threshold=math.inf,
        num_idle_processes=1,
        host="127.0.0.1",
        port=0,
        setup_fnc=_setup,
    )
    server.rtc_session(entrypoint, agent_name=os.environ[_PREFIX + "AGENT"])
    server.on("worker_registered", lambda *_: report("worker_registered"))
    running = asyncio.ensure_future(server.run())
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    asking = asyncio.ensure_future(asked.wait())
    await asyncio.wait({running, asking}, return_when=asyncio.FIRST_COMPLETED)
    if asked.is_set():
        drain = float(os.environ[_PREFIX + "DRAIN"])
        if drain > 0:
            await server.drain(timeout=math.ceil(drain))
        await server.aclose()
    asking.cancel()
    await running


def main() -> None:
    """Run a worker as the environment says."""
    logging.basicConfig(
        level=os.environ.get(_PREFIX + "LOG_LEVEL", "DEBUG"),
        stream=sys.stdout,
        format="%(asctime)s.%(msecs)03d %(levelname)s %(name)s %(message)s",
        datefmt="%H:%M:%S",
    )
    asyncio.run(_run())
