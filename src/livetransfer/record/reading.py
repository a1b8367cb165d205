"""Reading records back: one file of JSON, or a file of lines, of which a later one replaces it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from livetransfer.errors import TransferError

from .model import SCHEMA_VERSION, TransferRecord

__all__ = ["RecordError", "read_record", "read_records"]


class RecordError(TransferError):
    """A record cannot be read.

    Attributes:
        where: The file, and the line where there are several.
        remedy: What to do.
    """

    def __init__(self, where: str, reason: str, remedy: str) -> None:
        self.where, self.remedy = where, remedy
        super().__init__(f"{where}: {reason}; {remedy}")


def read_record(data: object, where: str = "this record") -> TransferRecord:
    """Return the record that `data`, the object of some JSON, is.

    Args:
        data: What `TransferRecord.to_dict` made.
        where: Where it was found, for the error.

    Raises:
        RecordError: It is none, or one of a newer schema.
    """
    if not isinstance(data, dict) or "id" not in data or "version" not in data:
        raise RecordError(where, "it is not the record of a transfer", "give one with an id")
    version = data["version"]
    if not isinstance(version, int) or version < 1:
        raise RecordError(where, f"its version is {version!r}", "give a record as it was written")
    if version > SCHEMA_VERSION:
        raise RecordError(
            where,
            f"it was written by a newer livetransfer (schema {version}; this one reads up to "
            f"{SCHEMA_VERSION})",
            "pip install --upgrade livetransfer",
        )
    try:
        return TransferRecord.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordError(
            where, f"{place}: {first['msg']}", "give a record as it was written"
        ) from error


def read_records(path: str | Path) -> list[TransferRecord]:
    """Return the records in a file, in the order in which their transfers began.

    Of one transfer several lines may stand there, from its beginning on: the last one counts. A
    line that was cut off, by a worker that died or a full disk, is left out.

    Raises:
        RecordError: It has none, or one that cannot be read.
        OSError: The file cannot be read.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8", errors="replace")
    found: dict[str, TransferRecord] = {}
    for data, where in _objects(text, str(path)):
        record = read_record(data, where)
        found[record.id] = record
    if not found:
        raise RecordError(str(path), "it has no record", "give a file that a sink has written")
    return sorted(found.values(), key=lambda record: record.began)


def _objects(text: str, path: str) -> Iterator[tuple[Any, str]]:
    try:
        whole = json.loads(text)
    except ValueError:
        pass
    else:
        several = whole if isinstance(whole, list) else [whole]
        for index, one in enumerate(several, 1):
            yield one, path if len(several) == 1 else f"{path}, record {index}"
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line), f"{path}, line {number}"
        except ValueError as error:
            if line.lstrip().startswith("{"):
                continue  # cut off; what was written after it stands on a line of its own
            raise RecordError(
                f"{path}, line {number}", f"it is not JSON ({error})", "give a file of records"
            ) from error
