"""The guides' own snippets for WarmTransferTask, with only the import changed, as real calls."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from aiohttp import web

from . import cast, judge, tones
from .backoffice import Backoffice
from .behaviour import Answer, Reject
from .call import Call
from .stack import Stack
from .switchboard import Reports, Switchboard, TransferCall
from .worker import Worker


@pytest.fixture(scope="module")
def guide_worker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """The worker whose agents are the guides'."""
    made = Worker(stack, f"{__package__}.task_agent", "guides", tmp_path_factory.mktemp("guides"))
    made.start()
    yield Reports(made)
    made.stop()


@pytest_asyncio.fixture
async def guides(
    stack: Stack, office: Backoffice, guide_worker: Reports
) -> AsyncIterator[Switchboard]:
    """`await guides.call([Answer()], kind="announcing")`: a caller, a guide's agent, phones."""
    async with AsyncExitStack() as exits:
        yield Switchboard(stack, office, guide_worker, exits)


@pytest_asyncio.fixture
async def music_url() -> AsyncIterator[str]:
    """A web server that has the hold music, and the URL of it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(24000)
        wav.writeframes(tones.tone(cast.MUSIC, 2.0, rate=24000).tobytes())

    async def hold(_: web.Request) -> web.Response:
        return web.Response(body=file.getvalue(), content_type="audio/wav")

    app = web.Application()
    app.router.add_get("/hold.wav", hold)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/hold.wav"
    await runner.cleanup()


async def connected(call: TransferCall, human: Call) -> None:
    """The human says yes to the briefing; both talk, the AI is silent, one ends it for both."""
    await call.briefed(human)
    since = await call.handed_over(human)
    await asyncio.sleep(1.5)
    judge.nothing_of_the_ai((call.caller, human), since)
    assert not call.requests_after(since)
    await human.hang_up()
    await call.caller.wait("ended", 2)
    assert call.caller.ended_by == "them"
    await call.told("closed")


async def test_announce_with_say_then_run(guides: Switchboard) -> None:
    call = await guides.call([Answer(after=1.0)], kind="announcing")
    announced = asyncio.ensure_future(call.caller.hears(cast.ANNOUNCED))
    await call.ask()
    await announced
    human = await call.human()
    # The announcement was heard to its end before the phone rang.
    assert human.at("invited") is not None
    said = await call.caller.stops_hearing(cast.ANNOUNCED)
    assert said <= (human.at("invited") or 0.0) + 0.3
    first = await human.hears(cast.BRIEFING)
    answered = human.at("answered")
    assert answered is not None
    assert first - answered < 1.0
    await connected(call, human)


async def test_hold_music_from_a_url(guides: Switchboard, music_url: str) -> None:
    call = await guides.call([Answer(after=2.0)], kind="music", options={"url": music_url})
    music = asyncio.ensure_future(call.caller.hears(cast.MUSIC, within=10))
    await call.ask()
    human = await call.human()
    began = await music
    await call.briefed(human)
    await call.joined(human)
    judge.nothing_of_the_briefing(call.caller, human)
    talking = tones.first_heard(call.caller.recording, cast.HUMAN, after=began)
    assert talking is not None
    judge.never_left_in_silence(call.caller, began, talking)
    await call.caller.hang_up()
    await human.wait("ended", 2)


async def test_a_department_and_a_summary_from_the_model(guides: Switchboard) -> None:
    call = await guides.call([Reject(486), Answer(after=1.0)], kind="departments")
    await call.ask()
    human = await call.human(1)
    await human.hears(cast.BRIEFING)
    assert any("A parcel is lost." in each.fields["system"] for each in call.reported("llm"))
    await connected(call, human)
    assert not call.phones[0].invites


async def test_an_exception_and_a_spoken_alternative(guides: Switchboard) -> None:
    call = await guides.call([Reject(486)], kind="alternative")
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, within=15))
    await call.ask()
    failed = await call.told("outcome")
    assert failed.fields["error"] == "WarmTransferError"
    assert "could not dial human agent" in failed.fields["text"]
    assert failed.fields["audio"]
    await sorry
    await call.caller.stops_hearing(cast.SORRY)
    await call.served_again()
    await call.only_caller_and_agent()
    assert len(call.phones[0].call_ids) == 1


async def test_awaited_with_chat_ctx_and_target_phone_number(guides: Switchboard) -> None:
    call = await guides.call([Answer(after=1.0)], kind="awaited")
    await call.ask()
    human = await call.human()
    first = await human.hears(cast.BRIEFING)
    answered = human.at("answered")
    assert answered is not None
    assert first - answered < 1.0
    await connected(call, human)
    assert (await call.outcome())["identity"].startswith("human-")


async def test_a_subclass_that_overrides_on_enter(guides: Switchboard) -> None:
    call = await guides.call([Answer(after=1.0)], kind="immediate")
    await call.ask()
    human = await call.human()
    await human.hears(cast.BRIEFING)
    await connected(call, human)
    asked = [each for each in call.reported("llm") if "calls right now" in each.fields["system"]]
    assert len(asked) == 1
