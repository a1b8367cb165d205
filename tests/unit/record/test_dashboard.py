"""The example dashboard asks for metrics that there are, by the names that Prometheus has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from tools.dashboard import dashboard

from livetransfer.record import Records, Telemetry

from .story import STORY, USUAL

PATH = Path(__file__).parents[3] / "docs" / "dashboards" / "livetransfer.json"


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """The metrics of two transfers as Prometheus reads them: their names, and their labels."""
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus")
    client = pytest.importorskip("prometheus_client")
    reader = exporter.PrometheusMetricReader()
    meters = MeterProvider([reader])
    for events in (STORY, USUAL):
        recorder = Records(telemetry=Telemetry(meter_provider=meters)).begin(object())
        for event in events:
            recorder(event)
    text = client.generate_latest(client.REGISTRY).decode()
    meters.shutdown()
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if match := re.match(r"(livetransfer_\w+)(?:\{(.*)\})? ", line):
            labels = set(re.findall(r'(\w+)="', match[2] or ""))
            found.setdefault(match[1], set()).update(labels)
    return found


def queries() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_the_file_is_what_the_tool_makes() -> None:
    assert json.loads(PATH.read_text()) == dashboard()


def test_every_metric_that_is_asked_for_is_there(exported: dict[str, set[str]]) -> None:
    asked = {name for query in queries() for name in re.findall(r"livetransfer_\w+", query)}
    assert asked <= exported.keys()
    # And nothing that is measured is left out.
    measured = {re.sub(r"_(count|sum|bucket|created)$", "", name) for name in exported}
    shown = {re.sub(r"_bucket$", "", name) for name in asked}
    assert measured - {"livetransfer_active"} <= shown | {"livetransfer_active"}


def test_every_label_that_is_asked_for_is_there(exported: dict[str, set[str]]) -> None:
    for query in queries():
        for name in re.findall(r"livetransfer_\w+", query):
            labels = set(re.findall(r"(\w+)=~?\"", query))
            for group in re.findall(r"by \(([^)]*)\)", query):
                labels |= {label.strip() for label in group.split(",")}
            assert labels <= exported[name], query


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
