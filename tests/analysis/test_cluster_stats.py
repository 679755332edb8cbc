"""`keyacct stats --engine dask`: the same digest, whatever happens to a worker."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import keyacct
from keyacct.analysis import cluster_stats
from keyacct.analysis.cluster_stats import STAGE, merge_results, plan_tasks, run_task, tables_digest
from keyacct.analysis.month_stats import write_stats
from keyacct.cli.run import run
from keyacct.errors import InputError, LinkError

distributed = pytest.importorskip("distributed")

_spec = importlib.util.spec_from_file_location("month_data", Path(__file__).with_name("month_data.py"))
data = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(data)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as made:
        yield made


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    rows = data.readings(7, meters=24, days=6)
    data.write(folder / "meter", rows, data.limits_of(rows, without=(rows[0][0],)), per_file=2_000)
    data.write(folder / "time", data.by_rounds(rows), data.limits_of(rows, without=(rows[0][0],)), per_file=2_000)
    for layout in ("meter", "time"):
        written = write_stats(
            folder / layout, folder / layout / "limits.parquet", folder / f"local-{layout}", interval=15
        )
        assert written.without_limits == (rows[0][0],)
    return folder


def planned(folder, stage, tasks, layout="meter"):
    source = folder / layout
    return plan_tasks(
        source, source / "limits.parquet", interval_ms=900_000, loss=0.7, stage=stage, tasks=tasks
    )  # fmt: skip


@pytest.mark.parametrize("layout", ["meter", "time"])
@pytest.mark.parametrize("tasks", [1, 2, 5, 24, 99])
def test_any_cut_into_ranges_of_meters_gives_the_digest_of_one_pass(dataset, tmp_path, layout, tasks):
    of = planned(dataset, tmp_path / STAGE, tasks, layout)
    assert len(of) == min(tasks, 24)  # 23 of the readings, and one that has limits only
    for task in reversed(of):
        assert run_task(task).error is None
    merged = merge_results(of, tmp_path)
    assert tables_digest(tmp_path) == tables_digest(dataset / f"local-{layout}")
    assert merged.rows == sum(pq.read_metadata(path).num_rows for path in (dataset / layout).glob("part-*"))
    assert len(merged.without_limits) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.parquet", "month.parquet"]


def test_a_range_reads_only_the_row_groups_that_hold_its_meters(dataset, tmp_path):
    of = planned(dataset, tmp_path, 6)
    every = sum(pq.read_metadata(path).num_rows for path in (dataset / "meter").glob("part-*"))
    read = []
    for task in of:
        run_task(task)
        read.append(cluster_stats.json.loads((tmp_path / task.digest / "done.json").read_text())["rows"])
    assert max(read) < every / 2
    assert every <= sum(read) < 1.5 * every


def test_a_task_whose_result_lies_there_is_not_run_again_and_other_parameters_are_another_task(dataset, tmp_path):
    (task,) = planned(dataset, tmp_path, 1)
    run_task(task)
    before = (tmp_path / task.digest / "day.parquet").stat().st_mtime_ns
    run_task(task)
    assert (tmp_path / task.digest / "day.parquet").stat().st_mtime_ns == before
    others = [
        cluster_stats.Task(**{**task.__dict__, name: value})
        for name, value in (("loss", 0.5), ("interval_ms", 60_000), ("from_meter", "1"), ("limits_sha256", ""))
    ]
    assert len({task.digest, *(other.digest for other in others)}) == 5
    assert cluster_stats.Task(**{**task.__dict__, "stage": "/elsewhere"}).digest == task.digest


def test_the_cluster_gives_the_digest_of_the_local_engine(dataset, tmp_path, cluster):
    written = write_stats(
        dataset / "meter", dataset / "meter" / "limits.parquet", tmp_path, interval=15, engine="dask",
        scheduler=cluster.scheduler_address,
    )  # fmt: skip
    assert (written.tasks, written.retried) == (4, 0)
    assert tables_digest(tmp_path) == tables_digest(dataset / "local-meter")
    day, month = keyacct.stats(
        dataset / "time", dataset / "time" / "limits.parquet", interval="15min", engine="dask",
        scheduler=cluster.scheduler_address, stage=tmp_path,
    )  # fmt: skip
    pq.write_table(day, tmp_path / "day.parquet")
    pq.write_table(month, tmp_path / "month.parquet")
    assert tables_digest(tmp_path) == tables_digest(dataset / "local-time")


def _kill_a_worker_at_work(stage, until):
    """kill -9 of the first process that is caught in the middle of a task; stopped first, so that it cannot end it."""
    while not until.is_set():
        for attempt in stage.glob("*.attempt"):
            pid = int(attempt.name.split(".")[-2])
            os.kill(pid, signal.SIGSTOP)
            if attempt.exists():
                os.kill(pid, signal.SIGKILL)
                return pid
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.0005)
    return None


def test_a_killed_worker_costs_a_retry_and_nothing_else(dataset, tmp_path, cluster, capsys):
    killed, done = [], threading.Event()
    hunter = threading.Thread(target=lambda: killed.append(_kill_a_worker_at_work(tmp_path / STAGE, done)))
    hunter.start()
    try:
        written = write_stats(
            dataset / "meter", dataset / "meter" / "limits.parquet", tmp_path, interval=15, engine="dask",
            scheduler=cluster.scheduler_address, tasks=24,
        )  # fmt: skip
    finally:
        done.set()
        hunter.join()
    assert killed[0] is not None
    equal = tables_digest(tmp_path) == tables_digest(dataset / "local-meter")
    with capsys.disabled():
        print(f" digest {'equal' if equal else 'NOT equal'}, retried tasks {written.retried} ", end="")
    assert equal
    assert written.retried == 1


def test_a_range_that_always_fails_is_named_and_nothing_is_written(dataset, tmp_path, cluster):
    rows = data.readings(3, meters=6, days=2)
    data.write(tmp_path / "data", rows, data.limits_of(rows), per_file=10_000, group=97)
    part = tmp_path / "data" / "part-0000.parquet"
    group = pq.read_metadata(part).row_group(pq.read_metadata(part).num_row_groups - 1)
    with part.open("r+b") as file:
        file.seek(group.column(0).dictionary_page_offset or group.column(0).data_page_offset)
        file.write(b"\xff" * 40)
    ids = sorted({row[0] for row in rows})
    with pytest.raises(InputError) as caught:
        write_stats(
            tmp_path / "data", tmp_path / "data" / "limits.parquet", tmp_path / "out", interval=15, engine="dask",
            scheduler=cluster.scheduler_address, tasks=7,
        )  # fmt: skip
    assert any(f"meters from {name}" in caught.value.message for name in ids[-2:])
    assert caught.value.where["file"] == str(part)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [STAGE]
    # What was finished is taken from the stage when the file has been mended.
    data.write(tmp_path / "data", rows, data.limits_of(rows), per_file=10_000, group=97)
    write_stats(
        tmp_path / "data", tmp_path / "data" / "limits.parquet", tmp_path / "out", interval=15, engine="dask",
        scheduler=cluster.scheduler_address,
    )  # fmt: skip
    write_stats(tmp_path / "data", tmp_path / "data" / "limits.parquet", tmp_path / "local", interval=15)
    assert tables_digest(tmp_path / "out") == tables_digest(tmp_path / "local")


def _dies(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_range_that_kills_every_worker_is_named(dataset, tmp_path, cluster, monkeypatch):
    monkeypatch.setattr(cluster_stats, "run_task", _dies)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as mortal, pytest.raises(LinkError, match=r"meters from the first.* has died"):  # fmt: skip
        mortal.scheduler.allowed_failures = 0
        write_stats(
            dataset / "meter", dataset / "meter" / "limits.parquet", tmp_path, interval=15, engine="dask",
            scheduler=mortal.scheduler_address, tasks=1,
        )  # fmt: skip


def test_without_the_extra_the_command_says_what_to_install(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    source = dataset / "meter"
    arguments = ["stats", "--data", str(source), "--limits", str(source / "limits.parquet"), "--out", str(tmp_path)]
    assert run([*arguments, "--interval", "15min", "--engine", "dask"]) == 3
    assert "pip install 'keyacct[cluster]'" in capsys.readouterr().err


def test_no_scheduler_impossible_engines_and_states_are_refused(dataset, tmp_path, capsys):
    source = dataset / "meter"
    base = ["stats", "--data", str(source), "--limits", str(source / "limits.parquet"), "--out", str(tmp_path)]
    base += ["--interval", "15min"]
    assert run([*base, "--engine", "spark"]) == 2
    assert run([*base, "--engine", "dask", "--state", str(tmp_path / "s")]) == 2
    assert run([*base, "--engine", "dask", "--scheduler", "nonsense"]) == 5
    assert "no Dask scheduler at nonsense" in capsys.readouterr().err


STATS = """
import sys
from keyacct.analysis.month_stats import write_stats
data, state, out = sys.argv[1:]
write_stats(data, data + "/limits.parquet", out, interval=15, state=state)
"""


def test_two_processes_on_one_folder_of_states_wait_for_each_other(dataset, tmp_path):
    source = dataset / "time"
    arguments = [sys.executable, "-c", STATS, str(source), str(tmp_path / "state")]
    running = [subprocess.Popen([*arguments, str(tmp_path / f"out{n}")]) for n in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    digests = {tables_digest(tmp_path / f"out{n}") for n in range(3)}
    assert digests == {tables_digest(dataset / "local-time")}
