"""A team: who is offered, who waits, and what is refused when it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from livetransfer import (
    ConfigurationError,
    Destination,
    RouteRequest,
    TransferStatus,
    UnknownDestinationError,
)
from livetransfer.outcome import Attempt
from livetransfer.routing import Candidate, Hours, Member, Offer, Queue, Team, Wait
from livetransfer.stores import MemoryStore
from livetransfer.testing import virtual_time

WEEK = Hours("Mo-Fr 09:00-17:00", timezone="UTC")
NIGHT = Hours("Mo-Fr 17:00-09:00", timezone="UTC")
ANY: Any = "hot"
NOON = datetime(2026, 3, 27, 12, tzinfo=timezone.utc)  # a Friday
EVENING = datetime(2026, 3, 27, 20, tzinfo=timezone.utc)
SUNDAY = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)


class Dated(Team):
    """A team at a moment that the test chooses."""

    moment = NOON

    def _now(self) -> float:
        return self.moment.timestamp()


def people(*names: str, **options: Any) -> list[Member]:
    return [Member(name, f"+1555010{i}", **options) for i, name in enumerate(names)]


def team(members: Sequence[Member], *queues: Queue, **options: Any) -> Dated:
    return Dated(members, queues, store=options.pop("store", None) or MemoryStore(), **options)


def one_queue(*names: str, **options: Any) -> Dated:
    return team(people(*names), Queue("q", members=names, strategy="linear", **options))


def asks(call: str = "call", **options: Any) -> RouteRequest:
    return RouteRequest(call=call, **options)


def rung(offer: Offer | Wait | None) -> list[str]:
    assert isinstance(offer, Offer), offer
    return [one.name or "" for one in offer.destinations]


def over(offer: Offer | Wait | None, status: TransferStatus) -> list[Attempt]:
    assert isinstance(offer, Offer)
    return [Attempt(destination, status) for destination in offer.destinations]


async def released(
    offer: Offer | Wait | None,
    status: TransferStatus = TransferStatus.NO_ANSWER,
    talked: bool = False,
) -> None:
    assert isinstance(offer, Offer)
    for lease in offer.leases:
        assert lease is not None
        if talked:
            await lease.talking()
        await lease.release(status, talked=talked)


async def test_a_member_is_offered_once_and_another_call_gets_another() -> None:
    async with virtual_time():
        sales = one_queue("anna", "ben")
        first = await sales.offer(asks("one"), ())
        assert rung(first) == ["anna"]
        assert isinstance(first, Offer)
        assert (first.queue, first.ring_timeout) == ("q", 20.0)
        assert [lease.member for lease in first.leases if lease] == ["anna"]
        assert rung(await sales.offer(asks("two"), ())) == ["ben"]
        assert isinstance(await sales.offer(asks("three"), ()), Wait)


async def test_who_was_rung_is_not_rung_again_unless_the_fallback_says_so() -> None:
    async with virtual_time():
        sales = one_queue("anna", "ben")
        first = await sales.offer(asks(), ())
        await released(first)
        attempts = over(first, TransferStatus.NO_ANSWER)
        second = await sales.offer(asks(), attempts)
        assert rung(second) == ["ben"]
        await released(second, TransferStatus.DECLINED)
        attempts += over(second, TransferStatus.DECLINED)
        assert await sales.offer(asks(), attempts) is None
        again = await sales.offer(asks(retry=True), attempts)
        assert rung(again) == ["anna"]  # it helps to ring one again who did not answer
        await released(again)


async def test_round_robin_goes_on_where_it_was_and_over_who_was_rung() -> None:
    async with virtual_time():
        queue = Queue("q", members=["a", "b", "c"], strategy="round_robin")
        abc = team(people("a", "b", "c"), queue)
        order = []
        for i in range(5):
            offer = await abc.offer(asks(str(i)), ())
            order += rung(offer)
            await released(offer)
        assert order == ["a", "b", "c", "a", "b"]
        # b was rung last, for this very call: c comes next, then a.
        attempts = over(offer, TransferStatus.NO_ANSWER)
        offer = await abc.offer(asks("4"), attempts)
        assert rung(offer) == ["c"]
        await released(offer)
        offer = await abc.offer(asks("4"), [*attempts, *over(offer, TransferStatus.BUSY)])
        assert rung(offer) == ["a"]


async def test_ring_all_takes_all_who_are_free_of_the_lowest_tier() -> None:
    async with virtual_time():
        members = [*people("a", "b"), Member("late", "+15550150", priority=1)]
        both = team(members, Queue("q", members=["late", "a", "b"], strategy="ring_all"))
        first = await both.offer(asks("1"), ())
        assert rung(first) == ["a", "b"]
        second = await both.offer(asks("2"), ())
        assert rung(second) == ["late"]
        await released(first)
        assert rung(await both.offer(asks("3"), ())) == ["a", "b"]


async def test_capacity_and_wrap_up() -> None:
    async with virtual_time():
        members = [Member("a", "+15550100", capacity=2, wrap_up=20)]
        two = team(members, Queue("q", members=["a"]))
        first = await two.offer(asks("1"), ())
        second = await two.offer(asks("2"), ())
        assert rung(first) == rung(second) == ["a"]
        assert isinstance(await two.offer(asks("3"), ()), Wait)
        await released(first, TransferStatus.BRIDGED, talked=True)
        assert isinstance(await two.offer(asks("3"), ()), Wait)
        await asyncio.sleep(21)
        assert rung(await two.offer(asks("3"), ())) == ["a"]


async def test_skills_and_what_the_call_asks_for_besides() -> None:
    async with virtual_time():
        members = [
            Member("anna", "+15550101", skills={"billing": 5, "es": 3}),
            Member("ben", "+15550102", skills={"billing": 2}),
            Member("cora", "+15550103", skills={"es": 9}),
        ]
        billing = team(members, Queue("billing", skills={"billing": 1}, strategy="best_skill"))
        assert [d.name for d in billing["billing"]] == ["anna", "ben"]
        first = await billing.offer(asks("1", skills={"es": 2}), ())
        assert rung(first) == ["anna"]
        assert isinstance(await billing.offer(asks("2", skills={"es": 2}), ()), Wait)
        assert rung(await billing.offer(asks("3"), ())) == ["ben"]
        assert await billing.offer(asks("4", skills={"es": 4}), ()) is None


async def test_the_level_falls_with_the_wait() -> None:
    async with virtual_time():
        members = [Member("ben", "+15550102", skills={"billing": 2})]
        queue = Queue("q", skills={"billing": 4}, relax_after=30)
        relaxed = team(members, queue)
        for waited, offered in ((0.0, False), (59.0, False), (60.0, True)):
            found = await relaxed.offer(asks(str(waited), waited=waited), ())
            assert isinstance(found, Offer if offered else Wait)


async def test_another_queues_members_after_a_while_and_theirs_after_that() -> None:
    async with virtual_time():
        queues = [
            Queue("one", members=["a"], overflow="two", overflow_after=60, ring_timeout=10),
            Queue("two", members=["b"], overflow="three", overflow_after=30, ring_timeout=15),
            Queue("three", members=["c"]),
        ]
        chain = team(people("a", "b", "c"), *queues)
        assert rung(await chain.offer(asks("1", department="one"), ())) == ["a"]
        assert isinstance(await chain.offer(asks("2", department="one", waited=59.0), ()), Wait)
        second = await chain.offer(asks("2", department="one", waited=61.0), ())
        assert rung(second) == ["b"]
        assert isinstance(second, Offer)
        assert (second.queue, second.ring_timeout) == ("one", 15.0)
        assert isinstance(await chain.offer(asks("3", department="one", waited=61.0), ()), Wait)
        assert rung(await chain.offer(asks("4", department="one", waited=91.0), ())) == ["c"]


async def test_hours_of_members_and_of_queues() -> None:
    async with virtual_time():
        members = [
            Member("day", "+15550101", hours=WEEK),
            Member("night", "+15550102", hours=NIGHT),
        ]
        queues = [
            Queue("all", members=["day", "night"]),
            Queue("days", members=["day"]),
            Queue("closed", members=["day", "night"], hours=WEEK, about="Bills", kind="warm"),
        ]
        shifts = team(members, *queues)
        assert rung(await shifts.offer(asks("1", department="all"), ())) == ["day"]
        shifts.moment = EVENING
        assert rung(await shifts.offer(asks("2", department="all"), ())) == ["night"]
        assert await shifts.offer(asks("3", department="days"), ()) is None
        assert await shifts.offer(asks("3", department="closed"), ()) is None
        shifts.moment = SUNDAY
        assert await shifts.offer(asks("3", department="all"), ()) is None
        opening = shifts.openings()["closed"]
        assert (opening.about, opening.open, opening.opens) == ("Bills", False, "Monday 09:00")
        assert opening.kind == "warm"
        assert shifts.openings()["days"].opens == "Monday 09:00"
        assert shifts.openings(NOON)["closed"].open


async def test_the_kind_of_transfer_and_the_members_own() -> None:
    async with virtual_time():
        members = [
            Member("brief", "+15550101", method="warm"),
            Member("plain", "+15550102", method="cold"),
            Member("any", "+15550103"),
        ]
        names = ["brief", "plain", "any"]
        kinds = team(members, Queue("q", members=names, strategy="ring_all"))
        warm = await kinds.offer(asks("1"), ())
        assert rung(warm) == names
        assert isinstance(warm, Offer)
        assert warm.methods == ("warm", "cold", None)
        await released(warm)
        cold = await kinds.offer(asks("2", kind="cold"), ())
        assert rung(cold) == ["plain", "any"]


async def test_nobody_is_there_where_all_are_paused_until_they_say_so() -> None:
    async with virtual_time():
        sales = one_queue("anna", max_wait=600)
        await sales.pause("anna", reason="lunch")
        assert await sales.offer(asks(), ()) is None
        await sales.pause("anna", reason="lunch", seconds=300)
        waits = await sales.offer(asks(), ())
        assert isinstance(waits, Wait)
        await sales.pause("anna", reason="lunch", seconds=3000)
        assert await sales.offer(asks("other"), ()) is None
        await sales.resume("anna")
        assert rung(await sales.offer(asks(), ())) == ["anna"]
        with pytest.raises(ConfigurationError, match="no such member"):
            await sales.pause("nobody")
        with pytest.raises(ConfigurationError, match="no such member"):
            await sales.resume("nobody")


async def test_who_does_not_answer_is_paused_after_a_while() -> None:
    async with virtual_time():
        sales = team(
            people("anna"), Queue("q", members=["anna"]), autopause_after=2, autopause_for=60
        )
        for i in range(2):
            offer = await sales.offer(asks(str(i)), ())
            await released(offer, TransferStatus.NO_ANSWER)
        assert isinstance(await sales.offer(asks("2"), ()), Wait)
        (anna,) = (await sales.status()).members
        assert anna.presence == "paused"
        await asyncio.sleep(61)
        assert rung(await sales.offer(asks("2"), ())) == ["anna"]


async def test_the_line_is_fair() -> None:
    async with virtual_time():
        sales = one_queue("anna")
        held = await sales.offer(asks("0"), ())
        waits = {}
        for call, priority in (("early", 0), ("late", 0), ("vip", 1)):
            waits[call] = await sales.offer(asks(call, priority=priority), ())
            assert isinstance(waits[call], Wait)
            await asyncio.sleep(1)
        positions = {}
        for call, priority in (("early", 0), ("late", 0), ("vip", 1)):
            found = await sales.offer(asks(call, priority=priority, waited=2.0), ())
            assert isinstance(found, Wait)
            positions[call] = found.position
        assert positions == {"vip": 1, "early": 2, "late": 3}
        await released(held)
        assert isinstance(await sales.offer(asks("new"), ()), Wait)
        assert isinstance(await sales.offer(asks("late", waited=2.0), ()), Wait)
        assert rung(await sales.offer(asks("vip", priority=1), ())) == ["anna"]


async def test_a_place_wakes_its_caller_when_somebody_is_free() -> None:
    async with virtual_time():
        loop = asyncio.get_running_loop()
        sales = one_queue("anna")
        held = await sales.offer(asks("0"), ())
        waits = await sales.offer(asks("1"), ())
        assert isinstance(waits, Wait)
        loop.call_later(2.5, lambda: asyncio.ensure_future(released(held)))
        began = loop.time()
        while isinstance(found := await sales.offer(asks("1"), ()), Wait):
            await found.place.changed()
        assert rung(found) == ["anna"]
        assert 2.4 < loop.time() - began < 3.0


async def test_the_estimate_is_of_measured_times() -> None:
    async with virtual_time():
        sales = one_queue("anna", "ben")
        for call in ("0", "1"):
            offer = await sales.offer(asks(call), ())
            assert isinstance(offer, Offer)
            lease = offer.leases[0]
            assert lease is not None
            await lease.talking()
            await asyncio.sleep(100)
            await lease.release(TransferStatus.BRIDGED, talked=True)
        held = [await sales.offer(asks("2"), ())]
        await asyncio.sleep(40)
        held.append(await sales.offer(asks("3"), ()))
        waits = []
        for call in ("4", "5", "6"):
            found = await sales.offer(asks(call), ())
            assert isinstance(found, Wait)
            waits.append((found.position, found.estimate))
        assert len(held) == 2
        # One call lasts 100 s: the first is over in 60, the second in 100, and so on.
        assert waits == [(1, 60.0), (2, 100.0), (3, 160.0)]
        assert (await one_queue("x").status()).queues[0].estimate is None


async def test_what_it_tells_of_itself() -> None:
    async with virtual_time():
        members = [
            Member("rings", "+15550101"),
            Member("talks", "+15550102"),
            Member("wraps", "+15550103", wrap_up=60),
            Member("lunch", "+15550104"),
            Member("home", "+15550105", hours=NIGHT),
            Member("many", "+15550106", capacity=2),
            Member("free", "+15550107", capacity=2),
        ]
        names = [m.name for m in members]
        queues = [Queue(name, members=[name]) for name in names]
        staff = team(members, *queues, Queue("all", members=names))
        await staff.pause("lunch", reason="lunch", seconds=1800)
        await staff.offer(asks("1", department="rings"), ())
        talks = await staff.offer(asks("2", department="talks"), ())
        assert isinstance(talks, Offer)
        assert talks.leases[0] is not None
        await talks.leases[0].talking()
        wraps = await staff.offer(asks("3", department="wraps"), ())
        await released(wraps, TransferStatus.BRIDGED, talked=True)
        held = [await staff.offer(asks(c, department="many"), ()) for c in ("4", "5")]
        waits = await staff.offer(asks("6", department="rings"), ())
        await asyncio.sleep(5)
        status = await staff.status()
        assert {m.name: m.presence for m in status.members} == {
            "rings": "ringing",
            "talks": "talking",
            "wraps": "wrap_up",
            "lunch": "paused",
            "home": "off_hours",
            "many": "full",
            "free": "available",
        }
        lunch = status.members[3]
        assert (lunch.reason, lunch.resumes_in) == ("lunch", 1795.0)
        rings, *_, everybody = status.queues
        assert (rings.waiting, rings.longest_wait, rings.available) == (1, 5.0, 0)
        assert (everybody.on_shift, everybody.available, everybody.open) == (5, 1, True)
        assert {q.name: q.open for q in status.queues}["home"] is False
        found = status.to_dict()
        assert found["members"][0]["name"] == "rings"
        assert found["queues"][-1]["available"] == 1
        del held, waits


async def test_a_look_up_narrows_or_replaces_and_where_it_fails_the_team_is_used() -> None:
    async with virtual_time():
        answers: list[Any] = [["ben"], [Member("zoe", "+15550199")], None, []]
        seen: list[list[str]] = []

        async def lookup(request: RouteRequest, members: Sequence[Member]) -> Any:
            seen.append([m.name for m in members])
            await asyncio.sleep(0.1)
            return answers.pop(0)

        names = ["anna", "ben"]
        queue = Queue("q", members=names, strategy="linear")
        asked = team(people(*names), queue, lookup=lookup)
        assert rung(await asked.offer(asks("1"), ())) == ["ben"]
        assert rung(await asked.offer(asks("2"), ())) == ["zoe"]
        assert rung(await asked.offer(asks("3"), ())) == ["anna"]
        assert await asked.offer(asks("4"), ()) is None
        assert seen == [names] * 4


def _hangs(request: RouteRequest, members: Sequence[Member]) -> Any:
    return asyncio.sleep(1e6)


def _raises(request: RouteRequest, members: Sequence[Member]) -> Any:
    raise RuntimeError("crm")


@pytest.mark.parametrize(
    "lookup",
    [
        _hangs,
        _raises,
        lambda r, m: "anna",
        lambda r, m: ["nobody"],
        lambda r, m: 5,
        lambda r, m: [m[0], "anna"],
        lambda r, m: ["anna", None],
    ],
    ids=["hangs", "raises", "text", "unknown", "number", "twice", "none"],
)
async def test_a_look_up_that_fails_is_told_once_for_an_attempt(lookup: Any) -> None:
    async with virtual_time():
        told: list[Any] = []
        request = asks(tell=lambda make: told.append(make(1.0)))
        queue = Queue("q", members=["anna"], strategy="linear")
        asked = team(people("anna"), queue, lookup=lookup, lookup_timeout=1.0)
        began = asyncio.get_running_loop().time()
        offer = await asked.offer(request, ())
        assert rung(offer) == ["anna"]
        assert asyncio.get_running_loop().time() - began <= 1.1
        await asked.offer(request, ())
        assert [(event.hook, event.at) for event in told] == [("lookup", 1.0)]


@pytest.mark.parametrize(
    "strategy",
    [
        lambda members, request: 1 / 0,
        lambda members, request: members,
        lambda members, request: [["nobody"]],
        lambda members, request: None,
    ],
    ids=["raises", "flat", "unknown", "none"],
)
async def test_a_strategy_that_fails_is_told_and_the_order_of_the_queue_is_used(
    strategy: Any,
) -> None:
    async with virtual_time():
        told: list[Any] = []
        queue = Queue("q", members=["b", "a"], strategy=strategy)
        ranks = team(people("a", "b"), queue)
        offer = await ranks.offer(asks(tell=lambda make: told.append(make(1.0))), ())
        assert rung(offer) == ["b"]
        assert [event.hook for event in told] == ["strategy"]


async def test_a_strategy_of_ones_own_may_ring_some_together_and_leave_others_out() -> None:
    async with virtual_time():
        seen: list[Candidate] = []

        def pairs(members: Sequence[Candidate], request: RouteRequest) -> list[list[str]]:
            seen.extend(members)
            return [["c", "a"], ["d"]]

        ranks = team(people("a", "b", "c", "d"), Queue("q", members=list("abcd"), strategy=pairs))
        assert rung(await ranks.offer(asks("1"), ())) == ["c", "a"]
        assert rung(await ranks.offer(asks("2"), ())) == ["d"]
        assert isinstance(await ranks.offer(asks("3"), ()), Wait)
        assert [one.available for one in seen[4:8]] == [False, True, False, True]


def test_departments() -> None:
    queues = [Queue("a", members=["x"]), Queue("b", members=["x"])]
    both = team(people("x"), *queues)
    assert both.departments == ("a", "b")
    assert list(both) == ["a", "b"]
    assert "a" in both
    assert "c" not in both
    with pytest.raises(UnknownDestinationError, match="'a', 'b'"):
        both["c"]
    assert [d.address for d in both["a"]] == ["+15550100"]
    assert both["a"] == (Destination("+15550100", name="x"),)


async def test_the_queue_when_none_is_asked_for() -> None:
    async with virtual_time():
        queues = [Queue("a", members=["x"]), Queue("b", members=["y"])]
        with pytest.raises(UnknownDestinationError):
            await team(people("x", "y"), *queues).offer(asks(), ())
        assert rung(await team(people("x", "y"), *queues, default="b").offer(asks(), ())) == ["y"]


SKILLED = [Member("x", "+15550100", skills={"billing": 2})]


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: team([]), "members"),
        (lambda: team(people("a")), "queues"),
        (lambda: team([*people("a"), *people("a")], Queue("q", members=["a"])), "members"),
        (lambda: team(people("a"), *[Queue("q", members=["a"])] * 2), "queues"),
        (lambda: team(people("a"), Queue("q", members=["b"])), "queue 'q': members"),
        (lambda: team(SKILLED, Queue("q", skills={"es": 1})), "queue 'q': skills"),
        (lambda: team(SKILLED, Queue("q", skills={"billing": 3})), "queue 'q': skills['billing']"),
        (
            lambda: team(
                [*SKILLED, Member("y", "+15550101", skills={"es": 1})],
                Queue("q", skills={"billing": 1, "es": 1}),
            ),
            "queue 'q': members",
        ),
        (
            lambda: team(people("a"), Queue("q", members=["a"], overflow="p")),
            "queue 'q': overflow",
        ),
        (
            lambda: team(
                people("a"),
                Queue("q", members=["a"], overflow="p"),
                Queue("p", members=["a"], overflow="q"),
            ),
            "queue 'q': overflow",
        ),
        (
            lambda: team(people("a"), Queue("q", members=["a"], overflow="q")),
            "queue 'q': overflow",
        ),
        (lambda: Queue("q"), "queue 'q': members"),
        (lambda: Queue("q", members="anna"), "queue 'q': members"),
        (lambda: Queue("q", members=["a", "a"]), "queue 'q': members"),
        (lambda: Queue("", members=["a"]), "queue.name"),
        (lambda: Queue("q", members=["a"], strategy="fastest"), "queue 'q': strategy"),
        (lambda: Queue("q", members=["a"], ring_timeout=0), "queue 'q': ring_timeout"),
        (lambda: Queue("q", members=["a"], max_wait=-1), "queue 'q': max_wait"),
        (lambda: Queue("q", members=["a"], overflow_after=5), "queue 'q': overflow_after"),
        (lambda: Queue("q", skills={"x": 0}), "queue 'q': skills['x']"),
        (lambda: Queue("q", members=["a"], hours=ANY), "queue 'q': hours"),
        (lambda: Queue("q", members=["a"], kind=ANY), "queue 'q': kind"),
        (lambda: Member("", "+15550100"), "member.name"),
        (lambda: Member("a", ""), "address"),
        (lambda: Member("a", "+15550100", capacity=0), "member 'a': capacity"),
        (lambda: Member("a", "+15550100", weight=0), "member 'a': weight"),
        (lambda: Member("a", "+15550100", priority=-1), "member 'a': priority"),
        (lambda: Member("a", "+15550100", wrap_up=-1), "member 'a': wrap_up"),
        (lambda: Member("a", "+15550100", method=ANY), "member 'a': method"),
        (lambda: Member("a", "+15550100", hours=ANY), "member 'a': hours"),
        (lambda: Member("a", "+15550100", skills={"x": 0}), "member 'a': skills['x']"),
        (lambda: team(people("a"), Queue("q", members=["a"]), default="p"), "default"),
        (lambda: team(people("a"), Queue("q", members=["a"]), lookup=5), "lookup"),
        (lambda: team(people("a"), Queue("q", members=["a"]), name=""), "name"),
        (lambda: team(people("a"), Queue("q", members=["a"]), store="redis"), "store"),
        (lambda: team(people("a"), Queue("q", members=["a"]), lease_seconds=0), "lease_seconds"),
        (
            lambda: team(people("a"), Queue("q", members=["a"]), autopause_after=0),
            "autopause_after",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_field(make: Callable[[], Any], field: str) -> None:
    with pytest.raises(ValueError) as raised:
        make()
    assert getattr(raised.value, "field", None) == field
    assert str(raised.value)


def test_a_queue_is_copied_with_changes() -> None:
    queue = Queue("q", members=["a"], strategy="linear", overflow="p")
    assert replace(queue, ring_timeout=5).ring_timeout == 5
    assert replace(queue, ring_timeout=5).overflow_after == 60


async def test_a_look_up_may_bring_somebody_where_the_team_has_nobody() -> None:
    async with virtual_time():
        zoe, carl = Member("zoe", "+15550199"), Member("carl", "+15550198", method="warm")
        queue = Queue("q", members=["anna"], strategy="linear")
        asked = team(people("anna"), queue, lookup=lambda request, members: [carl, zoe])
        nobody: Any = {"skills": {"es": 1}}
        assert rung(await asked.offer(asks("1", **nobody), ())) == ["carl"]
        cold = await asked.offer(asks("2", kind="cold", **nobody), ())
        assert rung(cold) == ["zoe"], "carl wants to be briefed"


async def test_a_look_up_leaves_time_for_the_team() -> None:
    async with virtual_time():
        queue = Queue("q", members=["anna"], strategy="linear")
        asked = team(people("anna"), queue, lookup=_hangs, lookup_timeout=10.0)
        began = asyncio.get_running_loop().time()
        assert rung(await asked.offer(asks(within=10.0), ())) == ["anna"]
        assert asyncio.get_running_loop().time() - began < 9.5


async def test_whoever_is_not_paused_may_come_after_a_while() -> None:
    async with virtual_time():
        first = Queue("first", members=["anna"], overflow="rest", overflow_after=30)
        rest = Queue("rest", members=["ben"])
        asked = team(people("anna", "ben"), first, rest)
        await asked.pause("anna")
        waits = await asked.offer(asks(department="first"), ())
        assert isinstance(waits, Wait)
        assert rung(await asked.offer(asks(department="first", waited=30.0), ())) == ["ben"]
        await waits.place.leave()
        only = one_queue("carl")
        await only.pause("carl")
        assert await only.offer(asks(), ()) is None


async def test_a_place_that_was_given_up_is_no_place_in_the_next_queue() -> None:
    async with virtual_time():
        asked = team(
            people("anna", "ben"),
            Queue("one", members=["anna"], strategy="linear"),
            Queue("two", members=["ben"], strategy="linear"),
        )
        taken = [await asked.offer(asks(name, department=name), ()) for name in ("one", "two")]
        first = await asked.offer(asks("call", department="one"), ())
        assert isinstance(first, Wait)
        await first.place.leave()
        second = await asked.offer(asks("call", department="two"), ())
        assert isinstance(second, Wait)
        assert second.position == 1
        assert (await asked.status()).queues[1].waiting == 1
        await second.place.leave()
        del taken


async def test_one_whom_a_colleague_was_faster_than_may_be_rung_again() -> None:
    async with virtual_time():
        queue = Queue("q", members=["anna", "ben"], strategy="ring_all")
        asked = team(people("anna", "ben"), queue)
        offer = await asked.offer(asks(), ())
        (anna, ben) = over(offer, TransferStatus.ANSWERED_ELSEWHERE)
        await released(offer)
        again = await asked.offer(asks(), [anna, replace(ben, status=TransferStatus.FAILED)])
        assert rung(again) == ["anna"]


async def test_nobody_is_kept_for_a_caller_whose_strategy_leaves_him_out() -> None:
    def rank(members: Sequence[Candidate], request: RouteRequest) -> list[list[Candidate]]:
        return [[one] for one in members if request.priority < 0 or one.name != "anna"]

    async with virtual_time():
        asked = team(people("anna", "ben"), Queue("q", members=["anna", "ben"], strategy=rank))
        assert rung(await asked.offer(asks("1"), ())) == ["ben"]
        waits = await asked.offer(asks("2"), ())
        assert isinstance(waits, Wait)
        assert rung(await asked.offer(asks("3", priority=-1), ())) == ["anna"]
        await waits.place.leave()


async def test_round_robin_goes_on_where_it_was_after_calls_have_flown_over() -> None:
    async with virtual_time():
        near = Queue(
            "near", members=["a", "b"], strategy="round_robin", overflow="far", overflow_after=10
        )
        far = Queue("far", members=["c", "d", "e"], strategy="round_robin")
        both = team(people("a", "b", "c", "d", "e"), near, far)

        async def rings(department: str, waited: float = 0.0) -> list[str]:
            offer = await both.offer(asks(department, department=department, waited=waited), ())
            await released(offer)
            return rung(offer)

        assert await rings("far") == ["c"]
        assert await rings("near") == ["a"]
        for name in ("a", "b"):
            await both.pause(name)
        assert await rings("near", 10) == ["d"], "far's turn is far's own"
        for name in ("a", "b"):
            await both.resume(name)
        assert await rings("far") == ["e"]
        assert await rings("near") == ["b"]


async def test_round_robin_goes_on_where_it_was_after_a_look_up_has_brought_somebody() -> None:
    async with virtual_time():
        found: list[Member] | None = None
        queue = Queue("q", members=["a", "b"], strategy="round_robin")
        both = team(people("a", "b"), queue, lookup=lambda request, members: found)
        order = []
        for call in range(3):
            found = [Member("zoe", "+15550199")] if call == 1 else None
            offer = await both.offer(asks(str(call)), ())
            order += rung(offer)
            await released(offer)
        assert order == ["a", "zoe", "b"]


async def test_the_estimate_counts_who_waits_in_other_queues_for_the_same_members() -> None:
    async with virtual_time():
        queues = [
            Queue("one", members=["anna"], strategy="linear"),
            Queue("both", members=["anna", "ben"], strategy="linear"),
            Queue("strangers", members=["carl"], strategy="linear"),
        ]
        asked = team(people("anna", "ben", "carl"), *queues)

        async def joins(call: str, queue: str) -> Any:
            return await asked.offer(asks(call, department=queue), ())

        offer = await joins("0", "one")
        await asyncio.sleep(100)
        await released(offer, TransferStatus.BRIDGED, talked=True)
        held = [await joins(name, name) for name in ("one", "both", "strangers")]
        waits = [await joins(f"{i}", "strangers") for i in range(2)]
        waits += [await joins("a", "one")]
        assert (waits[-1].position, waits[-1].estimate) == (1, 100.0), "carl is nobody of theirs"
        # Each of two who may have ben as well counts as a half.
        waits += [await joins("b", "both"), await joins("c", "both"), await joins("d", "one")]
        assert (waits[-1].position, waits[-1].estimate) == (2, 300.0)
        estimates = {queue.name: queue.estimate for queue in (await asked.status()).queues}
        assert estimates["one"] == 400.0
        for wait in waits:
            await wait.place.leave()
        del held
