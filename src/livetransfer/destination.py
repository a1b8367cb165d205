"""Destination: whom to dial and how, checked before anything rings."""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ._checks import check_seconds
from ._frozen import Frozen
from .errors import ConfigurationError, DestinationError, DestinationNotAllowedError
from .media import Media
from .sip_headers import check_headers, check_line, check_name

if TYPE_CHECKING:
    from livekit.protocol.sip import SIPOutboundConfig

__all__ = ["Allowed", "Destination", "check_allowed", "check_headers", "check_patterns"]

AddressKind = Literal["auto", "number", "uri", "user"]
Method = Literal["auto", "refer", "dial"]
IncludeHeaders = Literal["none", "x", "all"]
Allowed = Iterable[str] | Callable[["Destination"], bool]
"""A list of patterns of addresses (``["+1*", "sip:*@pbx.example.com"]``), or a predicate."""

# ITU-T E.164, 6.2: a country code that does not start with 0, at most 15 digits in all. The
# lower bound of 5 digits is ours: shorter ones are not reachable from abroad.
_E164 = re.compile(r"\+[1-9][0-9]{4,14}\Z")
# RFC 3261, 25.1, without passwords and embedded headers: nobody dials those, attackers do.
_SIP_URI = re.compile(
    r"sips?:(?:(?P<user>[A-Za-z0-9\-_.!~*'()&=+$,;/%]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<params>(?:;[A-Za-z0-9\-_.!~*'%=+]+)*)\Z",
    re.IGNORECASE,
)
_TEL_URI = re.compile(r"tel:(?P<number>\+[1-9][0-9]{4,14})(?:;[A-Za-z0-9\-_.!~*'%=+;]*)?\Z", re.I)
_USER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,/%#]{1,64}\Z")
# livekit-sip: digits, A to D, * and #, and w for a pause of 0.5 s.
_DTMF = re.compile(r"[0-9A-Da-d*#wW]{1,128}\Z")
# ISO 3166-1, two letters.
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
# Nobody dials longer ones; an address is in logs, headers and messages.
_LONGEST = 256


@dataclass(frozen=True)
class Destination:
    """Whom to dial, and how. A plain string is short for ``Destination(address=...)``.

    Args:
        address: An E.164 number (``"+15550100"``), a ``sip:``, ``sips:`` or ``tel:`` URI, or,
            with ``kind="user"`` only, a plain extension or user of the trunk (``"100"``).
        name: What people call it; it appears in messages and in the briefing.
        kind: ``"auto"`` reads it off the address; ``"user"`` takes the address as it is.
        trunk_id: The LiveKit outbound trunk to dial through. Default: the transfer's; then, for
            numbers and users, that of the environment variable ``LIVEKIT_SIP_OUTBOUND_TRUNK``. A
            SIP URI that has neither is dialled straight to its host; through a trunk only its
            user is dialled, at the trunk's host.
        sip_connection: A ``livekit.api.SIPOutboundConfig`` to dial with instead of a trunk.
        caller_id: The number that the human's phone shows. Default: the trunk's; where none is
            stored, that of the environment variable ``LIVEKIT_SIP_NUMBER``, or ``anonymous``.
            ``"caller"`` is the caller's own, where it is known; a trunk that refuses it (403,
            before anything rang) is asked once more with its own.
        display_name: The name that the human's phone shows. Default: the number. ``""`` is none,
            for which some carriers look the name up.
        headers: SIP headers for the INVITE or the REFER; see
            [`asserted_identity`][livetransfer.sip_headers.asserted_identity] and
            [`diversion`][livetransfer.sip_headers.diversion].
        dtmf: Keys to send after the answer: digits, ``*``, ``#``, and ``w`` to wait 0.5 s.
        ring_timeout: How long it may ring, in seconds. Default: the transfer's.
        method: How a cold transfer reaches it. Default: the transfer's.
        to_user_override: The user in the INVITE's To header, where it has to differ from the one
            that is dialled, as some trunks with short numbers want.
        media: How the voice travels: encryption, codecs, the time without media after which the
            leg ends. Default: the trunk's.
        country: Two letters (``"DE"``): where the phone is, so that LiveKit Cloud dials from a
            region near it.
        krisp: Whether LiveKit Cloud filters the noise of the human's line.
        max_duration: Seconds after which LiveKit ends the human's call. Default: the server's.
        metadata: The metadata of the human's participant. Everybody in the room can read it.
        include_headers: Which headers of the answer become attributes of the human's participant
            (``sip.h.*``): ``"none"``, those that begin with X- (``"x"``), or ``"all"``.
        summary_header: The header, such as ``"X-Transfer-Summary"``, in which the human's PBX
            gets a short summary of the conversation, for a screen pop: at most 200 characters of
            ASCII, others percent-encoded as UTF-8. A dial waits up to 2 s for the summary; the
            caller's own last words take its place.
        own_number: That the number is an inbound number of this LiveKit server, and that it is
            meant: it leads to another agent. Otherwise dialling one is refused, because agents
            who transfer to each other's numbers would do so without end.

    Raises:
        DestinationError: A field cannot be used; the message says which, and what to do.
    """

    address: str
    name: str | None = None
    kind: AddressKind = "auto"
    trunk_id: str | None = None
    sip_connection: SIPOutboundConfig | None = field(default=None, compare=False)
    caller_id: str | None = None
    display_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    dtmf: str | None = None
    ring_timeout: float | None = None
    method: Method | None = None
    to_user_override: str | None = None
    media: Media | None = None
    country: str | None = None
    krisp: bool | None = None
    max_duration: float | None = None
    metadata: str | None = None
    include_headers: IncludeHeaders | None = None
    summary_header: str | None = None
    own_number: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address.strip():
            raise DestinationError("address", self.address, "give a number or a SIP URI")
        if len(self.address) > _LONGEST:
            raise DestinationError(
                "address", self.address[:40] + "...", f"longer than {_LONGEST} characters"
            )
        kind = self._read_kind()
        object.__setattr__(self, "kind", kind)
        self._check_texts()
        object.__setattr__(self, "headers", Frozen(check_headers(self.headers)))
        if self.summary_header is not None:
            check_name("summary_header", self.summary_header)
        if self.dtmf is not None and not _DTMF.match(self.dtmf):
            raise DestinationError("dtmf", self.dtmf, "use 0-9, A-D, *, # and w (waits 0.5 s)")
        for name, longest in (("ring_timeout", 600), ("max_duration", 7 * 24 * 3600)):
            value = getattr(self, name)
            if value is not None:
                try:
                    check_seconds(name, value, 1, longest)
                except ConfigurationError as error:
                    raise DestinationError(error.field, error.value, error.remedy) from None
        if self.method not in (None, "auto", "refer", "dial"):
            raise DestinationError("method", self.method, 'use "auto", "refer" or "dial"')
        if self.include_headers not in (None, "none", "x", "all"):
            raise DestinationError(
                "include_headers", self.include_headers, 'use "none", "x" or "all"'
            )
        if self.media is not None and not isinstance(self.media, Media):
            raise DestinationError("media", self.media, "give a Media(...)")
        for flag in ("krisp", "own_number"):
            if not isinstance(getattr(self, flag), bool | None):
                raise DestinationError(flag, getattr(self, flag), "use True or False")
        if self.trunk_id is not None and self.sip_connection is not None:
            raise DestinationError(
                "trunk_id", self.trunk_id, "give either trunk_id or sip_connection, not both"
            )

    def _check_texts(self) -> None:
        for name in ("name", "trunk_id", "caller_id", "display_name", "metadata"):
            value = getattr(self, name)
            if value is None or (name == "display_name" and value == ""):
                continue
            if not isinstance(value, str) or not value.strip():
                raise DestinationError(name, value, "give a non-empty text or leave it out")
            if name != "metadata":
                check_line(name, value)
        for name, pattern, remedy in (
            ("to_user_override", _USER, "not an extension or user of a trunk"),
            ("country", _COUNTRY, 'use the two letters of ISO 3166, like "DE"'),
        ):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and pattern.match(value)):
                raise DestinationError(name, value, remedy)

    def _read_kind(self) -> AddressKind:
        address = self.address
        if self.kind == "user":
            if not _USER.match(address):
                raise DestinationError("address", address, "not an extension or user of a trunk")
            return "user"
        if _E164.match(address):
            found: AddressKind = "number"
        elif _TEL_URI.match(address):
            found = "uri"
        elif _SIP_URI.match(address):
            found = "uri"
            port = self._sip_match().group("port")
            if port is not None and not 1 <= int(port) <= 65535:
                raise DestinationError("address", address, "the port must be 1 to 65535")
        else:
            raise DestinationError(
                "address",
                address,
                "write a number in E.164 (a plus sign, the country code and the number with no "
                'spaces, like "+15550100") or a URI like "sip:100@pbx.example.com"; for a plain '
                'extension use Destination(address=..., kind="user")',
            )
        if self.kind not in ("auto", found):
            raise DestinationError("kind", self.kind, f"the address {address!r} is a {found}")
        return found

    def _sip_match(self) -> re.Match[str]:
        match = _SIP_URI.match(self.address)
        assert match is not None
        return match

    @classmethod
    def parse(cls, value: str | Destination) -> Destination:
        """Return `value` as a Destination.

        Raises:
            DestinationError: It is not one.
        """
        if isinstance(value, Destination):
            return value
        if not isinstance(value, str):
            raise DestinationError("address", value, "give a text or a Destination")
        return cls(address=value)

    def but(self, **changes: object) -> Destination:
        """Return a copy with some fields changed, checked like a new one."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | changes
        if "address" in changes and "kind" not in changes:
            values["kind"] = "auto"
        return Destination(**values)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if self.sip_connection is not None:
            # The class says that it lives in a module which cannot be imported.
            state["sip_connection"] = self.sip_connection.SerializeToString()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["sip_connection"] is not None:
            from livekit.protocol.sip import SIPOutboundConfig

            found = SIPOutboundConfig.FromString(state["sip_connection"])
            state = state | {"sip_connection": found}
        self.__dict__.update(state)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: the fields that are set; of a `sip_connection`, its host."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if value is None or value == {}:
                continue
            if name == "sip_connection":
                value = getattr(value, "hostname", "") or str(type(value).__name__)  # noqa: PLW2901
            found[name] = dict(value) if isinstance(value, Mapping) else value
        return found

    @property
    def label(self) -> str:
        """What to call it in a message: its name, or else its address."""
        return self.name or self.address

    @property
    def number(self) -> str | None:
        """The E.164 number, where the address has one."""
        if self.kind == "number":
            return self.address
        tel = _TEL_URI.match(self.address)
        return tel.group("number") if tel else None

    @property
    def sip_user(self) -> str | None:
        """The user part of a SIP URI, the number, or the plain extension."""
        if self.kind == "user" or self.number is not None:
            return self.number or self.address
        return self._sip_match().group("user")

    @property
    def sip_host(self) -> str | None:
        """The host, with its port where given, of a SIP URI; None for the other kinds."""
        if self.kind != "uri" or self.number is not None:
            return None
        match = self._sip_match()
        port = match.group("port")
        return match.group("host") + (f":{port}" if port else "")

    @property
    def sip_transport(self) -> str | None:
        """The transport that a SIP URI asks for (``udp``, ``tcp`` or ``tls``), in lower case."""
        if self.kind != "uri" or self.number is not None:
            return None
        match = self._sip_match()
        for param in match.group("params").lower().split(";"):
            if param.startswith("transport="):
                return param.removeprefix("transport=")
        return "tls" if self.address.lower().startswith("sips:") else None


def check_patterns(allowed: Allowed | None) -> Allowed | None:
    """Return `allowed`, its patterns as a tuple.

    Raises:
        ConfigurationError: It is something else. One text is refused too: read as a list of
            patterns, each character would be one, and a ``*`` among them allows everything.
    """
    if allowed is None or callable(allowed):
        return allowed
    patterns = () if isinstance(allowed, str) or not isinstance(allowed, Iterable) else (*allowed,)
    if not patterns or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise ConfigurationError(
            "allowed", allowed, 'give a list of patterns, like ["+1*"], or a predicate'
        )
    return patterns


def _yes_or_no(allowed: Callable[[Destination], bool], destination: Destination) -> bool:
    try:
        answer = allowed(destination)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise DestinationNotAllowedError(
            "address",
            destination.address,
            f"allowed= raised {type(error).__name__} ({error}), which allows nothing",
        ) from error
    if inspect.isawaitable(answer):
        # It is true, whatever it would come to.
        if inspect.iscoroutine(answer):
            answer.close()
        raise ConfigurationError("allowed", allowed, "give a plain function, not an async one")
    return bool(answer)


def check_allowed(destinations: Iterable[Destination], allowed: Allowed | None) -> None:
    """Refuse destinations that `allowed` does not permit. None permits all.

    Raises:
        DestinationNotAllowedError: The first destination that is outside.
        ConfigurationError: The predicate is asynchronous.
    """
    if allowed is None:
        return
    patterns = None if callable(allowed) else tuple(allowed)
    for destination in destinations:
        if patterns is None:
            assert callable(allowed)
            permitted = _yes_or_no(allowed, destination)
        else:
            permitted = any(fnmatch.fnmatchcase(destination.address, p) for p in patterns)
        if not permitted:
            raise DestinationNotAllowedError(
                "address", destination.address, "it is outside allowed=; nothing was dialled"
            )
