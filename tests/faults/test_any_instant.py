"""No promise hangs on where virtual time begins: sums of floats differ from one to the next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from livetransfer.testing.clock import START_VARIABLE

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("start", [0, 300, 5_000, 8_192, 12_000, 100_000, 10_000_000])
def test_the_suite_passes_from_any_instant(start: int) -> None:
    """The unit tests and the faults, in a process of their own: minutes for each instant."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile"]
    ran = subprocess.run(
        [*command, "tests/unit", "tests/faults"],
        cwd=ROOT,
        env={**os.environ, START_VARIABLE: str(start)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
