"""Where messages go: a folder, a webhook, a function of the application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from livetransfer._user_code import ask
from livetransfer.errors import ConfigurationError
from livetransfer.record.sinks.signed_post import KEEP_FOR, Posting
from livetransfer.record.sinks.unsent_spool import written

from .message import Message

__all__ = ["DELIVERY_LIMIT", "MessageFolder", "MessageWebhook", "deliver"]

DELIVERY_LIMIT = 10.0
"""Seconds that a message may take to be kept: the caller waits for it."""


class MessageFolder:
    """Writes each message into a folder, as ``<id>.json``, and its audio as ``<id>.wav``.

    A file is there whole or not at all, and only its owner can read it. The audio comes first.

    Args:
        path: The folder; it is made.

    Raises:
        ConfigurationError: It is a file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ConfigurationError("path", str(path), "give the path of a folder")

    async def deliver(self, message: Message) -> None:
        """Write `message`.

        Raises:
            OSError: The disk does not take it.
        """
        await asyncio.get_running_loop().run_in_executor(None, self._write, message)

    def _write(self, message: Message) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if message.audio is not None:
            written(self.path / f"{message.id}.wav", message.audio)
        written(self.path / f"{message.id}.json", message.to_json())


class MessageWebhook:
    """Sends each message to a URL with POST, signed as Standard Webhooks say.

    The body is the message as JSON. It is kept on disk until the server has taken it, and tried
    again, as a [`WebhookSink`][livetransfer.record.WebhookSink] does, which says how.

    Args:
        url: Where to. A redirection is not followed.
        secret: What it is signed with, 16 bytes or more.
        folder: Where messages wait. Default: ``webhooks/…`` in the state folder, which
            ``LIVETRANSFER_STATE`` names.
        headers: More headers, such as ``Authorization``.
        keep_for: How long a message waits at most.
        audio: Send the audio too, in base64.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    def __init__(
        self,
        url: str,
        secret: str | bytes,
        *,
        folder: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        keep_for: timedelta = KEEP_FOR,
        audio: bool = True,
    ) -> None:
        self._posting = Posting(
            url,
            secret,
            folder=folder,
            headers=headers,
            keep_for=keep_for,
            what="a message",
            kind="messages ",
        )
        self._audio = audio

    async def deliver(self, message: Message) -> None:
        """Keep `message` on disk; it is sent in the background.

        Raises:
            OSError: The disk does not take it and the server did not either.
        """
        await self._posting.post(message.id, message.to_json(audio=self._audio), wait=False)

    async def send(self) -> bool:
        """Send what waits on disk, whoever has left it there; return whether all was sent."""
        return await self._posting.send()

    async def aclose(self) -> None:
        """Try no more; what was not sent waits on disk."""
        await self._posting.aclose()


Deliver = Callable[[Message], Awaitable[None] | None]


async def deliver(to: Any, message: Message) -> None:
    """Give `message` to where messages go.

    Raises:
        CodeFailed: It was not taken within `DELIVERY_LIMIT` seconds.
    """
    target: Any = MessageFolder(to) if isinstance(to, (str, os.PathLike)) else to
    code: Callable[[Message], object] = getattr(target, "deliver", target)
    await ask("message", lambda: code(message), DELIVERY_LIMIT)
