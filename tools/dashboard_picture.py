"""Draw the example dashboard from a simulated day of a team, into docs/dashboards.

    pip install matplotlib; apt-get install prometheus
    python tools/dashboard_picture.py

Six hours of a team, its callers and members, run on virtual time with records and metrics as
on real calls. What OpenTelemetry's Prometheus exporter says of them each minute is given to a
Prometheus, which answers the panels' own queries; only the drawing is not Grafana's.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest
from tests.faults.test_team_day import Day, staff
from tools.dashboard import dashboard

from livetransfer.record import Records, Telemetry
from livetransfer.testing import virtual_time

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "dashboards" / "livetransfer.png"
HOURS, CALLERS, MEMBERS = 6, 130, 3
EVERY = 60.0
RATE_INTERVAL = "20m"
"""What Grafana would put for its own variable; a team has few calls in a minute."""

Series = dict[str, list[tuple[float, float]]]


async def lived() -> Series:
    """Let the day pass; return each series as its seconds of the day and values."""
    reader = PrometheusMetricReader()
    meters = MeterProvider([reader])
    found: Series = defaultdict(list)
    async with virtual_time():
        loop = asyncio.get_running_loop()
        began = loop.time()
        records = Records(telemetry=Telemetry(meter_provider=meters))
        day = Day(staff(MEMBERS), random.Random("a day"), records)
        calls = asyncio.gather(*(day.caller(number, HOURS) for number in range(CALLERS)))
        while not calls.done():
            await asyncio.wait({calls}, timeout=EVERY)
            for line in generate_latest(REGISTRY).decode().splitlines():
                if line.startswith("livetransfer_"):
                    name, _, value = line.rpartition(" ")
                    found[name].append((loop.time() - began, float(value)))
        await calls
        print(dict(day.became))
    return found


@contextmanager
def prometheus(series: Series, began: float, folder: Path) -> Iterator[str]:
    """A Prometheus that knows these series; its address."""
    text = folder / "metrics"
    with text.open("w") as file:
        for name, points in series.items():
            file.writelines(f"{name} {value} {began + at:.3f}\n" for at, value in points)
        file.write("# EOF\n")
    data = folder / "data"
    make = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    (folder / "config.yml").write_text("{}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/config.yml",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=1y",
            f"--web.listen-address={address}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://{address}/-/ready").close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(10)


def asked(address: str, query: str, began: float, until: float) -> list[dict[str, Any]]:
    """Return what Prometheus answers to the query of a panel."""
    given = {
        "query": query.replace("$__rate_interval", RATE_INTERVAL),
        "start": began,
        "end": until,
        "step": EVERY,
    }
    url = f"{address}/api/v1/query_range?{urllib.parse.urlencode(given)}"
    with urllib.request.urlopen(url) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def legend(written: str, labels: dict[str, str]) -> str:
    """Return what a series is called: its labels in the place of their names."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), written).strip()


def draw(address: str, began: float, until: float) -> None:
    """Draw each panel at its place."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    plt.style.use("dark_background")
    panels = dashboard()["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(12, rows * 0.27), facecolor="#111217")
    for panel in panels:
        at = panel["gridPos"]
        low = 1 - (at["y"] + at["h"]) / rows
        box = (at["x"] / 24 + 0.035, low + 0.03, at["w"] / 24 - 0.05, at["h"] / rows - 0.055)
        axes = figure.add_axes(box, facecolor="#181b1f")
        axes.set_title(panel["title"], fontsize=6.5, loc="left")
        answers = [
            (target, each)
            for target in panel["targets"]
            for each in asked(address, target["expr"], began, until)
        ]
        if panel["type"] == "stat":
            axes.set_axis_off()
            value = float(answers[0][1]["values"][-1][1]) if answers else 0.0
            percent = panel["fieldConfig"]["defaults"].get("unit") == "percentunit"
            shown = f"{value:.0%}" if percent else f"{value:g}"
            axes.text(0.5, 0.4, shown, fontsize=20, ha="center", color="#73bf69")
            continue
        for target, each in answers:
            points = [(float(when), float(value)) for when, value in each["values"]]
            name = legend(target.get("legendFormat", ""), each["metric"])
            axes.plot(
                [(when - began) / 3600 for when, _ in points],
                [value for _, value in points],
                label=name or None,
                linewidth=1,
            )
        axes.set_xlim(0, (until - began) / 3600)
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.15)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=5.5, loc="upper left", frameon=False, ncols=2)
    figure.savefig(PICTURE, dpi=80)


def main() -> None:
    """Let the day pass, and draw it."""
    series = asyncio.run(lived())
    length = max(at for points in series.values() for at, _ in points)
    until = time.time() - 3600
    began = until - length
    with (
        tempfile.TemporaryDirectory() as folder,
        prometheus(series, began, Path(folder)) as address,
    ):
        draw(address, began, until)
    print(PICTURE, PICTURE.stat().st_size)


if __name__ == "__main__":
    main()
