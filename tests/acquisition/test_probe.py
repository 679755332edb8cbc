"""`keyacct doctor`: the way to the meters looked at, and with --probe gone; every finding says what to try."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from keyacct import wire
from keyacct.capture.line_lock import LineLock
from keyacct.cli.run import run
from keyacct.config import open_workspace
from keyacct.workflow import doctor_lines
from keyacct.workflow.doctor_lines import check_lines
from keyacct.workflow.workspace import init_workspace


def reply(request: bytes, address: str | None = None, error: str | None = None) -> bytes:
    message: dict = {"address": address or request[5:11][::-1].hex(), "control": "0x91"}
    di = bytes((byte - 0x33) % 256 for byte in request[14:18])[::-1].hex().upper()
    if error is not None:
        return wire.encode(message | {"control": "0xD1", "error": error}, "dlt645-2007")
    return wire.encode(message | {"di": di, "values": [230.1 if di == "02010100" else 5.0]}, "dlt645-2007")


@pytest.fixture
def office(tmp_path):
    """A workspace with these lines (name → link) and meters (number, address, line)."""

    def make(lines: dict[str, str], meters: list[tuple[str, str, str]] = (), protocol: str = "dlt645-2007") -> Path:
        folder = tmp_path / "office"
        init_workspace(folder)
        text = "".join(
            f'[[poll_line]]\npoll_line = "{name}"\nlink = "{link}"\ntimeout_s = 0.3\n' for name, link in lines.items()
        )
        for number, address, line in meters:
            text += (
                f'[[meter]]\nmeter_no = "{number}"\nprotocol = "{protocol}"\naddress = "{address}"\n'
                f'[[meter_link]]\nmeter_no = "{number}"\npoll_line = "{line}"\n'
            )
        (tmp_path / "lines.toml").write_text(text)
        assert run(["registry", "import", str(tmp_path / "lines.toml"), "--workspace", str(folder)]) == 0
        return folder

    return make


def probed(folder: Path, capsys) -> tuple[int, dict[str, dict]]:
    capsys.readouterr()
    code = run(["doctor", "--probe", "--format", "json", "--workspace", str(folder)])
    rows = json.loads(capsys.readouterr().out)
    return code, {row["message"].split(" ")[0]: row for row in rows if row["check"] == "probe"}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_line_is_asked_and_what_is_wrong_is_a_sentence_with_what_to_try(office, respond, capsys):
    def only_161(request: bytes) -> bytes | None:
        return reply(request, "000000000161") if b"\xaa" in request[5:11] else None

    lines = {
        "good": respond(reply).port, "refusing": respond(lambda request: reply(request, error="02")).port,
        "silent": respond(lambda _: None).port, "noisy": respond(lambda _: bytes(range(1, 40))).port,
        "misnamed": respond(only_161).port, "gone": closed_port(),
    }  # fmt: skip
    folder = office(
        {name: f"socket://127.0.0.1:{port}" for name, port in lines.items()},
        [(f"M-{name}", f"{number:012d}", name) for number, name in enumerate(lines, 1)],
    )
    code, rows = probed(folder, capsys)
    assert code == 6
    assert {name: row["state"] for name, row in rows.items()} == {
        "good": "ok", "refusing": "ok", "silent": "look", "noisy": "look", "misnamed": "look", "gone": "look",
    }  # fmt: skip
    assert "meter M-good answers" in rows["good"]["message"]
    assert "nobody listens" in rows["gone"]["message"]
    assert "server mode" in rows["gone"]["advice"]
    assert "no answer in time" in rows["silent"]["message"]
    assert "baud rate, parity and wiring" in rows["silent"]["advice"]
    assert "bytes came, but no frame" in rows["noisy"]["message"]
    assert "baud rate, the parity or the protocol" in rows["noisy"]["advice"]
    assert "000000000161 does" in rows["misnamed"]["message"]
    assert "address in the registry is not" in rows["misnamed"]["advice"]


def test_exit_codes_tell_all_from_some_from_none(office, respond, capsys):
    good, bad = respond(reply).port, closed_port()
    folder = office({"a": f"socket://127.0.0.1:{good}"}, [("M1", "1", "a")])
    assert probed(folder, capsys)[0] == 0
    moved = f'[[poll_line]]\npoll_line = "a"\nlink = "socket://127.0.0.1:{bad}"\n'
    (folder.parent / "moved.toml").write_text(moved)
    assert run(["registry", "import", str(folder.parent / "moved.toml"), "--workspace", str(folder)]) == 0
    code, rows = probed(folder, capsys)
    assert (code, rows["a"]["state"]) == (5, "look")


def test_a_line_without_meters_is_asked_by_wildcard(office, respond, capsys):
    folder = office({"new": f"socket://127.0.0.1:{respond(lambda r: reply(r, '000000000161')).port}"})
    code, rows = probed(folder, capsys)
    assert code == 0
    assert "000000000161 answers" in rows["new"]["message"]
    assert "meter_link" in rows["new"]["advice"]


HOLD = (
    "import sys\nfrom keyacct.capture.line_lock import LineLock\nlock = LineLock(sys.argv[1])\nlock.take(0)\n"
    "print('held', flush=True)\nsys.stdin.read()\n"
)


@contextlib.contextmanager
def held_elsewhere(place: str):
    """The line, in the hands of another process."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_line_that_is_being_polled_is_not_disturbed_and_is_no_failure(office, respond, capsys):
    server = respond(reply)
    folder = office({"a": f"socket://127.0.0.1:{server.port}"}, [("M1", "1", "a")])
    with held_elsewhere(f"127.0.0.1:{server.port}"):
        code, rows = probed(folder, capsys)
    assert (code, rows["a"]["state"]) == (0, "ok")
    assert "not asked" in rows["a"]["message"]
    assert server.requests == []
    assert probed(folder, capsys)[0] == 0
    assert server.requests


def test_the_process_that_talks_on_a_line_is_named_and_its_death_frees_it(respond, capsys):
    server = respond(reply)
    words = ["poll", "--link", f"socket://127.0.0.1:{server.port}", "--protocol", "dlt645-2007", "--address", "1",
             "--item", "voltage_a"]  # fmt: skip
    place = f"127.0.0.1:{server.port}"
    with held_elsewhere(place) as child:
        with pytest.raises(Exception, match=f"process {child.pid} is talking") as caught:
            LineLock(place).take(0.3)
        assert "one conversation at a time" in caught.value.hint
        threading.Timer(0.5, child.kill).start()  # kill -9 while the next one waits
        assert run(words) == 0
    assert len(server.requests) == 1


def test_a_port_that_is_not_there_not_a_port_or_in_use_is_told_before_anybody_asks(office, serial_pair, tmp_path):
    (tmp_path / "file").write_text("no port")
    folder = office({"none": "/dev/ttyNOTHERE9", "file": str(tmp_path / "file"), "free": serial_pair[0]})
    found = {
        check.message.split(":")[0]: check for check in check_lines(open_workspace(folder)) if check.check == "ports"
    }
    assert {name: check.state for name, check in found.items()} == {"none": "look", "file": "look", "free": "ok"}
    assert "is not there" in found["none"].message
    assert "no serial port" in found["file"].message
    code = "import sys, time\nport = open(sys.argv[1], 'rb')\nprint('open', flush=True)\ntime.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", code, serial_pair[0]], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        busy = [check for check in check_lines(open_workspace(folder)) if check.message.startswith("free")]
        child.kill()
    assert [check.state for check in busy] == ["look"]
    assert f"is open in process {child.pid} (python" in busy[0].message
    assert str(child.pid) in busy[0].advice


def test_a_port_that_this_user_may_not_use_names_the_group(office, serial_pair, monkeypatch):
    folder = office({"a": serial_pair[0]})
    monkeypatch.setattr(doctor_lines.os, "access", lambda *_: False)  # as it is for a user without the right
    (check,) = [check for check in check_lines(open_workspace(folder)) if check.check == "ports"]
    assert check.state == "look"
    assert "may not use" in check.message
    assert "group" in check.advice


def test_too_few_files_for_the_lines_are_told(office, monkeypatch):
    folder = office({f"L{n}": f"socket://127.0.0.1:{9000 + n}" for n in range(20)})
    monkeypatch.setattr(doctor_lines.resource, "getrlimit", lambda _: (100, 100))
    (check,) = [check for check in check_lines(open_workspace(folder)) if check.check == "files"]
    assert check.state == "look"
    assert "20 lines at once need 136 open files, the system allows 100" in check.message
    assert "LimitNOFILE" in check.advice


def test_lines_are_fewer_rather_than_failing_where_files_are_few():
    code = (
        "import resource\nfrom keyacct.capture.open_files import allow_lines\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 296))\nprint(allow_lines(50), allow_lines(500))\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["50", "100", "296"]


def test_a_clock_that_was_set_back_is_told(office, capsys):
    folder = office({"a": "socket://127.0.0.1:9"})
    server_now = "2031-07-01T08:00:00+08:00"
    frame = folder.parent / "log.txt"
    request = wire.encode({"address": "000000000001", "control": "0x11", "di": "02010100"}, "dlt645-2007")
    frame.write_text(f"2026-06-30 00:15:00 RX {reply(b'____' + request).hex()}\n")
    assert run(["replay", str(frame), "--now", server_now, "--workspace", str(folder)]) == 0
    workspace = open_workspace(folder)
    (check,) = [check for check in check_lines(workspace) if check.check == "clock"]
    assert check.state == "look"
    assert "stands before what was stored at 2031-07-01 08:00" in check.message


def test_the_kernel_tells_whether_its_clock_is_set():
    assert doctor_lines.clock_is_synchronised() in (True, False, None)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] != 0


def test_a_clock_that_nobody_sets_is_told(office, monkeypatch):
    folder = office({"a": "socket://127.0.0.1:9"})
    for state, told in ((False, "look"), (True, "ok"), (None, "ok")):
        monkeypatch.setattr(doctor_lines, "clock_is_synchronised", lambda state=state: state)
        (check,) = [check for check in check_lines(open_workspace(folder)) if check.check == "clock"]
        assert check.state == told
    assert os.environ.get("KEYACCT_NOW") is None
