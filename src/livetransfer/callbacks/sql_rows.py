"""Rows: a promised call as columns of a table, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from livetransfer.callback_request import CallbackRequest, CallbackStatus, HistoryEntry
from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError
from livetransfer.media import Media

from .encryption import Sealing
from .ledger import Promise

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

__all__ = ["moment", "promise_of", "seconds", "values_of"]

_BODY = ("timezone", "queue", "attempts", "place")


def seconds(moment: datetime) -> float:
    """Return a moment as it is written."""
    return moment.timestamp()


def moment(written: float) -> datetime:
    """Return the moment that was written."""
    return datetime.fromtimestamp(written, timezone.utc)


def values_of(request: CallbackRequest, now: datetime, sealing: Sealing) -> dict[str, Any]:
    """Return the columns of a request that is new.

    Raises:
        ConfigurationError: Its destination cannot be written.
    """
    personal = {
        "number": request.number,
        "reason": request.reason,
        "summary": request.summary,
        # The name of a room: LiveKit's own dispatch rules write the number into it.
        "call": request.call,
    }
    body = {name: getattr(request, name) for name in _BODY}
    return {
        "id": request.id,
        "status": str(request.status),
        "due": seconds(request.not_before),
        "not_before": seconds(request.not_before),
        "not_after": seconds(request.not_after),
        "made": seconds(request.made or now),
        "priority": request.priority,
        "calls": 0,
        "taken": False,
        "number": sealing.tags(request.number)[0],
        "personal": sealing.seal(json.dumps(personal)),
        "body": {**body, "destination": _written(request.destination)},
    }


def promise_of(row: RowMapping, history: Iterable[Any], sealing: Sealing) -> Promise:
    """Return what a row and the rows of its history say.

    Raises:
        ValueError: It was encrypted with another key.
    """
    personal: dict[str, Any] = {"number": "", "reason": "", "summary": None, "call": None}
    if row["personal"] is not None:
        personal = json.loads(sealing.open(row["personal"]))
    body = dict(row["body"])
    request = CallbackRequest(
        id=row["id"],
        not_before=moment(row["not_before"]),
        not_after=moment(row["not_after"]),
        made=moment(row["made"]),
        priority=row["priority"],
        status=CallbackStatus(row["status"]),
        history=tuple(
            HistoryEntry(moment(each.at), CallbackStatus(each.status), each.reason)
            for each in history
        ),
        destination=_read(body.pop("destination", None)),
        **personal,
        **{name: body[name] for name in _BODY},
    )
    until = row["until"]
    return Promise(
        request,
        moment(row["due"]),
        calls=row["calls"],
        owner=row["owner"],
        until=None if until is None else moment(until),
        room=row["room"],
    )


def _written(destination: Destination | None) -> dict[str, Any] | None:
    if destination is None:
        return None
    if destination.sip_connection is not None:
        remedy = "name a trunk instead: a connection has a password, and is not kept"
        raise ConfigurationError("destination.sip_connection", "…", remedy)
    found = destination.to_dict()
    if destination.media is not None:
        found["media"] = asdict(destination.media)
    return found


def _read(written: Mapping[str, Any] | None) -> Destination | None:
    if written is None:
        return None
    media = written.get("media")
    return Destination(**{**written, **({} if media is None else {"media": Media(**media)})})
