"""The hold music of a transfer: comfort lines in the AI's voice, and sources that fail."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

from livetransfer import HoldMusicPlayer, HoldMusicProblem, TransferEvent, WarmTransfer
from livetransfer._flow.hold_line import _voice
from livetransfer.hold import Comfort
from livetransfer.testing import Human, simulate
from livetransfer.testing.models import ScriptedTTS
from tests.unit.transfers import rig

ANN = "+15550100"
LINE = "Thank you for holding."


async def test_comfort_lines_are_spoken_by_the_sessions_voice_over_the_music() -> None:
    player = HoldMusicPlayer(comfort=Comfort([LINE], every=8))
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, WarmTransfer(ANN, hold_music=player, ring_timeout=30).run) as r:
            r.ask()
            await asyncio.sleep(28)
            spoken = [text for text in r.tts.spoken if text == LINE]
            assert spoken == [LINE], "synthesised once, however often it is spoken"
            assert call.caller.silence(2, 28) <= 0.3
            await r.outcome()


def test_every_tts_object_is_a_voice_of_its_own() -> None:
    """What voice it has cannot be told from outside; and an `id` is used again."""
    tts = ScriptedTTS()
    assert _voice(tts) == _voice(tts)
    voices = {_voice(tts)}
    for _ in range(20):
        voices.add(_voice(ScriptedTTS()))
        gc.collect()
    assert len(voices) == 21


async def test_quiet_with_comfort_lines() -> None:
    player = HoldMusicPlayer(None, comfort=Comfort([LINE], every=5))
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        async with rig(call, WarmTransfer(ANN, hold_music=player, ring_timeout=20).run) as r:
            r.ask()
            await r.outcome()
            samples = call.caller.samples(1, 20)
            loud = abs(samples.astype(int)) > 200
            assert 0.02 < loud.mean() < 0.6


async def test_a_source_that_fails_later_is_told_and_the_built_in_clip_plays(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("this is no music")
    events: list[TransferEvent] = []
    async with simulate(humans={ANN: Human.no_answer()}) as call:
        transfer = WarmTransfer(
            ANN, hold_music=str(broken), ring_timeout=10, on_event=events.append
        )
        async with rig(call, transfer.run) as r:
            r.ask()
            outcome = await r.outcome()
            problems = [e for e in events if isinstance(e, HoldMusicProblem)]
            assert len(problems) == 1
            assert "broken.wav" in problems[0].reason
            held = call.caller.heard("hold-music")[0].start
            assert call.caller.silence(held, held + 9) <= 0.3
            assert held - (call.now - outcome.timings["total"]) < 0.3
