"""A caller who calls in again need not be called back, however the network writes his number."""

from __future__ import annotations

import pytest

from livetransfer.callback_request import CallbackStatus
from livetransfer.callbacks import MemoryCallbackStore, called_in

from .rigs import WallClock, promised


@pytest.mark.parametrize("written", ["+442079460000", "+44 20 7946 0000", "0044 20 7946 0000"])
async def test_he_is_known_by_his_number(written: str) -> None:
    ledger = MemoryCallbackStore(clock=WallClock())
    await ledger.add(promised(number="+442079460000"))
    (cancelled,) = await called_in(ledger, written)
    assert cancelled.status is CallbackStatus.CANCELLED


@pytest.mark.parametrize("written", [None, "", "anonymous", "sip:someone@example.com"])
async def test_who_has_none_cancels_nothing(written: str | None) -> None:
    ledger = MemoryCallbackStore(clock=WallClock())
    await ledger.add(promised(number="+442079460000"))
    assert not await called_in(ledger, written)
