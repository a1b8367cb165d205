"""Records of transfers on real calls tell what the phones have heard."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from . import cast
from .behaviour import Answer, NeverAnswer, Reject
from .call import Call
from .switchboard import PATIENCE, Switchboard, TransferCall

SLACK = 0.6
"""Seconds by which a server, a busy machine and a phone see the same thing apart."""


async def record_of(call: TransferCall, nth: int = 1) -> dict[str, Any]:
    return dict((await call.told("record", nth=nth)).fields["record"])


def seconds(call: Call, begin: str, end: str) -> float:
    began, ended = call.at(begin), call.at(end)
    assert began is not None
    assert ended is not None
    return ended - began


async def test_a_busy_phone_then_a_call_that_the_human_ends(switchboard: Switchboard) -> None:
    call = await switchboard.call([Reject(486), Answer(after=1.5)])
    await call.ask()
    human = await call.human(1)
    await call.briefed(human)
    await call.joined(human)
    await asyncio.sleep(1.0)
    await human.hang_up()
    record = await record_of(call)

    assert (record["kind"], record["number"], record["previous"]) == ("warm", 1, None)
    assert record["call"]["call_id"], "the caller's Call-ID"
    busy, taken = record["attempts"]
    assert (busy["status"], busy["phones"][0]["sip_code"]) == ("busy", 486)
    assert busy["decision"]["action"] == "next"
    (phone,) = taken["phones"]
    assert phone["status"] == "bridged"
    assert phone["call_id"] == human.call_id
    assert phone["ring"] == pytest.approx(seconds(human, "ringing", "answered"), abs=SLACK)
    joined = await call.phase("bridging")
    ended = human.at("ended")
    assert ended is not None
    assert phone["talk"] == pytest.approx(ended - joined, abs=SLACK)
    assert (record["end"]["by"], record["state"]) == ("human", "ended")
    (hold,) = record["hold"]
    assert hold["longest_silence"] < 0.5
    (briefing,) = record["briefings"]
    assert briefing["verdict"] == "accepted"
    said = [(line["by"], line["text"]) for line in briefing["said"]]
    assert said[0][0] == "ai"
    assert ("human", cast.HEARD[cast.YES]) in said
    assert briefing["usage"], "what the briefing's session has used"
    assert record["outcome"]["status"] == "bridged"


@pytest.mark.slow  # test_cold_calls' call that nobody answers has a valid record, too
async def test_nobody_answers(switchboard: Switchboard) -> None:
    call = await switchboard.call([NeverAnswer()], options={"ring_timeout": 2})
    await call.ask()
    human = await call.human()
    record = await record_of(call)
    (attempt,) = record["attempts"]
    assert attempt["status"] == "no_answer"
    assert attempt["decision"]["action"] == "return_to_agent"
    assert attempt["phones"][0]["ring"] == pytest.approx(
        seconds(human, "ringing", "ended"), abs=SLACK
    )
    assert record["briefings"] == []
    await call.caller.hears(cast.SORRY, PATIENCE)
