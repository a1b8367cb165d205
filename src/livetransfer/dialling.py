"""What a run adds to a destination before it is dialled: the caller's number, and a summary."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .destination import Destination
from .errors import CallControlError
from .sip_headers import CALLERS_NUMBER, header_text

__all__ = ["CALLER", "completed", "dial_again"]

CALLER = "caller"
"""The `caller_id` that stands for the caller's own number."""

# RFC 3261, 21.4.4: the trunk will not, with these credentials, make this call.
_FORBIDDEN = 403
# Carriers deliver a caller's number with and without the plus sign.
_NUMBER = re.compile(r"\+?[0-9]{2,15}\Z")


def completed(
    destination: Destination, *, caller_number: str | None = None, summary: str | None = None
) -> Destination:
    """Return `destination` as it is dialled in one call.

    Args:
        destination: Whom to dial.
        caller_number: What ``caller_id="caller"`` stands for; without one (a caller who withholds
            it, a web caller) the trunk's own number is shown. It takes its place in headers, too.
        summary: What `summary_header` carries, cut to one short line. It leaves LiveKit and is
            stored by whoever the call passes: filter it before.
    """
    changes: dict[str, object] = {}
    if destination.caller_id == CALLER:
        changes["caller_id"] = _usable(caller_number)
    headers = _of_the_caller(destination.headers, _usable(caller_number))
    if destination.summary_header is not None and summary is not None:
        text = header_text(summary)
        if text:
            headers[destination.summary_header] = text
    if headers != destination.headers:
        changes["headers"] = headers
    return destination.but(**changes) if changes else destination


def _of_the_caller(headers: Mapping[str, str], number: str | None) -> dict[str, str]:
    """Return `headers` with the caller's number in its place; without it, without those."""
    return {
        name: value if number is None else value.replace(CALLERS_NUMBER, number)
        for name, value in headers.items()
        if number is not None or CALLERS_NUMBER not in value
    }


def _usable(number: str | None) -> str | None:
    """Return `number` if it is one. The caller's side wrote it, and may have written anything."""
    return number if number is not None and _NUMBER.match(number) else None


def dial_again(
    destination: Destination, error: CallControlError, *, rang: bool
) -> Destination | None:
    """Return what to dial instead, once, where the trunk refused the caller's number; else None.

    Args:
        destination: As it was before `completed`.
        error: What dialling it raised.
        rang: Whether its phone rang (`LegRinging`): then a person may have refused, and nobody is
            rung twice.
    """
    refused = error.sip_code == _FORBIDDEN and not error.indeterminate and not rang
    if destination.caller_id != CALLER or not refused:
        return None
    return destination.but(caller_id=None)
