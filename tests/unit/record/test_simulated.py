"""The record of a whole simulated transfer tells what has happened."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from livetransfer import WarmTransfer
from livetransfer.record import JsonLinesSink, Recorder, Records, published_schema, read_records
from livetransfer.testing import HangUp, Human, Say, Wait, WaitForBridge, simulate
from tests.unit.transfers import rig

ANN, BOB = "+15550100", "+15550101"
VALIDATOR = jsonschema.Draft202012Validator(published_schema())


def told(path: Path) -> dict[str, object]:
    (record,) = read_records(path)
    data = json.loads(record.to_json())
    VALIDATOR.validate(data)
    assert "155501" not in path.read_text()
    return dict(data)


async def test_busy_then_joined(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    recorder = Records(JsonLinesSink(path)).begin(object())
    script = (Wait(1.0), Say("Yes, put them through."), WaitForBridge(), Wait(5.0), HangUp())
    humans = {ANN: Human.busy(), BOB: Human(ring=2.0, script=script)}
    async with simulate(humans=humans) as call:
        transfer = WarmTransfer([ANN, BOB], on_event=recorder)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.bridged, outcome
            assert recorder.record.state == "handed_over"
            await outcome.ended()
            await recorder.flush()
    record = recorder.record
    assert told(path)["state"] == "ended"
    assert [attempt.status for attempt in record.attempts] == ["busy", "bridged"]
    assert record.attempts[0].phones[0].sip_code == 486
    assert record.end is not None
    assert record.attempts[1].phones[0].talk == record.end.seconds > 4
    assert [phase.name for phase in record.phases][-1] in ("ended", "bridged")
    assert record.hold_seconds > 2


@pytest.mark.parametrize("human", [Human.no_answer(), Human.declines()], ids=["rings", "declines"])
async def test_a_failure_is_final_at_once(tmp_path: Path, human: Human) -> None:
    path = tmp_path / "records.jsonl"
    recorder: Recorder = Records(JsonLinesSink(path)).begin(object())
    async with simulate(humans={ANN: human}) as call:
        transfer = WarmTransfer(ANN, ring_timeout=5, on_event=recorder)
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            await recorder.flush()
    data = told(path)
    assert data["state"] == "ended"
    assert data["outcome"]["status"] == outcome.status.value  # type: ignore[index]
    assert recorder.record.attempts[0].status == outcome.status.value
