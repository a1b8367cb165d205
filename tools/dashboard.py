"""Writes docs/dashboards/livetransfer.json, the example dashboard for Grafana: run it to renew it.

The metrics are those of `livetransfer.record.metrics`, by the names that Prometheus gives them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "docs" / "dashboards" / "livetransfer.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
EVERY = "[$__rate_interval]"


def quantile(q: float, metric: str, by: str = "") -> str:
    """Return the query of a quantile of a histogram."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{EVERY})))"


# Title, unit, kind, and the queries with their legends.
PANELS: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Transfers under way",
        "short",
        "stat",
        (("sum(livetransfer_active)", "under way"),),
    ),
    (
        "Handed over, of all that ended in the last hour",
        "percentunit",
        "stat",
        (
            (
                'sum(increase(livetransfer_transfers_total{status=~"bridged|referred"}[1h]))'
                " / sum(increase(livetransfer_transfers_total[1h]))",
                "handed over",
            ),
        ),
    ),
    (
        "Destinations refused in the last hour",
        "short",
        "stat",
        (("sum(increase(livetransfer_refusals_total[1h])) or vector(0)", "refused"),),
    ),
    (
        "Failures of the application's own code in the last hour",
        "short",
        "stat",
        (("sum(increase(livetransfer_hook_failures_total[1h])) or vector(0)", "failures"),),
    ),
    (
        "How transfers end",
        "short",
        "timeseries",
        ((f"sum by (status) (increase(livetransfer_transfers_total{EVERY}))", "{{status}}"),),
    ),
    (
        "What phones answer",
        "short",
        "timeseries",
        (
            (
                "sum by (status, sip_response_status_code) "
                f"(increase(livetransfer_attempts_total{EVERY}))",
                "{{status}} {{sip_response_status_code}}",
            ),
        ),
    ),
    (
        "Time on hold",
        "s",
        "timeseries",
        tuple(
            (quantile(q, "livetransfer_hold_duration_seconds"), f"{q:.0%}")
            for q in (0.5, 0.9, 0.99)
        ),
    ),
    (
        "Wait in a queue (90%)",
        "s",
        "timeseries",
        ((quantile(0.9, "livetransfer_queue_wait_seconds", "queue"), "{{queue}}"),),
    ),
    (
        "Phases (median)",
        "s",
        "timeseries",
        ((quantile(0.5, "livetransfer_phase_duration_seconds", "phase"), "{{phase}}"),),
    ),
    (
        "Longest silence on hold",
        "s",
        "timeseries",
        tuple((quantile(q, "livetransfer_hold_silence_seconds"), f"{q:.0%}") for q in (0.5, 0.99)),
    ),
    (
        "How long phones ring (90%)",
        "s",
        "timeseries",
        ((quantile(0.9, "livetransfer_phone_ring_seconds", "status"), "{{status}}"),),
    ),
    (
        "How long caller and human talk (median)",
        "s",
        "timeseries",
        ((quantile(0.5, "livetransfer_talk_duration_seconds"), "talk"),),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    panels: list[dict[str, Any]] = []
    for number, (title, unit, kind, queries) in enumerate(PANELS):
        stats = 4
        if number < stats:
            place = {"x": 6 * number, "y": 0, "w": 6, "h": 4}
        else:
            place = {"x": 12 * (number % 2), "y": 4 + 8 * ((number - stats) // 2), "w": 12, "h": 8}
        panels.append(
            {
                "id": number + 1,
                "title": title,
                "type": kind,
                "datasource": SOURCE,
                "gridPos": place,
                "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
                "targets": [
                    {
                        "refId": chr(ord("A") + index),
                        "expr": query,
                        "legendFormat": legend,
                        "datasource": SOURCE,
                    }
                    for index, (query, legend) in enumerate(queries)
                ],
            }
        )
    return {
        "title": "livetransfer",
        "uid": "livetransfer",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "tags": ["livetransfer"],
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": panels,
    }


if __name__ == "__main__":
    OUT.write_text(json.dumps(dashboard(), indent=2) + "\n")
