"""Media: how the voice of one phone travels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ._checks import check_seconds
from .errors import ConfigurationError

__all__ = ["Encryption", "Media"]

Encryption = Literal["disable", "allow", "require"]

# The name of an RTP payload format and its clock rate, as in SDP's rtpmap (RFC 8866, 6.6).
_CODEC = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,31}(?:/[1-9][0-9]{3,5})?\Z")


@dataclass(frozen=True)
class Media:
    """How the voice of one phone travels. What is left out is the trunk's.

    Args:
        encryption: SRTP: ``"disable"`` never offers it, ``"allow"`` offers it, ``"require"``
            fails a call without it.
        codecs: The codecs to offer, in order, like ``["PCMA", "G722/8000"]``; no others are.
        media_timeout: Seconds without a packet of the phone after which the leg ends. LiveKit's
            default is 15; a phone that sends nothing in silence needs more.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    encryption: Encryption | None = None
    codecs: Sequence[str] = ()
    media_timeout: float | None = None

    def __post_init__(self) -> None:
        if self.encryption not in (None, "disable", "allow", "require"):
            raise ConfigurationError(
                "encryption", self.encryption, 'use "disable", "allow" or "require"'
            )
        codecs = () if isinstance(self.codecs, str) else tuple(self.codecs)
        good = all(isinstance(codec, str) and _CODEC.match(codec) for codec in codecs)
        if isinstance(self.codecs, str) or not good:
            raise ConfigurationError(
                "codecs", self.codecs, 'give a list of names, like ["PCMA", "opus/48000"]'
            )
        object.__setattr__(self, "codecs", codecs)
        if self.media_timeout is not None:
            check_seconds("media_timeout", self.media_timeout, 1, 3600)
