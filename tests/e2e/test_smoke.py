"""The kit on the real servers: a call in to an agent, a call out to a phone, heard both ways."""

from __future__ import annotations

import asyncio
import time

import pytest
from livekit import api

from . import smoke_agent, tones
from .backoffice import Backoffice
from .behaviour import Answer, Reject
from .conftest import PhoneFactory, WorkerFactory
from .sip_messages import Credentials
from .stack import Stack

NUMBER = "+15550200"


async def test_a_caller_is_answered_by_an_agent(
    stack: Stack, office: Backoffice, phone: PhoneFactory, worker: WorkerFactory
) -> None:
    agent = await worker(f"{__package__}.smoke_agent", "smoke")
    line = await office.line(NUMBER, "smoke")
    caller = await phone()
    call = caller.dial(stack.uri(NUMBER), "+15550001")
    greeted = await call.hears(smoke_agent.GREETING, within=15)
    assert call.answered
    await call.stops_hearing(smoke_agent.GREETING)
    assert tones.heard_between(
        call.recording, smoke_agent.GREETING, greeted, time.monotonic()
    ) in range(900, 1101)

    await call.say(tones.tone(smoke_agent.QUESTION, 0.6))
    await call.hears(smoke_agent.ANSWER)
    heard = await agent.wait("heard")
    assert heard.fields["text"] == "I want a person"
    rooms = await office.rooms(line.room_prefix)
    assert len(rooms) == 1
    assert "sip_+15550001" in await office.participants(rooms[0])

    await call.hang_up()
    await agent.wait("closed")


async def test_two_phones_dialled_into_one_room_hear_each_other(
    stack: Stack, office: Backoffice, phone: PhoneFactory
) -> None:
    secret = Credentials("trunk", "secret")
    first = await phone(Answer(tone=1000))
    second = await phone(Answer(after=0.5, tone=1600), auth=secret)
    trunks = await office.trunk(first.address), await office.trunk(second.address, auth=secret)
    room = "smoke-room"
    for trunk, number in zip(trunks, ("+15550301", "+15550302"), strict=True):
        await office.api.sip.create_sip_participant(
            api.CreateSIPParticipantRequest(
                sip_trunk_id=trunk,
                sip_call_to=number,
                room_name=room,
                participant_identity=number,
                wait_until_answered=True,
            )
        )
    one, two = first.calls[0], second.calls[0]
    await asyncio.gather(one.hears(1600), two.hears(1000))
    assert [invite.challenged for invite in second.invites] == [True, False]

    await one.press("5")
    assert (await two.wait("dtmf")).detail == "5"

    await office.delete_room(room)
    await asyncio.gather(one.wait("ended"), two.wait("ended"))
    assert (one.ended_by, two.ended_by) == ("them", "them")


async def test_a_refused_call_raises(office: Backoffice, phone: PhoneFactory) -> None:
    busy = await phone(Reject(486))
    trunk = await office.trunk(busy.address)
    request = api.CreateSIPParticipantRequest(
        sip_trunk_id=trunk,
        sip_call_to="+15550303",
        room_name="smoke-busy",
        participant_identity="busy",
        wait_until_answered=True,
    )
    with pytest.raises(api.TwirpError) as refused:
        await office.api.sip.create_sip_participant(request)
    assert refused.value.metadata["sip_status_code"] == "486"
    assert len(busy.call_ids) == 1
