"""The events of one transfer, with everything in it that a record can hold."""

from datetime import datetime, timezone
from functools import reduce

from livetransfer import (
    AnswerClass,
    Attempt,
    AttemptEnded,
    BriefingEnded,
    CallEnd,
    CallEnded,
    ComfortHeard,
    Destination,
    DestinationRefused,
    EndedBy,
    FallbackDecided,
    HoldEnded,
    HoldMusicProblem,
    HoldStarted,
    HookFailed,
    OfferMade,
    Phase,
    PhaseChanged,
    PhoneAnswered,
    PhoneClassified,
    PhoneDialled,
    PhoneEnded,
    PhoneJoined,
    PhoneRang,
    Said,
    StoreChanged,
    SummaryWritten,
    TransferEnded,
    TransferEvent,
    TransferOutcome,
    TransferStarted,
    TransferStatus,
    WaitingInQueue,
)
from livetransfer.record import TransferRecord
from livetransfer.record.events_to_record import told

BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=timezone.utc)
ANNA = Destination("+15550101", name="Anna")
BEN = Destination("sip:ben@pbx.example.com", name="Ben")
CARD = "4111 1111 1111 1111"

BUSY = Attempt(ANNA, TransferStatus.BUSY, 486, "Busy Here", human_identity="human-a", tries=1)
TAKEN = Attempt(BEN, TransferStatus.BRIDGED, human_identity="human-b", seconds_on_hold=14.0)
OUTCOME = TransferOutcome(
    TransferStatus.BRIDGED,
    BEN,
    "human-b",
    attempts=(BUSY, TAKEN),
    summary=f"They want to pay with {CARD}.",
    timings={"holding": 1.0, "total": 20.0},
    mode="shared_room",
)

STORY: list[TransferEvent] = [
    TransferStarted(0.0, "warm", "sip_+15550123", "phone", "+15550123", "a@b", "call-_+15550123_x"),
    PhaseChanged(0.0, Phase.IDLE, Phase.ANNOUNCING),
    HoldStarted(2.0, "the built-in clip"),
    PhaseChanged(2.0, Phase.ANNOUNCING, Phase.HOLDING),
    WaitingInQueue(2.1, "billing", 2, 40.0),
    PhaseChanged(2.1, Phase.HOLDING, Phase.WAITING),
    WaitingInQueue(4.0, "billing", 1, 20.0),
    DestinationRefused(4.5, Destination("+4490012345678"), "premium-rate numbers are refused"),
    OfferMade(5.0, (ANNA,), "billing", ("anna",)),
    PhaseChanged(5.0, Phase.WAITING, Phase.DIALLING, ANNA),
    PhoneDialled(5.0, "human-a", ANNA),
    PhoneEnded(5.6, "human-a", TransferStatus.BUSY, 486, "Busy Here"),
    AttemptEnded(5.7, BUSY),
    FallbackDecided(5.7, "next", "busy, and there is another"),
    OfferMade(6.0, (BEN,), "billing", ("ben",)),
    PhoneDialled(6.0, "human-b", BEN),
    PhoneRang(6.9, "human-b"),
    PhaseChanged(6.9, Phase.DIALLING, Phase.RINGING, BEN),
    SummaryWritten(7.0, f"They want to pay with {CARD}."),
    ComfortHeard(8.0, "We are still trying."),
    PhoneAnswered(10.9, "human-b", "xyz@pbx"),
    PhoneClassified(11.5, "human-b", AnswerClass.PERSON),
    PhaseChanged(10.9, Phase.RINGING, Phase.BRIEFING, BEN),
    StoreChanged(11.9, False, "it does not answer"),
    HookFailed(12.0, "greeting", "raised ValueError: +15550123", "the usual one is said"),
    HoldMusicProblem(12.5, "404"),
    BriefingEnded(
        16.0,
        "human-b",
        "accepted",
        (
            Said(11.2, "ai", "Hello, I have a caller for you."),
            Said(13.0, "human", "What is their password?"),
            Said(14.0, "ai", "swordfish"),
            Said(15.0, "human", "Fine, put them through."),
        ),
        ({"type": "llm_usage", "model": "m", "input_tokens": 210, "output_tokens": 30},),
    ),
    PhaseChanged(16.0, Phase.BRIEFING, Phase.BRIDGING, BEN),
    PhoneJoined(16.1, "human-b", "shared_room"),
    HoldEnded(16.1, longest_silence=0.12),
    PhaseChanged(16.2, Phase.BRIDGING, Phase.BRIDGED, BEN),
    TransferEnded(20.0, OUTCOME),
    CallEnded(80.0, CallEnd(EndedBy.HUMAN, 63.9)),
]


USUAL: list[TransferEvent] = [
    TransferStarted(0.0, "warm", "sip_+15550123", "phone", "+15550123", "a@b", "call-_+15550123_x"),
    PhaseChanged(0.0, Phase.IDLE, Phase.ANNOUNCING),
    HoldStarted(2.0, "the built-in clip"),
    PhaseChanged(2.0, Phase.ANNOUNCING, Phase.HOLDING),
    OfferMade(2.0, (BEN,)),
    PhaseChanged(2.0, Phase.HOLDING, Phase.DIALLING, BEN),
    PhoneDialled(2.0, "human-b", BEN),
    PhoneRang(2.9, "human-b"),
    PhaseChanged(2.9, Phase.DIALLING, Phase.RINGING, BEN),
    SummaryWritten(4.0, "Their last order was charged twice, and they would like a refund."),
    PhoneAnswered(10.9, "human-b", "xyz@pbx"),
    PhaseChanged(10.9, Phase.RINGING, Phase.BRIEFING, BEN),
    PhoneClassified(11.5, "human-b", AnswerClass.PERSON),
    BriefingEnded(
        16.0,
        "human-b",
        "accepted",
        (
            Said(11.2, "ai", "Hello, I have a caller for you. Their last order was charged twice."),
            Said(13.0, "human", "Which order is that?"),
            Said(14.0, "ai", "It is order 10045, of last week."),
            Said(15.0, "human", "Fine, put them through."),
        ),
        ({"type": "llm_usage", "model": "m", "input_tokens": 210, "output_tokens": 30},),
    ),
    PhaseChanged(16.0, Phase.BRIEFING, Phase.BRIDGING, BEN),
    PhoneJoined(16.1, "human-b", "shared_room"),
    HoldEnded(16.1, longest_silence=0.12),
    PhaseChanged(16.2, Phase.BRIDGING, Phase.BRIDGED, BEN),
    TransferEnded(
        16.3,
        TransferOutcome(
            TransferStatus.BRIDGED,
            BEN,
            "human-b",
            attempts=(TAKEN,),
            summary="Their last order was charged twice, and they would like a refund.",
            timings={"holding": 1.0, "total": 16.3},
            mode="shared_room",
        ),
    ),
    CallEnded(80.0, CallEnd(EndedBy.HUMAN, 63.9)),
]
"""What most transfers tell: one phone, one briefing."""


def blank() -> TransferRecord:
    return TransferRecord(id="r1", began=BEGAN)


def recorded(events: list[TransferEvent]) -> TransferRecord:
    return reduce(told, events, blank())
