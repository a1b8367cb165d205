"""A team in a file: what it says, and where what is wrong with it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from livetransfer import ConfigurationError
from livetransfer.routing import Team
from livetransfer.routing.team_file import read_team
from livetransfer.stores import MemoryStore

GOOD = """\
name: acme
default: billing
timezone: Europe/Berlin
country: DE
autopause_after: 3

members:
  - name: anna
    destination: "+15550101"
    skills: {billing: 5, es: 3}
    wrap_up: 20
  - name: ben
    destination:
      address: sip:ben@pbx.example.com
      headers: {X-Queue: billing}
    skills:
      billing: 2
    hours: "Mo-Fr 09:00-17:00; PH off"
    method: cold
  - name: cora
    destination: "+15550103"
    hours: {opening: "24/7", timezone: UTC}

queues:
  - name: billing
    skills: {billing: 1}
    strategy: best_skill
    overflow: sales
    overflow_after: 30
    about: Bills and payments
  - name: sales
    members: [cora, ben]
    strategy: ring_all
"""


def written(folder: Path, text: str, name: str = "team.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_what_it_says(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    members, queues, options = read_team(path)
    anna, ben, cora = members
    assert (anna.skills, anna.wrap_up) == ({"billing": 5, "es": 3}, 20)
    assert ben.destination.headers == {"X-Queue": "billing"}
    assert (ben.destination.name, ben.method) == ("ben", "cold")
    assert ben.hours is not None
    assert (ben.hours.timezone, ben.hours.country) == ("Europe/Berlin", "DE")
    assert cora.hours is not None
    assert cora.hours.timezone == "UTC"
    assert (queues[0].overflow_after, queues[0].about) == (30, "Bills and payments")
    assert (options["name"], options["autopause_after"]) == ("acme", 3)
    team = Team.from_file(path, store=MemoryStore())
    assert team.departments == ("billing", "sales")
    assert [d.name for d in team["billing"]] == ["anna", "ben"]


def test_json_is_the_same(tmp_path: Path) -> None:
    import yaml

    text = json.dumps(yaml.safe_load(GOOD), indent="\t")
    assert read_team(written(tmp_path, text, "team.json")) == read_team(written(tmp_path, GOOD))


BAD = [
    ("capacity: 0", "    wrap_up: 20", "    capacity: 0", 11, "members[0].capacity"),
    ("a number", "    wrap_up: 20", "    wrap_up: soon", 11, "members[0].wrap_up"),
    ("a name that is none", "    wrap_up: 20", "    warp_up: 20", 11, "members[0].warp_up"),
    ("no destination", '    destination: "+15550101"\n', "", 8, "members[0].destination"),
    ("a bad one", '"+15550101"', '"5550101"', 9, "members[0].destination"),
    ("bad hours", "Mo-Fr 09:00-17:00; PH off", "Mo-Fr 9-17", 18, "members[1].hours"),
    ("overlap", "Mo-Fr 09:00-17:00; PH off", "09:00-13:00,12:00-17:00", 18, "members[1].hours"),
    ("a time zone", "timezone: UTC", "timezone: Mars", 22, "members[2].hours.timezone"),
    ("a level", "      billing: 2\n", "      billing: 0\n", 17, "members[1].skills.billing"),
    ("two of one name", "name: ben", "name: anna", 12, "members[1].name"),
    ("a skill of nobody", "skills: {billing: 1}", "skills: {tax: 1}", 26, "queues[0].skills"),
    ("an unknown member", "[cora, ben]", "[cora, bob]", 32, "queues[1].members"),
    ("no such overflow", "overflow: sales", "overflow: support", 28, "queues[0].overflow"),
    ("a circle", "strategy: ring_all", "overflow: billing", 28, "queues[0].overflow"),
    ("a strategy", "strategy: ring_all", "strategy: fastest", 33, "queues[1].strategy"),
    ("twice", "    method: cold", "    name: ben", 19, "members[1].name"),
    ("no yaml", "queues:", "queues: [", None, ""),
]


@pytest.mark.parametrize(
    ("good", "bad", "line", "field"), [b[1:] for b in BAD], ids=[b[0] for b in BAD]
)
def test_what_is_wrong_is_named_with_its_line_and_field(
    tmp_path: Path, good: str, bad: str, line: int | None, field: str
) -> None:
    assert good in GOOD
    with pytest.raises(ConfigurationError) as raised:
        Team.from_file(written(tmp_path, GOOD.replace(good, bad, 1)), store=MemoryStore())
    where = raised.value.field
    assert where.startswith("team.yaml, line ")
    if line is not None:
        assert where == f"team.yaml, line {line}: {field}"


@pytest.mark.parametrize(
    "text", ["", "5", "[]", "members: []", "{}", "\x00", "a: b: c", "- &a [*a]"]
)
def test_a_file_of_another_shape(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"team\.yaml"):
        Team.from_file(written(tmp_path, text), store=MemoryStore())


def test_broken_json_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        Team.from_file(written(tmp_path, '{\n "members": [}', "team.json"), store=MemoryStore())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Team.from_file(tmp_path / "none.yaml", store=MemoryStore())
