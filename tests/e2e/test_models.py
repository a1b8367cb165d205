"""The scripted models, without a server: what they say and hear, and after how long."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, llm, stt

from . import tones
from .models import Fail, Rule, ScriptedLLM, ScriptedSTT, ScriptedTTS, ToolCall

ONCE = APIConnectOptions(max_retry=0)


def asked(*said: tuple[llm.ChatRole, str]) -> llm.ChatContext:
    chat = llm.ChatContext.empty()
    for role, text in said:
        chat.add_message(role=role, content=text)
    return chat


async def test_the_language_model_follows_its_rules() -> None:
    model = ScriptedLLM(
        [
            Rule("Never.", user="person", tool="absent"),
            Rule(ToolCall("transfer", {"to": "sales"}), user="a PERSON"),
            Rule("You are connected.", output="done"),
            Rule("Only once.", instructions="brief", times=1),
        ],
        default="Pardon?",
    )
    began = time.monotonic()
    answer = await model.chat(chat_ctx=asked(("user", "I want a person"))).collect()
    assert 0.4 <= time.monotonic() - began < 0.7
    call = answer.tool_calls[0]
    assert (call.name, call.arguments) == ("transfer", '{"to": "sales"}')

    model.latency = 0
    chat = asked(("user", "I want a person"))
    for item in (
        llm.FunctionCall(call_id="1", name="transfer", arguments="{}"),
        llm.FunctionCallOutput(call_id="1", name="transfer", output="done", is_error=False),
    ):
        chat.insert(item)
    assert (await model.chat(chat_ctx=chat).collect()).text == "You are connected."
    chat = asked(("system", "Be brief."), ("user", "Hello"))
    assert (await model.chat(chat_ctx=chat).collect()).text == "Only once."
    assert (await model.chat(chat_ctx=chat).collect()).text == "Pardon?"
    assert [prompt.user for prompt in model.prompts][-1] == "Hello"


async def test_the_language_model_fails_on_demand() -> None:
    model = ScriptedLLM(lambda _: Fail("down"), latency=0)
    with pytest.raises(APIConnectionError, match="down"):
        await model.chat(chat_ctx=asked(("user", "Hello")), conn_options=ONCE).collect()


async def test_the_voice_is_a_tone() -> None:
    voice = ScriptedTTS([("music", 400), ("", 600)], per_character=0.01)
    began = time.monotonic()
    async with voice.stream() as stream:
        for token in ("A first sentence. ", "Then ", "music."):
            stream.push_text(token)
        stream.end_input()
        frames: list[rtc.AudioFrame] = []
        async for event in stream:
            if not frames:
                assert 0.25 <= time.monotonic() - began < 0.5
            frames.append(event.frame)
    assert voice.texts == ["A first sentence. ", "Then music."]
    whole = await voice.synthesize("Hello").collect()
    for frame, pitch in ((rtc.combine_audio_frames(frames), 600), (whole, 600)):
        window = np.frombuffer(frame.data, dtype=np.int16)[480:960]
        assert tones.tone_level(window, pitch) == pytest.approx(tones.LOUD, rel=0.02)
    voice.failing = True
    with pytest.raises(APIConnectionError):
        await voice.synthesize("Hello", conn_options=ONCE).collect()


async def test_the_ear_understands_tones() -> None:
    ear = ScriptedSTT({1000: "yes", 1500: "no"})
    heard: list[tuple[str, str]] = []
    async with ear.stream() as stream:

        async def listen() -> None:
            async for event in stream:
                text = event.alternatives[0].text if event.alternatives else ""
                heard.append((event.type.value, text))

        listening = asyncio.create_task(listen())
        sound = [
            tones.tone(1000, 0.1, rate=24000),  # too short to be speech
            tones.silence(0.2, 24000),
            tones.tone(1500, 0.3, rate=24000),
            tones.silence(0.1, 24000),  # a pause in speech
            tones.tone(1500, 0.1, rate=24000),
            tones.silence(0.4, 24000),
            tones.tone(1000, 0.25, rate=24000),
            tones.silence(0.4, 24000),
        ]
        samples = np.concatenate(sound)
        for start in range(0, len(samples), 1200):
            part = samples[start : start + 1200]
            stream.push_frame(rtc.AudioFrame(part.tobytes(), 24000, 1, len(part)))
        stream.end_input()
        await asyncio.wait_for(listening, 5)
    kinds = stt.SpeechEventType
    once = [kinds.START_OF_SPEECH, kinds.INTERIM_TRANSCRIPT]
    once += [kinds.FINAL_TRANSCRIPT, kinds.END_OF_SPEECH]
    assert [kind for kind, _ in heard] == [kind.value for kind in once * 2]
    assert [text for _, text in heard] == ["", "no", "no", "", "", "yes", "yes", ""]
