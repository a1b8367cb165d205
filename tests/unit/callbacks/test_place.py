"""The place in the queue that a caller had is that of his callback."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import timedelta

import pytest

from livetransfer.destination import Destination
from livetransfer.routing import Member, Offer, Queue, Router, RouteRequest, Team
from livetransfer.stores import MemoryStore

from .kit import ANN, BEGAN, BOB, request
from .test_make import stage


class Asked(Router):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        super().__init__({"sales": ANN})
        self.requests: list[RouteRequest] = []

    def resolve(
        self, request: RouteRequest
    ) -> Sequence[Destination] | Awaitable[Sequence[Destination]]:
        self.requests.append(request)
        return super().resolve(request)


@pytest.mark.parametrize("keep_place", [True, False])
async def test_a_router_is_told_who_he_was(
    monkeypatch: pytest.MonkeyPatch, keep_place: bool
) -> None:
    router = Asked()
    asked = request(queue="sales", priority=7, made=BEGAN - timedelta(minutes=10))
    async with stage(monkeypatch, asked=asked) as it:
        assert (await it.make(router, keep_place=keep_place)).done
    (told,) = router.requests[:1]
    assert told.department == "sales"
    assert told.number == asked.number
    assert told.priority == (7 if keep_place else 0)
    assert told.seniority == pytest.approx(600 if keep_place else 0, abs=5)
    assert told.waited < 5, "he has not waited on the line"


async def test_he_is_served_before_those_who_came_later() -> None:
    team = Team([Member("ann", ANN)], [Queue("sales", members=["ann"])], store=MemoryStore())
    first = await team.offer(RouteRequest("sales", call="talks"), ())
    assert isinstance(first, Offer)
    waits = await team.offer(RouteRequest("sales", call="waits"), ())
    called_back = await team.offer(RouteRequest("sales", call="back", seniority=600.0), ())
    assert not isinstance(waits, Offer)
    assert not isinstance(called_back, Offer)
    assert called_back is not None
    assert called_back.position == 1
    assert waits is not None
    assert called_back.max_wait == waits.max_wait, "what he has waited costs him nothing"
    await team.aclose()


async def test_a_team_is_rung_with_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    team = Team(
        [Member("ann", ANN), Member("bob", BOB)],
        [Queue("sales", members=["ann", "bob"])],
        store=MemoryStore(),
    )
    async with stage(monkeypatch, asked=request(queue="sales")) as it:
        outcome = await it.make(team)
        assert outcome.done
        rung = [each for each in (ANN, BOB) if it.call.human(each).rings]
        assert len(rung) == 1
        free = (await team.status()).members
        assert all(member.presence in ("available", "wrap_up") for member in free)
    await team.aclose()
