"""Every sink keeps the same promises; and no call notices one that fails."""

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from livetransfer.errors import ConfigurationError
from livetransfer.privacy import Privacy
from livetransfer.record import (
    FunctionSink,
    JsonLinesSink,
    Records,
    RecordSink,
    SqlSink,
    TransferRecord,
    WebhookSink,
    read_record,
    read_records,
    signature,
)
from livetransfer.record.sinks.signed_post import LONGEST_WAIT, SEND_LIMIT, Answer, Posting
from livetransfer.record.sinks.unsent_spool import Spool
from livetransfer.testing import virtual_time

from .story import STORY, recorded

PRIVACY = Privacy()
SECRET = "a secret of enough bytes"
Read = Callable[[], Any]


class Receiver:
    """A server that takes records, or does not."""

    def __init__(self) -> None:
        self.status = 200
        self.refuses: set[str] = set()
        self.headers: dict[str, str] = {}
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        refused = request.headers["webhook-id"] in self.refuses
        return web.Response(status=422 if refused else self.status, headers=self.headers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Receiver"]:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"
        try:
            yield self
        finally:
            await runner.cleanup()


async def rows(sink: SqlSink) -> list[TransferRecord]:
    async with sink._engine.connect() as connection:
        found = await connection.execute(sink._table.select().order_by(sink._table.c.began))
        return [read_record(row.body) for row in found]


@asynccontextmanager
async def rig(kind: str, tmp_path: Path) -> AsyncIterator[tuple[RecordSink, Any]]:
    """A sink of one kind, and what reads what it has kept."""
    if kind == "file":
        path = tmp_path / "deep" / "records.jsonl"

        async def read() -> list[TransferRecord]:
            return read_records(path)

        yield JsonLinesSink(path), read
    elif kind == "sql":
        sql = SqlSink(f"sqlite+aiosqlite:///{tmp_path}/records.db")
        yield sql, lambda: rows(sql)
        await sql.aclose()
    elif kind == "webhook":
        async with Receiver().running() as receiver:
            hook = WebhookSink(receiver.url, SECRET, folder=tmp_path / "spool")

            async def posted() -> list[TransferRecord]:
                return [read_record(json.loads(body)) for _, body in receiver.got]

            yield hook, posted
            await hook.aclose()
    else:
        kept: dict[str, TransferRecord] = {}

        async def keep_it(record: TransferRecord) -> None:
            kept[record.id] = record

        def keep_it_now(record: TransferRecord) -> None:
            time.sleep(0.01)
            kept[record.id] = record

        async def held() -> list[TransferRecord]:
            return list(kept.values())

        yield FunctionSink(keep_it if kind == "async" else keep_it_now), held


KINDS = ["file", "sql", "webhook", "async", "plain"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sink_keeps_the_last_record_of_each_transfer(kind: str, tmp_path: Path) -> None:
    async with rig(kind, tmp_path) as (sink, read):
        assert isinstance(sink, RecordSink)
        records = Records(sink)
        for _ in range(3):
            recorder = records.begin(object())
            for event in STORY:
                recorder(event)
            await recorder.flush()
        found = await read()
        assert [record.state for record in found] == ["ended"] * 3
        assert len({record.id for record in found}) == 3
        assert found[-1] == recorder.record
        await sink.aclose()
        await sink.aclose()


@pytest.mark.parametrize("kind", ["file", "sql"])
async def test_there_is_a_record_from_the_start(kind: str, tmp_path: Path) -> None:
    async with rig(kind, tmp_path) as (sink, read):
        recorder = Records(sink).begin(object())
        recorder(STORY[0])
        await recorder.flush()
        (opened,) = await read()
        assert (opened.state, opened.call.number) == ("running", "…0123")
        for event in STORY[1:-1]:
            recorder(event)
        await recorder.flush()
        assert [record.state for record in await read()] == ["handed_over"]


async def test_what_one_sink_does_to_a_record_is_in_no_other() -> None:
    kept: list[TransferRecord] = []

    def mine(record: TransferRecord) -> None:
        kept.append(record)
        if record.outcome is not None:
            record.outcome["status"] = "mine"
            for phone in record.attempts[-1].phones:
                assert phone.destination is not None
                phone.destination["address"] = "mine"

    records = Records(FunctionSink(mine, takes_open_records=True))
    recorder = records.begin(object())
    for event in STORY:
        recorder(event)
        await records.flush()
    assert len(kept) == 3
    assert (recorder.record.outcome or {})["status"] == "bridged"
    assert "mine" not in str(recorder.record.attempts)


async def test_the_records_of_a_call_are_chained() -> None:
    class Call:
        pass

    call, other, records = Call(), Call(), Records()
    first, second, third = (records.begin(call).record for _ in range(3))
    assert (first.previous, first.number) == (None, 1)
    assert (second.previous, third.previous, third.number) == (first.id, second.id, 3)
    assert Records().begin(call).record.previous == third.id
    assert records.begin(other).record.previous is None
    assert records.begin("not weakly referenced").record.number == 1


# -- what goes wrong in a sink -----------------------------------------------------------------


class Broken:
    takes_open_records = True

    def __init__(self, how: str) -> None:
        self.how, self.tried = how, 0

    async def write(self, record: TransferRecord, privacy: Privacy) -> None:
        self.tried += 1
        if self.how == "raises":
            raise OSError(28, "No space left on device")
        if self.how == "exits":
            raise SystemExit
        if self.how == "cancels":
            raise asyncio.CancelledError
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        return


@pytest.mark.parametrize("how", ["raises", "exits", "cancels", "hangs"])
async def test_a_sink_that_fails_is_noticed_by_nobody(
    how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetransfer.record.delivery.WRITE_LIMIT", 0.1)
    broken = Broken(how)
    path = tmp_path / "records.jsonl"
    recorder = Records(broken, JsonLinesSink(path)).begin(object())
    began = time.monotonic()
    for event in STORY:
        recorder(event)
    assert time.monotonic() - began < 0.1
    await recorder.flush()
    assert broken.tried == 3
    assert read_records(path)[0].over
    assert "the record of a transfer could not be written" in caplog.text
    assert ("make room" if how == "raises" else "lk.pii.reason") in caplog.text
    assert "15550" not in caplog.text


async def test_a_plain_function_that_blocks_does_not_block_the_call() -> None:
    release = threading.Event()

    def blocks(record: TransferRecord) -> None:
        release.wait(5)

    recorder = Records(blocks).begin(object())
    for event in STORY:
        recorder(event)
    began = time.monotonic()
    await asyncio.sleep(0.05)
    assert time.monotonic() - began < 1.0
    await recorder.flush(limit=0.05)
    assert time.monotonic() - began < 1.0
    release.set()
    await recorder.flush()


def test_a_disk_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    code = (
        "import asyncio, threading\n"
        "from livetransfer.record import Records\n"
        "from tests.unit.record.story import STORY\n"
        "async def main():\n"
        "    recorder = Records(lambda record: threading.Event().wait()).begin(object())\n"
        "    [recorder(event) for event in STORY]\n"
        "    await recorder.flush(0.2)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        timeout=60,
        cwd=root,
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}:{root}"},
        check=False,
    )
    assert done.returncode == 0


async def test_an_event_that_cannot_be_folded_is_left_out(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Records().begin(object())
    monkeypatch.setattr("livetransfer.record.recorder.told", lambda *_: 1 / 0)
    recorder(STORY[0])
    assert "could not be recorded" in caplog.text


# -- the file ----------------------------------------------------------------------------------


async def test_the_file_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    sink = JsonLinesSink(path, max_bytes=30_000, keep=2)
    for number in range(30):
        record = recorded(STORY).model_copy(update={"id": f"r{number}"})
        await sink.write(record, PRIVACY)
    files = sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock")
    assert files == ["records.jsonl", "records.jsonl.1", "records.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 30_000 for name in files)
    assert any(record.id == "r29" for record in read_records(path))
    assert path.stat().st_mode & 0o077 == 0


async def test_what_is_too_old_goes(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    sink, privacy = JsonLinesSink(path), Privacy(retention=timedelta(days=10))
    now = datetime.now(timezone.utc)
    for days in (30, 5, 0):
        await sink.write(
            recorded(STORY).model_copy(
                update={"id": f"d{days}", "began": now - timedelta(days=days)}
            ),
            privacy,
        )
        old = time.time() - days * 24 * 3600
        os.utime(path, (old, old))
    kept = {
        r.id
        for f in tmp_path.glob("records.jsonl*")
        if f.suffix != ".lock"
        for r in read_records(f)
    }
    assert kept == {"d5", "d0"}


async def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(recorded(STORY).to_json()[:200])
    await JsonLinesSink(path).write(recorded(STORY), PRIVACY)
    assert [record.id for record in read_records(path)] == ["r1"]


def _writes(path: str, name: str) -> None:
    async def write() -> None:
        sink = JsonLinesSink(path, max_bytes=40_000, keep=50)
        for number in range(20):
            record = recorded(STORY).model_copy(update={"id": f"{name}{number}"})
            await sink.write(record, PRIVACY)

    asyncio.run(write())


def test_several_processes_write_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_writes, args=(str(path), name)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    found = {
        record.id
        for file in tmp_path.glob("records.jsonl*")
        if file.suffix != ".lock"
        for record in read_records(file)
    }
    assert found == {f"{name}{number}" for name in "abc" for number in range(20)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "records.jsonl"
    path.symlink_to("/dev/full")
    recorder = Records(JsonLinesSink(path)).begin(object())
    for event in STORY:
        recorder(event)
    await recorder.flush()
    assert caplog.text.count("could not be written: the disk is full; make room") == 3
    assert "No space left" in str(vars(caplog.records[-1])["lk.pii.reason"])


# -- the database ------------------------------------------------------------------------------


async def test_the_columns_say_what_is_asked_for_most(tmp_path: Path) -> None:
    async with rig("sql", tmp_path) as (sink, _):
        assert isinstance(sink, SqlSink)
        await sink.write(recorded(STORY), PRIVACY)
        async with sink._engine.connect() as connection:
            row = (await connection.execute(sink._table.select())).one()
    assert (row.id, row.state, row.status, row.kind) == ("r1", "ended", "bridged", "warm")
    assert row.hold_seconds == pytest.approx(14.1)


async def test_rows_that_are_too_old_go(tmp_path: Path) -> None:
    async with rig("sql", tmp_path) as (sink, read):
        old = recorded(STORY).model_copy(update={"id": "old"})
        await sink.write(old, Privacy(retention=timedelta(days=40_000)))
        assert isinstance(sink, SqlSink)
        sink._forgot = datetime.min.replace(tzinfo=timezone.utc)
        new = recorded(STORY).model_copy(update={"began": datetime.now(timezone.utc)})
        old_enough = datetime.now(timezone.utc) - old.began - timedelta(hours=1)
        if old_enough > timedelta(0):
            await sink.write(new, Privacy(retention=old_enough))
            assert [record.id for record in await read()] == ["r1"]


@pytest.mark.parametrize(
    ("database", "says"),
    [
        ("no url at all", "no address"),
        ("nosuchengine://x", "no address"),
        (3, "give an AsyncEngine"),
        ("postgresql+asyncpg://u:hunter2@h:port/x", "no address"),
    ],
)
def test_what_is_no_database(database: Any, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SqlSink(database)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        SqlSink("sqlite+aiosqlite://", table="a; drop table b")


def test_a_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    # SQLAlchemy 2.0, which Python 3.10 has, takes psycopg2 where none is named; 2.1 psycopg.
    for driver in ("asyncpg", "psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ConfigurationError, match=r"asyncpg is missing: .*livetransfer\[postgres\]"):
        SqlSink("postgresql+asyncpg://h/x")
    says = r"psycopg2? is missing: write postgresql\+asyncpg"
    with pytest.raises(ConfigurationError, match=says):
        SqlSink("postgresql://h/x")


async def test_a_database_that_is_away_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetransfer.record.sinks.sql.WAITS", (0.05, 0.05))
    async with rig("sql", tmp_path) as (sink, read):
        assert isinstance(sink, SqlSink)
        write, tried = sink._write, 0

        async def fails_twice(record: TransferRecord, privacy: Privacy) -> None:
            nonlocal tried
            tried += 1
            if tried < 3:
                raise ConnectionRefusedError
            await write(record, privacy)

        monkeypatch.setattr(sink, "_write", fails_twice)
        await sink.write(recorded(STORY), PRIVACY)
        assert len(await read()) == 1


async def test_postgresql(postgres: str) -> None:
    """Several processes make the table, and write, at the same time."""
    url = postgres.format(name="postgres")
    sinks = [SqlSink(url) for _ in range(4)]
    await asyncio.gather(
        *(
            sink.write(recorded(STORY[:3]).model_copy(update={"id": f"p{number}"}), PRIVACY)
            for number, sink in enumerate(sinks)
        )
    )
    await sinks[0].write(recorded(STORY).model_copy(update={"id": "p0"}), PRIVACY)
    found = {record.id: record.state for record in await rows(sinks[1])}
    assert found == {"p0": "ended", "p1": "running", "p2": "running", "p3": "running"}
    for sink in sinks:
        await sink.aclose()


# -- the webhook -------------------------------------------------------------------------------


async def test_a_webhook_is_signed(tmp_path: Path) -> None:
    async with Receiver().running() as receiver:
        sink = WebhookSink(
            receiver.url, SECRET, folder=tmp_path, headers={"authorization": "Bearer x"}
        )
        await sink.write(recorded(STORY), PRIVACY)
        ((headers, body),) = receiver.got
    assert headers["webhook-id"] == "r1"
    assert headers["authorization"] == "Bearer x"
    stamp = int(headers["webhook-timestamp"])
    assert abs(stamp - time.time()) < 60
    assert headers["webhook-signature"] == signature(SECRET, "r1", stamp, body)
    assert list(tmp_path.iterdir()) == []


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of their specification."""
    assert (
        signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


async def test_while_a_webhook_is_down_records_wait_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetransfer.record.sinks.signed_post.FIRST_WAIT", 0.05)
    async with Receiver().running() as receiver:
        receiver.status = 503
        sink = WebhookSink(receiver.url, SECRET, folder=tmp_path)
        for number in range(3):
            await sink.write(recorded(STORY).model_copy(update={"id": f"w{number}"}), PRIVACY)
        assert len(list(tmp_path.iterdir())) == 3
        assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())
        receiver.status, receiver.got = 200, []
        for _ in range(200):
            if len(receiver.got) == 3 and not list(tmp_path.iterdir()):
                break
            await asyncio.sleep(0.05)
        assert {headers["webhook-id"] for headers, _ in receiver.got} == {"w0", "w1", "w2"}
        assert list(tmp_path.iterdir()) == []
        await sink.aclose()


async def test_a_webhook_that_is_down_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[float, str]] = []
    async with virtual_time():
        began = (loop := asyncio.get_running_loop()).time()

        async def server(self: Posting, message_id: str, body: bytes, *, again: bool) -> Answer:
            await asyncio.sleep(SEND_LIMIT)
            asked.append((loop.time() - began, message_id))
            return Answer.LATER if loop.time() - began < 3600 else Answer.TAKEN

        monkeypatch.setattr(Posting, "_send_one", server)
        records = Records(WebhookSink("https://crm.example.com", SECRET, folder=tmp_path))
        ids = []
        for _ in range(60):
            recorder = records.begin(object())
            before = loop.time()
            for event in STORY:
                recorder(event)
            assert loop.time() == before, "no call waits for it"
            ids.append(recorder.record.id)
            await asyncio.sleep(60)
        assert len([each for each in tmp_path.iterdir() if each.is_file()]) == 60
        await asyncio.sleep(LONGEST_WAIT + 61 * SEND_LIMIT)
        await records.aclose()
    taken = [name for at, name in asked if at >= 3600]
    assert taken == ids, "all, once, in their order"
    assert len(asked) - len(taken) < 60 + 3600 / LONGEST_WAIT + 10, "it is not pestered"
    assert list(tmp_path.iterdir()) == []
    assert not caplog.records


async def test_what_a_process_has_left_the_next_one_sends(tmp_path: Path) -> None:
    async with Receiver().running() as receiver:
        gone = WebhookSink("http://127.0.0.1:1/hook", SECRET, folder=tmp_path)
        await gone.write(recorded(STORY), PRIVACY)
        await gone.aclose()
        # One that died while it sent.
        Spool(tmp_path).put("r2", recorded(STORY).to_json().encode())
        (tmp_path / "r2.json").rename(tmp_path / "r2.json.sending")
        os.utime(tmp_path / "r2.json.sending", (time.time() - 1000, time.time() - 1000))
        assert await WebhookSink(receiver.url, SECRET, folder=tmp_path).send()
        assert {headers["webhook-id"] for headers, _ in receiver.got} == {"r1", "r2"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", ["r2.json", "r2.json.sending", "r2.json.0123.sending"])
def test_what_two_processes_see_at_once_one_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    path = tmp_path / left
    path.write_bytes(b"{}")
    os.utime(path, (time.time() - 1000, time.time() - 1000))
    seen = list(Spool(tmp_path)._waiting(5000.0, 0.0))
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "_waiting", lambda *_: seen)
        taken = [*Spool(tmp_path).take(5000.0), *Spool(tmp_path).take(5000.0)]
    assert len(taken) == 1
    assert Spool(tmp_path).take(5000.0) == [], "it was taken just now"
    Spool(tmp_path).give_back(taken[0])
    assert [each.name for each in tmp_path.iterdir()] == ["r2.json"]


async def test_what_is_too_old_is_not_sent(tmp_path: Path) -> None:
    async with Receiver().running() as receiver:
        Spool(tmp_path).put("old", b"{}")
        os.utime(tmp_path / "old.json", (1, time.time() - 5000))
        sink = WebhookSink(receiver.url, SECRET, folder=tmp_path, keep_for=timedelta(hours=1))
        assert await sink.send()
        assert receiver.got == []
    assert list(tmp_path.iterdir()) == []


async def test_one_that_is_refused_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver().running() as receiver:
        receiver.refuses = {"w0", "w1"}
        for number in range(4):
            Spool(tmp_path).put(f"w{number}", b"{}")
            os.utime(tmp_path / f"w{number}.json", (number, time.time() - 100 + number))
        sink = WebhookSink(receiver.url, SECRET, folder=tmp_path)
        assert not await sink.send()
        assert [h["webhook-id"] for h, _ in receiver.got] == ["w0", "w1", "w2", "w3"]
        assert "set aside" in caplog.text
        aside = sorted(path.name for path in (tmp_path / "refused").iterdir())
        assert aside == ["w0.json", "w1.json"]
        # Not again at once, but after an hour, when somebody may have mended it.
        assert not await sink.send(), "all was not sent"
        assert len(receiver.got) == 4
        monkeypatch.setattr("livetransfer.record.sinks.signed_post.AGAIN", 0.0)
        receiver.refuses = {"w1"}
        assert not await sink.send()
        assert [path.name for path in (tmp_path / "refused").iterdir()] == ["w1.json"]
        receiver.refuses = set()
        assert await sink.send()
        assert list((tmp_path / "refused").iterdir()) == []
        assert len(receiver.got) == 7
    assert caplog.text.count("set aside") == 2, "each is told once"


async def test_what_was_refused_is_tried_again_without_another_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetransfer.record.sinks.signed_post.FIRST_WAIT", 0.05)
    monkeypatch.setattr("livetransfer.record.sinks.signed_post.LONGEST_WAIT", 0.05)
    monkeypatch.setattr("livetransfer.record.sinks.signed_post.AGAIN", 0.5)
    async with Receiver().running() as receiver:
        receiver.refuses = {"r1"}
        sink = WebhookSink(receiver.url, SECRET, folder=tmp_path)
        await sink.write(recorded(STORY), PRIVACY)
        receiver.refuses = set()
        for _ in range(200):
            if len(receiver.got) == 2:
                break
            await asyncio.sleep(0.05)
        assert len(receiver.got) == 2
        await sink.aclose()


async def test_one_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    async with Receiver().running() as receiver:
        for name in ("a", "b"):
            Spool(tmp_path).put(name, b"{}")
        read = Path.read_bytes

        def refuses(path: Path) -> bytes:
            if path.name.startswith("a."):
                raise PermissionError(13, "no")
            return read(path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "read_bytes", refuses)
            assert not await WebhookSink(receiver.url, SECRET, folder=tmp_path).send()
        assert [h["webhook-id"] for h, _ in receiver.got] == ["b"]
        assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("folder", [".", "refused"])
async def test_what_is_deleted_unsent_is_logged(
    folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Receiver().running() as receiver:
        path = Spool(tmp_path / folder).put("old", b"{}")
        os.utime(path, (1, time.time() - 5000))
        sink = WebhookSink(receiver.url, SECRET, folder=tmp_path, keep_for=timedelta(hours=1))
        assert await sink.send()
        assert not path.exists()
    (found,) = [each for each in caplog.records if "deleted" in each.message]
    assert (found.levelname, found.__dict__["count"]) == ("ERROR", 1)


async def test_a_server_that_is_busy_is_asked_when_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livetransfer.record.sinks.signed_post.FIRST_WAIT", 0.01)
    async with Receiver().running() as receiver:
        receiver.status, receiver.headers = 429, {"retry-after": "1"}
        sink = WebhookSink(receiver.url, SECRET, folder=tmp_path)
        began = time.monotonic()
        await sink.write(recorded(STORY), PRIVACY)
        receiver.status = 200
        for _ in range(100):
            if len(receiver.got) == 2:
                break
            await asyncio.sleep(0.05)
        assert 0.9 < time.monotonic() - began < 3.0
        assert len(receiver.got) == 2
        await sink.aclose()


async def test_records_wait_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVETRANSFER_STATE", str(tmp_path))
    sink = WebhookSink("http://127.0.0.1:1/hook", SECRET)
    await sink.write(recorded(STORY), PRIVACY)
    await sink.aclose()
    assert [path.name for path in tmp_path.glob("webhooks/*/*")] == ["r1.json"]


async def test_two_processes_send_nothing_twice(tmp_path: Path) -> None:
    async with Receiver().running() as receiver:
        for number in range(20):
            Spool(tmp_path).put(f"w{number}", b"{}")
        sinks = [WebhookSink(receiver.url, SECRET, folder=tmp_path) for _ in range(3)]
        await asyncio.gather(*(sink.send() for sink in sinks))
        assert sorted(h["webhook-id"] for h, _ in receiver.got) == sorted(
            f"w{number}" for number in range(20)
        )


async def test_where_the_disk_is_full_it_is_sent_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder")
    async with Receiver().running() as receiver:
        await WebhookSink(receiver.url, SECRET, folder=folder).write(recorded(STORY), PRIVACY)
        assert len(receiver.got) == 1
    with pytest.raises(OSError):
        await WebhookSink(receiver.url, SECRET, folder=folder).write(recorded(STORY), PRIVACY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "example.com"},
        {"url": "ftp://example.com"},
        {"url": 3},
        {"secret": "short"},
        {"secret": "whsec_no base64!"},
        {"secret": None},
        {"keep_for": 3},
    ],
)
def test_what_a_webhook_refuses(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"url": "https://example.com/x", "secret": SECRET}
    with pytest.raises(ConfigurationError):
        WebhookSink(**given | wrong)


@pytest.mark.parametrize("wrong", [3, None, FunctionSink, "file.jsonl"])
def test_what_is_no_sink(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        Records(wrong)


def test_what_a_file_refuses(tmp_path: Path) -> None:
    several: list[dict[str, Any]] = [{"path": tmp_path}, {"path": ""}, {"path": "x", "keep": 0}]
    for wrong in several:
        with pytest.raises(ConfigurationError):
            JsonLinesSink(**wrong)
