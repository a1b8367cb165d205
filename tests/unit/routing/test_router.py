"""Who takes the call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from livetransfer import (
    ConfigurationError,
    Destination,
    DestinationError,
    Router,
    RouteRequest,
    UnknownDestinationError,
)
from livetransfer.routing.router import resolve, validate_targets

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


async def test_resolve() -> None:
    router = Router(MAP, default="support")
    assert [d.address for d in await resolve(router, RouteRequest())] == ["sip:1@example.com"]
    found = await resolve(router, RouteRequest("sales"))
    assert len(found) == 2
    with pytest.raises(UnknownDestinationError):
        await resolve(Router(MAP), RouteRequest())


async def test_the_only_department_is_the_default() -> None:
    assert await resolve(Router({"sales": "+15550100"}), RouteRequest())


async def test_a_live_lookup_may_be_async_and_must_find_somebody() -> None:
    class Live(Router):
        async def resolve(self, request: RouteRequest) -> Sequence[Destination]:
            return [Destination("+15550177")] if request.department == "sales" else []

    live = Live(MAP)
    assert (await resolve(live, RouteRequest("sales")))[0].address == "+15550177"
    with pytest.raises(DestinationError):
        await resolve(live, RouteRequest("support"))


class Found(Router):
    def __init__(self, found: Any) -> None:
        super().__init__(MAP)
        self._found = found

    def resolve(self, request: RouteRequest) -> Any:
        return self._found


async def test_a_live_lookup_may_find_one() -> None:
    for found in ("+15550177", Destination("+15550177")):
        assert await resolve(Found(found), RouteRequest()) == (Destination("+15550177"),)


@pytest.mark.parametrize("found", [None, 5, "nobody", {"+15550177": 1}])
async def test_what_a_live_lookup_may_not_find(found: Any) -> None:
    with pytest.raises(DestinationError):
        await resolve(Found(found), RouteRequest())


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
