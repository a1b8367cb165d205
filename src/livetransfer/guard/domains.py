"""Domains: which SIP URIs may be dialled, by their host and their user."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError

__all__ = ["Domains"]

_HOST = r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?)(?::(?P<port>[0-9]+))?"
_RULE = re.compile(rf"(?P<any>\*\.)?{_HOST}\Z")
_USERS = re.compile(r"[A-Za-z0-9._\-?*\[\]]{1,64}\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}\Z")
_E164 = re.compile(r"\+[1-9][0-9]{4,14}\Z")
_URI = re.compile(rf"sips?:(?:(?P<user>[^@]*)@)?{_HOST}(?P<params>;.*)?\Z", re.IGNORECASE)
# RFC 3261, 19.1.1: what says how a request travels or that a user is a number; maddr, for
# example, sends it to another host than the one that is named.
_PARAMS = re.compile(r"(?:;(?:transport=(?:udp|tcp|tls)|user=(?:phone|ip)))*\Z", re.IGNORECASE)
_PORTS = {None, "5060", "5061"}
# ITU-T E.161.1: 112 and 911; the others are what whole countries dial.
_EMERGENCY = frozenset(
    ("000", "110", "111", "112", "113", "115", "117", "118", "119", "911", "933", "988", "999")
)
# What a PBX takes as the wish for an outside line, once or more often.
_ACCESS = "089"
_SEPARATORS = str.maketrans("", "", "._-")
_WILDCARDS = frozenset("*?[")
EXTENSION = 6
"""Digits up to which a user may be an extension; with more it is taken for a number."""


@dataclass(frozen=True)
class _Rule:
    """One of the domains that were given."""

    host: str
    below: bool
    port: str | None
    users: str | None

    def fits(self, host: str, port: str | None) -> bool:
        if self.port is None:
            if port not in _PORTS:
                return False
        elif port != self.port:
            return False
        return host.endswith("." + self.host) if self.below else host == self.host

    def names(self, user: str) -> bool:
        if self.users is None:
            return False
        # With a separator for a character "2--" would be one of "2??", and a PBX may dial 2.
        return fnmatch.fnmatchcase(user, self.users.replace("?", "[A-Za-z0-9]"))

    def names_digits(self, user: str, digits: str) -> bool:
        """Whether it names `user`, and still does where a PBX drops the separators."""
        return self.names(user) and (self.literal or self.names(digits))

    @property
    def literal(self) -> bool:
        """Whether it names one user, and no pattern of users."""
        return self.users is not None and not _WILDCARDS.intersection(self.users)


class Domains:
    """Decides which SIP URIs may be dialled.

    Args:
        domains: Hosts; see `DestinationGuard`.
        number: Says why a number may not be called, or None.
        short_code: Says whether digits are a short code where the numbers are.

    Raises:
        ConfigurationError: One of `domains` is none.
    """

    def __init__(
        self,
        domains: Iterable[str],
        *,
        number: Callable[[str], str | None],
        short_code: Callable[[str], bool],
    ) -> None:
        if isinstance(domains, str):
            raise ConfigurationError("domains", domains, 'give a list, like ["pbx.example.com"]')
        self._rules = tuple(_parse(domain) for domain in domains)
        self._number = number
        self._short_code = short_code

    def refusal(self, destination: Destination, trunk: bool) -> str | None:
        """Return why the SIP URI of `destination` may not be dialled; None if it may.

        `trunk`: whether it goes through a trunk, where only the user counts.
        """
        if not self._rules:
            return "it is none of the names, and no domains are allowed"
        uri = _URI.match(destination.address)
        if uri is None:
            return "it is no SIP URI"
        host, port = uri["host"].lower(), uri["port"]
        rules = [rule for rule in self._rules if rule.fits(host, port)]
        if not rules:
            return f"no rule names the host {destination.sip_host}"
        if uri["params"] is not None and not _PARAMS.match(uri["params"]):
            return "a parameter of the URI can send the call elsewhere"
        return self._user(uri["user"], rules, trunk)

    def _user(self, user: str | None, rules: list[_Rule], trunk: bool) -> str | None:
        if user is None:
            return "the URI names nobody"
        if _E164.match(user):
            return self._number(user)
        if trunk:
            return "through a trunk its host does not count; allow it by name"
        if not _WORD.match(user):
            return "the user has characters that a PBX may read in its own way"
        digits = user.translate(_SEPARATORS)
        if not digits.isdigit():
            if all(rule.users is not None and not rule.names(user) for rule in rules):
                return "no rule names this user"
            return None
        if len(digits) > EXTENSION:
            return "a number has to be written with a plus sign and its country code"
        naming = [rule for rule in rules if rule.names_digits(user, digits)]
        if not naming:
            return "no rule names this user; digits alone need a pattern of users, or a name"
        if any(rule.literal for rule in naming):
            return None
        if any(self._short(form) for form in _forms(digits)):
            return "it may be a short code or an emergency number; allow it by name"
        return None

    def _short(self, digits: str) -> bool:
        return digits in _EMERGENCY or self._short_code(digits)


def _forms(digits: str) -> list[str]:
    """Return what may be dialled in the end: `digits`, and what follows what asks for a line."""
    outside = len(digits) - len(digits.lstrip(_ACCESS))
    return [digits[begin:] for begin in range(min(outside + 1, len(digits)))]


def _parse(domain: str) -> _Rule:
    if not isinstance(domain, str):
        raise ConfigurationError("domains", domain, "give a host")
    users, _, rest = domain.rpartition("@")
    match = _RULE.match(rest.lower())
    if match is None or ("@" in domain and not _USERS.match(users)):
        raise ConfigurationError(
            "domains",
            domain,
            'give a host, like "pbx.example.com", "*.example.com" or "2??@pbx.example.com:5070"',
        )
    if users and not users.strip("*"):
        raise ConfigurationError("domains", domain, "for all users write the host alone")
    return _Rule(match["host"], match["any"] is not None, match["port"], users or None)
