"""What benchmarks on real calls need: servers, a worker whose agent transfers, a switchboard."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.backoffice import Backoffice
from tests.e2e.stack import Stack
from tests.e2e.switchboard import Reports, Switchboard
from tests.e2e.worker import Worker

__all__ = ["Workplace", "compiled", "workplace"]


def compiled(folder: str) -> dict[str, str]:
    """The environment in which Python compiles a module once, as it does where it is installed."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}


@dataclass(frozen=True)
class Workplace:
    """Servers and a worker that is ready.

    Attributes:
        stack: The servers.
        worker: The worker.
        folder: For what is written meanwhile.
    """

    stack: Stack
    worker: Worker
    folder: Path

    @asynccontextmanager
    async def switchboard(self) -> AsyncIterator[tuple[Switchboard, Backoffice, AsyncExitStack]]:
        """A switchboard for one call, and what else a call may need; its phones are put away."""
        async with AsyncExitStack() as exits, Backoffice.open(self.stack) as office:
            yield Switchboard(self.stack, office, Reports(self.worker), exits), office, exits


@asynccontextmanager
async def workplace(
    name: str, module: str = "tests.e2e.transfer_agent"
) -> AsyncIterator[Workplace]:
    """Start the servers, and a worker with the agent of `module`; stop them afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    stack = Stack.start(folder)
    try:
        worker = Worker(stack, module, name, folder, env=compiled(str(folder / "compiled")))
        await worker.start_async()
        try:
            yield Workplace(stack, worker, folder)
        finally:
            worker.stop()
    finally:
        stack.stop()
