"""Sealing: the personal fields of a promised call, encrypted, and still found by their number."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol, cast

from livetransfer.errors import ConfigurationError

__all__ = ["Plain", "Sealed", "Sealing", "sealing_of"]


_PLAIN = "{"
"""How what is not encrypted begins: an object of JSON."""


class Sealing(Protocol):
    """How a store writes what is personal."""

    def seal(self, text: str) -> str:
        """Return what is written for `text`."""

    def open(self, written: str) -> str:
        """Return the text that was written.

        Raises:
            ValueError: It was written with another key.
        """

    def tags(self, number: str) -> Sequence[str]:
        """Return what a number is found by; the first is what is written."""


class Plain:
    """Writes it as it is."""

    def seal(self, text: str) -> str:
        """Return it."""
        return text

    def open(self, written: str) -> str:
        """Return it."""
        if not written.startswith(_PLAIN):
            raise ValueError("it is encrypted, and no key was given")
        return written

    def tags(self, number: str) -> Sequence[str]:
        """Return the number."""
        return (number,)


class Sealed:
    """Encrypts it (Fernet: AES-128-CBC and HMAC-SHA256), and finds numbers by a keyed hash.

    Args:
        keys: The keys: the first encrypts, all of them decrypt and find.

    Raises:
        ConfigurationError: `cryptography` is missing, or a key is none.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        try:
            from cryptography.fernet import Fernet, InvalidToken, MultiFernet
        except ImportError:
            raise ConfigurationError(
                "keys", "…", "cryptography is missing: pip install 'livetransfer[encryption]'"
            ) from None
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except (ValueError, TypeError):
            remedy = "give keys that Fernet.generate_key() made; the first encrypts"
            raise ConfigurationError("keys", "…", remedy) from None
        self._invalid = InvalidToken
        self._keys = [key.encode() if isinstance(key, str) else key for key in keys]

    def seal(self, text: str) -> str:
        """Return it encrypted."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, written: str) -> str:
        """Return it decrypted; what was written before there was a key, as it is."""
        if written.startswith(_PLAIN):
            return written
        try:
            return self._fernet.decrypt(written.encode()).decode()
        except self._invalid:
            raise ValueError("it was encrypted with a key that is not among those given") from None

    def tags(self, number: str) -> Sequence[str]:
        """Return a hash of the number by each key, and what was written before there was one."""
        hashes = (
            hmac.new(key, b"number:" + number.encode(), hashlib.sha256).hexdigest()
            for key in self._keys
        )
        return [*hashes, number]


def sealing_of(keys: str | bytes | Sequence[str | bytes] | None) -> Sealing:
    """Return how to write with `keys`: one, several, or None for plain text.

    Raises:
        ConfigurationError: See `Sealed`.
    """
    if keys is None:
        return Plain()
    if isinstance(keys, (str, bytes)):
        return Sealed([keys])
    if not isinstance(keys, Sequence):
        raise ConfigurationError("keys", "…", "give a key, or a list of them")
    return Sealed(cast("Sequence[str | bytes]", keys))
