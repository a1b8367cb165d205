"""SpokenWords: sentences that were synthesised once, for every call and process of a machine."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import soundfile
from livekit import rtc
from livekit.agents.tts import TTS

__all__ = ["MAX_DISK", "SpokenWords", "spoken_words", "voice_of"]

logger = logging.getLogger("livetransfer")

MAX_DISK = 64 * 1024 * 1024
"""Bytes on disk: about an hour of speech."""

MAX_MEMORY = 64
"""Sentences in memory."""

MAX_SECONDS = 30.0
"""Seconds of a sentence that is kept; longer ones are no standing words."""

PART = ".part-"
PRIVATE = ("key", "secret", "token", "password", "credential", "session", "loop")
"""What the names of options hold that name no voice."""

FORMAT = "1"


def voice_of(tts: TTS[object]) -> str | None:
    """Return what names the voice of `tts`, the same in every process; None where nothing does.

    A TTS of one's own may have a text `voice_key`. The plugins of livekit-agents keep their
    voice, model, speed and so on in a dataclass: all of it counts, but for credentials. A voice
    that cannot be told apart with certainty is not kept.
    """
    own = getattr(tts, "voice_key", None)
    if isinstance(own, str) and own:
        return f"{type(tts).__module__}.{type(tts).__qualname__}/{own}/{tts.sample_rate}"
    options = getattr(tts, "_opts", None)
    if not is_dataclass(options) or isinstance(options, type):
        return None
    values = []
    for field in fields(options):
        if any(word in field.name.lower() for word in PRIVATE):
            continue
        value = repr(getattr(options, field.name, None))
        if " at 0x" in value:
            return None  # another object in every process
        values.append(f"{field.name}={value}")
    kind = f"{type(tts).__module__}.{type(tts).__qualname__}"
    return "/".join((kind, tts.provider, tts.model, str(tts.sample_rate), *values))


def cache_folder() -> Path:
    """Return the folder: ``livetransfer/words`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path("~/.cache").expanduser()
    return root / "livetransfer" / "words"


class SpokenWords:
    """Sentences by voice and text, the least recently used dropped first.

    A disk that cannot be used is done without. `load` and `keep` block on it; `recall` does not.

    Args:
        folder: Where; None: `cache_folder()`, looked up at each use.
        max_disk: In bytes.
    """

    def __init__(self, folder: Path | None = None, *, max_disk: int = MAX_DISK) -> None:
        self._folder, self._max_disk = folder, max_disk
        self._lock = threading.Lock()
        self._memory: OrderedDict[str, list[rtc.AudioFrame]] = OrderedDict()

    def _path(self, name: str) -> Path:
        return (self._folder or cache_folder()) / f"{name}.flac"

    @staticmethod
    def _name(voice: str, text: str) -> str:
        return hashlib.sha256("\0".join((FORMAT, voice, text)).encode()).hexdigest()

    def recall(self, voice: str, text: str) -> list[rtc.AudioFrame] | None:
        """Return the frames that are in memory."""
        name = self._name(voice, text)
        with self._lock:
            found = self._memory.get(name)
            if found is not None:
                self._memory.move_to_end(name)
            return found

    def load(self, voice: str, text: str) -> list[rtc.AudioFrame] | None:
        """Return the frames that are in memory or on disk; what is damaged there is not."""
        found = self.recall(voice, text)
        if found is not None:
            return found
        name = self._name(voice, text)
        path = self._path(name)
        try:
            samples, rate = soundfile.read(str(path), dtype="int16", always_2d=True)
            os.utime(path)
        except (OSError, RuntimeError):
            return None
        if not len(samples) or len(samples) > MAX_SECONDS * rate:
            return None
        frame = rtc.AudioFrame(samples.tobytes(), rate, samples.shape[1], len(samples))
        self._remember(name, [frame])
        return [frame]

    def keep(self, voice: str, text: str, frames: Sequence[rtc.AudioFrame]) -> None:
        """Keep a sentence, whole, in memory and on disk."""
        shapes = {(frame.sample_rate, frame.num_channels) for frame in frames}
        if len(shapes) != 1 or sum(frame.duration for frame in frames) > MAX_SECONDS:
            return
        name = self._name(voice, text)
        self._remember(name, list(frames))
        (rate, channels) = shapes.pop()
        samples = np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])
        sound = io.BytesIO()
        soundfile.write(sound, samples.reshape(-1, channels), rate, "PCM_16", format="FLAC")
        try:
            self._write(self._path(name), sound.getvalue())
            self._prune()
        except OSError as error:
            logger.info("spoken words cannot be kept on disk: %s", error.strerror)

    def _remember(self, name: str, frames: list[rtc.AudioFrame]) -> None:
        with self._lock:
            self._memory[name] = frames
            self._memory.move_to_end(name)
            while len(self._memory) > MAX_MEMORY:
                self._memory.popitem(last=False)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        """Write whole or not at all: other processes read meanwhile."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, part = tempfile.mkstemp(prefix=PART, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(part).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(part).unlink()
            raise

    def _prune(self) -> None:
        """Drop what was not used for longest, and what a killed process has left."""
        found = []
        for path in (self._folder or cache_folder()).iterdir():
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._max_disk:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


spoken_words = SpokenWords()
"""Those of this process; what is on disk is shared."""
