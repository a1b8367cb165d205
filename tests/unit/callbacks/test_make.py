"""A callback in its job: the human, the caller, the bridge, and what is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from livetransfer import DestinationGuard
from livetransfer.answer_class import AnswerClass
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.callbacks import (
    CallAgain,
    CallbackEnded,
    CallbackEvent,
    CallbackOutcome,
    CallbackTaken,
    CallerAnswered,
    CallerDialled,
    make_callback,
    wall,
)
from livetransfer.errors import ConfigurationError
from livetransfer.testing import Human, Simulation, simulate
from livetransfer.testing.parties import HangUp, Say, Wait, WaitForBridge

from .kit import ANN, BEGAN, BOB, CALLER, Job, Ledger, request, session, wall_clock

WAITING, DONE, FAILED = CallbackStatus.WAITING, CallbackStatus.DONE, CallbackStatus.FAILED
ANSWERS = Human(3.0, (Say("Hello?"), WaitForBridge(), Wait(4.0), HangUp()))
TAKES = Human.accepts(after=2.0, then=(Wait(60.0),))


@dataclass
class Stage:
    """One simulated callback."""

    call: Simulation
    ledger: Ledger
    job: Job
    events: list[CallbackEvent] = field(default_factory=list)

    async def make(self, to: Any = ANN, **options: Any) -> CallbackOutcome:
        """Make it, as the job does."""
        return await make_callback(
            self.job,  # type: ignore[arg-type]
            self.ledger,
            to,
            session=session(),
            on_event=self.events.append,
            **options,
        )

    @property
    def status(self) -> CallbackStatus:
        """How it stands."""
        return self.ledger.promises["c1"].status


@asynccontextmanager
async def stage(
    monkeypatch: pytest.MonkeyPatch,
    caller: Human = ANSWERS,
    human: Human = TAKES,
    asked: CallbackRequest | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    """A callback that a runner has claimed, and the job that it was given to."""
    humans = {ANN: human, BOB: Human.accepts(), CALLER: caller}
    async with simulate(humans=humans, caller=CALLER, caller_away=True, **options) as call:
        with wall_clock(monkeypatch):
            ledger = Ledger(asked or request())
            assert await ledger.claim("runner-1", limit=1, seconds=60)
            yield Stage(call, ledger, Job())
    assert call.leftovers() == []


async def test_the_human_is_briefed_then_the_caller_is_dialled_then_they_talk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch) as it:
        outcome = await it.make()
        human, caller = it.call.human(ANN), it.call.human(CALLER)
        assert outcome.status is it.status is DONE, outcome
        assert outcome.done
        assert "4711" in human.heard_text
        assert "The invoice is wrong." in human.heard_text
        assert "asked us to call you back" in caller.heard_text
        # Neither heard what was meant for the other.
        assert "4711" not in caller.heard_text
        assert "asked us to call you back" not in human.heard_text
        assert human.heard("hold-music"), "he does not hear that it rings"
        assert not caller.heard("hold-music")
        assert caller.rings[0].at > (human.rings[0].answered_at or 99)
        assert it.job.deleted == ["room-1"]
    kinds = [type(event) for event in it.events]
    assert kinds == [CallbackTaken, CallerDialled, CallerAnswered, CallbackEnded]
