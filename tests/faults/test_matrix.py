"""Each phase times each event: the status, and the promises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from livetransfer import ColdTransfer, Phase, TransferInProgressError, WarmTransfer

from . import tables
from .cells import DELAY, Cell, Staging, cells, staging
from .promises import check_promises
from .scene import ANN, Scene, stage

RESULTS: dict[Cell, tuple[str, str]] = {}
"""What this run of the tests found, for the table in the docs."""


@pytest.mark.parametrize("cell", cells(), ids=str)
async def test_cell(cell: Cell) -> None:
    plan = staging(cell)
    async with staged(plan) as scene:
        for prepare in plan.prepare:
            prepare(scene)
        if plan.act is not None:
            scene.when(cell.phase, plan.act, DELAY[cell.phase], nth=plan.nth)
        scene.ask()
        await scene.over()
        if cell.phase is Phase.BRIDGED:
            await asyncio.sleep(DELAY[Phase.BRIDGED] + 2)
        await scene.settle()
        status, where = RESULTS[cell] = what_became(scene)
        assert (status, where) == (cell.status, cell.where), scene.result
        if cell.event == "second transfer started":
            assert [type(error) for error in scene.raised] == [TransferInProgressError]
        else:
            assert not scene.raised
        await check_promises(scene)


def test_the_tables_in_the_docs() -> None:
    tables.check("bounds", tables.bounds())
    if len(RESULTS) < len(cells()):
        pytest.skip("the table of the matrix needs all of its cells: --dist loadfile")
    tables.check("matrix", tables.matrix(RESULTS))


def staged(plan: Staging) -> Any:
    def transfer(listen: Any) -> WarmTransfer | ColdTransfer:
        return (ColdTransfer if plan.cold else WarmTransfer)(ANN, on_event=listen, **plan.options)

    return stage(
        transfer,
        humans={ANN: plan.script} if plan.known else {},
        refer=plan.refer,
        latency=plan.latency,
        on_event=plan.listener,
    )


def what_became(scene: Scene) -> tuple[str, str]:
    """Return the status, and where the caller is."""
    result = scene.result
    status = "cancelled" if isinstance(result, asyncio.CancelledError) else None
    if status is None:
        assert scene.outcome is not None, result
        status = scene.outcome.status.value
    caller = scene.call.caller
    if not caller.on_the_line:
        where = "gone"
    elif caller.talks_to(ANN) if ANN in scene.call.humans else False:
        where = "with the human"
    else:
        where = "with the AI" if caller.talks_to_ai else "nobody there"
    return status, where
