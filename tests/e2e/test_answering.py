"""What has answered, on real calls: the briefing's words are what the phone hears."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from livetransfer import BriefingAgent

from . import cast, judge, tones
from .behaviour import Answer
from .call import Call
from .switchboard import PATIENCE, Switchboard, TransferCall

CLIPS = Path(__file__).parents[1] / "unit" / "answering" / "data"
RATE = 8000


def clip(name: str) -> Any:
    """Return a clip of the answering corpus: int16 at 8 kHz."""
    samples, rate = soundfile.read(str(CLIPS / f"{name}.ogg"), dtype="int16")
    assert rate == RATE
    return samples


def words_of(name: str) -> list[tuple[str, float]]:
    """Return what is said in a clip, each word with the second at which it ends."""
    known = map(json.loads, (CLIPS / "clips.jsonl").read_text("utf-8").splitlines())
    return [(word, end) for each in known if each["name"] == name for word, end, _ in each["words"]]


def ringback(seconds: float) -> Any:
    """Return a ringback of North America: 440 and 480 Hz, 2 s on, 4 s off."""
    at = np.arange(round(seconds * RATE)) / RATE
    on = (at % 6.0) < 2.0
    both = np.sin(2 * np.pi * 440 * at) + np.sin(2 * np.pi * 480 * at)
    return np.asarray(2500 * on * both, np.int16)


def busy(seconds: float) -> Any:
    """Return a busy tone of Europe: 425 Hz, half a second on, half a second off."""
    at = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(4000 * ((at % 1.0) < 0.5) * np.sin(2 * np.pi * 425 * at), np.int16)


def babble(seconds: float) -> Any:
    """Return the loud voices of a full room: three people who never pause."""
    mixed = np.zeros(round(seconds * RATE))
    for index, name in enumerate(
        ("en-dev-voicemail-022", "es-dev-screening-011", "de-dev-voicemail-023")
    ):
        samples = clip(name).astype(np.float64)
        blocks = samples[: len(samples) // 160 * 160].reshape(-1, 160)
        levels = np.sqrt((blocks**2).mean(axis=1))
        voice = blocks[levels > 0.1 * levels.max()].ravel()
        mixed += np.roll(np.resize(voice / voice.std(), len(mixed)), index * 1234)
    return np.asarray(np.clip(mixed / mixed.std() * 3900, -32768, 32767), np.int16)


def out_of_service(times: int) -> tuple[Any, float]:
    """Return a recording that begins again and again, and when its words are first over.

    What a recogniser hears of it is the tone under its last word.
    """
    samples = clip("en-dev-announcement-007")[round(0.74 * RATE) : round(3.41 * RATE)] // 2
    mark = tones.tone(cast.NO_SERVICE, 0.3, 0.06)
    samples[-len(mark) :] += mark
    return np.tile(np.concatenate([samples, tones.silence(1.5)]), times), len(samples) / RATE


async def detecting(
    switchboard: Switchboard,
    *,
    kind: str = "warm",
    detects: bool = True,
    voices: bool = False,
    clips: Sequence[str] = (),
    **options: Any,
) -> tuple[TransferCall, Call]:
    options = {"ring_timeout": 20, **options}
    step = {"kind": kind, "detects": detects, "voices": voices, "options": options}
    if clips:
        step["human_says"] = [words_of(name) for name in clips]
    call = await switchboard.call([Answer(after=0.3)], transfers=[step])
    await call.ask()
    human = await call.human()
    await human.wait("answered", PATIENCE)
    return call, human


async def test_nothing_is_said_into_a_ringback_and_a_silent_person_is_briefed_afresh(
    switchboard: Switchboard,
) -> None:
    call, human = await detecting(switchboard)
    await human.say(ringback(8.2))
    await call.told("classified", answered_by="ringback")
    quiet = await human.stops_hearing(cast.BRIEFING, PATIENCE)
    over = (await call.told("classified", answered_by="unknown")).at
    again = tones.first_heard(human.recording, cast.BRIEFING, after=quiet)
    assert again is None or again > over
    await human.hears(cast.BRIEFING, PATIENCE)
    await human.press("1")
    await call.joined(human)
    assert (await call.outcome())["status"] == "bridged"


async def test_a_busy_tone_after_the_answer_is_busy(switchboard: Switchboard) -> None:
    call, human = await detecting(switchboard)
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, PATIENCE))
    talking = asyncio.ensure_future(human.say(busy(6.0)))
    outcome = await call.outcome()
    assert outcome["status"] == "busy"
    await sorry
    talking.cancel()


@pytest.mark.parametrize(
    "name",
    ["en-dev-voicemail-022", pytest.param("de-dev-voicemail-023", marks=pytest.mark.slow)],
)
async def test_a_mailbox_is_known_by_its_rhythm(switchboard: Switchboard, name: str) -> None:
    call, human = await detecting(switchboard)
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, PATIENCE))
    talking = asyncio.ensure_future(human.say(clip(name)))
    outcome = await call.outcome()
    assert outcome["status"] == "voicemail"
    await sorry
    talking.cancel()


async def test_a_person_is_briefed_at_once_and_is_told_to_be_one(switchboard: Switchboard) -> None:
    call, human = await detecting(switchboard)
    first = asyncio.ensure_future(human.hears(cast.BRIEFING, PATIENCE))
    await human.say(clip("en-dev-person-002"))
    await call.told("classified", answered_by="person")
    answered = human.at("answered")
    assert answered is not None
    assert await first - answered < 1.5
    await human.press("1")
    await call.joined(human)
    assert (await call.outcome())["status"] == "bridged"


async def test_a_person_after_a_screener_hears_the_whole_greeting(switchboard: Switchboard) -> None:
    """His name is no interruption of it, and is not answered by something else."""
    clips = ("en-dev-screening-002", "en-dev-person-002")
    call, human = await detecting(switchboard, clips=clips)
    await human.say(clip(clips[0]))
    await call.told("classified", answered_by="screening")
    await human.hears(cast.GREETING, PATIENCE)  # who calls, and why
    over = await human.stops_hearing(cast.GREETING, PATIENCE)
    await human.say(clip(clips[1]))
    await call.told("classified", answered_by="person")
    first = await human.hears(cast.BRIEFING, PATIENCE)
    end = await human.stops_hearing(cast.BRIEFING, PATIENCE)
    said = BriefingAgent().greeting("The caller asks about an invoice.")
    assert end - first > 0.8 * 0.02 * len(said)
    assert judge.heard(human, [cast.GREETING], over + 0.1) == 0
    await human.press("1")
    await call.joined(human)


@pytest.mark.parametrize("pause", [0.0, 0.6])
async def test_loud_babble_does_not_silence_the_first_words_and_a_key_connects(
    switchboard: Switchboard, pause: float
) -> None:
    call, human = await detecting(switchboard, voices=True)
    noise = np.tile(np.concatenate([babble(1.4), tones.silence(pause)]), 12)
    talking = asyncio.ensure_future(human.say(noise))
    first = await human.hears(cast.BRIEFING, PATIENCE)
    over = await human.stops_hearing(cast.BRIEFING, PATIENCE, windows=75)
    said = BriefingAgent().greeting("The caller asks about an invoice.")
    heard = tones.heard_between(human.recording, cast.BRIEFING, first, over)
    assert heard / 1000 > 0.95 * 0.02 * len(said)
    await human.press("1")
    assert (await call.outcome())["status"] == "bridged"
    talking.cancel()
    human.quiet()
    await call.joined(human)


@pytest.mark.parametrize("detects", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_a_recording_that_never_pauses_is_over_soon_after_its_words(
    switchboard: Switchboard, detects: bool
) -> None:
    call, human = await detecting(switchboard, detects=detects, voices=True)
    recording, words_over = out_of_service(8)
    begun = time.monotonic()
    talking = asyncio.ensure_future(human.say(recording))
    outcome = await call.told("outcome")
    # By its words, or by the model's tool where no detector listens: that has a turn to wait for.
    assert outcome.fields["status"] == ("invalid_destination" if detects else "voicemail")
    assert outcome.at - begun - words_over < (2.0 if detects else 3.0)
    talking.cancel()
    await call.caller.hears(cast.SORRY, PATIENCE)


async def test_nobody_is_joined_with_a_mailbox_without_a_briefing_either(
    switchboard: Switchboard,
) -> None:
    call, human = await detecting(switchboard, kind="cold", method="dial")
    sorry = asyncio.ensure_future(call.caller.hears(cast.SORRY, PATIENCE))
    talking = asyncio.ensure_future(human.say(clip("en-dev-voicemail-022")))
    outcome = await call.outcome()
    assert outcome["status"] == "voicemail"
    await sorry
    talking.cancel()


async def test_a_person_who_is_not_briefed_is_joined_soon_after_the_first_words(
    switchboard: Switchboard,
) -> None:
    call, human = await detecting(switchboard, kind="cold", method="dial")
    said = await human.say(clip("en-dev-person-002")[: round(1.6 * RATE)])
    joined = await call.told("outcome")
    assert joined.fields["status"] == "bridged"
    assert joined.at - said < 1.5
    await call.joined(human)
