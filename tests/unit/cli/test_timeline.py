"""`livetransfer timeline`: the page of a real call, in a real browser."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from livetransfer.__main__ import app
from livetransfer._cli.from_record import recording_of
from livetransfer._cli.page import page
from livetransfer.privacy import Privacy
from livetransfer.record import TransferRecord
from livetransfer.record.masked_record import private
from tests.unit.record.story import STORY, recorded

from .browser import Tab, browser, find_browser
from .test_demo import Page

RECORD = private(recorded(STORY), Privacy())
needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="NO CHROMIUM on PATH: the page is not looked at in a browser"
)


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["timeline", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text(RECORD.to_json())
    return path


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    folder.mkdir()
    at = np.arange(8000 * 60) / 8000
    for name, pitch in (("caller.wav", 300), ("human.ogg", 500)):
        soundfile.write(folder / name, 0.2 * np.sin(2 * np.pi * pitch * at), 8000)
    return folder


def test_one_record_makes_one_page(one: Path, tmp_path: Path) -> None:
    code, said = run(one, "--out", tmp_path / "out")
    assert code == 0, said
    drawn = Page((tmp_path / "out" / "timeline.html").read_text())
    assert drawn.open == []
    assert drawn.seconds == pytest.approx(80)
    assert next(iter(drawn.phases)) == "announcing"
    left, width = drawn.phases["bridged"]
    assert left == pytest.approx(100 * 16.2 / 80, abs=0.01)
    assert left + width == pytest.approx(100, abs=0.01)
    for words in (
        "A warm transfer to Ben",
        "486 Busy Here",
        "63.9 s",
        "Fine, put them through.",
        "xyz@pbx",
        "210 input tokens",
        "Anna",
        "place 2",
        "…0123",
    ):
        assert words in drawn.text
    bare = re.sub(r"base64,[\w+/=]+", "", drawn.text)
    assert not re.search(r"https?:|url\(|@import|\bimport\(|fetch\(|XMLHttp", bare)
    assert [t for t, a in drawn.tags if t == "audio"] == []


def test_recordings_are_in_the_page(one: Path, audio: Path, tmp_path: Path) -> None:
    code, said = run(one, "--audio", audio, "--audio-offset", 10, "--out", tmp_path / "out")
    assert code == 0, said
    drawn = Page((tmp_path / "out" / "timeline.html").read_text())
    assert [a["id"] for t, a in drawn.tags if t == "audio"] == ["audio-caller", "audio-human"]
    heard = drawn.sound("caller")
    assert len(heard) / 24000 == pytest.approx(50, abs=0.2)
    spectrum = np.abs(np.fft.rfft(heard[24000:48000]))
    assert int(np.argmax(spectrum)) == pytest.approx(300, abs=2)


def test_several_records_make_a_list(tmp_path: Path) -> None:
    many = tmp_path / "records.jsonl"
    later = RECORD.model_copy(
        update={"id": "later", "began": RECORD.began + timedelta(days=1), "state": "running"}
    )
    opened = RECORD.model_copy(update={"state": "running", "outcome": None})
    many.write_text("\n".join(r.to_json() for r in (later, opened, RECORD)))
    out = tmp_path / "out"
    code, said = run(many, "--out", out)
    assert code == 0, said
    links = re.findall(r'href="([^"]+)"', (out / "index.html").read_text())
    assert len(links) == 2
    assert all((out / link).is_file() for link in links)
    assert "r1" in links[0]
    code, said = run(many, "--day", "2026-05-05", "--out", tmp_path / "day")
    assert code == 0, said
    assert "not known" in (tmp_path / "day" / "timeline.html").read_text()
    code, said = run(many, "--id", "r1", "--out", tmp_path / "id")
    assert (tmp_path / "id" / "timeline.html").is_file()
    code, said = run(many, "--day", "2020-01-01", "--out", tmp_path / "none")
    assert (code, "they are of 2026-05-04, 2026-05-05" in said) == (1, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps({"id": "x", "version": 99}), "newer livetransfer"),
        ("hello", "not JSON"),
        ("", "no record"),
        (None, "No such file"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    code, said = run(path, "--out", tmp_path / "out")
    assert code == 1
    assert says in said
    assert "No page was made" in said


def test_a_recording_that_is_none_is_told(one: Path, tmp_path: Path) -> None:
    (tmp_path / "caller.wav").write_text("no sound")
    code, said = run(one, "--audio", tmp_path, "--out", tmp_path / "out")
    assert code == 1
    assert "caller.wav" in said


def test_a_folder_that_cannot_be_written_is_told(one: Path, tmp_path: Path) -> None:
    code, said = run(one, "--out", one / "below a file")
    assert (code, "No page was made" in said) == (1, True)


def test_words_cannot_be_code(tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    text = RECORD.to_json().replace("Fine, put them through.", bad).replace("Ben", bad)
    (tmp_path / "r.json").write_text(text)
    code, said = run(tmp_path / "r.json", "--out", tmp_path / "out")
    assert code == 0, said
    html = (tmp_path / "out" / "timeline.html").read_text()
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("<script>") == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(STORY), max_size=20))
def test_any_record_can_be_drawn(events: Any) -> None:
    record: TransferRecord = private(recorded(events), Privacy())
    assert Page(page(recording_of(record, {}), {})).open == []


# -- in a browser ------------------------------------------------------------------------------


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with browser() as found:
        yield found


@needs_browser
async def test_it_reads_well_on_any_screen_and_asks_for_nothing(
    tab: Tab, one: Path, audio: Path, tmp_path: Path
) -> None:
    code, said = await asyncio.to_thread(run, one, "--audio", audio, "--out", tmp_path / "out")
    assert code == 0, said
    path = tmp_path / "out" / "timeline.html"
    seen = {}
    for width, dark in ((1280, False), (400, False), (400, True)):
        await tab.open(path, width=width, dark=dark)
        wide = await tab.ask("document.documentElement.scrollWidth")
        assert wide <= width
        sizes = await tab.ask(
            "[...document.querySelectorAll('td, th, p, dd, dt')].filter(e => e.offsetWidth)"
            ".map(e => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert min(sizes) >= 12
        seen[dark] = await tab.ask(
            "['color', 'backgroundColor'].map(k => getComputedStyle(document.body)[k])"
        )
    assert contrast(*seen[False]) > 7
    assert contrast(*seen[True]) > 7
    assert seen[True][1] != seen[False][1]
    assert {address for address in tab.requests if not address.startswith("data:")} == {
        path.as_uri()
    }
    assert tab.complaints == []


def contrast(ink: str, paper: str) -> float:
    """The contrast of two colours, as WCAG 2 defines it."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        bent = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * bent[0] + 0.7152 * bent[1] + 0.0722 * bent[2]

    low, high = sorted((light(ink), light(paper)))
    return (high + 0.05) / (low + 0.05)


@needs_browser
async def test_it_plays_and_seeks(tab: Tab, one: Path, audio: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(run, one, "--audio", audio, "--out", tmp_path / "out")
    await tab.open(tmp_path / "out" / "timeline.html")
    assert await tab.ask("document.getElementById('player').offsetHeight") > 20
    ears = await tab.ask("[...document.querySelectorAll('input[name=ear]')].map(e => e.value)")
    assert ears == ["all", "caller", "human"]
    await tab.ask("document.querySelector('button[data-at=\"13.00\"]').click()")
    for _ in range(100):
        at = float(await tab.ask("document.getElementById('seek').value"))
        if at > 13.2:
            break
        await asyncio.sleep(0.05)
    assert 13.2 < at < 30
    assert await tab.ask("document.getElementById('play').textContent") == "Pause"
    marked = await tab.ask(
        "[...document.querySelectorAll('tr.now')].map(row => row.textContent).join()"
    )
    assert "What is their password?" in marked
    await tab.ask("document.getElementById('play').click()")
    assert await tab.ask("document.getElementById('play').textContent") == "Play"
    await tab.ask(
        "(() => { const box = document.getElementById('plot').getBoundingClientRect();"
        "document.getElementById('plot').dispatchEvent(new PointerEvent('pointerdown',"
        "{clientX: box.left + box.width / 2})); })()"
    )
    assert float(await tab.ask("document.getElementById('seek').value")) == pytest.approx(40, abs=1)
    assert tab.complaints == []


@needs_browser
async def test_without_recordings_there_is_no_player(tab: Tab, one: Path, tmp_path: Path) -> None:
    await asyncio.to_thread(run, one, "--out", tmp_path / "out")
    await tab.open(tmp_path / "out" / "timeline.html")
    assert await tab.ask("document.getElementById('player').offsetHeight") == 0
    await tab.ask("document.querySelector('button[data-at=\"13.00\"]').click()")
    marked = await tab.ask("[...document.querySelectorAll('tr.now')].length")
    assert marked >= 1
    assert tab.complaints == []


@needs_browser
async def test_the_list_opens_its_pages(tab: Tab, tmp_path: Path) -> None:
    many = tmp_path / "records.jsonl"
    many.write_text(
        "\n".join(RECORD.model_copy(update={"id": f"r{n}"}).to_json() for n in range(30))
    )
    await asyncio.to_thread(run, many, "--out", tmp_path / "out")
    await tab.open(tmp_path / "out" / "index.html", width=400, dark=True)
    assert await tab.ask("document.documentElement.scrollWidth") <= 400
    await tab.ask("document.querySelector('td a').click()")
    for _ in range(100):
        if await tab.ask("document.title.startsWith('A warm transfer')"):
            break
        await asyncio.sleep(0.05)
    assert await tab.ask("document.title.startsWith('A warm transfer')")
    assert all(address.startswith(("file:", "data:")) for address in tab.requests)
    assert tab.complaints == []
