"""A program of the stack as a child process: started until ready, paused, killed, ended."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
_STEP = 0.02


def _die_with_parent() -> None:
    """In the child: be killed when the process that runs the tests is gone."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


class Process:
    """One program. Its output goes to `log`, one file for all of its lives.

    `ready` is asked again and again while it starts; it must not block for long. A process dies
    with the thread that started it, so start it from the main thread (or its event loop).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        patience: float = 20.0,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self.started_at = 0.0
        self._ready = ready
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._stop_signal = stop_signal
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    # Starting.

    def spawn(self) -> None:
        """Start it, without waiting until it is ready."""
        if self.running:
            raise RuntimeError(f"{self.name} is running already")
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  (one system call, no lock)
            )
        _LIVE.add(self)

    def start(self) -> None:
        """Start it and block until it is ready."""
        self.spawn()
        while not self._is_ready():
            time.sleep(_STEP)

    async def start_async(self) -> None:
        """Start it and wait until it is ready; the event loop runs on."""
        self.spawn()
        while not self._is_ready():
            await asyncio.sleep(_STEP)

    async def restart(self) -> None:
        """Kill it as a crash would, and start it anew."""
        await self.kill_async()
        await self.start_async()

    def _is_ready(self) -> bool:
        if not self.running:
            raise RuntimeError(f"{self.name} did not start:\n{self.tail()}")
        if self._ready():
            return True
        if time.monotonic() - self.started_at > self._patience:
            self.kill()
            raise TimeoutError(
                f"{self.name} was not ready within {self._patience} s:\n{self.tail()}"
            )
        return False

    # Mistreating.

    def signal(self, number: signal.Signals, *, group: bool = True) -> None:
        """Send a signal to it, and to its children unless `group` is false."""
        if self._child is not None and self._child.poll() is None:
            (os.killpg if group else os.kill)(self._child.pid, number)

    def pause(self) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def kill(self, *, group: bool = True) -> None:
        """SIGKILL to it and its children (or to it alone); returns when it is gone."""
        self.signal(signal.SIGKILL, group=group)
        self._reap(5.0)

    def stop(self, within: float = 3.0) -> None:
        """Ask it to end; kill what is left."""
        self.resume()
        if self._child is not None and self._child.poll() is None:
            self.signal(self._stop_signal, group=False)
            self._reap(within)
        self._end_of_group()
        self._reap(5.0)
        _LIVE.discard(self)

    async def kill_async(self, *, group: bool = True) -> None:
        """As `kill`; the event loop, and with it the phones' audio, runs on."""
        self.signal(signal.SIGKILL, group=group)
        await self.wait_ended(5.0)

    async def stop_async(self, within: float = 10.0) -> None:
        """As `stop`; the event loop runs on."""
        self.resume()
        if self.running:
            self.signal(self._stop_signal, group=False)
            with contextlib.suppress(TimeoutError):
                await self.wait_ended(within)
        self._end_of_group()
        await self.wait_ended(5.0)
        _LIVE.discard(self)

    async def wait_ended(self, within: float = 10.0) -> int:
        """Wait until it has ended by itself; its exit code."""
        give_up = time.monotonic() + within
        while self.running:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{self.name} still runs after {within} s")
            await asyncio.sleep(_STEP)
        return self._child.returncode if self._child is not None else 0

    def _reap(self, within: float) -> bool:
        if self._child is None:
            return True
        try:
            self._child.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _end_of_group(self) -> None:
        """What is left of it and of its children goes too."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)

    # Reading.

    def text(self) -> str:
        """All that it has printed."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def tail(self, lines: int = 25) -> str:
        """The end of what it has printed."""
        return "\n".join(self.text().splitlines()[-lines:])


_LIVE: weakref.WeakSet[Process] = weakref.WeakSet()


def _end_all() -> None:
    for process in list(_LIVE):
        process.kill()


atexit.register(_end_all)
