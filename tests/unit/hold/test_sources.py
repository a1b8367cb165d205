"""What may be given as hold music, what is refused at once, and what fails later."""

from __future__ import annotations

import asyncio
import io
import os
import re
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from livekit import rtc
from livekit.agents import AudioConfig, BuiltinAudioClip

from livetransfer import ConfigurationError
from livetransfer.hold import HoldMusicPlayer, HoldSourceFailed
from livetransfer.hold.sound.leveling import loudness
from livetransfer.hold.sound.samples import AudioError, from_array
from livetransfer.hold.sources.accepted_sources import Order, program
from livetransfer.hold.sources.clips import FileClip, cache
from livetransfer.hold.sources.decode import decode, decode_start
from livetransfer.testing import virtual_time

from .hold_kit import (
    RATE,
    Events,
    FakeSink,
    chirp,
    encoded,
    frames_of,
    largest_step,
    pitch,
    rms,
    tone,
    written,
)


async def play(source: Any, seconds: float = 3.0, **options: Any) -> tuple[FakeSink, Events]:
    """Play `source` for `seconds` of virtual time; return what was heard and told."""
    events, sink = Events(), FakeSink()
    async with virtual_time() as clock:
        player = HoldMusicPlayer(source, on_event=events.append, **options)
        begun = clock.now
        handle = player.play(sink)
        while clock.now < begun + seconds:
            await clock.sleep_until(clock.elapsed + 0.1)
        handle.stop(0.05)
        await handle.wait()
        if sink.frames:
            assert sink.began - begun <= 0.2, "silence at the beginning"
        assert handle.error is None
    assert sink.gaps == []
    return sink, events


FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "ULAW"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
]


@pytest.mark.parametrize(("kind", "subtype"), FORMATS)
async def test_every_usual_format(kind: str, subtype: str) -> None:
    rate = 48_000 if kind in ("OGG", "MP3") else 44_100
    sink, events = await play(encoded(tone(2, 700, rate), rate, kind, subtype))
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(700, abs=2)
    assert loudness(sink.heard[RATE : 2 * RATE], RATE) == pytest.approx(-23, abs=1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])
def test_every_rate(tmp_path: Path, rate: int) -> None:
    path = written(tmp_path, "clip.wav", encoded(tone(2, 700, rate), rate))
    for target in (24_000, 48_000):
        samples = decode(path, target)
        assert len(samples) == pytest.approx(2 * target, abs=2)
        assert pitch(samples, target) == pytest.approx(700, abs=2)
        assert rms(samples) == pytest.approx(-17, abs=0.3)


@pytest.mark.parametrize("channels", [2, 3, 6, 8])
def test_channels_are_mixed(channels: int) -> None:
    one = tone(1, 500)
    block = np.zeros((len(one), channels), np.float32)
    block[:, 0] = block[:, -1] = one
    samples = decode(encoded(block), RATE)
    assert rms(samples) == pytest.approx(
        rms((one * 32767).astype(int)) + 20 * np.log10(2 / channels), abs=0.1
    )


async def test_a_path_a_file_and_the_built_in_clips(tmp_path: Path) -> None:
    path = written(tmp_path, "clip.wav", encoded(tone(2, 600)))
    for source in (
        path,
        str(path),
        path.as_uri(),
        path.read_bytes(),
        io.BytesIO(path.read_bytes()),
    ):
        sink, events = await play(source)
        assert events == []
        assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    with path.open("rb") as file:
        sink, _ = await play(file)
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    for clip in (BuiltinAudioClip.HOLD_MUSIC, BuiltinAudioClip.OFFICE_AMBIENCE):
        sink, events = await play(clip, 2.0)
        assert events == []
        assert rms(sink.heard) > -40


@pytest.mark.parametrize(
    "samples",
    [
        tone(2, 600),
        tone(2, 600).astype(np.float64),
        (tone(2, 600) * 32767).astype(np.int16),
        (tone(2, 600) * 2**31).astype(np.int32),
        np.stack([tone(2, 600)] * 2, axis=1),
        np.stack([tone(2, 600)] * 2),
        (tone(1, 600) * 32767).astype(int).tolist(),
        (128 + tone(2, 600) * 127).astype(np.uint8),
    ],
    ids=lambda s: str(getattr(s, "dtype", "list")),
)
async def test_samples_and_their_rate(samples: Any) -> None:
    sink, events = await play((samples, RATE), loudness=None)
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    assert rms(sink.heard[RATE : 2 * RATE]) == pytest.approx(-17, abs=0.5)


async def test_frames() -> None:
    frames = [frame async for frame in frames_of(tone(2, 600))]
    sink, events = await play(frames)
    assert events == []
    assert pitch(sink.heard[RATE : 2 * RATE]) == pytest.approx(600, abs=2)
    assert largest_step(sink.heard) < 700


@pytest.mark.parametrize("name", ["my music.wav", "100%25 #1?.wav", "Ärger.wav"])
def test_a_file_url_may_have_any_name_in_it(tmp_path: Path, name: str) -> None:
    url = written(tmp_path, name, encoded(tone())).as_uri()
    (track,) = program(url).tracks
    assert isinstance(track.source, FileClip)
    assert track.source.source == tmp_path / name


async def test_quiet() -> None:
    sink, events = await play(None)
    assert sink.frames == []
    assert events == []


async def test_an_audio_config_brings_its_volume_and_fades(tmp_path: Path) -> None:
    path = str(written(tmp_path, "clip.wav", encoded(tone(2, 600))))
    loud, _ = await play(path)
    soft, _ = await play(AudioConfig(path, volume=0.5, fade_in=1.0))
    middle = slice(3 * RATE // 2, 2 * RATE)
    assert rms(soft.heard[middle]) == pytest.approx(rms(loud.heard[middle]) - 6, abs=0.3)
    assert rms(soft.heard[: RATE // 5]) < rms(soft.heard[middle]) - 10


def test_one_of_several_is_chosen_by_its_probability(tmp_path: Path) -> None:
    paths = [str(written(tmp_path, f"{i}.wav", encoded(tone(1)))) for i in range(3)]
    chances = (0.5, 0.3, 0.0)
    made = program([AudioConfig(p, probability=c) for p, c in zip(paths, chances, strict=True)])
    assert made.order is Order.ONE_OF
    chosen = [made.choose("beginning")[0].label for _ in range(2000)]
    assert {paths.index(label) for label in chosen} == {0, 1}
    assert chosen.count(paths[0]) / 2000 == pytest.approx(0.625, abs=0.06)


async def test_a_playlist_goes_round(tmp_path: Path) -> None:
    pitches = (400, 600, 800)
    paths = [written(tmp_path, f"{f}.wav", encoded(tone(2, f))) for f in pitches]
    sink, events = await play(paths, 14.0)
    assert events == []
    heard = [pitch(sink.heard[i : i + RATE // 4]) for i in range(0, 13 * RATE, RATE // 4)]
    order = [f for i, f in enumerate(heard) if i == 0 or abs(f - heard[i - 1]) > 50]
    rounded = [200 * round(f / 200) for f in order if abs(f - 200 * round(f / 200)) < 10]
    assert rounded[:6] == [400, 600, 800, 400, 600, 800]


async def test_a_playlist_does_without_what_fails(tmp_path: Path) -> None:
    good = [written(tmp_path, f"{f}.wav", encoded(tone(2, f))) for f in (400, 800)]
    bad = written(tmp_path, "bad.wav", b"no audio at all")
    for playlist in ([bad, *good], [good[0], bad, good[1]]):
        sink, events = await play(playlist, 8.0)
        assert [str(bad) in str(e) for e in events] == [True]
        assert pitch(sink.heard[RATE // 2 : RATE]) == pytest.approx(400, abs=5)
        assert pitch(sink.heard[5 * RATE // 2 : 3 * RATE]) == pytest.approx(800, abs=5)


async def test_every_call_may_begin_at_another_place() -> None:
    clip = (chirp(20.0), RATE)
    player = HoldMusicPlayer(clip, start="random")
    places = []
    async with virtual_time():
        for _ in range(6):
            sink = FakeSink()
            handle = player.play(sink)
            await asyncio.sleep(1)
            handle.stop()
            await handle.wait()
            places.append(pitch(sink.heard[RATE // 2 : RATE // 2 + RATE // 10]))
    assert max(places) - min(places) > 100


async def test_a_call_may_begin_where_the_one_before_left_off() -> None:
    clip = (chirp(24.0), RATE)
    player = HoldMusicPlayer(clip, start="live", fade_in=0.0)
    async with virtual_time():
        places = []
        for _ in range(3):
            sink = FakeSink()
            handle = player.play(sink)
            await asyncio.sleep(4)
            handle.stop(0.05)
            await handle.wait()
            places.append(pitch(sink.heard[: RATE // 5]))
        # 50 Hz per second.
        assert places[0] == pytest.approx(306, abs=10)
        assert places[1] - places[0] == pytest.approx(200, abs=40)
        assert places[2] - places[1] == pytest.approx(200, abs=40)


# What is refused at construction.


def _named(value: object) -> str:
    """A name that is the same in every process of a parallel run."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("/nowhere/hold.mp3", "no such file"),
        (Path("/nowhere/hold.mp3"), "no such file"),
        ("", "not a file"),
        (".", "not a file"),
        ("x\0y", "no"),
        ("ftp://example.com/hold.mp3", "http"),
        ("http://", "host"),
        ("http://[::1/hold.mp3", "URL"),
        ("file:///nowhere/hold.mp3", "no such file"),
        ([], "empty"),
        ((), "empty"),
        (np.zeros(100), "rate"),
        ((np.zeros(100), 12), "rate"),
        ((["a", "b"], 8000), "numbers"),
        ((np.array([1e5]), 8000), "between -1 and 1"),
        (([100_000], 8000), "dtype"),
        (io.StringIO("x"), "binary"),
        (AudioConfig("/nowhere/hold.mp3"), "no such file"),
        (AudioConfig(BuiltinAudioClip.HOLD_MUSIC, volume=-1), "number"),
        ([AudioConfig(BuiltinAudioClip.HOLD_MUSIC, probability=0)], "probability"),
    ],
    ids=_named,
)
def test_what_cannot_be_played_is_refused_at_once(source: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        HoldMusicPlayer(source)
    assert caught.value.field.startswith("hold_music")


@pytest.mark.parametrize("source", [3, object(), {"a": 1}, lambda: None, [3], True])
def test_what_is_no_source_is_a_type_error(source: Any) -> None:
    with pytest.raises(TypeError, match="hold_music"):
        HoldMusicPlayer(source)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, "clip.wav", encoded(tone()))
    path.chmod(0)
    with pytest.raises(ConfigurationError, match="may not be read"):
        HoldMusicPlayer(path)


@pytest.mark.parametrize(
    "options",
    [
        {"volume": -0.1},
        {"volume": float("nan")},
        {"volume": True},
        {"fade_in": -1},
        {"fade_out": float("inf")},
        {"crossfade": "1"},
        {"loudness": 3},
        {"start": "middle"},
    ],
    ids=repr,
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HoldMusicPlayer(**options)
    assert caught.value.field in options


def test_comfort_is_checked() -> None:
    with pytest.raises(TypeError, match="comfort"):
        HoldMusicPlayer(comfort="Please wait.")  # type: ignore[arg-type]


# What fails later: the built-in clip plays and the event says why.


def mp3(seconds: float = 4.0) -> bytes:
    return encoded(np.stack([tone(seconds, 600, 44_100)] * 2, axis=1), 44_100, "MP3")


def sparse_wav(path: Path, hours: float) -> Path:
    size = round(hours * 3600 * 8000)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", size),
    )
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    return path


def id3(size: int) -> bytes:
    """A tag, with a picture perhaps, of `size` bytes and its head."""
    return b"ID3\x03\x00\x00" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


def frames_only(seconds: float) -> bytes:
    """An MP3 of frames of one size, with none that says how many there are."""
    file = io.BytesIO()
    how = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.5}
    soundfile.write(file, tone(seconds, 600, 44_100), 44_100, **how)
    data = file.getvalue()
    return data[data.index(data[:2], data.index(b"LAME")) :]


@pytest.mark.parametrize("tag", [b"", id3(600_000), id3(24_000_000)], ids=len)
def test_an_mp3_that_does_not_say_how_long_it_is(tmp_path: Path, tag: bytes) -> None:
    """libsndfile guesses it from the size of all of it: for the last one, more than 10 minutes."""
    data = tag + frames_only(20)
    for source in (data, written(tmp_path, "hold.mp3", data)):
        assert len(decode(source, RATE)) == pytest.approx(20 * RATE, rel=0.02)
        # Nor is it known where 0.9 of it is: it may be beyond the end.
        start = decode_start(source, RATE, 6.0, skip=0.9)
        assert start is not None
        assert (len(start[0]) > 5 * RATE, start[1]) == (True, 0)


@pytest.mark.parametrize("tag", [b"", id3(600_000)])
def test_an_mp3_that_says_how_long_it_is_is_taken_at_its_word(tag: bytes) -> None:
    data = tag + mp3(20)
    assert len(decode(data, RATE)) == pytest.approx(20 * RATE, rel=0.02)
    with pytest.raises(AudioError, match="damaged"):
        decode(data[: len(tag) + len(mp3(20)) // 2], RATE)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.wav", b"", "empty"),
        ("text.wav", b"These are words and not music.\n" * 50, "decoded"),
        ("header.wav", encoded(tone())[:44], "no audio|long"),
        ("cut.mp3", mp3()[:400], "decoded|damaged|long"),
        ("half.mp3", mp3()[: len(mp3()) // 2], "damaged"),
        ("half.flac", encoded(tone(4), kind="FLAC")[:40_000], "damaged|decoded"),
        ("noise.mp3", bytes(range(256)) * 40, "decoded|long|damaged"),
        ("silent.wav", encoded(np.zeros(RATE)), "silent"),
        ("blink.wav", encoded(tone(0.02)), "long"),
    ],
)
async def test_a_bad_file_means_the_built_in_clip(
    tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    path = written(tmp_path, name, data)
    sink, events = await play(path)
    (event,) = events.of(HoldSourceFailed)
    assert event.source == str(path)
    assert re.search(says, event.reason)
    assert rms(sink.heard[2 * RATE : 5 * RATE // 2]) > -40, "something plays"


async def test_a_file_that_has_gone_in_the_meantime(tmp_path: Path) -> None:
    path = written(tmp_path, "clip.wav", encoded(tone()))
    player = HoldMusicPlayer(path, on_event=(events := Events()).append)
    path.unlink()
    sink = FakeSink()
    async with virtual_time() as clock:
        handle = player.play(sink)
        await clock.sleep_until(1)
        handle.stop()
        await handle.wait()
    assert "No such file" in events.of(HoldSourceFailed)[0].reason
    assert len(sink.heard) > RATE // 2


async def test_three_hours_are_refused_quickly(tmp_path: Path) -> None:
    path = sparse_wav(tmp_path / "long.wav", 3)
    tracemalloc.start()
    began = time.perf_counter()
    sink, events = await play(path)
    took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "10800 s long" in events.of(HoldSourceFailed)[0].reason
    assert took < 3
    assert peak < 60e6
    assert rms(sink.heard[RATE : 2 * RATE]) > -45


def test_a_file_that_does_not_say_how_long_it_is_is_read_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetransfer.hold.sources.decode.MAX_SECONDS", 5.0)
    monkeypatch.setattr("livetransfer.hold.sources.decode._properties", lambda *_: (8000, None))
    with pytest.raises(AudioError, match="longer"):
        decode(sparse_wav(tmp_path / "long.wav", 0.1), RATE)


async def test_a_missing_resource_means_the_synthesised_clip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("livetransfer.hold.sources.clips.clip_path", lambda clip: None)
    monkeypatch.setattr("livetransfer.hold.sources.accepted_sources.clip_path", lambda clip: None)
    sink, _ = await play(BuiltinAudioClip.HOLD_MUSIC)
    assert rms(sink.heard) > -40


async def test_a_decode_error_is_told_once_per_call(tmp_path: Path) -> None:
    path = written(tmp_path, "text.wav", b"words " * 99)
    player = HoldMusicPlayer(path, on_event=(events := Events()).append)
    async with virtual_time() as clock:
        handles = [player.play(FakeSink()) for _ in range(3)]
        await clock.sleep_until(1)
        for handle in handles:
            handle.stop()
            await handle.wait()
    assert len(events) == 3
    assert cache.nbytes < 64 * 1024 * 1024


def test_arrays_are_checked() -> None:
    with pytest.raises(AudioError):
        from_array(np.zeros((2, 2, 2)), RATE, RATE)
    with pytest.raises(AudioError):
        from_array(np.zeros(10, np.complex64), RATE, RATE)


def test_frames_of_different_rates_are_refused() -> None:
    frames = [rtc.AudioFrame(bytes(960), rate, 1, 480) for rate in (24_000, 48_000)]
    with pytest.raises(ConfigurationError, match="rates"):
        HoldMusicPlayer(frames)
