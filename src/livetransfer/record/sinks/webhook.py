"""WebhookSink: sends records to a URL, signed; what cannot be sent waits on disk."""

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
from livetransfer.privacy import Privacy
from livetransfer.record.daemon import Daemon
from livetransfer.record.model import TransferRecord

from .spool import Spool, state_folder

if TYPE_CHECKING:
    import aiohttp

__all__ = ["WebhookSink", "signature"]

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


class WebhookSink:
    """Sends the final record of each transfer to a URL with POST.

    The request is signed as [Standard Webhooks](https://www.standardwebhooks.com) say: headers
    ``webhook-id`` (the record's `id`: the same record may come twice), ``webhook-timestamp``
    and ``webhook-signature``. Anything but an answer of 2xx is tried again, after 2 s, 4 s and so
    on up to every 5 minutes while the process lives; and by the next process of the machine that
    has a record to send, because until it is sent it lies in a file.

    Args:
        url: Where to. A redirection is not followed.
        secret: What it is signed with, 16 bytes or more.
        folder: Where records wait. Default: ``livetransfer/webhooks/…`` in ``$XDG_STATE_HOME`` or
            ``~/.local/state``.
        headers: More headers, such as ``Authorization``.
        keep_for: How long a record waits at most; `Privacy.retention` may make that shorter.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    takes_open_records = False

    def __init__(
        self,
        url: str,
        secret: str | bytes,
        *,
        folder: str | Path | None = None,
        headers: Mapping[str, str] | None = None,
        keep_for: timedelta = KEEP_FOR,
    ) -> None:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("url", url, "give a URL that begins with https://")
        if not isinstance(secret, (str, bytes)) or len(_key(secret)) < 16:
            raise ConfigurationError("secret", "…", "give 16 bytes or more, such as token_hex(32)")
        if not isinstance(keep_for, timedelta) or keep_for <= timedelta(0):
            raise ConfigurationError("keep_for", keep_for, "give a timedelta")
        self._url, self._secret, self._headers = url, secret, dict(headers or {})
        self._keep_for = keep_for
        if folder is None:
            name = hashlib.sha256(url.encode()).hexdigest()[:16]
            folder = state_folder() / "webhooks" / name
        self._spool = Spool(Path(folder))
        self._thread = Daemon("livetransfer-record-webhook")
        self._trying: asyncio.Task[None] | None = None

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Keep the record on disk, and try to send it, and what waits there, once.

        Where that fails it is tried again in the background. Where the disk does not take it, it
        is sent all the same, once.

        Raises:
            OSError: The disk does not take it and the server did not either.
        """
        body = record.to_json().encode()
        try:
            await self._blocking(self._spool.put, record.id, body)
        except OSError:
            logger.error("the record of a transfer cannot be kept on disk; it is sent once")
            if not await self._send_one(record.id, body):
                raise
            return
        if not await self.send(privacy):
            self._try_again(privacy)

    async def send(self, privacy: Privacy | None = None) -> bool:
        """Send what waits on disk, whoever has left it there; return whether all was sent.

        For a worker that starts, or a cron job, after the server was down for long.
        """
        for_seconds = self._keep_for.total_seconds()
        if privacy is not None and privacy.retention is not None:
            for_seconds = min(for_seconds, privacy.retention.total_seconds())
        taken = await self._blocking(self._spool.take, for_seconds)
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

    def _try_again(self, privacy: Privacy) -> None:
        if self._trying is None or self._trying.done():
            task = asyncio.create_task(self._retry(privacy), name="livetransfer-webhook")
            self._trying = keep(task)

    async def _retry(self, privacy: Privacy) -> None:
        wait = FIRST_WAIT
        while True:
            await asyncio.sleep(wait)
            if await self.send(privacy):
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
                "a webhook does not answer; the record waits on disk",
                extra={"error": type(error).__name__},
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
                "a webhook refuses the record of a transfer; it waits on disk",
                extra={"status": answer.status},
            )
            return False
