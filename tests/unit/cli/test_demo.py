"""`livetransfer demo`: judged by what it leaves behind, the recordings and the page."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from livekit.agents import BuiltinAudioClip
from rich.console import Console
from typer.testing import CliRunner

from livetransfer.__main__ import app
from livetransfer._cli.demo import ScenarioName
from livetransfer._cli.lines import RATE, lines
from livetransfer._cli.recording import Recording
from livetransfer._cli.rehearsal import rehearse
from livetransfer._cli.scenario import SCENARIOS
from livetransfer._cli.terminal import play

Audio = npt.NDArray[np.float64]
VOID = {"meta", "input", "link", "br", "hr", "img", "source"}
THIN = 3
"""A sound is looked for at 8 kHz first, which is quick."""
FAILING = ["busy", "no-answer", "voicemail", "declined"]
JOINING = ["warm", "cold"]


class Page(HTMLParser):
    """What is in a `timeline.html`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    @property
    def seconds(self) -> float:
        return float(next(a["data-seconds"] or 0 for t, a in self.tags if t == "body"))

    @property
    def phases(self) -> dict[str, tuple[float, float]]:
        """The phases as they are drawn: percent of the width, left and wide."""
        found = {}
        for _, a in self.tags:
            if name := a.get("data-phase"):
                style = re.fullmatch(r"left:([\d.]+)%;width:([\d.]+)%", a["style"] or "")
                assert style is not None
                found[name] = (float(style[1]), float(style[2]))
        return found

    def sound(self, ear: str) -> Audio:
        source = next(a["src"] or "" for t, a in self.tags if a.get("id") == f"audio-{ear}")
        kind, content = source.split(";base64,")
        assert kind.startswith("data:audio/")
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(content)))
        assert rate == RATE
        return np.asarray(samples)


@dataclass
class Demo:
    """One run of the command: what it printed and what it left behind."""

    name: str
    printed: str
    folder: Path
    page: Page
    caller: Audio
    human: Audio

    def at(self, phase: str) -> tuple[float, float]:
        """When a phase began and ended, as the page says."""
        left, width = self.page.phases[phase]
        return left * self.page.seconds / 100, (left + width) * self.page.seconds / 100

    @property
    def hold(self) -> tuple[float, float]:
        """From the first music until the bridge, or until the AI speaks to the caller again."""
        start = self.at("referring" if self.name == "cold" else "holding")[0]
        if self.name in JOINING:
            return start, self.at("bridged")[0]
        return start, find(clip(apology(self.name)), self.caller)[0]


def apology(name: str) -> str:
    return f"ai.sorry_{name.replace('-', '_')}"


_runs: dict[str, Demo] = {}


@pytest.fixture(scope="module", params=[name.value for name in ScenarioName])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    name: str = request.param
    if name not in _runs:
        folder = tmp_path_factory.mktemp(name) / "demo"
        result = CliRunner().invoke(app, ["demo", "--scenario", name, "--out", str(folder)])
        assert result.exit_code == 0, result.output
        _runs[name] = Demo(
            name,
            result.output,
            folder,
            Page((folder / "timeline.html").read_text(encoding="utf-8")),
            _read(folder / "caller.wav"),
            _read(folder / "human.wav"),
        )
    return _runs[name]


def _read(path: Path) -> Audio:
    samples, rate = soundfile.read(str(path), dtype="float64")
    assert rate == RATE
    assert soundfile.info(str(path)).subtype == "PCM_16"
    return np.asarray(samples)


def clip(name: str) -> Audio:
    return lines()[name].samples / 32768


def find(needle: Audio, haystack: Audio) -> tuple[float, float]:
    """Where `needle` fits best in `haystack`, in seconds, and how well: 1 is perfectly."""
    thin, long = _thinned(needle), _thinned(haystack)
    size = -(-(len(long) + len(thin)) // 4096) * 4096
    spectrum = np.fft.rfft(long, size) * np.conj(np.fft.rfft(thin, size))
    product = np.fft.irfft(spectrum, size)[: max(1, len(long) - len(thin) + 1)]
    power = np.concatenate([[0.0], np.cumsum(long**2)])
    windows = power[len(thin) :] - power[: len(power) - len(thin)]
    rough = THIN * int(np.argmax(product / np.sqrt(np.maximum(windows[: len(product)], 1e-3))))
    fits = {}
    for at in range(max(0, rough - THIN), rough + THIN + 1):
        there = haystack[at : at + len(needle)]
        energy = (there**2).sum() * (needle**2).sum()
        fits[at] = float((there * needle[: len(there)]).sum() / np.sqrt(max(energy, 1e-6)))
    best = max(fits, key=lambda at: fits[at])
    return best / RATE, fits[best]


def _thinned(samples: Audio) -> Audio:
    thin: Audio = samples[: len(samples) // THIN * THIN].reshape(-1, THIN).mean(axis=1)
    return thin


def hears(what: str, where: Audio) -> bool:
    return find(clip(what), where)[1] > 0.97


def part(samples: Audio, start: float, end: float) -> Audio:
    return samples[round(start * RATE) : round(end * RATE)]


def longest_silence(samples: Audio) -> float:
    """The longest time below -55 dBFS, in seconds."""
    window = RATE // 100
    frames = samples[: len(samples) // window * window].reshape(-1, window)
    longest = here = 0
    for loud in np.abs(frames).max(axis=1) > 10 ** (-55 / 20):
        here = 0 if loud else here + 1
        longest = max(longest, here)
    return longest * window / RATE


@pytest.fixture(scope="module")
def music() -> Audio:
    """The music that a call gets by default, as it was before the player had it."""
    samples, rate = soundfile.read(str(BuiltinAudioClip.HOLD_MUSIC.path()), always_2d=True)
    mono = samples.mean(axis=1)
    at = np.arange(int(len(mono) * RATE / rate)) * (rate / RATE)
    resampled: Audio = np.interp(at, np.arange(len(mono)), mono)
    return resampled


def is_music(samples: Audio, music: Audio) -> bool:
    return find(samples, music)[1] > 0.9


# -- what is heard ---------------------------------------------------------------------------


def test_the_caller_on_hold_hears_music_and_no_silence(demo: Demo, music: Audio) -> None:
    start, end = demo.hold
    assert end - start > 0.6
    assert longest_silence(part(demo.caller, start, end)) <= 0.3
    for at in np.linspace(start + 0.1, end - 0.5, 4):
        assert is_music(part(demo.caller, at, at + 0.4), music), f"at {at:.1f} s"


def test_the_human_hears_no_music(demo: Demo, music: Audio) -> None:
    start, end = demo.hold
    sample = part(demo.caller, start + 0.1, min(end - 0.1, start + 3))
    assert is_music(sample, music)
    assert find(sample, demo.human)[1] < 0.5


@pytest.mark.parametrize("demo", JOINING, indirect=True)
def test_there_is_no_music_after_the_bridge(demo: Demo) -> None:
    bridged, _ = demo.at("bridged")
    first = "human.hello" if demo.name == "warm" else "human.hello_cold"
    at, fit = find(clip(first), demo.caller)
    assert fit > 0.999  # nothing but the voice, then
    assert at > bridged
    gap = part(demo.caller, bridged + 0.15, at)
    assert np.abs(gap).max(initial=0.0) == 0.0


@pytest.mark.parametrize("demo", ["warm", "declined", "voicemail"], indirect=True)
def test_the_caller_hears_nothing_of_the_briefing(demo: Demo) -> None:
    briefing = [n for n in lines() if n in ("ai.greeting", "ai.answer", "ai.farewell")]
    briefing += ["human.which_order", "human.accept", "human.decline", "human.voicemail"]
    held = part(demo.caller, *demo.hold)
    for name in briefing:
        assert find(clip(name)[:RATE], held)[1] < 0.6, name
    # The beginning at least is heard by the human: the voicemail talks into it.
    at, fit = find(clip("ai.greeting")[: RATE // 2], demo.human)
    assert fit > 0.97
    assert at == pytest.approx(demo.at("briefing")[0], abs=0.15)


@pytest.mark.parametrize("demo", ["warm"], indirect=True)
def test_the_human_asks_and_gets_an_answer(demo: Demo) -> None:
    start, end = demo.at("briefing")
    assert hears("ai.greeting", demo.human)
    assert hears("ai.answer", demo.human)
    assert start < find(clip("ai.answer"), demo.human)[0] < end


@pytest.mark.parametrize("demo", JOINING, indirect=True)
def test_both_hear_each_other_after_the_bridge(demo: Demo) -> None:
    bridged, _ = demo.at("bridged")
    to_caller, to_human = {
        "warm": (("human.hello", "human.bye"), ("caller.thanks", "caller.bye")),
        "cold": (("human.hello_cold", "human.look_cold"), ("caller.again", "caller.thanks_cold")),
    }[demo.name]
    for names, ear in ((to_caller, demo.caller), (to_human, demo.human)):
        for name in names:
            at, fit = find(clip(name), ear)
            assert fit > 0.97, name
            assert at > bridged
    # The AI says nothing any more.
    voices = {n for n in lines() if n.startswith("ai.")}
    for ear in (part(demo.caller, bridged, 999), part(demo.human, bridged, 999)):
        assert all(find(clip(n)[: RATE // 2], ear)[1] < 0.8 for n in voices)


@pytest.mark.parametrize("demo", FAILING, indirect=True)
def test_a_caller_who_was_not_transferred_is_with_the_ai_again(demo: Demo) -> None:
    back, _ = demo.at("back with the AI")
    sorry = find(clip(apology(demo.name)), demo.caller)
    noted = find(clip("ai.noted"), demo.caller)
    assert sorry[1] > 0.97
    assert back < sorry[0] < back + 2
    assert longest_silence(part(demo.caller, back, sorry[0])) <= 0.3
    assert noted[1] > 0.97
    assert noted[0] > sorry[0]
    if demo.name in ("busy", "no-answer"):
        assert np.abs(demo.human).max() == 0.0


def test_the_recordings_are_sane(demo: Demo) -> None:
    assert len(demo.caller) == len(demo.human)
    assert len(demo.caller) / RATE == pytest.approx(demo.page.seconds, abs=0.01)
    for samples in (demo.caller, demo.human):
        assert np.abs(samples).max() < 0.8
        voiced = samples[np.abs(samples) > 0.003]
        if len(voiced):
            assert -28 < 20 * np.log10(np.sqrt((voiced**2).mean())) < -16
    assert (demo.caller**2).sum() > 0


def test_all_that_is_said_has_a_clip(demo: Demo) -> None:
    said = re.findall(r'<td class="who \w+">.*?</td><td.*?</td><td>(.*?)</td>', demo.page.text)
    assert len(said) > 5
    known = [line.text for line in lines().values()]
    assert all(any(text.startswith(words) for text in known) for words in said)


# -- the page --------------------------------------------------------------------------------


def test_the_page_is_whole_and_refers_to_nothing_outside(demo: Demo) -> None:
    page = demo.page
    assert page.open == []
    assert page.text.startswith("<!doctype html>")
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert "href" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
    bare = re.sub(r"base64,[\w+/=]+", "", page.text)
    assert not re.search(r"https?:|url\(|@import|\bimport\(|fetch\(|XMLHttp", bare)
    assert "default-src 'none'" in page.text
    assert len(page.text) < 3_000_000


def test_the_phases_are_drawn_to_scale(demo: Demo) -> None:
    page = demo.page
    names = list(page.phases)
    assert names[:2] == ["with the AI", "announcing"]
    assert names[-1] == ("bridged" if demo.name in JOINING else "back with the AI")
    at = 0.0
    for left, width in page.phases.values():
        assert left == pytest.approx(at, abs=0.01)
        at = left + width
    assert at == pytest.approx(100, abs=0.01)
    # What is drawn is what is heard: the first line of the transfer begins the announcing.
    announced = "ai.announce_cold" if demo.name == "cold" else "ai.announce"
    when, _ = find(clip(announced), demo.caller)
    assert demo.at("announcing")[0] == pytest.approx(when, abs=0.5)
    assert demo.at("announcing")[1] == pytest.approx(when + lines()[announced].seconds, abs=0.1)
    ringing = {"warm": 4.0, "cold": 3.0, "declined": 4.0, "voicemail": 6.0, "no-answer": 12.0}
    if demo.name in ringing:
        start, end = demo.at("ringing")
        assert end - start == pytest.approx(ringing[demo.name], abs=0.1)


def test_the_page_plays_what_was_recorded(demo: Demo) -> None:
    for ear, recorded in (("caller", demo.caller), ("human", demo.human)):
        embedded = demo.page.sound(ear)
        assert len(embedded) == pytest.approx(len(recorded), abs=0.1 * RATE)
        if np.abs(recorded).max() > 0:
            n = min(len(embedded), len(recorded))
            assert np.corrcoef(recorded[:n], embedded[:n])[0, 1] > 0.95  # and in step
    assert hears("caller.problem", demo.page.sound("ai"))


# -- the command -----------------------------------------------------------------------------


def test_it_prints_what_happens(demo: Demo) -> None:
    assert "Hello. My last order was charged twice." in demo.printed
    assert "on hold for" in demo.printed
    for name in ("timeline.html", "caller.wav", "human.wav"):
        assert str(demo.folder / name) in demo.printed
    assert "\x1b" not in demo.printed


def test_every_scenario_can_be_chosen() -> None:
    assert [name.value for name in ScenarioName] == list(SCENARIOS)


def test_every_line_has_a_clip_and_is_short() -> None:
    assert 60 < sum(line.seconds for line in lines().values()) < 180
    assert all(0.5 < line.seconds < 16 for line in lines().values())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--version"], 0, "livetransfer "),
        (["demo", "--scenario", "nobody"], 2, "nobody"),
        ([], 2, "demo"),
    ],
)
def test_the_command_line(arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    assert words in result.output


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "folder")
    result = CliRunner().invoke(app, ["demo", "--scenario", "busy", "--out", out])
    assert result.exit_code == 1
    assert "cannot be written" in result.output


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "livetransfer", "demo"],
        cwd=tmp_path,
        capture_output=True,
        timeout=90,  # it takes 4 s, on a computer that has nothing else to do
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    files = sorted(path.name for path in (tmp_path / "livetransfer-demo").iterdir())
    assert files == ["caller.wav", "human.wav", "timeline.html"]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return rehearse(SCENARIOS["busy"])


def test_a_terminal_shows_it_as_it_goes(recording: Recording) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=70, color_system="standard")
    play(recording, console, seconds=0.3)
    assert "charged twice" in screen.getvalue()
    assert screen.getvalue().count("hears, in the speaker") > 2


def test_a_terminal_that_knows_ascii_only_is_enough(recording: Recording) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as screen:
        play(recording, Console(file=screen, width=70), seconds=0.0)
        screen.flush()
        assert b"caller -> AI" in raw.getvalue()


def test_a_folder_with_characters_that_the_terminal_has_not(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    out = tmp_path / "d\u00e9j\u00e0"
    command = [sys.executable, "-m", "livetransfer", "demo", "--scenario", "busy", "--out"]
    done = subprocess.run([*command, str(out)], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-400:]
    assert (out / "timeline.html").exists()
