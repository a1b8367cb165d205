"""Outcomes, attempts, events and errors are data: JSON, copies, pickles, dictionaries."""

import asyncio
import copy
import dataclasses
import json
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any, get_args

import pytest
from livekit import api
from livekit.protocol.sip import SIPOutboundConfig

import livetransfer
from livetransfer import (
    AnswerClass,
    Attempt,
    AttemptEnded,
    CallEnd,
    CallEnded,
    Destination,
    EndedBy,
    TransferEnded,
    TransferFailed,
    TransferOutcome,
    TransferStatus,
    WarmTransferError,
    WarmTransferFailure,
)
from livetransfer.events import TransferEvent, to_dict
from livetransfer.legs import Leg
from livetransfer.outcome import Ending

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda one: pickle.loads(pickle.dumps(one)),
}


class NeedsTwo(Exception):
    """Its arguments do not make it again."""

    def __init__(self, code: int, *, where: str) -> None:
        super().__init__(f"{code} at {where}")


class HoldsALock(Exception):
    """What it holds cannot be copied."""

    def __init__(self) -> None:
        super().__init__("locked")
        self.lock = threading.Lock()


CAUSES: dict[str, BaseException] = {
    "plain": OSError(5, "gone"),
    "arguments": NeedsTwo(7, where="here"),
    "a lock": HoldsALock(),
    "a server's": api.TwirpError("unavailable", "no", status=503),
    "ours": livetransfer.DialFailed("busy", status=TransferStatus.BUSY, sip_code=486),
    "cancelled": asyncio.CancelledError(),
}
CONNECTION = SIPOutboundConfig(hostname="pbx.example.com")


def attempts(count: int, cause: BaseException | None = None) -> tuple[Attempt, ...]:
    made: list[Attempt] = []
    for number in range(count):
        made.append(
            Attempt(
                Destination(f"+1555010{number:02}", headers={"X-Try": str(number)}),
                TransferStatus.BUSY,
                486,
                "Busy Here",
                answered_by=AnswerClass.VOICEMAIL,
                earlier=tuple(made),
                cause=cause,
            )
        )
    return tuple(made)


def outcome(cause: BaseException | None = None, count: int = 2) -> TransferOutcome:
    return TransferOutcome(
        TransferStatus.FAILED,
        Destination("+15550100", name="billing", sip_connection=CONNECTION),
        attempts=attempts(count, cause),
        timings={"holding": 1.5, "total": 2.0},
        cause=cause,
        _end=Ending(None),
    )


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES.keys())
def test_an_outcome_can_be_copied_with_any_error(cause: BaseException, way: Any) -> None:
    made = outcome(cause)
    again = way(made)
    assert again == made
    assert again.to_dict() == made.to_dict()
    assert again.attempts[1].earlier == made.attempts[:1]
    assert again.cause is not None
    assert str(again.cause) in (str(cause), f"{type(cause).__name__}: {cause}")
    for event in (AttemptEnded(1.0, made.attempts[0]), TransferEnded(2.0, made)):
        assert way(event) == event
        assert json.loads(json.dumps(to_dict(event))) == to_dict(way(event))


@pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES.keys())
def test_asdict_has_the_words_of_any_error(cause: BaseException) -> None:
    found = dataclasses.asdict(TransferEnded(2.0, outcome(cause)))["outcome"]
    assert found["_cause"] == f"{type(cause).__name__}: {cause}"
    assert found["attempts"][0]["_cause"] == found["_cause"]
    assert found["timings"] == {"holding": 1.5, "total": 2.0}


def test_the_error_is_the_one_that_was_raised() -> None:
    error = HoldsALock()
    made = outcome(error)
    assert made.cause is error
    assert dataclasses.replace(made, hung_up=True).cause is error
    assert copy.deepcopy(made).cause is error
    with pytest.raises(TransferFailed) as caught:
        made.raise_for_status()
    assert caught.value.__cause__ is error
    assert isinstance(pickle.loads(pickle.dumps(made)).cause, RuntimeError)
    assert pickle.loads(pickle.dumps(outcome())).cause is None


def test_many_attempts_are_copied_and_shown_at_once() -> None:
    """Each attempt names those before it: told in full by each, thirty would be a billion."""
    made = outcome(count=30)
    began = time.process_time()
    dataclasses.asdict(made)
    assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made))
    json.dumps(made.to_dict())
    assert time.process_time() - began < 2.0
    assert [len(one.earlier) for one in made.attempts] == list(range(30))
    assert made.attempts[-1].earlier == made.attempts[:-1]


EVENTS: list[TransferEvent] = [
    livetransfer.PhaseChanged(0.1, livetransfer.Phase.IDLE, livetransfer.Phase.ANNOUNCING),
    livetransfer.OfferMade(0.2, (Destination("+15550100"), Destination("+15550101")), "billing"),
    livetransfer.WaitingInQueue(0.3, "billing", 2, None),
    livetransfer.SummaryWritten(0.4, "They ask for a refund."),
    livetransfer.DestinationRefused(0.5, Destination("sip:a@example.com"), "not allowed"),
    livetransfer.HoldMusicProblem(0.6, "404"),
    livetransfer.HookFailed(0.7, "router", "raised", "nobody is rung"),
    CallEnded(9.0, CallEnd(EndedBy.HUMAN, 4.0)),
    livetransfer.TransferStarted(0.0, "warm", "caller", caller_number="+15550123", room="room-1"),
    livetransfer.PhoneDialled(1.0, "human-1", Destination("+15550100")),
    livetransfer.PhoneRang(1.5, "human-1"),
    livetransfer.PhoneAnswered(2.0, "human-1", "abc@pbx"),
    livetransfer.PhoneClassified(2.5, "human-1", AnswerClass.PERSON),
    livetransfer.PhoneJoined(5.0, "human-1", "shared_room"),
    livetransfer.PhoneEnded(3.0, "human-1", TransferStatus.BUSY, 486, "Busy Here"),
    livetransfer.BriefingEnded(
        4.0,
        "human-1",
        "accepted",
        (livetransfer.Said(2.2, "ai", "Hello."), livetransfer.Said(3.1, "human", "Yes.")),
        ({"type": "llm_usage", "input_tokens": 12},),
    ),
    livetransfer.FallbackDecided(3.1, "retry", "busy", after=5.0),
    livetransfer.OfferDecided(40.0, "callback", "made"),
    livetransfer.StoreChanged(41.0, available=False, reason="refused"),
    livetransfer.HoldStarted(0.5, "builtin"),
    livetransfer.ComfortHeard(10.5, "Still trying."),
    livetransfer.HoldEnded(12.0, longest_silence=0.2),
]


def test_every_event_is_tried() -> None:
    assert {type(event) for event in EVENTS} | {AttemptEnded, TransferEnded} == set(
        get_args(TransferEvent)
    )


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_data(event: TransferEvent) -> None:
    for way in WAYS.values():
        assert way(event) == event
    found = to_dict(event)
    assert found["event"] == type(event).__name__
    assert json.loads(json.dumps(found)) == found
    assert dataclasses.asdict(event)["at"] == event.at


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_errors_can_be_copied_and_pickled(way: Any) -> None:
    found: list[Exception] = [
        livetransfer.TransferError("it"),
        livetransfer.DestinationError("address", "+1", "write more"),
        livetransfer.UnknownDestinationError("department", "x", "name another"),
        livetransfer.DestinationNotAllowedError("address", "+1", "it is outside"),
        livetransfer.ConfigurationError("guard", 3, "give a guard"),
        livetransfer.CallerNotFoundError("nobody"),
        livetransfer.TransferInProgressError("wait"),
        livetransfer.StoreUnavailableError("no"),
        livetransfer.DialFailed("no", status=TransferStatus.BUSY, sip_code=486, sip_reason="Busy"),
        livetransfer.ReferFailed("no", status=TransferStatus.DECLINED, target_reached=True),
        livetransfer.BridgeFailed("no", status=TransferStatus.FAILED, indeterminate=True),
        livetransfer.SealFailed("no", status=TransferStatus.FAILED),
        TransferFailed(outcome(HoldsALock())),
        WarmTransferError("no", code=WarmTransferFailure.FAILED, outcome=outcome(HoldsALock())),
    ]
    public = [getattr(livetransfer, name) for name in livetransfer.__all__]
    errors = {one for one in public if isinstance(one, type) and issubclass(one, Exception)}
    assert errors - {livetransfer.CallControlError} == {type(error) for error in found}
    for error in found:
        again = way(error)
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)


def test_an_end_that_is_pickled_is_over() -> None:
    async def scene() -> None:
        future: asyncio.Future[CallEnd] = asyncio.get_running_loop().create_future()
        made = dataclasses.replace(outcome(), status=TransferStatus.BRIDGED, _end=Ending(future))
        copied = copy.deepcopy(made)
        future.set_result(CallEnd(EndedBy.CALLER, 3.0))
        assert await copied.ended() == CallEnd(EndedBy.CALLER, 3.0)
        assert (await pickle.loads(pickle.dumps(made)).ended()).by is EndedBy.NOBODY

    asyncio.run(scene())


def test_a_leg_is_data() -> None:
    leg = Leg("human-1", Destination("+15550100"))
    assert pickle.loads(pickle.dumps(leg)) == copy.deepcopy(leg) == leg
