"""Who takes the call."""

from __future__ import annotations

from typing import Any

import pytest

from livetransfer import (
    ConfigurationError,
    DestinationError,
    Router,
    RouteRequest,
    UnknownDestinationError,
)
from livetransfer.routing import Opening
from livetransfer.routing.router import several, validate_targets

MAP = {"sales": ["+15550100", "+15550101"], "support": "sip:1@example.com"}


def test_ordered_numbers_with_the_name_of_the_department() -> None:
    router = Router(MAP)
    assert [d.address for d in router["sales"]] == ["+15550100", "+15550101"]
    assert {d.name for d in router["sales"]} == {"sales"}
    assert router.departments == ("sales", "support")


@pytest.mark.parametrize("name", ["billing", "+15550199", "", None])
def test_a_name_is_one_of_the_map_never_a_number(name: str | None) -> None:
    with pytest.raises(UnknownDestinationError, match="sales"):
        Router(MAP)[name]  # type: ignore[index]


def test_resolve() -> None:
    router = Router(MAP, default="support")
    assert [d.address for d in several(router.resolve(RouteRequest()))] == ["sip:1@example.com"]
    assert len(several(router.resolve(RouteRequest("sales")))) == 2
    with pytest.raises(UnknownDestinationError):
        Router(MAP).resolve(RouteRequest())


def test_the_only_department_is_the_default() -> None:
    assert Router({"sales": "+15550100"}).resolve(RouteRequest())


@pytest.mark.parametrize("found", [None, 5, "nobody", {"+15550177": 1}])
def test_what_is_not_a_destination(found: object) -> None:
    with pytest.raises(DestinationError):
        several(found)


@pytest.mark.parametrize("to", ["", [], (), None, 5, ["+15550100", "nobody"], {}])
def test_bad_targets(to: object) -> None:
    with pytest.raises(DestinationError):
        validate_targets(to)  # type: ignore[arg-type]


def test_bad_maps() -> None:
    with pytest.raises(ConfigurationError):
        Router({})
    with pytest.raises(ConfigurationError):
        Router(MAP, default="billing")
    with pytest.raises(DestinationError):
        Router({"sales": []})
    with pytest.raises(DestinationError):
        Router({"sales": "five"})


def test_by_default_every_department_is_open() -> None:
    router = Router(
        {"sales": "+15550100", "billing": "+15550101"}, about={"sales": "New\n orders."}
    )
    assert dict(router.openings()) == {"sales": Opening("New orders."), "billing": Opening()}


def test_what_is_said_of_no_department_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="about"):
        Router({"sales": "+15550100"}, about={"sails": "New orders."})
    with pytest.raises(ConfigurationError, match="about"):
        Router({"sales": "+15550100"}, about={"sales": 3})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("field", "value"), [("about", None), ("opens", 9), ("open", "yes"), ("kind", "lukewarm")]
)
def test_an_opening_is_checked(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=field):
        Opening(**{field: value})
