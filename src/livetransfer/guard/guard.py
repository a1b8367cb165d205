"""DestinationGuard: what may be dialled, asked once for every dial and REFER."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationError, DestinationNotAllowedError
from livetransfer.stores import LocalStore
from livetransfer.stores.counters import Counters

from .domains import Domains
from .fields import Fields, same
from .limits import Admission, Limits, admit
from .numbers import Numbers, describe, is_short_code

__all__ = ["Decision", "DestinationGuard", "Named"]

Named = str | Destination | Sequence[str | Destination]
"""What a name stands for."""


class Decision(NamedTuple):
    """Whether a destination may be dialled.

    Attributes:
        allowed: Whether it may.
        reason: Why, for people: the rule that names it, or what is against it.
    """

    allowed: bool
    reason: str


_NUMBER = Decision(True, "an ordinary number of an allowed country or prefix")
_USER = Decision(True, "a user of an allowed domain")


class DestinationGuard:
    """What may be dialled. All that no rule names is refused.

    For destinations that come from a model, a caller or a database. It is asked for every dial
    and every REFER of a transfer that has it as ``guard=``.

    Args:
        names: Destinations that are allowed as they are, by a name: short codes, emergency
            numbers and extensions of a trunk too. A map (a `Router`'s departments, say), or a
            list of destinations. One that has a trunk, a `sip_connection` or a `to_user_override`
            is allowed with these alone.
        prefixes: What the numbers begin with that may be called, like ``["+4930"]``.
        countries: Countries whose numbers may be called, as ISO 3166 codes. ``["US"]`` is not
            ``["+1"]``, which means the dear islands of that code too.
        domains: Hosts whose users may be dialled as SIP URIs: ``"pbx.example.com"`` (ports 5060
            and 5061), ``"pbx.example.com:5070"``, ``"*.example.com"`` (those below it), or with a
            pattern of users, ``"2??@pbx.example.com"``, where ``?`` is one letter or digit and
            ``*`` anything. Through a trunk, which dials the user alone at its own host, they
            allow nobody but a number that is allowed as one. Users of digits alone only by such a
            pattern or by name; those that may be a short code or an emergency number (of the
            countries of `countries` and `prefixes`, behind the digits for an outside line, too)
            only by name, or by a rule that names this one user, ``"112@pbx.example.com"``; one
            that is a number has to be allowed as a number too.
        fields: What a destination may carry beside its address, unless it is one of `names`:
            ``"headers"`` (those that begin with X- only), ``"display_name"``, ``"dtmf"``,
            ``"caller_id"``, ``"trunk_id"``, ``"media"``, ``"country"``, ``"metadata"``,
            ``"include_headers"``, ``"summary_header"``. Default: none of them.
        limits: How often, how many at once, and how long.
        store: Where the limits are counted, for all processes that share it. Default: a
            `LocalStore()`, a file that the processes of this machine share; a `RedisStore`
            where there are several machines.

    Premium-rate, shared-cost, personal, satellite and other special numbers are refused whatever
    `prefixes` and `countries` say. `names` are the code's own word.

    Raises:
        ConfigurationError: A rule cannot be used, or needs `phonenumbers`, which is the extra
            ``phone``.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, Named] | Iterable[str | Destination] = (),
        prefixes: Iterable[str] = (),
        countries: Iterable[str] = (),
        domains: Iterable[str] = (),
        fields: Iterable[str] = (),
        limits: Limits | None = None,
        store: Counters | None = None,
    ) -> None:
        self._names = _check_names(names)
        self._entries: dict[str, tuple[tuple[str, Destination], ...]] = {}
        for name, entries in self._names.items():
            for entry in entries:
                here = self._entries.get(entry.address, ())
                self._entries[entry.address] = (*here, (name, entry))
        self._numbers = Numbers(countries, prefixes)
        self._domains = Domains(
            domains,
            number=self._numbers.refusal,
            short_code=lambda digits: is_short_code(digits, self._numbers.countries),
        )
        self._fields = Fields(fields)
        if limits is not None and not isinstance(limits, Limits):
            raise ConfigurationError("limits", limits, "give Limits(...)")
        if store is not None and not isinstance(store, Counters):
            raise ConfigurationError("store", store, "give a store, such as LocalStore()")
        self._limits = limits
        # Every job of a worker is a process of its own, so they may not count in their memory.
        self._store = LocalStore() if limits is not None and store is None else store

    def decide(self, destination: str | Destination, *, trunk_id: str | None = None) -> Decision:
        """Return whether `destination` may be dialled, and why. Limits are not asked.

        Args:
            destination: A destination, an address, or one of the names.
            trunk_id: The trunk that a SIP URI will be dialled through, where it is.
        """
        if isinstance(destination, str):
            if destination in self._names:
                return Decision(True, f"it is the name {destination!r}")
            try:
                destination = Destination(destination)
            except DestinationError as error:
                return Decision(False, f"it is no destination: {error.remedy}")
        for name, entry in self._entries.get(destination.address, ()):
            if entry.kind == destination.kind and same(destination, entry, trunk_id):
                return Decision(True, f"it is the name {name!r}")
        refusal = self._address(destination, trunk_id) or self._fields.refusal(destination)
        if refusal is not None:
            return Decision(False, refusal)
        return _NUMBER if destination.number is not None else _USER

    def _address(self, destination: Destination, trunk_id: str | None) -> str | None:
        if destination.kind == "number":
            return self._numbers.refusal(destination.address)
        if destination.kind == "user":
            return "an extension or user of a trunk is allowed by name only"
        number = destination.number
        if number is not None:
            if ";" in destination.address:
                return "a parameter of a tel: URI can change what is dialled"
            return self._numbers.refusal(number)
        return self._domains.refusal(destination, bool(trunk_id or destination.trunk_id))

    def check(
        self, destination: str | Destination, *, trunk_id: str | None = None
    ) -> tuple[Destination, ...]:
        """Return what `destination` stands for: itself, or the destinations of a name.

        Args:
            destination: A destination, an address, or one of the names.
            trunk_id: The trunk that a SIP URI will be dialled through, where it is.

        Raises:
            DestinationNotAllowedError: It may not be dialled; the message says why.
        """
        decision = self.decide(destination, trunk_id=trunk_id)
        if not decision.allowed:
            shown = destination if isinstance(destination, str) else destination.address
            raise DestinationNotAllowedError(
                "address", _shown(shown), f"{decision.reason}; nothing was dialled"
            )
        if isinstance(destination, Destination):
            return (destination,)
        return self._names.get(destination) or (Destination(destination),)

    def explain(self, destination: str | Destination, *, trunk_id: str | None = None) -> str:
        """Return whether `destination` may be dialled, and why, in one sentence."""
        decision = self.decide(destination, trunk_id=trunk_id)
        address = destination if isinstance(destination, str) else destination.address
        sentence = (
            f"{_shown(address)!r} is {'allowed' if decision.allowed else 'refused'}: "
            f"{decision.reason}"
        )
        what = _what(destination)
        return sentence + (f" ({what})" if what and what not in sentence else "")

    async def admit(
        self,
        destination: Destination,
        *,
        caller: str | None = None,
        trunk_id: str | None = None,
    ) -> Admission:
        """Allow one call to `destination` and count it, or refuse it. Asked before each dial.

        Args:
            destination: Whom to dial, as it was found, before the transfer adds what is its own
                word (headers, a summary).
            caller: What names the caller over all of his calls: his number, however it is
                written. None: he is counted together with all others who have none.
            trunk_id: The trunk that a SIP URI will be dialled through, where it is.

        Raises:
            DestinationNotAllowedError: It may not be dialled, or a limit is reached.

        On cancellation it may have been counted; a place among those at the same time is then
        given back by its time to live.
        """
        self.check(destination, trunk_id=trunk_id)
        return await admit(self._limits, self._store, destination, caller, trunk_id)


def _check_names(
    names: Mapping[str, Named] | Iterable[str | Destination],
) -> dict[str, tuple[Destination, ...]]:
    if isinstance(names, (str, Destination)):
        raise ConfigurationError("names", names, "give a map of names, or a list of destinations")
    if isinstance(names, Mapping):
        found = {name: _several(name, targets) for name, targets in names.items()}
    else:
        found = {}
        for target in names:
            destination = Destination.parse(target)
            found[destination.label] = (*found.get(destination.label, ()), destination)
    return found


def _several(name: object, targets: object) -> tuple[Destination, ...]:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError("names", name, "a name is a non-empty text")
    if isinstance(targets, (str, Destination)):
        return (Destination.parse(targets),)
    if not isinstance(targets, Sequence) or not targets:
        raise ConfigurationError("names", targets, f"say whom {name!r} stands for")
    return tuple(Destination.parse(target) for target in targets)


def _shown(address: str) -> str:
    return address if len(address) <= 80 else address[:77] + "..."


def _what(destination: str | Destination) -> str | None:
    """Return what a number is, where somebody can tell."""
    try:
        number = Destination.parse(destination).number
        return None if number is None else describe(number)
    except (ConfigurationError, DestinationError):
        return None
