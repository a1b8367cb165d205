"""Records are read back, and what cannot be read says why and what to do."""

import json
from pathlib import Path

import pytest

from livetransfer.record import RecordError, read_record, read_records

from .story import STORY, recorded


def test_of_several_lines_of_one_transfer_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    opened, ended = recorded(STORY[:4]), recorded(STORY)
    other = recorded(STORY).model_copy(update={"id": "r0"})
    lines = [opened.to_json(), other.to_json(), ended.to_json(), ended.to_json()[:100]]
    path.write_text("\n".join(lines))
    found = read_records(path)
    assert {record.id: record.state for record in found} == {"r1": "ended", "r0": "ended"}


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_is_a_file_too(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(recorded(STORY).to_dict(), indent=indent))
    assert read_records(str(path)) == [recorded(STORY)]
    path.write_text(json.dumps([recorded(STORY).to_dict()], indent=indent))
    assert read_records(path) == [recorded(STORY)]


@pytest.mark.parametrize(
    ("data", "says", "remedy"),
    [
        ({"version": 2, "id": "x"}, "newer livetransfer (schema 2", "pip install --upgrade"),
        ({"version": "one", "id": "x"}, "version is 'one'", "as it was written"),
        ({"version": 1, "id": "x"}, "began: Field required", "as it was written"),
        ({"hello": 1}, "not the record of a transfer", "with an id"),
        ([], "not the record of a transfer", "with an id"),
        (None, "not the record of a transfer", "with an id"),
    ],
)
def test_what_is_no_record(data: object, says: str, remedy: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_record(data, "call.json")
    assert says in str(caught.value)
    assert remedy in caught.value.remedy
    assert caught.value.where == "call.json"


@pytest.mark.parametrize("text", ["", "hello", "[]", "\x00\x01"])
def test_what_is_no_file_of_records(tmp_path: Path, text: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(text)
    with pytest.raises(RecordError):
        read_records(path)
