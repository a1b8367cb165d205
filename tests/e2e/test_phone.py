"""The phone itself, phone against phone on loopback: what the other tests rest on."""

from __future__ import annotations

import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from . import rtp, tones
from .behaviour import Answer, CallFailed, Ignore, NeverAnswer, OnRefer, Reject, Script
from .call import Call
from .phone import Phone
from .recording import Recording
from .sip_messages import Credentials, Message, address_of, parameter, read_sdp, user_of

Pair = tuple[Phone, Phone]


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[Pair]:
    async with await Phone.open() as alice, await Phone.open() as bob:
        yield alice, bob


def uri(phone: Phone, user: str = "+15550100") -> str:
    return f"sip:{user}@{phone.address}"


async def talk(pair: Pair, behaviour: Script | None = None) -> tuple[Call, Call]:
    alice, bob = pair
    bob.behaviour = behaviour or Answer()
    mine = await alice.call(uri(bob))
    return mine, await bob.next_call()


def test_mu_law_survives_the_round_trip() -> None:
    every = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    back = rtp.decode(rtp.encode(every)).astype(np.int32)
    clipped = np.clip(every.astype(np.int32), -32635, 32635)
    assert np.all(np.abs(back - clipped) <= np.maximum(8, np.abs(clipped) // 16))
    codes = bytes(range(256))
    again = rtp.encode(rtp.decode(codes))
    assert all(a == b or {a, b} == {0x7F, 0xFF} for a, b in zip(codes, again, strict=True))


def test_messages_are_read_as_they_are_written() -> None:
    text = (
        b"INVITE sip:+1555@10.0.0.1:5070;transport=udp SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9\r\n"
        b"f: <sip:a@h>;tag=1\r\nCSeq: 7 INVITE\r\ni: abc\r\nSubject: one\r\n two\r\n\r\nbody"
    )
    message = Message.parse(text)
    assert message is not None
    assert (message.method, message.cseq, message.branch) == ("INVITE", 7, "z9")
    assert message.get("subject") == "one two"
    assert parameter(message.get("From"), "tag") == "1"
    assert address_of(message.uri) == ("10.0.0.1", 5070)
    assert user_of(message.uri) == "+1555"
    assert user_of("tel:+1555;ext=1") == "+1555"
    again = Message.parse(message.encode())
    assert again is not None
    assert again.body == b"body"
    assert Message.parse(b"\r\n\r\n") is None
    assert read_sdp(b"v=0\r\n") is None


def test_tones_are_told_apart() -> None:
    window = tones.tone(1000, 0.02)
    assert tones.tone_level(window, 1000) == pytest.approx(tones.LOUD, rel=0.01)
    assert tones.tone_level(window, 1200) < 0.001
    half = np.concatenate([tones.silence(0.01), tones.tone(1000, 0.01)])
    assert tones.tone_level(half, 1250) < tones.AUDIBLE
    with pytest.raises(ValueError, match="660"):
        tones.tone_level(window, 660)


def test_a_recording_shows_holes_and_irons_out_bursts() -> None:
    recording = Recording()
    for index in range(100):
        if 40 <= index < 50:
            continue
        played = 100.001 + index * 0.02
        arrived = max(played, 101.5) if 60 <= index < 75 else played
        recording.add(arrived, index * 160, tones.tone(500, 0.02))
    assert tones.longest_silence(recording, 100.0, 102.0) == pytest.approx(0.2, abs=0.005)
    assert recording.missing(100.0, 102.0) == 200
    assert tones.heard_between(recording, 500, 100.0, 102.1) == 1800
    assert tones.first_heard(recording, 500, after=100.8) == pytest.approx(101.001, abs=0.005)
    assert tones.tones_heard(recording) == {500: 1800}
    assert tones.last_heard(recording, 700) is None


async def test_a_call_is_rung_answered_heard_and_ended(pair: Pair, tmp_path: Path) -> None:
    alice, bob = pair
    bob.behaviour = Answer(after=0.3, tone=1000)
    mine = alice.dial(uri(bob), "+15551234")
    mine.tone(600)
    theirs = await bob.next_call()
    assert (theirs.from_user, theirs.to_user) == ("+15551234", "+15550100")
    ringing = (await mine.wait("ringing")).at
    answered = (await mine.wait("answered")).at
    assert 0.25 < answered - ringing < 0.6
    first = await mine.hears(1000)
    assert first - answered < 0.15
    await theirs.hears(600)
    await mine.hang_up()
    assert (await theirs.wait("ended")).detail == "BYE"
    assert (theirs.ended_by, mine.ended_by) == ("them", "us")
    begun = mine.at("rtp_in")
    assert begun is not None
    assert tones.windows_with(mine.recording, 600) == []
    path = tmp_path / "mine.wav"
    mine.save(path)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        assert file.getnframes() >= 160


async def test_audio_is_on_the_beat(pair: Pair) -> None:
    mine, theirs = await talk(pair, Answer(tone=1000))
    start = await mine.hears(1000)
    done = mine.say(tones.tone(700, 0.4))
    sent = await done
    await theirs.stops_hearing(700)
    end = time.monotonic()
    assert tones.heard_between(theirs.recording, 700, start, end) in (400, 420)
    gone = tones.last_heard(theirs.recording, 700)
    assert gone is not None
    assert abs(gone - sent) < 0.05
    steps = np.diff(mine.recording.times())
    assert np.all(np.abs(steps - 0.02) < 0.001)
    assert tones.longest_gap(mine.recording, 1000, start, end - 0.04) < 0.021
    assert tones.loudness(mine.recording, start, end) == pytest.approx(-13.5, abs=0.5)


@pytest.mark.parametrize("code", [404, 480, 486, 503, 603])
async def test_a_call_is_refused(pair: Pair, code: int) -> None:
    alice, bob = pair
    bob.behaviour = Reject(code)
    with pytest.raises(CallFailed) as failed:
        await alice.call(uri(bob))
    assert failed.value.code == code
    assert [call.status for call in bob.calls] == [code]
    assert len(bob.call_ids) == 1


async def test_a_ringing_call_is_cancelled(pair: Pair) -> None:
    alice, bob = pair
    bob.behaviour = NeverAnswer()
    mine = alice.dial(uri(bob))
    theirs = await bob.next_call()
    await mine.wait("ringing")
    await mine.cancel()
    assert mine.status == 487
    cancelled = await theirs.wait("cancelled")
    assert theirs.ended_with == "CANCEL"
    assert cancelled.at - (mine.at("cancelled") or 0) < 0.1
    with pytest.raises(TimeoutError, match="ringing"):
        await theirs.wait("answered", within=0.01)


async def test_a_second_party_is_refused_after_ringing(pair: Pair) -> None:
    mine, _ = await talk(pair)
    alice, bob = pair
    bob.behaviour = lambda invite: Reject(603, after=0.1)
    with pytest.raises(CallFailed, match="603"):
        await alice.call(uri(bob))
    assert alice.calls[-1].at("ringing") is not None
    assert not mine.ended


async def test_early_media_is_heard_before_the_answer(pair: Pair) -> None:
    alice, bob = pair
    bob.behaviour = Answer(after=0.4, early_media=True, early_tone=800, tone=1200)
    mine = alice.dial(uri(bob))
    await mine.wait("early_media")
    early = await mine.hears(800)
    answered = (await mine.wait("answered")).at
    assert early < answered
    assert await mine.hears(1200) >= answered - 0.03


async def test_keys_arrive_once_and_in_order(pair: Pair) -> None:
    mine, theirs = await talk(pair)
    await mine.press("1#9")
    assert (await theirs.wait("dtmf")).detail == "1"
    assert theirs.digits == "1#9"
    assert mine.digits == ""


@pytest.mark.parametrize(
    ("script", "answer", "notified"),
    [
        (OnRefer(), 202, [b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 200 OK\r\n"]),
        (OnRefer(notify=(486,)), 202, [b"SIP/2.0 486 Busy Here\r\n"]),
        (OnRefer(notify=()), 202, []),
        (OnRefer(603), 603, []),
        (OnRefer(405), 405, []),
    ],
)
async def test_a_refer_is_played_as_scripted(
    pair: Pair, script: OnRefer, answer: int, notified: list[bytes]
) -> None:
    alice, _ = pair
    mine, theirs = await talk(pair)
    theirs.on_refer = script
    response = await mine.ask("REFER", [("Refer-To", "<sip:+15550199@example.com>")])
    assert response.status == answer
    assert theirs.refers[0].refer_to == "sip:+15550199@example.com"
    if notified:
        await theirs.wait("notified", nth=len(notified))
    got = [entry.message for entry in alice.requests("NOTIFY")]
    assert [message.body for message in got] == notified
    if notified:
        assert got[-1].get("Subscription-State").startswith("terminated")
    assert not mine.ended
    assert not theirs.ended


async def test_hold_and_resume(pair: Pair) -> None:
    mine, theirs = await talk(pair, Answer(tone=1000))
    await theirs.hold()
    assert mine.held_by_peer
    await theirs.resume()
    assert not mine.held_by_peer
    assert [event.detail for event in mine.events if event.kind == "reinvited"] == [
        "sendonly",
        "sendrecv",
    ]
    await mine.hears(1000)


async def test_a_phone_that_vanishes_says_nothing(pair: Pair) -> None:
    mine, theirs = await talk(pair, Answer(tone=1000))
    await mine.hears(1000)
    theirs.vanish()
    with pytest.raises(TimeoutError):
        await mine.hears(1000, within=0.2, windows=8)
    assert not mine.ended
    with pytest.raises(TimeoutError, match="BYE"):
        await mine.bye(within=0.1)


async def test_a_phone_that_answers_and_sends_no_audio(pair: Pair) -> None:
    mine, theirs = await talk(pair, Answer(rtp=False))
    mine.tone(600)
    await theirs.hears(600)
    assert mine.at("rtp_in") is None


async def test_what_is_not_known_is_refused(pair: Pair) -> None:
    mine, theirs = await talk(pair)
    assert (await mine.ask("OPTIONS")).status == 200
    await theirs.hang_up()
    await mine.wait("ended")
    for method in ("BYE", "CANCEL"):
        assert (await mine.ask(method)).status == 481


async def test_an_invite_that_nobody_answers(pair: Pair) -> None:
    alice, bob = pair
    bob.behaviour = Ignore()
    mine = alice.dial(uri(bob), patience=1.0)
    assert (await mine.wait("ended", 5)).detail == "408"
    assert len(bob.requests("INVITE")) == 2
    assert len(bob.invites) == 1


async def test_credentials_are_demanded_and_checked() -> None:
    secret = Credentials("user", "secret")
    async with await Phone.open() as alice, await Phone.open(auth=secret) as bob:
        with pytest.raises(CallFailed, match="407"):
            await alice.call(uri(bob))
        assert [invite.challenged for invite in bob.invites] == [True]
        assert bob.calls == []
    for response, accepted in (("439df266454ae3a0dbc45bff7bbe2956", True), ("0" * 32, False)):
        proof = (
            'Digest username="user", realm="phone", nonce="abc", uri="sip:x@h", qop=auth, '
            f'nc=00000001, cnonce="c", response="{response}"'
        )
        request = Message("INVITE sip:x@h SIP/2.0", [("Proxy-Authorization", proof)])
        assert secret.accepts(request, {"abc"}) is accepted
        assert not secret.accepts(request, {"def"})
