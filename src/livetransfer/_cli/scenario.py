"""The six calls that the demo can make: what is transferred to whom, and who does what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from livetransfer import ColdTransfer, Destination, TransferEvent, WarmTransfer
from livetransfer.testing import HangUp, Human, Refer, Say, Step, Wait, WaitForBridge, WaitForSpeech

from .agent import Briefing
from .lines import lines

__all__ = ["BILLING", "SCENARIOS", "Call", "Scenario", "Tell"]

BILLING = Destination("+15550100", name="billing")
Tell = Callable[[TransferEvent], None]


class Call(Protocol):
    """What a caller can do."""

    async def says(self, name: str) -> None:
        """Say a line, to its end."""

    async def after(self, name: str, pause: float = 0.5) -> None:
        """Wait until somebody has said a line, and for `pause` seconds more."""

    def hang_up(self) -> None:
        """Leave the call."""


@dataclass(frozen=True)
class Scenario:
    """One call.

    Attributes:
        name: What it is called on the command line.
        title: What it shows.
        human: What happens at the other phone.
        caller: What the caller does.
        transfer: Makes the transfer that the agent runs.
        refer: What the caller's phone system does with a REFER.
    """

    name: str
    title: str
    human: Callable[[], Human]
    caller: Callable[[Call], Awaitable[None]]
    transfer: Callable[[Tell], WarmTransfer | ColdTransfer]
    refer: Refer = "accepts"


def _warm(tell: Tell, *, ring_timeout: float = 30.0) -> WarmTransfer:
    return WarmTransfer(
        BILLING,
        announcement=lines()["ai.announce"].text,
        ring_timeout=ring_timeout,
        briefing=Briefing,
        on_event=tell,
    )


def _cold(tell: Tell) -> ColdTransfer:
    return ColdTransfer(BILLING, announcement=lines()["ai.announce_cold"].text, on_event=tell)


def _impatient(tell: Tell) -> WarmTransfer:
    return _warm(tell, ring_timeout=12.0)


def _say(name: str) -> Say:
    line = lines()[name]
    return Say(line.text, audio=line.samples)


def _listen_to(name: str, pause: float = 0.6) -> Wait:
    """Wait while the caller, who begins 0.5 s after us, says a line."""
    return Wait(0.5 + lines()[name].seconds + pause)


_ASKED: Sequence[Step] = (WaitForSpeech(timeout=3.0), Wait(0.4))


def _accepts() -> Human:
    script = (
        *_ASKED,
        _say("human.which_order"),
        *_ASKED,
        _say("human.accept"),
        WaitForBridge(),
        Wait(0.4),
        _say("human.hello"),
        _listen_to("caller.thanks"),
        _say("human.bye"),
        _listen_to("caller.bye", 0.8),
        HangUp(),
    )
    return Human(ring=4.0, script=script)


def _answers() -> Human:
    script = (
        WaitForBridge(),
        Wait(0.4),
        _say("human.hello_cold"),
        _listen_to("caller.again"),
        _say("human.look_cold"),
        _listen_to("caller.thanks_cold", 0.8),
        HangUp(),
    )
    return Human(ring=3.0, script=script)


def _declines() -> Human:
    return Human(ring=4.0, script=(*_ASKED, _say("human.decline")))


def _voicemail() -> Human:
    return Human(ring=6.0, script=(Wait(0.4), _say("human.voicemail")))


async def _asks(call: Call) -> None:
    await call.after("ai.hello")
    await call.says("caller.problem")
    await call.after("ai.which_order")
    await call.says("caller.ask")


async def _talks(call: Call) -> None:
    await _asks(call)
    await call.after("human.hello")
    await call.says("caller.thanks")
    await call.after("human.bye")
    await call.says("caller.bye")


async def _tells_again(call: Call) -> None:
    await _asks(call)
    await call.after("human.hello_cold")
    await call.says("caller.again")
    await call.after("human.look_cold")
    await call.says("caller.thanks_cold")


def _leaves_a_message(apology: str) -> Callable[[Call], Awaitable[None]]:
    async def caller(call: Call) -> None:
        await _asks(call)
        await call.after(apology)
        await call.says("caller.message")
        await call.after("ai.noted", 0.8)
        call.hang_up()

    return caller


def _failed(name: str, title: str, human: Callable[[], Human], **more: Any) -> Scenario:
    apology = f"ai.sorry_{name.replace('-', '_')}"
    transfer = more.pop("transfer", _warm)
    return Scenario(name, title, human, _leaves_a_message(apology), transfer, **more)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("warm", "A warm transfer", _accepts, _talks, _warm),
        _failed("busy", "A warm transfer to a line that is busy", Human.busy),
        _failed(
            "no-answer",
            "A warm transfer that nobody answers",
            Human.no_answer,
            transfer=_impatient,
        ),
        _failed("voicemail", "A warm transfer that reaches a voicemail", _voicemail),
        _failed("declined", "A warm transfer that the human declines", _declines),
        Scenario("cold", "A cold transfer", _answers, _tells_again, _cold, refer="unsupported"),
    )
}
"""Every scenario, by its name."""
