"""Posting: sends signed JSON to a URL with POST; what cannot be sent waits on disk."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from livetransfer._tasks import keep
from livetransfer.errors import ConfigurationError
from livetransfer.record.daemon import Daemon

from .spool import Spool, state_folder

if TYPE_CHECKING:
    import aiohttp

__all__ = ["KEEP_FOR", "Posting", "signature"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")

SEND_LIMIT = 10.0
"""Seconds in which the server has to have answered."""
FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
"""Seconds before the second try; it doubles with each one, up to the longest."""
KEEP_FOR = timedelta(days=3)


def signature(secret: str | bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message, as Standard Webhooks (version 1) has it.

    Args:
        secret: The secret, or ``whsec_`` and the base64 of it.
        message_id: The header ``webhook-id``.
        timestamp: The header ``webhook-timestamp``, in seconds.
        body: The body, byte for byte.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str | bytes) -> bytes:
    if isinstance(secret, bytes):
        return secret
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ConfigurationError("secret", "…", "after whsec_ comes base64") from error
    return secret.encode()


class Posting:
    """Sends bodies of JSON to a URL; what `WebhookSink` says of records holds for all of them.

    Args:
        url: Where to. A redirection is not followed.
        secret: What it is signed with, 16 bytes or more.
        folder: Where bodies wait. Default: a folder for the URL in `state_folder`.
        headers: More headers.
        keep_for: How long a body waits at most.
        what: What is sent, for the log.
        kind: Keeps apart, in the default folder, what else is sent to the same URL.

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
        what: str,
        kind: str = "",
    ) -> None:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("url", url, "give a URL that begins with https://")
        if not isinstance(secret, (str, bytes)) or len(_key(secret)) < 16:
            raise ConfigurationError("secret", "…", "give 16 bytes or more, such as token_hex(32)")
        if not isinstance(keep_for, timedelta) or keep_for <= timedelta(0):
            raise ConfigurationError("keep_for", keep_for, "give a timedelta")
        self._url, self._secret, self._headers = url, secret, dict(headers or {})
        self._keep_for, self._what = keep_for, what
        if folder is None:
            name = hashlib.sha256((kind + url).encode()).hexdigest()[:16]
            folder = state_folder() / "webhooks" / name
        self._spool = Spool(Path(folder))
        self._thread = Daemon("livetransfer-webhook")
        self._trying: asyncio.Task[None] | None = None

    async def post(
        self,
        message_id: str,
        body: bytes,
        *,
        retention: timedelta | None = None,
        wait: bool = True,
    ) -> None:
        """Keep `body` on disk, and try to send it, and what waits there, once.

        Where that fails it is tried again in the background. Where the disk does not take it, it
        is sent all the same, once.

        Args:
            message_id: What names it: the same one may come twice.
            body: JSON.
            retention: How long it may be kept, where that is shorter than `keep_for`.
            wait: Wait for the first try.

        Raises:
            OSError: The disk does not take it and the server did not either.
        """
        try:
            await self._blocking(self._spool.put, message_id, body)
        except OSError:
            logger.error(
                "what is for a webhook cannot be kept on disk; it is sent once",
                extra={"what": self._what},
            )
            if not await self._send_one(message_id, body):
                raise
            return
        first = asyncio.create_task(self._first_try(retention), name="livetransfer-webhook")
        keep(first)
        if wait:
            await asyncio.shield(first)

    async def send(self, retention: timedelta | None = None) -> bool:
        """Send what waits on disk, whoever has left it there; return whether all was sent."""
        keep_for = self._keep_for if retention is None else min(self._keep_for, retention)
        taken = await self._blocking(self._spool.take, keep_for.total_seconds())
        well = True
        for path in taken:
            try:
                # Where the server is down, one try tells.
                if well:
                    body = await self._blocking(path.read_bytes)
                    well = await self._send_one(path.name.split(".")[0], body)
                    if well:
                        await self._blocking(self._spool.remove, path)
            except FileNotFoundError:
                continue
            finally:
                if not well:
                    await self._blocking(self._spool.give_back, path)
        return well

    async def aclose(self) -> None:
        """Try no more; what was not sent waits on disk."""
        if self._trying is not None:
            self._trying.cancel()

    async def _first_try(self, retention: timedelta | None) -> None:
        if await self.send(retention) or (self._trying is not None and not self._trying.done()):
            return
        task = asyncio.create_task(self._retry(retention), name="livetransfer-webhook")
        self._trying = keep(task)

    async def _retry(self, retention: timedelta | None) -> None:
        wait = FIRST_WAIT
        while True:
            await asyncio.sleep(wait)
            if await self.send(retention):
                return
            wait = min(2 * wait, LONGEST_WAIT)

    async def _blocking(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _send_one(self, message_id: str, body: bytes) -> bool:
        import aiohttp

        timestamp = int(time.time())
        headers = {
            **self._headers,
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._secret, message_id, timestamp, body),
        }
        limit = aiohttp.ClientTimeout(total=SEND_LIMIT)
        try:
            async with aiohttp.ClientSession(timeout=limit) as session:
                return await self._post(session, headers, body)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            logger.warning(
                "a webhook does not answer; what it was sent waits on disk",
                extra={"error": type(error).__name__, "what": self._what},
            )
            return False

    async def _post(
        self, session: aiohttp.ClientSession, headers: Mapping[str, str], body: bytes
    ) -> bool:
        async with session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            if 200 <= answer.status < 300:
                return True
            logger.warning(
                "a webhook refuses what it was sent; it waits on disk",
                extra={"status": answer.status, "what": self._what},
            )
            return False
