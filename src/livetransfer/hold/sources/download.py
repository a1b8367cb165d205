"""Downloading: one URL's bytes over HTTP, within bounds and only from allowed addresses."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from livetransfer.errors import ConfigurationError

from .fetch_cache import Stored

if TYPE_CHECKING:
    import aiohttp

__all__ = ["FetchError", "FetchLimits", "download"]

MAX_FRESH = 86_400.0
"""The longest, in seconds, that a file is used without asking whether it has changed."""

DEFAULT_FRESH = 300.0
"""As long as that, where the server does not say."""


_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?")
"""A host and perhaps a port, and no user or password."""


_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
"""The last part of an address and, as there is no such top-level domain, of no name."""


class FetchError(Exception):
    """A URL could not be fetched; the text says why, for people."""


@dataclass(frozen=True)
class FetchLimits:
    """Bounds on fetching a URL.

    Attributes:
        max_bytes: The largest file. 32 MiB are 10 minutes of stereo MP3 at 320 kbit/s, and more.
        seconds: For all of it, redirects included.
        redirects: How many are followed. One to another host must lead to the public internet.
        content_types: Media types that are taken, ``audio/*`` being all that begin so. A server
            that states none is believed.
    """

    max_bytes: int = 32 * 1024 * 1024
    seconds: float = 10.0
    redirects: int = 5
    content_types: tuple[str, ...] = (
        "audio/*",
        "application/ogg",
        "video/ogg",
        "application/octet-stream",
        "binary/octet-stream",
    )

    def __post_init__(self) -> None:
        for name, low in (("max_bytes", 1), ("seconds", 0.001), ("redirects", 0)):
            value = getattr(self, name)
            whole = isinstance(low, int)
            number = isinstance(value, int if whole else (int, float))
            if isinstance(value, bool) or not number or not low <= value < float("inf"):
                kind = "whole number" if whole else "number"
                raise ConfigurationError(f"limits.{name}", value, f"use a {kind}, {low} or more")


async def download(url: str, limits: FetchLimits, known: Stored | None) -> tuple[Stored, bool]:
    """Download `url`, following redirects.

    Args:
        url: Its host is trusted, whatever its address.
        limits: Bounds; `seconds` is the caller's to keep.
        known: An older copy, to be returned if it is still the same.

    Returns:
        The file, and whether it may be kept on disk.

    Raises:
        FetchError: It cannot be had.
    """
    import aiohttp

    from .allowed_addresses import CheckedResolver

    named = (urlsplit(url).hostname or "").lower()
    connector = aiohttp.TCPConnector(
        resolver=CheckedResolver(frozenset([named])), use_dns_cache=False, limit=2
    )
    headers = {"Accept": "audio/*, */*;q=0.1", "Accept-Encoding": "identity"}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    if known is not None and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        for _ in range(limits.redirects + 1):
            _check_literal(url, named)
            try:
                async with session.get(url, headers=headers, allow_redirects=False) as response:
                    if response.status in (301, 302, 303, 307, 308):
                        url = _redirected(url, response)
                        continue
                    return await _received(response, limits, known)
            except aiohttp.ClientError as error:
                raise FetchError(_said(error)) from error
    raise FetchError(f"it redirects more than {limits.redirects} times")


def _check_literal(url: str, named: str) -> None:
    """Check a host that is an address already; for names the resolver does it."""
    from .allowed_addresses import ForbiddenAddress, check_address

    host = (urlsplit(url).hostname or "").lower()
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if ":" in host or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            # A socket takes "127.1" and "0x7f000001" for addresses, with no resolver being asked.
            raise FetchError(f"{host} is no address as it is usually written") from None
        return
    try:
        check_address(host, trusted=host == named)
    except ForbiddenAddress as error:
        raise FetchError(str(error)) from error


def _redirected(url: str, response: aiohttp.ClientResponse) -> str:
    """Return where a redirect leads to, with nothing in it that could be read in two ways."""
    where = response.headers.get("Location", "").strip()
    base = urlsplit(url)
    try:
        # A password is for the address that it was given with.
        target = urljoin(base._replace(netloc=base.netloc.rpartition("@")[2]).geturl(), where)
        parts = urlsplit(target)
        usable = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc) is not None
    except ValueError:
        usable = False
    if not where or not usable:
        raise FetchError("it redirects to something that is no http or https URL")
    return target


async def _received(
    response: aiohttp.ClientResponse, limits: FetchLimits, known: Stored | None
) -> tuple[Stored, bool]:
    fresh, on_disk = _lifetime(response)
    if response.status == 304 and known is not None:
        etag = response.headers.get("ETag", known.etag)
        return Stored(known.data, known.digest, etag, known.last_modified, fresh), on_disk
    if response.status != 200:
        raise FetchError(f"the server answers {response.status} {response.reason or ''}".strip())
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and not any(
        kind == allowed or (allowed.endswith("/*") and kind.startswith(allowed[:-1]))
        for allowed in limits.content_types
    ):
        raise FetchError(f"the server says that it is {kind}, which is not audio")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError("the server sends it compressed, which was not asked for")
    if response.content_length is not None and response.content_length > limits.max_bytes:
        raise FetchError(
            f"it has {response.content_length} bytes; at most {limits.max_bytes} are fetched"
        )
    data = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        data += chunk
        if len(data) > limits.max_bytes:
            raise FetchError(f"it has more than {limits.max_bytes} bytes, the most that is fetched")
    if not data:
        raise FetchError("it is empty")
    whole = bytes(data)
    stored = Stored(
        whole,
        hashlib.sha256(whole).hexdigest(),
        response.headers.get("ETag", ""),
        response.headers.get("Last-Modified", ""),
        fresh,
    )
    return stored, on_disk


def _lifetime(response: aiohttp.ClientResponse) -> tuple[float, bool]:
    """Return until when the file is fresh, as Unix time in seconds, and whether to keep it."""
    control = response.headers.get("Cache-Control", "").lower()
    seconds = DEFAULT_FRESH
    if (found := re.search(r"max-age=(\d{1,12})", control)) is not None:
        seconds = min(float(found[1]), MAX_FRESH)
    if "no-cache" in control or "no-store" in control:
        seconds = 0.0
    return time.time() + seconds, "no-store" not in control


def _said(error: Exception) -> str:
    cause = getattr(error, "os_error", None) or error
    from .allowed_addresses import ForbiddenAddress

    while cause is not None and not isinstance(cause, ForbiddenAddress):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return str(cause)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
