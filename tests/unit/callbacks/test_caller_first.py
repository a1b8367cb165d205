"""A callback whose caller is called first: the AI is with him while the human is rung."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession

from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import make_callback
from livetransfer.testing import Human
from livetransfer.testing.parties import HangUp, Say, Wait, WaitForBridge

from .kit import ANN, CALLER, session
from .test_make import Stage, stage


async def make(it: Stage, to: Any = ANN, **options: Any) -> Any:
    """Make it, with a session on the caller's line."""
    talking = session()

    async def start(found: AgentSession[Any], identity: str) -> None:
        it.call.attach(found)
        await found.start(Agent(instructions="Be kind."))

    outcome = await make_callback(
        it.job,  # type: ignore[arg-type]
        it.ledger,
        to,
        session=talking,
        agent=Agent(instructions="Be kind."),
        first="caller",
        start=start,
        on_event=it.events.append,
        **options,
    )
    await talking.aclose()
    return outcome


async def test_the_caller_is_called_then_the_human(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Human(3.0, (Say("Hello?"), WaitForBridge(), Wait(3.0), HangUp()))
    async with stage(monkeypatch, caller) as it:
        outcome = await make(it)
        assert outcome.status is it.status is CallbackStatus.DONE
        human, phone = it.call.human(ANN), it.call.human(CALLER)
        assert phone.rings[0].at < human.rings[0].at
        assert "asked us to call you back" in phone.heard_text
        assert phone.heard("hold-music")
        assert not human.on_the_line
        assert it.job.deleted == ["room-1"]


async def test_where_no_human_is_there_the_ai_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, Human(3.0, (Say("Hello?"),)), Human.busy()) as it:
        making = asyncio.ensure_future(make(it))
        while not it.call.human(ANN).rings:
            await asyncio.sleep(0.1)
        await asyncio.sleep(10.0)
        assert not making.done()
        assert it.call.human(CALLER).on_the_line
        it.call.human(CALLER).hang_up()
        assert (await making).status is CallbackStatus.DONE


async def test_a_caller_who_does_not_answer_costs_no_human_his_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch, Human.no_answer()) as it:
        outcome = await make(it)
        assert outcome.status is it.status is CallbackStatus.WAITING
        assert not it.call.human(ANN).rings
