"""Runners and workers that make promised calls and are killed at random; and what the callers saw.

    python tests/unit/callbacks/killing.py --database URL [--callbacks 1000]

The runners are `CallbackRunner`s; the workers' jobs hold their callback as `make_callback` does
(`Holding`), and dial in a telephone exchange that is a file: each dial is a line that no death
takes back. Rooms are files, too. The last line is JSON:

- callbacks: how many were promised.
- killed: runners and workers killed (SIGKILL), at any moment of their work.
- done, indeterminate: what became of them.
- lost: callbacks that were neither made nor are indeterminate, and those that are said to be made
  although nobody was dialled.
- doubled: callers who were dialled once more although they had answered, or may have.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zlib import crc32

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from livetransfer.callback_dispatch import RoomState
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.callbacks import CallbackRunner, SqlCallbackStore, runner
from livetransfer.callbacks import job_claim as holding
from livetransfer.callbacks.job_claim import Holding
from livetransfer.callbacks.sql_schema import CALLS
from livetransfer.errors import StoreUnavailableError

RUNNERS = 2
WORKERS = 4
AT_ONCE = 20
HOLD = 2.0
"""Seconds for which a claim and a hold last."""
FINAL = (CallbackStatus.DONE, CallbackStatus.FAILED, CallbackStatus.INDETERMINATE)


@dataclass(frozen=True)
class Exchange:
    """Telephones and rooms, in a folder that all processes share."""

    folder: Path

    def write(self, *words: str) -> None:
        """Write down what a caller has seen; no death takes it back."""
        line = (" ".join(words) + "\n").encode()
        handle = os.open(self.folder / "seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, line)
        os.close(handle)

    def seen(self) -> list[list[str]]:
        """Return what the callers have seen."""
        with contextlib.suppress(FileNotFoundError):
            return [line.split() for line in (self.folder / "seen").read_text().splitlines()]
        return []

    # -- a CallbackDispatcher ----------------------------------------------------------

    async def dispatch(self, key: str, room: str) -> None:
        """Leave a job for the first worker that takes it."""
        (self.folder / "jobs" / room).write_text(key)

    async def look(self, room: str) -> RoomState | None:
        """Return who is in the room: its agent, while its process lives."""
        try:
            process, bridged = (self.folder / "rooms" / room).read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        alive = Path(f"/proc/{process}").exists()
        return RoomState(agents=int(alive), parties=1, bridged=bridged == "bridged")

    async def delete(self, room: str) -> None:
        """Delete the room."""
        (self.folder / "rooms" / room).unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Nothing."""

    # -- what a worker does --------------------------------------------------------------

    def job(self) -> tuple[str, str] | None:
        """Take a job that nobody has taken: the callback and the room."""
        for left in (self.folder / "jobs").iterdir():
            mine = self.folder / "taken" / left.name
            with contextlib.suppress(FileNotFoundError):
                left.rename(mine)
                return mine.read_text(), left.name
        return None

    def mark(self, room: str, state: str) -> None:
        """Say who is in a room."""
        new = self.folder / "rooms" / f".{room}.{os.getpid()}"
        new.write_text(f"{os.getpid()} {state}")
        new.rename(self.folder / "rooms" / room)


async def make(ledger: SqlCallbackStore, exchange: Exchange, key: str, room: str) -> None:
    """Make one callback, as a job does; now and then nobody answers the first time."""
    try:
        promise = await Holding.take(ledger, key, f"job-{room}", room)
    except StoreUnavailableError:
        return  # the runner asks for another job
    if promise is None:
        return
    exchange.mark(room, "alone")
    mine = Holding(ledger, promise, f"job-{room}", lost=lambda: None)
    await asyncio.sleep(random.uniform(0, 0.05))
    if not await mine.dialling():
        mine.close()
        return
    exchange.write("dialled", key)
    await asyncio.sleep(random.uniform(0, 0.05))
    if mine.calls == 1 and crc32(key.encode()) % 5 == 0:
        exchange.write("no-answer", key)
        await mine.end(CallbackStatus.WAITING, "nobody answered")
        return
    exchange.mark(room, "bridged")
    await asyncio.sleep(random.uniform(0, 0.05))
    await mine.end(CallbackStatus.DONE, "")


async def work(database: str, exchange: Exchange) -> None:
    """Take jobs and do them, for ever."""
    ledger = SqlCallbackStore(database)
    jobs: set[asyncio.Task[None]] = set()
    while True:
        found = exchange.job() if len(jobs) < AT_ONCE else None
        if found is None:
            await asyncio.sleep(0.02)
            continue
        task = asyncio.create_task(make(ledger, exchange, *found))
        jobs.add(task)
        task.add_done_callback(jobs.discard)


async def hand_out(database: str, exchange: Exchange) -> None:
    """Give out what is due, for ever."""
    await CallbackRunner(
        SqlCallbackStore(database),
        exchange,
        every=0.1,
        at_once=AT_ONCE * WORKERS,
        taken_within=1.0,
        pause=1.0,
        keep_days=None,
    ).run()


def forked(code: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Return the process that does `code`, and nothing else."""
    child = os.fork()
    if child:
        return child
    try:
        logging.disable(logging.WARNING)
        holding.SECONDS, holding.RENEW_EVERY = HOLD, HOLD / 4
        runner.SLACK, runner.ASK_EVERY = HOLD - 1.0, 0.05
        asyncio.run(code())
    except BaseException as error:
        print(f"a process of the test failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def run(database: str, callbacks: int, within: float, seed: int) -> dict[str, Any]:
    """Let them be made, and kill whoever makes them, until each has an end.

    Raises:
        RuntimeError: It takes longer than `within` seconds, or a process fails by itself.
    """
    chance, began = random.Random(seed), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(Path(folder))
        for name in ("jobs", "taken", "rooms"):
            (exchange.folder / name).mkdir()
        asyncio.run(promise(database, callbacks))
        codes = [
            *(lambda: hand_out(database, exchange) for _ in range(RUNNERS)),
            *(lambda: work(database, exchange) for _ in range(WORKERS)),
        ]
        processes = [forked(code) for code in codes]
        killed = 0
        try:
            while (left := asyncio.run(unfinished(database))) > 0:
                if time.monotonic() - began > within:
                    raise RuntimeError(f"{left} callbacks have no end after {within:g} s")
                until = time.monotonic() + 0.5
                while time.monotonic() < until:
                    time.sleep(chance.uniform(0.02, 0.4))
                    ended, _ = os.waitpid(-1, os.WNOHANG)
                    if ended:
                        raise RuntimeError("a runner or a worker has ended by itself")
                    which = chance.randrange(len(codes))
                    os.kill(processes[which], signal.SIGKILL)
                    os.waitpid(processes[which], 0)
                    processes[which] = forked(codes[which])
                    killed += 1
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
        found = asyncio.run(judged(database, exchange, callbacks))
    return {
        "database": database.partition(":")[0],
        "callbacks": callbacks,
        "killed": killed,
        "seconds": round(time.monotonic() - began, 1),
        **found,
    }


async def promise(database: str, callbacks: int) -> None:
    """Promise the calls."""
    ledger, now = SqlCallbackStore(database), datetime.now(timezone.utc)
    for number in range(callbacks):
        end = now + timedelta(hours=8)
        await ledger.add(CallbackRequest(f"c{number}", f"+1555{number:07}", now, end))
    await ledger.aclose()


async def unfinished(database: str) -> int:
    """Return how many have no end."""
    engine = create_async_engine(database, poolclass=NullPool)
    final = [str(status) for status in FINAL]
    count = sa.select(sa.func.count()).where(CALLS.c.status.not_in(final))
    async with engine.connect() as connection:
        found = int((await connection.execute(count)).scalar_one())
    await engine.dispose()
    return found


async def kept(database: str) -> dict[str, CallbackStatus]:
    """Return how each stands."""
    engine = create_async_engine(database, poolclass=NullPool)
    async with engine.connect() as connection:
        rows = await connection.execute(sa.select(CALLS.c.id, CALLS.c.status))
        found = {row.id: CallbackStatus(row.status) for row in rows}
    await engine.dispose()
    return found


async def judged(database: str, exchange: Exchange, callbacks: int) -> dict[str, int]:
    """Compare what is kept with what the callers saw."""
    status = await kept(database)
    dialled, unanswered = Counter[str](), Counter[str]()
    for what, key in exchange.seen():
        (dialled if what == "dialled" else unanswered)[key] += 1
    made = [key for key, each in status.items() if each is CallbackStatus.DONE]
    doubled = [key for key in dialled if dialled[key] - unanswered[key] > 1]
    lost = callbacks - len(made) - sum(s is CallbackStatus.INDETERMINATE for s in status.values())
    return {
        "done": len(made),
        "indeterminate": sum(each is CallbackStatus.INDETERMINATE for each in status.values()),
        "dials": sum(dialled.values()),
        "lost": lost + sum(dialled[key] == 0 for key in made),
        "doubled": len(doubled),
    }


def main() -> None:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--database", required=True)
    parser.add_argument("--callbacks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--within", type=float, default=60.0)
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    print(json.dumps(run(given.database, given.callbacks, given.within, given.seed)))


if __name__ == "__main__":
    main()
