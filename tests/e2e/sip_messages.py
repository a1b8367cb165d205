"""SIP and SDP as text: read and written, nothing sent, nothing remembered."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

Headers = Iterable[tuple[str, str]]

_COMPACT = {
    "v": "Via",
    "f": "From",
    "t": "To",
    "i": "Call-ID",
    "m": "Contact",
    "l": "Content-Length",
    "c": "Content-Type",
    "r": "Refer-To",
    "o": "Event",
    "b": "Referred-By",
    "s": "Subject",
    "k": "Supported",
}
REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}


@dataclass
class Message:
    """A request or a response."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Message | None:
        """Read a datagram; None if it is not SIP (a keep-alive, say)."""
        head, _, body = data.partition(b"\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
        if "SIP/2.0" not in lines[0]:
            return None
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                name = name.strip()
                headers.append((_COMPACT.get(name.lower(), name), value.strip()))
        return cls(lines[0], headers, body)

    def encode(self) -> bytes:
        """Write a datagram."""
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body

    def get(self, name: str) -> str:
        """The first header of that name, or an empty string."""
        return next(iter(self.get_all(name)), "")

    def get_all(self, name: str) -> list[str]:
        """All headers of that name."""
        name = name.lower()
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def is_request(self) -> bool:
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        """Of a response too: the method that it answers."""
        return self.start.split(" ")[0] if self.is_request else self.get("CSeq").split()[-1]

    @property
    def uri(self) -> str:
        return self.start.split(" ")[1] if self.is_request else ""

    @property
    def status(self) -> int:
        return 0 if self.is_request else int(self.start.split(" ")[1])

    @property
    def reason(self) -> str:
        return "" if self.is_request else self.start.split(" ", 2)[-1]

    @property
    def call_id(self) -> str:
        return self.get("Call-ID")

    @property
    def cseq(self) -> int:
        return int(self.get("CSeq").split()[0])

    @property
    def branch(self) -> str:
        return parameter(self.get("Via"), "branch")


def parameter(header: str, name: str) -> str:
    """A `;name=value` parameter of a header, or an empty string."""
    found = re.search(rf";\s*{name}\s*=\s*([^;,\s>]+)", header)
    return found.group(1) if found else ""


def uri_of(header: str) -> str:
    """The URI of a From, To, Contact or Refer-To header."""
    found = re.search(r"<([^>]*)>", header)
    return found.group(1) if found else header.partition(";")[0].strip()


def user_of(uri: str) -> str:
    """The user part of a `sip:` URI, or the number of a `tel:` one."""
    rest = uri.partition(":")[2]
    return rest.partition("@")[0].split(";")[0] if "@" in rest or uri.startswith("tel:") else ""


def address_of(uri: str) -> tuple[str, int]:
    """The host and port of a `sip:` URI."""
    host = uri.partition(":")[2].rpartition("@")[2].split(";")[0].split("?")[0]
    name, colon, port = host.partition(":")
    return name, int(port) if colon else 5060


def token(prefix: str = "") -> str:
    """A fresh tag, branch or Call-ID."""
    return prefix + secrets.token_hex(8)


def response_to(request: Message, code: int, reason: str, to_tag: str, extra: Headers) -> Message:
    """A response with the headers that every response copies."""
    headers = [(k, v) for k, v in request.headers if k.lower() in ("via", "from", "record-route")]
    to = request.get("To")
    if to_tag and code > 100 and not parameter(to, "tag"):
        to += f";tag={to_tag}"
    headers += [("To", to), ("Call-ID", request.call_id), ("CSeq", request.get("CSeq"))]
    return Message(f"SIP/2.0 {code} {reason or REASONS.get(code, 'Unknown')}", [*headers, *extra])


@dataclass(frozen=True)
class Media:
    """What an SDP body says about the audio."""

    ip: str
    port: int
    direction: str = "sendrecv"
    event_payload: int = 101


def write_sdp(media: Media, version: int) -> bytes:
    """An SDP body that offers or answers PCMU and telephone-events."""
    event = media.event_payload
    lines = [
        "v=0",
        f"o=phone 1 {version} IN IP4 {media.ip}",
        "s=phone",
        f"c=IN IP4 {media.ip}",
        "t=0 0",
        f"m=audio {media.port} RTP/AVP 0 {event}",
        "a=rtpmap:0 PCMU/8000",
        f"a=rtpmap:{event} telephone-event/8000",
        f"a=fmtp:{event} 0-15",
        "a=ptime:20",
        f"a={media.direction}",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


def read_sdp(body: bytes) -> Media | None:
    """Read an SDP body; None if it has no audio."""
    text = body.decode("utf-8", "replace")
    line = re.search(r"^m=audio (\d+)", text, re.M)
    address = re.findall(r"^c=IN IP4 (\S+)", text, re.M)
    if line is None or not address:
        return None
    event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, re.M)
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", text, re.M)
    return Media(
        address[-1],
        int(line.group(1)),
        direction.group(1) if direction else "sendrecv",
        int(event.group(1)) if event else 101,
    )


@dataclass(frozen=True)
class Credentials:
    """The user and password that a phone demands before it rings."""

    user: str
    password: str
    code: int = 407
    realm: str = "phone"

    def challenge(self, nonce: str) -> tuple[str, str]:
        """The header that asks for them."""
        name = "Proxy-Authenticate" if self.code == 407 else "WWW-Authenticate"
        return name, f'Digest realm="{self.realm}", nonce="{nonce}", algorithm=MD5, qop="auth"'

    def accepts(self, request: Message, nonces: set[str]) -> bool:
        """Whether a request proves to know them, for a nonce that was given out."""
        name = "Proxy-Authorization" if self.code == 407 else "Authorization"
        pairs = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', request.get(name))
        given = {key.lower(): quoted or plain for key, quoted, plain in pairs}
        if given.get("username") != self.user or given.get("nonce") not in nonces:
            return False
        secret = _md5(f"{self.user}:{self.realm}:{self.password}")
        wanted = _md5(f"{request.method}:{given.get('uri', '')}")
        parts = [secret, given["nonce"]]
        if given.get("qop"):
            parts += [given.get("nc", ""), given.get("cnonce", ""), given["qop"]]
        return given.get("response") == _md5(":".join([*parts, wanted]))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
