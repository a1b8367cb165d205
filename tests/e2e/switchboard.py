"""Calls that are to be transferred: a caller, an agent with a plan, and the phones of the humans.

call = await switchboard.call([Answer(after=1)], options={"after": "return"})
await call.ask()
human = await call.human()
await human.hears(cast.BRIEFING, PATIENCE)
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema

from livetransfer.record import published_schema

from . import cast, tones
from .backoffice import Backoffice
from .behaviour import OnRefer, Script
from .call import Call
from .phone import Phone
from .stack import Stack
from .worker import Report, Worker

SPOKEN = 0.6
"""Seconds for which a phone says a sentence."""

PATIENCE = 25.0
"""Seconds to wait for what has no deadline of its own: on a busy machine everything is slow."""

_STEP = 0.01
_numbers = count(1)


class Reports:
    """What the jobs of a worker report, read as it is written and kept by call."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._of: dict[str, list[Report]] = {}
        self._read = self._checked = 0
        self._schema = jsonschema.Draft202012Validator(published_schema())
        self._records: list[dict[str, Any]] = []

    def of(self, call: str) -> list[Report]:
        """What was reported of a call so far."""
        with self.worker.reports_path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                found = Report(**json.loads(line))
                self._of.setdefault(str(found.fields.get("call")), []).append(found)
                if found.kind == "record":
                    self._records.append(dict(found.fields["record"]))
        return self._of.get(call, [])

    def check_records(self) -> None:
        """See that every record of a transfer that is new here is as the published schema says."""
        self.of("")
        new, self._checked = self._records[self._checked :], len(self._records)
        for record in new:
            self._schema.validate(record)
            assert record["state"] == "ended"
            assert "155501" not in json.dumps(record), "a number was recorded"


@contextmanager
def transfer_reports(stack: Stack, folder: Path) -> Iterator[Reports]:
    """A worker whose agent transfers callers, and what its jobs report."""
    worker = Worker(stack, f"{__package__}.transfer_agent", "transfer", folder)
    worker.start()
    yield Reports(worker)
    worker.stop()


class TransferCall:
    """One caller's call and the phones that it may be transferred to."""

    def __init__(
        self,
        name: str,
        reports: Reports,
        office: Backoffice,
        caller: Call,
        phones: Sequence[Phone],
        *,
        targets: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.name, self.targets = name, list(targets)
        self.caller = caller
        self.phones = list(phones)
        self._reports, self._office = reports, office

    # What the agent's job reports.

    def reported(self, kind: str, **fields: object) -> list[Report]:
        """What was reported so far of a kind, with these values."""
        return [
            each
            for each in self._reports.of(self.name)
            if each.kind == kind and fields.items() <= each.fields.items()
        ]

    async def told(
        self, kind: str, within: float = PATIENCE, nth: int = 1, **fields: object
    ) -> Report:
        """Wait for the nth report of a kind with these values, past or to come."""
        give_up = time.monotonic() + within
        while len(found := self.reported(kind, **fields)) < nth:
            if time.monotonic() > give_up:
                so_far = [f"{each.kind} {each.fields}" for each in self._reports.of(self.name)]
                raise TimeoutError(
                    f"no report {kind!r} {fields} within {within} s; so far:\n"
                    + "\n".join(so_far)
                    + f"\n{self._reports.worker.tail()}"
                )
            await asyncio.sleep(_STEP)
        return found[nth - 1]

    async def outcome(self, nth: int = 1, within: float = PATIENCE) -> dict[str, Any]:
        """Wait for the outcome of the nth transfer."""
        return (await self.told("outcome", within, nth)).fields

    async def phase(self, new: str, within: float = PATIENCE, nth: int = 1) -> float:
        """Wait until a phase was entered; when that was."""
        return (await self.told("phase", within, nth, new=new)).at

    # What the parties do.

    async def greeted(self) -> None:
        """Wait until the AI has greeted the caller: before that it does not listen."""
        await self.caller.hears(cast.GREETING, PATIENCE)
        await self.told("greeted")
        await self.caller.stops_hearing(cast.GREETING, PATIENCE)

    async def ask(self) -> None:
        """The caller asks for a person."""
        await self.caller.say(tones.tone(cast.ASK, SPOKEN))

    async def human(self, index: int = 0, within: float = PATIENCE) -> Call:
        """The call that a human's phone gets."""
        return await self.phones[index].next_call(within)

    async def briefed(self, human: Call, answer: int = cast.YES, after: float = 0.3) -> None:
        """The human hears the briefing for a moment, then says yes or no into it."""
        await human.hears(cast.BRIEFING, PATIENCE)
        await asyncio.sleep(after)
        await human.say(tones.tone(answer, SPOKEN))

    async def joined(self, human: Call, *, voice: int = cast.HUMAN) -> None:
        """Both hear each other, and no AI."""
        self.caller.tone(cast.CALLER)
        human.tone(voice)
        await asyncio.gather(self.caller.hears(voice, PATIENCE), human.hears(cast.CALLER, PATIENCE))

    async def handed_over(self, human: Call) -> float:
        """Both hear each other and the music has faded under it; since when there is no AI."""
        await self.joined(human)
        talking = time.monotonic()
        faded = await self.caller.stops_hearing(cast.MUSIC, PATIENCE)
        assert faded - talking < 1.0
        return max(talking, faded)

    async def served_again(self) -> None:
        """The AI hears the caller and answers: the session works."""
        self.caller.quiet()
        answered = asyncio.ensure_future(self.caller.hears(cast.ANSWER, PATIENCE))
        await self.caller.say(tones.tone(cast.ACCOUNT, SPOKEN))
        await answered

    # How it stands.

    async def room(self) -> dict[str, int]:
        """Who is in the call's room, each with the number of its tracks."""
        started = await self.told("started")
        tracks = await self._office.tracks(started.fields["room"])
        return {identity: len(published) for identity, published in tracks.items()}

    async def delete_room(self) -> None:
        """Delete the call's room, as an application's own code may."""
        await self._office.delete_room((await self.told("started")).fields["room"])

    def log(self) -> str:
        """What the worker has logged so far, of all its calls."""
        return self._reports.worker.text()

    async def only_caller_and_agent(self, within: float = PATIENCE) -> None:
        """Wait until nobody else is in the room, and nothing but their voices."""
        give_up = time.monotonic() + within
        while True:
            room = await self.room()
            if sorted(room.values()) == [1, 1] and sum(i.startswith("agent-") for i in room) == 1:
                return
            assert time.monotonic() < give_up, f"left behind: {room}"
            await asyncio.sleep(0.05)

    def requests_after(self, moment: float) -> list[Report]:
        """The requests to the language model after a moment."""
        return [each for each in self.reported("llm") if each.at > moment]


class Switchboard:
    """Makes calls to the agent of a worker, each with a line, a plan and phones of its own."""

    def __init__(
        self,
        stack: Stack,
        office: Backoffice,
        reports: Reports,
        exits: AsyncExitStack,
    ) -> None:
        self._stack, self._office, self._reports = stack, office, reports
        self._exits = exits

    async def call(
        self,
        humans: Sequence[Script],
        *,
        kind: str = "warm",
        options: Mapping[str, Any] | None = None,
        transfers: Sequence[Mapping[str, Any]] | None = None,
        destination: Mapping[str, Any] | None = None,
        on_refer: OnRefer | None = None,
        team: Mapping[str, Any] | None = None,
        phones_of: TransferCall | None = None,
    ) -> TransferCall:
        """Place a call; return once the AI has greeted.

        Args:
            humans: What the phones do that may be dialled, in the order of the destinations.
            kind: "warm" or "cold", for a plan of one transfer.
            options: Keywords of that transfer.
            transfers: A plan of several: kind and options each, and `to`, indices of `humans`.
            destination: Keywords of every destination.
            on_refer: What the caller's phone does with a REFER.
            team: That the phones are the members of a team, its folder and options.
            phones_of: A call whose phones may be dialled for this one too.
        """
        name = f"call{next(_numbers)}"
        if phones_of is not None:
            phones, targets = phones_of.phones, phones_of.targets
        else:
            phones = [await self._phone(behaviour) for behaviour in humans]
            trunks = [await self._office.trunk(phone.address) for phone in phones]
            targets = [
                {"address": f"+1555010{index:04d}", "trunk_id": trunk, **(destination or {})}
                for index, trunk in enumerate(trunks)
            ] or [dict(destination or {})]
        steps = transfers or [{"kind": kind, "options": dict(options or {})}]
        if team is not None:
            steps = [{**step, "team": dict(team)} for step in steps]
        plan = [
            {**step, "to": [targets[i] for i in step.get("to", range(len(targets)))]}
            for step in steps
        ]
        number = f"+1555020{next(_numbers):04d}"
        metadata = json.dumps({"call": name, "transfers": plan})
        await self._office.line(number, self._reports.worker.agent_name, metadata=metadata)
        phone = await self._phone(None, on_refer)
        caller = phone.dial(self._stack.uri(number), "+15550001")
        call = TransferCall(name, self._reports, self._office, caller, phones, targets=targets)
        await call.greeted()
        return call

    async def _phone(self, behaviour: Script | None, on_refer: OnRefer | None = None) -> Phone:
        made = await Phone.open(self._stack.phone_ip, behaviour=behaviour, on_refer=on_refer)
        return await self._exits.enter_async_context(made)
