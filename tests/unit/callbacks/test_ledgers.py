"""Every store of promised calls: kept once, claimed by one, dialled once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from livetransfer import ConfigurationError, Destination
from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import CallbackLedger
from livetransfer.media import Media

from .rigs import BEGAN, NUMBER, Rig, promised

S = CallbackStatus


async def dialling(rig: Rig, key: str = "c1", job: str = "job") -> None:
    """Bring one so far that its caller is dialled."""
    await rig.ledger.claim("runner", limit=10, seconds=30)
    assert await rig.ledger.take(key, job, room="room", seconds=30)
    assert await rig.ledger.dialling(key, job)


async def test_it_is_a_ledger(rig: Rig) -> None:
    assert isinstance(rig.ledger, CallbackLedger)


async def test_what_is_promised_is_kept_as_it_is(rig: Rig) -> None:
    media = Media(encryption="require", codecs=["PCMA"])
    destination = Destination(
        "sip:200@pbx.example.com", trunk_id="ST_1", headers={"X-A": "b"}, media=media
    )
    request = promised(
        destination=destination,
        queue="billing",
        timezone="Europe/Berlin",
        attempts=2,
        call="room-7",
        priority=3,
        place=2,
    )
    await rig.ledger.add(request)
    found = await rig.other.get("c1")
    assert found is not None
    assert found.due == BEGAN
    assert (found.calls, found.owner, found.until, found.room) == (0, None, None, None)
    (entry,) = found.request.history
    assert entry.status == S.WAITING
    assert found.request == type(request)(**{**vars(request), "history": (entry,)})


async def test_a_promise_is_kept_once(rig: Rig) -> None:
    await rig.ledger.add(promised())
    again = await rig.other.add(promised(reason="Something else."))
    assert again.reason == "The invoice is wrong."
    assert len(await rig.ledger.find()) == 1
    assert len((await rig.ledger.find())[0].request.history) == 1


async def test_one_that_is_asked_for_again_after_it_was_made_is_not_made_again(rig: Rig) -> None:
    await rig.ledger.add(promised())
    await dialling(rig)
    assert await rig.ledger.end("c1", "job", S.DONE)
    assert (await rig.ledger.add(promised())).status == S.DONE


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"number": ""}, "number"),
        ({"not_before": BEGAN - timedelta(2), "not_after": BEGAN}, "not_after"),
        ({"status": S.DONE}, "status"),
    ],
)
async def test_what_cannot_be_kept(rig: Rig, fields: Any, field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        await rig.ledger.add(promised(**fields))
    assert not await rig.ledger.find()


async def test_what_is_due_is_claimed_by_one(rig: Rig) -> None:
    for number in range(20):
        await rig.ledger.add(promised(f"c{number}"))
    claimed = await asyncio.gather(
        *(ledger.claim("runner", limit=3, seconds=30) for ledger in (rig.ledger, rig.other) * 5)
    )
    keys = [promise.id for found in claimed for promise in found]
    assert len(keys) == len(set(keys)) == 20
    assert not await rig.ledger.claim("runner", limit=3, seconds=30)
    assert {p.status for found in claimed for p in found} == {S.CLAIMED}


async def test_the_highest_priority_then_the_oldest(rig: Rig) -> None:
    await rig.ledger.add(promised("young", made=BEGAN + timedelta(seconds=2)))
    await rig.ledger.add(promised("old"))
    await rig.ledger.add(promised("urgent", priority=5, made=BEGAN + timedelta(seconds=3)))
    first = await rig.ledger.claim("runner", limit=2, seconds=30)
    assert [promise.id for promise in first] == ["urgent", "old"]


async def test_what_is_not_due_waits(rig: Rig) -> None:
    await rig.ledger.add(promised(not_before=BEGAN + timedelta(hours=1)))
    assert not await rig.ledger.claim("runner", limit=3, seconds=30)
    rig.clock.passes(3600)
    assert await rig.ledger.claim("runner", limit=3, seconds=30)


async def test_who_dies_before_he_dials_loses_his_claim(rig: Rig) -> None:
    await rig.ledger.add(promised())
    await rig.ledger.claim("first", limit=1, seconds=30)
    assert await rig.ledger.take("c1", "job-1", room="room-1", seconds=30)
    rig.clock.passes(29)
    assert await rig.ledger.renew("c1", "job-1", seconds=30)
    rig.clock.passes(29)
    assert not await rig.other.claim("second", limit=1, seconds=30)
    rig.clock.passes(2)
    (again,) = await rig.other.claim("second", limit=1, seconds=30)
    assert again.room == "room-1"  # which has to be looked at
    assert not await rig.ledger.renew("c1", "job-1", seconds=30)
    assert not await rig.ledger.dialling("c1", "job-1")
    assert not await rig.ledger.end("c1", "job-1", S.WAITING)
    assert await rig.other.take("c1", "job-2", room="room-2", seconds=30)


async def test_one_job_of_two_has_it(rig: Rig) -> None:
    await rig.ledger.add(promised())
    assert await rig.ledger.take("c1", "early", room="room", seconds=30) is None
    await rig.ledger.claim("runner", limit=1, seconds=30)
    taken = await asyncio.gather(
        *(
            ledger.take("c1", f"job-{number}", room=f"room-{number}", seconds=30)
            for number, ledger in enumerate((rig.ledger, rig.other) * 3)
        )
    )
    (mine,) = [promise for promise in taken if promise is not None]
    assert mine.owner is not None
    assert mine.room == mine.owner.replace("job", "room")
    # Asked again by the one who has it, whose answer was lost, it is his.
    assert await rig.ledger.take("c1", mine.owner, room="room-9", seconds=30)
    assert await rig.ledger.take("c9", "job", room="room", seconds=30) is None


async def test_a_runner_does_not_dial_what_no_job_has_taken(rig: Rig) -> None:
    await rig.ledger.add(promised())
    await rig.ledger.claim("runner", limit=1, seconds=30)
    assert not await rig.ledger.dialling("c1", "runner")


async def test_what_is_dialling_is_never_claimed_again(rig: Rig) -> None:
    await rig.ledger.add(promised())
    await dialling(rig)
    assert not await rig.ledger.dialling("c1", "job")
    rig.clock.passes(7 * 3600)
    assert not await rig.other.claim("second", limit=1, seconds=30)
    (left,) = await rig.other.left_dialling()
    assert (left.id, left.calls, left.room, left.owner) == ("c1", 1, "room", "job")
    assert await rig.other.end("c1", "job", S.INDETERMINATE, reason="its room is gone")
    assert not await rig.ledger.end("c1", "job", S.DONE)
    found = await rig.ledger.get("c1")
    assert found is not None
    assert [entry.status for entry in found.request.history] == [
        S.WAITING,
        S.CLAIMED,
        S.DIALLING,
        S.INDETERMINATE,
    ]
    assert found.request.history[-1].reason == "its room is gone"


async def test_what_is_dialled_and_renewed_is_not_left(rig: Rig) -> None:
    await rig.ledger.add(promised())
    await dialling(rig)
    rig.clock.passes(20)
    assert await rig.ledger.renew("c1", "job", seconds=30)
    rig.clock.passes(20)
    assert not await rig.other.left_dialling()


async def test_nobody_answered_it_is_made_again_later(rig: Rig) -> None:
    await rig.ledger.add(promised())
    await dialling(rig)
    due = BEGAN + timedelta(minutes=10)
    assert await rig.ledger.end("c1", "job", S.WAITING, reason="no answer", due=due)
    assert not await rig.ledger.claim("runner", limit=1, seconds=30)
    rig.clock.passes(601)
    (again,) = await rig.ledger.claim("runner", limit=1, seconds=30)
    assert again.calls == 1
    assert not await rig.ledger.end("c1", "nobody", S.WAITING)


async def test_a_window_that_is_over(rig: Rig) -> None:
    await rig.ledger.add(promised("waits"))
    await rig.ledger.add(promised("dials"))
    await dialling(rig, "dials")
    assert await rig.ledger.end("waits", "runner", S.WAITING)
    rig.clock.passes(8 * 3600)
    assert not await rig.ledger.claim("runner", limit=5, seconds=30)
    (over,) = await rig.ledger.sweep()
    assert (over.id, over.status) == ("waits", S.FAILED)
    assert over.request.history[-1].reason == "its window is over"
    assert not await rig.other.sweep()
    assert [left.id for left in await rig.ledger.left_dialling()] == ["dials"]


async def test_it_is_cancelled_until_it_is_dialled(rig: Rig) -> None:
    for key in ("a", "b", "c"):
        await rig.ledger.add(promised(key))
    cancelled = await rig.ledger.cancel("a", reason="he said so")
    assert cancelled is not None
    assert cancelled.status == S.CANCELLED
    assert not await rig.ledger.take("a", "job", room="room", seconds=30)
    await dialling(rig, "b")
    assert await rig.other.take("c", "job-c", room="room", seconds=30)
    under_way = await rig.ledger.cancel("b")
    assert under_way is not None
    assert under_way.status == S.DIALLING
    assert await rig.ledger.cancel("c")
    assert not await rig.other.dialling("c", "job-c")
    assert await rig.ledger.cancel("nobody") is None


async def test_who_calls_in_again_is_not_called_back(rig: Rig) -> None:
    await rig.ledger.add(promised("a"))
    await rig.ledger.add(promised("b", number="+15550198"))
    await rig.ledger.add(promised("c"))
    found = await rig.other.cancel_number(NUMBER, reason="he called again")
    assert sorted(promise.id for promise in found) == ["a", "c"]
    assert {promise.status for promise in found} == {S.CANCELLED}
    assert not await rig.other.cancel_number(NUMBER)
    assert [p.id for p in await rig.ledger.claim("runner", limit=5, seconds=30)] == ["b"]


async def test_it_is_made_again_where_somebody_says_so(rig: Rig) -> None:
    await rig.ledger.add(promised())
    later, end = BEGAN + timedelta(days=1), BEGAN + timedelta(days=1, hours=1)
    waiting = await rig.ledger.retry("c1", due=later, not_after=end)
    assert waiting is not None
    assert waiting.due == BEGAN  # it waits anyway
    await dialling(rig)
    assert await rig.ledger.end("c1", "job", S.FAILED)
    again = await rig.ledger.retry("c1", due=later, not_after=end)
    assert again is not None
    assert (again.status, again.due, again.calls) == (S.WAITING, later, 0)
    assert again.request.not_after == end
    assert await rig.ledger.retry("nobody", due=later, not_after=end) is None
    with pytest.raises(ConfigurationError, match="not_after"):
        await rig.ledger.retry("c1", due=later, not_after=BEGAN)


async def test_what_is_personal_is_dropped_in_time(rig: Rig) -> None:
    await rig.ledger.add(promised("a"))
    await rig.ledger.add(promised("b"))
    await rig.ledger.cancel("a")
    rig.clock.passes(3600)
    assert await rig.ledger.forget(BEGAN) == 0
    assert await rig.ledger.forget(BEGAN + timedelta(minutes=1)) == 1
    assert await rig.ledger.forget(BEGAN + timedelta(minutes=1)) == 0
    found = await rig.ledger.get("a")
    assert found is not None
    request = found.request
    assert (request.number, request.reason, request.summary) == ("", "", None)
    assert request.status == S.CANCELLED
    assert [promise.id for promise in await rig.ledger.find(number=NUMBER)] == ["b"]
    later = BEGAN + timedelta(days=1)
    kept = await rig.ledger.retry("a", due=later, not_after=later + timedelta(hours=1))
    assert kept is not None
    assert kept.status == S.CANCELLED  # there is no number to call


async def test_they_are_found(rig: Rig) -> None:
    await rig.ledger.add(promised("late", not_before=BEGAN + timedelta(hours=2)))
    await rig.ledger.add(promised("soon", number="+15550198"))
    await rig.ledger.cancel("late")
    assert [promise.id for promise in await rig.ledger.find()] == ["soon", "late"]
    assert [p.id for p in await rig.ledger.find(statuses=[S.CANCELLED, S.DONE])] == ["late"]
    assert [p.id for p in await rig.ledger.find(number="+15550198")] == ["soon"]
    assert [promise.id for promise in await rig.ledger.find(limit=1)] == ["soon"]
