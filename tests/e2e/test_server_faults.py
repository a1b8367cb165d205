"""Servers that are killed, restarted and paused under a call.

What nobody can repair from outside is asserted as docs/topics/reliability.md says it; what it
measures is shown by `pytest -m slow -rP`. The servers of this file are its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from . import cast, judge, tones
from .aftermath import (
    dialled_once,
    heard_by_now,
    in_order_again,
    last,
    nobody_but_agents,
    told,
)
from .behaviour import Answer, NeverAnswer
from .call import Call
from .stack import Stack, unavailable
from .switchboard import SPOKEN, Reports, Switchboard, TransferCall, transfer_reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PAUSE = 5.0
NOTICED = 30.0
"""Seconds after which the server takes out who has lost his connection; measured: 21."""

BACK = 15.0
"""Seconds after which all are back in the room of a restarted server; measured: 4 to 9."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Servers that only this file uses."""
    reason = unavailable()
    if reason is not None or Stack.from_environment() is not None:
        pytest.skip(reason or "the stack that the environment names is not ours to mistreat")
    started = Stack.start(tmp_path_factory.mktemp("stack"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def transfer_worker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    with transfer_reports(stack, tmp_path_factory.mktemp("transfer")) as reports:
        yield reports


@pytest_asyncio.fixture(autouse=True)
async def servers_run(stack: Stack) -> AsyncIterator[None]:
    """However a test ends, the next one finds servers that answer."""
    yield
    for process in stack.processes:
        process.resume()
        if not process.running:
            await process.start_async()


async def ringing(switchboard: Switchboard, seconds: float = 60) -> tuple[TransferCall, Call]:
    call = await switchboard.call([NeverAnswer()], options={"ring_timeout": seconds})
    await call.ask()
    human = await call.human()
    await call.phase("ringing")
    await call.caller.hears(cast.MUSIC)
    return call, human


async def briefing(switchboard: Switchboard) -> tuple[TransferCall, Call]:
    call = await switchboard.call([Answer(after=0.5)])
    await call.ask()
    human = await call.human()
    await human.hears(cast.BRIEFING)
    await asyncio.sleep(0.5)
    return call, human


async def bridged(switchboard: Switchboard) -> tuple[TransferCall, Call]:
    call, human = await briefing(switchboard)
    await human.say(tones.tone(cast.YES, SPOKEN))
    await call.joined(human)
    await asyncio.sleep(0.5)
    return call, human


async def pause(stack: Stack) -> tuple[float, float]:
    """SIGSTOP to livekit-server for a while; from when to when."""
    assert stack.server is not None
    began = time.monotonic()
    stack.server.pause()
    await asyncio.sleep(PAUSE)
    stack.server.resume()
    return began, time.monotonic()


async def restart(stack: Stack) -> float:
    """SIGKILL to livekit-server, and a new one at once; when that was."""
    assert stack.server is not None
    moment = time.monotonic()
    await stack.server.restart()
    return moment


# A pause: it hangs, then goes on as if nothing had been.


async def test_the_server_pauses_on_hold(stack: Stack, switchboard: Switchboard) -> None:
    call, human = await ringing(switchboard, 9)
    began, ended = await pause(stack)
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, within=20))
    again = await call.caller.hears(cast.MUSIC)
    heard = await sorry
    told("server paused 5 s on hold", music_again_after_the_pause=again - ended)
    judge.never_left_in_silence(call.caller, ended + 1.0, heard)
    assert (await call.outcome())["status"] == "no_answer"
    assert human.ended_with == "CANCEL"
    await call.caller.stops_hearing(cast.SORRY)
    await call.only_caller_and_agent()
    await call.served_again()
    dialled_once(call)
    assert began < ended


async def test_the_server_pauses_in_the_briefing(stack: Stack, switchboard: Switchboard) -> None:
    call, human = await briefing(switchboard)
    _, ended = await pause(stack)
    again = await call.caller.hears(cast.MUSIC)
    judge.nothing_of_the_briefing(call.caller, human)
    judge.voices_apart(call.caller, human, tones.NEVER)
    await human.say(tones.tone(cast.YES, SPOKEN))
    await call.joined(human)
    told("server paused 5 s in the briefing", music_again_after_the_pause=again - ended)
    assert (await call.outcome())["status"] == "bridged"
    dialled_once(call)
    await call.caller.hang_up()
    await human.wait("ended", 2)
    await nobody_but_agents(call)


async def test_the_server_pauses_while_they_talk(stack: Stack, switchboard: Switchboard) -> None:
    call, human = await bridged(switchboard)
    _, ended = await pause(stack)
    first = await asyncio.gather(call.caller.hears(cast.HUMAN), human.hears(cast.CALLER))
    told("server paused 5 s while they talk", both_hear_again_after=max(first) - ended)
    assert max(first) - ended < 2.0
    judge.nothing_of_the_ai((call.caller, human), ended)
    await human.hang_up()
    await call.caller.wait("ended", 2)
    await nobody_but_agents(call)


async def test_the_caller_hangs_up_while_the_server_pauses(
    stack: Stack, switchboard: Switchboard
) -> None:
    call, human = await ringing(switchboard)
    paused = asyncio.ensure_future(pause(stack))
    await asyncio.sleep(1.0)
    await call.caller.hang_up()
    _, ended = await paused
    stopped = (await human.wait("ended", 5)).at
    told("caller hangs up during the pause", the_phone_stops_after_the_pause=stopped - ended)
    assert human.ended_with == "CANCEL"
    assert (await call.outcome())["status"] == "caller_left"
    await nobody_but_agents(call)


# A restart: the rooms are gone, everybody comes back, and the server starts another job.


async def test_the_server_restarts_on_hold(stack: Stack, switchboard: Switchboard) -> None:
    call, human = await ringing(switchboard, 14)
    moment = await restart(stack)
    greeted = await call.caller.hears(cast.GREETING, within=BACK)
    told(
        "server restarted on hold",
        music_until=last(call.caller, cast.MUSIC, moment),
        the_next_AI_greets_after=greeted - moment,
    )
    stopped = await human.wait("ended", 30)
    assert stopped.detail == "CANCEL"
    outcome = await call.outcome(within=30)
    told("server restarted on hold", status=outcome["status"])
    assert outcome["status"] in ("no_answer", "indeterminate", "failed")
    await in_order_again(call, gone_within=BACK, served_within=20)


async def test_the_server_restarts_in_the_briefing(stack: Stack, switchboard: Switchboard) -> None:
    call, human = await briefing(switchboard)
    call.caller.tone(cast.CALLER)
    human.tone(cast.HUMAN)
    moment = await restart(stack)
    greeted = await call.caller.hears(cast.GREETING, within=2 * BACK)
    told(
        "server restarted in the briefing",
        music_until=last(call.caller, cast.MUSIC, moment),
        the_next_AI_greets_after=greeted - moment,
    )
    assert judge.heard(call.caller, [cast.BRIEFING, cast.FAREWELL], moment) == 0
    judge.voices_apart(call.caller, human, tones.NEVER)
    call.caller.quiet()
    if not human.ended:
        # Neither hears the other, nor the first AI; he hangs up, as anybody would.
        await human.hang_up()
    outcome = await call.outcome(within=100)
    told("server restarted in the briefing", status=outcome["status"])
    assert outcome["status"] in ("human_left", "failed", "timed_out")
    await in_order_again(call, gone_within=BACK, served_within=20)


async def test_the_server_restarts_while_they_talk(stack: Stack, switchboard: Switchboard) -> None:
    """Legs of livekit-sip 1.2.0 that come back hear nobody who was there; only one end is left."""
    call, human = await bridged(switchboard)
    moment = await restart(stack)
    await call.caller.hears(cast.GREETING, within=BACK)
    told(
        "server restarted while they talk",
        the_caller_hears_the_human_until=last(call.caller, cast.HUMAN, moment),
    )
    assert not call.reported("end")
    hung_up = time.monotonic()
    await call.caller.hang_up()
    stopped = (await human.wait("ended", 5)).at
    told("and the caller hangs up", the_human_is_hung_up_after=stopped - hung_up)
    assert (await call.told("end")).fields["by"] == "caller"
    await nobody_but_agents(call)


# livekit-sip is killed: with it goes every phone, and nobody tells them.


@pytest.mark.parametrize("phase", ["ringing", "bridged"])
async def test_livekit_sip_is_killed(stack: Stack, switchboard: Switchboard, phase: str) -> None:
    assert stack.sip is not None
    call, human = await (ringing if phase == "ringing" else bridged)(switchboard)
    moment = time.monotonic()
    await stack.sip.kill_async()
    await asyncio.sleep(1.0)
    await stack.sip.start_async()
    if phase == "ringing":
        outcome = await call.outcome(within=NOTICED + 10)
        assert outcome["status"] == "caller_left"
        noticed = await call.phase("ended")
    else:
        end = await call.told("end", within=NOTICED)
        assert end.fields["by"] == "caller"
        noticed = end.at
    told(f"livekit-sip killed, {phase}", the_transfer_ends_after=noticed - moment)
    await nobody_but_agents(call, within=NOTICED)
    assert not call.caller.ended, "nobody tells the phone"
    assert not human.ended, "nobody tells the phone"
    dialled_once(call)
    for phone in (call.caller, human):
        phone.vanish()
    # And the next call works.
    after, again = await bridged(switchboard)
    await heard_by_now(after, again)
    await after.caller.hang_up()
    await nobody_but_agents(after)
