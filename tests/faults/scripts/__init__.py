"""Scripts that broke a promise once, as they were shrunk; `test_kept` plays each."""

from __future__ import annotations

from livetransfer import Phase
from tests.faults.script import Script

KEPT: dict[str, Script] = {
    "the human leaves in the tick of the bridge": Script(
        events=(((Phase.BRIDGING, 0.005), "human hangs up"),)
    ),
}
