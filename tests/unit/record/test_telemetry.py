"""One trace for a transfer, in the session's trace; metrics; and nothing where nobody listens."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, set_span_in_context

from livetransfer import (
    Attempt,
    AttemptEnded,
    TransferEnded,
    TransferOutcome,
    TransferStarted,
    TransferStatus,
)
from livetransfer.errors import ConfigurationError
from livetransfer.record import Recorder, Records, Telemetry

from .story import ANNA, STORY


class Watch:
    """An SDK that keeps what it is told."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.telemetry = Telemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def record(self, events: Any, call: object = None) -> Recorder:
        recorder = Records(telemetry=self.telemetry).begin(call or object())
        for event in events:
            recorder(event)
        return recorder

    def span(self, name: str, index: int = 0) -> ReadableSpan:
        return [s for s in self.spans.get_finished_spans() if s.name == name][index]

    def points(self, name: str) -> dict[tuple[Any, ...], Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            tuple(sorted((point.attributes or {}).items())): getattr(point, "value", None)
            if hasattr(point, "value")
            else point.sum
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"livetransfer.{name}"
            for point in metric.data.data_points
        }


@pytest.fixture
def watch() -> Iterator[Watch]:
    found = Watch()
    yield found
    found.meters.shutdown()


def test_one_span_with_children(watch: Watch) -> None:
    recorder = watch.record(STORY)
    root = watch.span("transfer")
    assert root.attributes is not None
    assert root.attributes["livetransfer.status"] == "bridged"
    assert root.attributes["livetransfer.record.id"] == recorder.record.id
    assert root.status.status_code is StatusCode.UNSET
    assert root.start_time is not None
    assert root.end_time is not None
    assert (root.end_time - root.start_time) / 1e9 == pytest.approx(80)
    assert [event.name for event in root.events] == [
        "livetransfer.refused",
        "livetransfer.hook",
        "livetransfer.hook",
        "livetransfer.hold_music",
    ]
    names = [span.name for span in watch.spans.get_finished_spans()]
    assert names.count("transfer attempt") == names.count("transfer phone") == 2
    assert {"transfer holding", "transfer briefing", "transfer bridged", "transfer queue"} < {
        *names
    }
    for span in watch.spans.get_finished_spans():
        assert span.context.trace_id == root.context.trace_id
        assert span.start_time is not None
        assert span.end_time is not None
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time
    busy, taken = watch.span("transfer phone"), watch.span("transfer phone", 1)
    assert busy.attributes is not None
    assert busy.attributes["sip.response.status_code"] == 486
    assert busy.attributes["error.type"] == "busy"
    assert busy.status.status_code is StatusCode.ERROR
    assert busy.parent is not None
    assert busy.parent.span_id == watch.span("transfer attempt").context.span_id
    assert [event.name for event in taken.events] == [
        "livetransfer.rang",
        "livetransfer.answered",
        "livetransfer.joined",
    ]
    assert taken.end_time is not None
    assert taken.end_time == root.end_time
    assert "15550" not in str([s.to_json() for s in watch.spans.get_finished_spans()])


def test_it_belongs_to_the_trace_that_the_tool_runs_in(watch: Watch) -> None:
    tracer = trace.get_tracer("the agent", tracer_provider=watch.tracers)
    with tracer.start_as_current_span("function_tool") as tool:
        recorder = Records(telemetry=watch.telemetry).begin(object())
    for event in STORY:
        recorder(event)
    root = watch.span("transfer")
    assert root.parent is not None
    assert root.parent.span_id == tool.get_span_context().span_id


def test_or_to_that_of_the_session(watch: Watch) -> None:
    tracer = trace.get_tracer("the agent", tracer_provider=watch.tracers)
    span = tracer.start_span("agent_session")

    class Session:
        _root_span_context = set_span_in_context(span)

    watch.record(STORY, Session())
    root = watch.span("transfer")
    assert root.parent is not None
    assert root.parent.span_id == span.get_span_context().span_id


def test_a_failure_is_an_error(watch: Watch) -> None:
    attempt = Attempt(ANNA, TransferStatus.TRUNK_UNAVAILABLE, 503, reason="503 from +15550101")
    outcome = TransferOutcome(
        TransferStatus.TRUNK_UNAVAILABLE, ANNA, reason="503", sip_code=503, attempts=(attempt,)
    )
    watch.record([AttemptEnded(1.0, attempt), TransferEnded(2.0, outcome)])
    root = watch.span("transfer")
    assert root.attributes is not None
    assert root.attributes["error.type"] == "trunk_unavailable"
    assert root.attributes["sip.response.status_code"] == 503
    assert "15550" not in str([s.to_json() for s in watch.spans.get_finished_spans()])


def test_metrics(watch: Watch) -> None:
    watch.record(STORY[:10])
    assert watch.points("active") == {(): 1}
    watch.record(STORY)
    assert watch.points("active") == {(): 1}
    assert watch.points("transfers") == {(("kind", "warm"), ("status", "bridged")): 1}
    assert watch.points("attempts") == {
        (("sip.response.status_code", 486), ("status", "busy")): 1,
        (("status", "bridged"),): 1,
    }
    assert watch.points("refusals") == {(): 1}
    assert watch.points("hook.failures") == {(("hook", "store"),): 1, (("hook", "greeting"),): 1}
    assert watch.points("hold.silence") == {(): 0.12}
    assert watch.points("queue.wait") == {(("queue", "billing"),): pytest.approx(2.9)}
    assert watch.points("phone.ring") == {(("status", "bridged"),): pytest.approx(4.0)}
    assert watch.points("talk.duration") == {(("kind", "warm"),): 63.9}
    phases = watch.points("phase.duration")
    assert phases[(("kind", "warm"), ("phase", "holding"))] == pytest.approx(0.1)


def test_a_callbacks_talk_is_told_once(watch: Watch) -> None:
    watch.record(STORY)
    assert isinstance(STORY[0], TransferStarted)
    watch.record([replace(STORY[0], kind="callback"), *STORY[1:]])
    assert watch.points("talk.duration") == {(("kind", "warm"),): 63.9}
    assert watch.points("transfers") == {
        (("kind", kind), ("status", "bridged")): 1 for kind in ("warm", "callback")
    }


def test_of_a_call_that_goes_on_without_the_ai_the_end_of_the_job_tells(watch: Watch) -> None:
    recorder = watch.record(STORY[:-1])
    assert not watch.spans.get_finished_spans()
    asyncio.run(recorder.finish())
    assert watch.span("transfer").end_time is not None
    recorder(STORY[-1])
    assert watch.points("transfers") == {(("kind", "warm"), ("status", "bridged")): 1}


def test_where_no_sdk_is_set_up_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    tracer = trace.NoOpTracer()
    start = tracer.start_span

    def counted(name: str, *args: Any, **keywords: Any) -> trace.Span:
        made.append(name)
        return start(name, *args, **keywords)

    monkeypatch.setattr(tracer, "start_span", counted)
    telemetry = Telemetry(tracer_provider=trace.NoOpTracerProvider())
    telemetry._tracer = tracer
    recorder = Records(telemetry=telemetry).begin(object())
    for event in STORY:
        recorder(event)
    assert recorder.record.over
    assert len(made) == 1


def test_an_exporter_that_raises_reaches_nobody(
    watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("livetransfer.record.telemetry.draw", lambda *_: 1 / 0)
    assert watch.record(STORY).record.over
    assert "the telemetry of a transfer failed" in caplog.text


def test_what_is_no_provider() -> None:
    with pytest.raises(ConfigurationError):
        Telemetry(tracer_provider="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        Telemetry(meter_provider="x")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError):
        Records(telemetry="x")  # type: ignore[arg-type]
