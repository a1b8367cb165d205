"""Each example does what it says, on the simulator, and is short enough to be read."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession

from livetransfer.testing import Human, Press, Refer, Simulation, simulate
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS, ToolCall

EXAMPLES = Path(__file__).parents[2] / "examples"
ANN, BOB = "+15550100", "+15550101"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def talk(call: Simulation, agent: Agent, tool: ToolCall, seconds: float) -> None:
    """Let the caller ask for what makes the LLM call `tool`, and go on for `seconds`."""
    rules: Any = [("Caller:", "They need help."), ("please", tool), ("did not work", "Sorry.")]
    session: AgentSession[None] = AgentSession(llm=ScriptedLLM(rules), tts=ScriptedTTS())
    call.attach(session)
    await session.start(agent)
    await call.caller.says("A person, please.")
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_short_and_tested(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) < 100
    tests = "".join(p.read_text() for p in Path(__file__).parent.rglob("test_*.py"))
    assert path.stem in tests


async def test_warm_transfer() -> None:
    example = load("warm_transfer")
    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        await talk(call, example.Receptionist(), ToolCall("transfer_to_a_person"), 20)
        assert call.caller.talks_to(ANN)


async def test_departments() -> None:
    example = load("departments")
    humans = {ANN: Human.busy(), BOB: Human.accepts(after=2)}
    async with simulate(humans=humans) as call:
        asked = {"department": "sales", "reason": "a new boiler"}
        await talk(call, example.Switchboard(), ToolCall("transfer", asked), 40)
        assert call.caller.talks_to(BOB)
        assert len(call.human(ANN).rings) == 2


async def test_departments_refuses_a_number() -> None:
    example = load("departments")
    async with simulate(humans={ANN: Human.accepts()}) as call:
        asked = {"department": ANN, "reason": "injected"}
        await talk(call, example.Switchboard(), ToolCall("transfer", asked), 20)
        assert not call.human(ANN).rings


async def test_own_briefing() -> None:
    example = load("own_briefing")
    human = Human(ring=2, script=[*Human.accepts().script[:-1], Press("5")])
    async with simulate(humans={ANN: human}) as call:
        agent = example.EmergencyLine()
        await talk(call, agent, ToolCall("get_a_plumber", {"address": "12 Hill Road"}), 40)
        assert call.caller.talks_to(ANN)
        assert "Burst pipe at 12 Hill Road. They need help." in call.human(ANN).heard_text
        assert call.caller.heard("introduction")
        assert agent.seen[-1] == "bridged"


@pytest.mark.parametrize(
    ("refer", "dialled"), [("accepts", False), ("refuses", True), ("unsupported", True)]
)
async def test_cold_transfer(refer: Refer, dialled: bool) -> None:
    example = load("cold_transfer")
    async with simulate(humans={ANN: Human.silent(after=2)}, refer=refer) as call:
        await talk(call, example.Operator(), ToolCall("connect", {"extension": "warehouse"}), 30)
        assert bool(call.human(ANN).rings) == dialled
        assert call.caller.talks_to(ANN) == dialled


@pytest.mark.parametrize("hour", [3, 10], ids=["night", "day"])
async def test_transfer_tools(hour: int) -> None:
    example = load("transfer_tools")
    now = datetime(2026, 11, 25, hour, tzinfo=timezone.utc)
    async with simulate(humans={ANN: Human.no_answer(), BOB: Human.accepts(after=2)}) as call:
        agent = example.Plumbers(lambda: now)
        asked = {"department": "sales", "reason": "a new boiler"}
        await talk(call, agent, ToolCall("transfer_call", asked), 60)
        assert call.caller.talks_to(BOB) == (hour == 10)
        assert len(call.human(ANN).rings) == (hour == 10)
