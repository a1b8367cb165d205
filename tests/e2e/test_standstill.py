"""The witness of standstills: it sees one, and is not kept from running by mere work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from .standstill import Witness

BUSY = "while True: pass"


def real_time() -> bool:
    """Whether this process could have real-time priority."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, *before)
    return True


pytestmark = pytest.mark.skipif(not real_time(), reason="no real-time priority to be had here")


def test_a_process_that_is_not_run_is_a_standstill() -> None:
    with Witness() as witness:
        time.sleep(0.05)
        before = time.monotonic()
        for pid in witness.pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.1)
        for pid in witness.pids:
            os.kill(pid, signal.SIGCONT)
        after = time.monotonic()
        time.sleep(0.05)
    assert witness.stood_still(before, after)
    assert not witness.stood_still(after + 10, after + 20)


def test_work_is_none() -> None:
    """All cores are busy three times over, and the witness has seen only what stops them all."""
    with contextlib.ExitStack() as busy:
        for _ in range(3 * (os.cpu_count() or 1)):
            process = subprocess.Popen([sys.executable, "-c", BUSY])
            busy.callback(process.wait)
            busy.callback(process.kill)
        with Witness() as witness:
            time.sleep(1.0)
    assert sum(each.ended - each.began for each in witness.seen) < 0.5
