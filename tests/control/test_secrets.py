"""Passwords: from a file of mode 0600 or a named variable, and in no output, record, error or repr."""

from __future__ import annotations

import pytest
from control_orders import ADDRESSES, STAMP, order_of

from keyacct.control.commands import PermitClose, Trip
from keyacct.control.door import Gate, pass_door
from keyacct.control.encoding import frames_of
from keyacct.control.targets import RelayRound, Target
from keyacct.database.engine import open_database
from keyacct.errors import ConfigError, InputError
from keyacct.secrets import Secrets, read_secrets

SECRET_645 = "02A1B2C3 12345678"
SECRET_1376 = "C0FFEE11" * 4


def on_the_wire(hex_645):
    return bytes(b + 0x33 & 0xFF for b in bytes.fromhex(hex_645)).hex().upper()


def test_a_file_of_its_owner_is_read(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET_645 + "\n")
    file.chmod(0o600)
    found = read_secrets("dlt645-2007", file=file)
    assert (found.password_645.hex().upper(), found.operator_645, found.given) == ("02A1B2C3", "12345678", True)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_reach_is_refused(tmp_path, mode):
    file = tmp_path / "secret"
    file.write_text(SECRET_645)
    file.chmod(mode)
    with pytest.raises(ConfigError, match="others can read"):
        read_secrets("dlt645-2007", file=file)


def test_a_variable_is_read_by_its_name(monkeypatch):
    monkeypatch.setenv("RELAY_PASSWORD", SECRET_1376)
    assert read_secrets("gdw1376.1", variable="RELAY_PASSWORD").password_1376.hex().upper() == SECRET_1376
    monkeypatch.delenv("RELAY_PASSWORD")
    with pytest.raises(ConfigError, match="RELAY_PASSWORD is not set"):
        read_secrets("gdw1376.1", variable="RELAY_PASSWORD")


@pytest.mark.parametrize("protocol", ["dlt645-2007", "gdw1376.1", "dlt698.45"])
def test_another_form_is_named_without_its_text(protocol, monkeypatch, tmp_path):
    monkeypatch.setenv("RELAY_PASSWORD", "hunter2 hunter2")
    with pytest.raises(ConfigError) as error:
        read_secrets(protocol, variable="RELAY_PASSWORD")
    assert "hunter2" not in str(error.value.as_dict())
    with pytest.raises(InputError):
        read_secrets(protocol, file=tmp_path / "missing")


CASES = [
    ("dlt645-2007", Trip(None, 60), Secrets(bytes.fromhex("02A1B2C3"), "12345678", given=True),
     ["A1B2C3", "12345678", on_the_wire("A1B2C3"), on_the_wire("78563412")]),
    ("gdw1376.1", PermitClose(RelayRound(2)), Secrets(password_1376=bytes.fromhex(SECRET_1376), given=True), ["C0FFEE11"]),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "command", "secrets", "hidden"), CASES, ids=["645", "1376.1"])
def test_a_secret_is_in_nothing_that_is_shown_or_kept(protocol, command, secrets, hidden, workspace):
    passed = pass_door(order_of(command, protocol), Gate(workspace), None, secrets)
    with open_database(workspace).read() as connection:
        kept = [
            str(tuple(row))
            for table in ("control_attempt", "control_step", "audit")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
        ]
    shown = " ".join([repr(secrets), *(frame.shown for frame in passed.frames), *kept]).upper()
    for text in hidden:
        assert text in (frame := passed.frames[0].data.hex().upper()) or text in ("A1B2C3", "12345678"), frame
        assert text not in shown


def test_the_checksum_that_would_betray_the_secret_is_hidden_with_it():
    made = [
        frames_of(command, Target(protocol, ADDRESSES[protocol]), STAMP, secrets)[0].shown
        for protocol, command, _, _ in CASES
        for secrets in (
            Secrets(bytes.fromhex("02111111"), "11111111", b"\x11" * 16, given=True),
            Secrets(bytes.fromhex("02222222"), "22222222", b"\x22" * 16, given=True),
        )
    ]
    assert made[0] == made[1]
    assert made[2] == made[3]
    assert made[0].endswith("**16")


def test_decoding_shows_no_password_of_a_645_command():
    import json

    from keyacct import wire

    (made,) = frames_of(Trip(None, 60), Target("dlt645-2007", "161"), STAMP, CASES[0][2])
    for fields in (False, True):
        (text,) = wire.describe([made.data.hex()], "dlt645-2007", fields=fields)
        values = json.dumps([v for v in json.loads(text).items() if v[0] not in ("hex", "raw")]).upper()
        assert "A1B2C3" not in values
        assert on_the_wire("A1B2C3") not in values
