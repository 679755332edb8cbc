"""Passwords of devices: CONNECT of DL/T 698.45, where they come from, and that they are in no output."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys

import peer698
import pytest
from dlt698 import _native as native

from keyacct import wire
from keyacct.capture.masking import without_password
from keyacct.capture.replay import replay
from keyacct.cli.run import run
from keyacct.workflow.workspace import init_workspace

PROTOCOL = "dlt698.45"
SECRET = "Zq7-Kw9x"
WRONG = "Yp4-Jv8w"
OPERATOR = "02A1B2C3 97531864"
FORMS = [
    SECRET, SECRET.encode().hex(), SECRET.encode().hex().upper(), base64.b64encode(SECRET.encode()).decode().rstrip("="),
    WRONG, WRONG.encode().hex(), WRONG.encode().hex().upper(), base64.b64encode(WRONG.encode()).decode().rstrip("="),
]  # fmt: skip
RAW = [form.encode() for form in FORMS]
HEAD = 53  # of CONNECT in a frame with a six-byte address: where the mechanism stands (DL/T 698.45-2017 §8.3.4)


class Guarded:
    """A server that wants a password in CONNECT, by the bytes of the frame. echo: the line gives back what is sent."""

    def __init__(self, *, echo=False, says=True, result=1):
        self.echo, self.says, self.result, self.connected = echo, says, result, False
        self.tried, self.asked = [], []

    def __call__(self, data):
        frame = data.lstrip(b"\xfe")
        message = json.loads(next(iter(wire.describe([frame.hex()], PROTOCOL))))
        apdu, head, tails = (
            message["apdu"],
            {"piid_acd": message["apdu"]["piid"]},
            {"follow_report": None, "time_tag": None},
        )
        self.asked.append(message["service"])
        answer = self._answer(frame, apdu, head, tails)
        said = wire.encode({"address": peer698.ADDRESS, "apdu": answer}, PROTOCOL) if answer and self.says else b""
        return [data[:60], data[60:], said] if self.echo else said or None

    def _answer(self, frame, apdu, head, tails):
        if apdu["service"] == "CONNECT-Request":
            given = frame[HEAD + 2 : HEAD + 2 + frame[HEAD + 1]] if frame[HEAD] == 1 else None
            self.tried.append(given)
            self.connected = given == SECRET.encode()
            zeros = {"vendor": "00000000", "software_version": "00000000", "software_date": "000000000000",
                     "hardware_version": "00000000", "hardware_date": "000000000000", "extension": "00" * 8}  # fmt: skip
            return {
                "service": "CONNECT-Response", **head, "factory_version": zeros, "protocol_version": 16,
                "protocol_conformance": "FF" * 8, "function_conformance": "FF" * 16, "server_tx_size": 1024,
                "server_rx_size": 1024, "server_window": 1, "max_apdu": 1024, "timeout_s": 100,
                "result": 0 if self.connected else self.result, "auth": None, **tails,
            }  # fmt: skip
        if apdu["service"] == "RELEASE-Request":
            return {"service": "RELEASE-Response", **head, "result": 0, **tails}
        if not self.connected:
            return {"service": "ERROR-Response", **head, "error_type": 2, **tails}
        data = {"data": {"array": [{"long-unsigned": n} for n in (2301, 2302, 2303)]}}
        if apdu["service"] == "GetRequestNormalList":
            return {"service": "GetResponseNormalList", **head,
                    "results": [{"oad": oad, **data} for oad in apdu["oads"]], **tails}  # fmt: skip
        return {"service": "GetResponseNormal", **head, "oad": apdu["oad"], **data, **tails}


def kept(folder, name, text):
    file = folder / name
    file.write_text(text + "\n")
    file.chmod(0o600)
    return file


def poll(port, *more):
    return ["poll", "--link", f"socket://127.0.0.1:{port}", "--protocol", PROTOCOL, "--address", peer698.ADDRESS,
            "--item", "voltage", "--timeout", "2", *map(str, more)]  # fmt: skip


def office(folder, port, *, meter="", line="", setting=""):
    """A workspace with one meter on a line, and where its password is said to be."""
    init_workspace(folder)
    if setting:
        (folder / "keyacct.toml").write_text(f'[poll]\npassword_file = "{setting}"\n')
    registry = folder / "registry.toml"
    registry.write_text(
        f'[[poll_line]]\npoll_line = "L"\nlink = "socket://127.0.0.1:{port}"\ntimeout_s = 2.0\n'
        + (f'password_file = "{line}"\n' if line else "")
        + f'[[meter]]\nmeter_no = "M1"\nprotocol = "{PROTOCOL}"\naddress = "{peer698.ADDRESS}"\n'
        '[[meter_link]]\nmeter_no = "M1"\npoll_line = "L"\n' + (f'password_file = "{meter}"\n' if meter else "")
        + '[[poll_plan]]\npoll_plan = "p"\nitems = "voltage,20000201"\nschedule = "*/15 * * * *"\n'
        '[[poll_assignment]]\npoll_plan = "p"\n'
    )  # fmt: skip
    assert run(["--workspace", str(folder), "registry", "import", str(registry)]) == 0


@pytest.mark.parametrize("by", ["file", "variable", "labelled"])
def test_the_password_is_taken_from_a_file_or_a_variable_and_goes_in_connect(
    by, respond, tmp_path, monkeypatch, capsys
):
    device = Guarded()
    port = respond(device).port
    monkeypatch.setenv("METER_PASSWORD", SECRET)
    text = f"dlt645-2007 {OPERATOR}\n{PROTOCOL} {SECRET}" if by == "labelled" else SECRET
    option = (
        ["--password-env", "METER_PASSWORD"] if by == "variable" else ["--password-file", kept(tmp_path, "s", text)]
    )
    assert run(poll(port, *option, "--format", "jsonl")) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["value"] for row in rows] == [230.1, 230.2, 230.3]
    assert device.tried == [SECRET.encode()]


def test_the_foreign_codec_reads_the_password_of_our_connect(respond, tmp_path):
    sent = []
    device = Guarded()

    def watched(data):
        sent.append(data.lstrip(b"\xfe"))
        return device(data)

    assert run(poll(respond(watched).port, "--password-file", kept(tmp_path, "s", SECRET))) == 0
    apdu = native.decode_apdu(sent[0][14:-3])
    assert isinstance(apdu, native.ConnectRequest)
    assert apdu.mechanism.password == SECRET


def test_a_refused_password_is_a_failure_of_its_own_and_tried_once(respond, tmp_path, capsys):
    device = Guarded()
    port = respond(device).port
    wrong = kept(tmp_path, "wrong", WRONG)
    items = "voltage,20000201,freeze_day:active_import@last"
    assert run([*poll(port, "--password-file", wrong, "--format", "jsonl"), "--item", items, "--retries", "3"]) == 6
    told = capsys.readouterr()
    assert {json.loads(line)["quality"] for line in told.out.splitlines()} == {"password"}
    assert "the password is refused, or missing: the server says that it is wrong" in told.err
    assert "put the right one into the password file" in told.err
    assert device.tried == [WRONG.encode()]


def test_a_missing_password_says_how_to_give_one(respond, capsys):
    device = Guarded()
    assert run(poll(respond(device).port, "--format", "jsonl")) == 6
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[0])["quality"] == "password"
    assert "--password-file" in told.err
    assert device.tried == [None]


@pytest.mark.parametrize(
    "places",
    [
        {"meter": "right", "line": "wrong", "setting": "wrong"}, {"line": "right", "setting": "wrong"},
        {"setting": "right"}, {"meter": "env:METER_PASSWORD", "line": "wrong"},
    ],
    ids=["meter", "line", "setting", "variable"],
)  # fmt: skip
def test_the_meter_goes_before_its_line_and_that_before_the_setting(places, respond, tmp_path, monkeypatch):
    monkeypatch.setenv("METER_PASSWORD", SECRET)
    device = Guarded()
    office(tmp_path / "w", respond(device).port, **places)
    kept(tmp_path / "w", "right", SECRET)
    kept(tmp_path / "w", "wrong", WRONG)
    assert run(["--workspace", str(tmp_path / "w"), "poll", "--all"]) == 0
    assert device.tried == [SECRET.encode()]


@pytest.mark.parametrize("trouble", ["readable", "missing", "form"])
def test_a_password_file_that_cannot_be_used_fails_its_meter_only(trouble, respond, tmp_path, capsys):
    good, other = Guarded(), Guarded()
    office(tmp_path / "w", respond(good).port, meter="bad")
    registry = tmp_path / "more.toml"
    registry.write_text(
        f'[[poll_line]]\npoll_line = "K"\nlink = "socket://127.0.0.1:{respond(other).port}"\ntimeout_s = 2.0\n'
        f'[[meter]]\nmeter_no = "M2"\nprotocol = "{PROTOCOL}"\naddress = "{peer698.ADDRESS}"\n'
        '[[meter_link]]\nmeter_no = "M2"\npoll_line = "K"\npassword_file = "right"\n'
    )
    assert run(["--workspace", str(tmp_path / "w"), "registry", "import", str(registry)]) == 0
    kept(tmp_path / "w", "right", SECRET)
    if trouble != "missing":
        kept(tmp_path / "w", "bad", f"{WRONG} with words").chmod(0o644 if trouble == "readable" else 0o600)
    capsys.readouterr()
    assert run(["--workspace", str(tmp_path / "w"), "poll", "--all"]) == 6
    told = capsys.readouterr()
    assert (len(good.tried), len(other.tried)) == (0, 1)
    sentence = {"readable": "others can read the file", "missing": "bad", "form": "not of the expected form"}[trouble]
    assert sentence in told.err
    assert "M1" in told.err
    assert run(["--workspace", str(tmp_path / "w"), "doctor"]) in (0, 6, 7)
    told = capsys.readouterr()
    assert sentence in told.out
    assert WRONG not in told.out + told.err


@pytest.mark.parametrize("device", [{}, {"echo": True}, {"echo": True, "says": False}], ids=["plain", "echo", "silent"])
def test_the_trace_holds_no_password_and_replays_to_the_same(device, respond, tmp_path):
    server, trace = Guarded(**device), tmp_path / "t.pcap"
    code = run(poll(respond(server).port, "--password-file", kept(tmp_path, "s", SECRET), "--timeout", "0.5",
                    "--retries", "1", "--trace", trace))  # fmt: skip
    assert code == (5 if server.echo and not server.says else 0)
    assert SECRET.encode() in server.tried
    written = trace.read_bytes()
    assert not [form for form in RAW if form in written]
    assert b"*" * len(SECRET) in written
    if code == 0:
        values = [row for row in replay(trace, protocol=PROTOCOL).readings.to_pylist() if row["quantity"] == "voltage"]
        assert [float(row["value"]) for row in values] == [230.1, 230.2, 230.3]


def test_a_planted_secret_is_in_no_output_of_any_command(respond, tmp_path, capsys, monkeypatch):
    """Every stream and every file, as text, hex, BCD as on the wire, and base64; right and wrong passwords."""
    monkeypatch.setenv("METER_PASSWORD", WRONG)
    device = Guarded(echo=True)
    port = respond(device).port
    work, out = tmp_path / "w", tmp_path / "out"
    out.mkdir()
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    right, code = kept(secrets, "right", SECRET), kept(secrets, "code", OPERATOR)
    office(work, port, meter=str(right))
    here = ["--workspace", str(work)]
    trip = ["control", "trip", "--protocol", "dlt645-2007", "--address", "000000000161", "--reason", "test", "--duration",
            "60", "--password-file", str(code)]  # fmt: skip
    lines = [
        [*here, "poll", "--all", "--trace", str(out / "all.pcap")], [*here, "poll", "--due", "--format", "json"],
        [*here, "poll", "--status", "--metrics", str(out / "m.prom")], [*here, "poll", "--failing"],
        [*here, "read", "M1", "voltage"], [*here, "registry", "export", "--out", str(out / "registry.toml")],
        [*here, "registry", "list", "meter_link"], [*here, "registry", "list", "poll_line"],
        [*here, "registry", "set", "meter_link", "meter_no=M1", "password_file=env:METER_PASSWORD", "--reason", "test"],
        [*here, "-v", "poll", "--all", "--format", "json", "--trace", str(out / "wrong.pcap")], [*here, "poll", "--failing"],
        [*here, "doctor", "--probe"], [*here, "audit", "list", "--format", "json"], [*here, "audit", "verify"],
        [*here, "config", "show"], [*here, "sql", "SELECT * FROM voltage"], [*here, *trip], [*here, *trip, "--execute"],
        [*here, "control", "list"], [*here, "backup", "--to", str(out / "backup")],
        poll(port, "--password-file", right, "--trace", out / "one.pcap", "--out", out / "rows.csv"),
        poll(port, "--password-env", "METER_PASSWORD", "--trace", out / "two.pcap", "--format", "json"),
        ["--debug", *poll(port, "--password-env", "METER_PASSWORD")],
        ["replay", str(out / "one.pcap"), "--protocol", PROTOCOL, "--out", str(out / "readings.jsonl")],
    ]  # fmt: skip
    streams, codes = "", []
    for line in lines:
        codes.append(run(line))
        told = capsys.readouterr()
        streams += told.out + told.err
    assert [line for line, code in zip(lines, codes, strict=True) if code in {1, 2, 3}] == [], streams[-2000:]
    process = subprocess.run(
        [sys.executable, "-m", "keyacct.cli", *poll(port, "--password-file", right)], capture_output=True, check=True,
        env={**os.environ},
    )  # fmt: skip
    streams += (process.stdout + process.stderr).decode()
    assert {SECRET.encode(), WRONG.encode()} <= set(device.tried)
    wire_645 = bytes(byte + 0x33 & 0xFF for byte in bytes.fromhex("A1B2C3"))
    texts = [*FORMS, "A1B2C3", "a1b2c3", wire_645.hex(), wire_645.hex().upper(), "97531864", "64185397"]
    raw = [*RAW, bytes.fromhex("A1B2C3"), wire_645, b"A1B2C3", b"97531864"]
    assert not [text for text in texts if text in streams]
    files = [file for folder in (work, out) for file in folder.rglob("*") if file.is_file()]
    assert len(files) > 12
    found = [(file.name, form) for file in files for form in raw if form in file.read_bytes()]
    assert found == []
    with sqlite3.connect(work / "register.db") as database:
        assert not [form for form in texts for line in database.iterdump() if form in line]


def test_nothing_is_masked_where_there_is_nothing_to_hide():
    frames = {
        "dlt645-2007": bytes.fromhex("FEFEFEFE68AAAAAAAAAAAA68110433333433AE16"),
        PROTOCOL: wire.encode({"address": "1", "apdu": {"service": "GetRequestNormal", "piid": 1, "oad": "20000200",
                                                        "time_tag": None}}, PROTOCOL),
        "modbus-rtu": bytes.fromhex("010300000001840A"),
    }  # fmt: skip
    assert {name: without_password(frame, name) for name, frame in frames.items()} == frames


def test_a_clock_write_of_dlt645_is_kept_without_its_password():
    frame = wire.encode(
        {"address": "161", "control": "0x14", "di": "04000102", "password": "02a1b2c3", "operator": "97531864",
         "values": ["10:00:00"]}, "dlt645-2007",
    )  # fmt: skip
    shown = without_password(frame, "dlt645-2007")
    assert bytes(byte + 0x33 & 0xFF for byte in bytes.fromhex("A1B2C3")) in frame
    assert len(shown) == len(frame)
    assert shown[14:22] == bytes.fromhex("35") + b"\x33" * 7
    assert (shown[:14], shown[22:-2]) == (frame[:14], frame[22:-2])
    assert sum(shown[:-2]) & 0xFF == shown[-2]
