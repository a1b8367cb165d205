"""What a simulation does not know, it refuses: a wrong word must not mean the default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livetransfer import ConfigurationError
from livetransfer.testing import (
    Faults,
    Human,
    Latency,
    Press,
    Say,
    Wait,
    WaitForSpeech,
    Web,
    simulate,
)

ANN = "+15550100"


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("refer", {"refer": "declines"}),
        ("refer", {"refer": None}),
        ("bridge", {"bridge": "bogus"}),
        ("bridge", {"bridge": "auto"}),
        ("queue", {"queue": 0}),
        ("queue", {"queue": "1"}),
        ("caller", {"caller": ""}),
        ("caller", {"caller": None}),
        ("others", {"others": "+15550177"}),
        ("others", {"others": [""]}),
        ("others", {"others": [Web()]}),
        ("others", {"others": ["+15550177", "+15550177"]}),
        ("humans", {"humans": {"the boss": Human.busy()}}),
        ("humans", {"humans": {15550100: Human.busy()}}),
        (f"humans[{ANN!r}]", {"humans": {ANN: "busy"}}),
        (f"humans[{ANN!r}]", {"humans": {ANN: []}}),
        (f"humans[{ANN!r}]", {"humans": {ANN: [Human.busy(), None]}}),
    ],
)
async def test_simulate(field: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with simulate(**options):
            pass
    assert caught.value.field == field
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("by", lambda: Human.accepts(by="telepathy")),  # type: ignore[arg-type]
        ("by", lambda: Human.declines(by="keys")),  # type: ignore[arg-type]
        ("code", lambda: Human.rejects(200)),
        ("code", lambda: Human.rejects("603")),  # type: ignore[arg-type]
        ("ring", lambda: Human.silent(-1)),
        ("ring", lambda: Human(float("nan"))),
        ("script", lambda: Human(1, ["hello"])),  # type: ignore[list-item]
        ("script", lambda: Human.accepts(then=[Wait])),  # type: ignore[list-item]
        ("digits", lambda: Press("1w")),
        ("digits", lambda: Press("")),
        ("digits", lambda: Press(1)),  # type: ignore[arg-type]
        ("seconds", lambda: Wait(-1)),
        ("seconds", lambda: Wait("1")),  # type: ignore[arg-type]
        ("seconds", lambda: Say("Hello", seconds=-1)),
        ("text", lambda: Say(None)),  # type: ignore[arg-type]
        ("rate", lambda: Say("Hello", rate=0)),
        ("timeout", lambda: WaitForSpeech(timeout=-1)),
        ("pause", lambda: WaitForSpeech(pause=-1)),
        ("identity", lambda: Web("")),
        ("rpc", lambda: Latency(rpc=-1)),
        ("dial_setup", lambda: Latency(dial_setup=None)),  # type: ignore[arg-type]
    ],
)
def test_scripts(field: str, make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert caught.value.field == field


async def test_what_is_changed_later() -> None:
    async with simulate({ANN: Human.busy()}) as call:
        with pytest.raises(ConfigurationError, match="refer='maybe'"):
            call.refer = "maybe"  # type: ignore[assignment]
        assert call.refer == "accepts"
        call.refer = "busy"
        with pytest.raises(ConfigurationError, match="humans"):
            call.human(ANN).scripts = ["busy"]  # type: ignore[list-item]
        with pytest.raises(ConfigurationError, match="digits"):
            call.caller.press("x")


@pytest.mark.parametrize(
    ("field", "act"),
    [
        ("seconds", lambda faults: faults.delay("dial", -1)),
        ("by", lambda faults: faults.late("dial", by=-1)),
        ("after", lambda faults: faults.fail("dial", ValueError(), after=-1)),
        ("times", lambda faults: faults.never("dial", times=0)),
        ("error", lambda faults: faults.fail("dial", "busy")),
        ("error", lambda faults: faults.late("dial", "busy")),
    ],
)
def test_faults(field: str, act: Callable[[Faults], None]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        act(Faults())
    assert caught.value.field == field
