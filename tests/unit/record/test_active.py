"""However a run ends, or does not begin, it is under way for the metrics no longer than it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from livetransfer import (
    ColdTransfer,
    ConfigurationError,
    Destination,
    DestinationGuard,
    DestinationNotAllowedError,
    Router,
    TransferEnded,
    TransferEvent,
    TransferStarted,
    UnknownDestinationError,
    WarmTransfer,
)
from livetransfer.record import Records, Telemetry, TransferRecord
from livetransfer.testing import Human, simulate
from tests.unit.transfers import rig

ANN = "+15550100"
OFFICE = Router({"sales": ANN})


class Gauge:
    """Records whose metrics are read."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.kept: list[TransferRecord] = []
        telemetry = Telemetry(meter_provider=MeterProvider([self.reader]))
        self.records = Records(self.kept.append, telemetry=telemetry)

    def active(self) -> float:
        """Return how many are under way, which is 0 also where none ever was."""
        data = self.reader.get_metrics_data()
        found = (
            []
            if data is None
            else [
                getattr(point, "value", 0)
                for resource in data.resource_metrics
                for scope in resource.scope_metrics
                for metric in scope.metrics
                if metric.name == "livetransfer.active"
                for point in metric.data.data_points
            ]
        )
        return float(sum(found))


class Gone(Router):
    """A router that knows no department when it is asked."""

    async def resolve(self, request: Any) -> Any:
        raise UnknownDestinationError("department", request.department, "it is gone")


REFUSED: dict[str, tuple[Any, type[Exception]]] = {
    "no such department": (
        lambda **o: WarmTransfer(OFFICE, department="support", **o),
        UnknownDestinationError,
    ),
    "none asked for": (lambda **o: WarmTransfer(Router({"a": ANN, "b": ANN}), **o), Exception),
    "a department that is gone": (
        lambda **o: WarmTransfer(Gone({"sales": ANN}), department="sales", **o),
        UnknownDestinationError,
    ),
    "no trunk": (
        lambda **o: ColdTransfer(OFFICE, department="sales", method="dial", **o),
        ConfigurationError,
    ),
    "the guard": (
        lambda **o: WarmTransfer(OFFICE, department="sales", guard=DestinationGuard(), **o),
        DestinationNotAllowedError,
    ),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_one_that_is_refused_is_not_under_way(why: str) -> None:
    make, error = REFUSED[why]
    gauge, told = Gauge(), list[TransferEvent]()
    async with simulate(humans={ANN: Human.accepts()}, trunk=why != "no trunk") as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            with pytest.raises(error):
                await make(records=gauge.records, on_event=told.append).run(r.session)
            await asyncio.sleep(5)
            assert gauge.active() == 0
            started = [event for event in told if isinstance(event, TransferStarted)]
            ended = [event for event in told if isinstance(event, TransferEnded)]
            assert len(started) == len(ended)
            assert [record.over for record in gauge.kept] == [True] * len(started)


async def test_one_that_is_refused_takes_no_place_among_the_records_of_the_call() -> None:
    gauge = Gauge()
    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            with pytest.raises(UnknownDestinationError):
                await WarmTransfer(OFFICE, department="x", records=gauge.records).run(r.session)
            outcome = await WarmTransfer(ANN, records=gauge.records).run(r.session)
            assert outcome.record.number == 1
            assert outcome.record.previous is None


@pytest.mark.parametrize("times", [1, 2])
async def test_one_that_is_cancelled_while_it_is_undone_has_ended_too(times: int) -> None:
    gauge, told = Gauge(), list[TransferEvent]()
    transfer = WarmTransfer(ANN, records=gauge.records, on_event=told.append)
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, WarmTransfer(ANN).run) as r:
            running = asyncio.create_task(transfer.run(r.session))
            await asyncio.sleep(5)
            assert gauge.active() == 1
            for _ in range(times):
                running.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await running
            await asyncio.sleep(5)
            assert gauge.active() == 0
            assert sum(isinstance(event, TransferEnded) for event in told) == 1
            # The call may be transferred again.
            assert not (await WarmTransfer(Destination(ANN), ring_timeout=5).run(r.session)).bridged
