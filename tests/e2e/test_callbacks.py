"""Callbacks on real calls: promised by the AI, given out by a runner, made by a worker's job."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from livetransfer.callback_request import CallbackRequest, CallbackStatus
from livetransfer.callbacks import (
    CallbackEvent,
    CallbackRunner,
    LiveKitDispatcher,
    SqlCallbackStore,
)

from . import cast, tones
from .backoffice import Backoffice
from .behaviour import Answer, NeverAnswer, Reject, Script
from .call import Call
from .callback_agent import FOLDER, ledger
from .conftest import PhoneFactory
from .judge import VOICES_APART_AFTER, heard, nothing_of_the_ai
from .phone import Phone
from .stack import Stack
from .switchboard import PATIENCE, Reports, Switchboard
from .worker import Worker

SPOKEN = 1.0
JOINING = 0.6
"""Seconds that joining the two may take, until it is written down."""


@dataclass
class Callbacks:
    """A worker that serves callers and callbacks, a runner, and who is called."""

    worker: Worker
    ledger: SqlCallbackStore
    rooms: LiveKitDispatcher
    caller: Phone
    human: Phone
    events: list[CallbackEvent]

    async def until(self, status: CallbackStatus, within: float = PATIENCE) -> Any:
        """Wait until the one promise stands so."""
        give_up = time.monotonic() + within
        while True:
            found = await self.ledger.find()
            if found and found[0].status is status:
                return found[0]
            if time.monotonic() > give_up:
                raise TimeoutError(f"{found} is not {status}\n{self.worker.tail()}")
            await asyncio.sleep(0.05)

    async def no_room(self, within: float = PATIENCE) -> None:
        """Wait until the callback's room is gone."""
        room = (await self.worker.wait("callback")).fields["room"]
        give_up = time.monotonic() + within
        while await self.rooms.look(room) is not None:
            assert time.monotonic() < give_up, "the room was left"
            await asyncio.sleep(0.05)


@asynccontextmanager
async def callbacks(
    stack: Stack,
    office: Backoffice,
    phone: PhoneFactory,
    folder: Path,
    *,
    agent_name: str,
    caller: Script,
    **options: Any,
) -> AsyncIterator[Callbacks]:
    """Start the worker and the runner."""
    phones = await phone(caller), await phone(Answer(after=0.5))
    plan = {
        "trunk_id": await office.trunk(phones[0].address),
        "to": {"address": "+15550100", "trunk_id": await office.trunk(phones[1].address)},
        "options": options,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    worker = Worker(
        stack,
        f"{__package__}.callback_agent",
        agent_name,
        folder,
        env={FOLDER: str(folder)},
    )
    env = stack.env
    rooms = LiveKitDispatcher(
        agent_name,
        url=env["LIVEKIT_URL"],
        key=env["LIVEKIT_API_KEY"],
        secret=env["LIVEKIT_API_SECRET"],
    )
    events: list[CallbackEvent] = []
    kept = ledger(folder)
    runner = CallbackRunner(kept, rooms, every=0.5, on_event=events.append)
    await worker.start_async()
    running = asyncio.create_task(runner.run())
    try:
        yield Callbacks(worker, kept, rooms, *phones, events)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await rooms.aclose()
        await kept.aclose()
        await worker.stop_async(within=5)


async def takes_it(human: Call) -> None:
    """The human hears whom to call back, and says yes."""
    await human.hears(cast.BRIEFING, PATIENCE)
    await asyncio.sleep(0.3)
    await human.say(tones.tone(cast.YES, SPOKEN))


async def test_a_callback_from_the_promise_to_the_end(
    stack: Stack, office: Backoffice, phone: PhoneFactory, tmp_path: Path
) -> None:
    """The AI promises it; the human is briefed, the caller dialled, and the two talk."""
    answers = Answer(after=1.0, tone=cast.CALLER)
    named = callbacks(stack, office, phone, tmp_path, agent_name="callbacks", caller=answers)
    async with named as it, AsyncExitStack() as exits:
        board = Switchboard(stack, office, Reports(it.worker), exits)
        step = {"kind": "warm", "options": {}, "offers": "callback", "model": "calls back"}
        call = await board.call([Reject(486)], transfers=[step])
        await call.ask()
        await call.outcome()
        await call.caller.hears(cast.SORRY, PATIENCE)
        await call.caller.stops_hearing(cast.SORRY, PATIENCE)
        read_back = asyncio.ensure_future(call.caller.hears(cast.GREETING, PATIENCE))
        await call.caller.say(tones.tone(cast.NUMBER, 1.0))
        await read_back
        await call.caller.stops_hearing(cast.GREETING, PATIENCE)
        promise = asyncio.ensure_future(call.caller.hears(cast.BACK, PATIENCE))
        await call.caller.say(tones.tone(cast.YES, 1.0))
        await promise
        await call.caller.hang_up()

        human = await it.human.next_call(PATIENCE)
        assert not it.caller.call_ids, "the caller is rung before the human has agreed"
        await takes_it(human)
        caller = await it.caller.next_call(PATIENCE)
        human.tone(cast.HUMAN)
        await human.hears(cast.MUSIC, PATIENCE)  # what he hears while it rings
        greeted = await caller.hears(cast.BACK, PATIENCE)
        answered = caller.at("answered")
        assert answered is not None
        print(f"hears who calls {greeted - answered:.2f} s after the answer")
        assert greeted - answered < 1.0
        joined = max(
            await asyncio.gather(
                caller.hears(cast.HUMAN, PATIENCE), human.hears(cast.CALLER, PATIENCE)
            )
        )
        print(f"talks {joined - answered:.2f} s after the answer")
        await it.until(CallbackStatus.DONE)
        (end,) = it.worker.reports("event")[-1:]
        apart = answered + VOICES_APART_AFTER, end.at - JOINING
        assert apart[1] - apart[0] > 1.0
        assert heard(caller, [cast.HUMAN], *apart) == 0
        assert heard(human, [cast.CALLER], *apart) == 0
        print(
            "around the caller's answer the two heard "
            f"{heard(caller, [cast.HUMAN], 0.0, apart[0])} and "
            f"{heard(human, [cast.CALLER], 0.0, apart[0])} ms of each other"
        )
        await asyncio.sleep(1.0)
        nothing_of_the_ai([caller, human], joined + 0.3)
        assert heard(caller, [cast.BRIEFING, cast.MUSIC, cast.ANNOUNCED], 0.0) == 0
        assert heard(human, [cast.BACK], 0.0) == 0
        await human.hang_up()
        await caller.wait("ended", 3.0)
        assert caller.ended_by == "them"
        await it.no_room()
        assert (await it.ledger.find())[0].calls == 1
        kinds = [each.fields["name"] for each in it.worker.reports("event")]
        assert kinds == ["CallbackTaken", "CallerDialled", "CallerAnswered", "CallbackEnded"]


@pytest.mark.slow
async def test_a_worker_without_a_name_and_a_caller_who_does_not_answer(
    stack: Stack, office: Backoffice, phone: PhoneFactory, tmp_path: Path
) -> None:
    """Automatic dispatch brings the job; the human is told, and he is called again later."""
    nameless = callbacks(
        stack,
        office,
        phone,
        tmp_path,
        agent_name="",
        caller=NeverAnswer(),
        caller_ring_timeout=2.0,
    )
    async with nameless as it:
        now = await promised(it)
        human = await it.human.next_call(PATIENCE)
        await takes_it(human)
        caller = await it.caller.next_call(PATIENCE)
        await human.hears(cast.MUSIC, PATIENCE)
        await human.hears(cast.SORRY, PATIENCE)
        ended = await caller.wait("ended", PATIENCE)
        assert caller.ended_with == "CANCEL", ended
        await human.wait("ended", PATIENCE)
        promise = await it.until(CallbackStatus.WAITING)
        assert promise.calls == 1
        assert promise.due > now + timedelta(minutes=4)
        await it.no_room()
        assert len(it.worker.reports("callback")) == 1, "a second job"


async def promised(it: Callbacks) -> datetime:
    """A call is promised, for now."""
    now = datetime.now(timezone.utc)
    hour = timedelta(hours=1)
    await it.ledger.add(
        CallbackRequest("c1", "+442079460000", not_before=now, not_after=now + hour)
    )
    return now


@pytest.mark.slow
async def test_a_worker_that_dies_while_the_caller_is_dialled(
    stack: Stack, office: Backoffice, phone: PhoneFactory, tmp_path: Path
) -> None:
    """Nobody is left ringing or alone, and nobody is dialled again: it is told."""
    dies = callbacks(
        stack, office, phone, tmp_path, agent_name="dying-callbacks", caller=NeverAnswer()
    )
    async with dies as it:
        await promised(it)
        human = await it.human.next_call(PATIENCE)
        await takes_it(human)
        caller = await it.caller.next_call(PATIENCE)
        await human.hears(cast.MUSIC, PATIENCE)
        await it.worker.kill_async()
        died = time.monotonic()
        await it.until(CallbackStatus.INDETERMINATE, 150)
        await asyncio.gather(caller.wait("ended", 10), human.wait("ended", 10))
        print(f"found after {time.monotonic() - died:.0f} s")
        await it.no_room()
        await asyncio.sleep(2.0)
        assert len(it.caller.call_ids) == 1
        assert [type(each).__name__ for each in it.events][-1] == "CallbackEnded"


@pytest.mark.slow
async def test_the_caller_first(
    stack: Stack, office: Backoffice, phone: PhoneFactory, tmp_path: Path
) -> None:
    """The AI is with the caller while the human is rung, and the two talk."""
    first = callbacks(
        stack,
        office,
        phone,
        tmp_path,
        agent_name="caller-first",
        caller=Answer(after=1.0),
        first="caller",
    )
    async with first as it:
        await promised(it)
        caller = await it.caller.next_call(PATIENCE)
        assert not it.human.call_ids
        await caller.hears(cast.BACK, PATIENCE)
        human = await it.human.next_call(PATIENCE)
        await takes_it(human)
        caller.tone(cast.CALLER)
        human.tone(cast.HUMAN)
        await asyncio.gather(caller.hears(cast.HUMAN, PATIENCE), human.hears(cast.CALLER, PATIENCE))
        await human.hang_up()
        await caller.wait("ended", 5.0)
        await it.until(CallbackStatus.DONE)
        await it.no_room()
