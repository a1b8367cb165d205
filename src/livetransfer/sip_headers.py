"""SIP headers: what may stand in one, and the ones that say for whom a call is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from .errors import DestinationError

__all__ = [
    "CALLERS_NUMBER",
    "asserted_identity",
    "check_headers",
    "check_line",
    "check_name",
    "diversion",
    "header_text",
]

CALLERS_NUMBER = "{caller}"
"""What stands in a header's value for the caller's number, until a call is made."""

_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,128}\Z")
_E164 = re.compile(r"\+[1-9][0-9]{4,14}\Z")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?\Z")

# RFC 3261, 20: what the bridge itself writes into a request, with the short forms of 7.3.3. A
# second one makes a malformed request, or one for somebody else.
_WRITTEN_BY_THE_BRIDGE = frozenset(
    (
        *("call-id", "contact", "content-encoding", "content-length", "content-type", "cseq"),
        *("from", "max-forwards", "record-route", "refer-to", "route", "to", "via"),
        *"cefiklmrtv",
    )
)
# Printable ASCII but the percent sign.
_SAFE = "".join(chr(c) for c in range(32, 127) if chr(c) != "%")
# RFC 5806, 3.
_REASONS = (
    "unknown",
    "user-busy",
    "no-answer",
    "unavailable",
    "unconditional",
    "time-of-day",
    "do-not-disturb",
    "deflection",
    "follow-me",
    "out-of-service",
    "away",
)


def check_line(name: str, value: str) -> str:
    """Return `value` if it can stand in a SIP header, where a line break would begin another.

    Raises:
        DestinationError: `value` has a control character, a line break among them.
    """
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in value):
        raise DestinationError(name, value, "control characters and line breaks are not allowed")
    return value


def check_name(field: str, name: object) -> str:
    """Return `name` if it is the name of a header that may be added to a SIP request.

    Raises:
        DestinationError: It is not.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise DestinationError(field, name, "not the name of a SIP header")
    if name.lower() in _WRITTEN_BY_THE_BRIDGE:
        raise DestinationError(field, name, "the bridge writes this header itself")
    return name


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `headers` if they can stand in a SIP request.

    Raises:
        DestinationError: One cannot.
    """
    if not isinstance(headers, Mapping):
        raise DestinationError("headers", headers, "give a map of names and values")
    for key, value in headers.items():
        check_name("headers", key)
        if not isinstance(value, str):
            raise DestinationError(f"headers[{key!r}]", value, "give a text")
        check_line(f"headers[{key!r}]", value)
    return dict(headers)


_TYPOGRAPHY = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"'}
    | {"\u2013": "-", "\u2014": "-", "\u2026": "...", "\u00a0": " "}
)
"""What a model writes that ASCII has too."""


def header_text(text: str, *, longest: int = 200) -> str:
    """Return `text` as it can stand in a header: one line of ASCII, short.

    A percent sign, and what is not ASCII, is percent-encoded as UTF-8 (RFC 3986): headers of other
    bytes are legal (RFC 3261, 7.3.1), and many a PBX and trunk drops them. URL-decode it.

    Args:
        text: Any text, of several lines even.
        longest: Characters at most: a request over UDP should fit into one packet, with all that
            is in it (RFC 3261, 18.1.1: 1300 bytes).
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = " ".join(line.translate(_TYPOGRAPHY).split())
    encoded = [quote(c, safe=_SAFE, errors="replace") for c in line]
    if sum(map(len, encoded)) <= longest:
        return "".join(encoded)
    room, kept = longest - 3, 0
    while room >= len(encoded[kept]):
        room -= len(encoded[kept])
        kept += 1
    words = line[:kept].rpartition(" ")[0]
    if words and kept - len(words) < 30:
        kept = len(words)
    return "".join(encoded[:kept]).rstrip() + "..."


def asserted_identity(number: str, host: str, *, name: str | None = None) -> dict[str, str]:
    """Return the header that tells a trunk which number the call is made for (RFC 3325).

    Carriers that verify the From header take the caller's number here instead. They believe it
    only from customers whom they trust to say it.

    Args:
        number: In E.164; or ``"caller"``: the caller's own. Where that is not known, the header
            is left out.
        host: The trunk's host, or yours.
        name: The name that goes with it.

    Raises:
        DestinationError: One of them cannot stand in the header.
    """
    shown = "" if name is None else f"{_quoted(name)} "
    return {"P-Asserted-Identity": f"{shown}<sip:{_callers_or(number)}@{_host(host)}>"}


def diversion(number: str, host: str, *, reason: str = "unconditional") -> dict[str, str]:
    """Return the header that says by whose number a call was passed on (RFC 5806).

    Some carriers take a caller's own number in the From header only together with it, with one of
    your numbers.

    Args:
        number: In E.164: the one that the caller had dialled; or ``"caller"``, as above.
        host: The trunk's host, or yours.
        reason: One of the RFC's reasons, such as ``"unconditional"`` or ``"no-answer"``.

    Raises:
        DestinationError: One of them cannot stand in the header.
    """
    if reason not in _REASONS:
        raise DestinationError("reason", reason, "use one of " + ", ".join(_REASONS))
    return {"Diversion": f"<sip:{_callers_or(number)}@{_host(host)}>;reason={reason}"}


def _callers_or(number: str) -> str:
    return CALLERS_NUMBER if number == "caller" else _number(number)


def _number(number: str) -> str:
    if not isinstance(number, str) or not _E164.match(number):
        raise DestinationError("number", number, 'write it in E.164, like "+15550100", or "caller"')
    return number


def _host(host: str) -> str:
    if not isinstance(host, str) or not _HOST.match(host):
        raise DestinationError("host", host, 'give a host, like "sip.example.com"')
    return host


def _quoted(name: str) -> str:
    escaped = check_line("name", name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
