"""A user's module passes mypy --strict and pyright; the public names are all documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import livetransfer
import livetransfer.hold
import livetransfer.testing

ROOT = Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "tests" / "typing" / "consumer.py"
REFERENCE = ROOT / "docs" / "reference"
MODULES = [livetransfer, livetransfer.hold, livetransfer.testing]


def check(*command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )


@pytest.mark.timeout(600)
def test_mypy_finds_nothing(cache: pytest.Cache, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n")  # what a user has, and not this project's settings
    folder = cache.mkdir("mypy-consumer")
    done = check(
        "mypy", "--strict", f"--config-file={config}", f"--cache-dir={folder}", str(CONSUMER)
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_pyright_finds_nothing() -> None:
    pytest.importorskip("pyright")
    done = check("pyright", "--outputjson", "--pythonpath", sys.executable, str(CONSUMER))
    try:
        found = json.loads(done.stdout)
    except ValueError:
        pytest.skip(f"pyright is installed but cannot run: {done.stderr[-300:]}")
    messages = [
        f"{each['range']['start']}: {each['message']}" for each in found["generalDiagnostics"]
    ]
    assert not messages, "\n".join(messages)


def test_the_consumer_uses_every_public_name_and_ignores_nothing() -> None:
    text = CONSUMER.read_text()
    assert not re.search(r"type:\s*ignore|pyright:\s*ignore|\bcast\(|\bAny\b", text)
    imported = {
        alias.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module == "livetransfer"
        for alias in node.names
    }
    assert sorted(set(livetransfer.__all__) - imported) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_exported_name_exists_once_and_in_order(module: ModuleType) -> None:
    names = module.__all__
    assert names == sorted(names, key=_as_ruff_sorts)
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(module, name), name


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    constant, klass = name.isupper(), name[:1].isupper()
    return (0 if constant else 1 if klass else 2, name)


def documented() -> set[str]:
    """The names that the reference has: listed one by one, or with the whole of their module."""
    found = set()
    for page in REFERENCE.glob("*.md"):
        for line, members in re.findall(
            r"^::: (\S+)(?:\n    options:\n      members: \[([^\]]*)\])?", page.read_text(), re.M
        ):
            parent, _, name = line.rpartition(".")
            if members:
                found |= {member.strip() for member in members.split(",")}
                continue
            try:
                found |= set(importlib.import_module(line).__all__)
            except ModuleNotFoundError:
                assert hasattr(importlib.import_module(parent), name), line
                found.add(name)
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_exported_name_is_documented(module: ModuleType) -> None:
    assert sorted(set(module.__all__) - documented()) == []
    for name in module.__all__:
        value = getattr(module, name)
        ours = getattr(value, "__module__", "").startswith("livetransfer")
        if ours and (inspect.isclass(value) or inspect.isroutine(value)):
            text = (value.__doc__ or "").strip()
            # A dataclass without one gets its signature.
            assert text, name
            assert not text.startswith(f"{name}("), name
