"""Numbers: which country a number is of, and whether calling it is ordinary or dear.

The tables are those of `phonenumbers` (the extra ``phone``). They are asked about a number exactly
as it is written: a national prefix after the country code, or digits too many, make it no number
at all, although a carrier may drop them and connect the call.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

from livetransfer.errors import ConfigurationError

__all__ = ["Numbers", "calling_code", "country_of", "describe", "is_short_code"]

# ITU-T E.164, annex to the Operational Bulletin: codes that belong to no country.
_NO_COUNTRY = {
    "388": "a shared European code",
    "800": "international freephone",
    "808": "an international shared-cost service",
    "870": "Inmarsat, a satellite network",
    "878": "a universal personal number",
    "881": "a satellite network",
    "882": "an international or satellite network",
    "883": "an international network",
    "888": "disaster relief",
    "979": "an international premium-rate service",
}
# In the order in which phonenumbers itself asks: special numbers first.
_SPECIAL = {
    "premium_rate": "a premium-rate number",
    "shared_cost": "a shared-cost number",
    "personal_number": "a personal number, which costs what its owner wants",
    "pager": "a pager",
    "uan": "a company's special number",
    "voicemail": "a voicemail access number",
}
_ORDINARY = ("fixed_line", "mobile", "toll_free", "voip")


@functools.cache
def load() -> Any:
    """Return `phonenumbers`.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import phonenumbers
    except ImportError:
        raise ConfigurationError(
            "guard",
            "phonenumbers",
            "countries= and prefixes= need the numbering plans of the world: "
            "pip install 'livetransfer[phone]'",
        ) from None
    return phonenumbers


@functools.cache
def _codes() -> dict[str, tuple[str, ...]]:
    """Return the countries of each calling code."""
    regions = load().COUNTRY_CODE_TO_REGION_CODE
    return {str(code): tuple(names) for code, names in regions.items()}


def calling_code(number: str) -> str | None:
    """Return the calling code that `number` (E.164) begins with; None if there is no such code."""
    codes = _codes()
    for end in (2, 3, 4):
        if number[1:end] in codes or number[1:end] in _NO_COUNTRY:
            return number[1:end]
    return None


def check_countries(countries: Iterable[str]) -> frozenset[str]:
    """Return `countries` if each has a numbering plan.

    Raises:
        ConfigurationError: One has none, or `phonenumbers` is missing.
    """
    if isinstance(countries, str):
        raise ConfigurationError("countries", countries, 'give a list, like ["DE", "AT"]')
    found = frozenset(countries)
    for country in found:
        if country not in load().SUPPORTED_REGIONS:
            raise ConfigurationError("countries", country, 'use ISO 3166 codes, like ["DE"]')
    return found


@functools.cache
class _Plan:
    """The numbering plan of one country, as patterns of what follows the calling code."""

    def __init__(self, country: str) -> None:
        self.country = country
        plan = load().PhoneMetadata.metadata_for_region(country, None)
        self._leading = re.compile(plan.leading_digits or "")
        self._ordinary = _any_of(plan, _ORDINARY)
        self._special = _any_of(plan, _SPECIAL)
        self._kinds = {kind: _any_of(plan, (kind,)) for kind in _SPECIAL}

    def knows(self, national: str) -> bool | None:
        """Return True for an ordinary number, False for a special one, None for none of its."""
        if self._leading.match(national) is None:
            return None
        if self._special.fullmatch(national) is not None:
            return False
        return True if self._ordinary.fullmatch(national) is not None else None

    def special(self, national: str) -> str:
        """Return what a special number is, for people."""
        kinds = (kind for kind, found in self._kinds.items() if found.fullmatch(national))
        return _SPECIAL[next(kinds)]


def _any_of(plan: Any, kinds: Iterable[str]) -> re.Pattern[str]:
    described = (getattr(plan, kind) for kind in kinds)
    patterns = [d.national_number_pattern for d in described if d is not None]
    usable = [f"(?:{pattern})" for pattern in patterns if pattern not in (None, "NA")]
    return re.compile("|".join(usable) or r"(?!)")


class Numbers:
    """Decides which numbers may be called.

    Args:
        countries: Of which every ordinary number may be.
        prefixes: What the other ordinary numbers that may be called begin with.

    Attributes:
        countries: Those countries, and those that the prefixes may be of.

    Raises:
        ConfigurationError: A country or a prefix is none, or `phonenumbers` is missing.
    """

    def __init__(self, countries: Iterable[str], prefixes: Iterable[str]) -> None:
        allowed = check_countries(countries)
        self._prefixes = _check_prefixes(prefixes)
        self.countries = allowed.union(*map(_countries_of, self._prefixes))
        self._plans: dict[str, tuple[_Plan, ...]] = {}
        if self.countries or self._prefixes:
            for code, names in _codes().items():
                # phonenumbers puts the main country of a code first.
                plans = tuple(_Plan(name) for name in names if name in allowed)
                if plans:
                    self._plans[code] = plans

    def refusal(self, number: str) -> str | None:
        """Return why `number` (E.164) may not be called, for people; None if it may."""
        if not self._plans and not self._prefixes:
            return "it is none of the names, and no numbers are allowed"
        code = calling_code(number)
        if code is None:
            return "no country has this calling code"
        if code in _NO_COUNTRY:
            return f"+{code} is {_NO_COUNTRY[code]}"
        national = number[1 + len(code) :]
        plans = self._plans.get(code, ())
        named = number.startswith(self._prefixes)
        for plan in plans:
            known = plan.knows(national)
            if known:
                return None
            if known is False:
                return f"it is {plan.special(national)} ({plan.country})"
        if named:
            return _in_use(code, national)
        if not plans:
            return f"no rule names numbers of +{code}"
        return f"it is no number in use of {' or '.join(plan.country for plan in plans)}"


def _in_use(code: str, national: str) -> str | None:
    """Return why a number of any country of `code` may not be called; None if it may."""
    for country in _codes()[code]:
        plan = _Plan(country)
        known = plan.knows(national)
        if known:
            return None
        if known is False:
            return f"it is {plan.special(national)} ({country})"
    return f"it is no number in use of +{code}"


def country_of(number: str) -> str | None:
    """Return the country that `number` (E.164) is a number of, in two letters, where it is one."""
    code = calling_code(number)
    for country in _codes().get(code or "", ()):
        if _Plan(country).knows(number[1 + len(code or "") :]) is not None:
            return country
    return None


def describe(number: str) -> str | None:
    """Return what `number` (E.164) is, for people; None if it is no number in use."""
    code = calling_code(number)
    if code is None:
        return None
    if code in _NO_COUNTRY:
        return _NO_COUNTRY[code]
    national = number[1 + len(code) :]
    for country in _codes()[code]:
        plan = _Plan(country)
        known = plan.knows(national)
        if known is not None:
            what = "an ordinary number" if known else plan.special(national)
            return f"{what} ({country})"
    return None


def _check_prefixes(prefixes: Iterable[str]) -> tuple[str, ...]:
    if isinstance(prefixes, str):
        raise ConfigurationError("prefixes", prefixes, 'give a list, like ["+4930"]')
    found = tuple(prefixes)
    for prefix in found:
        digits = prefix[1:] if isinstance(prefix, str) else ""
        if not digits or prefix[0] != "+" or not (digits.isascii() and digits.isdigit()):
            raise ConfigurationError(
                "prefixes", prefix, 'write a plus sign and digits, like "+4930"'
            )
    if found:
        load()
    return found


def _countries_of(prefix: str) -> set[str]:
    """Return the countries that have numbers which begin with `prefix`, or may."""
    found: set[str] = set()
    for code, names in _codes().items():
        if prefix[1:].startswith(code) or code.startswith(prefix[1:]):
            found.update(names)
    return found.intersection(load().SUPPORTED_REGIONS)


@functools.lru_cache(maxsize=1 << 16)
def is_short_code(digits: str, countries: frozenset[str]) -> bool:
    """Return whether `digits` reaches a short code or an emergency service of one of `countries`.

    Short codes that are for text messages, or that only some carrier's own customers reach, are
    left to be extensions.
    """
    for country in countries:
        plans = load()
        # Some networks connect an emergency number with more digits behind it.
        if plans.connects_to_emergency_number(digits, country):
            return True
        short = plans.PhoneNumber(
            country_code=plans.country_code_for_region(country), national_number=int(digits)
        )
        if not plans.is_valid_short_number_for_region(short, country):
            continue
        cost = plans.expected_cost_for_region(short, country)
        if cost == plans.ShortNumberCost.PREMIUM_RATE:
            return True
        unreachable = plans.is_carrier_specific_for_region(
            short, country
        ) or plans.is_sms_service_for_region(short, country)
        if not unreachable:
            return True
    return False
