"""The metrics of transfers, measured on the record of each."""

from __future__ import annotations

from opentelemetry.metrics import Counter, Histogram, Meter

from .model import TransferRecord

__all__ = ["Metrics"]

# Seconds: a phone rings for 5 to 30, a caller waits for up to some minutes.
_BUCKETS = (0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
# Seconds: half of one is heard as a hole.
_SILENCES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10)


class Metrics:
    """The instruments.

    Args:
        meter: Makes them.
    """

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, what: str, buckets: tuple[float, ...] = _BUCKETS) -> Histogram:
            return meter.create_histogram(
                f"livetransfer.{name}",
                unit="s",
                description=what,
                explicit_bucket_boundaries_advisory=buckets,
            )

        def count(name: str, unit: str, what: str) -> Counter:
            return meter.create_counter(f"livetransfer.{name}", unit=unit, description=what)

        self._active = meter.create_up_down_counter(
            "livetransfer.active",
            unit="{transfer}",
            description="Transfers whose run, or call between caller and human, is under way.",
        )
        self._transfers = count("transfers", "{transfer}", "Transfers that are over.")
        self._attempts = count("attempts", "{attempt}", "Phones that were dialled.")
        self._refusals = count("refusals", "{refusal}", "Destinations that were refused.")
        self._failures = count("hook.failures", "{failure}", "Failures of an application's code.")
        self._phases = seconds("phase.duration", "Time in each phase.")
        self._hold = seconds("hold.duration", "Time on hold, of each transfer.")
        self._silence = seconds("hold.silence", "The longest silence on hold.", _SILENCES)
        self._queue = seconds("queue.wait", "Time in a queue.")
        self._ring = seconds("phone.ring", "Time that a phone rang.")
        self._talk = seconds("talk.duration", "Time that caller and human talked.")

    def began(self) -> None:
        """A transfer has begun."""
        self._active.add(1)

    def over(self) -> None:
        """It is over."""
        self._active.add(-1)

    def measure(self, record: TransferRecord) -> None:
        """Count a transfer that is over; the attributes have few values each."""
        kind = record.kind or "unknown"
        status = (record.outcome or {}).get("status", "unknown")
        self._transfers.add(1, {"kind": kind, "status": status})
        for phase in record.phases:
            if phase.seconds is not None and phase.name not in ("returned", "ended"):
                self._phases.record(phase.seconds, {"phase": phase.name, "kind": kind})
        if record.hold_seconds:
            self._hold.record(record.hold_seconds, {"kind": kind, "status": status})
        for hold in record.hold:
            if hold.longest_silence is not None:
                self._silence.record(hold.longest_silence)
        for wait in record.queue:
            if wait.seconds is not None:
                self._queue.record(wait.seconds, {"queue": wait.queue or ""})
        for attempt in record.attempts:
            for phone in attempt.phones:
                if phone.status is None:
                    continue
                labels: dict[str, str | int] = {"status": phone.status}
                if phone.sip_code is not None:
                    labels["sip.response.status_code"] = phone.sip_code
                self._attempts.add(1, labels)
                if phone.ring is not None:
                    self._ring.record(phone.ring, {"status": phone.status})
        # In a callback the human's transfer tells how long the two talked.
        if record.end is not None and status == "bridged" and kind != "callback":
            self._talk.record(record.end.seconds, {"kind": kind})
        for note in record.notes:
            if note.kind == "refused":
                self._refusals.add(1)
            elif note.kind == "hook":
                self._failures.add(1, {"hook": note.text.split(" ", 1)[0]})
