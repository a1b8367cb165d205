"""Two to five phones in one room, on a real server: each sealed from the caller and all others.

What is said of several humans in docs/topics/bridging.md is measured here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import permutations

import pytest
import pytest_asyncio
from livekit import api

from livetransfer.control import Leg
from livetransfer.destination import Destination
from tests.e2e import tones
from tests.e2e.behaviour import Answer
from tests.e2e.call import Call
from tests.e2e.phone import Phone
from tests.e2e.stack import Stack

from .livekit_rig import LiveKitRig
from .rigs import TONES

pytestmark = pytest.mark.slow

VOICES = (1000, 3000, 3400, 700, 1250)
"""Of the humans, in Hz."""
INSTANTS = 0.2
"""Seconds, right after an answer, in which voices may meet for instants."""
LOST = 0.04
"""Seconds that a briefing under way may lose when another phone is answered."""
SLACK = 0.04
"""Seconds allowed to a busy test machine on top of it."""


class Phones:
    """Five humans' phones beside the caller's of a rig."""

    def __init__(self, rig: LiveKitRig, phones: list[Phone], trunks: list[str]) -> None:
        self.rig, self.phones, self._trunks = rig, phones, trunks

    async def dial(self, index: int, after: float) -> Leg:
        """Ring one; it is answered after some seconds."""
        self.phones[index].behaviour = Answer(after=after, tone=VOICES[index])
        destination = Destination("+15550100", trunk_id=self._trunks[index])
        return await self.rig.control.dial(
            destination, identity=f"human-{index}", ring_timeout=20.0
        )

    def calls(self, count: int) -> dict[int, Call]:
        """Everybody who is on the line, by voice."""
        humans = {VOICES[i]: self.phones[i].calls[-1] for i in range(count)}
        return {TONES["caller"]: self.rig.caller_call, **humans}


@pytest_asyncio.fixture
async def phones(stack: Stack) -> AsyncIterator[Phones]:
    async with contextlib.AsyncExitStack() as exits:
        rig = await exits.enter_async_context(aclosing(await LiveKitRig(stack).open()))
        opened, trunks = [], []
        for voice in VOICES:
            phone = await exits.enter_async_context(await Phone.open(stack.phone_ip))
            info = api.SIPOutboundTrunkInfo(
                name=str(voice), address=phone.address, numbers=["+15550999"]
            )
            made = await rig.api.sip.create_outbound_trunk(
                api.CreateSIPOutboundTrunkRequest(trunk=info)
            )
            rig._trunks[str(voice)] = made.sip_trunk_id
            opened.append(phone)
            trunks.append(made.sip_trunk_id)
        yield Phones(rig, opened, trunks)


def answered_at(call: Call) -> float:
    at = call.at("answered")
    assert at is not None
    return at


def met(calls: dict[int, Call]) -> tuple[dict[tuple[int, int], int], dict[tuple[int, int], int]]:
    """Who has heard whom, in ms: at the later one's answer, and after that."""
    early: dict[tuple[int, int], int] = {}
    late: dict[tuple[int, int], int] = {}
    for (listener, ear), (voice, mouth) in permutations(calls.items(), 2):
        last = max(answered_at(each) for each in (ear, mouth))
        until = last + INSTANTS
        for found, start, end in ((early, 0.0, until), (late, until, tones.NEVER)):
            if ms := tones.heard_between(ear.recording, voice, start, end):
                found[listener, voice] = ms
    return early, late


@pytest.mark.parametrize(
    "count", [pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow), 5]
)
@pytest.mark.parametrize("rings", [0.0, 1.0])
async def test_who_answers_at_the_same_time_hears_nobody(
    phones: Phones, count: int, rings: float
) -> None:
    rig = phones.rig
    legs = await asyncio.gather(*(phones.dial(index, rings) for index in range(count)))
    await asyncio.sleep(1.0)
    calls = phones.calls(count)
    early, late = met(calls)
    print(
        f"{count} phones answered together after {rings} s: in the first {INSTANTS} s "
        f"{early or 'nothing'} (ms)"
    )
    assert late == {}
    await rig.control.bridge(legs[-1])
    bridged = VOICES[count - 1]
    await asyncio.gather(rig.caller_call.hears(bridged), calls[bridged].hears(TONES["caller"]))
    await asyncio.sleep(0.5)
    _, late = met(calls)
    pair = {(TONES["caller"], bridged), (bridged, TONES["caller"])}
    assert late.keys() == pair


@pytest.mark.parametrize("rings", [0.0, 0.7])
async def test_a_briefing_under_way_loses_next_to_nothing_when_others_answer(
    phones: Phones, rings: float
) -> None:
    rig = phones.rig
    music = await rig.control.open_audio([rig.control.caller.identity])
    await rig.play(music, "music")
    conversation = await rig.control.open_conversation("human-0")
    await rig.brief(conversation)
    await phones.dial(0, 0.5)
    briefed = phones.phones[0].calls[-1]
    began = await briefed.hears(TONES["briefing"], 3.0) + 0.5
    if rings:
        await asyncio.gather(*(phones.dial(index, rings * index) for index in range(1, 5)))
    else:
        for index in range(1, 5):
            await phones.dial(index, 0.0)
    await asyncio.sleep(1.0)
    calls = phones.calls(5)
    end = max(map(answered_at, calls.values())) + 1.0
    recording = briefed.recording
    lost = tones.longest_gap(recording, TONES["briefing"], began, end - 0.3)
    in_all = (end - 0.3 - began) * 1000 - tones.heard_between(
        recording, TONES["briefing"], began, end - 0.3
    )
    pause = tones.longest_gap(rig.caller_call.recording, TONES["music"], began, end - 0.3)
    early, late = met(calls)
    print(
        f"four answers ({rings} s) beside a briefing: longest gap in it {lost * 1000:.0f} ms, "
        f"{in_all:.0f} ms in all; of the caller's music {pause * 1000:.0f} ms; "
        f"in the first {INSTANTS} s "
        f"{early or 'nothing'} (ms)"
    )
    assert late == {}
    assert lost <= LOST + SLACK
    await conversation.aclose()
    await music.aclose()
