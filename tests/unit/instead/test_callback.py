"""After a transfer that failed the AI offers a callback: read back, chosen, and kept once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, RunContext, function_tool

from livetransfer import (
    FallbackDecided,
    OfferCallback,
    OfferDecided,
    On,
    Otherwise,
    TransferEvent,
    TransferStatus,
    TransferTools,
    WarmTransfer,
)
from livetransfer.instead import FallbackTools
from livetransfer.record import Records
from livetransfer.testing import Human, ScriptedLLM, ScriptedTTS, simulate
from tests.unit.transfers import Rig, rig

from .kit import ANN, CALLBACK, RULES, Store, choose, confirm, has, outputs, says

CALLER = "+15550199"
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livetransfer.instead.times.now", lambda: NOON)


@contextlib.asynccontextmanager
async def offered(
    store: Store, *, rules: Any = RULES, caller: Any = CALLER, told: Any = None, **more: Any
) -> AsyncIterator[Rig]:
    """A call whose transfer has failed with a busy line, so that a callback is offered."""
    transfer = WarmTransfer(
        ANN, fallback=Otherwise(OfferCallback(store, **more)), on_event=told, announcement=None
    )
    async with simulate(humans={ANN: Human.busy()}, caller=caller) as call:
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.offers == "callback"
            assert outcome.caller_present
            await asyncio.sleep(4)
            yield r


async def test_a_callback_from_the_busy_line_to_the_promise() -> None:
    store, told = Store(), list[TransferEvent]()
    async with offered(store, told=told.append) as r:
        assert "Offer the caller to be called back" in outputs(r)[0]
        assert "Shall we call you back?" in " ".join(r.tts.spoken)
        back = await says(r, "use my number")
        assert has(r, CALLBACK)
        assert "plus 1 5 5, 5 0 1, 9 9" in back
        assert "Ask when" in await says(r, "yes that is right")
        promise = await says(r, "as soon as you can")
        assert "It is promised" in promise
        assert "today at 12:00" in promise
        kept = store.kept[0]
        assert kept.number == CALLER
        assert (kept.not_before, kept.not_after) == (NOON, NOON + timedelta(hours=1))
        assert "person" in kept.summary
        # It is decided: the tools are gone, and the AI knows what it has promised.
        await says(r, "my number again")
        assert not has(r, CALLBACK[:1])
        assert "was promised a callback" in str(r.llm.script.requests[-1].chat_ctx.to_dict())
    assert len(store.kept) == 1
    assert [e.action for e in told if isinstance(e, FallbackDecided)] == ["offer_callback"]
    assert [e.result for e in told if isinstance(e, OfferDecided)] == ["made"]


async def test_run_returns_at_once() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        policy = Otherwise(OfferCallback(Store()))
        async with rig(call, WarmTransfer(ANN, fallback=policy).run, RULES) as r:
            r.ask()
            outcome = await r.outcome()
            busy = next(c.ended for c in call.calls if c.name == "dial")
            assert busy is not None
            assert call.now - busy < 0.2
            assert outcome.status is TransferStatus.BUSY


async def test_it_is_kept_once_however_often_it_is_asked_for() -> None:
    store = Store(0.5)
    async with offered(store) as r:
        await says(r, "use my number")
        await says(r, "yes that is right")
        await says(r, "twice please")
        promises = [text for text in outputs(r) if "It is promised" in text]
        assert len(promises) == 2
        assert promises[0] == promises[1]
        # A second transfer that fails offers no second one.
        r.ask()
        outcome = await r.outcome(1)
        assert outcome.offers is None
    assert len(store.kept) == 1


async def test_it_is_not_confirmed_in_the_breath_in_which_it_is_read_back() -> None:
    store = Store()
    async with offered(store) as r:
        await says(r, "at once")
        assert all("Read the number back" in text for text in outputs(r)[1:])
        assert "Read the number back first" in await says(r, "as soon as you can")
    assert not store.kept


async def test_a_callback_is_declined() -> None:
    store, told = Store(), list[TransferEvent]()
    async with offered(store, told=told.append) as r:
        assert "Nothing was promised" in await says(r, "no thanks")
        await says(r, "my number")
        assert not has(r, CALLBACK[:1])
    assert not store.kept
    assert [e.result for e in told if isinstance(e, OfferDecided)] == ["declined"]


async def test_it_ends_by_itself() -> None:
    told: list[TransferEvent] = []
    async with offered(Store(), told=told.append, seconds=60) as r:
        await says(r, "hm")
        assert has(r, CALLBACK)
        await asyncio.sleep(60)
        assert [e.result for e in told if isinstance(e, OfferDecided)] == ["expired"]
        await says(r, "hm")
        assert not has(r, CALLBACK[:1])


async def test_the_caller_who_hangs_up_ends_it() -> None:
    told: list[TransferEvent] = []
    async with offered(Store(), told=told.append) as r:
        r.call.caller.hang_up()
        await asyncio.sleep(1)
    assert [e.result for e in told if isinstance(e, OfferDecided)] == ["expired"]


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("5550100", "needs the country code"),
        ("+1 (800) CALL", "needs the country code"),
        ("anonymous", "needs the country code"),
        ("+1", "needs the country code"),
        ("+12345678901234567890", "needs the country code"),
        ("+88213300123", "satellite"),
        ("+1 900 234 5678", "premium-rate"),
    ],
)
async def test_numbers_that_cannot_be_called_back(number: str, why: str) -> None:
    rules = [("this one", confirm(number)), *RULES]
    async with offered(Store(), rules=rules) as r:
        answer = await says(r, "this one")
        assert why in answer
        assert "Nothing was promised" in answer


async def test_another_number_is_read_as_it_is_dialled() -> None:
    store = Store()
    rules = [
        ("yes that one", confirm("+44 20 7946 0000", confirmed=True)),
        ("that one", confirm("0044 20 7946-0000")),
        *RULES,
    ]
    async with offered(store, rules=rules) as r:
        assert "plus 4 4 2, 0 7 9, 4 6 0, 0 0 0" in await says(r, "that one")
        assert "Ask when" in await says(r, "yes that one")
        await says(r, "as soon as you can")
    assert store.kept[0].number == "+442079460000"


async def test_only_ones_own_number() -> None:
    rules = [("that one", confirm("+442079460000")), *RULES]
    async with offered(Store(), rules=rules, other_numbers=False) as r:
        assert "Only the number that the caller calls from" in await says(r, "that one")
        assert "Read the number back" in await says(r, "my number then")


async def test_a_caller_without_a_number() -> None:
    from livetransfer.testing import Web

    async with offered(Store(), caller=Web()) as r:
        assert "is not known" in await says(r, "use my number")


def open_in_the_afternoon(moment: datetime) -> bool:
    return 14 <= moment.astimezone(timezone.utc).hour < 18


class Afternoons:
    """Open from 14 to 18 o'clock UTC, every day."""

    open_at = staticmethod(open_in_the_afternoon)

    def opens_after(self, moment: datetime) -> datetime:
        utc = moment.astimezone(timezone.utc)
        return utc.replace(hour=14, minute=0) + timedelta(days=utc.hour >= 14)

    def next_change(self, moment: datetime) -> datetime:
        return moment.astimezone(timezone.utc).replace(hour=18, minute=0)


@pytest.mark.parametrize(
    ("when", "hours", "why"),
    [
        ("2026-11-26T11:00", None, "in the past"),
        ("2020-01-01T15:00", None, "in the past"),
        ("2027-11-26T15:00", None, "more than 14 days ahead"),
        ("tomorrow", None, "no date and time"),
        ("2026-11-27", None, "no date and time"),
        ("", None, "no date and time"),
        ("2026-13-27T10:00", None, "no date and time"),
        ("soon", open_in_the_afternoon, "Nobody calls back at that time"),
        ("soon", Afternoons(), "The next time is today at 14:00"),
        ("2026-11-26T20:00", Afternoons(), "The next time is tomorrow at 14:00"),
        ("soon", lambda _: 1 / 0, "cannot be found out"),
    ],
    ids=range(11),
)
async def test_times_at_which_nobody_calls(when: str, hours: Any, why: str) -> None:
    store = Store()
    rules = [("at that time", choose(when)), *RULES]
    async with offered(store, rules=rules, hours=hours) as r:
        await says(r, "use my number")
        await says(r, "yes that is right")
        assert why in await says(r, "at that time")
    assert not store.kept


async def test_the_window_ends_with_the_hours() -> None:
    store = Store()
    rules = [("at that time", choose("2026-11-26T17:30Z")), *RULES]
    async with offered(store, rules=rules, hours=Afternoons(), timezone="Europe/Berlin") as r:
        await says(r, "use my number")
        await says(r, "yes that is right")
        assert "today at 18:30" in await says(r, "at that time")
    kept = store.kept[0]
    assert kept.not_after - kept.not_before == timedelta(minutes=30)
    assert kept.timezone == "Europe/Berlin"


@pytest.mark.parametrize(
    "fails", [OSError("disk full"), LookupError("newer schema"), 60.0], ids=str
)
async def test_a_store_that_fails_promises_nothing_and_is_asked_again(fails: Any) -> None:
    store = Store(fails)
    async with offered(store) as r:
        await says(r, "use my number")
        await says(r, "yes that is right")
        answer = await says(r, "as soon as you can", 12)
        assert "nothing was promised" in answer
        assert "It is promised" in await says(r, "as soon as you can")
    assert len(store.kept) == 1


async def test_a_turn_that_is_interrupted_loses_nothing() -> None:
    store = Store(2.0)
    async with offered(store) as r:
        await says(r, "use my number")
        await says(r, "yes that is right")
        await says(r, "as soon as you can", 1.0)
        await r.session.interrupt(force=True)
        await asyncio.sleep(4)
        assert len(store.kept) == 1
        assert "was promised a callback" in str(r.session.current_agent.chat_ctx.to_dict())


async def test_another_agent_of_the_application_has_the_tools_too() -> None:
    async with offered(Store()) as r:
        r.session.update_agent(Agent(instructions="You help with orders."))
        await asyncio.sleep(2)
        await says(r, "use my number")
        assert has(r, CALLBACK)
        await says(r, "no thanks")
        r.session.update_agent(r.agent)
        await says(r, "use my number")
        assert not has(r, CALLBACK[:1])


class Fixed(Agent):
    """Has its tools from the start."""

    def __init__(self, transfer: WarmTransfer, tools: list[Any]) -> None:
        super().__init__(instructions="You help.", tools=tools)
        self._transfer = transfer

    @function_tool
    async def transfer(self, context: RunContext[Any]) -> str:
        """Transfer the caller."""
        return str(await self._transfer.run(context))


async def test_tools_that_are_there_from_the_start() -> None:
    store = Store()
    policy = On({TransferStatus.BUSY}, OfferCallback(store))
    agent = Fixed(WarmTransfer(ANN, fallback=policy), [FallbackTools(policy)])
    async with simulate(humans={ANN: Human.busy()}) as call:
        llm, tts = ScriptedLLM(RULES), ScriptedTTS()
        session: AgentSession[Any] = AgentSession(llm=llm, tts=tts)
        call.attach(session)
        await session.start(agent)
        r = Rig(call, session, agent, llm, tts)  # type: ignore[arg-type]
        assert "nothing to decide now" in await says(r, "use my number")
        r.ask()
        await asyncio.sleep(15)
        assert "Read the number back" in await says(r, "use my number")
        await says(r, "yes that is right")
        assert "It is promised" in await says(r, "as soon as you can")
        assert "It is promised" in await says(r, "as soon as you can")
        await session.aclose()
    assert len(store.kept) == 1


async def test_a_model_that_takes_no_tools_and_has_none_is_not_told_to_use_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livetransfer.instead.step._takes_tools", lambda *_: False)
    told: list[TransferEvent] = []
    transfer = WarmTransfer(ANN, fallback=Otherwise(OfferCallback(Store())), on_event=told.append)
    async with simulate(humans={ANN: Human.busy()}) as call, rig(call, transfer.run, RULES) as r:
        r.ask()
        outcome = await r.outcome()
        assert outcome.offers is None
        assert "confirm_callback_number" not in str(outcome)
    assert any(getattr(event, "hook", "") == "fallback" for event in told)


async def test_transfer_tools_offer_it_in_the_callers_words() -> None:
    from tests.unit.tools.tools_kit import rules as tools_rules
    from tests.unit.tools.tools_kit import talk

    store = Store()
    tools = TransferTools({"sales": ANN}, fallback=Otherwise(OfferCallback(store)))
    script = [*RULES[3:], *tools_rules()]
    async with simulate(humans={ANN: Human.busy()}) as call, talk(call, tools, script) as each:
        each.ask()
        await each.over()
        assert "the line is busy. Shall I have somebody call you back?" in each.said
        for text in ("use my number", "yes that is right", "as soon as you can"):
            each.ask(text)
            await asyncio.sleep(3)
    assert len(store.kept) == 1


async def test_the_record_of_the_transfer_says_what_came_of_it() -> None:
    kept: list[Any] = []
    transfer = WarmTransfer(
        ANN, fallback=Otherwise(OfferCallback(Store())), records=Records(kept.append)
    )
    async with simulate(humans={ANN: Human.busy()}) as call, rig(call, transfer.run, RULES) as r:
        r.ask()
        await r.outcome()
        await asyncio.sleep(4)
        first = len(kept)
        assert kept[-1].over
        assert kept[-1].offered is None
        for text in ("use my number", "yes that is right", "as soon as you can"):
            await says(r, text)
    assert [record.offered.result for record in kept[first:]] == ["made"]
    assert kept[-1].id == kept[first - 1].id
