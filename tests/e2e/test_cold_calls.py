"""Cold transfers on real calls: REFER as the caller's phone takes it, and dialling instead."""

from __future__ import annotations

import asyncio

from . import cast, judge, tones
from .behaviour import Answer, NeverAnswer, OnRefer
from .stack import server_version
from .switchboard import PATIENCE, Switchboard, TransferCall


async def back_with_the_ai(call: TransferCall) -> None:
    """The caller hears that it did not work, and is served again."""
    await call.caller.hears(cast.SORRY, PATIENCE)
    await call.caller.stops_hearing(cast.SORRY, PATIENCE)
    await call.only_caller_and_agent()
    await call.served_again()


async def test_refer_accepted(switchboard: Switchboard) -> None:
    call = await switchboard.call(
        [],
        kind="cold",
        destination={"address": "sip:100@pbx.test", "headers": {"X-Ticket": "4711"}},
        on_refer=OnRefer(notify=(100, 180, 200)),
    )
    await call.ask()
    refer = await call.caller.wait("refer", PATIENCE)
    announced = tones.last_heard(call.caller.recording, cast.ANNOUNCED)
    assert announced is not None
    assert announced < refer.at, "the announcement was cut"
    await call.caller.wait("ended", PATIENCE)
    assert call.caller.ended_by == "them"
    assert call.caller.refers[0].refer_to == "sip:100@pbx.test"
    assert call.caller.refers[0].message.get("X-Ticket") == "4711"
    outcome = await call.outcome()
    assert (outcome["status"], outcome["confirmed"]) == ("referred", True)
    await call.told("closed")
    assert not call.requests_after(refer.at)


async def test_refer_refused_and_dialled_instead(switchboard: Switchboard) -> None:
    async def refused(code: int) -> None:
        call = await switchboard.call([Answer(after=0.5)], kind="cold", on_refer=OnRefer(code))
        await call.ask()
        human = await call.human()
        assert [refer.refer_to for refer in call.caller.refers] == ["tel:+15550100000"]
        await call.joined(human)
        outcome = await call.outcome()
        assert outcome["status"] == "bridged"
        judge.nothing_of_the_briefing(call.caller, human)
        await call.caller.hang_up()
        await human.wait("ended", PATIENCE)

    await asyncio.gather(refused(603), refused(405))


async def test_refer_refused_and_nothing_else_allowed(switchboard: Switchboard) -> None:
    async def refused(code: int, status: str) -> None:
        only_refer = {"method": "refer"}
        call = await switchboard.call(
            [Answer()], kind="cold", options=only_refer, on_refer=OnRefer(code)
        )
        await call.ask()
        await back_with_the_ai(call)
        outcome = await call.outcome()
        assert (outcome["status"], outcome["sip_code"]) == (status, code)
        assert not call.phones[0].invites

    await asyncio.gather(refused(603, "declined"), refused(405, "failed"))


async def test_refer_fails_because_the_target_is_busy(switchboard: Switchboard) -> None:
    call = await switchboard.call([Answer()], kind="cold", on_refer=OnRefer(notify=(100, 486)))
    await call.ask()
    await back_with_the_ai(call)
    outcome = await call.outcome()
    assert (outcome["status"], outcome["sip_code"]) == ("busy", 486)
    assert not call.phones[0].invites, "the target was reached; it must not be dialled as well"


async def test_refer_is_declined_by_the_target(switchboard: Switchboard) -> None:
    """A newer server says for it what it says for a refused REFER."""
    call = await switchboard.call([Answer()], kind="cold", on_refer=OnRefer(notify=(100, 603)))
    await call.ask()
    await back_with_the_ai(call)
    outcome = await call.outcome()
    assert (outcome["status"], outcome["sip_code"]) == ("declined", 603)
    assert not call.phones[0].invites, "he has declined; he must not be rung again"


async def test_refer_whose_end_nobody_has_seen(switchboard: Switchboard) -> None:
    script = OnRefer(notify=(100,), bye=0.5)
    call = await switchboard.call([Answer()], kind="cold", on_refer=script)
    await call.ask()
    await call.caller.wait("ended", PATIENCE)
    outcome = await call.outcome()
    seen = (outcome["status"], outcome["confirmed"])
    # Older servers do not answer the request; newer ones say success.
    both = [("indeterminate", None), ("referred", False)]
    version = server_version()
    assert seen in (both if version is None else [both[version >= (1, 13)]])
    assert not call.phones[0].invites


async def test_refer_that_times_out_is_indeterminate(switchboard: Switchboard) -> None:
    call = await switchboard.call(
        [Answer()], kind="cold", options={"ring_timeout": 3}, on_refer=OnRefer(notify=())
    )
    await call.ask()
    await call.caller.wait("refer", PATIENCE)
    await back_with_the_ai(call)
    assert (await call.outcome())["status"] == "indeterminate"
    assert len(call.caller.refers) == 1
    assert not call.phones[0].invites, "it may still succeed; nothing must be dialled"


async def test_dialled_and_the_caller_hangs_up_while_it_rings(switchboard: Switchboard) -> None:
    call = await switchboard.call([NeverAnswer()], kind="cold", options={"method": "dial"})
    await call.ask()
    human = await call.human()
    await human.wait("ringing", PATIENCE)
    hung_up = asyncio.get_running_loop().time()
    await call.caller.hang_up()
    assert (await human.wait("ended", PATIENCE)).at - hung_up < 1.0
    assert not call.caller.refers
    assert (await call.outcome())["status"] == "caller_left"
