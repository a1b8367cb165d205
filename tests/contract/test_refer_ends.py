"""Every end of a REFER, on a real server: who answered it, and what nobody has seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
import pytest_asyncio

from livetransfer.control import Referred
from livetransfer.errors import ReferFailed
from livetransfer.status import TransferStatus
from tests.e2e.behaviour import OnRefer
from tests.e2e.stack import Stack, server_version

from .livekit_rig import LiveKitRig

ENDS_WITH_THE_CALL = (1, 13)
"""From here on a server says success where the phone hangs up with no final NOTIFY."""


@pytest_asyncio.fixture
async def rig(stack: Stack) -> AsyncIterator[LiveKitRig]:
    async with aclosing(await LiveKitRig(stack).open()) as opened:
        yield opened


async def refer(rig: LiveKitRig, script: OnRefer) -> Referred:
    rig.caller_phone.on_refer = rig.caller_call.on_refer = script
    return await rig.control.refer(rig.control.caller, rig.refer_target, headers={}, timeout=4.0)


@pytest.mark.parametrize(
    ("script", "status", "code", "by_target"),
    [
        (OnRefer(603), TransferStatus.DECLINED, 603, False),
        (OnRefer(486), TransferStatus.BUSY, 486, False),
        (OnRefer(notify=(100, 603)), TransferStatus.DECLINED, 603, True),
        (OnRefer(notify=(100, 486)), TransferStatus.BUSY, 486, True),
        (OnRefer(notify=(100, 404)), TransferStatus.INVALID_DESTINATION, 404, True),
    ],
    ids=["603", "486", "NOTIFY 603", "NOTIFY 486", "NOTIFY 404"],
)
async def test_the_targets_answer_is_told_from_a_refusal(
    rig: LiveKitRig, script: OnRefer, status: TransferStatus, code: int, by_target: bool
) -> None:
    with pytest.raises(ReferFailed) as caught:
        await refer(rig, script)
    found = caught.value
    assert (found.status, found.sip_code, found.target_reached) == (status, code, by_target)
    assert not found.indeterminate
    assert rig.control.caller_present


@pytest.mark.parametrize("bye", [None, 0.3])
async def test_a_leg_that_stays_until_the_answer_is_confirmed(
    rig: LiveKitRig, bye: float | None
) -> None:
    assert await refer(rig, OnRefer(notify=(100, 200), bye=bye)) == Referred(confirmed=True)


async def test_a_leg_that_leaves_with_no_final_word_is_not(rig: LiveKitRig) -> None:
    script = OnRefer(notify=(100,), bye=0.5)
    version = server_version()
    if version is not None and version < ENDS_WITH_THE_CALL:
        with pytest.raises(ReferFailed) as caught:
            await refer(rig, script)
        assert caught.value.indeterminate
    else:
        assert not (await refer(rig, script)).confirmed
