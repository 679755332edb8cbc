import json

import pytest

from keyacct.cli.run import run
from keyacct.model import MINUTE_MS


@pytest.fixture
def filled(office, tmp_path):
    (tmp_path / "keyacct.toml").write_text("")
    office.point()
    office.point("P9", meter="M9", account_no="2000000002", account_name="Quiet")
    for n, (volts, kw) in enumerate(((220, 4), (240, 8), (221, 6), (222, 6)), start=1):
        at = office.at("2026-06-01T00:00") + n * 15 * MINUTE_MS
        office.sample("voltage", at, a=volts)
        office.sample("power", at, p=kw)
    for day, value in (("2026-06-01", 0), ("2026-07-01", 100)):
        office.sample("energy", f"{day}T00:00", "register", **{"import": value, "q1": value})
    return office


def call(capsys, folder, *arguments):
    status = run([*arguments, "--workspace", str(folder), "--now", "2026-07-05T00:00+08:00", "--lang", "en"])
    return status, *capsys.readouterr()


def test_the_period_is_the_last_whole_month_unless_given(filled, tmp_path, capsys):
    status, out, err = call(capsys, tmp_path, "voltage", "--format", "json")
    rows = json.loads(out)
    assert status == 0
    first = rows[0]
    assert (first["account_no"], first["phase"], first["rate"]) == ("1000000001", "A", 0.75)
    assert first["max_at"] == "2026-06-01T00:30:00+08:00"
    assert err == "no data in 2026-06 for 1 account(s): 2000000002\n"
    quiet = next(row for row in rows if row["account_no"] == "2000000002")
    assert (quiet["monitored_min"], quiet["rate"], quiet["passed"]) == (None, None, None)
    status, out, err = call(capsys, tmp_path, "voltage", "--format", "json", "--period", "2026-07")
    assert (status, json.loads(out), err) == (0, [], "no metering points in 2026-07\n")


def test_the_table_shows_percent_and_verdicts_in_both_languages(filled, tmp_path, capsys):
    _, out, _ = call(capsys, tmp_path, "voltage", "--account", "1000000001")
    row = next(line for line in out.splitlines() if " A " in line)
    assert row.split()[2:] == ["A", "198–235.4", "60", "15", "0", "75.000", "FAIL", "240.0", "220.0", "0.1"]
    run(["voltage", "--workspace", str(tmp_path), "--now", "2026-07-05T00:00+08:00", "--lang", "zh"])
    assert "不合格" in capsys.readouterr().out


def test_days_are_listed_when_asked_for(filled, tmp_path, capsys):
    _, out, _ = call(capsys, tmp_path, "load", "--by", "day", "--format", "jsonl", "--account", "1000000001")
    days = [json.loads(line) for line in out.splitlines()]
    assert len(days) == 30
    assert (days[0]["day"], days[0]["md_kw"], days[0]["load_rate"]) == ("2026-06-01", 8.0, 0.75)
    assert days[1]["md_kw"] is None


def test_power_factor_by_account_point_and_hour(filled, tmp_path, capsys):
    _, out, err = call(capsys, tmp_path, "pf", "--format", "json")
    rows = json.loads(out)
    assert (rows[0]["pf_assessed"], rows[0]["adjustment_pct"], rows[0]["passed"]) == (0.71, 9.5, False)
    assert "2000000002" in err
    _, out, _ = call(capsys, tmp_path, "pf", "--by", "point")
    assert "P9" in out
    _, out, _ = call(capsys, tmp_path, "pf", "--by", "hour", "--format", "json")
    assert len(json.loads(out)) == 48
    assert call(capsys, tmp_path, "pf", "--by", "day")[0] == 2


@pytest.mark.parametrize("name", ["voltage", "pf", "load"])
def test_an_unknown_account_ends_with_exit_3(filled, tmp_path, capsys, name):
    status, out, err = call(capsys, tmp_path, name, "--account", "404")
    assert (status, out) == (3, "")
    assert err.startswith("error: no account 404")


@pytest.mark.parametrize("name", ["voltage", "pf", "load"])
def test_without_a_workspace_the_exit_is_3_and_a_wrong_period_is_2(filled, tmp_path, capsys, name):
    assert call(capsys, tmp_path / "none", name)[0] == 3
    assert call(capsys, tmp_path, name, "--period", "soon")[0] == 2


@pytest.mark.parametrize("name", ["voltage", "pf", "load"])
def test_the_output_is_the_same_bytes_each_time(filled, tmp_path, capsys, name):
    assert call(capsys, tmp_path, name) == call(capsys, tmp_path, name)
