"""Makes the corpus of `benchmarks/answering.py`: what answers phones, in four languages.

    apt-get install espeak-ng flite libttspico-utils     (the last one is in Debian's non-free)
    python tools/make_answer_corpus.py FOLDER [--per-class 48] [--languages en,de]

Each clip is 8 kHz mu-law with noise and lost packets; `clips.jsonl` says what is in it, and when.
The same options make the same corpus.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.answer_corpus import voices
from tools.answer_corpus.making import LANGUAGES, make


def main() -> None:
    """Make it, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--per-class",
        type=int,
        default=48,
        help="held out, of each class and language; half as many more are for tuning",
    )
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    args = parser.parse_args()
    if missing := voices.missing():
        sys.exit(f"needs {', '.join(missing)}: apt-get install them (libttspico: non-free)")
    made = make(args.folder, args.per_class, tuple(args.languages.split(",")))
    minutes = sum(clip.seconds for clip in made) / 60
    print(f"{len(made)} clips, {minutes:.0f} minutes, in {args.folder}")


if __name__ == "__main__":
    main()
