"""Reactive, apparent and tariff-period energies of a query, against sums of the registers by hand."""

import csv
import datetime as dt
import json
import math
import random
from collections import defaultdict

import pytest

from keyacct.cli.run import run

NOW = "2026-07-05T00:00+08:00"
METERS = {"M1": ("1001", 40.0, True), "M2": ("1002", 20.0, False)}
"""Meter: account, CT ratio, and whether it has quadrants or one pair of registers."""
PERIODS = ((0, 7, "valley"), (7, 10, "flat"), (10, 12, "sharp"), (12, 23, "peak"), (23, 24, "valley"))


def _registry():
    text = '[[tariff_table]]\ntariff_table = "T"\n'
    for start, end, period in PERIODS:
        text += (
            f'[[tariff_slot]]\ntariff_table = "T"\nseason_from = "01-01"\nseason_to = "12-31"\nday_type = "all"\n'
            f'start_min = "{start:02}:00"\nend_min = "{end:02}:00"\nperiod = "{period}"\n'
        )
    for meter, (account, ct, _) in METERS.items():
        text += f"""
[[account]]
account_no = "{account}"
account_name = "A{account}"
[[account_tariff]]
account_no = "{account}"
tariff_table = "T"
[[point]]
point = "P{account}"
kind = "billing"
[[point_account]]
point = "P{account}"
account_no = "{account}"
[[meter]]
meter_no = "{meter}"
[[meter_point]]
meter_no = "{meter}"
point = "P{account}"
[[point_ratio]]
point = "P{account}"
wiring = "3p4w"
pt = 1.0
ct = {ct}
"""
    return text


def _rows():
    """Registers of two days, every quarter of an hour: meter, time, import, q1 to q4, one pair of reactive registers."""
    rnd = random.Random(3)
    for meter, (_, _, quadrants) in METERS.items():
        registers = [100.0] * 7
        for n in range(2 * 96 + 1):
            at = dt.datetime(2026, 6, 10) + n * dt.timedelta(minutes=15)
            own = [round(value, 3) for value in registers]
            yield (
                meter,
                at,
                own[0],
                *(own[1:5] if quadrants else [None] * 4),
                *([None] * 2 if quadrants else own[5:7]),
            )
            registers = [value + rnd.randrange(1, 900) / 1000 for value in registers]


COLUMNS = ("import", "q1", "q2", "q3", "q4", "reactive_import", "reactive_export")


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("energies")
    (folder / "registry.toml").write_text(_registry(), encoding="utf-8")
    with (folder / "june.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [["" if cell is None else cell for cell in row] for row in _rows()]
        csv.writer(file).writerows([("meter", "ts", *COLUMNS), *rows])
    root = str(folder / "w")
    assert run(["init", root]) == 0
    assert run(["registry", "import", str(folder / "registry.toml"), "--workspace", root]) == 0
    columns = ",".join(f"{name}=energy.{name}" for name in COLUMNS)
    arguments = ["--meter-column", "meter", "--kind", "register", "--map", columns, "--workspace", root]
    assert run(["samples", "import", str(folder / "june.csv"), *arguments]) == 0
    return root


def _sums():
    """Energies by account, day and what they are, from the differences of neighbouring registers."""
    sums, last = defaultdict(float), {}
    for meter, at, *values in _rows():
        account, ct, _ = METERS[meter]
        begun = at - dt.timedelta(minutes=15)
        if meter in last:
            steps = dict(zip(COLUMNS, values, strict=True))
            for name, before in last[meter].items():
                if steps[name] is not None:
                    sums[account, begun.date(), name] += (steps[name] - before) * ct
            period = next(name for start, end, name in PERIODS if start <= begun.hour < end)
            sums[account, begun.date(), period] += (steps["import"] - last[meter]["import"]) * ct
        last[meter] = dict(zip(COLUMNS, values, strict=True))
    return sums


def _ask(office, capsys, *arguments):
    capsys.readouterr()
    assert run(["query", *arguments, "--workspace", office, "--now", NOW, "--lang", "en", "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_energies_by_day_are_the_steps_of_the_registers(office, capsys):
    rows = _ask(office, capsys, "reactive_energy", "apparent_energy", "tariff_energy", "energy", "--by", "account_no",
                "--period", "2026-06-10..2026-06-11")  # fmt: skip
    sums = _sums()
    assert len(rows) == 4
    for row in rows:
        of = lambda name: sums[row["account_no"], dt.date.fromisoformat(row["bucket"]), name]  # noqa: B023, E731
        for period in ("sharp", "peak", "flat", "valley"):
            assert row[f"{period}_kwh"] == pytest.approx(of(period))
        if row["account_no"] == "1001":
            lag, lead = of("q1") + of("q2"), of("q3") + of("q4")
            counted = of("q1") + of("q4")  # the quadrants of settlement
        else:
            lag, lead = of("reactive_import"), of("reactive_export")
            counted = lag + lead
        assert (row["reactive_import_kvarh"], row["reactive_export_kvarh"]) == pytest.approx((lag, lead))
        assert row["apparent_kvah"] == pytest.approx(math.hypot(of("import"), counted))
        assert sum(row[f"{period}_kwh"] for period in ("sharp", "peak", "flat", "valley")) == pytest.approx(
            row["energy_kwh"]
        )


def test_apparent_energy_of_a_group_is_that_of_its_sums(office, capsys):
    (row,) = _ask(office, capsys, "apparent_energy", "--period", "2026-06-10", "--bucket", "period")
    sums, day = _sums(), dt.date(2026, 6, 10)
    wp = sum(sums[account, day, "import"] for account in ("1001", "1002"))
    wq = sum(sums["1001", day, name] for name in ("q1", "q4")) + sum(
        sums["1002", day, name] for name in ("reactive_import", "reactive_export")
    )
    assert row["apparent_kvah"] == pytest.approx(math.hypot(wp, wq), rel=1e-4)
