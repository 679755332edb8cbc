"""More faults than a crash: torn files, a limit on file sizes, readers beside writers, clocks, backups, old and new forms."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
import zoneinfo
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keyacct import clock
from keyacct.config import Workspace, parse_settings
from keyacct.database import audit
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, KeyacctError, WriteError
from keyacct.store import quality
from keyacct.store.compact import compact
from keyacct.store.families import FAMILIES
from keyacct.store.files import civil_day
from keyacct.store.history import history
from keyacct.store.index import live_segments
from keyacct.store.ingest import ingest
from keyacct.store.read import read_table
from keyacct.store.retention import NEVER, retire
from keyacct.store.verify import clean, verify

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from fault_figures import note  # noqa: E402  found beside this file

LONG = os.environ.get("KEYACCT_FAULTS") == "full"
VOLTAGE = FAMILIES["voltage"].input_schema
T0 = 1_782_835_200_000


def rows(*values: dict[str, object]) -> pa.Table:
    default = {**dict.fromkeys(VOLTAGE.names), "meter": "m", "kind": "snapshot", "ts": T0, "quality": 0}
    return pa.Table.from_pylist([{**default, **value} for value in values], schema=VOLTAGE)


def put(workspace: Workspace, *values: dict[str, object], sha256: str | None = None):
    return ingest(workspace, {"voltage": rows(*values)}, source="x", sha256=sha256)


def everything(workspace: Workspace) -> list[dict[str, object]]:
    return read_table(workspace, "voltage", 0, 2**42).to_pylist()


def test_a_torn_file_is_an_error_with_its_name_and_never_a_wrong_value(workspace: Workspace) -> None:
    """A segment is cut, zeroed or overwritten at a random place: every reading either is right or exits 9."""
    count = 60 if LONG else 15
    put(workspace, *({"meter": f"{n:03d}", "ts": T0 + 1 + n, "a": n} for n in range(400)))
    before = everything(workspace)
    with open_database(workspace).read() as connection:
        (segment,) = live_segments(connection)
    path = workspace.root / segment.path
    whole = path.read_bytes()
    chance = random.Random(5)
    refused = found = 0
    for _ in range(count):
        data = bytearray(whole)
        at = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data = data[:at]
            case 1:
                data[at : at + 4096] = bytes(len(data[at : at + 4096]))
            case _:
                data[at : at + 64] = chance.randbytes(len(data[at : at + 64]))
        if bytes(data) == whole:
            continue
        path.write_bytes(data)
        found += verify(workspace).damaged
        try:
            refused += everything(workspace) != before  # content of a page may be wrong: `verify` is what finds it
        except KeyacctError as error:
            assert error.exit_code == 9
            refused += 1
    path.write_bytes(whole)
    assert everything(workspace) == before
    print(f"torn segments {count}, found by verify {found}, refused by the reader {refused}")
    note("torn segment file", count, lost=count - found, refused="9 (store verify: 7)")
    assert found == count


def limited(folder: Path, limit: int) -> str:
    """Write one batch in a process that may write no file longer than `limit`."""
    code = (
        "import sys, resource, signal; sys.path.insert(0, sys.argv[1]); import kill_worker as work\n"
        "from pathlib import Path\nfrom keyacct.errors import KeyacctError\n"
        "workspace = work.open_workspace(Path(sys.argv[2]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))\n"
        "try:\n    work.write_batch(workspace, int(sys.argv[4])); print('stored')\n"
        "except KeyacctError as error: print('refused', error.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, HERE, folder, str(limit), "77"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.sqlite
def test_a_file_that_may_not_grow_is_an_error_and_nothing_is_half_there(workspace: Workspace) -> None:
    """Real refusals of the kernel (EFBIG), at every size from none to enough."""
    put(workspace, {"a": 220})
    before = everything(workspace)
    outcomes = []
    for limit in (0, 512, 1024, 2048, 3000, 4096, 8192, *((16_384, 32_768, 65_536) if LONG else ())):
        outcomes.append(limited(workspace.root.absolute(), limit))
        assert everything(workspace) == before or outcomes[-1] == "stored"
        assert not verify(workspace).damaged
    assert limited(workspace.root.absolute(), 1 << 30) == "stored"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    codes = {text.split()[1] for text in outcomes if text.startswith("refused")}
    print(f"file size limits {len(outcomes)}, refused {sum(t.startswith('refused') for t in outcomes)}, exit {codes}")
    note("file may not grow (EFBIG)", len(outcomes), refused=", ".join(sorted(codes)))
    assert codes == {"9"}


def test_p5_readers_see_one_snapshot_beside_writers_and_compaction(workspace: Workspace) -> None:
    """One writer adds whole rounds, one compacts and cleans, two read: each reading is some number of whole rounds."""
    seconds = 60 if LONG else 6
    meters, stop = 40, threading.Event()
    wrong: list[str] = []
    failed: list[str] = []
    reads = [0, 0]
    waits: list[float] = []

    def guarded(work) -> None:
        while not stop.is_set():
            try:
                work()
            except Exception as error:
                failed.append(f"{type(error).__name__}: {error}")

    rounds = 0

    def write() -> None:
        nonlocal rounds
        start = time.monotonic()
        put(workspace, *({"meter": f"{n:03d}", "ts": T0 + rounds * 60_000, "a": rounds % 500} for n in range(meters)))
        waits.append(time.monotonic() - start)
        rounds += 1

    def join() -> None:
        list(compact(workspace))
        clean(workspace)
        time.sleep(0.2)

    def read(number: int) -> None:
        least = rounds
        table = read_table(workspace, "voltage", 0, 2**42)
        whole, rest = divmod(table.num_rows, meters)
        values = {(row["ts"].timestamp() * 1000 - T0) // 60_000 % 500 - int(row["a"]) for row in table.to_pylist()}
        if rest or whole < least or values - {0.0}:
            wrong.append(f"{table.num_rows} rows, {least} rounds were there")
        reads[number] += 1

    jobs = [write, join, lambda: read(0), lambda: read(1)]
    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"reads {sum(reads)}, wrong {len(wrong)}, failed {len(failed)}, writer waits max {max(waits) * 1000:.0f} ms")
    note("readers beside writer, compaction, clean-up", sum(reads), lost=len(wrong), torn=len(failed))
    assert (wrong, failed) == ([], [])
    assert min(reads) > 0
    assert rounds > 1


@pytest.mark.sqlite
def test_p9_a_copy_taken_while_others_write_opens_and_verifies(workspace: Workspace, tmp_path: Path) -> None:
    """Database first, then the files that the copy lists: what `keyacct backup` rests on."""
    count = 12 if LONG else 4
    stop = threading.Event()
    put(workspace, {"a": 1})

    def write() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            put(workspace, {"ts": T0 + n * 1000, "a": n % 500})
            if n % 5 == 0:
                list(compact(workspace))

    writer = threading.Thread(target=write)
    writer.start()
    good = 0
    try:
        for number in range(count):
            copy = Workspace(tmp_path / f"copy-{number}", workspace.settings)
            copy.root.mkdir()
            open_database(workspace).backup_to(copy.database)
            with open_database(copy).read() as connection:
                segments = live_segments(connection)
            for segment in segments:
                (copy.root / segment.path).parent.mkdir(parents=True, exist_ok=True)
                (copy.root / segment.path).write_bytes((workspace.root / segment.path).read_bytes())
            copy.samples.mkdir(exist_ok=True)
            copy.stage.mkdir()
            result = verify(copy)
            good += not result.findings and len(everything(copy)) > 0
    finally:
        stop.set()
        writer.join()
    print(f"backups {count}, verify ok {good}")
    note("backup while writing", count, lost=count - good)
    assert good == count


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/New_York"])
def test_p10_days_are_right_whatever_the_clock_does(tmp_path: Path, zone: str) -> None:
    """Days of clock change, a leap day, month ends; our own clock stepped by an hour in between changes nothing."""
    from keyacct.workflow.workspace import init_workspace

    workspace = init_workspace(tmp_path / "office", timezone=zone)
    place = zoneinfo.ZoneInfo(zone)
    cases = wrong = 0
    days = [dt.date(2028, 2, 28), dt.date(2028, 2, 29), dt.date(2026, 3, 8), dt.date(2026, 3, 29),
            dt.date(2026, 10, 25), dt.date(2026, 11, 1), dt.date(2026, 12, 31)]  # fmt: skip
    expected: dict[int, str] = {}
    for number, day in enumerate(days):
        clock.fix(["2026-07-01T00:00Z", "2026-06-30T23:00Z", "2026-07-01T01:00Z"][number % 3])
        start = dt.datetime.combine(day, dt.time(), place).astimezone(dt.UTC)
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), place).astimezone(dt.UTC)
        stamps = [
            start + dt.timedelta(minutes=15) * n for n in range(1, round((end - start).total_seconds() / 900) + 1)
        ]
        expected.update({round(stamp.timestamp() * 1000): day.isoformat() for stamp in stamps})
        put(workspace, *({"ts": stamp, "a": 1} for stamp in stamps))
    clock.fix(None)
    with open_database(workspace).read() as connection:
        segments = live_segments(connection)
    for segment in segments:
        for stamp in pq.read_table(workspace.root / segment.path, columns=["ts"], partitioning=None)["ts"].to_pylist():
            cases += 1
            wrong += expected[round(stamp.timestamp() * 1000)] != segment.day
    lengths = {segment.day: segment.rows for segment in segments}
    assert cases == len(expected)
    if zone == "Europe/Berlin":
        assert (lengths["2026-03-29"], lengths["2026-10-25"]) == (92, 100)
    suspect = put(workspace, {"ts": T0 + 86_400_000, "a": 2, "quality": quality.CLOCK_SUSPECT})
    assert suspect.added == 1
    kept = [row for row in everything(workspace) if row["quality"] & quality.CLOCK_SUSPECT]
    wrong += [round(row["ts"].timestamp() * 1000) for row in kept] != [T0 + 86_400_000]
    print(f"{zone}: clock cases {cases + 1}, wrong buckets {wrong}")
    note(f"clock and calendar, {zone}", cases + 1, lost=wrong)
    assert wrong == 0


def test_a_second_writer_waits_and_one_that_waits_too_long_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with open_database(workspace).write():
            held.set()
            release.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    monkeypatch.setattr("keyacct.database.sqlite.BUSY_TIMEOUT_MS", 300)
    monkeypatch.setattr("keyacct.database.postgres.BUSY_TIMEOUT_MS", 300)
    try:
        with pytest.raises(WriteError, match="another process holds the database") as caught:
            put(workspace, {"a": 1})
    finally:
        release.set()
        holder.join()
    assert (caught.value.exit_code, bool(caught.value.hint)) == (9, True)
    assert everything(workspace) == []
    assert put(workspace, {"a": 1}).added == 1
    note("writer kept waiting", 1, refused="9")


def older(workspace: Workspace, drop: tuple[str, ...]) -> None:
    """Put files in the place of the live segments as a keyacct without these columns would have written them."""
    with open_database(workspace).write() as connection:
        for segment in live_segments(connection):
            path = workspace.root / segment.path
            pq.write_table(pq.read_table(path, partitioning=None).drop_columns(list(drop)), path)
            connection.exec_driver_sql(
                f"UPDATE segment SET bytes = {path.stat().st_size},"
                f" sha256 = '{hashlib.sha256(path.read_bytes()).hexdigest()}' WHERE id = {segment.id}"
            )


def test_segments_of_an_older_form_are_read_joined_and_compacted(workspace: Workspace) -> None:
    put(workspace, {"a": 220, "b": 221}, {"ts": T0 + 1000, "a": 219})
    older(workspace, ("ab", "bc", "ca"))
    assert [row["a"] for row in everything(workspace)] == [220, 219], "alone"
    assert everything(workspace)[0]["ab"] is None
    put(workspace, {"ab": 380, "recv_at": T0})
    assert [(row["a"], row["ab"]) for row in everything(workspace)] == [(220, 380), (219, None)], "beside new ones"
    list(compact(workspace))
    assert [(row["a"], row["ab"]) for row in everything(workspace)] == [(220, 380), (219, None)]
    assert not verify(workspace).findings[1:]


def test_a_segment_of_a_newer_form_is_refused_with_the_reason(workspace: Workspace) -> None:
    put(workspace, {"a": 220})
    with open_database(workspace).write() as connection:
        connection.exec_driver_sql("UPDATE segment SET schema_version = 99")
    for work in (lambda: everything(workspace), lambda: put(workspace, {"a": 1}), lambda: list(compact(workspace))):
        with pytest.raises(ConfigError, match="have form 99, this keyacct knows up to") as caught:
            work()
        assert caught.value.code == "config.schema_newer"
    assert not verify(workspace).damaged, "nothing was changed"
    note("segment of a newer form", 3, refused="3")


def aged(workspace: Workspace) -> Workspace:
    settings = parse_settings({"retention": {"voltage_days": 30}}).retention
    return Workspace(workspace.root, workspace.settings.model_copy(update={"retention": settings}))


def test_retention_takes_whole_days_after_a_dry_run_and_is_audited(workspace: Workspace) -> None:
    office = aged(workspace)
    put(office, {"ts": T0, "a": 1}, {"ts": T0 + 40 * 86_400_000, "a": 2})
    schema = FAMILIES["energy"].input_schema
    energy = {**dict.fromkeys(schema.names), "meter": "m", "kind": "freeze_month", "ts": T0, "import": 1, "quality": 0}
    ingest(office, {"energy": pa.Table.from_pylist([energy], schema=schema)}, source="x")
    clock.fix(dt.datetime.fromtimestamp(T0 / 1000 + 41 * 86_400, dt.UTC).isoformat())
    try:
        assert [(r.family, r.rows) for r in retire(office)] == [("voltage", 1)]
        assert len(everything(office)) == 2, "a dry run"
        assert [(r.family, r.rows) for r in retire(office, execute=True)] == [("voltage", 1)]
        assert [row["a"] for row in everything(office)] == [2]
        assert read_table(office, "energy", 0, 2**42).num_rows == 1
        assert retire(office, execute=True) == []
    finally:
        clock.fix(None)
    assert not verify(office).damaged
    with open_database(office).read() as connection:
        bodies = [
            json.loads(r[0]) for r in connection.exec_driver_sql("SELECT body FROM audit WHERE action = 'store.retire'")
        ]
        assert audit.verify(connection)[1] is None
    assert [body["body"]["days"][0]["rows"] for body in bodies] == [1]


def test_what_bills_rest_on_has_no_age(workspace: Workspace) -> None:
    assert {"energy", "tariff_energy", "demand"} <= NEVER
    for family in NEVER:
        with pytest.raises(ConfigError, match="unknown key"):
            parse_settings({"retention": {f"{family}_days": 1}})


def test_the_history_tells_what_lost_and_what_holds(workspace: Workspace) -> None:
    put(workspace, {"a": 220})
    put(workspace, {"a": 221, "recv_at": T0})
    put(workspace, {"a": 230, "quality": quality.ESTIMATED, "recv_at": T0 + 1})
    found = [(r["value"], r["quality"], r["reason"], r["holds"]) for r in history(workspace, 0, 2**42, meter="m")]
    assert found == [
        ("220.000", [], "later receipt", "221.000"),
        ("230.000", ["estimated"], "better quality", "221.000"),
    ]
    assert list(history(workspace, 0, 2**42, meter="other")) == []


def test_a_day_of_many_rows_is_cut_between_meters_and_read_alike(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyacct.store.files.SEGMENT_ROWS", 100)
    monkeypatch.setattr("keyacct.store.compact.SEGMENT_ROWS", 100)
    values = [{"meter": f"{m:02d}", "ts": T0 + n * 60_000, "a": m + n} for m in range(20) for n in range(1, 31)]
    put(workspace, *values)
    with open_database(workspace).read() as connection:
        segments = live_segments(connection)
    reach = sorted((s.min_meter, s.max_meter) for s in segments)
    assert [s.rows for s in segments] == [120] * 5
    assert all(before[1] < after[0] for before, after in itertools.pairwise(reach))
    assert list(compact(workspace)) == [], "a day that is cut like this is as compact as it can be"
    put(workspace, {"meter": "07", "ts": T0 + 60_000, "b": 9})
    assert [row["b"] for row in everything(workspace) if row["b"] is not None] == [9]
    assert len(list(compact(workspace))) == 1
    rest = [row for row in everything(workspace) if row["meter"] == "07"]
    assert [int(row["a"]) for row in rest] == [7 + n for n in range(1, 31)]
    assert rest[0]["b"] == Decimal(9)
    assert civil_day(T0 + 60_000, workspace) == segments[0].day


def test_any_reader_opens_a_segment(workspace: Workspace) -> None:
    """Every family as plain Parquet types: DuckDB and Polars by the path, no option, exact decimals."""
    import duckdb
    import polars

    for family in FAMILIES.values():
        schema = family.input_schema
        row: dict[str, object] = dict.fromkeys(schema.names)
        row.update(meter="m", kind="snapshot", ts=T0, quality=0)
        row.update({name: "x" if pa.types.is_string(type_) else 1 for name, type_ in family.subkey})
        for column in family.values:
            if pa.types.is_decimal(column.type):
                row[column.name] = Decimal("1.5")
        ingest(workspace, {family.name: pa.Table.from_pylist([row], schema=schema)}, source="x")
    plain = {"BYTE_ARRAY", "INT32", "INT64", "DOUBLE"}
    with open_database(workspace).read() as connection:
        segments = live_segments(connection)
    assert [s.family for s in segments] == sorted(FAMILIES)
    for segment in segments:
        path = workspace.root / segment.path
        columns = pq.ParquetFile(path).schema
        assert {columns.column(n).physical_type for n in range(len(columns))} <= plain, "what Spark and others know"
        (by_polars,) = polars.read_parquet(path, hive_partitioning=False).rows(named=True)
        with duckdb.connect() as engine:
            found = engine.sql(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)").to_arrow_table()
        (by_duckdb,) = found.to_pylist()
        (ours,) = read_table(workspace, segment.family, 0, 2**42).to_pylist()
        assert by_polars == by_duckdb == ours, segment.family


def test_publishing_to_delta_again_changes_nothing_and_a_late_point_one_day(
    workspace: Workspace, tmp_path: Path
) -> None:
    import deltalake

    from keyacct.store.publish import publish

    put(workspace, {"a": 1}, {"ts": T0 + 86_400_000, "a": 2})
    target = str(tmp_path / "lake")
    assert [(p.day, p.changed) for p in publish(workspace, target)] == [("2026-06-30", True), ("2026-07-01", True)]
    version = deltalake.DeltaTable(f"{target}/voltage").version()
    assert [p.changed for p in publish(workspace, target)] == [False, False]
    assert deltalake.DeltaTable(f"{target}/voltage").version() == version
    put(workspace, {"b": 5, "recv_at": T0})
    assert [p.changed for p in publish(workspace, target)] == [True, False]
    table = pa.table(deltalake.DeltaTable(f"{target}/voltage").to_pyarrow_table()).sort_by("ts")
    assert table.select(["day", "a", "b"]).to_pylist() == [
        {"day": "2026-06-30", "a": Decimal(1), "b": Decimal(5)}, {"day": "2026-07-01", "a": Decimal(2), "b": None},
    ]  # fmt: skip


def test_two_replays_at_once_store_a_capture_once(workspace: Workspace) -> None:
    rounds = 10 if LONG else 3
    doubled = 0
    for number in range(rounds):
        sha256 = f"{number:064x}"
        results: list[bool] = []

        def store(n: int = number, s: str = sha256, into: list[bool] = results) -> None:
            into.append(put(workspace, {"ts": T0 + n, "a": n + 1}, sha256=s).already_ingested)

        threads = [threading.Thread(target=store) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [False, True, True]
    with open_database(workspace).read() as connection:
        doubled = sum(s.rows for s in live_segments(connection)) - rounds
    note("replays of one capture at once", rounds * 3, doubled=doubled)
    assert doubled == 0
