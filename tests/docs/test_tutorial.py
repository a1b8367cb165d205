"""The tutorial, pasted: its files in a fresh folder, and the command that it names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-transfer.md"
TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def pasted(folder: Path) -> str:
    """Write the tutorial's files to a folder; return all of its commands."""
    text = TUTORIAL.read_text(encoding="utf-8")
    for name, content in TITLED.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    return "".join(SHELL.findall(text))


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {"PATH", "HOME", "PYTHONPATH", "SYSTEMROOT"}
    env = {name: value for name, value in os.environ.items() if name in kept}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
    )


def test_it_passes_when_it_is_pasted(tmp_path: Path) -> None:
    commands = pasted(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "agent.py",
        "pytest.ini",
        "test_agent.py",
    ]
    assert "pip install livetransfer pytest pytest-asyncio\n" in commands
    assert "\npytest\n" in commands
    result = run(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


def test_a_human_who_is_busy_makes_it_fail(tmp_path: Path) -> None:
    pasted(tmp_path)
    test = tmp_path / "test_agent.py"
    test.write_text(test.read_text().replace("Human.accepts(after=2)", "Human.busy()"))
    result = run(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 failed" in result.stdout
