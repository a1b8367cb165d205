"""Other tools of a model beside a transfer, on real calls: they end nothing, they dial nobody."""

from __future__ import annotations

import asyncio

import pytest

from . import cast
from .behaviour import Answer
from .switchboard import PATIENCE, Switchboard


@pytest.mark.parametrize(
    "model", ["transfers and ends", pytest.param("ends and transfers", marks=pytest.mark.slow)]
)
async def test_end_call_in_the_same_turn_does_not_end_the_bridged_call(
    switchboard: Switchboard, model: str
) -> None:
    step = {"kind": "warm", "options": {}, "model": model}
    call = await switchboard.call([Answer(after=1.0)], transfers=[step])
    await call.ask()
    human = await call.human()
    await call.briefed(human)
    await call.joined(human)
    await asyncio.sleep(6.0)  # a session that is shut down would have closed, and the room with it
    await call.joined(human)
    await human.hang_up()
    await call.caller.wait("ended", PATIENCE)
    assert (await call.told("end")).fields["by"] == "human"


@pytest.mark.parametrize("after", ["end", pytest.param("return", marks=pytest.mark.slow)])
async def test_a_room_that_is_deleted_while_two_talk_is_told(
    switchboard: Switchboard, after: str
) -> None:
    warning = "the room was deleted while the caller talked with the person"
    step = {"kind": "warm", "options": {"after": after}}
    call = await switchboard.call([Answer(after=0.5)], transfers=[step])
    await call.ask()
    human = await call.human()
    await call.briefed(human)
    await call.joined(human)
    before = call.log().count(warning)
    await call.delete_room()
    await asyncio.gather(human.wait("ended", PATIENCE), call.caller.wait("ended", PATIENCE))
    end = await call.told("end")
    assert end.fields["by"] == "lost"
    assert call.log().count(warning) == before + 1


async def test_after_a_return_nobody_is_dialled_by_the_sentence_that_takes_the_caller_back(
    switchboard: Switchboard,
) -> None:
    step = {"kind": "warm", "options": {"after": "return"}, "model": "transfers again"}
    call = await switchboard.call([Answer(after=0.5), Answer(after=0.5)], transfers=[step, step])
    await call.ask()
    human = await call.human()
    await call.briefed(human)
    await call.joined(human)
    await human.hang_up()
    await call.caller.hears(cast.BACK, PATIENCE)
    await asyncio.sleep(3.0)
    assert len(call.reported("run")) == 1
    assert len(call.phones[0].calls) == 1
