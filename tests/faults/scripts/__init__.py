"""Scripts that broke a promise once, as they were shrunk; `test_kept` plays each."""

from __future__ import annotations

from livetransfer import Phase
from tests.faults.script import Script

KEPT: dict[str, Script] = {
    "the human leaves in the tick of the bridge": Script(
        events=(((Phase.BRIDGING, 0.005), "human hangs up"),)
    ),
    "the caller leaves in the tick of the acceptance": Script(
        events=(((Phase.BRIDGING, 0.0), "caller hangs up"),)
    ),
    "both leave in the tick of the bridge": Script(
        after="return",
        events=(
            ((Phase.BRIDGED, 0.0), "human hangs up"),
            ((Phase.BRIDGED, 0.0), "caller hangs up"),
        ),
    ),
    "the human hangs up at once and the dial says so late": Script(
        humans=("hangs up at once",), faults=(("dial", "late", 0.5, 1),)
    ),
    "a leg that cannot be hung up four times, and a job that ends": Script(
        faults=(("hang_up", "never", 0.0, 2), ("hang_up", "never", 0.0, 2)),
        options=frozenset({"conversation"}),
        humans=("asks, then accepts",),
    ),
    "a REFER with a dial tone that times out": Script(
        kind="cold", refer="times_out", options=frozenset({"dialtone"})
    ),
    "a goodbye that comes late": Script(
        fallback="hang up",
        faults=(("open_conversation", "never", 0.0, 1),),
        events=(((Phase.HOLDING, 0.0), "slow voice"),),
    ),
    "a referred caller, and a session that is drained": Script(
        kind="cold", faults=(("refer", "late", 2.0, 1),), events=((0.2, "session drained"),)
    ),
    "the exit key before the music has begun": Script(
        options=frozenset({"exit key"}), events=(((Phase.HOLDING, 0.0), "caller presses 0"),)
    ),
    "the exit key during an unclear REFER": Script(
        kind="cold", refer="times_out", events=(((Phase.REFERRING, 1.0), "caller presses 0"),)
    ),
    "a second transfer in the tail of the music": Script(
        humans=("busy",), events=(((Phase.RETURNED, 0.0), "second transfer"),)
    ),
    "a session that is drained while the human is briefed": Script(
        events=(((Phase.BRIEFING, 0.3), "session drained"),)
    ),
    "drained after the human has declined": Script(
        humans=("declines",), events=(((Phase.BRIEFING, 0.3), "session drained"),)
    ),
    "a caller who was to be hung up, and could not be": Script(
        kind="cold",
        refer="busy",
        fallback="hang up at once",
        faults=(("hang_up", "fail", 0.0, 1), ("hang_up", "never", 0.0, 2)),
    ),
}
