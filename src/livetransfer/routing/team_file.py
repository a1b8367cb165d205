"""Team file: a team in YAML or JSON, checked; what is wrong is named with its line and field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livetransfer.destination import Destination
from livetransfer.errors import ConfigurationError, DestinationError

from .hours import Hours
from .member import Member
from .queue import Queue
from .staff import members_by_name, queues_by_name

__all__ = ["read_team"]

T = TypeVar("T")
Path_ = tuple[str | int, ...]

_LARGEST = 32 * 1024 * 1024
"""Bytes of a file, at most."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _HoursData(_Strict):
    opening: str
    timezone: str | None = None
    country: str | None = None


class _DestinationData(_Strict):
    address: str
    kind: Literal["auto", "number", "uri", "user"] = "auto"
    trunk_id: str | None = None
    caller_id: str | None = None
    display_name: str | None = None
    headers: dict[str, str] = {}
    dtmf: str | None = None
    ring_timeout: float | None = None
    country: str | None = None
    own_number: bool | None = None


class _MemberData(_Strict):
    name: str
    destination: str | _DestinationData
    skills: dict[str, int] = {}
    capacity: int = 1
    priority: int = 0
    weight: float = 1.0
    hours: str | _HoursData | None = None
    wrap_up: float | None = None
    method: Literal["warm", "cold"] | None = None


class _QueueData(_Strict):
    name: str
    members: list[str] = []
    skills: dict[str, int] = {}
    strategy: str = "longest_idle"
    ring_timeout: float = 20.0
    wrap_up: float = 0.0
    hours: str | _HoursData | None = None
    priority: int = 0
    max_wait: float = 600.0
    overflow: str | None = None
    overflow_after: float | None = None
    relax_after: float | None = None
    about: str = ""
    kind: Literal["warm", "cold", "either"] | None = None


class _TeamData(_Strict):
    members: Annotated[list[_MemberData], Field(min_length=1)]
    queues: Annotated[list[_QueueData], Field(min_length=1)]
    name: str = "team"
    default: str | None = None
    timezone: str | None = None
    country: str | None = None
    lease_seconds: float = 30.0
    talk_time_unknown: float = 300.0
    autopause_after: int | None = None
    autopause_for: float | None = None


_OPTIONS = (
    "name",
    "default",
    "lease_seconds",
    "talk_time_unknown",
    "autopause_after",
    "autopause_for",
)


def read_team(path: Path) -> tuple[list[Member], list[Queue], dict[str, Any]]:
    """Return the members, the queues and the other options of the team in a file.

    Raises:
        ConfigurationError: It cannot be read, or is wrong somewhere; the message names the line
            and the field.
    """
    return _File(path).team()


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if path.stat().st_size > _LARGEST:
                raise ConfigurationError("path", str(path), "a team file is smaller than 32 MiB")
            self._text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError("path", str(path), f"it cannot be read: {error}") from error
        self._lines: dict[Path_, int] = {}
        self._data: Any = self._parsed()

    def _parsed(self) -> Any:
        try:
            import yaml
        except ImportError as error:
            if self._path.suffix != ".json":
                raise ConfigurationError(
                    "path", str(self._path), "YAML needs: pip install 'livetransfer[yaml]'"
                ) from error
            return self._json()
        # JSON is YAML too; read so, its lines are known. A tab is the one thing YAML refuses.
        text = self._text.replace("\t", " ") if self._path.suffix == ".json" else self._text
        if self._path.suffix == ".json":
            self._json()
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            self._note((), node, yaml)
            return yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark is not None else 1
            raise self._error(line, "", None, error.problem or "it is not YAML") from error
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            if isinstance(error, ConfigurationError):
                raise
            raise self._error(1, "", None, f"it is not YAML: {error}") from error

    def _json(self) -> Any:
        try:
            return json.loads(self._text)
        except json.JSONDecodeError as error:
            raise self._error(error.lineno, "", None, f"it is not JSON: {error.msg}") from error

    def _note(self, where: Path_, node: Any, yaml: Any) -> None:
        """Remember the line of each field."""
        if node is None:
            return
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                name = str(key.value)
                if name in seen:
                    raise self._error(line, _words((*where, name)), name, "it is given twice")
                seen.add(name)
                here = (*where, name)
                self._lines[here] = line
                self._note((*where, name), value, yaml)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note((*where, index), value, yaml)

    def _line(self, where: Path_) -> int | None:
        while where not in self._lines and where:
            where = where[:-1]
        return self._lines.get(where)

    def _error(
        self, line: int | None, field: str, value: object, remedy: str
    ) -> ConfigurationError:
        at = self._path.name if line is None else f"{self._path.name}, line {line}"
        return ConfigurationError(f"{at}: {field}" if field else at, value, remedy)

    # -- what it says ------------------------------------------------------------------------

    def team(self) -> tuple[list[Member], list[Queue], dict[str, Any]]:
        if not isinstance(self._data, Mapping):
            raise self._error(1, "", None, "write a map with members and queues")
        try:
            data = _TeamData.model_validate(self._data)
        except ValidationError as error:
            raise self._invalid(error) from None
        members = [
            self._made(("members", i), lambda one=one: self._member(one, data))  # type: ignore[misc]
            for i, one in enumerate(data.members)
        ]
        queues = [
            self._made(("queues", i), lambda one=one: self._queue(one, data))  # type: ignore[misc]
            for i, one in enumerate(data.queues)
        ]
        together: dict[str, Sequence[Member | Queue]] = {"members": members, "queues": queues}
        for name, items in together.items():
            seen: set[str] = set()
            for i, item in enumerate(items):
                if item.name in seen:
                    where: Path_ = (name, i, "name")
                    raise self._error(
                        self._line(where), _words(where), item.name, "two have this name"
                    )
                seen.add(item.name)
        self._check_together(members, queues)
        return members, queues, {key: getattr(data, key) for key in _OPTIONS}

    def _check_together(self, members: list[Member], queues: list[Queue]) -> None:
        """Check what queues say of members and of each other, each at its own line."""
        from .staff import members_of

        by_name = members_by_name(members)
        by_skill: dict[str, list[Member]] = {}
        for member in members:
            for skill in member.skills:
                by_skill.setdefault(skill, []).append(member)
        for i, queue in enumerate(queues):
            self._made(("queues", i), lambda q=queue: members_of(q, by_name, by_skill))  # type: ignore[misc]
        try:
            queues_by_name(queues)
        except ConfigurationError as error:
            name = re.match(r"queue '(.*)': overflow", error.field)
            index = [q.name for q in queues].index(name.group(1)) if name else 0
            where: Path_ = ("queues", index, "overflow")
            raise self._error(self._line(where), _words(where), error.value, error.remedy) from None

    def _invalid(self, error: ValidationError) -> ConfigurationError:
        first = min(error.errors(), key=lambda e: self._line(_plain(e["loc"])) or 0)
        where = _plain(first["loc"])
        value = first["input"] if not isinstance(first["input"], (Mapping, list)) else None
        message = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            message = "there is no such field"
        return self._error(self._line(where), _words(where), value, message)

    def _made(self, where: Path_, make: Callable[[], T]) -> T:
        try:
            return make()
        except (ConfigurationError, DestinationError) as error:
            # "queue 'x': skills['y']" -> skills, y
            field = error.field.split(": ")[-1]
            keys = re.findall(r"[A-Za-z_]+|'[^']*'", field)
            keys = [key.strip("'") for key in keys if key not in ("member", "queue")]
            found: Path_ = where
            if isinstance(error, DestinationError):
                found = (*where, "destination")
                keys = [key for key in keys if (*found, key) in self._lines]
            for key in keys:
                deeper = (*found, key)
                if deeper in self._lines:
                    found = deeper
            words = _words(found) if len(found) > len(where) else _words((*where, *keys))
            raise self._error(self._line(found), words, error.value, error.remedy) from None

    def _hours(self, given: str | _HoursData | None, data: _TeamData) -> Hours | None:
        if given is None:
            return None
        hours = _HoursData(opening=given) if isinstance(given, str) else given
        zone = hours.timezone or data.timezone
        if zone is None:
            raise ConfigurationError(
                "hours.timezone", None, 'name one, here or for the team, like "Europe/Berlin"'
            )
        return Hours(hours.opening, timezone=zone, country=hours.country or data.country)

    def _member(self, one: _MemberData, data: _TeamData) -> Member:
        given = one.destination
        to: str | Destination = given if isinstance(given, str) else Destination(**dict(given))
        fields = dict(one) | {"hours": self._hours(one.hours, data)}
        del fields["name"], fields["destination"]
        return Member(one.name, to, **fields)

    def _queue(self, one: _QueueData, data: _TeamData) -> Queue:
        fields = dict(one) | {"hours": self._hours(one.hours, data)}
        del fields["name"]
        return Queue(one.name, **fields)


def _plain(loc: tuple[str | int, ...]) -> Path_:
    # Of a union pydantic names the branch too: "str" or a class of ours.
    return tuple(key for key in loc if key != "str" and not str(key).startswith("_"))


def _words(where: Path_) -> str:
    """Return a path as people write it: ``members[1].skills.billing``."""
    words = ""
    for key in where:
        words += f"[{key}]" if isinstance(key, int) else f".{key}" if words else key
    return words
