"""`keyacct control` as it is typed."""

from __future__ import annotations

import json

import pytest

from keyacct import clock
from keyacct.cli.run import run

NOW = ("--now", "2026-07-01T10:00:00+08:00")
TRIP = ("control", "trip", "--protocol", "gdw1376.1", "--address", "3701-0001", "--round", "2", "--duration", "60")


@pytest.fixture
def keyacct(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("KEYACCT_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = run([*words, *NOW])
        done = capsys.readouterr()
        return code, done.out, done.err

    yield call
    clock.fix(None)


def test_a_dry_run_is_the_default_and_shows_the_exact_frame(keyacct):
    code, out, err = keyacct(*TRIP, "--alarm", "5", "--format", "json")
    rows = json.loads(out)
    assert code == 0
    # 68 L L 68, C 4A, address, MSA 1, AFN 05, SEQ, P2 F1, 52H; PW 0; Tp with 10:00:00 on the 1st and 5 min
    frame = next(row["text"] for row in rows if row["part"] == "frame")
    assert frame.startswith("688E008E00684A013701000205F0020101005200000000")
    assert frame[-18:-4].endswith("0000100105")
    assert {"part": "result", "name": "state", "text": "shown"} in rows
    assert "nothing was sent" in err


@pytest.mark.parametrize("where", [(), ("--link", "socket://127.0.0.1:9")])
@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv"])
def test_execute_is_refused_with_reasons(keyacct, where, format):
    code, out, err = keyacct(*TRIP, "--execute", *where, "--format", format)
    assert (code, out) == (8, "")
    assert "the approval chain does not exist in this version" in err
    if format in ("json", "jsonl"):
        assert json.loads(err)["error"]["where"]["reasons"].split()[0] == "check.no_sender"


def test_execute_on_a_simulated_device_obeys_and_reads_back(keyacct, description):
    code, out, _ = keyacct(*TRIP, "--alarm", "5", "--execute", "--simulate", str(description), "--format", "jsonl")
    looks = [row["text"] for row in map(json.loads, out.splitlines()) if row["part"] == "look"]
    assert code == 0
    assert [text.partition(",")[0] for text in looks] == [
        "open_rounds none", "open_rounds none", "open_rounds 2", "open_rounds none",
    ]  # fmt: skip


def test_simulate_without_execute_only_shows(keyacct, description):
    code, out, _ = keyacct(*TRIP, "--simulate", str(description), "--format", "json")
    assert code == 0
    assert not [row for row in json.loads(out) if row["part"] == "look"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("trip", "--protocol", "gdw1376.1", "--address", "3701-FFFF", "--round", "2", "--duration", "60"), "group_address"),
        (("trip", "--protocol", "gdw1376.1", "--address", "3701-0001", "--round", "1,2", "--duration", "60"), "several_rounds"),
        (("trip", "--protocol", "gdw1376.1", "--address", "3701-0001", "--round", "2", "--duration", "0"), "no_end"),
        (("keep-supply", "--protocol", "gdw1376.1", "--address", "3701-0001"), "no_end"),
        (("never", "close"), "direct_close"),
        (("never", "keep-supply-off"), "keep_supply_off"),
        (("never", "exclude-off"), "exclude_off"),
    ],
)  # fmt: skip
def test_what_is_never_done_is_refused_even_as_a_dry_run(keyacct, words, reason):
    code, out, err = (
        keyacct("control", *words, "--format", "json") if words[0] != "never" else keyacct("control", *words)
    )
    assert (code, out) == (8, "")
    if words[0] != "never":
        assert json.loads(err)["error"]["where"]["reasons"] == f"never.{reason}"


def test_refusals_are_kept_in_the_workspace(keyacct, tmp_path):
    office = str(tmp_path / "office")
    assert keyacct("init", office)[0] == 0
    assert keyacct(*TRIP, "--execute", "--workspace", office)[0] == 8
    assert keyacct(*TRIP, "--workspace", office)[0] == 0
    assert keyacct("control", "never", "close", "--workspace", office)[0] == 8
    code, out, _ = keyacct("control", "list", "--workspace", office, "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert [(row["kind"], row["state"]) for row in rows] == [("dry_run", "shown"), ("device", "refused")]
    assert "check.no_sender" in rows[1]["why"]
    code, out, _ = keyacct("audit", "list", "--workspace", office, "--format", "json")
    actions = [row["action"] for row in json.loads(out)]
    assert actions.count("control.refused") == 2
    assert keyacct("audit", "verify", "--workspace", office)[0] == 0


def test_registered_devices_are_found(keyacct, tmp_path):
    from test_door import REGISTRY

    office = str(tmp_path / "office")
    keyacct("init", office)
    (tmp_path / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    assert keyacct("registry", "import", str(tmp_path / "registry.toml"), "--workspace", office)[0] == 0
    code, out, _ = keyacct(
        "control", "permit-close", "--terminal", "T1", "--round", "2", "--workspace", office, "--format", "json"
    )
    assert code == 0
    assert "013701" in next(row["text"] for row in json.loads(out) if row["part"] == "frame")
    assert keyacct("control", "permit-close", "--meter", "M1", "--workspace", office)[0] == 0
    assert keyacct("control", "permit-close", "--meter", "M9", "--workspace", office)[0] == 3


@pytest.mark.parametrize(
    "words",
    [
        ("trip", "--duration", "60"),
        ("trip", "--duration", "60", "--protocol", "gdw1376.1"),
        ("trip", "--duration", "60", "--protocol", "modbus-rtu", "--address", "1"),
        ("trip", "--duration", "60", "--protocol", "gdw1376.1", "--address", "3701-0001"),
        ("trip", "--duration", "60", "--protocol", "gdw1376.1", "--address", "3701-0001", "--round", "block 2"),
        ("limit", "--kw", "5", "--from", "today", "--to", "2026-07-02", "--round", "1", "--protocol", "gdw1376.1",
         "--address", "3701-0001"),
        ("never", "sleep"),
        ("state", "--protocol", "gdw1376.1", "--address", "3701-0001"),
        ("state", "--protocol", "gdw1376.1", "--address", "3701-0001", "--bind", "here"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_a_usage_error(keyacct, words):
    code, out, err = keyacct("control", *words)
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_both_languages_say_the_same_codes(keyacct):
    found = {}
    for lang in ("en", "zh"):
        code, out, _ = keyacct("--lang", lang, *TRIP, "--format", "json")
        assert code == 0
        found[lang] = [row["name"] for row in json.loads(out) if row["part"] == "against"]
    assert found["en"] == found["zh"]
    assert "审批" in keyacct("--lang", "zh", *TRIP, "--execute")[2]


def test_a_password_never_stands_on_the_command_line(keyacct):
    _, out, _ = keyacct("control", "trip", "--help")
    assert "--password " not in out
    assert "--password-file" in out


def test_the_state_of_a_simulated_device_is_rows(keyacct, description):
    words = ("control", "state", "--protocol", "dlt698.45", "--address", "2", "--simulate", str(description))
    code, out, _ = keyacct(*words, "--format", "json")
    rows = {row["name"]: row["value"] for row in json.loads(out)}
    assert code == 0
    assert (rows["open_rounds"], rows["keep_supply"], rows["clock"]) == ("none", "off", "2026-07-01T10:00:00")


def test_no_other_command_line_sends_a_control_frame(keyacct):
    """`read` and `poll` take identifiers to read; what is no read is refused before a line is opened."""
    for words in (
        ("read", "161", "trip", "--link", "socket://127.0.0.1:9"),
        ("read", "2", "80008100", "--link", "socket://127.0.0.1:9", "--protocol", "gdw1376.1"),
        (
            "poll",
            "--link",
            "socket://127.0.0.1:9",
            "--protocol",
            "gdw1376.1",
            "--address",
            "3701-0001",
            "--item",
            "050001",
        ),
    ):
        code, _, err = keyacct(*words)
        assert code in (2, 4, 8), (words, err)
