"""The contract of stores: who is taken, for how long, and what a store remembers of it."""

from __future__ import annotations

import asyncio

import pytest

from livetransfer.stores import IDLE, Grant, MemberState, Stale, Taken, Ticket, Usage

from .rigs import Rig

TTL = 0.4
LONG = 60.0
NAMES = ("anna", "ben", "carla")


def caller(call: str = "call-1", queue: str = "billing") -> Ticket:
    return Ticket(call, queue)


async def take(rig: Rig, *names: str, call: str = "call-1", ttl: float = LONG) -> list[Grant]:
    """Take one of `names`, the first preferred."""
    found = await rig.store.take("team", caller(call), [[name] for name in names], ttl=ttl)
    assert not isinstance(found, Stale)
    return list(found.grants) if found is not None else []


async def state(rig: Rig, name: str = "anna") -> MemberState:
    return (await rig.other.snapshot("team", [name])).state(name)


async def alive(rig: Rig, name: str = "anna") -> list[str]:
    """What a member does now, as another process sees it."""
    snapshot = await rig.other.snapshot("team", [name])
    return [held.phase for held in snapshot.state(name).alive(snapshot.now)]


async def test_of_a_team_that_nobody_has_used_nothing_is_known(rig: Rig) -> None:
    snapshot = await rig.store.snapshot("team", NAMES, "billing")

    assert (snapshot.version, dict(snapshot.states), snapshot.waiting) == (0, {}, ())
    assert (snapshot.cursor, snapshot.handling) == (None, None)
    assert snapshot.state("anna") == IDLE


async def test_the_first_who_is_free_is_taken(rig: Rig) -> None:
    (first,) = await take(rig, "anna", "ben")
    (second,) = await take(rig, "anna", "ben", call="call-2")
    third = await take(rig, "anna", "ben", call="call-3")

    assert (first.member, second.member, third) == ("anna", "ben", [])
    held = (await state(rig)).held
    assert [(h.id, h.call, h.queue, h.phase) for h in held] == [
        (first.id, "call-1", "billing", "ringing")
    ]
    assert held[0].until - held[0].since == pytest.approx(LONG, abs=0.01)
    assert (await state(rig)).last_rung == pytest.approx(held[0].since, abs=0.01)


async def test_of_a_group_all_who_are_free_are_taken(rig: Rig) -> None:
    await take(rig, "ben")

    found = await rig.store.take("team", caller("call-2"), [["anna", "ben", "carla"]], ttl=LONG)

    assert isinstance(found, Taken)
    assert [grant.member for grant in found.grants] == ["anna", "carla"]


async def test_a_group_with_nobody_free_is_passed_over(rig: Rig) -> None:
    await take(rig, "anna")

    found = await rig.store.take("team", caller("2"), [["anna"], [], ["ben", "carla"]], ttl=LONG)

    assert isinstance(found, Taken)
    assert [grant.member for grant in found.grants] == ["ben", "carla"]


async def test_a_member_takes_as_many_calls_as_he_can(rig: Rig) -> None:
    taken = [
        await rig.store.take("team", caller(f"{i}"), [["anna"]], ttl=LONG, capacities={"anna": 2})
        for i in range(3)
    ]

    assert [isinstance(each, Taken) for each in taken] == [True, True, False]
    assert await alive(rig) == ["ringing", "ringing"]


async def test_a_ranking_that_names_somebody_twice_takes_him_once(rig: Rig) -> None:
    found = await rig.store.take(
        "team", caller(), [["anna", "anna"]], ttl=LONG, capacities={"anna": 3}
    )

    assert isinstance(found, Taken)
    assert len(found.grants) == 1


async def test_teams_know_nothing_of_each_other(rig: Rig) -> None:
    await take(rig, "anna")

    found = await rig.store.take("another", caller("2"), [["anna"]], ttl=LONG)

    assert isinstance(found, Taken)


@pytest.mark.parametrize("name", ["Zoë Łukasz", 'a"b\\c', "{x}:y", "a b\n%25", "日本"])
async def test_a_name_may_be_any_text(rig: Rig, name: str) -> None:
    found = await rig.store.take(f"team {name}", Ticket(name, name), [[name]], ttl=LONG)

    assert isinstance(found, Taken)
    snapshot = await rig.other.snapshot(f"team {name}", [name], name)
    assert [held.call for held in snapshot.state(name).held] == [name]
    assert snapshot.cursor == name


# -- versions ------------------------------------------------------------------------------


async def changes(rig: Rig, name: str) -> None:
    """Have somebody take a call, and end it."""
    (grant,) = await take(rig, name, call="another")
    await rig.other.release("team", grant, Usage(talked=True))


async def test_who_has_changed_since_he_was_ranked_is_not_taken(rig: Rig) -> None:
    before = await rig.store.snapshot("team", NAMES)
    await changes(rig, "anna")
    groups = [["anna"], ["carla"]]

    found = await rig.store.take("team", caller(), groups, ttl=LONG, version=before.version)
    fresh = await rig.store.snapshot("team", NAMES)
    again = await rig.store.take("team", caller(), groups, ttl=LONG, version=fresh.version)

    assert found == Stale()
    assert isinstance(again, Taken)


async def test_of_a_group_nobody_may_have_changed(rig: Rig) -> None:
    before = await rig.store.snapshot("team", NAMES)
    await changes(rig, "carla")

    found = await rig.store.take(
        "team", caller(), [["anna", "carla"]], ttl=LONG, version=before.version
    )

    assert found == Stale()
    assert await alive(rig) == []


@pytest.mark.parametrize("busy", [False, True])
async def test_a_change_of_somebody_else_makes_nothing_stale(rig: Rig, busy: bool) -> None:
    before = await rig.store.snapshot("team", NAMES)
    await changes(rig, "carla")
    if busy:
        await take(rig, "ben", call="another")

    found = await rig.store.take(
        "team", caller(), [["ben"], ["anna"], ["carla"]], ttl=LONG, version=before.version
    )

    assert isinstance(found, Taken)
    assert [grant.member for grant in found.grants] == ["anna" if busy else "ben"]


async def test_without_a_version_the_ranking_is_taken_as_it_is(rig: Rig) -> None:
    await take(rig, "anna")

    assert [grant.member for grant in await take(rig, "anna", "ben", call="2")] == ["ben"]


async def test_a_renewal_makes_nothing_stale(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    before = await rig.store.snapshot("team", NAMES)

    assert await rig.store.renew("team", grant, "ringing", LONG)

    found = await rig.store.take(
        "team", caller("2"), [["anna"], ["ben"]], ttl=LONG, version=before.version
    )
    assert isinstance(found, Taken)


async def test_a_cursor_moves_for_the_queue_whose_turn_it_was(rig: Rig) -> None:
    await take(rig, "anna")
    for name, turn in (("ben", "others"), ("carla", "")):
        await rig.store.take("team", caller(name), [[name]], ttl=LONG, turns={name: turn})
    queues = (caller().queue, "others", "")
    seen = [(await rig.other.snapshot("team", (), queue)).cursor for queue in queues]
    assert seen == ["anna", "ben", None]


async def test_many_at_once_take_each_member_once(rig: Rig) -> None:
    names = [f"member-{i}" for i in range(5)]
    asked = [
        store.take("team", caller(f"call-{i}"), [[name] for name in names], ttl=LONG)
        for i, store in enumerate([rig.store, rig.other] * 20)
    ]

    found = [each for each in await asyncio.gather(*asked) if isinstance(each, Taken)]

    assert sorted(grant.member for each in found for grant in each.grants) == names


# -- how long ------------------------------------------------------------------------------


async def test_a_lease_whose_worker_has_died_expires(rig: Rig) -> None:
    await take(rig, "anna", ttl=TTL)
    assert await take(rig, "anna", call="2") == []

    await rig.passes(TTL + 0.1)

    assert await alive(rig) == []
    assert len(await take(rig, "anna", call="2")) == 1


async def test_a_lease_that_is_renewed_does_not_expire(rig: Rig) -> None:
    (grant,) = await take(rig, "anna", ttl=TTL)
    for _ in range(3):
        await rig.passes(TTL * 0.6)
        assert await rig.store.renew("team", grant, "ringing", TTL)

    assert await alive(rig) == ["ringing"]
    assert (await state(rig)).held[0].since == pytest.approx(grant.since, abs=0.002)


async def test_a_lease_that_has_expired_is_taken_again_where_he_is_free(rig: Rig) -> None:
    (grant,) = await take(rig, "anna", ttl=TTL)
    await rig.passes(TTL + 0.1)

    assert await rig.store.renew("team", grant, "talking", LONG)
    assert await alive(rig) == ["talking"]
    assert await take(rig, "anna", call="2") == []


async def test_a_lease_that_has_expired_is_not_taken_from_others(rig: Rig) -> None:
    (grant,) = await take(rig, "anna", ttl=TTL)
    await rig.passes(TTL + 0.1)
    (others,) = await take(rig, "anna", call="2")

    assert not await rig.store.renew("team", grant, "talking", LONG)
    await rig.store.release("team", grant, Usage(talked=True, wrap_up=9))

    assert [held.id for held in (await state(rig)).held] == [others.id]
    assert await alive(rig) == ["ringing"]


async def test_a_renewal_that_comes_late_takes_nobody(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    await rig.store.release("team", grant, Usage())

    assert not await rig.store.renew("team", grant, "ringing", LONG)
    assert await alive(rig) == []


async def test_a_call_whose_worker_died_while_they_talked_has_ended(rig: Rig) -> None:
    (grant,) = await take(rig, "anna", ttl=TTL)
    await rig.store.renew("team", grant, "talking", TTL)
    until = (await state(rig)).held[0].until
    await rig.passes(TTL + 0.1)

    await take(rig, "anna", call="2")

    assert (await state(rig)).last_call_ended == pytest.approx(until, abs=0.002)


# -- the end -------------------------------------------------------------------------------


async def test_a_member_who_has_talked_wraps_up(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    await rig.store.renew("team", grant, "talking", LONG)
    await rig.store.release("team", grant, Usage(talked=True, answered=True, wrap_up=TTL))

    assert await alive(rig) == ["wrap_up"]
    assert await take(rig, "anna", call="2") == []
    assert (await state(rig)).changes_at(grant.since) == pytest.approx(
        (await state(rig)).held[0].until
    )
    await rig.passes(TTL + 0.1)
    assert len(await take(rig, "anna", call="2")) == 1


async def test_a_member_who_has_not_talked_is_free_at_once(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    await rig.store.release("team", grant, Usage(wrap_up=60))

    assert await alive(rig) == []
    assert (await state(rig)).last_call_ended is None


async def test_a_lease_is_released_once(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    for _ in range(3):
        await rig.store.release("team", grant, Usage(answered=False))

    assert (await state(rig)).missed == 1


async def test_a_call_counts_once_it_is_taken(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    assert (await state(rig)).calls == 0
    for _ in range(3):
        await rig.store.renew("team", grant, "talking", LONG)
    await rig.store.release("team", grant, Usage(talked=True))

    assert (await state(rig)).calls == 1
    assert (await state(rig)).last_call_ended == pytest.approx(grant.since, abs=2)


async def test_calls_not_answered_in_a_row_are_counted(rig: Rig) -> None:
    missed = []
    for answered in (False, False, None, True, False):
        (grant,) = await take(rig, "anna")
        await rig.store.release("team", grant, Usage(answered=answered))
        missed.append((await state(rig)).missed)

    assert missed == [1, 2, 2, 0, 1]


async def test_a_member_who_does_not_answer_is_paused(rig: Rig) -> None:
    usage = Usage(answered=False, autopause_after=2, autopause_for=TTL)
    for call in ("1", "2"):
        (grant,) = await take(rig, "anna", call=call)
        await rig.store.release("team", grant, usage)

    paused = await state(rig)
    assert paused.pause is not None
    assert paused.pause.reason
    assert await take(rig, "anna", call="3") == []
    await rig.passes(TTL + 0.1)
    assert len(await take(rig, "anna", call="3")) == 1


async def test_handling_times_are_measured_for_each_queue(rig: Rig) -> None:
    async def mean(queue: str) -> float | None:
        return (await rig.store.snapshot("team", NAMES, queue)).handling

    (grant,) = await take(rig, "anna")
    await rig.passes(0.2)
    await rig.store.release("team", grant, Usage(talked=True, wrap_up=1))
    first = await mean("billing")
    (grant,) = await take(rig, "ben")
    await rig.store.release("team", grant, Usage(talked=True, wrap_up=3))
    (missed,) = await take(rig, "carla")
    await rig.store.release("team", missed, Usage(wrap_up=100))

    assert first == pytest.approx(1.2, abs=0.15)
    assert await mean("billing") == pytest.approx(2.1, abs=0.2)
    assert await mean("sales") is None


async def test_a_queue_remembers_whom_it_took_last(rig: Rig) -> None:
    await take(rig, "anna")
    await take(rig, "ben", call="2")

    assert (await rig.other.snapshot("team", NAMES, "billing")).cursor == "ben"
    assert (await rig.other.snapshot("team", NAMES, "sales")).cursor is None


# -- presence ------------------------------------------------------------------------------


async def test_a_paused_member_is_not_taken(rig: Rig) -> None:
    await rig.store.pause("team", "anna", "lunch")

    assert [grant.member for grant in await take(rig, "anna", "ben")] == ["ben"]
    pause = (await state(rig)).pause
    assert pause is not None
    assert (pause.reason, pause.until) == ("lunch", None)

    await rig.store.resume("team", "anna")
    await rig.store.resume("team", "anna")
    assert [grant.member for grant in await take(rig, "anna", call="2")] == ["anna"]


async def test_a_pause_ends_by_itself(rig: Rig) -> None:
    await rig.store.pause("team", "anna", "lunch", TTL)
    assert await take(rig, "anna") == []
    await rig.passes(TTL + 0.1)

    assert len(await take(rig, "anna")) == 1
    snapshot = await rig.store.snapshot("team", NAMES)
    assert snapshot.state("anna").paused(snapshot.now) is None


async def test_a_pause_ends_no_call(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    await rig.other.pause("team", "anna")

    assert await rig.store.renew("team", grant, "talking", LONG)
    assert await alive(rig) == ["talking"]


async def test_who_is_resumed_has_missed_nothing(rig: Rig) -> None:
    (grant,) = await take(rig, "anna")
    await rig.store.release("team", grant, Usage(answered=False))
    await rig.store.resume("team", "anna")

    assert (await state(rig)).missed == 0
