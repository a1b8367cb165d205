"""Standing words are synthesised once for a voice and a machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from livetransfer import BriefingAgent, ConfigurationError, WarmTransfer, prewarm
from livetransfer.briefing import spoken_cache as module
from livetransfer.briefing.presynthesis import PreparedSpeech
from livetransfer.briefing.spoken_cache import SpokenWords, spoken_words, voice_of
from livetransfer.hold.sources.clips import cache
from livetransfer.testing import Human, Press, WaitForSpeech, simulate
from livetransfer.testing.models import ScriptedTTS
from tests.unit.transfers import rig

ANN = "+15550100"
VOICE = "a/voice"


def sentence(seconds: float = 0.5, rate: int = 24_000, channels: int = 1) -> list[rtc.AudioFrame]:
    count = round(seconds * rate)
    samples = np.random.default_rng(1).integers(-9000, 9000, count * channels, np.int16)
    half = count // 2 * channels
    return [
        rtc.AudioFrame(part.tobytes(), rate, channels, len(part) // channels)
        for part in (samples[:half], samples[half:])
    ]


def sound(frames: Any) -> bytes:
    return b"".join(bytes(frame.data) for frame in frames)


class NamedTTS(ScriptedTTS):
    """A voice that has a name, and counts what it is asked for."""

    def __init__(self, voice_key: str = "ann") -> None:
        super().__init__()
        self.voice_key = voice_key
        self.asked: list[str] = []

    def synthesize(self, text: str, **options: Any) -> Any:
        self.asked.append(text)
        return super().synthesize(text, **options)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spoken_words._memory.clear()
    return tmp_path / "livetransfer" / "words"


@pytest.mark.parametrize(("rate", "channels"), [(24_000, 1), (48_000, 2), (8_000, 1)])
def test_another_process_reads_what_one_has_kept(rate: int, channels: int) -> None:
    frames = sentence(rate=rate, channels=channels)
    SpokenWords().keep(VOICE, "Goodbye.", frames)
    found = SpokenWords().load(VOICE, "Goodbye.")
    assert found is not None
    assert sound(found) == sound(frames)
    assert {(f.sample_rate, f.num_channels) for f in found} == {(rate, channels)}
    assert SpokenWords().load(VOICE, "Hello.") is None
    assert SpokenWords().load("another/voice", "Goodbye.") is None


@pytest.mark.parametrize("damage", [b"", b"fLaC", b"RIFF....WAVE"])
def test_what_is_damaged_is_made_anew(folder: Path, damage: bytes) -> None:
    SpokenWords().keep(VOICE, "Goodbye.", sentence())
    (path,) = folder.iterdir()
    path.write_bytes(damage)
    assert SpokenWords().load(VOICE, "Goodbye.") is None
    SpokenWords().keep(VOICE, "Goodbye.", sentence())
    assert SpokenWords().load(VOICE, "Goodbye.") is not None


def test_the_folder_is_bounded_and_the_least_used_go(folder: Path) -> None:
    words = SpokenWords(max_disk=120_000)
    for number in range(6):
        words.keep(VOICE, str(number), sentence())
        for age, path in enumerate(sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)):
            os.utime(path, (1_000_000 + age, 1_000_000 + age))
    left = [n for n in range(6) if SpokenWords().load(VOICE, str(n)) is not None]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 120_000
    assert left == list(range(left[0], 6))
    assert 0 < left[0] < 6


def test_what_is_too_long_or_of_two_shapes_is_not_kept(folder: Path) -> None:
    words = SpokenWords()
    words.keep(VOICE, "long", sentence(seconds=31.0, rate=8_000))
    words.keep(VOICE, "two", [*sentence(rate=8_000), *sentence(rate=24_000)])
    assert not folder.exists()


def test_a_disk_that_cannot_be_used_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = SpokenWords(tmp_path / "file" / "folder")
    words.keep(VOICE, "Goodbye.", sentence())
    assert words.recall(VOICE, "Goodbye.") is not None


# -- which voice it is -------------------------------------------------------------------------


@dataclass
class Options:
    voice: str = "ann"
    speed: float = 1.0
    api_key: str = "secret"
    hook: Any = None


class PluginTTS(ScriptedTTS):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._opts = Options(**options)


def test_a_plugins_voice_is_all_of_its_options_but_for_its_credentials() -> None:
    name = voice_of(PluginTTS())
    assert name is not None
    assert name == voice_of(PluginTTS(api_key="another"))
    assert "secret" not in name
    assert name != voice_of(PluginTTS(voice="ben"))
    assert name != voice_of(PluginTTS(speed=1.1))


def test_a_voice_that_cannot_be_told_apart_is_not_kept() -> None:
    assert voice_of(ScriptedTTS()) is None
    assert voice_of(PluginTTS(hook=object())) is None
    assert voice_of(NamedTTS("ann")) != voice_of(NamedTTS("ben"))


# -- speech ------------------------------------------------------------------------------------


async def said(tts: Any, text: str = "Goodbye.", *, standing: bool = True) -> bytes:
    speech = PreparedSpeech(tts, text, standing=standing)
    frames = [frame async for frame in speech.frames()]
    await asyncio.sleep(0.2)  # it is written after it was heard
    return sound(frames)


async def test_it_is_synthesised_once() -> None:
    tts = NamedTTS()
    first = await said(tts)
    assert await said(tts) == first
    spoken_words._memory.clear()  # another process
    other = NamedTTS()
    assert await said(other) == first
    assert (tts.asked, other.asked) == (["Goodbye."], [])
    await said(other, standing=False)
    assert other.asked == ["Goodbye."]


async def test_half_a_sentence_is_not_kept() -> None:
    tts = NamedTTS()
    speech = PreparedSpeech(tts, "A long goodbye that takes its time.", standing=True)
    await speech.ready()
    await speech.aclose()
    assert SpokenWords().load(str(voice_of(tts)), speech.text) is None


async def test_a_second_call_asks_for_none_of_the_standing_words() -> None:
    asked = []
    for _ in range(2):
        human = Human(script=(WaitForSpeech(), Press("2")))
        async with simulate(humans={ANN: human}) as call:
            transfer = WarmTransfer(ANN, introduction="You are connected.")
            async with rig(call, transfer.run) as r:
                r.session._tts = tts = NamedTTS()
                r.ask()
                await r.outcome()
                await asyncio.sleep(5.0)
                assert "All right. Thank you, goodbye." in call.human(ANN).heard_text
            asked.append(tts.asked)
        spoken_words._memory.clear()
    standing = [BriefingAgent().opening(), "You are connected."]
    assert [text for text in standing if text in asked[0]] == standing
    assert not [
        text for text in (*standing, BriefingAgent().farewell("declined")) if text in asked[1]
    ]


# -- prewarm -----------------------------------------------------------------------------------


def test_prewarm_reads_the_words_and_decodes_the_music() -> None:
    voice = str(voice_of(NamedTTS()))
    opening = BriefingAgent().opening()
    for text in (opening, "You are connected."):
        SpokenWords().keep(voice, text, sentence())
    prewarm(tts=NamedTTS(), words=["You are connected."])
    assert spoken_words.recall(voice, opening) is not None
    assert spoken_words.recall(voice, "You are connected.") is not None
    assert cache.nbytes > 0


async def test_prewarm_may_be_called_where_a_loop_runs() -> None:
    prewarm()


def test_prewarm_refuses_what_is_no_process() -> None:
    with pytest.raises(ConfigurationError, match="prewarm_fnc"):
        prewarm("worker")  # type: ignore[arg-type]


def test_the_folder_is_in_the_users_cache(folder: Path) -> None:
    assert module.cache_folder() == folder
