"""Telemetry: the trace and the metrics of each transfer, through OpenTelemetry."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from livekit.agents import telemetry
from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from livetransfer._logged import logged
from livetransfer.errors import ConfigurationError

from .metrics import Metrics
from .model import TransferRecord
from .spans import draw

__all__ = ["Observation", "Telemetry"]

logger = logging.getLogger("livetransfer")


class Telemetry:
    """The trace and the metrics of each transfer.

    The spans are made when the transfer is over, with the times that they had. Where no SDK of
    OpenTelemetry is set up, that costs a few microseconds.

    Args:
        tracer_provider: Default: that of livekit-agents (`telemetry.set_tracer_provider`), or
            else OpenTelemetry's global one.
        meter_provider: Default: OpenTelemetry's global one.

    Raises:
        ConfigurationError: One of them is no provider.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if tracer_provider is not None and not isinstance(tracer_provider, TracerProvider):
            raise ConfigurationError("tracer_provider", tracer_provider, "give a TracerProvider")
        if meter_provider is not None and not isinstance(meter_provider, MeterProvider):
            raise ConfigurationError("meter_provider", meter_provider, "give a MeterProvider")
        self._tracer = (
            telemetry.tracer
            if tracer_provider is None
            else trace.get_tracer("livetransfer", tracer_provider=tracer_provider)
        )
        self._metrics = (
            _global_metrics()
            if meter_provider is None
            else Metrics(metrics.get_meter("livetransfer", meter_provider=meter_provider))
        )

    def begin(self, call: object) -> Observation:
        """Return what is told of one transfer, which begins here and now.

        Args:
            call: The caller's AgentSession: where nothing is current, its trace is the parent.
        """
        current = context.get_current()
        if not trace.get_current_span(current).get_span_context().is_valid:
            # A run that was not started by a tool of the session.
            current = getattr(call, "_root_span_context", None) or current
        return Observation(self, current)


class Observation:
    """What is told of one transfer.

    Args:
        to: To whom.
        parent: Where the transfer began.
    """

    def __init__(self, to: Telemetry, parent: Context) -> None:
        self._to, self._parent = to, parent
        self._over = False
        self._safely(self._to._metrics.began)

    def over(self, record: TransferRecord) -> None:
        """The transfer is over: make its trace and count it. Later calls do nothing.

        Args:
            record: The record, as it may be kept.
        """
        if self._over:
            return
        self._over = True
        self._safely(self._to._metrics.over)
        self._safely(functools.partial(self._to._metrics.measure, record))
        self._safely(functools.partial(draw, record, self._to._tracer, self._parent))

    def _safely(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception:
            logger.error("the telemetry of a transfer failed", **logged())


@functools.cache
def _global_metrics() -> Metrics:
    return Metrics(metrics.get_meter("livetransfer"))
