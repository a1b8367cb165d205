"""Three stores to test, each with a second one over the same data, and with time that passes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livetransfer.stores import LocalStore, MemoryStore, RedisStore, TeamStore

NO_REDIS = "REDIS IS NOT TESTED: no redis-server on PATH (apt-get install redis-server)"


@dataclass
class Rig:
    """A store.

    Attributes:
        kind: Which.
        store: The store.
        other: One that another process would have, over the same data.
        skew: Seconds by which the store's clock has been put forward; None where it is real.
    """

    kind: str
    store: TeamStore
    other: TeamStore
    skew: list[float] | None

    async def passes(self, seconds: float) -> None:
        """Let time pass."""
        if self.skew is None:
            await asyncio.sleep(seconds)
        else:
            self.skew[0] += seconds

    async def close(self) -> None:
        await self.store.aclose()
        await self.other.aclose()


def memory_rig() -> Rig:
    skew = [0.0]
    store = MemoryStore(clock=lambda: time.monotonic() + skew[0])
    return Rig("memory", store, store, skew)


def local_rig(folder: Path) -> Rig:
    skew = [0.0]

    def clock() -> float:
        return time.time() + skew[0]

    return Rig("local", LocalStore(folder, clock=clock), LocalStore(folder, clock=clock), skew)


def redis_rig(url: str, prefix: str) -> Rig:
    return Rig("redis", RedisStore(url, prefix=prefix), RedisStore(url, prefix=prefix), None)


class RedisServer:
    """A redis-server of the tests' own, on a socket in a folder of its own."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lt-redis-"))
        self.socket = self.folder / "s"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None, NO_REDIS
        common = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir"]
        self._process = subprocess.Popen(
            [program, *common, str(self.folder), *self._options], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < until, "redis-server did not start within 10 s"
            time.sleep(0.02)

    def _answers(self) -> bool:
        import redis

        client = redis.Redis.from_url(self.url)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def stop(self) -> None:
        """Kill it: nobody is told."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    server = RedisServer(*options)
    server.start()
    try:
        yield server
    finally:
        server.close()
