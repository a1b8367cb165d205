"""LiveKitRig: the contract on redis, livekit-server and livekit-sip, with real SIP phones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from livekit import api, rtc
from livekit.agents import Agent, AgentSession, utils

from livetransfer._livekit import Bridge, connect_room
from livetransfer._livekit.livekit_control import LiveKitControl
from livetransfer.control import AudioSink, Conversation
from livetransfer.destination import Destination
from tests.e2e import behaviour as phones
from tests.e2e import tones
from tests.e2e.call import Call
from tests.e2e.phone import Phone
from tests.e2e.stack import Stack

from .rigs import TONES, Answers, Human, Listener, ReferScript, Refuses, Script, State, Voice

CALLER = "caller"


def tone_frame(voice: Voice, rate: int, seconds: float = 0.05) -> rtc.AudioFrame:
    """A frame of a voice; 50 ms hold whole periods of every tone."""
    samples: np.ndarray[Any, Any] = tones.tone(TONES[voice], seconds, rate=rate)
    return rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))


class LiveKitRig:
    """A room with an agent's connection in it and a caller's phone on the line."""

    refer_target = "sip:100@127.0.0.1"

    def __init__(self, stack: Stack, bridge: Bridge = "shared_room") -> None:
        self.stack = stack
        self.bridge: Bridge = bridge
        self.room = rtc.Room()
        self.room_name = f"contract-{uuid.uuid4().hex[:8]}"
        self.events: list[str] = []
        self._since = 0.0
        self._players: list[asyncio.Task[None]] = []
        self._sessions: list[AgentSession[Any]] = []
        self._exit = contextlib.AsyncExitStack()

    async def open(self) -> LiveKitRig:
        """Bring the caller on the line."""
        os.environ.update(self.stack.env)
        await self._exit.enter_async_context(utils.http_context.open())
        self.api = api.LiveKitAPI(self.stack.url, self.stack.api_key, self.stack.api_secret)
        self.caller_phone = await Phone.open(
            self.stack.phone_ip, behaviour=phones.Answer(tone=TONES["caller"])
        )
        self.human_phone = await Phone.open(self.stack.phone_ip)
        self.second_phone = await Phone.open(self.stack.phone_ip)
        self._phones = {"human": self.human_phone, "second": self.second_phone}
        self._trunks = {}
        for name, phone in (("caller", self.caller_phone), *self._phones.items()):
            info = api.SIPOutboundTrunkInfo(name=name, address=phone.address, numbers=["+15550999"])
            made = await self.api.sip.create_outbound_trunk(
                api.CreateSIPOutboundTrunkRequest(trunk=info)
            )
            self._trunks[name] = made.sip_trunk_id
        grants = api.VideoGrants(
            room_join=True, room=self.room_name, can_update_own_metadata=True, agent=True
        )
        token = api.AccessToken(self.stack.api_key, self.stack.api_secret)
        token = token.with_identity("agent").with_kind("agent").with_grants(grants)
        await self.room.connect(self.stack.url, token.to_jwt())
        await self.api.sip.create_sip_participant(
            api.CreateSIPParticipantRequest(
                sip_trunk_id=self._trunks["caller"],
                sip_call_to="+15550001",
                room_name=self.room_name,
                participant_identity=CALLER,
                wait_until_answered=True,
            )
        )
        self.caller_call: Call = self.caller_phone.calls[0]
        await self.caller_call.wait("rtp_in", 5.0)
        while not self._caller_is_active():
            await asyncio.sleep(0.02)  # until then the server tells of its leaving 3 s late
        self.control: LiveKitControl = await connect_room(
            self.room, CALLER, bridge=self.bridge, trunk_id=self._trunks["human"]
        )
        return self

    def _caller_is_active(self) -> bool:
        caller = self.room.remote_participants.get(CALLER)
        return caller is not None and bool(caller.track_publications)

    async def aclose(self) -> None:
        """End the call and the control."""
        for task in self._players:
            task.cancel()
        await asyncio.gather(*self._players, return_exceptions=True)
        await self.control.aclose()
        await self.room.disconnect()
        await self._only_our_room()
        with contextlib.suppress(api.TwirpError):
            await self.api.room.delete_room(api.DeleteRoomRequest(room=self.room_name))
        for trunk in self._trunks.values():
            await self.api.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk))
        await self.api.aclose()
        await self.caller_phone.close()
        for phone in self._phones.values():
            await phone.close()
        await self._exit.aclose()

    async def _only_our_room(self, within: float = 3.0) -> None:
        """Wait until no consult room is left: a relay ends when we have left the caller's."""
        give_up = time.monotonic() + within
        while True:
            listed = await self.api.room.list_rooms(api.ListRoomsRequest())
            left = [each.name for each in listed.rooms if self.room_name in each.name]
            if not [name for name in left if name != self.room_name]:
                return
            assert time.monotonic() < give_up, f"left behind: {left}"
            await asyncio.sleep(0.02)

    # The parties.

    def human(self, script: Script, who: Human = "human") -> Destination:
        """Script a human's phone."""
        if isinstance(script, Answers):
            does: phones.Behaviour = phones.Answer(after=script.after, tone=TONES[who])
        elif isinstance(script, Refuses):
            does = phones.Reject(script.code, after=script.after)
        else:
            does = phones.NeverAnswer()
        self._phones[who].behaviour = does
        return Destination("+15550100", trunk_id=self._trunks[who])

    def on_refer(self, script: ReferScript) -> None:
        """Script what the caller's phone does with a REFER."""
        does = phones.OnRefer(script.response, script.notify)
        self.caller_phone.on_refer = does
        self.caller_call.on_refer = does

    async def run(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def call_of(self, who: Listener) -> Call:
        """The last call of a party's phone."""
        return self.caller_call if who == "caller" else self._phones[who].calls[-1]

    async def hears(self, listener: Listener, voice: Voice, within: float = 2.0) -> float:
        """Wait for a voice."""
        return await self.call_of(listener).hears(TONES[voice], within)

    async def deaf_to(self, listener: Listener, voice: Voice, within: float = 2.0) -> float:
        """Wait for a voice to be gone."""
        return await self.call_of(listener).stops_hearing(TONES[voice], within)

    def heard(self, listener: Listener, voice: Voice) -> int:
        """Count a voice, in ms."""
        if listener != "caller" and not self._phones[listener].calls:
            return 0
        recording = self.call_of(listener).recording
        return tones.heard_between(recording, TONES[voice], self._since, tones.NEVER)

    def forget(self) -> None:
        """Count from now on."""
        self._since = time.monotonic()

    @property
    def human_state(self) -> State:
        """What the human's phone does."""
        return self.state_of("human")

    def state_of(self, who: Human) -> State:
        """What a human's phone does."""
        if not self._phones[who].calls:
            return "idle"
        call = self._phones[who].calls[-1]
        if call.ended:
            return "ended"
        return "talking" if call.answered else "ringing"

    async def human_is(self, state: State, within: float = 3.0, who: Human = "human") -> float:
        """Wait for a state of a human's phone."""
        if not self._phones[who].calls:
            await self._phones[who].next_call(within)
        kind = {"ringing": "ringing", "talking": "answered", "ended": "ended"}[state]
        return (await self._phones[who].calls[-1].wait(kind, within)).at

    async def hang_up(self, who: Listener) -> None:
        """A party hangs up."""
        await self.call_of(who).hang_up()

    async def press(self, who: Listener, key: str) -> None:
        """A party presses a key."""
        await self.call_of(who).press(key)

    # What the agent says.

    async def play(self, sink: AudioSink, voice: Voice) -> None:
        """Write a voice for good."""

        async def pump() -> None:
            frame = tone_frame(voice, sink.sample_rate)
            while True:
                before = time.monotonic()
                await sink.write(frame)
                if time.monotonic() - before < 0.001 and sink.queued <= 0:
                    await asyncio.sleep(0.02)

        self._players.append(asyncio.create_task(pump()))

    async def brief(self, conversation: Conversation) -> None:
        """Say the briefing for good."""
        session: AgentSession[Any] = AgentSession(vad=None)
        self._sessions.append(session)
        await conversation.start(session, Agent(instructions=""))

        async def words() -> AsyncIterator[rtc.AudioFrame]:
            frame = tone_frame("briefing", 24_000)
            for _ in range(1200):
                yield frame

        session.say("briefing", audio=words(), allow_interruptions=False)
