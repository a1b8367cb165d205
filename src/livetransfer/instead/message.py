"""Message: what a caller has left for those who could not take his call."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Message"]


@dataclass(frozen=True)
class Message:
    """What a caller has left.

    Attributes:
        id: What names it: the same message may be delivered twice, with the same id.
        text: The message, as the AI has put it, without card numbers, dates of birth or passwords.
        taken: When.
        name: The caller's name, as he gave it.
        number: Where he can be reached: the number he gave, or that he called from.
        words: What he has said meanwhile, as it was transcribed, without the same secrets.
        department: What the transfer was to.
        status: What became of the transfer.
        call: What names the call: the room's name.
        audio: What he has said meanwhile as a WAV file, where that was asked for. Nothing is taken
            out of it.
    """

    id: str
    text: str
    taken: datetime
    name: str | None = None
    number: str | None = None
    words: tuple[str, ...] = ()
    department: str | None = None
    status: str | None = None
    call: str | None = None
    audio: bytes | None = field(default=None, repr=False)

    def to_dict(self, *, audio: bool = False) -> dict[str, Any]:
        """Return it as what JSON can hold.

        Args:
            audio: With the audio, in base64.
        """
        found: dict[str, Any] = {
            "id": self.id,
            "taken": self.taken.isoformat(),
            "text": self.text,
            "name": self.name,
            "number": self.number,
            "words": list(self.words),
            "department": self.department,
            "status": self.status,
            "call": self.call,
        }
        if audio:
            wav = self.audio
            found["audio"] = None if wav is None else base64.b64encode(wav).decode()
        return found

    def to_json(self, *, audio: bool = False) -> bytes:
        """Return it as JSON, in UTF-8."""
        return json.dumps(self.to_dict(audio=audio), ensure_ascii=False).encode()
