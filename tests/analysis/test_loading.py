"""Loading of transformers and current transformers, and the findings of their size, over a real registry."""

import csv
import datetime as dt
import math
import types
import zoneinfo

import pytest
from customer_lines import ENERGY, SHARES, both_ends, office, powers, registry
from network_office import NOW, asked

from keyacct.analysis.loading import findings_of
from keyacct.cli.run import run
from keyacct.config import LoadingSettings
from keyacct.model import Period

SHANGHAI = zoneinfo.ZoneInfo("Asia/Shanghai")


def test_bands_of_the_nameplate_and_their_durations(tmp_path, capsys):
    root = office(tmp_path, registry(), (), powers(SHARES))
    (row,) = asked(root, capsys, "loading", "--account", "103")
    square = 1.7 / (1.05 * 10.3)  # β_JZ² = 0.1572, 1.33·β_JZ² = 0.2091
    assert (row["economic_from"], row["economic_to"], row["beta_jz"]) == (
        pytest.approx(square), 1.0, pytest.approx(square**0.5),
    )  # fmt: skip
    names = ("below_economic_min", "economic_min", "best_economic_min", "heavy_min", "overload_min", "severe_min")
    assert [row[name] for name in names] == [120, 360, 240, 120, 195, 60]
    assert (row["longest_heavy_min"], row["longest_overload_min"], row["finding"]) == (315, 195, "overload")
    assert row["loading_max"] == pytest.approx(1.2)
    assert row["findings"] == ["over_capacity"]


@pytest.mark.parametrize("name", ["voltage", "pf", "load", "demand", "loading", "imbalance"])
def test_every_analysis_takes_a_set(tmp_path, capsys, name):
    root = office(tmp_path, registry(), both_ends(ENERGY), powers(SHARES))
    rows = asked(root, capsys, name, "--where", "supply_line=L2")
    assert {row["account_no"] for row in rows} <= {"105"}
    if name in ("load", "demand", "loading", "pf"):
        assert [row["account_no"] for row in rows] == ["105"]
    capsys.readouterr()
    assert run([name, "--where", "supply_line", "--workspace", root, "--now", NOW, "--lang", "en"]) == 2
    assert "chooses nothing" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "told"), [("pf", "account, point or hour: settlement"), ("load", "period, day or typical"),
                                            ("loading", "account, transformer or ct"), ("voltage", "loss or event")])  # fmt: skip
def test_rows_that_there_are_not_are_refused_before_anything_is_opened(tmp_path, capsys, name, told):
    assert run([name, "--by", "year", "--workspace", str(tmp_path / "none"), "--lang", "en"]) == 2
    assert told in capsys.readouterr().err


def test_without_losses_the_band_of_the_settings_counts(tmp_path, capsys):
    text = registry().replace("no_load_loss_kw = 1.7\n", "")
    root = office(tmp_path, text, (), powers(SHARES))
    (row,) = asked(root, capsys, "loading", "--account", "103")
    assert (row["economic_from"], row["economic_to"], row["beta_jz"], row["economic_min"]) == (0.4, 0.75, None, 120)


def test_by_transformer_the_points_that_name_it_count(tmp_path, capsys):
    text = registry().replace(
        'point = "C1"\nsupply_line = "L1"\n', 'point = "C1"\nsupply_line = "L1"\ntransformer = "T1"\n'
    )
    root = office(tmp_path, text, (), powers(SHARES))
    (row,) = asked(root, capsys, "loading", "--by", "transformer")
    assert (row["transformer"], row["capacity_kva"], row["overload_min"]) == ("T1", 1000, 195)


def test_a_block_is_judged_by_the_capacity_of_its_time(tmp_path, capsys):
    """Half of 1000 kVA on 1 June, a quarter of 2000 kVA from 2 June on: the block that ends at 24:00 is the first day's."""
    terms = 'account_no = "103"\ncontract_capacity_kva = {0}\nrunning_capacity_kva = {0}\n'
    before = terms.format(1000)
    assert before in registry()
    later = f"[[account_terms]]\n{terms.format(2000)}valid_from = 2026-06-02\n"
    text = registry(later).replace(before, f"{before}valid_to = 2026-06-02\n")
    ends = ((1 + n // 96, n % 96) for n in range(1, 193))
    rows = [("MC1", f"2026-06-{day:02}T{n // 4:02}:{n % 4 * 15:02}", 10, 7.5, 2.5) for day, n in ends]
    root = office(tmp_path, text, (), rows)
    (row,) = asked(root, capsys, "loading", "--account", "103")
    assert (row["capacity_kva"], row["loading_max"], row["loading_mean"]) == (2000, 0.5, 0.375)
    assert row["loading_max_at"] == "2026-06-01T00:15:00+08:00"
    assert row["below_economic_min"] + row["economic_min"] == 2 * 1440


def test_current_transformers_against_their_rating(tmp_path, capsys):
    # 9 × 15 min at 105 % and 4 × 15 min at 120 % of 200 A: above the rating, not long enough above 110 %.
    root = office(tmp_path, registry(), (), powers(SHARES))
    (row,) = asked(root, capsys, "loading", "--by", "ct")
    assert (row["ct_primary_a"], row["current_max_a"], row["current_max_secondary_a"]) == (200, 240, pytest.approx(6))
    assert (row["over_min"], row["severe_min"], row["longest_severe_min"], row["finding"]) == (195, 60, 60, "general")


@pytest.mark.parametrize(
    ("shares", "finding"), [([1.1] * 8, "severe"), ([1.1] * 7, "general"), ([0.2] * 9, "oversized"), ([0.5] * 9, None)]
)
def test_findings_of_current_transformers(tmp_path, capsys, shares, finding):
    root = office(tmp_path, registry(), (), powers(shares))
    assert asked(root, capsys, "loading", "--by", "ct")[0]["finding"] == finding


WORKS = """
[[account]]
account_no = "W"
account_name = "Chemical works"
[[account_terms]]
account_no = "W"
contract_capacity_kva = 30500
running_capacity_kva = 30500
[[point]]
point = "W"
[[point_account]]
point = "W"
account_no = "W"
[[meter]]
meter_no = "W"
[[meter_point]]
meter_no = "W"
point = "W"
[[point_ratio]]
point = "W"
wiring = "3p3w"
pt = "35000/100"
ct = "500/5"
"""
# A chemical works at 35 kV with 30 500 kVA behind current transformers 500 A/5 A; the currents of its spring of 2006.
SPRING = {
    "normal": ([380, 430, 470, 465] * 24, None, None),
    "single periods": (([505, 470, 470, 470] + [460] * 20) * 4, "general", None),
    "rising": (([495, 545] + [480] * 10) * 8, "general", "heavy"),
    "severe": ([450] * 32 + [552, 560, 575, 570] * 14 + [450] * 8, "severe", "overload"),
    "back to normal": ([400, 470] * 48, None, None),
}  # fmt: skip


@pytest.mark.parametrize("step", SPRING)
def test_the_spring_of_a_chemical_works(tmp_path, capsys, step):
    amperes, of_ct, of_capacity = SPRING[step]
    rows = []
    for n, primary in enumerate(amperes, start=1):
        kva = math.sqrt(3) * 35 * primary / 35_000  # secondary side: PT 350 × CT 100
        at = f"2026-06-{1 + n // 96:02}T{n % 96 // 4:02}:{n % 4 * 15:02}"
        rows.append(("W", at, f"{kva:.4f}", 0, f"{primary / 100:.4f}"))
    path = tmp_path / "currents.csv"
    root = office(tmp_path, WORKS, (), ())
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("meter", "ts", "p", "q", "i"), *rows])
    given = ["samples", "import", str(path), "--meter-column", "meter", "--workspace", root]
    # The third column of three wires is phase C; both carry the current.
    doubled = path.read_text(encoding="utf-8").replace("p,q,i", "p,q,i,k").splitlines()
    path.write_text(
        "\n".join([doubled[0], *(f"{line},{line.rsplit(',', 1)[1]}" for line in doubled[1:])]), encoding="utf-8"
    )
    assert run([*given, "--map", "p=power.p,q=power.q,i=current.a,k=current.c"]) == 0
    (ct,) = asked(root, capsys, "loading", "--by", "ct")
    assert (ct["ct_primary_a"], ct["current_max_a"], ct["finding"]) == (500, max(amperes), of_ct)
    assert ct["current_max_secondary_a"] == pytest.approx(max(amperes) / 100)
    (loading,) = asked(root, capsys, "loading")
    assert loading["loading_max"] == pytest.approx(math.sqrt(3) * 35 * max(amperes) / 30_500, rel=1e-3)
    if of_capacity is not None:
        assert loading["finding"] == of_capacity


def _works(tmp_path, capacity_kva, amperes, quarters):
    """The works with another capacity, so many quarter hours at a current at 35 kV, cosφ 0.8; the meter reads primary values."""
    text = WORKS.replace("30500", str(capacity_kva)).replace(
        'meter_no = "W"', 'meter_no = "W"\nreading_side = "primary"', 1
    )
    rows = []
    for n in range(1, quarters + 1):
        kva = math.sqrt(3) * 35 * amperes
        at = f"2026-06-01T{n // 4:02}:{n % 4 * 15:02}"
        rows.append(("W", at, f"{0.8 * kva:.4f}", f"{0.6 * kva:.4f}", f"{amperes:.4f}"))
    return office(tmp_path, text, (), rows)


@pytest.mark.parametrize(
    ("capacity_kva", "full_load_a"),
    [(30_500, 503.1), (31_500, 519.6), (1500, 24.7)],
    ids=["sum of units", "catalogue size", "3 × 500"],
)
def test_full_load_currents_at_35_kv_are_the_capacity(tmp_path, capsys, capacity_kva, full_load_a):
    root = _works(tmp_path, capacity_kva, full_load_a, 8)
    (row,) = asked(root, capsys, "loading")
    # The currents are printed to a tenth of an ampere.
    assert row["loading_max"] == pytest.approx(1, abs=0.05 / full_load_a)


@pytest.mark.parametrize(("capacity_kva", "percent"), [(30_500, 109.3), (31_500, 105.8)])
def test_550_ampere_behind_500_are_severe_by_either_reading_of_the_capacity(tmp_path, capsys, capacity_kva, percent):
    root = _works(tmp_path, capacity_kva, 550, 56)
    (row,) = asked(root, capsys, "loading")
    assert (round(100 * row["loading_max"], 1), row["finding"], row["longest_overload_min"]) == (
        percent,
        "overload",
        840,
    )
    (ct,) = asked(root, capsys, "loading", "--by", "ct")
    assert (ct["loading_max"], ct["current_max_secondary_a"], ct["finding"]) == (1.1, 5.5, "severe")
    (energy,) = asked(root, capsys, "query", "apparent", "--bucket", "period")
    assert round(energy["apparent_max_kva"]) == 33_342


def _at(day, quarter):
    begin = dt.datetime(2026, 1, 1, tzinfo=SHANGHAI) + dt.timedelta(days=day, minutes=15 * quarter)
    return round(begin.timestamp() * 1000)


def _days(shares, quarters=range(40, 41)):
    """Blocks of every day of 2026 at 10:00, so many hundredths of the capacity by the day of the year."""
    return [(_at(day, quarter), shares(day)) for day in range(365) for quarter in quarters]


@pytest.mark.parametrize(
    ("blocks", "period", "found"),
    [(_days(lambda _: 0.25), "2026Q2", ["oversized"]), (_days(lambda _: 0.25), "2026-06", []),
     (_days(lambda day: 0.4 if day == 130 else 0.25), "2026Q2", []), (_days(lambda _: 0.31), "2026Q2", []),
     (_days(lambda _: 0.2), "2026", ["oversized", "light"]), (_days(lambda _: 0.21), "2026", ["oversized"]),
     (_days(lambda day: 1.01 if day in (100, 140) else 0.5), "2026Q2", ["too_small"]),
     (_days(lambda day: 1.01 if day in (100, 101) else 0.5), "2026Q2", []),
     (_days(lambda day: 1.01 if day in (100, 110, 118) else 0.5, range(40, 48)), "2026-04", ["too_small"]),
     (_days(lambda day: 1.01 if day in (100, 110, 118) else 0.5, range(40, 47)), "2026-04", [])],
)  # fmt: skip
def test_findings_of_size_need_their_months_and_days(blocks, period, found):
    span = Period.parse(period)
    begin, end = span.bounds_ms(SHANGHAI)
    inside = [(at, share) for at, share in blocks if begin < at <= end]
    assert findings_of(inside, LoadingSettings(), types.SimpleNamespace(zone=SHANGHAI), span) == found


@pytest.mark.parametrize(
    ("over", "found"),
    # The quarter hour that ends at 00:00 of 1 May is April's: with one of April it is one month, with one of May two.
    [(("2026-04-20T10:00", "2026-05-01T00:00"), []), (("2026-05-01T00:00", "2026-05-20T10:00"), ["too_small"])],
)
def test_a_block_that_ends_with_the_month_is_that_month_s(over, found):
    span = Period.parse("2026Q2")
    stamps = {int(dt.datetime.fromisoformat(f"{at}+08:00").timestamp() * 1000) for at in over}
    begin, end = span.bounds_ms(SHANGHAI)
    blocks = [(at, 1.01 if at in stamps else 0.5) for at in range(begin + 900_000, end + 1, 900_000)]
    assert findings_of(blocks, LoadingSettings(), types.SimpleNamespace(zone=SHANGHAI), span) == found
