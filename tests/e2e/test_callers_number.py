"""What a real INVITE says of the caller: his number, a summary, and the Call-IDs of both legs."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from .behaviour import Answer, Behaviour, Reject
from .sip_messages import Message
from .switchboard import Switchboard

CALLER = "+15550001"


@pytest.mark.parametrize(
    "takes_it",
    [pytest.param(True, marks=pytest.mark.slow), False],  # the first dial of 403 is this one
    ids=["the trunk takes it", "403"],
)
async def test_the_callers_own_number_or_once_more_the_trunks(
    switchboard: Switchboard, takes_it: bool
) -> None:
    seen: list[str] = []

    def trunk(invite: Message) -> Behaviour:
        seen.append(invite.get("From"))
        if CALLER in invite.get("From") and not takes_it:
            return Reject(403, "Forbidden")
        return Answer(after=1.0)

    call = await switchboard.call(
        [trunk],
        destination={"caller_id": "caller", "summary_header": "X-Transfer-Summary"},
    )
    await call.ask()
    human = await call.human()
    if not takes_it:
        human = await call.human()
    await call.briefed(human)
    await call.joined(human)
    outcome = await call.outcome()
    assert [CALLER in each for each in seen] == ([True] if takes_it else [True, False])
    assert outcome["attempts"] == ["bridged"]
    assert human.invite is not None
    summary = unquote(human.invite.get("X-Transfer-Summary"))
    assert summary == "The caller asks about an invoice."
    assert outcome["human_call_id"] == human.call_id
    assert outcome["caller_call_id"] == call.caller.call_id
