"""Makes the recording that the page shows from the record of a real call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from livetransfer.record import TransferRecord
from livetransfer.record.model import PhonePart

from .lines import RATE, Samples, Who
from .recording import Heard, Moment, Recording, Source, Span, Stage, Table, Utterance

__all__ = ["name_of", "recording_of", "summary_of", "took"]

NOTES = {
    "announcing": "the AI says what is about to happen",
    "holding": "the caller hears music",
    "waiting": "nobody is free: the caller waits in a queue",
    "dialling": "the phone is dialled",
    "ringing": "the phone rings",
    "briefing": "the human hears why, and decides; the caller hears none of it",
    "bridging": "the two are joined",
    "bridged": "they talk; the AI neither speaks nor listens",
    "referring": "the caller's phone system is asked to send the call on (SIP REFER)",
}
ON_HOLD = ("holding", "waiting", "dialling", "ringing", "briefing", "referring")
SAID_IN = 0.065
"""Seconds that a character takes to be said, about: a record has no end of a sentence."""
ABOUT = (
    "Made from the record of this transfer. It has the beginning of each sentence of the briefing, "
    "and not how long it took: that is estimated. "
)
WITH_AUDIO = "The recordings are those that were given."
WITHOUT_AUDIO = (
    "No recordings were given: what is drawn under “hears” is what each could hear, at no "
    "particular loudness."
)
NOT_KEPT = "(words were not kept)"


def _title(record: TransferRecord) -> str:
    if record.kind == "callback":
        return f"A callback to {name_of(record)}"
    return f"A {record.kind or ''} transfer to {name_of(record)}".replace("  ", " ")


def recording_of(
    record: TransferRecord, audio: Mapping[Who, Samples], *, number: str = ""
) -> Recording:
    """Return what the page shows of `record`.

    Args:
        record: The record.
        audio: What each heard, as far as there are recordings, from the beginning of the transfer.
        number: Which of several it is.
    """
    seconds = max(took(record), *(len(samples) / RATE for samples in audio.values()), 1.0)
    stages = _stages(record, seconds)
    return Recording(
        title=_title(record),
        seconds=seconds,
        stages=stages,
        said=_said(record, seconds),
        moments=_moments(record),
        heard=_heard(record, stages),
        present={
            "caller": [Span(0.0, seconds)],
            "human": [*_on_the_phone(record, seconds)],
            "ai": [Span(0.0, seconds)],
        },
        listening={
            "caller": [Span(s.start, s.end) for s in stages if s.name == "announcing"],
            "human": [Span(s.start, s.end) for s in stages if s.name == "briefing"],
        },
        audio=audio,
        told=summary_of(record),
        figures=_figures(record),
        about=ABOUT + (WITH_AUDIO if audio else WITHOUT_AUDIO),
        kicker=f"livetransfer, {record.began:%Y-%m-%d %H:%M:%S} UTC{number}",
        human=name_of(record),
        tables=_tables(record),
    )


def took(record: TransferRecord) -> float:
    """Return how long it took in all, in seconds, as far as it is known."""
    if record.ended is not None:
        return (record.ended - record.began).total_seconds()
    times = [phase.at + (phase.seconds or 0.0) for phase in record.phases]
    if record.outcome is not None:
        times.append(float(record.outcome.get("timings", {}).get("total", 0.0)))
    return max(times, default=0.0)


def name_of(record: TransferRecord) -> str:
    """Return whom the transfer was for, or got to."""
    destination = (record.outcome or {}).get("destination")
    phones = [phone for attempt in record.attempts for phone in attempt.phones]
    destination = destination or (phones[-1].destination if phones else None)
    return _label(destination) or record.department or "nobody"


def summary_of(record: TransferRecord) -> str:
    """Return what happened, in a few sentences."""
    if record.state == "running":
        text = "The end of this transfer is not known: it goes on, or its worker has died."
    else:
        status = str((record.outcome or {}).get("status", "unknown")).replace("_", " ")
        text = {
            "bridged": f"The caller and {name_of(record)} were joined.",
            "referred": f"The caller was sent on to {name_of(record)}.",
        }.get(status, f"It ended as {status}.")
        if record.outcome and record.outcome.get("reason"):
            text = f"It ended as {status}: {record.outcome['reason']}."
        if record.end is not None and record.end.seconds:
            text += f" The two talked for {record.end.seconds:.1f} s; {_left(record.end.by)}."
    if record.hold_seconds:
        text += f" The caller was on hold for {record.hold_seconds:.1f} s."
    return text


def _left(by: str) -> str:
    return {
        "caller": "the caller hung up",
        "human": "the human hung up",
        "lost": "the connection was lost",
    }.get(by, "nobody watched the end")


def _label(destination: Mapping[str, object] | None) -> str | None:
    if destination is None:
        return None
    return str(destination.get("name") or destination.get("address") or "") or None


def _figures(record: TransferRecord) -> list[tuple[str, str]]:
    outcome = record.outcome or {}
    found = [("outcome", str(outcome.get("status") or record.state).replace("_", " "))]
    if outcome.get("sip_code") is not None:
        found.append(
            ("SIP answer", f"{outcome['sip_code']} {outcome.get('sip_reason') or ''}".strip())
        )
    found.append(("attempts", str(len(record.attempts))))
    if record.hold_seconds:
        found.append(("the caller was on hold", f"{record.hold_seconds:.1f} s"))
    silences = [h.longest_silence for h in record.hold if h.longest_silence is not None]
    if silences:
        found.append(("longest silence on hold", f"{max(silences):.2f} s"))
    waited = sum(wait.seconds or 0.0 for wait in record.queue)
    if waited:
        found.append(("waited in a queue", f"{waited:.1f} s"))
    if record.end is not None and record.end.seconds:
        found.append(("caller and human talked", f"{record.end.seconds:.1f} s"))
    return found


def _stages(record: TransferRecord, seconds: float) -> list[Stage]:
    found = []
    for phase in record.phases:
        until = seconds if phase.seconds is None else phase.at + phase.seconds
        if phase.name in NOTES and until > phase.at:
            found.append(Stage(phase.at, min(until, seconds), phase.name, NOTES[phase.name]))
    returned = next((p.at for p in record.phases if p.name == "returned"), None)
    if returned is not None and seconds - returned > 0.05:
        note = "the AI goes on with the caller"
        found.append(Stage(returned, seconds, "back with the AI", note))
    return found


def _said(record: TransferRecord, seconds: float) -> list[Utterance]:
    found = []
    for briefing in record.briefings:
        lines = briefing.said
        nexts = [line.at for line in lines[1:]] + [max(briefing.ended, lines[-1].at + 0.3)] * bool(
            lines
        )
        for line, until in zip(lines, nexts, strict=False):
            text = line.text or NOT_KEPT
            end = min(line.at + max(0.6, SAID_IN * len(text)), max(until, line.at + 0.2), seconds)
            who: Who = "human" if line.by == "human" else "ai"
            to: tuple[Who, ...] = ("ai",) if who == "human" else ("human",)
            found.append(Utterance(line.at, end, who, to, text))
    for hold in record.hold:
        for heard in hold.heard:
            if heard.what == "comfort" and heard.text:
                end = min(heard.at + max(0.6, SAID_IN * len(heard.text)), seconds)
                found.append(Utterance(heard.at, end, "ai", ("caller",), heard.text))
    return sorted(found, key=lambda said: said.start)


def _phones(record: TransferRecord) -> Iterable[PhonePart]:
    return (phone for attempt in record.attempts for phone in attempt.phones)


def _moments(record: TransferRecord) -> list[Moment]:
    found = []
    for phone in _phones(record):
        who = _label(phone.destination) or "a phone"
        if phone.rang is not None:
            found.append(Moment(phone.rang, f"{who}: the phone rings"))
        if phone.answered is not None:
            by = f", by {phone.answered_by}" if phone.answered_by not in (None, "unknown") else ""
            found.append(Moment(phone.answered, f"{who}: answered{by}"))
        if phone.ended is not None and phone.status != "bridged":
            found.append(Moment(phone.ended, f"{who}: {_became(phone)}"))
    for wait in record.queue:
        place = f", place {wait.positions[0]}" if wait.positions and wait.positions[0] else ""
        found.append(Moment(wait.at, f"the caller waits in the queue {wait.queue or ''}{place}"))
    for attempt in record.attempts:
        if attempt.decision is not None:
            action = attempt.decision.action.replace("_", " ")
            at = attempt.at if attempt.ended is None else attempt.ended
            why = f" ({attempt.decision.reason})" if attempt.decision.reason else ""
            found.append(Moment(at, f"the fallback says: {action}{why}"))
    for note in record.notes:
        found.append(Moment(note.at, f"{note.kind.replace('_', ' ')}: {note.text}"))
    if record.end is not None:
        found.append(Moment(record.end.at, _left(record.end.by)))
    return sorted(found, key=lambda moment: moment.at)


def _became(phone: PhonePart) -> str:
    text = (phone.status or "unknown").replace("_", " ")
    if phone.sip_code is not None:
        text += f" ({phone.sip_code} {phone.sip_reason or ''})".replace(" )", ")")
    return text


def _heard(record: TransferRecord, stages: Sequence[Stage]) -> dict[Who, list[Heard]]:
    """Return whom each could hear: a record has no sound."""

    def when(names: Sequence[str], source: Source) -> list[Heard]:
        return [Heard(s.start, s.end, source) for s in stages if s.name in names]

    music = [
        Heard(hold.at, hold.at + hold.seconds, "music")
        for hold in record.hold
        if hold.seconds and any(heard.what == "music" for heard in hold.heard)
    ] or when(ON_HOLD, "music")
    joined: tuple[str, ...] = ("bridged",)
    return {
        "caller": [
            *when(("announcing", "back with the AI"), "ai"),
            *music,
            *when(joined, "human"),
        ],
        "ai": [*when(("back with the AI",), "caller"), *when(("briefing",), "human")],
        "human": [*when(("briefing",), "ai"), *when(joined, "caller")],
    }


def _on_the_phone(record: TransferRecord, seconds: float) -> Iterable[Span]:
    for phone in _phones(record):
        start = phone.answered if phone.answered is not None else phone.joined
        if start is not None:
            yield Span(start, seconds if phone.ended is None else min(phone.ended, seconds))


def _tables(record: TransferRecord) -> list[Table]:
    rows: list[list[str | float]] = []
    for attempt in record.attempts:
        for phone in attempt.phones:
            began = attempt.at if phone.dialled is None else phone.dialled
            ring = "" if phone.ring is None else f"{phone.ring:.1f} s"
            talk = "" if phone.talk is None else f"{phone.talk:.1f} s"
            rows.append(
                [
                    float(began),
                    str(attempt.number),
                    _label(phone.destination) or "",
                    _became(phone) if phone.status else "not rung",
                    ring,
                    talk,
                    phone.call_id or "",
                ]
            )
    found = []
    if rows:
        heads = ("At", "Attempt", "Whom", "What became of it", "Rang", "Talked", "SIP Call-ID")
        found.append(Table("The phones", heads, rows))
    usage = [
        [use.get("type", ""), use.get("model", ""), _counts(use)]
        for briefing in record.briefings
        for use in briefing.usage
    ]
    if usage:
        found.append(Table("What the briefing has used", ("Kind", "Model", "How much"), usage))
    call = record.call
    facts = [
        ("record", record.id),
        ("the record before it in this call", record.previous),
        ("caller", call.number or call.caller),
        ("SIP Call-ID of the caller", call.call_id),
        ("room", call.room),
        ("job", call.job),
        ("summary", record.summary),
        *((f"{name}", version) for name, version in record.software.items()),
    ]
    rows = [[what, value] for what, value in facts if value]
    return [*found, Table("The call", ("What", ""), rows)]


def _counts(use: Mapping[str, object]) -> str:
    return ", ".join(
        f"{value:g} {key.replace('_', ' ')}"
        for key, value in use.items()
        if isinstance(value, (int, float)) and value
    )
