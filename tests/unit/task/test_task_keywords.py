"""The keywords of WarmTransferTask: those of livekit-agents', checked at construction."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import (
    AgentTask,
    AudioConfig,
    BuiltinAudioClip,
)
from livekit.agents.beta.workflows import WarmTransferTask as TheirTask
from livekit.protocol.sip import SIPOutboundConfig

from livetransfer import (
    Destination,
    DestinationGuard,
    DestinationNotAllowedError,
    TransferError,
    WarmTransferTask,
)

from .tasks import ANN, BOB


def test_every_keyword_of_theirs_is_one_of_ours() -> None:
    """Fails when livekit-agents' class gains a keyword that ours lacks."""
    theirs = inspect.signature(TheirTask.__init__).parameters
    ours = inspect.signature(WarmTransferTask.__init__).parameters
    missing = [name for name in theirs if name not in ours]
    assert not missing, f"livekit-agents has gained {missing}"
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert [n for n, p in theirs.items() if p.kind in positional] == [
        n for n, p in ours.items() if p.kind in positional
    ]
    for name, parameter in theirs.items():
        assert ours[name].kind is parameter.kind, name
        assert ours[name].default == parameter.default, name
    assert set(ours) - set(theirs) == {"transfer_to", "hold_music_url", "guard"}
    assert issubclass(WarmTransferTask, AgentTask)


def test_their_tools_are_ours() -> None:
    def names(cls: type) -> set[str]:
        return {n for n in dir(cls) if hasattr(getattr(cls, n), "__livekit_tool_info")}

    assert (
        names(TheirTask)
        == names(WarmTransferTask)
        == {
            "connect_to_caller",
            "decline_transfer",
            "voicemail_detected",
        }
    )


async def test_a_guard_is_asked_before_anything_rings() -> None:
    WarmTransferTask(ANN, sip_trunk_id="ST_x", guard=DestinationGuard(names={"ann": ANN}))
    with pytest.raises(DestinationNotAllowedError, match="no rule names"):
        WarmTransferTask(ANN, sip_trunk_id="ST_x", guard=DestinationGuard(prefixes=["+49"]))


def dialled(task: WarmTransferTask) -> Destination:
    (destination,) = task._transfer._targets
    assert isinstance(destination, Destination)
    return replace(destination, trunk_id=task._transfer._trunk_id)


async def test_every_keyword_reaches_the_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_SIP_NUMBER", "+15550999")

    async def frames() -> Any:
        yield rtc.AudioFrame(bytes(480), 24000, 1, 240)

    for hold_audio in (
        None,
        BuiltinAudioClip.HOLD_MUSIC,
        AudioConfig(BuiltinAudioClip.HOLD_MUSIC, volume=0.5),
        [AudioConfig(BuiltinAudioClip.HOLD_MUSIC), AudioConfig(BuiltinAudioClip.CITY_AMBIENCE)],
        frames(),
    ):
        WarmTransferTask(ANN, sip_trunk_id="ST_1", hold_audio=hold_audio)
    task = WarmTransferTask(
        transfer_to="sip:ann@pbx.example.com",
        sip_connection=SIPOutboundConfig(hostname="pbx.example.com"),
        sip_headers={"X-Queue": "refunds"},
        dtmf="ww12#",
        ringing_timeout=12,
        turn_detection="manual",
        allow_interruptions=False,
        hold_music_url="https://cdn.example.com/hold.mp3",
    )
    destination = dialled(task)
    assert destination.address == "sip:ann@pbx.example.com"
    assert destination.sip_connection is not None
    assert destination.trunk_id is None
    assert destination.caller_id == "+15550999"
    assert dict(destination.headers) == {"X-Queue": "refunds"}
    assert destination.dtmf == "ww12#"
    assert destination.ring_timeout == 12
    agent = task._new_briefing()
    assert agent.turn_detection == "manual"
    assert agent.allow_interruptions is False
    monkeypatch.setenv("LIVEKIT_SIP_OUTBOUND_TRUNK", "ST_env")
    destination = dialled(WarmTransferTask("100", sip_number=""))
    assert (destination.kind, destination.address, destination.caller_id) == ("user", "100", None)
    old = WarmTransferTask(target_phone_number=ANN, transfer_to=ANN, sip_call_to=ANN)
    assert dialled(old).address == ANN


@pytest.mark.parametrize(
    ("keywords", "error", "named"),
    [
        ({"sip_trunk_id": ...}, ValueError, "sip_trunk_id"),
        ({"sip_trunk_id": None}, ValueError, "LIVEKIT_SIP_OUTBOUND_TRUNK"),
        ({"sip_call_to": ...}, ValueError, "sip_call_to"),
        ({"sip_call_to": ""}, ValueError, "sip_call_to"),
        ({"sip_call_to": "a b"}, ValueError, "sip_call_to"),
        ({"sip_call_to": 15550100}, TypeError, "sip_call_to"),
        ({"sip_call_to": ..., "transfer_to": "a b"}, ValueError, "transfer_to"),
        ({"transfer_to": BOB}, ValueError, "transfer_to.*sip_call_to"),
        (
            {"sip_connection": SIPOutboundConfig(hostname="h")},
            ValueError,
            "sip_trunk_id.*sip_connection",
        ),
        ({"sip_trunk_id": ..., "sip_connection": {"host": "h"}}, TypeError, "sip_connection"),
        ({"sip_headers": ["X"]}, TypeError, "sip_headers"),
        ({"sip_headers": {"X": "a\r\nb"}}, ValueError, "sip_headers"),
        ({"sip_number": "a\nb"}, ValueError, "sip_number"),
        ({"dtmf": "hello"}, ValueError, "dtmf"),
        ({"ringing_timeout": -1}, ValueError, "ringing_timeout"),
        ({"ringing_timeout": "10"}, ValueError, "ringing_timeout"),
        ({"hold_audio": 7}, TypeError, "hold_audio"),
        ({"hold_audio": [7]}, TypeError, "hold_audio"),
        ({"hold_audio": object()}, TypeError, "hold_audio"),
        ({"hold_audio": []}, ValueError, "hold_audio"),
        ({"hold_audio": "no/such/file.mp3"}, ValueError, "hold_audio"),
        ({"hold_music_url": 7}, TypeError, "hold_music_url"),
        ({"hold_music_url": "ftp://x/y"}, ValueError, "hold_music_url"),
        ({"hold_music_url": None, "hold_audio": None}, ValueError, "hold_music_url.*hold_audio"),
    ],
)
async def test_keywords_that_cannot_be_used(
    keywords: dict[str, Any],
    error: type[Exception],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LIVEKIT_SIP_OUTBOUND_TRUNK", raising=False)
    given = {"sip_call_to": ANN, "sip_trunk_id": "ST_1", **keywords}
    with pytest.raises(error, match=named):
        WarmTransferTask(**{key: value for key, value in given.items() if value is not ...})


async def test_a_context_that_is_none() -> None:
    with pytest.raises(TransferError, match="context"):
        await WarmTransferTask(ANN, sip_trunk_id="ST_1").run(None)  # type: ignore[arg-type]
