"""request_callback: agreed on without a transfer, with the number read back, and kept once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from livekit.agents import FunctionToolsExecutedEvent
from livekit.agents.llm import ToolContext

from livetransfer import ConfigurationError
from livetransfer.fallback import OfferCallback
from livetransfer.testing import Human, ToolCall, Web, simulate
from livetransfer.tools import TransferTools

from .tools_kit import ANN, ASK, SALES, Hours, Talk, rules, talk

REQUEST = ToolCall("request_callback", {"department": "billing"})
CONFIRM = ToolCall("confirm_callback_number", {"number": "", "confirmed": True})


class Store:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    async def add(self, request: Any) -> Any:
        self.kept.append(request)
        return request


def tomorrow() -> str:
    when = datetime.now(timezone.utc) + timedelta(days=1)
    return when.replace(microsecond=0, tzinfo=None).isoformat()


def script() -> list[Any]:
    choose = ToolCall("choose_callback_time", {"when": tomorrow(), "reason": "An invoice."})
    return rules(
        SALES,
        ("call me back", REQUEST),
        ("yes, that is right", CONFIRM),
        ("tomorrow at ten", choose),
        reply="I see.",
    )


async def says(each: Talk, text: str) -> str:
    """The caller says something; return what the model's tool answers."""
    told: list[str] = []

    def on_tools(event: FunctionToolsExecutedEvent) -> None:
        told.extend(output.output for output in event.function_call_outputs)

    each.session.on("function_tools_executed", on_tools)
    each.ask(text)
    for _ in range(100):
        if told:
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)
    each.session.off("function_tools_executed", on_tools)
    (answer,) = told
    return answer


def names(tools: TransferTools) -> list[str]:
    return list(ToolContext([tools]).function_tools)


def test_it_is_there_where_a_store_is_given_and_for_who_is_closed_too() -> None:
    router = Hours()
    router.closed = {"sales": None, "billing": None}
    assert "request_callback" not in names(TransferTools(router))
    tools = TransferTools(router, callbacks=Store())
    assert names(tools) == ["transfer_call", "transfer_status", "request_callback"]
    tool: Any = ToolContext([tools]).get_function_tool("request_callback")
    parameters = tool.info.raw_schema["parameters"]
    assert parameters["properties"]["department"]["enum"] == ["sales", "billing"]


def test_a_model_whose_tools_are_fixed_has_all_from_the_start() -> None:
    tools = TransferTools(Hours(), callbacks=Store(), fixed_tools=True)
    assert set(names(tools)) >= {"request_callback", "confirm_callback_number"}


@pytest.mark.parametrize("wrong", [7, object(), Store])
def test_what_keeps_nothing_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="store"):
        TransferTools(Hours(), callbacks=wrong)


@pytest.mark.parametrize("fixed", [False, True])
async def test_it_is_agreed_on_and_kept_once(fixed: bool) -> None:
    store = Store()
    tools = TransferTools(Hours(), callbacks=store, fixed_tools=fixed)
    async with simulate() as call, talk(call, tools, script()) as each:
        told = await says(each, "please call me back about an invoice")
        assert told.startswith("Read the number back to the caller: plus 1 5 5")
        assert not store.kept
        assert "confirmed" in await says(each, "yes, that is right")
        assert "It is promised" in await says(each, "tomorrow at ten")
        (kept,) = store.kept
        assert (kept.number, kept.queue) == ("+15550199", "billing")
        assert "invoice" in (kept.summary or "")
        assert "It is promised" in await says(each, "so you call me back")
        assert len(store.kept) == 1
        assert call.leftovers() == []


async def test_a_caller_without_a_number_is_asked_for_one() -> None:
    store = Store()
    tools = TransferTools(Hours(), callbacks=store)
    async with simulate(caller=Web()) as call, talk(call, tools, script()) as each:
        told = await says(each, "please call me back")
        assert "Ask for a number" in told
        assert "Nothing was promised yet." in told


async def test_after_a_transfer_that_failed_and_not_while_one_is_made() -> None:
    store = Store()
    offer = OfferCallback(store, queue="backoffice")
    tools = TransferTools(Hours(), callbacks=offer, while_ringing="conversation")
    async with (
        simulate(humans={ANN: Human.no_answer()}) as call,
        talk(call, tools, script()) as each,
    ):
        await says(each, ASK)
        told = await says(each, "please call me back")
        assert "A transfer of this call is under way" in told
        await asyncio.sleep(60)
        told = await says(each, "now call me back")
        assert told.startswith("Read the number back")
        await says(each, "yes, that is right")
        await says(each, "tomorrow at ten")
        assert [kept.queue for kept in store.kept] == ["backoffice"]


@pytest.mark.parametrize(
    ("options", "heard"),
    [
        ({}, "I cannot arrange a callback now"),
        ({"apology": lambda outcome: f"Leider nicht ({outcome.status.value})."}, "(unavailable)"),
    ],
)
async def test_where_there_can_be_none_the_caller_hears_it_of_us(options: Any, heard: str) -> None:
    tools = TransferTools(Hours(), callbacks=Store(), caller="nobody", **options)
    lie = "Done, somebody will call you!"
    lies = rules(SALES, ("call me back", REQUEST), reply=lie)
    async with simulate() as call, talk(call, tools, lies) as each:
        told = await says(each, "please call me back")
        assert "nothing was promised" in told
        assert heard in each.said
        assert lie not in each.said


async def test_one_that_was_offered_in_the_same_turn_is_taken_back() -> None:
    router = Hours()
    router.closed = {"sales": "at 9", "billing": None}
    tools = TransferTools(router, callbacks=Store(), caller="nobody")
    both = rules([SALES, REQUEST], reply="Done, somebody will call you!")
    async with simulate() as call, talk(call, tools, both) as each:
        each.ask()
        await each.over(2)
        assert "nobody is available right now" in each.said
        assert each.said.endswith("I cannot arrange a callback now. What else can I do for you?")
        assert "Done" not in each.said


async def test_where_there_can_be_none_the_model_tells_it_where_that_is_wanted() -> None:
    tools = TransferTools(Hours(), callbacks=Store(), caller="nobody", apology=None)
    async with simulate() as call, talk(call, tools, script()) as each:
        told = await says(each, "please call me back")
        assert "nothing was promised" in told
        assert "say so" in told
        assert each.said == "I see."
