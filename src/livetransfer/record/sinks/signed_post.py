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
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from livetransfer._logged import logged
from livetransfer._tasks import keep
from livetransfer.errors import ConfigurationError
from livetransfer.record.daemon_thread import Daemon
from livetransfer.stores.folder import state_folder

from .unsent_spool import Spool

if TYPE_CHECKING:
    import aiohttp

__all__ = ["KEEP_FOR", "Posting", "signature"]

logger = logging.getLogger("livetransfer")
T = TypeVar("T")

SEND_LIMIT = 10.0
"""Seconds in which the server has to have answered."""
FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
"""Seconds before the second try; it doubles with each one, up to the longest."""
AGAIN = 3600.0
"""Seconds before what the server has refused is sent once more: somebody may have mended it."""
REFUSALS = 20
"""Of these, that are met with another refusal, at most at one time."""
KEEP_FOR = timedelta(days=3)


LATER = (408, 425, 429)
"""Statuses below 500 that say "not now" (RFC 9110, RFC 8470, RFC 6585)."""


class Answer(Enum):
    """What a server has made of what it was sent."""

    TAKEN = auto()
    REFUSED = auto()
    LATER = auto()


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
        folder: Where bodies wait. Default: a folder for the URL in the state folder.
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
        self._refused = Spool(Path(folder) / "refused")
        self._not_before = 0.0
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
            if await self._send_one(message_id, body) is not Answer.TAKEN:
                raise
            return
        first = asyncio.create_task(self._first_try(retention), name="livetransfer-webhook")
        keep(first)
        if wait:
            await asyncio.shield(first)

    async def send(self, retention: timedelta | None = None) -> bool:
        """Send what waits on disk, whoever has left it there; return whether all was sent.

        What the server refuses is set aside, in a folder beside it, and sent once more after an
        hour; what comes after it is sent.
        """
        keep_for = self._keep_for if retention is None else min(self._keep_for, retention)
        seconds = keep_for.total_seconds()
        results = set()
        for spool, rested, most in ((self._spool, 0.0, None), (self._refused, AGAIN, REFUSALS)):
            taken = await self._blocking(partial(spool.take, seconds, rested=rested))
            results |= await self._send_all(spool, taken, most)
            await self._tell_of_lost(spool)
            if Answer.LATER in results:
                return False
        if not results <= {Answer.TAKEN}:
            return False
        # What somebody else is sending just now is not sent yet.
        left = [await self._blocking(each.holds_any) for each in (self._spool, self._refused)]
        return not any(left)

    async def _send_all(self, spool: Spool, taken: list[Path], most: int | None) -> set[Answer]:
        """Send what was taken, until the server cannot take it now, or has refused too many."""
        results: set[Answer] = set()
        refusals = 0
        for path in taken:
            result = Answer.LATER
            try:
                # Where the server is down, one try tells.
                if Answer.LATER not in results and (most is None or refusals < most):
                    body = await self._blocking(path.read_bytes)
                    again = spool is self._refused
                    result = await self._send_one(path.name.split(".")[0], body, again=again)
                    results.add(result)
            except FileNotFoundError:
                continue
            except OSError:
                logger.error(
                    "what is for a webhook cannot be read; the others are sent", **logged()
                )
                results.add(Answer.REFUSED)
            finally:
                if result is Answer.TAKEN:
                    await self._blocking(spool.remove, path)
                else:
                    refused = result is Answer.REFUSED
                    refusals += refused
                    await self._blocking(spool.give_back, path, self._refused if refused else spool)
        return results

    async def _tell_of_lost(self, spool: Spool) -> None:
        lost, spool.lost = spool.lost, 0
        if lost:
            logger.error(
                "what a webhook has not taken for too long is deleted",
                extra={"count": lost, "what": self._what},
            )

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
            asked = self._not_before - asyncio.get_running_loop().time()
            await asyncio.sleep(max(wait, min(asked, AGAIN)))
            if await self.send(retention):
                return
            wait = min(2 * wait, LONGEST_WAIT)

    async def _blocking(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    async def _send_one(self, message_id: str, body: bytes, *, again: bool = False) -> Answer:
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
                return await self._post(session, headers, body, again=again)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            logger.warning(
                "a webhook does not answer; what it was sent waits on disk",
                extra={"error": type(error).__name__, "what": self._what},
            )
            return Answer.LATER

    async def _post(
        self,
        session: aiohttp.ClientSession,
        headers: Mapping[str, str],
        body: bytes,
        *,
        again: bool,
    ) -> Answer:
        async with session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            if 200 <= answer.status < 300:
                return Answer.TAKEN
            later = answer.status >= 500 or answer.status in LATER
            if later:
                seconds = answer.headers.get("retry-after", "")
                if seconds.isdecimal():
                    now = asyncio.get_running_loop().time()
                    self._not_before = now + min(float(seconds[:9]), AGAIN)
            logger.log(
                logging.DEBUG if again and not later else logging.WARNING,
                "a webhook cannot take what it was sent now; it waits on disk"
                if later
                else "a webhook refuses what it was sent; it is set aside for an hour",
                extra={"status": answer.status, "what": self._what},
            )
            return Answer.LATER if later else Answer.REFUSED
