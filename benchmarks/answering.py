"""What has answered: the default detector on calls that this project makes itself.

    apt-get install espeak-ng flite libttspico-utils
    python benchmarks/answering.py [--corpus FOLDER] [--per-class 48]

The corpus (tools/make_answer_corpus.py) has calls of each of the seven classes in each of four
languages, spoken by free voices, over 8 kHz mu-law with noise and lost packets; and calls in which
one thing follows another. 48 of each class and language are *held out*: their wording was not used
when the phrases and limits of the detector were tuned; 24 more were. The last line is about those
that were held out.

- Transcripts come from the corpus: each word 0.3 s after its end, one in ten wrong (another word, a
  misspelt one, or none). A row without transcripts is printed apart.
- `person_as_machine`: share of the persons for whom any machine was the verdict, at any time.
- `machine_as_person`: share of the machines to which a caller would be bridged with
  ``accept="either"`` by a model that agrees to everything: it calls `connect_to_caller` after each
  0.8 s of silence, 0.5 s later. With ``"key"`` and ``"code"`` it is asked the same way.
- `verdict_s`: median seconds from the end of the words (or tones) that decide to the verdict that
  stayed.
- `cpu`: percent of a core for one leg, with frames of 20 ms at 16 kHz and transcripts.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import soundfile
from livekit import rtc

from livetransfer.answer_class import AnswerClass
from livetransfer.answering import AnswerVerdict, ToneAndPhraseDetector
from livetransfer.briefing.accept_by_key_or_voice import Acceptance, Heard

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

LATE = 0.3
WRONG = 0.1
STEP = 0.2
"""Seconds between two interim transcripts."""

TURN_END = 0.8
THINKS = 0.5
RATE = 16_000
FRAME = RATE // 50
CLASSES = [answer.value for answer in AnswerClass]
MACHINES = ("screening", "ivr", "voicemail", "announcement")


@dataclass
class Outcome:
    """What became of one clip."""

    clip: dict[str, Any]
    changes: Sequence[AnswerVerdict]
    bridged: dict[str, bool] = field(default_factory=dict)
    cpu: float = 0.0

    @property
    def final(self) -> str:
        """The class at the end."""
        return self.changes[-1].answered_by.value if self.changes else "unknown"

    @property
    def right(self) -> bool:
        """Whether it is the last of those that were true."""
        return bool(self.final == self.clip["expected"][-1][1])

    @property
    def late(self) -> float | None:
        """Seconds from what decides to the verdict that stayed, if it is right."""
        if not self.right or self.clip["deciding"] is None or not self.changes:
            return None
        stood = self.changes[-1]
        for verdict in reversed(self.changes):
            if verdict.answered_by is not stood.answered_by:
                break
            stood = verdict
        return float(stood.at - self.clip["deciding"])


def misheard(word: str, chance: random.Random, others: Sequence[str]) -> str:
    """Return `word` as a bad recogniser hears it."""
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(others)
    if kind < 0.75 or len(word) < 3:
        return ""
    at = chance.randrange(len(word) - 1)
    return word[:at] + chance.choice("aeioustrn") + word[at + 2 :]


def transcripts(clip: dict[str, Any], others: Sequence[str]) -> list[tuple[float, str, bool]]:
    """Return when which text of `clip` is there, and whether its utterance is over."""
    chance = random.Random(zlib.crc32(clip["name"].encode()))
    heard = [
        (misheard(word, chance, others) if chance.random() < WRONG else word, end, utterance)
        for word, end, utterance in clip["words"]
    ]
    told: list[tuple[float, str, bool]] = []
    for number, over in enumerate(clip["ends"]):
        words = [(word, end) for word, end, utterance in heard if utterance == number and word]
        steps = sorted({int((end + LATE) / STEP) + 1 for _, end in words})
        for step in steps:
            at = step * STEP
            if at >= over + LATE:
                break
            said = " ".join(word for word, end in words if end + LATE <= at)
            if said:
                told.append((at, said, False))
        told.append((over + LATE, " ".join(word for word, _ in words), True))
    return sorted(told, key=lambda one: one[0])


def frames(path: Path) -> list[rtc.AudioFrame]:
    """Return a clip as a leg's frames: 16 kHz, 20 ms each."""
    samples, rate = soundfile.read(str(path), dtype="float64")
    spectrum = np.fft.rfft(samples)
    wanted = len(samples) * RATE // rate
    padded = np.pad(spectrum, (0, wanted // 2 + 1 - len(spectrum)))
    wide = np.fft.irfft(padded, wanted) * (wanted / len(samples))
    whole = np.clip(wide * 32767, -32768, 32767).astype(np.int16)
    return [
        rtc.AudioFrame(whole[i : i + FRAME].tobytes(), RATE, 1, FRAME)
        for i in range(0, len(whole) - FRAME + 1, FRAME)
    ]


def offers(clip: dict[str, Any]) -> list[float]:
    """Return when a model that agrees to everything calls its tool."""
    words = [end for _, end, _ in clip["words"]]
    starts = [0.0, *clip["ends"]]
    times = []
    for index, over in enumerate(clip["ends"]):
        later = [end for end in words if end > over]
        first = min(later, default=clip["seconds"])
        # A word's begin is not known: it is a little before its end.
        if first - 0.3 - over >= TURN_END or index == len(starts) - 2:
            times.append(over + TURN_END + THINKS)
    return times


def listen(
    clip: dict[str, Any],
    sound: Sequence[rtc.AudioFrame],
    told: Sequence[tuple[float, str, bool]],
    detector: ToneAndPhraseDetector,
) -> Outcome:
    """Push a clip through the detector."""
    session = detector.begin()
    waiting, calls = list(told), offers(clip)
    bridged = dict.fromkeys(("either", "voice", "key", "code"), False)
    said: list[str] = []
    begun = time.process_time()
    asked = 0.0
    for index, frame in enumerate(sound):
        now = (index + 1) * FRAME / RATE
        session.push_frame(frame)
        while waiting and waiting[0][0] <= now:
            _, text, final = waiting.pop(0)
            session.push_transcript(text, final=final)
            if final:
                said.append(text)
        while calls and calls[0] <= now:
            calls.pop(0)
            before = time.process_time()
            heard = Heard(
                tuple(said), session.verdict.answered_by, session.suspected, session.replied
            )
            for way in bridged:
                rule = Acceptance(way, code="7" if way == "code" else None)  # type: ignore[arg-type]
                bridged[way] |= rule.by_voice(heard).bridges
            asked += time.process_time() - before
    used = time.process_time() - begun - asked
    return Outcome(clip, session.changes, bridged, used)


def share(hits: int, of: int) -> float:
    """Return a share, of 0 to 1."""
    return round(hits / of, 4) if of else 0.0


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return what the last line says of `outcomes`."""
    plain = [one for one in outcomes if "," not in one.clip["kind"]]
    persons = [one for one in plain if one.clip["kind"] == "person"]
    machines = [one for one in plain if one.clip["kind"] in MACHINES]
    agreeing = [one for one in persons if one.clip["agrees"]]
    late = [one.late for one in plain if one.late is not None]
    seconds = sum(one.clip["seconds"] for one in outcomes)
    wrong = sum(any(v.is_machine for v in one.changes) for one in persons)
    return {
        "person_as_machine": share(wrong, len(persons)),
        "machine_as_person": share(sum(m.bridged["either"] for m in machines), len(machines)),
        "machine_as_person_key": share(sum(m.bridged["key"] for m in machines), len(machines)),
        "machine_as_person_code": share(sum(m.bridged["code"] for m in machines), len(machines)),
        "person_refused": share(sum(not p.bridged["either"] for p in agreeing), len(agreeing)),
        "right": share(sum(one.right for one in plain), len(plain)),
        "verdict_s": round(median(late), 2),
        "verdict_p90_s": round(quantiles(late, n=10)[-1], 2),
        "cpu": round(100 * sum(one.cpu for one in outcomes) / seconds, 3),
    }


def print_matrix(outcomes: Sequence[Outcome]) -> None:
    """Print what was true against what was found, and how late it was found."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    late: dict[str, list[float]] = defaultdict(list)
    for one in outcomes:
        rows[one.clip["kind"]][one.final] += 1
        if one.late is not None:
            late[one.clip["kind"]].append(one.late)
    print(f"{'':>18} " + " ".join(f"{name[:9]:>9}" for name in CLASSES) + "   verdict after")
    order = [*CLASSES, *sorted(set(rows) - set(CLASSES))]
    for kind in order:
        if kind not in rows:
            continue
        counts = " ".join(f"{rows[kind][name]:9}" for name in CLASSES)
        after = f"{median(late[kind]):6.2f} s" if late[kind] else ""
        print(f"{kind:>18} {counts}   {after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path, help="made before; made anew without")
    parser.add_argument("--per-class", type=int, default=48, help="held out, of each")
    parser.add_argument("--split", default="dev,held")
    parser.add_argument("--show", action="store_true", help="list what went wrong, in dev only")
    args = parser.parse_args()
    corpus: Path | None = args.corpus
    if corpus is None:
        from tools.answer_corpus.making import LANGUAGES, make

        corpus = Path(tempfile.mkdtemp(prefix="answering-"))
        make(corpus, args.per_class, LANGUAGES)
    clips = [json.loads(line) for line in (corpus / "clips.jsonl").read_text().splitlines()]
    others = {
        language: sorted({w for c in clips if c["language"] == language for w, _, _ in c["words"]})
        for language in {clip["language"] for clip in clips}
    }
    detector = ToneAndPhraseDetector()
    result: dict[str, Any] = {}
    for split in args.split.split(","):
        chosen = [clip for clip in clips if clip["split"] == split]
        with_words, without = [], []
        for clip in chosen:
            sound = frames(corpus / f"{clip['name']}.wav")
            told = transcripts(clip, others[clip["language"]])
            with_words.append(listen(clip, sound, told, detector))
            without.append(listen(clip, sound, (), detector))
        name = {"dev": "tuned with", "held": "held out"}[split]
        print(f"\n{name}: {len(chosen)} calls, with transcripts")
        print_matrix(with_words)
        print(json.dumps(figures(with_words)))
        print(f"\n{name}: without transcripts")
        print_matrix(without)
        print(json.dumps(figures(without)))
        for language in sorted(others):
            some = [one for one in with_words if one.clip["language"] == language]
            print(language, json.dumps(figures(some)))
        if args.show and split == "dev":
            for one in with_words:
                wrong = not one.right or (
                    one.clip["kind"] == "person" and any(v.is_machine for v in one.changes)
                )
                if wrong or (one.clip["kind"] in MACHINES and one.bridged["either"]):
                    story = [(v.answered_by.value, v.at, v.evidence.what) for v in one.changes]
                    said = " ".join(
                        text
                        for _, text, final in transcripts(one.clip, others[one.clip["language"]])
                        if final
                    )
                    print(
                        one.clip["name"],
                        one.clip["deciding"],
                        story,
                        one.bridged["either"],
                        "|",
                        said,
                    )
        result = figures(with_words)
        result["without_transcripts"] = figures(without)  # type: ignore[assignment]
    print()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
