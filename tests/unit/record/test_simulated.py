"""The record of a whole simulated transfer tells what has happened."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from livetransfer import (
    BriefingAgent,
    ConfigurationError,
    FallbackPolicy,
    HoldMusicPlayer,
    TransferOutcome,
    WarmTransfer,
)
from livetransfer.cold import ColdTransfer
from livetransfer.hold import Comfort
from livetransfer.privacy import Privacy
from livetransfer.record import JsonLinesSink, Records, published_schema, read_records
from livetransfer.testing import HangUp, Human, Say, Wait, WaitForBridge, WaitForSpeech, simulate
from livetransfer.testing.models import ScriptedLLM, ScriptedTTS
from tests.unit.transfers import RULES, rig

ANN, BOB = "+15550100", "+15550101"
VALIDATOR = jsonschema.Draft202012Validator(published_schema())


def told(path: Path) -> list[dict[str, Any]]:
    """Return the records in a file, which are valid and hold no number."""
    found = [json.loads(record.to_json()) for record in read_records(path)]
    for data in found:
        VALIDATOR.validate(data)
    assert "155501" not in path.read_text()
    return found


async def test_busy_then_joined(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records = Records(JsonLinesSink(path))
    script = (WaitForSpeech(), Say("Yes, put them through."), WaitForBridge(), Wait(5.0), HangUp())
    humans = {ANN: Human.busy(), BOB: Human(ring=2.0, script=script)}
    music = HoldMusicPlayer(comfort=Comfort(lines=["Thank you for waiting."], every=1.0))
    async with simulate(humans=humans) as call:
        transfer = WarmTransfer([ANN, BOB], records=records, hold_music=music)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged, outcome
            assert outcome.record.state == "handed_over"
            assert outcome.record.briefings[0].verdict == "accepted"
            await outcome.ended()
            await records.flush()
    (data,) = told(path)
    assert data["state"] == "ended"
    record = outcome.record
    assert json.loads(record.to_json()) == data
    assert (record.kind, record.call.caller, record.call.room) == (
        "warm",
        call.caller.leg.identity,
        call.name,
    )
    assert [attempt.status for attempt in record.attempts] == ["busy", "bridged"]
    busy, joined = record.attempts[0].phones[0], record.attempts[1].phones[0]
    assert (busy.sip_code, busy.status, busy.answered) == (486, "busy", None)
    assert joined.ring == pytest.approx(2.0, abs=0.2)
    assert joined.joined > joined.answered > joined.rang >= joined.dialled
    assert record.end is not None
    assert joined.talk == record.end.seconds > 4
    assert record.attempts[0].decision.action == "next"
    assert [line.by for line in record.briefings[0].said][:2] == ["ai", "human"]
    (hold,) = record.hold
    assert hold.longest_silence == max(hold.longest_silence, 0.0) < 0.3
    assert hold.at + hold.seconds == pytest.approx(joined.joined, abs=0.01)
    assert [(heard.what, heard.text) for heard in hold.heard[:2]] == [
        ("music", "the built-in clip HOLD_MUSIC"),
        ("comfort", "Thank you for waiting."),
    ]
    assert record.hold_seconds > 2


@pytest.mark.parametrize("human", [Human.no_answer(), Human.declines()], ids=["rings", "declines"])
async def test_a_failure_is_final_at_once(tmp_path: Path, human: Human) -> None:
    path = tmp_path / "records.jsonl"
    records = Records(JsonLinesSink(path))
    async with simulate(humans={ANN: human}) as call:
        transfer = WarmTransfer(ANN, ring_timeout=5, records=records)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.record.state == "ended"
            await records.flush()
    (data,) = told(path)
    assert data["state"] == "ended"
    assert data["outcome"]["status"] == outcome.status.value
    assert data["attempts"][0]["status"] == outcome.status.value
    assert data["attempts"][-1]["decision"]["action"] == "return_to_agent"
    briefed = [briefing["verdict"] for briefing in data["briefings"]]
    assert briefed == (["declined"] if outcome.status.value == "declined" else [])


async def test_the_callers_hang_up_in_a_briefing_is_told_with_what_was_said(tmp_path: Path) -> None:
    records = Records(JsonLinesSink(path := tmp_path / "records.jsonl"))
    human = Human(ring=1.0, script=(Wait(0.5), Say("Who is it?"), Wait(30.0)))
    async with simulate(humans={ANN: human}) as call:
        async with rig(call, WarmTransfer(ANN, records=records).run) as r:
            r.ask()
            await asyncio.sleep(9.0)
            call.caller.hang_up()
            outcome = await r.outcome()
            await records.flush()
    (data,) = told(path)
    assert data["state"] == "ended"
    assert data["outcome"]["status"] == outcome.status.value == "caller_left"
    (briefing,) = data["briefings"]
    assert briefing["verdict"] is None
    assert "Who is it?" in [line["text"] for line in briefing["said"]]


async def test_several_phones_each_have_their_end(tmp_path: Path) -> None:
    records = Records(JsonLinesSink(path := tmp_path / "records.jsonl"))
    accepts = Human(ring=1.0, script=(WaitForSpeech(), Say("Yes, put them through."), Wait(30.0)))
    async with simulate(humans={ANN: Human.no_answer(), BOB: accepts}) as call:
        transfer = WarmTransfer([ANN, BOB], ring="all", records=records)
        async with rig(call, transfer.run) as r:
            r.ask()
            assert (await r.outcome()).bridged
            await records.flush()
            (data,) = told(path)
    (attempt,) = data["attempts"]
    assert {phone["status"] for phone in attempt["phones"]} == {"answered_elsewhere", "bridged"}
    assert data["state"] == "handed_over"


async def test_a_cancelled_run_leaves_a_whole_record(tmp_path: Path) -> None:
    records = Records(JsonLinesSink(path := tmp_path / "records.jsonl"))
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        transfer = WarmTransfer(ANN, records=records)
        async with rig(call, transfer.run) as r:
            running = asyncio.create_task(transfer.run(r.session))
            await asyncio.sleep(5.0)
            await records.flush()
            assert [data["state"] for data in told(path)] == ["running"]
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await records.flush()
    (data,) = told(path)
    assert (data["state"], data["outcome"]["status"]) == ("ended", "cancelled")


async def test_transfers_of_one_call_are_chained() -> None:
    records = Records()
    outcomes: list[TransferOutcome] = []
    async with simulate(humans={ANN: Human.busy()}) as call:
        transfer = ColdTransfer(ANN, method="dial", records=records)
        async with rig(call, transfer.run) as r:
            for _ in range(2):
                outcomes.append(await transfer.run(r.session))
    first, second = (outcome.record for outcome in outcomes)
    assert (first.kind, first.number, first.previous) == ("cold", 1, None)
    assert (second.number, second.previous) == (2, first.id)


async def test_what_the_policy_has_said_is_told_with_its_reason() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        transfer = ColdTransfer(
            ANN,
            method="dial",
            records=Records(),
            fallback=FallbackPolicy(retries=100, retry_after=1.0),
            max_attempts=2,
        )
        async with rig(call, transfer.run) as r:
            record = (await transfer.run(r.session)).record
    decisions = [attempt.decision for attempt in record.attempts]
    assert [(d.action, d.reason, d.after) for d in decisions] == [
        ("retry", "busy", 1.0),
        ("return_to_agent", "busy; no further attempt is allowed", 0.0),
    ]


async def test_an_outcome_with_a_record_can_be_copied_and_pickled() -> None:
    async with simulate(humans={ANN: Human.busy()}) as call:
        transfer = ColdTransfer(ANN, method="dial", records=Records())
        async with rig(call, transfer.run) as r:
            outcome = await transfer.run(r.session)
    for again in (copy.deepcopy(outcome), pickle.loads(pickle.dumps(outcome))):
        assert again == outcome
        assert again.record.id == outcome.record.id


async def test_a_briefing_is_not_told_what_it_may_not_say() -> None:
    script = (WaitForSpeech(), Say("Yes, put them through."), Wait(30.0))
    async with simulate(humans={ANN: Human(script=script)}) as call:
        transfer = WarmTransfer(ANN, privacy=Privacy(also=lambda text: text.replace("Smith", "X")))
        async with rig(call, transfer.run) as r:
            r.session.history.add_message(
                role="user", content="I am Smith, my card is 4111 1111 1111 1111."
            )
            r.ask()
            await r.outcome()
            briefed = " ".join(q.text for q in r.llm.requests if "Caller:" in q.text)
    assert "I am X" in briefed, r.llm.requests
    assert "4111" not in briefed


@pytest.mark.parametrize("keyword", ["records", "privacy"])
def test_what_is_none_is_refused(keyword: str) -> None:
    with pytest.raises(ConfigurationError, match=keyword):
        WarmTransfer(ANN, **{keyword: "yes"})  # type: ignore[arg-type]


def characters(usage: Any) -> int:
    """How many were spoken, of what a session or a briefing has used."""
    return sum(
        (one if isinstance(one, dict) else one.model_dump()).get("characters_count", 0)
        for one in usage
    )


@pytest.mark.parametrize("shared", [True, False])
async def test_the_callers_session_counts_what_a_briefing_uses_of_its_models(shared: bool) -> None:
    """So what a record has is not to be added to it, unless the briefing has models of its own."""
    own = BriefingAgent(llm=ScriptedLLM(RULES), tts=ScriptedTTS())
    async with simulate(humans={ANN: Human.accepts(after=2)}) as call:
        transfer = WarmTransfer(ANN, briefing=None if shared else own, records=Records())
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            before = characters(r.session.usage.model_usage)
            await asyncio.sleep(3)
            call.caller.hang_up()
            await asyncio.sleep(3)
            briefed = characters(outcome.record.briefings[0].usage)
            assert briefed > 100
            assert (before >= briefed) is shared
            assert before == 0 or shared
