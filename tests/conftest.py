"""The servers, which the contract suite and the real calls share; and how a test run ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.alone import turn
from tests.e2e.stack import NO_REAL_CALLS, Stack, unavailable

_ended: list[int] = []


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The servers; without them the test is skipped, and says loudly what is missing."""
    running = Stack.from_environment()
    if running is not None:
        yield running
        return
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    started = Stack.start(tmp_path_factory.mktemp("stack"))
    try:
        yield started
    finally:
        started.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A real call waits for its turn before its time limit begins."""
    beside = {"contract", "e2e"} & set(item.path.parts) and hasattr(item.config, "workerinput")
    alone = item.get_closest_marker("alone") is not None
    folder = Path(item.config.option.basetemp or ".").parent
    with turn(folder, alone=alone) if beside else nullcontext():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let all that is skipped for want of servers be told in one line."""
    report = yield
    if report.skipped and call.excinfo is not None and NO_REAL_CALLS in str(call.excinfo.value):
        report.longrepr = (__file__, 1, f"Skipped: {call.excinfo.value}")
    return report


def pytest_sessionfinish(exitstatus: int) -> None:
    _ended.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Leave without the interpreter's finalization, once LiveKit's native threads have run.

    They call into Python until the process ends. CPython before 3.14 unwinds the stack of such a
    thread when it finalizes, and native code aborts at that: after tests that have all passed.
    """
    if _ended and "livekit.rtc" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_ended[-1])
