"""The kit on the real servers: a call in to an agent, a call out to a phone, heard both ways."""

from __future__ import annotations

import asyncio
import time

import pytest
from livekit import api

from . import smoke_agent, tones
from .backoffice import Backoffice
from .behaviour import Answer, NeverAnswer, OnRefer, Reject
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
    office: Backoffice, phone: PhoneFactory
) -> None:
    secret = Credentials("trunk", "secret")
    first = await phone(Answer(tone=1000))
    second = await phone(Answer(after=0.5, tone=1600), auth=secret)
    room = office.room()
    await office.dial(await office.trunk(first.address), room, identity="first")
    trunk = await office.trunk(second.address, auth=secret)
    await office.dial(trunk, room, identity="second")
    one, two = first.calls[0], second.calls[0]
    await asyncio.gather(one.hears(1600), two.hears(1000))
    assert [invite.challenged for invite in second.invites] == [True, False]

    await one.press("5")
    assert (await two.wait("dtmf")).detail == "5"

    await office.delete_room(room)
    await asyncio.gather(one.wait("ended"), two.wait("ended"))
    assert (one.ended_by, two.ended_by) == ("them", "them")


async def test_a_leg_is_referred_or_refuses(office: Backoffice, phone: PhoneFactory) -> None:
    human = await phone()
    room = office.room()
    await office.dial(await office.trunk(human.address), room)
    call = await human.next_call()
    request = api.TransferSIPParticipantRequest(
        room_name=room, participant_identity="leg", transfer_to="tel:+15550400"
    )
    call.on_refer = OnRefer(603)
    with pytest.raises(api.SipCallError) as refused:
        await office.api.sip.transfer_sip_participant(request)
    assert refused.value.metadata["sip_status_code"] == "603"
    call.on_refer = OnRefer()
    await office.api.sip.transfer_sip_participant(request)
    assert [refer.refer_to for refer in call.refers] == ["tel:+15550400"] * 2
    assert (await call.wait("ended")).detail == "BYE"


async def test_a_ringing_phone_is_stopped(office: Backoffice, phone: PhoneFactory) -> None:
    human = await phone(NeverAnswer())
    room = office.room()
    trunk = await office.trunk(human.address)
    dialling = asyncio.ensure_future(office.dial(trunk, room))
    call = await human.next_call()
    await call.wait("ringing")
    asked = time.monotonic()
    await office.api.room.remove_participant(api.RoomParticipantIdentity(room=room, identity="leg"))
    assert (await call.wait("cancelled")).at - asked < 1
    with pytest.raises(api.TwirpError):
        await dialling


async def test_a_refused_call_raises(office: Backoffice, phone: PhoneFactory) -> None:
    busy = await phone(Reject(486))
    trunk = await office.trunk(busy.address)
    with pytest.raises(api.TwirpError) as refused:
        await office.dial(trunk, office.room())
    assert refused.value.metadata["sip_status_code"] == "486"
    assert (len(busy.call_ids), busy.duplicates) == (1, 0)
