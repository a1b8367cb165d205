"""Writes the JSON Schema of a record into the package: run it when the model has changed."""

from __future__ import annotations

import json
from pathlib import Path

from livetransfer.record.model import SCHEMA_VERSION, TransferRecord

FOLDER = Path(__file__).parents[1] / "src" / "livetransfer" / "record" / "schema"


def schema() -> str:
    """Return it, as it is published."""
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The record of a transfer, version {SCHEMA_VERSION}",
    }
    found |= {
        key: value
        for key, value in TransferRecord.model_json_schema(mode="serialization").items()
        if key not in found
    }
    return json.dumps(found, indent=2) + "\n"


if __name__ == "__main__":
    (FOLDER / f"transfer-record-{SCHEMA_VERSION}.schema.json").write_text(schema())
