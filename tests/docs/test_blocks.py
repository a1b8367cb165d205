"""Every Python block of the docs runs, in order, on a simulated call."""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from livekit.agents import Agent, AgentSession, RunContext, function_tool
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser

import livetransfer
import livetransfer.hold
import livetransfer.testing
from livetransfer.hold.sources import fetch
from livetransfer.testing import HangUp, Human, ScriptedLLM, ScriptedTTS, ToolCall, Wait, simulate

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "```python" in page.read_text(encoding="utf-8") and page.parent.name != "tutorial"
)
NEEDS_A_ROOM = 'HoldMusicPlayer("hold.mp3").playing(room'
"""The one block that plays in a real room: tests/e2e do that."""


class Session(AgentSession[Any]):
    """A session that a block may take for a tool's context, too."""

    @property
    def session(self) -> Session:
        return self


def model() -> ScriptedLLM:
    """Asks for a person by whatever tool there is."""

    def reply(chat_ctx: Any, tools: Any) -> Any:
        if chat_ctx.items and chat_ctx.items[-1].type == "function_call_output":
            return "I am sorry."
        for tool in tools:
            if tool.id.startswith("transfer"):
                return ToolCall(tool.id)
        return "All right."

    return ScriptedLLM(reply)


class MyAgent(Agent):
    """An agent with a tool that transfers."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def transfer_to_a_person(self, context: RunContext[Any]) -> str:
        """Transfer the caller."""
        people = ["+15550100", "+15550101"]
        return str(await livetransfer.WarmTransfer(people).run(context))


async def _nothing(*_: Any, **__: Any) -> None:
    return


async def _nobody(*_: Any, **__: Any) -> list[Any]:
    return []


class Places:
    """A queue of the application's."""

    async def place_of(self, caller: object) -> int:
        return 2


def assumed() -> dict[str, Any]:
    """What a page takes for granted: the reader's own code. What it uses of others it imports."""
    return {
        "MyAgent": MyAgent,
        "agent": MyAgent(),
        "ask_the_rota": _nobody,
        "caller": None,
        "my_crm_note": _nothing,
        "queue": Places(),
        "send_to_chat": _nothing,
        "url": "https://cdn.example.com/hold.mp3",
        "your_llm": model,
    }


@asynccontextmanager
async def on_a_call(names: dict[str, Any]) -> AsyncIterator[None]:
    """A call whose session is the `context`; a `session` of the reader's that has not begun."""
    human = Human.accepts(after=1, then=[Wait(3), HangUp()])
    humans = {"+15550100": human, "+15550101": human, "sip:100@pbx.example.com": human}
    async with simulate(humans=humans) as call:
        context = Session(llm=model(), tts=ScriptedTTS())
        call.attach(context)
        await context.start(MyAgent())
        names["context"] = context
        names["session"] = Session(llm=model(), tts=ScriptedTTS())
        try:
            yield
        finally:
            await names["session"].aclose()
            await context.aclose()


async def run(source: str, names: dict[str, Any], where: str) -> None:
    """Run a block, which may await at its top level."""
    code = compile(source, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if NEEDS_A_ROOM in source:
        return
    found = eval(code, names)
    if inspect.isawaitable(found):
        await found


def shown_tests(names: dict[str, Any]) -> list[Any]:
    """The tests that a page shows; they are run like the rest."""
    return [names.pop(name) for name in list(names) if name.startswith("test_")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_every_block_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreachable(*_: Any, **__: Any) -> Any:
        raise fetch.FetchError("no network in tests")

    monkeypatch.setattr(fetch, "download", unreachable)
    monkeypatch.chdir(tmp_path)
    soundfile.write("hold.wav", np.zeros(24_000, np.int16), 24_000)
    (tmp_path / "hold.wav").rename(tmp_path / "hold.mp3")
    monkeypatch.setenv("LIVEKIT_SIP_OUTBOUND_TRUNK", "ST_docs")
    document = Sybil(parsers=[CodeBlockParser(language="python", evaluator=lambda _: None)]).parse(
        page
    )
    names = assumed()
    blocks = 0
    for example in document.examples():
        async with on_a_call(names):
            await run(str(example.parsed), names, f"{page.name}:{example.line}")
            for test in shown_tests(names):
                await test()
        blocks += 1
    assert blocks == document.text.count("```python")
