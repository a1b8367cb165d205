"""After a transfer that failed the AI takes a message: once, whole, and where it is to go."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import stat
import wave
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice.io import AudioInput

from livetransfer import OfferDecided, Otherwise, TakeMessage, TransferEvent, WarmTransfer
from livetransfer.instead import Message, MessageFolder, MessageWebhook
from livetransfer.instead.message_delivery import deliver
from livetransfer.instead.recording import Recording
from livetransfer.record import signature
from livetransfer.testing import Human, simulate
from tests.unit.record.test_sinks import Receiver
from tests.unit.transfers import Rig, rig

from .kit import ANN, MESSAGE, RULES, has, outputs, says, take

SECRET = "a-secret-of-sixteen-bytes"
TEXT = "Please call about the order."


@contextlib.asynccontextmanager
async def asked(
    to: Any, *, rules: Any = RULES, told: Any = None, **more: Any
) -> AsyncIterator[Rig]:
    """A call whose transfer has failed with a busy line, so that a message is taken."""
    transfer = WarmTransfer(ANN, fallback=Otherwise(TakeMessage(to, **more)), on_event=told)
    async with simulate(humans={ANN: Human.busy()}) as call:
        async with rig(call, transfer.run, rules) as r:
            r.ask()
            outcome = await r.outcome()
            assert outcome.offers == "message"
            assert "Offer the caller to take a message" in str(outcome)
            await asyncio.sleep(4)
            yield r


async def test_a_message_is_passed_on() -> None:
    taken, told = list[Message](), list[TransferEvent]()
    rules = [("tell them", take(name="Jo", number="extension 12")), *RULES]
    async with asked(taken.append, rules=rules, told=told.append) as r:
        answer = await says(r, "tell them to call, my card is 4111 1111 1111 1111")
        assert has(r, MESSAGE)
        assert "was passed on" in answer
        await says(r, "tell them more")
        assert not has(r, MESSAGE)
    (message,) = taken
    assert (message.text, message.name, message.number) == (TEXT, "Jo", "extension 12")
    assert (message.status, message.audio) == ("busy", None)
    assert len(message.words) == 1
    assert message.words[0].startswith("tell them to call")
    assert "4111" not in message.words[0]
    assert [e.result for e in told if isinstance(e, OfferDecided)] == ["made"]
    assert json.loads(message.to_json())["text"] == TEXT


async def test_the_number_is_the_callers_where_he_names_none() -> None:
    taken: list[Message] = []

    async def keep(message: Message) -> None:
        await asyncio.sleep(0.1)
        taken.append(message)

    rules = [("tell them", [take(), take("Twice.")]), *RULES]
    async with asked(keep, rules=rules) as r:
        await says(r, "tell them")
    assert [message.number for message in taken] == ["+15550199"]


async def test_a_model_leaves_no_secret_in_it() -> None:
    taken: list[Message] = []
    rules = [("tell them", take("My card is 4111 1111 1111 1111.")), *RULES]
    async with asked(taken.append, rules=rules) as r:
        await says(r, "tell them")
    assert "4111" not in taken[0].text


async def test_no_message() -> None:
    taken: list[Message] = []
    async with asked(taken.append) as r:
        assert "No message was taken" in await says(r, "nothing to say")
        await says(r, "tell them")
    assert not taken


async def test_an_empty_message_is_none() -> None:
    taken: list[Message] = []
    async with asked(taken.append, rules=[("tell them", take(" ")), *RULES]) as r:
        assert "There is no message yet" in await says(r, "tell them")
    assert not taken


async def test_where_it_fails_nothing_is_said_to_be_done_and_it_can_be_done_again() -> None:
    taken: list[Message] = []

    def keep(message: Message) -> None:
        taken.append(message)
        if len(taken) == 1:
            raise OSError("full")

    async with asked(keep, rules=[("later", take()), *RULES]) as r:
        rules = await says(r, "later")
        assert "could not be passed on" in rules
        answers = outputs(r)
        if "was passed on" not in answers[-1]:
            assert "was passed on" in await says(r, "later")
    assert len({message.id for message in taken}) == 1


async def test_a_folder_has_it_whole(tmp_path: Path) -> None:
    async with asked(tmp_path / "messages") as r:
        await says(r, "tell them", 5)
    (path,) = (tmp_path / "messages").iterdir()
    assert json.loads(path.read_text())["text"] == TEXT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_folder_has_the_audio_beside_it(tmp_path: Path) -> None:
    message = Message("ab12", TEXT, datetime.now(timezone.utc), audio=b"RIFF")
    await MessageFolder(tmp_path).deliver(message)
    assert (tmp_path / "ab12.wav").read_bytes() == b"RIFF"
    assert "audio" not in json.loads((tmp_path / "ab12.json").read_text())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ab12.json", "ab12.wav"]


async def test_a_webhook_gets_it_signed(tmp_path: Path) -> None:
    async with Receiver().running() as receiver:
        to = MessageWebhook(receiver.url, SECRET, folder=tmp_path)
        await deliver(to, Message("ab12", TEXT, datetime.now(timezone.utc)))
        for _ in range(100):
            if receiver.got:
                break
            await asyncio.sleep(0.05)
        ((headers, body),) = receiver.got
        stamp = int(headers["webhook-timestamp"])
        signed = signature(SECRET, headers["webhook-id"], stamp, body)
        assert headers["webhook-signature"] == signed
        assert json.loads(body)["text"] == TEXT
        await to.aclose()


async def test_while_the_webhook_is_down_it_waits_on_disk(tmp_path: Path) -> None:
    to = MessageWebhook("http://127.0.0.1:1/hook", SECRET, folder=tmp_path)
    await to.deliver(Message("ab12", TEXT, datetime.now(timezone.utc), audio=b"RIFF"))
    for _ in range(100):
        await asyncio.sleep(0.02)
        waiting = [each.name for each in tmp_path.iterdir()]
        if waiting == ["ab12.json"]:
            break
    assert waiting == ["ab12.json"]
    kept = json.loads((tmp_path / "ab12.json").read_text())
    assert base64.b64decode(kept["audio"]) == b"RIFF"
    await to.aclose()
    async with Receiver().running() as receiver:
        later = MessageWebhook(receiver.url, SECRET, folder=tmp_path)
        assert await later.send()
        assert [headers["webhook-id"] for headers, _ in receiver.got] == ["ab12"]
        await later.aclose()


class Microphone(AudioInput):
    """Hears one frame of 20 ms after the other."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self.heard = 0

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(0.02)
        self.heard += 1
        return rtc.AudioFrame(bytes([self.heard % 250, 0]) * 320, 16000, 1, 320)


async def test_the_callers_words_as_audio() -> None:
    session: AgentSession[Any] = AgentSession()
    microphone = Microphone()
    session.input.audio = microphone
    recording = Recording(session, limit=0.1)
    recording.begin()
    tap = session.input.audio
    assert tap is not microphone
    frames = [await tap.__anext__() for _ in range(10)]
    assert [bytes(frame.data)[0] for frame in frames] == list(range(1, 11))
    recording.end()
    recording.end()
    assert session.input.audio is microphone
    wav = recording.wav()
    assert wav is not None
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16000, 1)
        assert file.getnframes() == 5 * 320  # no more than the limit
        assert file.readframes(1) == bytes([1, 0])


async def test_a_session_without_audio_has_nothing_to_record() -> None:
    recording = Recording(AgentSession(), limit=1)
    recording.begin()
    recording.end()
    assert recording.wav() is None


@pytest.mark.parametrize("wrong", [{"url": "ftp://x"}, {"secret": "short"}], ids=["url", "secret"])
def test_bad_options(wrong: dict[str, Any], tmp_path: Path) -> None:
    from livetransfer import ConfigurationError

    given = {"url": "https://example.com", "secret": SECRET, "folder": tmp_path}
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MessageWebhook(**{**given, **wrong})
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="path"):
        MessageFolder(tmp_path / "file")
