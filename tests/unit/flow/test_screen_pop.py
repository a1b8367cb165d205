"""The summary that a human's PBX gets with the call: short, filtered, and not waited for long."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest

from livetransfer import BriefingAgent, ColdTransfer, Destination, SummaryWritten, WarmTransfer
from livetransfer.testing import Human, simulate
from livetransfer.testing.models import Script
from tests.unit.transfers import ASK, RULES, rig

ANN = "+15550100"
WITH_HEADER = Destination(ANN, headers={"X-Queue": "a"}, summary_header="X-Transfer-Summary")
SECRET = ASK + ", my card is 4111 1111 1111 1111 and my number is +15550177"


def sent(call: Any, verb: str = "dial") -> dict[str, str]:
    """The headers of the first dial or REFER, decoded."""
    args = next(c.args for c in call.calls if c.name == verb)
    headers = args["destination"].headers if verb == "dial" else args["headers"]
    return {name: unquote(value) for name, value in headers.items()}


@pytest.mark.parametrize("kind", ["warm", "cold", "refer"])
async def test_it_goes_with_the_call(kind: str) -> None:
    events: list[Any] = []
    transfer: Any = WarmTransfer(WITH_HEADER, on_event=events.append)
    if kind != "warm":
        method: Any = "dial" if kind == "cold" else "refer"
        transfer = ColdTransfer(WITH_HEADER, method=method, on_event=events.append)
    async with simulate(humans={ANN: Human.accepts()}) as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.succeeded
        assert sent(call, "refer" if kind == "refer" else "dial") == {
            "X-Queue": "a",
            "X-Transfer-Summary": "The caller wants a person.",
        }
        assert outcome.summary == "The caller wants a person."
        assert len([e for e in events if isinstance(e, SummaryWritten)]) == 1


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
async def test_a_model_that_is_slow_is_not_waited_for(cold: bool) -> None:
    transfer: Any = ColdTransfer(WITH_HEADER, method="dial") if cold else WarmTransfer(WITH_HEADER)

    script = Script(RULES)

    async def rules(chat_ctx: Any, tools: Any) -> Any:
        if "Write what a colleague" in (chat_ctx.messages()[0].text_content or ""):
            await asyncio.sleep(30)
        return await script.reply(chat_ctx, tools)

    async with simulate(humans={ANN: Human.accepts()}) as call, rig(call, transfer.run, rules) as r:
        r.ask(SECRET)
        while not call.count("dial"):
            await asyncio.sleep(0.1)
        dial = next(c for c in call.calls if c.name == "dial")
        hold = next(c for c in call.calls if c.name == "open_audio")
        assert dial.at - hold.at < 3.0
        text = sent(call)["X-Transfer-Summary"]
        assert text.startswith("The caller said: I want to talk to a person, my card is")
        assert "4111" not in text
        assert "+15550177" in text  # who has to call back needs it


async def test_a_summary_of_the_applications_own_is_filtered_too() -> None:
    class Own(BriefingAgent):
        async def summarise(self, chat_ctx: Any) -> str:
            return "Card 4111 1111 1111 1111.\r\nX-Evil: 1\r\n" + "and so on " * 90

    transfer = WarmTransfer(WITH_HEADER, briefing=Own())
    async with simulate(humans={ANN: Human.accepts()}) as call, rig(call, transfer.run) as r:
        r.ask()
        await r.outcome()
        headers = next(c.args for c in call.calls if c.name == "dial")["destination"].headers
        assert set(headers) == {"X-Queue", "X-Transfer-Summary"}
        text = headers["X-Transfer-Summary"]
        assert "4111" not in text
        assert len(text) <= 200
        assert "\n" not in text


async def test_who_has_no_such_header_waits_for_nothing() -> None:
    transfer = ColdTransfer(ANN, method="dial")
    async with simulate(humans={ANN: Human.accepts()}) as call, rig(call, transfer.run) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.summary is None
        assert not sent(call)
        assert not any("Write what" in str(q.chat_ctx.items[0]) for q in r.llm.requests)


async def test_the_call_ids_of_both_legs() -> None:
    async with (
        simulate(humans={ANN: [Human.busy(), Human.accepts()]}) as call,
        rig(call, WarmTransfer(ANN).run) as r,
    ):
        r.ask()
        failed = await r.outcome()
        assert failed.caller_call_id == f"{call.caller.leg.identity}@simulation"
        assert failed.human_call_id is None
        await asyncio.sleep(10)
        r.ask()
        outcome = await r.outcome(1)
        assert outcome.human_call_id == f"{outcome.human_identity}@simulation"
        assert outcome.to_dict()["human_call_id"] == outcome.human_call_id
