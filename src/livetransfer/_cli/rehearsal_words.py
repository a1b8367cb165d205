"""What a rehearsed call comes to, in words and figures."""

from __future__ import annotations

from livetransfer.outcome import TransferOutcome

from .chart import duration
from .recording import Recording, Span

__all__ = ["ABOUT", "figures", "told"]

ABOUT = (
    "The transfer, the two AI sessions and the music player are the library's own code. The "
    "telephone network, the speech and the language model are simulated, with the delays of usual "
    "cloud models. The music is what a call gets by default."
)


def told(recording: Recording, outcome: TransferOutcome) -> str:
    """Return what happened, in two sentences."""
    joined, hold = recording.stage("bridged"), recording.hold
    if joined is not None:
        text = f"The caller and billing were joined, and talked for {joined.seconds:.1f} s."
    else:
        text = str(outcome).split(" The caller is on the line")[0]
    if hold is None:
        return text
    return (
        f"{text} The caller was on hold for {hold.seconds:.1f} s and heard music; the longest "
        f"silence was {recording.silence_on_hold:.2f} s."
    )


def figures(recording: Recording, outcome: TransferOutcome) -> list[tuple[str, str]]:
    """Return the numbers that sum it up."""
    found = [("outcome", outcome.status.value.replace("_", " "))]
    if outcome.sip_code is not None:
        found.append(("SIP answer", f"{outcome.sip_code} {outcome.sip_reason or ''}".strip()))
    if (hold := recording.hold) is not None:
        found.append(("the caller was on hold", f"{hold.seconds:.1f} s"))
        found.append(("longest silence on hold", f"{recording.silence_on_hold:.2f} s"))
    answered = next(iter(recording.present["human"]), None)
    first = next((s for s in recording.said if s.who == "ai" and "human" in s.to), None)
    if answered is not None and first is not None:
        found.append(("answer to first word", duration(Span(answered.start, first.start))))
    if (joined := recording.stage("bridged")) is not None:
        found.append(("caller and human talked", f"{joined.seconds:.1f} s"))
    return found
