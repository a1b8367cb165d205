"""The house: which module may talk to what; the rows themselves are import-linter's."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "livetransfer"
MODULES = sorted(SOURCE.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """Return a module's tree. What a collection runs in the middle of the parser can break it."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def imported(path: Path) -> set[str]:
    """Every module that a file imports from elsewhere, wherever in it that stands."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_adapter_talks_to_livekits_server() -> None:
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in MODULES
        if any(name == "livekit.api" or name.startswith("livekit.api.") for name in imported(path))
    }
    assert users == {"_livekit"}


def calls_of(path: Path, *names: str) -> dict[str, list[int]]:
    """Lines on which a control's methods of these names are called, by the function they are in."""
    found: dict[str, list[int]] = {}
    for function in ast.walk(parsed(path)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in names:
                found.setdefault(function.name, []).append(node.lineno)
    return found


def test_whoever_dials_or_refers_has_asked_the_guard() -> None:
    reaching = ("control.dial", "control.refer", "call.control.dial", "call.control.refer")
    passing_on = ("self._control.dial", "self._control.refer")
    above = [p for p in MODULES if p.relative_to(SOURCE).parts[0] not in ("_livekit", "testing")]
    dialling = {
        str(p.relative_to(SOURCE)): calls for p in above if (calls := calls_of(p, *reaching))
    }
    assert set(dialling) == {"_flow/dial_refer_bridge.py"}
    asked = calls_of(SOURCE / "_flow" / "dial_refer_bridge.py", "_admit")
    for function, lines in dialling["_flow/dial_refer_bridge.py"].items():
        assert min(asked[function]) < min(lines)
    # A view of a control passes on what was asked of it, and dials nobody by itself.
    views = {
        str(p.relative_to(SOURCE)): calls for p in above if (calls := calls_of(p, *passing_on))
    }
    assert {name: set(calls) for name, calls in views.items()} == {
        "callbacks/two_legs_of_control.py": {"dial", "refer"}
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_says_what_it_is_for_in_its_first_line(path: Path) -> None:
    first = path.read_text().split("\n", 1)[0]
    assert first.startswith('"""')
    assert len(first) > 20


def test_a_log_holds_no_error_in_its_own_words() -> None:
    """What an error says may name a number: `logged` puts it where the numbers are.

    Not what a script of the simulator raises: it is the test's own.
    """
    own = {Path("_logged.py"), Path("privacy/privacy.py"), Path("testing/scripts.py")}
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in MODULES
        if path.relative_to(SOURCE) not in own
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and (
            ast.unparse(node.func) == "logger.exception"
            or any(keyword.arg == "exc_info" for keyword in node.keywords)
        )
    ]
    assert not found


def test_a_module_can_be_held_in_the_head() -> None:
    long = {
        str(path.relative_to(SOURCE)): lines
        for path in MODULES
        if (lines := len(path.read_text().splitlines())) > 430
    }
    assert not long
