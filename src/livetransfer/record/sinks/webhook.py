"""WebhookSink: sends records to a URL, signed; what cannot be sent waits on disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from livetransfer.privacy import Privacy
from livetransfer.record.model import TransferRecord

from .signed_post import KEEP_FOR, Posting, signature

__all__ = ["WebhookSink", "signature"]


class WebhookSink:
    """Sends the final record of each transfer to a URL with POST.

    The request is signed as [Standard Webhooks](https://www.standardwebhooks.com) say: headers
    ``webhook-id`` (the record's `id`: the same record may come twice), ``webhook-timestamp``
    and ``webhook-signature``. Where there is no answer, or one of 408, 425, 429 or 5xx, it is tried
    again after 2 s, 4 s and so on up to every 5 minutes while the process lives (``Retry-After`` is
    heeded, up to an hour); and by the next process of the machine that has a record to send,
    because until it is sent it lies in a file. A record that is refused by any other answer is set
    aside, in the folder ``refused`` beside the others, which are sent; it is tried again after an
    hour, until `keep_for` is over. What is deleted unsent is logged as an error.

    Args:
        url: Where to. A redirection is not followed.
        secret: What it is signed with, 16 bytes or more.
        folder: Where records wait. Default: ``webhooks/…`` in the state folder, which
            ``LIVETRANSFER_STATE`` names.
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
        self._posting = Posting(
            url,
            secret,
            folder=folder,
            headers=headers,
            keep_for=keep_for,
            what="the record of a transfer",
        )

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        """Keep the record on disk, and try to send it, and what waits there, once.

        Where that fails it is tried again in the background. Where the disk does not take it, it
        is sent all the same, once.

        Raises:
            OSError: The disk does not take it and the server did not either.
        """
        body = record.to_json().encode()
        await self._posting.post(record.id, body, retention=privacy.retention)

    async def send(self, privacy: Privacy | None = None) -> bool:
        """Send what waits on disk, whoever has left it there; return whether all was sent.

        For a worker that starts, or a cron job, after the server was down for long.
        """
        return await self._posting.send(None if privacy is None else privacy.retention)

    async def aclose(self) -> None:
        """Try no more; what was not sent waits on disk."""
        await self._posting.aclose()
