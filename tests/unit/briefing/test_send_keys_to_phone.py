"""Keys that a briefing agent presses reach the human's leg, and no other."""

from __future__ import annotations

import asyncio

from livekit.agents.beta.tools import send_dtmf_events
from livekit.rtc._proto.room_pb2 import PublishSipDtmfRequest

from livetransfer import BriefingAgent, WarmTransfer
from livetransfer.testing import Human, Say, ToolCall, Wait, simulate
from tests.unit.transfers import RULES, rig

ANN = "+15550100"


async def test_the_tool_for_keys_is_addressed_to_the_human() -> None:
    human = Human(ring=1, script=[Wait(12), Say("Press five for Ann."), Wait(60)])
    rules = [("Press five", ToolCall("send_dtmf_events", {"events": ["5", "#"]})), *RULES]
    async with simulate(humans={ANN: human}) as call:
        briefing = BriefingAgent(tools=[send_dtmf_events])
        async with rig(call, WarmTransfer(ANN, briefing=briefing).run, rules) as r:
            r.ask()
            await asyncio.sleep(25)
            sent = [verb for verb in call.controls[0].calls if verb.name == "send_dtmf"]
            assert [verb.args["digits"] for verb in sent] == ["5#"]
            assert sent[0].args["leg"].identity in call.human(ANN).identities


def test_the_native_request_takes_the_identities_to_address() -> None:
    request = PublishSipDtmfRequest(destination_identities=["human"])
    assert list(request.destination_identities) == ["human"]
