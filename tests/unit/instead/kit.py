"""A simulated call whose transfer fails, and a model that goes on with a callback or a message."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents.llm import FunctionCallOutput

from livetransfer.testing import ToolCall
from tests.unit.transfers import Rig

ANN = "+15550100"
CALLBACK = ("confirm_callback_number", "choose_callback_time", "decline_callback")
MESSAGE = ("take_message", "decline_message")


def confirm(number: str = "", *, confirmed: bool = False) -> ToolCall:
    return ToolCall("confirm_callback_number", {"number": number, "confirmed": confirmed})


def choose(when: str = "soon") -> ToolCall:
    return ToolCall("choose_callback_time", {"when": when, "reason": "An order."})


def take(text: str = "Please call about the order.", name: str = "", number: str = "") -> ToolCall:
    return ToolCall("take_message", {"message": text, "name": name, "number": number})


RULES: list[Any] = [
    ("Caller:.*talk to a person", "The caller wants a person."),
    ("talk to a person", ToolCall("transfer")),
    ("transfer did not work|technical problem", "Nobody is free. Shall we call you back?"),
    ("my number", confirm()),
    ("that is right", confirm(confirmed=True)),
    ("at once", [confirm(), confirm(confirmed=True)]),
    ("as soon", choose()),
    ("twice", [choose(), choose()]),
    ("no thanks", ToolCall("decline_callback")),
    ("tell them", take()),
    ("nothing to say", ToolCall("decline_message")),
]


class Store:
    """Keeps what it is asked to keep, or does what a test wants."""

    def __init__(self, *does: Any) -> None:
        self.kept: list[Any] = []
        self._does = list(does)

    async def add(self, request: Any) -> Any:
        what = self._does.pop(0) if self._does else None
        if isinstance(what, BaseException):
            raise what
        if what is not None:
            await asyncio.sleep(what)
        self.kept.append(request)
        return request


def outputs(rig: Rig) -> list[str]:
    """What the model's tools have returned, in order."""
    items = rig.session.history.items
    return [item.output for item in items if isinstance(item, FunctionCallOutput)]


def has(rig: Rig, names: tuple[str, ...]) -> bool:
    """Whether the model has had these tools in its last request."""
    return set(names) <= set(rig.llm.script.requests[-1].tools)


async def says(rig: Rig, text: str, seconds: float = 3.0) -> str:
    """The caller says something; return what the last tool has returned then."""
    rig.session.generate_reply(user_input=text)
    await asyncio.sleep(seconds)
    found = outputs(rig)
    return found[-1] if found else ""
