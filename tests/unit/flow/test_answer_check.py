"""What has answered where nobody is briefed: the caller is not joined with a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from livetransfer import (
    AnswerClass,
    ColdTransfer,
    ConfigurationError,
    HookFailed,
    TransferEvent,
    TransferStatus,
    WarmTransfer,
)
from livetransfer.answering import ToneAndPhraseDetector
from livetransfer.routing import Member, Queue, Team
from livetransfer.stores import MemoryStore
from livetransfer.testing import Human, Say, Simulation, Wait, WaitForBridge
from livetransfer.testing import simulate as simulated
from tests.unit.answering.answering_kit import cadence
from tests.unit.transfers import RULES, rig

from .test_answer_watch import MAILBOX, RINGING, sound, told

ANN = "+15550100"
DETECTOR = ToneAndPhraseDetector()
BUSY = Say("", audio=sound(cadence((425,), (0.5, 0.5), 8.0)), rate=8000)
HELLO = Say("Hello, Ann speaking.")


async def dialled(
    *script: Any,
    events: list[TransferEvent] | None = None,
    make: Any = None,
    **options: Any,
) -> tuple[Any, Simulation]:
    heard = [] if events is None else events
    options = {"answer_detector": DETECTOR, "ring_timeout": 20, **options}
    async with simulated(humans={ANN: Human(ring=1.0, script=tuple(script))}) as call:
        if make is None:
            transfer: Any = ColdTransfer(ANN, method="dial", on_event=heard.append, **options)
        else:
            transfer = make(on_event=heard.append, **options)
        async with rig(call, transfer.run, RULES) as r:
            r.ask()
            outcome = await r.outcome()
            await asyncio.sleep(1.0)
    return outcome, call


def waited(outcome: Any, call: Simulation) -> float:
    """Return for how many seconds the phone was answered before it was joined."""
    return float(outcome.timings["ringing"]) - 1.0


async def test_a_mailbox_is_an_attempt_that_failed_and_nobody_is_joined_with_it() -> None:
    events: list[TransferEvent] = []
    outcome, call = await dialled(MAILBOX, MAILBOX, MAILBOX, Wait(30.0), events=events)
    assert outcome.status is TransferStatus.VOICEMAIL
    assert outcome.attempts[0].answered_by is AnswerClass.VOICEMAIL
    assert told(events) == ["voicemail"]
    assert not call.human(ANN).heard("caller")


async def test_a_busy_tone_is_busy() -> None:
    outcome, _ = await dialled(BUSY, Wait(10.0))
    assert outcome.status is TransferStatus.BUSY


@pytest.mark.parametrize(
    ("script", "seconds"), [((HELLO, WaitForBridge()), 2.3), ((WaitForBridge(),), 2.7)]
)
async def test_a_person_is_joined_soon(script: Sequence[Any], seconds: float) -> None:
    outcome, call = await dialled(*script)
    assert outcome.bridged, outcome
    assert waited(outcome, call) < seconds


async def test_without_a_detector_nobody_waits() -> None:
    outcome, call = await dialled(HELLO, WaitForBridge(), answer_detector=None)
    assert outcome.bridged
    assert waited(outcome, call) < 0.5


async def test_a_provider_that_answers_early_is_waited_for() -> None:
    events: list[TransferEvent] = []
    outcome, _ = await dialled(RINGING, HELLO, WaitForBridge(), events=events)
    assert outcome.bridged, outcome
    assert told(events)[0] == "ringback"


async def test_ringing_on_is_no_answer() -> None:
    endless = Say("", audio=sound(cadence((440, 480), (2.0, 4.0), 60.0)), rate=8000)
    outcome, _ = await dialled(endless, ring_timeout=12)
    assert outcome.status is TransferStatus.NO_ANSWER
    assert outcome.attempts[0].answered_by is AnswerClass.RINGBACK


def team(**options: Any) -> WarmTransfer:
    members = [Member("ann", ANN, method="cold")]
    desk = Team(members, [Queue("desk", members=["ann"])], store=MemoryStore())
    return WarmTransfer(desk, **options)


async def test_a_member_who_is_not_briefed_is_no_mailbox_where_a_detector_is_given() -> None:
    outcome, _ = await dialled(MAILBOX, MAILBOX, MAILBOX, Wait(30.0), make=team, max_attempts=1)
    assert outcome.attempts[0].answered_by is AnswerClass.VOICEMAIL


class Broken:
    """Fails as soon as something is pushed."""

    def begin(self, *, on_change: Any = None) -> Any:
        raise RuntimeError("no model")


async def test_a_detector_that_fails_joins_the_caller_and_an_event_says_so() -> None:
    events: list[TransferEvent] = []
    outcome, _ = await dialled(HELLO, WaitForBridge(), events=events, answer_detector=Broken())
    assert outcome.bridged
    assert [e.hook for e in events if isinstance(e, HookFailed)] == ["answer_detector"]


def test_what_is_no_detector_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="answer_detector"):
        ColdTransfer(ANN, answer_detector="yes")  # type: ignore[arg-type]
