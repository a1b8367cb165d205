"""Fixtures of the tests on real calls: the stack, phones, the operator's view, workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from .backoffice import Backoffice
from .behaviour import OnRefer, Script
from .phone import Phone
from .sip_messages import Credentials
from .stack import Stack
from .switchboard import Reports, Switchboard, transfer_reports
from .worker import Executor, Worker


class PhoneFactory(Protocol):
    def __call__(
        self,
        behaviour: Script | None = None,
        *,
        on_refer: OnRefer | None = None,
        auth: Credentials | None = None,
    ) -> Awaitable[Phone]: ...


class WorkerFactory(Protocol):
    def __call__(
        self, module: str, agent_name: str, *, executor: Executor = "process", drain: float = 0.0
    ) -> Awaitable[Worker]: ...


@pytest_asyncio.fixture
async def office(stack: Stack) -> AsyncIterator[Backoffice]:
    """LiveKit's API; what a test makes with it is deleted after the test."""
    async with Backoffice.open(stack) as opened:
        yield opened


@pytest_asyncio.fixture
async def phone(stack: Stack) -> AsyncIterator[PhoneFactory]:
    """`await phone(Answer(after=2))` plugs in a phone that the stack can reach."""
    async with AsyncExitStack() as opened:

        async def plug_in(
            behaviour: Script | None = None,
            *,
            on_refer: OnRefer | None = None,
            auth: Credentials | None = None,
        ) -> Phone:
            made = await Phone.open(
                stack.phone_ip, behaviour=behaviour, on_refer=on_refer, auth=auth
            )
            return await opened.enter_async_context(made)

        yield plug_in


@pytest_asyncio.fixture
async def worker(stack: Stack, tmp_path: Path) -> AsyncIterator[WorkerFactory]:
    """`await worker("package.module", "agent-name")` starts a worker and waits for it."""
    started: list[Worker] = []

    async def start(
        module: str, agent_name: str, *, executor: Executor = "process", drain: float = 0.0
    ) -> Worker:
        made = Worker(stack, module, agent_name, tmp_path, executor=executor, drain=drain)
        started.append(made)
        await made.start_async()
        return made

    yield start
    for made in started:
        await made.stop_async(within=5)


@pytest.fixture(scope="session")
def transfer_worker(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """The worker whose agent transfers callers; it serves all the tests."""
    with transfer_reports(stack, tmp_path_factory.mktemp("transfer")) as reports:
        yield reports


@pytest_asyncio.fixture
async def switchboard(
    stack: Stack, office: Backoffice, transfer_worker: Reports
) -> AsyncIterator[Switchboard]:
    """`await switchboard.call([Answer(after=1)])`: a caller, an agent and phones of humans."""
    async with AsyncExitStack() as exits:
        yield Switchboard(stack, office, transfer_worker, exits)
    transfer_worker.check_records()
