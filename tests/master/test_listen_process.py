"""`keyacct listen` as a service: a real process, terminals of `keyacct simulate`, signals, figures, the log."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from frames1376 import uplink

KEYACCT = [sys.executable, "-m", "keyacct.cli"]
PLAN = "[[read]]\npn = 1\nfn = [25]\n"
TERMINALS = """
[[terminal]]
protocol = "gdw1376.1"
master = "127.0.0.1:{port}"
address = "3701-0001"
count = {count}
  [[terminal.meter]]
  protocol = "dlt645-2007"
  address = "000000005001"
"""


class Master:
    """A master station in a process of its own; its log is read as it is written."""

    def __init__(self, folder: Path, *more: object) -> None:
        plan = folder / "plan.toml"
        plan.write_text(PLAN, encoding="utf-8")
        self.process = subprocess.Popen(
            [*KEYACCT, "listen", "--bind", "127.0.0.1:0", "--plan", str(plan), *map(str, more)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        self.ready: dict[str, Any] = json.loads(first) if first else {}
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)  # one by one, as they come

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of the log with this event."""
        told = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [line for line in told if line["event"] == name]

    def until(self, holds: Any, within_s: float = 40.0) -> None:
        end = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < end, "".join(self.lines[-20:])
            assert self.process.poll() is None, "".join(self.lines[-20:])
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(40)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


@contextmanager
def listening(folder: Path, *more: object) -> Iterator[Master]:
    master = Master(folder, *more)
    try:
        yield master
    finally:
        master.stop(signal.SIGKILL)


@contextmanager
def terminals(folder: Path, port: int, count: int = 4) -> Iterator[subprocess.Popen[str]]:
    file = folder / f"terminals-{time.monotonic_ns()}.toml"
    file.write_text(TERMINALS.format(port=port, count=count), encoding="utf-8")
    process = subprocess.Popen(
        [*KEYACCT, "simulate", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=40)


@pytest.mark.parametrize("source", ["file", "registry"])
def test_only_terminals_of_the_allow_list_are_served(source: str, tmp_path: Path) -> None:
    if source == "file":
        (tmp_path / "allowed").write_text("# of the east\n3701-0001\n\n3701-0003  # the pump\n", encoding="utf-8")
        more = ["--allow", tmp_path / "allowed", "--out", tmp_path / "heard.jsonl"]
    else:
        town = tmp_path / "town"
        registry = tmp_path / "registry.toml"
        registry.write_text(
            '[[terminal]]\nterminal_no = "T1"\naddress = "3701-0001"\nprotocol = "gdw1376.1"\n'
            '[[terminal]]\nterminal_no = "T3"\naddress = "3701-0003"\n'
            '[[terminal]]\nterminal_no = "T4"\naddress = "000000000004"\nprotocol = "dlt698.45"\n',
            encoding="utf-8",
        )
        for command in (["init", town], ["--workspace", town, "registry", "import", registry]):
            subprocess.run([*KEYACCT, *map(str, command)], check=True, capture_output=True, timeout=60)
        more = ["--workspace", town]
    with listening(tmp_path, *more) as master, terminals(tmp_path, master.ready["port"]):
        master.until(lambda: len(master.events("login")) >= 2 and master.events("refused"))
        assert master.stop() == 0
        assert {line["terminal"] for line in master.events("login")} == {"3701-0001", "3701-0003"}
        refused = {line["cause"] for line in master.events("refused")}
        assert refused == {"unknown_terminal"}
    if source == "file":
        heard = [json.loads(line) for line in (tmp_path / "heard.jsonl").read_text(encoding="utf-8").splitlines()]
        assert {row["device"].partition("/")[0] for row in heard} <= {"3701-0001", "3701-0003"}


def test_figures_are_in_the_file_and_at_the_port_until_the_end(tmp_path: Path) -> None:
    file = tmp_path / "figures.prom"
    more = ["--allow-any", "--out", tmp_path / "o.jsonl", "--metrics", file, "--metrics-port", 0]
    with listening(tmp_path, *more) as master:
        port = master.ready["metrics_port"]
        assert port > 0

        def page() -> str:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        with terminals(tmp_path, master.ready["port"]):
            master.until(lambda: "keyacct_listen_terminals 4" in page())
            master.until(lambda: file.exists() and "keyacct_listen_terminals 4" in file.read_text(encoding="utf-8"))
            shown = page()
            lines = [line for line in shown.splitlines() if not line.startswith("#")]
            assert all(len(line.rsplit(" ", 1)) == 2 and line.rsplit(" ", 1)[1].isdigit() for line in lines)
            assert 'keyacct_listen_total{what="logins"} 4' in lines
            assert master.stop() == 0
        with pytest.raises(OSError):  # noqa: PT011  # refused or reset, by the system's mood
            page()
        assert 'keyacct_listen_total{what="logins"} 4' in file.read_text(encoding="utf-8")
        assert [name.name for name in tmp_path.glob(".figures.prom*")] == []


def test_sigterm_ends_it_with_what_was_heard_kept_and_every_line_of_the_log_is_json(tmp_path: Path) -> None:
    out, trace = tmp_path / "o.jsonl", tmp_path / "t.pcap"
    with listening(tmp_path, "--allow-any", "--out", out, "--trace", trace) as master:
        with terminals(tmp_path, master.ready["port"]):
            master.until(lambda: len(master.events("login")) == 4)
            time.sleep(1.5)  # for their answers; what came is kept whatever it is
            assert master.stop() == 0
        log = [line for line in master.lines if line.startswith("{")]
        assert all({"time", "event"} <= json.loads(line).keys() for line in log)
        talk = [line for line in master.lines if not line.startswith("{")]
        assert len(talk) >= 1
        assert "4 log-ins" in talk[0]
    answered = int(talk[0].split(" answers")[0].rsplit(" ", 1)[1])
    heard = out.read_text(encoding="utf-8").splitlines()
    assert answered >= 4
    assert len(heard) > 4
    assert trace.stat().st_size > 1000


def test_a_second_park_with_the_same_addresses_is_refused_and_the_first_served_on(tmp_path: Path) -> None:
    with listening(tmp_path, "--allow-any", "--out", tmp_path / "o.jsonl") as master:
        with terminals(tmp_path, master.ready["port"]):
            master.until(lambda: len(master.events("login")) == 4)
            first = {line["terminal"]: line["peer"] for line in master.events("login")}
            with terminals(tmp_path, master.ready["port"]):
                master.until(lambda: any(line["cause"] == "duplicate_login" for line in master.events("refused")))
            assert not master.events("alarm")
            assert master.stop() == 0
        assert {line["terminal"]: line["peer"] for line in master.events("login")} == first
        assert [line["cause"] for line in master.events("logout")].count("replaced") == 0


def test_rounds_without_an_answer_end_with_their_code(tmp_path: Path) -> None:
    more = ["--allow-any", "--out", tmp_path / "o.jsonl", "--rounds", 1, "--timeout", 0.3, "--tries", 1]
    with listening(tmp_path, *more) as master:
        with socket.create_connection(("127.0.0.1", master.ready["port"]), 10) as silent:
            silent.sendall(uplink("3701-0001", 0xC9, 2, 0x73, b"\0\0\1\0"))
            assert master.process.wait(40) == 5
        master.stop()
    assert "1 without an answer" in "".join(master.lines)
    assert "3701-0001" in "".join(master.lines)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"3701-0001\nhello\n", "line 2"), (b"\xff\xfe", "byte 0"), ("\uff13\uff17\uff10\uff11-0001".encode(), "line 1")],
)
def test_a_wrong_allow_list_is_named_with_its_line(content: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "allowed"
    file.write_bytes(content)
    with listening(tmp_path, "--allow", file, "--out", tmp_path / "o.jsonl") as master:
        assert master.process.wait(40) == 4
        master.stop()
    assert told in "".join(master.lines)
    assert "allowed" in "".join(master.lines)
