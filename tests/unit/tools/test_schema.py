"""What a model is told that it may ask for: the departments as they are at that turn."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest
from livekit.agents.llm import ToolContext

from livetransfer import (
    ColdTransfer,
    ConfigurationError,
    On,
    Otherwise,
    Retry,
    Router,
    TakeMessage,
    TransferOptions,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.routing import Opening
from livetransfer.testing import simulate
from livetransfer.tools import TransferTools
from livetransfer.tools.options import OWN, ToolOptions

from .tools_kit import ANN, SALES, Hours, listed, rules, schema, talk


def test_every_department_with_its_sentence() -> None:
    tools = TransferTools(Hours(), when="Only after the caller's name is known.")
    found = schema(tools)
    assert found is not None
    assert listed(tools) == ["sales", "billing"]
    assert found["parameters"]["required"] == ["department", "reason"]
    assert found["parameters"]["additionalProperties"] is False
    text = found["description"]
    assert "- sales: Prices and new orders.\n- billing: Invoices." in text
    assert "Only after the caller's name is known." in text
    assert "Never\nsay that the caller is connected" in text
    assert ANN not in str(found)


def test_a_closed_department_says_so_and_cannot_be_named() -> None:
    router = Hours()
    tools = TransferTools(router)
    router.closed["billing"] = "Monday 09:00"
    assert listed(tools) == ["sales"]
    found = schema(tools)
    assert found is not None
    assert "- billing: Invoices. Closed now; opens Monday 09:00." in found["description"]


def test_where_none_is_open_none_can_be_named_and_both_tools_say_why() -> None:
    router = Hours()
    tools = TransferTools(router)
    router.closed = {"billing": None, "sales": "at 9"}
    found = schema(tools)
    assert found is not None
    assert found["parameters"]["properties"] == {}
    assert "Nobody can be transferred to now" in found["description"]
    assert "- sales: Prices and new orders. Closed now; opens at 9." in found["description"]
    status = schema(tools, "transfer_status")
    assert status is not None
    assert "- sales: Prices and new orders. Closed now; opens at 9." in status["description"]
    assert "- billing: Invoices. Closed now." in status["description"]


def test_a_model_whose_tools_are_fixed_sees_all() -> None:
    router = Hours()
    router.closed["billing"] = None
    assert listed(TransferTools(router, fixed_tools=True)) == ["sales", "billing"]


def test_the_tools_are_the_same_objects_until_something_changes() -> None:
    router = Hours()
    tools = TransferTools(router)
    assert ToolContext([tools]) == ToolContext([tools])
    router.closed["billing"] = None
    before = list(tools.tools)
    router.closed.clear()
    assert before != list(tools.tools)


def test_warm_or_cold_as_the_model_chooses() -> None:
    found = schema(TransferTools(Hours(), kind={"billing": "either"}))
    assert found is not None
    assert found["parameters"]["properties"]["how"]["enum"] == ["warm", "cold"]
    plain = schema(TransferTools(Hours(), kind={"billing": "cold"}))
    assert plain is not None
    assert "how" not in plain["parameters"]["properties"]


async def test_now_is_evaluated_at_every_turn() -> None:
    router = Hours()
    seen: list[list[str]] = []

    def model(chat_ctx: Any, tools: list[Any]) -> str:
        transfer: Any = ToolContext(tools).get_function_tool("transfer_call")
        names = transfer.info.raw_schema["parameters"]["properties"].get("department", {})
        seen.append(names.get("enum", []))
        return "Yes."

    async with simulate() as call, talk(call, TransferTools(router), model) as each:
        for closed in ({"sales": None, "billing": None}, {"billing": None}, {}):
            router.closed = dict(closed)
            await each.session.generate_reply(user_input="hello")
    assert seen == [[], ["sales"], ["sales", "billing"]]


@pytest.mark.parametrize("wrong", [None, {"sales": True}, RuntimeError("the store is down")])
async def test_a_router_that_cannot_say_changes_nothing(wrong: Any) -> None:
    router = Hours()
    tools = TransferTools(router)
    router.closed["billing"] = None
    assert listed(tools) == ["sales"]

    def openings(now: Any = None) -> Any:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    router.openings = openings  # type: ignore[method-assign]
    assert listed(tools) == ["sales"]
    assert listed(TransferTools(router)) == ["sales", "billing"]


def test_a_map_will_do_and_a_subclass_may_add_tools() -> None:
    from livekit.agents import function_tool

    class More(TransferTools):
        @function_tool
        async def opening_hours(self) -> str:
            """When are you open?"""
            return "always"

    tools = More({"sales": ANN}, kind="cold", method="dial")
    names = list(ToolContext([tools]).function_tools)
    assert names == ["opening_hours", "transfer_call", "transfer_status"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"kind": "tepid"}, "kind"),
        ({"kind": {"sails": "warm"}}, "kind"),
        ({"apology": "sorry"}, "apology"),
        ({"when": 7}, "when"),
        ({"departmnt": "x"}, "departmnt"),
        ({"ring_timeout": 0}, "ring_timeout"),
        ({"method": "dial"}, "method"),
        ({"kind": "cold", "briefing_timeout": 9}, "briefing_timeout"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(options: Any, field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        TransferTools(Hours(), **options)


def test_the_options_are_those_of_both_transfers() -> None:
    both = {
        name
        for kind in (WarmTransfer, ColdTransfer)
        for name in inspect.signature(kind.__init__).parameters
    }
    assert set(ToolOptions.__annotations__) == (both | set(TransferOptions.__annotations__)) - OWN


async def test_what_the_router_says_of_the_kind_comes_first() -> None:
    class Says(Router):
        def openings(self, now: Any = None) -> dict[str, Opening]:
            return {"sales": Opening(kind="cold")}

    async with (
        simulate() as call,
        talk(call, TransferTools(Says({"sales": ANN}), method="refer"), rules(SALES)) as each,
    ):
        each.ask()
        await each.over()
        assert call.count("refer") == 1
        assert call.caller.referred_to == f"tel:{ANN}"


def test_hints_can_be_read() -> None:
    assert "kind" in get_type_hints(TransferTools.__init__)


def test_a_model_whose_tools_are_fixed_has_those_of_the_fallback_from_the_start() -> None:
    policy = On({TransferStatus.BUSY}, Retry()) | Otherwise(TakeMessage(print))
    fixed = TransferTools(Hours(), fixed_tools=True, fallback=policy)
    names = set(ToolContext([fixed]).function_tools)
    assert {"take_message", "decline_message", "transfer_call"} <= names
    assert "choose_callback_time" not in names
    others = ToolContext([TransferTools(Hours(), fallback=policy)]).function_tools
    assert "take_message" not in others
