"""Whether the machine stood still: a witness that the scheduler prefers to everything else.

A virtual machine is sometimes not run for some 10 ms. To its programs that is a moment in which
all of them stop at once, and no program can do anything about it. One process per core, with
real-time priority and next to nothing to do, notes when it was not run; nothing that the tests'
own programs do can keep it from running.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

STOOD_STILL = 0.04
"""Seconds that a witness has to have missed: two windows of audio."""

STEP = 0.004

_WITNESS = """
import os, sys, time
core, step, least = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
os.sched_setaffinity(0, {core})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
print("ready", flush=True)
before = time.monotonic()
while True:
    time.sleep(step)
    now = time.monotonic()
    if now - before >= least:
        print(before, now, flush=True)
    before = now
"""


class Standstill(NamedTuple):
    """When it began and ended (time.monotonic)."""

    began: float
    ended: float


class Witness:
    """Watches while it is open; where real-time priority is not to be had, it sees nothing."""

    def __init__(self) -> None:
        self.seen: list[Standstill] = []
        self._watching: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Witness:
        for core in _cores():
            argv = [sys.executable, "-c", _WITNESS, str(core), str(STEP), str(STOOD_STILL)]
            process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            assert process.stdout is not None
            process.stdout.readline()
            self._watching.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(2 * STEP)  # a standstill that has just ended is yet to be noted
        for process in self._watching:
            process.terminate()
            said, _err = process.communicate()
            for line in said.splitlines():
                began, ended = map(float, line.split())
                self.seen.append(Standstill(began, ended))
        self._watching.clear()

    @property
    def pids(self) -> list[int]:
        """The processes that watch."""
        return [process.pid for process in self._watching]

    def stood_still(self, start: float, end: float) -> bool:
        """Whether the machine stood still at some time between two instants (time.monotonic)."""
        return any(each.began <= end and each.ended >= start for each in self.seen)


def _cores() -> Sequence[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
