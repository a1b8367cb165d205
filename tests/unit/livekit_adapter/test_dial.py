"""Dialling on LiveKit: nothing rings on, nothing rings twice, whatever the server says and when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.api.twirp_client import ServerError, SipCallError
from livekit.protocol import sip as proto_sip

from livetransfer._livekit.signalling import dial as dial_module
from livetransfer._livekit.signalling.dial import Dial
from livetransfer._livekit.signalling.room_events import RoomEvents
from livetransfer._livekit.tasks import Tasks
from livetransfer.errors import DialFailed
from livetransfer.status import TransferStatus as S

from .livekit_fakes import fake_call

pytestmark = pytest.mark.usefixtures("clock")  # no test waits for the machine

LOST = ServerError("deadline_exceeded", "request timed out", status=408)
BUSY = SipCallError("unavailable", "", status=503, metadata={"sip_status_code": "486"})


class Attempt:
    """One dial of "human"."""

    def __init__(self, ring_timeout: float = 5.0) -> None:
        self.room, self.wire, self.events = fake_call()
        self.answers = 0
        self.tasks = Tasks()
        request = proto_sip.CreateSIPParticipantRequest(participant_identity="human")
        dial = Dial(
            self.wire,
            self.events,
            self.tasks,
            request,
            ring_timeout=ring_timeout,
            on_answer=self._on_answer,
        )
        self.task = asyncio.create_task(dial.run())

    def _on_answer(self) -> None:
        self.answers += 1

    async def joined(self) -> None:
        while "human" not in self.room.remote_participants:
            await asyncio.sleep(0.001)

    async def failure(self) -> DialFailed:
        with pytest.raises(DialFailed) as caught:
            await self.task
        return caught.value


async def test_answered_by_the_attribute_before_the_request_returns() -> None:
    it = Attempt()
    await it.joined()
    it.room.status("human", "ringing")
    it.room.status("human", "active")
    await it.task
    assert it.answers == 1
    assert not it.wire.answer.done()
    it.wire.answer.set_result(None)
    await it.tasks.aclose(1.0)
    assert it.answers == 1


async def test_answered_by_the_request_before_the_attribute() -> None:
    it = Attempt()
    await it.joined()
    it.wire.answer.set_result(None)
    await it.task
    assert it.events.has_answered("human")
    it.room.status("human", "active")
    assert it.answers == 1


async def test_busy() -> None:
    it = Attempt()
    await it.joined()
    it.wire.answer.set_exception(BUSY)
    error = await it.failure()
    assert (error.status, error.sip_code, error.indeterminate) == (S.BUSY, 486, False)


async def test_it_left_and_the_request_tells_why_a_little_later() -> None:
    it = Attempt()
    await it.joined()
    it.room.leave("human", 12)
    asyncio.get_running_loop().call_later(0.1, it.wire.answer.set_exception, BUSY)
    assert (await it.failure()).sip_code == 486


async def test_it_left_and_the_request_never_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "REASON_WITHIN", 0.05)
    it = Attempt()
    await it.joined()
    it.room.leave("human", 12)
    it.wire.there.discard("human")
    error = await it.failure()
    assert (error.status, error.indeterminate) == (S.BUSY, False)
    await it.tasks.aclose(0.0)


async def test_it_rings_too_long_for_a_server_that_does_not_care(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dial_module, "BACKSTOP", 0.0)
    it = Attempt(ring_timeout=0.1)
    await it.joined()
    error = await it.failure()
    assert (error.status, error.indeterminate) == (S.NO_ANSWER, False)
    assert "human" not in it.wire.there


async def test_keys_after_the_answer_are_not_ringing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "BACKSTOP", 0.0)
    it = Attempt(ring_timeout=0.1)
    await it.joined()
    it.room.status("human", "automation")
    await asyncio.sleep(0.15)
    it.room.status("human", "active")
    await it.task


async def test_a_lost_request_and_the_phone_was_answered() -> None:
    it = Attempt()
    await it.joined()
    it.wire.answer.set_exception(LOST)
    await asyncio.sleep(0.01)
    it.room.status("human", "active")
    await it.task
    assert it.wire.count("create_leg") == 1


async def test_a_lost_request_and_the_phone_rings_on_until_it_is_answered() -> None:
    it = Attempt()
    await it.joined()
    it.room.status("human", "ringing")
    it.wire.answer.set_exception(ConnectionResetError())
    await asyncio.sleep(0.3)
    assert not it.task.done()
    it.room.status("human", "active")
    await it.task


async def test_a_lost_request_and_no_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "ASK_ROOM", 0.1)
    monkeypatch.setattr(dial_module, "STOP_WITHIN", 0.1)
    it = Attempt()
    it.wire.fail["create_leg"].append(LOST)
    error = await it.failure()
    assert (error.status, error.indeterminate) == (S.INDETERMINATE, True)
    # Should it join now, it is hung up at once.
    it.wire.there.add("human")
    it.room.join("human")
    await asyncio.sleep(0.1)
    assert "human" not in it.wire.there
    await it.tasks.aclose(0.0)


@pytest.mark.parametrize("moment", [0.0, 0.0005, 0.002, 0.02])
@pytest.mark.parametrize("joins_late", [0.0, 0.05, 0.3])
async def test_cancelled_at_any_moment_the_leg_is_gone(moment: float, joins_late: float) -> None:
    it = Attempt()
    it.wire.joins_late = joins_late
    await asyncio.sleep(moment)
    it.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await it.task
    await asyncio.sleep(joins_late + 0.1)
    assert "human" not in it.wire.there
    await it.tasks.aclose(0.0)


async def test_removing_fails_at_first() -> None:
    it = Attempt()
    await it.joined()
    it.wire.fail["remove"] += [ServerError("internal", "", status=500)] * 2
    it.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await it.task
    assert "human" not in it.wire.there


async def test_a_leg_that_comes_back_after_the_transfer_is_hung_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restarted server knows no leg at first; then the leg is back, and would ring on."""
    monkeypatch.setattr(dial_module, "ASK_ROOM", 0.05)
    monkeypatch.setattr(dial_module, "STOP_WITHIN", 0.05)
    it = Attempt()
    await it.joined()
    it.wire.there.discard("human")
    del it.room.known["human"]
    assert it.wire.answer is not None
    it.wire.answer.set_exception(LOST)
    assert (await it.failure()).indeterminate
    await it.tasks.aclose(0.0)
    it.wire.there.add("human")
    it.room.leave("human", 2)
    it.room.join("human")
    while "human" in it.room.remote_participants:
        await asyncio.sleep(0.01)
    while it.wire.calls[-1] != ("aclose",):
        await asyncio.sleep(0.01)
    assert it.wire.count("create_leg") == 1


async def test_the_call_itself_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial_module, "STOP_WITHIN", 0.1)
    it = Attempt()
    await it.joined()
    it.room.connected = False
    it.room.emit("disconnected", 5)
    assert (await it.failure()).indeterminate
    await it.tasks.aclose(0.0)


def test_no_listener_is_left() -> None:
    async def run() -> tuple[Any, RoomEvents]:
        it = Attempt()
        await it.joined()
        before = it.room.listening
        it.wire.answer.set_result(None)
        await it.task
        assert it.room.listening == before
        it.events.close()
        return it.room, it.events

    room, events = asyncio.run(run())
    assert room.listening == 0
    assert not events._listeners
