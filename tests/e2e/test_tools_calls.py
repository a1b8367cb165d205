"""TransferTools on real calls, in the hands of a model that says that every transfer has worked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from . import cast, judge
from .backoffice import Backoffice
from .behaviour import Answer, Reject
from .stack import Stack
from .switchboard import PATIENCE, Reports, Switchboard
from .worker import Worker


@pytest.fixture(scope="module")
def tools_worker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """The worker whose agents have TransferTools."""
    made = Worker(stack, f"{__package__}.tools_agent", "tools", tmp_path_factory.mktemp("tools"))
    made.start()
    yield Reports(made)
    made.stop()


@pytest_asyncio.fixture
async def tools(
    stack: Stack, office: Backoffice, tools_worker: Reports
) -> AsyncIterator[Switchboard]:
    """`await tools.call([Answer()], transfers=[plan("has tools")])`."""
    async with AsyncExitStack() as exits:
        yield Switchboard(stack, office, tools_worker, exits)


def plan(model: str) -> list[dict[str, object]]:
    return [{"kind": "tools", "options": {}, "model": model}]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "model",
    [pytest.param("has tools", marks=SLOW), "has tools, twice", "has tools, and ends"],
)
async def test_a_caller_is_handed_over_once(tools: Switchboard, model: str) -> None:
    call = await tools.call([Answer(after=0.5)], transfers=plan(model))
    await call.ask()
    human = await call.human()
    await call.briefed(human)
    since = await call.handed_over(human)
    await asyncio.sleep(4.0)
    await call.joined(human)
    judge.nothing_of_the_ai([call.caller, human], since)
    assert (await call.outcome())["status"] == "bridged"
    assert len(call.phones[0].call_ids) == 1
    assert judge.heard(call.caller, [cast.BACK], 0.0) == 0
    await human.hang_up()
    await call.caller.wait("ended", PATIENCE)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param("has tools", marks=SLOW),
        pytest.param("has tools, twice", marks=SLOW),
        "has tools, and ends",
    ],
)
async def test_a_failed_transfer_is_not_told_as_done(tools: Switchboard, model: str) -> None:
    call = await tools.call([Reject(486, after=0.5)], transfers=plan(model))
    await call.ask()
    await call.caller.hears(cast.SORRY, PATIENCE)
    sorry = time.monotonic()
    await call.caller.stops_hearing(cast.SORRY, PATIENCE)
    await asyncio.sleep(3.0)
    assert (await call.outcome())["status"] == "busy"
    assert judge.heard(call.caller, [cast.BACK], 0.0) == 0
    assert call.requests_after(sorry) == []
    assert len(call.phones[0].call_ids) == 1
    await call.only_caller_and_agent()
    await call.served_again()


async def test_a_department_that_is_closed_rings_nobody(tools: Switchboard) -> None:
    call = await tools.call([Answer()], transfers=plan("has tools, asks for billing"))
    await call.ask()
    await call.caller.hears(cast.SORRY, PATIENCE)
    sorry = time.monotonic()
    await call.caller.stops_hearing(cast.SORRY, PATIENCE)
    await asyncio.sleep(3.0)
    # The model is not asked to tell it, which would tell it as done.
    assert judge.heard(call.caller, [cast.BACK], 0.0) == 0
    assert call.requests_after(sorry) == []
    assert not call.reported("phase")
    assert not call.phones[0].call_ids
    await call.served_again()
