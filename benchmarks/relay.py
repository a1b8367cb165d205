"""What a relay costs: two rooms' audio through the agent, beside two phones in one room.

    python benchmarks/relay.py [--bursts 20] [--seconds 10]

redis-server, livekit-server and livekit-sip on loopback, two SIP phones, and the agent in a
process of its own, which dials the human and bridges. Where the open-source server refuses to
move the human, that is a relay.

- delay: from the sending of a burst of tone by one phone to the first window of 20 ms in which
  the other hears it, both ways, in seconds: median, and the slowest. What the relay adds is the
  difference.
- bridge: from the call of `bridge()` until each hears the other, in seconds.
- lost: milliseconds in which a tone that is sent all the time is not heard, per minute; and the
  longest gap, in seconds.
- CPU: of the agent's process while both talk, in percent of a core. In a shared room that is what
  a process costs that is connected to the room and watches.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from livekit import api, rtc
from livekit.agents import utils
from tests.e2e import tones
from tests.e2e.backoffice import Backoffice
from tests.e2e.behaviour import Answer
from tests.e2e.call import Call
from tests.e2e.phone import Phone
from tests.e2e.stack import Stack, unavailable

from livetransfer._livekit import Bridge, connect_room
from livetransfer.destination import Destination

BURST = 0.1
VOICES = {"caller": 500, "human": 1000}


async def agent(url: str, token: str, trunk: str, bridge: Bridge) -> None:
    """The child: bridge when told to, then tell its CPU time whenever asked."""
    room = rtc.Room()
    async with utils.http_context.open():
        await room.connect(url, token)
        control = await connect_room(room, "caller", bridge=bridge, trunk_id=trunk)
        leg = await control.dial(Destination("+15550100"), identity="human", ring_timeout=20)
        _say("dialled")
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            if line == "bridge":
                _say(await control.bridge(leg))
            elif line == "cpu":
                _say(f"{time.process_time()} {time.monotonic()}")
            else:
                break
        await control.hang_up(leg)
        await control.aclose()
        await room.disconnect()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Child:
    """The agent's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tasks: list[asyncio.Task[Any]] = []

    @classmethod
    async def start(cls, stack: Stack, *arguments: str) -> Child:
        """Start it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "--agent",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **stack.env},
        )
        return cls(process)

    async def ask(self, line: str = "") -> str:
        """Say a line, if there is one, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if line:
            self._process.stdin.write(f"{line}\n".encode())
        return (await asyncio.wait_for(self._process.stdout.readline(), 20)).decode().strip()

    async def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"stop\n")
        await asyncio.wait_for(self._process.wait(), 20)


async def delays(speaker: Call, listener: Call, pitch: int, count: int) -> list[float]:
    """Seconds from the sending of each burst to its hearing."""
    found = []
    for _ in range(count):
        await asyncio.sleep(0.4 + random.random() * 0.2)
        ended = await speaker.say(tones.tone(pitch, BURST))
        await asyncio.sleep(0.8)
        began = ended - BURST + tones.WINDOW_S
        heard = tones.first_heard(listener.recording, pitch, after=began)
        if heard is not None:
            found.append(heard + tones.WINDOW_S - began)
    return found


def lost(listener: Call, pitch: int, start: float, end: float) -> tuple[float, float]:
    """Milliseconds not heard per minute, and the longest gap in seconds."""
    heard = tones.heard_between(listener.recording, pitch, start, end)
    missing = max(0.0, (end - start) * 1000 - heard)
    return missing * 60 / (end - start), tones.longest_gap(listener.recording, pitch, start, end)


async def measure(stack: Stack, bridge: Bridge, bursts: int, seconds: float) -> dict[str, Any]:
    """One call."""
    async with AsyncExitStack() as exits:
        office = await exits.enter_async_context(Backoffice.open(stack))
        phones = {}
        for who in ("caller", "human"):
            phone = await Phone.open(stack.phone_ip, behaviour=Answer())
            phones[who] = await exits.enter_async_context(phone)
        room = f"{office.room()}-{uuid4().hex[:6]}"
        await office.dial(await office.trunk(phones["caller"].address), room, identity="caller")
        caller = phones["caller"].calls[0]
        await caller.wait("rtp_in", 5)
        grants = api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
        token = api.AccessToken(stack.api_key, stack.api_secret).with_identity("agent")
        jwt = token.with_kind("agent").with_grants(grants).to_jwt()
        trunk = await office.trunk(phones["human"].address)
        child = await Child.start(stack, stack.url, jwt, trunk, bridge)
        assert await child.ask() == "dialled"
        human = phones["human"].calls[0]
        calls = {"caller": caller, "human": human}
        await asyncio.sleep(1.0)

        for who, call in calls.items():
            call.tone(VOICES[who])
        asked = time.monotonic()
        hearing = asyncio.gather(
            caller.hears(VOICES["human"], windows=1), human.hears(VOICES["caller"], windows=1)
        )
        mode = await child.ask("bridge")
        joined = max(await hearing) - asked
        await asyncio.sleep(2.0)  # the jitter buffers settle

        cpu, began = map(float, (await child.ask("cpu")).split())
        start = time.monotonic()
        await asyncio.sleep(seconds)
        end = time.monotonic() - 0.5
        later, now = map(float, (await child.ask("cpu")).split())
        gaps = [
            lost(caller, VOICES["human"], start, end),
            lost(human, VOICES["caller"], start, end),
        ]
        for call in calls.values():
            call.quiet()
        await asyncio.sleep(1.0)
        found = await delays(caller, human, VOICES["caller"], bursts)
        found += await delays(human, caller, VOICES["human"], bursts)
        await child.stop()
        return {
            "mode": mode,
            "bridge": round(joined, 3),
            "delay": round(statistics.median(found), 3),
            "delay_max": round(max(found), 3),
            "bursts": len(found),
            "cpu_percent": round(100 * (later - cpu) / (now - began), 1),
            "lost_ms_per_minute": round(max(per_minute for per_minute, _ in gaps)),
            "longest_gap": round(max(gap for _, gap in gaps), 3),
        }


async def main(bursts: int, seconds: float) -> None:
    """Measure both."""
    reason = unavailable()
    if reason is not None:
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack.from_environment() or Stack.start(Path(folder))
        try:
            figures = {}
            ways: tuple[Bridge, ...] = ("shared_room", "consult_room")
            for bridge in ways:
                found = await measure(stack, bridge, bursts, seconds)
                figures[found["mode"]] = found
                print(found)
        finally:
            stack.stop()
    added = figures["relay"]["delay"] - figures["shared_room"]["delay"]
    print(json.dumps({**figures, "delay_added": round(added, 3)}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--agent"]:
        url, token, trunk, bridge = sys.argv[2:6]
        asyncio.run(agent(url, token, trunk, cast("Bridge", bridge)))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--bursts", type=int, default=20)
        parser.add_argument("--seconds", type=float, default=10.0)
        options = parser.parse_args()
        asyncio.run(main(options.bursts, options.seconds))
