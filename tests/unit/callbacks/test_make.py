"""A callback in its job: the human, the caller, the bridge, and what is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from livetransfer import Destination, DestinationGuard
from livetransfer.answer_class import AnswerClass
from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.callbacks import (
    CallAgain,
    CallbackEnded,
    CallbackEvent,
    CallbackOutcome,
    CallbackRefused,
    CallbackTaken,
    CallerAnswered,
    CallerDialled,
    called_in,
    make_callback,
)
from livetransfer.callbacks import (
    callback_course as making,
)
from livetransfer.callbacks import (
    wall_clock as wall,
)
from livetransfer.errors import ConfigurationError, DestinationNotAllowedError
from livetransfer.guard import Limits
from livetransfer.privacy import Privacy
from livetransfer.record import Records, TransferRecord
from livetransfer.stores import MemoryStore
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
        assert "May I call them now and connect you?" in human.heard_text
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


async def test_the_two_hear_each_other_only_when_both_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talks = Human.accepts(after=2.0, then=(Say("Good morning, how can I help?"), Wait(60.0)))
    calls = Human(3.0, (Wait(0.2), Say("Yes, hello?"), WaitForBridge(), Wait(5.0), HangUp()))
    async with stage(monkeypatch, calls, talks) as it:
        await it.make()
        human, caller = it.call.human(ANN), it.call.human(CALLER)
        assert "how can I help" in caller.heard_text
        joined = it.call.joins.bridged_at(human.identities[0])
        assert not human.heard(CALLER, end=joined)
        assert not caller.heard(ANN, end=joined)
        assert joined - (caller.rings[0].answered_at or 0) < 8.0


async def test_he_hears_at_once_who_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch) as it:
        await it.make(greeting=lambda asked: f"Hello, this is Acme. {asked.reason}")
        caller = it.call.human(CALLER)
        first = caller.heard("briefing")[0]
        assert first.start - (caller.rings[0].answered_at or 0) < 0.5
        assert "this is Acme. The invoice is wrong." in caller.heard_text


NO_ANSWER = Human.no_answer()
MAILBOX = Human.voicemail(after=2.0)


@pytest.mark.parametrize(
    ("caller", "why"),
    [
        pytest.param(NO_ANSWER, "no_answer", id="no answer"),
        pytest.param(Human.busy(), "busy", id="busy"),
        pytest.param(Human.rejects(), "declined", id="rejected"),
        pytest.param(Human.hangs_up(then=0.5), "human_left", id="hangs up"),
    ],
)
async def test_a_caller_who_is_not_reached_is_called_again(
    monkeypatch: pytest.MonkeyPatch, caller: Human, why: str
) -> None:
    async with stage(monkeypatch, caller) as it:
        outcome = await it.make(again=CallAgain(pauses=[600.0]))
        assert outcome.status is it.status is WAITING
        assert why in outcome.reason
        assert outcome.due is not None
        assert outcome.due == it.ledger.promises["c1"].due
        assert timedelta(seconds=590) < outcome.due - wall.now() <= timedelta(seconds=600)
        human = it.call.human(ANN)
        assert "could not be reached" in human.heard_text
        assert not human.on_the_line
        assert it.ledger.promises["c1"].calls == 1
        assert it.job.deleted == ["room-1"]


async def test_a_mailbox_is_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, MAILBOX) as it:
        outcome = await it.make()
        assert outcome.status is WAITING
        assert outcome.answered_by is AnswerClass.VOICEMAIL
        assert not it.call.human(ANN).heard(CALLER), "the human heard the mailbox"
        assert "could not be reached" in it.call.human(ANN).heard_text


async def test_a_mailbox_is_left_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, MAILBOX) as it:
        outcome = await it.make(leave_message="This is Acme. Please call us at your leisure.")
        assert outcome.status is DONE
        assert "message" in outcome.reason
        assert "at your leisure" in it.call.human(CALLER).heard_text
        assert not it.call.human(ANN).on_the_line


async def test_he_is_called_as_often_as_was_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, NO_ANSWER, asked=request(attempts=1)) as it:
        outcome = await it.make()
        assert outcome.status is it.status is FAILED
        assert "1 times" in outcome.reason


async def test_he_is_not_called_after_his_window(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(not_after=BEGAN + timedelta(minutes=5))
    async with stage(monkeypatch, NO_ANSWER, asked=asked) as it:
        outcome = await it.make(again=CallAgain(pauses=[600.0]))
        assert outcome.status is FAILED
        assert "is over" in outcome.reason


async def test_a_number_that_does_not_exist_is_not_called_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch, Human.unknown()) as it:
        outcome = await it.make()
        assert outcome.status is FAILED
        assert "could not be reached" in it.call.human(ANN).heard_text


async def test_a_human_who_declines_is_followed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch, human=Human.declines()) as it:
        outcome = await it.make([ANN, BOB])
        assert outcome.status is DONE
        assert it.call.human(BOB).rings
        assert len(it.call.human(CALLER).rings) == 1


@pytest.mark.parametrize("human", [NO_ANSWER, Human.declines(), Human.hangs_up(), MAILBOX])
async def test_without_a_human_the_caller_is_not_rung(
    monkeypatch: pytest.MonkeyPatch, human: Human
) -> None:
    async with stage(monkeypatch, human=human) as it:
        outcome = await it.make(again=CallAgain(unmanned=90.0))
        assert outcome.status is it.status is WAITING
        assert "no human was reached" in outcome.reason
        assert outcome.due is not None
        assert timedelta(seconds=80) < outcome.due - wall.now() <= timedelta(seconds=90)
        assert not it.call.human(CALLER).rings
        assert it.ledger.promises["c1"].calls == 0


async def test_a_human_who_leaves_while_it_rings_stops_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch, NO_ANSWER) as it:
        making = asyncio.ensure_future(it.make())
        caller = it.call.human(CALLER)
        while not caller.ringing:
            await asyncio.sleep(0.1)
        await asyncio.sleep(3.0)
        left = it.call.now
        it.call.human(ANN).hang_up()
        outcome = await making
        assert outcome.status is WAITING
        assert "human was lost" in outcome.reason
        assert (caller.rings[0].ended_at or 99) - left < 1.0


async def test_a_caller_whose_human_has_left_hears_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, Human(3.0, (Say("Hello?"),))) as it:
        making = asyncio.ensure_future(it.make())
        caller = it.call.human(CALLER)
        while not caller.on_the_line:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        it.call.human(ANN).hang_up()
        outcome = await making
        assert outcome.status is WAITING
        assert "We will call you again" in caller.heard_text
        assert not caller.on_the_line


@pytest.mark.parametrize("first", [ANN, CALLER])
async def test_who_stays_is_not_left_alone(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    caller = Human(3.0, (Say("Hello?"),))
    async with stage(monkeypatch, caller) as it:
        making = asyncio.ensure_future(it.make())
        await it.call.joins.joined("caller")
        await asyncio.sleep(5.0)
        left = it.call.now
        it.call.human(first).hang_up()
        outcome = await making
        assert outcome.status is DONE
        for each in (ANN, CALLER):
            assert (it.call.human(each).rings[0].ended_at or 99) - left < 1.0
        assert it.job.deleted == ["room-1"]


@pytest.mark.parametrize("after", [0.5, 2.5, 5.0, 8.0, 10.5, 13.0, 16.0, 19.0])
async def test_a_job_that_ends_leaves_nobody_and_gives_it_back(
    monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    async with stage(monkeypatch, Human(4.0, (Say("Hello?"),))) as it:
        making = asyncio.ensure_future(it.make())
        await asyncio.sleep(after)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        for each in (ANN, CALLER):
            phone = it.call.human(each)
            assert not phone.ringing
            assert not phone.on_the_line or it.status is DONE
        assert it.job.deleted == ["room-1"]
        assert it.status in (WAITING, DONE)
        if it.status is WAITING:
            assert not it.call.human(CALLER).heard(ANN)


async def test_one_that_is_cancelled_meanwhile_is_not_dialled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch) as it:
        making = asyncio.ensure_future(it.make())
        await asyncio.sleep(3.0)  # the human is being briefed
        assert await it.ledger.cancel_number(CALLER, reason="he has called in")
        outcome = await making
        assert outcome.status is None
        assert it.status is CallbackStatus.CANCELLED
        assert not it.call.human(CALLER).rings
        assert not it.call.human(ANN).on_the_line


async def test_a_caller_who_calls_in_again_is_not_called_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch) as it:
        told: list[CallbackEvent] = []
        assert await called_in(it.ledger, None, on_event=told.append) == ()
        assert await called_in(it.ledger, "+15550000", on_event=told.append) == []
        (gone,) = await called_in(it.ledger, CALLER, on_event=told.append)
        assert gone.status is it.status is CallbackStatus.CANCELLED
        assert [type(each) for each in told] == [CallbackEnded]
        assert (await it.make()).status is None


async def test_a_store_that_is_away_is_no_trouble_of_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch) as it:
        it.ledger.away = True
        assert await called_in(it.ledger, CALLER) == ()

        async def never(number: str, *, reason: str = "") -> Any:
            await asyncio.sleep(60.0)

        monkeypatch.setattr(it.ledger, "cancel_number", never)
        began = it.call.now
        assert await called_in(it.ledger, CALLER) == ()
        assert it.call.now - began < 4.0


@pytest.mark.parametrize("option", ["announcement", "hold_music", "after", "max_hold"])
async def test_options_that_it_has_itself_are_refused(
    monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    async with stage(monkeypatch) as it:
        with pytest.raises(ConfigurationError, match=option):
            await it.make(**{option: None})
        assert it.status is CallbackStatus.CLAIMED, "it was not taken"


async def test_one_that_is_lost_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, human=Human.silent()) as it:
        making = asyncio.ensure_future(it.make())
        await asyncio.sleep(3.0)
        assert await it.ledger.cancel("c1")
        outcome = await asyncio.wait_for(making, 30.0)
        assert outcome.status is None
        assert not it.call.human(ANN).on_the_line
        assert it.job.deleted == ["room-1"]


async def test_a_second_job_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch) as it:
        first = asyncio.ensure_future(it.make())
        await asyncio.sleep(0.5)
        same = Stage(it.call, it.ledger, Job(name="j2"))
        other = Stage(it.call, it.ledger, Job(name="j3", room="room-2"))
        assert (await same.make()).status is None
        assert same.job.deleted == [], "that is the room of the first"
        assert (await other.make()).status is None
        assert other.job.deleted == ["room-2"]
        assert (await first).status is DONE
        assert len(it.call.human(CALLER).rings) == 1


@pytest.mark.parametrize("number", ["anonymous", "100", "+0123", "+15550199123456789"])
async def test_a_number_that_cannot_be_called_back_fails(
    monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    async with stage(monkeypatch, asked=request(number=number)) as it:
        outcome = await it.make()
        assert outcome.status is FAILED
        assert number not in outcome.reason
        assert not it.call.human(ANN).rings


async def test_the_guard_is_asked_for_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch) as it:
        outcome = await it.make(guard=DestinationGuard(names={"ann": ANN}))
        assert outcome.status is FAILED
        assert not it.call.human(ANN).rings, "somebody was rung for nothing"


async def test_what_the_applications_code_says_of_a_number_stands_in_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Shop:
        def open_at(self, moment: Any) -> bool:
            raise KeyError(CALLER)

    def greeting(asked: CallbackRequest) -> str:
        raise KeyError(asked.number)

    async with stage(monkeypatch) as it:
        assert (await it.make(greeting=greeting, again=CallAgain(hours=Shop()))).done
    told = [record for record in caplog.records if "lk.pii.error" in vars(record)]
    said = {record.message for record in told}
    assert {"the hours of callbacks could not be asked", "a greeting could not be made"} <= said
    assert all(CALLER in vars(record)["lk.pii.error"] for record in told)
    assert CALLER not in caplog.text


async def test_a_caller_whom_the_guard_refuses_is_told_and_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[TransferRecord] = []
    async with stage(monkeypatch) as it:
        await it.make(guard=DestinationGuard(names={"ann": ANN}), records=Records(kept.append))
        await asyncio.sleep(1.0)  # no call waits for a sink
    refused = [event for event in it.events if isinstance(event, CallbackRefused)]
    assert [(event.id, event.destination.number) for event in refused] == [("c1", CALLER)]
    assert "no numbers are allowed" in refused[0].reason
    assert [type(event) for event in it.events][-1] is CallbackEnded
    (record,) = kept
    assert [note.kind for note in record.notes] == ["refused"], "no metric counts it"
    assert record.over
    assert (record.outcome or {})["status"] == "unavailable"


@pytest.mark.parametrize("limit", [1, 2], ids=["the caller", "the human"])
async def test_a_limit_that_is_reached_is_told_and_recorded(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    kept: list[TransferRecord] = []
    guard = DestinationGuard(names=[ANN, CALLER], limits=Limits(per_hour=2), store=MemoryStore())
    for _ in range(limit):
        await guard.admit(Destination(ANN))
    async with stage(monkeypatch) as it:
        outcome = await it.make(guard=guard, records=Records(kept.append))
        await asyncio.sleep(1.0)
        assert outcome.status is WAITING
    (refused,) = (event for event in it.events if isinstance(event, CallbackRefused))
    assert refused.destination.number == (CALLER if limit == 1 else ANN)
    assert [n.kind for record in kept if record.over for n in record.notes].count("refused") == 1


async def test_both_legs_are_in_records_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[TransferRecord] = []
    async with stage(monkeypatch) as it:
        assert (await it.make(records=Records(kept.append, privacy=Privacy(numbers="keep")))).done
        await asyncio.sleep(1.0)
    human, caller = sorted((r for r in kept if r.over), key=lambda record: record.number)
    assert caller.previous == human.id
    dialled = [r.attempts[0].phones[0].destination for r in (human, caller)]
    assert [(found or {})["address"] for found in dialled] == [ANN, CALLER]
    assert human.call.number == CALLER
    assert [(r.outcome or {})["status"] for r in (human, caller)] == ["bridged", "bridged"]
    assert [r.kind for r in (human, caller)] == ["warm", "callback"]


async def test_the_guard_counts_the_human_and_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = DestinationGuard(names=[ANN, CALLER], limits=Limits(per_hour=2), store=MemoryStore())
    async with stage(monkeypatch) as it:
        assert (await it.make(guard=guard)).done
        with pytest.raises(DestinationNotAllowedError, match="2 calls in an hour"):
            await guard.admit(Destination(ANN))


async def test_the_guard_counts_a_callback_as_a_call_of_its_own_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard = DestinationGuard(names=[ANN, CALLER], limits=Limits(per_caller=2), store=MemoryStore())
    async with stage(monkeypatch) as it:
        assert (await it.make(guard=guard)).done
    await guard.admit(Destination(ANN), caller=None)
    await guard.admit(Destination(ANN), caller=BOB)
    with pytest.raises(DestinationNotAllowedError, match="this caller has had 2 calls"):
        await guard.admit(Destination(ANN), caller=CALLER)


async def test_callers_who_are_called_back_do_not_use_up_each_others_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard = DestinationGuard(names=[ANN, CALLER], limits=Limits(per_caller=2), store=MemoryStore())
    for _ in range(2):
        await guard.admit(Destination(ANN), caller=None)
    async with stage(monkeypatch) as it:
        outcome = await it.make(guard=guard)
        assert outcome.done, outcome


async def test_a_missing_trunk_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch, trunk=False) as it:
        with pytest.raises(ConfigurationError, match="trunk"):
            await it.make("sip:ann@pbx.example.com")
        assert it.status is WAITING
        assert it.job.deleted == ["room-1"]


async def test_out_of_hours_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shop:
        def open_at(self, moment: Any) -> bool:
            return bool(moment >= BEGAN + timedelta(hours=1))

        def opens_after(self, moment: Any) -> Any:
            return BEGAN + timedelta(hours=1)

    async with stage(monkeypatch) as it:
        outcome = await it.make(again=CallAgain(hours=Shop()))
        assert outcome.status is WAITING
        assert outcome.due == BEGAN + timedelta(hours=1)
        assert not it.call.human(ANN).rings


async def test_what_is_not_written_down_is_not_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch) as it:
        making = asyncio.ensure_future(it.make())
        await asyncio.sleep(3.0)
        it.ledger.away = True
        while not it.call.human(ANN).heard("hold-music"):
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)
        it.ledger.away = False
        outcome = await making
        assert outcome.status is WAITING
        assert not it.call.human(CALLER).rings


async def test_the_end_is_written_down_when_the_store_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(monkeypatch, NO_ANSWER) as it:
        making = asyncio.ensure_future(it.make(caller_ring_timeout=10.0))
        while not it.call.human(CALLER).ringing:
            await asyncio.sleep(0.1)
        it.ledger.away = True
        await asyncio.sleep(20.0)
        it.ledger.away = False
        assert (await making).status is it.status is WAITING


@pytest.mark.parametrize(
    ("at", "status"),
    [
        pytest.param("connect_without_caller", WAITING, id="before he was dialled"),
        pytest.param("not_joined", CallbackStatus.INDETERMINATE, id="after it"),
    ],
)
async def test_an_error_that_nobody_thought_of_dials_nobody_twice(
    monkeypatch: pytest.MonkeyPatch, at: str, status: CallbackStatus
) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(making, at, broken)
    async with stage(monkeypatch, NO_ANSWER) as it:
        with pytest.raises(RuntimeError, match="a bug"):
            await it.make(caller_ring_timeout=5.0)
        assert it.status is status
        assert it.job.deleted == ["room-1"]
        told = it.events[-1]
        assert isinstance(told, CallbackEnded)
        assert told.status is status


async def test_a_job_for_no_callback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(monkeypatch) as it:
        it.job = Job(None)
        with pytest.raises(ConfigurationError, match="callback_of"):
            await it.make()
