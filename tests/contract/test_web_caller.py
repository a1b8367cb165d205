"""A caller in a browser, on a real server: no REFER, and a page that is reloaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from livetransfer._livekit import connect_room
from livetransfer.control import Leg, LegLeft, LegReturned
from livetransfer.errors import ReferFailed
from livetransfer.status import TransferStatus
from tests.e2e import tones
from tests.e2e.stack import Stack

from .livekit_rig import LiveKitRig
from .rigs import TONES, Events, answered
from .web_party import WebParty

BROWSER = "browser"
pytestmark = pytest.mark.alone

INSTANTS = 0.3
"""Seconds after a page has joined in which it and a sealed human may hear instants of each other.

A leg, and a page, subscribe to what is published by themselves, as soon as we hear of it.
"""


class WebCall:
    """A room with a browser, an agent and phones for the humans."""

    def __init__(self, rig: LiveKitRig, party: WebParty) -> None:
        self.rig, self.party = rig, party


@pytest_asyncio.fixture
async def web(stack: Stack) -> AsyncIterator[WebCall]:
    async with aclosing(await LiveKitRig(stack).open()) as rig:
        await rig.control.aclose()
        await rig.hang_up("caller")
        voice = TONES["caller"]
        async with WebParty.there(stack, rig.room_name, BROWSER, voice) as party:
            while BROWSER not in rig.room.remote_participants:
                await asyncio.sleep(0.01)
            rig.control = await connect_room(rig.room, BROWSER, trunk_id=rig._trunks["human"])
            yield WebCall(rig, party)


async def test_it_is_not_referred(web: WebCall) -> None:
    assert web.rig.control.caller == Leg(BROWSER, kind="web")
    assert web.rig.control.caller.kind == "web"
    with pytest.raises(ReferFailed, match="only a phone") as caught:
        await web.rig.control.refer(
            web.rig.control.caller, "tel:+15550100", headers={}, timeout=4.0
        )
    assert (caught.value.status, caught.value.indeterminate) == (TransferStatus.FAILED, False)


async def test_a_page_that_is_reloaded_in_the_briefing(web: WebCall) -> None:
    rig, party = web.rig, web.party
    events = Events(rig.control)
    music = await rig.control.open_audio([BROWSER])
    await rig.play(music, "music")
    conversation = await rig.control.open_conversation("human-1")
    await rig.brief(conversation)
    leg = await answered(rig)
    await asyncio.gather(party.hears(TONES["music"]), rig.hears("human", "briefing"))
    rig.forget()
    began = time.monotonic()
    back = await party.reload(0.5)
    await events.wait(LegLeft, BROWSER, within=1.0)
    await events.wait(LegReturned, BROWSER, within=1.0)
    music_again = await party.hears(TONES["music"]) - back
    await rig.run(1.5)
    late = tones.heard_between(
        rig.call_of("human").recording, TONES["caller"], back + INSTANTS, tones.NEVER
    )
    print(
        f"a page reloaded: music after {music_again:.2f} s; at first it heard "
        f"{party.heard(TONES['human'], began, back + INSTANTS)} ms of the human, "
        f"and he {rig.heard('human', 'caller') - late} ms of it"
    )
    assert party.heard(TONES["human"], back + INSTANTS) == late == 0
    assert party.heard(TONES["briefing"], began) == rig.heard("human", "music") == 0
    assert rig.heard("human", "briefing") > 1500
    await conversation.aclose()
    await rig.control.bridge(leg)
    await asyncio.gather(party.hears(TONES["human"]), rig.hears("human", "caller"))
    await music.aclose()


async def test_a_page_that_is_reloaded_after_the_bridge(web: WebCall) -> None:
    leg = await answered(web.rig)
    await web.rig.control.bridge(leg)
    await asyncio.gather(web.party.hears(TONES["human"]), web.rig.hears("human", "caller"))
    await web.party.reload(0.5)
    web.rig.forget()
    await asyncio.gather(web.party.hears(TONES["human"]), web.rig.hears("human", "caller"))
