"""Services: unit files that systemd takes, what systemd is told, figures at a port, and ends that lose nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from keyacct import wire
from keyacct.cli.run import run
from keyacct.errors import UsageError
from keyacct.store.read import read_table
from keyacct.workflow.daemon.notify import Heart, watchdog_s
from keyacct.workflow.daemon.units import Wanted, unit_files
from keyacct.workflow.workspace import init_workspace

AWKWARD = 'of %i $HOME "north" back\\slash 甲'
KINDS = {"poll": [], "due": [], "listen": ["--bind", "127.0.0.1:8001", "--metrics-port", "9101"]}


def unquoted(line: str) -> list[str]:
    """The words of a command line by the rules of systemd.syntax(7), specifiers and variables resolved to themselves."""
    words, word, inside, at = [], "", False, 0
    while at < len(line):
        character = line[at]
        if character == "\\":
            at += 1
            if line[at] == "x":
                word += chr(int(line[at + 1 : at + 3], 16))
                at += 2
            else:
                word += line[at]
        elif character == '"':
            inside = not inside
        elif character == " " and not inside:
            words.append(word)
            word = ""
        elif character in "%$":
            assert line[at + 1] == character, f"{character} at {at} would be expanded: {line}"
            word += character
            at += 1
        else:
            word += character
        at += 1
    assert not inside
    return [*words, word]


def settings_of(text: str) -> dict[str, list[str]]:
    """`Section.Key` → its values."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


@pytest.fixture
def awkward(tmp_path):
    """A workspace in a folder whose name holds everything that a unit file reads as its own."""
    folder = tmp_path / AWKWARD
    init_workspace(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("user", [False, True])
def test_units_start_the_command_with_its_paths_whatever_is_in_them(awkward, tmp_path, kind, user):
    words = [*(["--user"] if user else []), *KINDS[kind], "--out", str(tmp_path / "units")]
    assert run(["service", "print", kind, *words, "--workspace", str(awkward)]) == 0
    text = (tmp_path / "units" / f"keyacct-{kind}.service").read_text()
    settings = settings_of(text)
    command = unquoted(settings["Service.ExecStart"][0])
    assert command[:5] == [sys.executable, "-m", "keyacct.cli", "--workspace", str(awkward)]
    assert subprocess.run([*command, "--help"], capture_output=True, check=True).stdout  # it is a command line
    assert command[5] == ("listen" if kind == "listen" else "poll")
    assert settings["Service.NoNewPrivileges"] == ["yes"]
    assert settings["Service.Type"] == ["oneshot" if kind == "due" else "notify"]
    assert ("Service.WatchdogSec" in settings) == (kind != "due")
    assert ("Service.User" in settings) == (not user)
    assert (settings.get("Service.ProtectSystem") == ["strict"]) == (not user)
    if not user:
        (path,) = settings["Service.ReadWritePaths"]
        assert unquoted(path.replace("$", "$$")) == [str(awkward)]
    if kind == "due":
        timer = settings_of((tmp_path / "units" / "keyacct-due.timer").read_text())
        assert timer["Timer.OnCalendar"] == ["*:0/5"]
        assert timer["Timer.Persistent"] == ["yes"]


@pytest.mark.parametrize("kind", KINDS)
def test_systemd_itself_takes_the_units(awkward, tmp_path, kind):
    """Where systemd-analyze is there it judges them; the rules above hold everywhere."""
    assert run(["service", "print", kind, *KINDS[kind], "--out", str(tmp_path / "u"), "--workspace", str(awkward)]) == 0
    files = sorted((tmp_path / "u").iterdir())
    assert [file.name for file in files][:1] == [f"keyacct-{kind}.service"]
    tool = shutil.which("systemd-analyze")
    if tool is not None:
        done = subprocess.run(
            [tool, "verify", "--man=no", *map(str, files)], capture_output=True, text=True, check=False, timeout=60
        )
        about_us = [line for line in done.stderr.splitlines() if "keyacct" in line]
        assert not about_us, done.stderr
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("every_s", "lines"),
    [
        (60, ["OnCalendar=*:0/1"]), (900, ["OnCalendar=*:0/15"]), (3600, ["OnCalendar=hourly"]),
        (30, ["OnBootSec=60", "OnUnitActiveSec=30"]), (7 * 60, ["OnBootSec=60", "OnUnitActiveSec=420"]),
    ],
)  # fmt: skip
def test_timers_run_at_even_times_where_the_clock_has_such(every_s, lines):
    timer = unit_files(Wanted("due", ("/usr/bin/keyacct",), "/w", every_s))["keyacct-due.timer"]
    assert set(lines) <= set(timer.splitlines())


@pytest.mark.parametrize(
    "words",
    [
        ["poll", "--name", "a/b"], ["poll", "--name", "-x"], ["poll", "--run-as", "a b"], ["nothing"], ["listen"],
        ["due", "--metrics-port", "9000"], ["poll", "--every", "soon"],
    ],
)  # fmt: skip
def test_what_no_unit_can_hold_is_a_wrong_command_line(awkward, words):
    assert run(["service", "print", *words, "--workspace", str(awkward)]) == 2


def test_newlines_in_a_path_begin_no_line_of_their_own():
    (text,) = unit_files(Wanted("poll", ("/p",), "/w\nExecStartPre=/bin/evil", 60)).values()
    assert not [line for line in text.splitlines() if line.startswith("ExecStartPre")]
    with pytest.raises(UsageError):
        unit_files(Wanted("poll", ("/p",), "/w", 60, run_as="x\nExecStartPre=/bin/evil"))


def test_signs_of_life_come_at_half_of_what_systemd_waits_and_only_for_this_process(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert watchdog_s() == 1.5
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert watchdog_s() is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert watchdog_s() is None


class Systemd:
    """The other end of `NOTIFY_SOCKET`."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder / "notify")
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.channel.bind(self.place)
        self.channel.settimeout(30)
        self.environment = {**os.environ, "NOTIFY_SOCKET": self.place, "WATCHDOG_USEC": "600000"}

    def hear(self, start: str) -> list[str]:
        """What is said until something begins with `start`, that included."""
        heard = []
        while not heard or not heard[-1].startswith(start):
            heard.append(self.channel.recv(4096).decode())
        return heard

    def rest(self) -> list[str]:
        self.channel.settimeout(0.2)
        heard = []
        try:
            while True:
                heard.append(self.channel.recv(4096).decode())
        except TimeoutError:
            return heard


@pytest.fixture
def systemd(tmp_path):
    made = Systemd(tmp_path)
    yield made
    made.channel.close()


def office(folder: Path, port: int, meters: int, timeout_s: float) -> Path:
    init_workspace(folder / "office")
    text = f'[[poll_line]]\npoll_line = "L"\nlink = "socket://127.0.0.1:{port}"\ntimeout_s = {timeout_s}\n'
    for number in range(1, meters + 1):
        text += (
            f'[[meter]]\nmeter_no = "M{number}"\nprotocol = "dlt645-2007"\naddress = "{number:012d}"\n'
            f'[[meter_link]]\nmeter_no = "M{number}"\npoll_line = "L"\n'
        )
    (folder / "registry.toml").write_text(text)
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", str(folder / "office")]) == 0
    return folder / "office"


def reply(request: bytes) -> bytes:
    address = request[5:11][::-1].hex()
    asked = bytes(byte - 0x33 & 0xFF for byte in request[14:18])[::-1].hex()
    said = {"values": [230.1]} if asked == "02010100" else {"data": "000000000000"}
    return wire.encode({"address": address, "control": "0x91", "di": asked, **said}, "dlt645-2007")


def poll_every(workspace: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "keyacct.cli", "poll", "--all", "--item", "voltage_a", "--every", "1h", *words,
            "--workspace", str(workspace)]  # fmt: skip


def stored(workspace: Path) -> list[dict]:
    from keyacct.config import open_workspace

    return read_table(open_workspace(workspace), "voltage", 0, 4_102_444_800_000).to_pylist()


def test_a_service_is_alive_between_its_rounds_and_while_meters_are_silent(systemd, respond, tmp_path):
    workspace = office(tmp_path, respond(lambda _: None).port, 1, 1.5)
    with subprocess.Popen(
        poll_every(workspace, "--retries", "1"),
        env=systemd.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as child:
        assert systemd.hear("READY=1")[-1] == "READY=1"
        during = systemd.hear("WATCHDOG=1\nSTATUS=1 rounds")  # three seconds without any answer
        assert during.count("WATCHDOG=1") >= 2
        assert systemd.hear("WATCHDOG=1") == ["WATCHDOG=1"]  # an hour to the next round
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 0, said
    assert "STOPPING=1" in systemd.rest()


def test_sigterm_in_mid_round_keeps_what_was_read_and_ends_with_0(systemd, respond, tmp_path):
    def slow(request):
        time.sleep(0.05)
        return reply(request)

    server = respond(slow)
    workspace = office(tmp_path, server.port, 60, 3.0)
    with subprocess.Popen(
        poll_every(workspace), env=systemd.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        systemd.hear("READY=1")
        until = time.monotonic() + 20
        while len(server.requests) < 8 and time.monotonic() < until:
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 0, said
    assert "stopped; what was read is stored" in said
    read = len(stored(workspace))
    assert 7 <= read < 60
    assert read == len(server.requests)  # the exchange under way was finished, and nothing that was answered is lost


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_single_round_that_is_stopped_stores_what_was_read_and_ends_with_130(number, respond, tmp_path):
    def slow(request):
        time.sleep(0.05)
        return reply(request)

    server = respond(slow)
    workspace = office(tmp_path, server.port, 60, 3.0)
    command = [
        sys.executable,
        "-m",
        "keyacct.cli",
        "poll",
        "--all",
        "--item",
        "voltage_a",
        "--workspace",
        str(workspace),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        until = time.monotonic() + 20
        while len(server.requests) < 8 and time.monotonic() < until:
            time.sleep(0.02)
        child.send_signal(number)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130, said
    assert "Traceback" not in said
    assert len(stored(workspace)) == len(server.requests) >= 8


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_figures_of_a_service_are_at_its_port_first_pass_and_final_apart(systemd, respond, tmp_path):
    asked: dict[bytes, int] = {}

    def forgetful(request):
        """Meter 3 loses its first request; meter 4 says nothing at all."""
        asked[request[5:11]] = asked.get(request[5:11], 0) + 1
        number = int(request[5:11][::-1].hex())
        return None if number == 4 or (number == 3 and asked[request[5:11]] == 1) else reply(request)

    workspace = office(tmp_path, respond(forgetful).port, 4, 0.5)
    port = free_port()
    with subprocess.Popen(
        poll_every(workspace, "--metrics-port", str(port), "--metrics", str(tmp_path / "k.prom"), "--retries", "1"),
        env=systemd.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        systemd.hear("WATCHDOG=1\nSTATUS=1 rounds")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
            assert answer.headers["Content-Type"].startswith("text/plain")
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=20)
    assert (tmp_path / "k.prom").read_text() == text
    figures = dict(re.findall(r"^(keyacct\S+) (\S+)$", text, re.MULTILINE))
    assert figures['keyacct_poll_first_pass_ratio{plan="on_demand"}'] == "0.5"
    assert figures['keyacct_poll_success_ratio{plan="on_demand"}'] == "0.75"
    assert figures['keyacct_poll_failing{cause="timeout"}'] == "1"
    assert figures["keyacct_poll_working"] == "0"


def test_a_port_for_figures_without_a_service_is_refused(tmp_path):
    init_workspace(tmp_path / "office")
    words = ["--all", "--metrics-port", "9000", "--workspace", str(tmp_path / "office")]
    assert run(["poll", *words]) == 2


def test_the_master_station_tells_systemd_that_it_is_ready_alive_and_stopping(systemd, tmp_path):
    command = [sys.executable, "-m", "keyacct.cli", "listen", "--bind", "127.0.0.1:0", "--allow-any", "--out",
               str(tmp_path / "heard.jsonl")]  # fmt: skip
    with subprocess.Popen(
        command, env=systemd.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        place = json.loads(child.stdout.readline())
        assert systemd.hear("READY=1")[-1] == f"READY=1\nSTATUS=listening on 127.0.0.1:{place['port']}"
        systemd.hear("WATCHDOG=1")
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 0, said
    assert systemd.rest()[-1] == "STOPPING=1"


def test_a_heart_does_not_beat_faster_than_asked(systemd, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.place)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    heart = Heart()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        heart.beat()
        time.sleep(0.005)
    assert 6 <= len(systemd.rest()) <= 10
