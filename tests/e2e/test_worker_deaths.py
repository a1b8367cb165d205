"""SIGKILL to the worker in each phase: what the parties experience then, and what recovers.

Nothing of the library can act once the process is gone. What is asserted here is what
docs/topics/reliability.md says; what it measures is shown by `pytest -m slow -rP`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Protocol

import pytest
import pytest_asyncio
from livekit import api

from . import cast, judge, tones
from .aftermath import (
    in_order_again,
    last,
    nobody_but_agents,
    nothing_of_ours,
    served,
    told,
)
from .backoffice import Backoffice
from .behaviour import Answer, NeverAnswer, Script
from .call import Call
from .conftest import WorkerFactory
from .stack import Stack
from .switchboard import Reports, Switchboard, TransferCall
from .worker import Worker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

NOTICED = 30.0
"""Seconds after which the server has taken a dead agent out of the room; measured: 21."""


class Mortal:
    """A call whose worker is ours to kill, and a second worker that comes to its rescue."""

    def __init__(
        self, office: Backoffice, first: Worker, second: Worker, call: TransferCall
    ) -> None:
        self._office, self._first, self._second = office, first, second
        self.call = call
        self._second_reports = Reports(second)
        self.died = 0.0

    async def die(self) -> None:
        self.died = time.monotonic()
        await self._first.kill_async()

    async def rescued(self) -> list[str]:
        """Dispatch a job to the room, as an operator would; what it has repaired at once."""
        room = (await self.call.told("started")).fields["room"]
        metadata = json.dumps({"call": self.call.name, "transfers": []})
        await self._office.api.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(
                agent_name=self._second.agent_name, room=room, metadata=metadata
            )
        )
        found: list[str] = (await self._second.wait("repaired", 20)).fields["found"]
        return found

    async def caller_is_deaf(self) -> bool:
        room = (await self.call.told("started")).fields["room"]
        everyone = await self._office.participants(room)
        (caller,) = [info for who, info in everyone.items() if who.startswith("sip_")]
        return not caller.permission.can_subscribe

    def since(self, moment: float) -> float:
        return moment - self.died


class MortalFactory(Protocol):
    def __call__(
        self, human: Script, module: str = "transfer_agent", **options: object
    ) -> Awaitable[Mortal]: ...


@pytest_asyncio.fixture
async def mortal(
    stack: Stack, office: Backoffice, worker: WorkerFactory
) -> AsyncIterator[MortalFactory]:
    async with AsyncExitStack() as exits:
        second = await worker(f"{__package__}.repairing_agent", "rescuer")

        async def make(human: Script, module: str = "transfer_agent", **options: object) -> Mortal:
            first = await worker(f"{__package__}.{module}", "mortal")
            board = Switchboard(stack, office, Reports(first), exits)
            call = await board.call([human], options={"ring_timeout": 60, **options})
            return Mortal(office, first, second, call)

        yield make


async def test_in_the_announcement(mortal: MortalFactory) -> None:
    it = await mortal(Answer())
    await it.call.ask()
    await it.call.caller.hears(cast.ANNOUNCED)
    await it.die()
    assert await it.rescued() == []
    heard = await served(it.call, NOTICED)
    told(
        "killed in the announcement",
        the_caller_hears_it_until=last(it.call.caller, cast.ANNOUNCED, it.died),
        the_next_AI_from=it.since(heard),
    )
    assert not it.call.phones[0].invites, "it rang"
    await it.call.caller.hang_up()
    await nobody_but_agents(it.call, within=NOTICED)


async def test_while_it_rings(mortal: MortalFactory) -> None:
    """The caller hears silence, the phone rings on, until the next job sees that it is dead."""
    it = await mortal(NeverAnswer())
    await it.call.ask()
    human = await it.call.human()
    await it.call.phase("ringing")
    await it.die()
    assert await it.rescued() == [], "the dead agent is still in the room"
    stopped = await human.wait("ended", NOTICED)
    told(
        "killed while it rings",
        the_caller_hears_music_until=last(it.call.caller, cast.MUSIC, it.died),
        the_phone_rings_until=it.since(stopped.at),
    )
    assert stopped.detail == "CANCEL"
    await in_order_again(it.call, gone_within=5.0, served_within=NOTICED)


@pytest.mark.parametrize("human", [NeverAnswer(), Answer(after=0.5)], ids=["rings", "briefed"])
async def test_with_a_human_in_a_consult_room(mortal: MortalFactory, human: Script) -> None:
    """The next job deletes the room as soon as it sees that the agent is dead."""
    it = await mortal(human, bridge="consult_room")
    await it.call.ask()
    phone = await it.call.human()
    await it.call.phase("ringing")
    if isinstance(human, Answer):
        await phone.hears(cast.BRIEFING)
    await asyncio.sleep(0.3)
    await it.die()
    assert await it.rescued() == []
    stopped = await phone.wait("ended", NOTICED)
    told("killed with a consult room", the_human_is_hung_up_after=it.since(stopped.at))
    await in_order_again(it.call, gone_within=5.0, served_within=NOTICED)


async def test_answered_when_nobody_is_there_any_more(mortal: MortalFactory) -> None:
    """The caller hears the human, who does not hear him, until the next job hangs the human up."""
    it = await mortal(Answer(after=4.0, tone=cast.HUMAN))
    await it.call.ask()
    human = await it.call.human()
    await it.call.phase("ringing")
    await it.die()
    it.call.caller.tone(cast.CALLER)
    answered = (await human.wait("answered")).at
    assert await it.rescued() == [], "the dead agent is still in the room"
    stopped = await human.wait("ended", NOTICED)
    told(
        "killed while it rings, then answered",
        the_human_is_hung_up_after=it.since(stopped.at),
        the_caller_heard_him_for=judge.heard(it.call.caller, [cast.HUMAN], answered) / 1000,
        he_heard_the_caller_for=judge.heard(human, [cast.CALLER], answered) / 1000,
    )
    assert judge.heard(human, [*cast.OF_AI, cast.MUSIC], answered) == 0
    await in_order_again(it.call, gone_within=5.0, served_within=NOTICED)


async def test_in_the_briefing(mortal: MortalFactory) -> None:
    """Both hear silence and not each other, until the next job hangs the human up."""
    it = await mortal(Answer(after=0.5))
    await it.call.ask()
    human = await it.call.human()
    await human.hears(cast.BRIEFING)
    await asyncio.sleep(0.3)
    await it.die()
    it.call.caller.tone(cast.CALLER)
    human.tone(cast.HUMAN)
    assert await it.rescued() == [], "the dead agent is still in the room"
    stopped = await human.wait("ended", NOTICED)
    told(
        "killed in the briefing",
        the_caller_hears_music_until=last(it.call.caller, cast.MUSIC, it.died),
        the_human_hears_the_AI_until=last(human, cast.BRIEFING, it.died),
        the_human_is_hung_up_after=it.since(stopped.at),
    )
    assert human.ended_by == "them"
    judge.voices_apart(it.call.caller, human, stopped.at)
    assert judge.heard(human, [cast.GREETING], it.died) == 0, "the next AI greets the caller"
    await in_order_again(it.call, gone_within=5.0, served_within=NOTICED)


async def test_with_a_caller_who_was_just_made_deaf(mortal: MortalFactory) -> None:
    """The process alone is killed, between two requests of the seal; the caller stays deaf."""
    it = await mortal(Answer(after=0.0, tone=cast.HUMAN), "dying_agent")
    await it.call.ask()
    human = await it.call.human()
    it.died = (await human.wait("answered")).at
    await asyncio.sleep(1.0)
    assert not it.call.reported("phase", new="briefing")
    assert await it.caller_is_deaf()
    assert await it.rescued() == [], "the dead agent is still in the room"
    stopped = await human.wait("ended", NOTICED)
    heard = await served(it.call, NOTICED)
    told(
        "killed with a deaf caller",
        the_caller_hears_music_until=last(it.call.caller, cast.MUSIC, it.died),
        the_human_is_hung_up_after=it.since(stopped.at),
        the_caller_hears_the_next_AI_from=it.since(heard),
    )
    judge.voices_apart(it.call.caller, human, stopped.at)
    assert not await it.caller_is_deaf()
    await nothing_of_ours(it.call)
    await it.call.caller.hang_up()
    await nobody_but_agents(it.call)


async def test_while_they_talk(mortal: MortalFactory) -> None:
    """They talk on; nobody hangs the other up when one leaves."""
    it = await mortal(Answer(after=0.5))
    await it.call.ask()
    human: Call = await it.call.human()
    await it.call.briefed(human)
    await it.call.joined(human)
    await asyncio.sleep(1.5)
    await it.die()
    await asyncio.sleep(NOTICED)
    until = time.monotonic() - 0.2
    gaps = [
        tones.longest_gap(phone.recording, voice, it.died, until)
        for phone, voice in ((it.call.caller, cast.HUMAN), (human, cast.CALLER))
    ]
    assert max(gaps) <= 0.5
    room = await it.call.room()
    assert not [identity for identity in room if identity.startswith("agent-")]
    await it.call.caller.hang_up()
    await asyncio.sleep(1.0)
    assert not human.ended, "nobody watches"
    told("killed while they talk", longest_gap=max(gaps), the_other_leg="stays until it hangs up")
    await human.hang_up()
    await nobody_but_agents(it.call)
