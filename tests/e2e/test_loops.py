"""A destination that is one of the server's own numbers, on real calls: no agent rings an agent."""

from __future__ import annotations

import json

import pytest

from .backoffice import Backoffice
from .stack import Stack
from .switchboard import PATIENCE, Reports, Switchboard

NUMBERS = {False: "+15550290001", True: "+15550290002"}


@pytest.mark.parametrize("meant", [False, True])
async def test_an_inbound_number_of_the_server_is_dialled_only_where_it_is_meant(
    stack: Stack,
    switchboard: Switchboard,
    office: Backoffice,
    transfer_worker: Reports,
    meant: bool,
) -> None:
    number, name = NUMBERS[meant], f"looped-{meant}"
    plan = {"call": name, "transfers": [{"kind": "warm", "options": {}, "to": []}]}
    agent = transfer_worker.worker.agent_name
    await office.line(number, agent, metadata=json.dumps(plan))
    # Through this trunk the server calls itself.
    trunk = await office.trunk(f"{stack.sip_host}:{stack.sip_port}")
    destination = {"address": number, "trunk_id": trunk, "own_number": meant}
    call = await switchboard.call([], destination=destination)
    await call.ask()
    if meant:
        await call.phase("briefing")
        assert "started" in [each.kind for each in transfer_worker.of(name)]
        await call.caller.hang_up()
        assert (await call.outcome())["status"] == "caller_left"
    else:
        outcome = await call.outcome()
        assert outcome["attempts"] == ["invalid_destination"]
        assert "own_number" in outcome["reason"]
        await call.only_caller_and_agent(PATIENCE)
        assert transfer_worker.of(name) == []
