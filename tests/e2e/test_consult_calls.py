"""Warm transfers through a consult room, on a server that cannot move the human: they are relayed.

LiveKit Cloud, which can, is not to be had here; what is asked of it is in
tests/unit/test_consult_wire.py.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from livekit import api, rtc
from livekit.agents import utils

from livetransfer._livekit import connect_room
from livetransfer.destination import Destination

from . import cast, judge, tones
from .backoffice import Backoffice
from .behaviour import Answer, NeverAnswer
from .conftest import PhoneFactory, WorkerFactory
from .stack import Stack
from .switchboard import Switchboard, TransferCall

CONSULT = {"bridge": "consult_room"}


async def consult_rooms(call: TransferCall, office: Backoffice) -> list[str]:
    """The rooms beside the call's own."""
    name = (await call.told("started")).fields["room"]
    return [room for room in await office.rooms(name) if room != name]


async def no_consult_room(call: TransferCall, office: Backoffice) -> None:
    """Nothing is left of it."""
    give_up = time.monotonic() + 3.0
    while left := await consult_rooms(call, office):
        assert time.monotonic() < give_up, f"left behind: {left}"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("after", ["end", pytest.param("leave", marks=pytest.mark.slow)])
async def test_accepted_and_relayed_to_the_end(
    switchboard: Switchboard, office: Backoffice, after: str
) -> None:
    call = await switchboard.call([Answer(after=0.5)], options={**CONSULT, "after": after})
    await call.ask()
    human = await call.human()
    human.tone(cast.HUMAN)  # heard by nobody but the AI until the bridge
    await human.hears(cast.BRIEFING)
    assert len(await consult_rooms(call, office)) == 1
    human.quiet()
    await human.say(tones.tone(cast.YES, 0.4))
    await call.joined(human)
    outcome = await call.outcome()
    assert (outcome["status"], outcome["mode"]) == ("bridged", "relay")
    judge.nothing_of_the_briefing(call.caller, human)
    bridging = await call.phase("bridging")
    for listener, voices in ((call.caller, cast.OF_HUMAN), (human, cast.OF_CALLER)):
        assert judge.heard(listener, voices, human.at("answered") or 0.0, bridging) == 0

    await call.caller.stops_hearing(cast.MUSIC)  # it fades
    since = time.monotonic()
    await asyncio.sleep(2.0)
    judge.nothing_of_the_ai((call.caller, human), since)
    for phone, voice in ((call.caller, cast.HUMAN), (human, cast.CALLER)):
        assert judge.heard(phone, [voice], since) > 1000

    await call.caller.hang_up()
    await human.wait("ended", 2)
    assert (await call.told("end")).fields["by"] == "caller"
    await no_consult_room(call, office)


async def test_relayed_and_the_caller_is_given_back(
    switchboard: Switchboard, office: Backoffice
) -> None:
    call = await switchboard.call([Answer(after=0.5)], options={**CONSULT, "after": "return"})
    await call.ask()
    human = await call.human()
    await call.briefed(human)
    await call.joined(human)
    assert (await call.outcome())["mode"] == "relay"
    back = asyncio.ensure_future(call.caller.hears(cast.BACK))
    await human.hang_up()
    await back
    await call.caller.stops_hearing(cast.BACK)
    await call.served_again()
    await call.only_caller_and_agent()
    await no_consult_room(call, office)


async def test_declined(switchboard: Switchboard, office: Backoffice) -> None:
    call = await switchboard.call([Answer(after=0.5)], options=CONSULT)
    await call.ask()
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, within=20))
    human = await call.human()
    farewell = asyncio.ensure_future(human.hears(cast.FAREWELL, within=15))
    await call.briefed(human, cast.NO)
    await farewell
    await sorry
    assert (await call.outcome())["status"] == "declined"
    await human.wait("ended", 10)
    assert human.ended_by == "them"
    judge.nothing_of_the_briefing(call.caller, human)
    await call.caller.stops_hearing(cast.SORRY)
    await call.served_again()
    await call.only_caller_and_agent()
    await no_consult_room(call, office)


async def test_the_caller_hangs_up_while_it_rings(
    switchboard: Switchboard, office: Backoffice
) -> None:
    call = await switchboard.call([NeverAnswer()], options=CONSULT)
    await call.ask()
    human = await call.human()
    await human.wait("ringing")
    await call.phase("ringing")
    hung_up = time.monotonic()
    await call.caller.hang_up()
    stopped = (await human.wait("ended", 2)).at
    assert human.ended_with == "CANCEL"
    assert stopped - hung_up < 1.0
    assert (await call.outcome())["status"] == "caller_left"
    await no_consult_room(call, office)


@pytest.mark.alone
async def test_no_second_ai_in_the_consult_room(
    stack: Stack, office: Backoffice, phone: PhoneFactory, worker: WorkerFactory, monkeypatch: Any
) -> None:
    """Automatic dispatch sends its agent to the call's room, and never to the consult room."""
    nameless = await worker(f"{__package__}.nameless_agent", "")
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    human = await phone(Answer(after=0.3))
    trunk = await office.trunk(human.address)
    name = office.room()
    room, caller = rtc.Room(), rtc.Room()
    for connection, identity in ((room, "agent"), (caller, "caller")):
        grants = api.VideoGrants(room_join=True, room=name, can_update_own_metadata=True)
        token = api.AccessToken(stack.api_key, stack.api_secret).with_identity(identity)
        await connection.connect(stack.url, token.with_grants(grants).to_jwt())
    async with utils.http_context.open():
        control = await connect_room(room, "caller", bridge="consult_room", trunk_id=trunk)
        try:
            leg = await control.dial(Destination("+15550100"), identity="human", ring_timeout=20)
            speaking = await nameless.wait("speaks", 20)
            assert speaking.fields["room"] == name
            await asyncio.sleep(1.0)
            assert [each.fields["room"] for each in nameless.reports("sent to")] == [name]

            # One that is sent there on purpose is shown out before it can say a word.
            (consult,) = [each for each in await office.rooms(name) if each != name]
            await office.api.agent_dispatch.create_dispatch(
                api.CreateAgentDispatchRequest(room=consult, agent_name="")
            )
            await nameless.wait("sent to", 20, nth=2)
            await asyncio.sleep(2.0)
            assert sorted(await office.participants(consult))[-1] == "human"
            assert len(await office.participants(consult)) == 2
            heard = judge.heard(human.calls[0], [cast.ANNOUNCED], 0.0)
            print(f"a second AI was heard for {heard} ms")
            assert heard <= 200, f"{heard} ms of a second AI"
            await control.hang_up(leg)
            assert await office.rooms(name) == [name]
        finally:
            await control.aclose()
            await room.disconnect()
            await caller.disconnect()
