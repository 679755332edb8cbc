"""`keyacct shed document` and `shed evaluate` on plain files: what is written, what is refused, and how it is named."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
import shed_sample  # lies beside the report tests

from keyacct.config import Workspace
from keyacct.workflow.workspace import init_workspace

NOW = ("--now", "2026-06-11T08:30+08:00")
LATER = ("--now", "2026-06-12T09:00+08:00")


@pytest.fixture
def event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample's files, and a folder without a workspace as the present one."""
    monkeypatch.chdir(tmp_path)
    return shed_sample.write_problem(tmp_path / "event")


def files_of(event: Path) -> list[object]:
    return ["--problem", event / "problem", "--plan", event / "plan.csv"]


def document(keyacct: Callable[..., Any], event: Path, out: Path, *more: object, now: tuple[str, str] = NOW) -> Any:
    return keyacct(
        "shed", "document", *files_of(event), "--order", event / "order.toml", "--out", out, *now, *more,
        "--format", "json",
    )  # fmt: skip


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.name != "manifest.json"}


def test_plan_document_and_a_sheet_for_every_customer_are_written_and_listed(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    found = document(keyacct, event, tmp_path / "out", "--as", "xlsx,pdf,html,csv")
    assert found.code == 0, found.err
    listed = {row["file"]: row["sha256"] for row in found.json}
    assert contents(tmp_path / "out") == listed
    assert "shed_plan_2026-06-11_en.pdf" in listed
    sheets = {row["account_no"] for row in found.json if row["kind"] == "shed_sheet"}
    assert sheets == {"3301000101", "3301000102", "3301000104", "3301000105", "3301000108"}
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert {entry["file"] for entry in manifest["files"]} == set(listed)
    digest = hashlib.sha256((event / "plan.csv").read_bytes()).hexdigest()
    assert digest in found.err
    assert digest in (tmp_path / "out" / "shed_plan_2026-06-11_en.html").read_text(encoding="utf-8")
    assert "2026-1" in (tmp_path / "out" / "shed_plan_2026-06-11_en.html").read_text(encoding="utf-8")


def test_the_same_again_changes_no_byte_and_another_language_stands_beside_it(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    first = document(keyacct, event, tmp_path / "a", "--no-sheets")
    other = document(keyacct, event, tmp_path / "b", "--no-sheets")
    assert first.code == other.code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    before = contents(tmp_path / "a")
    again = document(keyacct, event, tmp_path / "a", "--no-sheets", now=LATER)
    assert again.code == 0
    assert "3 of them were there already" in again.err
    assert contents(tmp_path / "a") == before
    chinese = document(keyacct, event, tmp_path / "a", "--no-sheets", "--lang", "zh")
    assert chinese.code == 0
    assert set(contents(tmp_path / "a")) == {
        f"shed_plan_2026-06-11_{x}.{y}" for x in ("en", "zh") for y in ("xlsx", "pdf", "html")
    }
    assert "有序用电实施方案" in (tmp_path / "a" / "shed_plan_2026-06-11_zh.html").read_text(encoding="utf-8")


def test_a_plan_that_breaks_a_rule_gets_no_paper_and_exits_8(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    plan = event / "plan.csv"
    good = plan.read_text()
    spoilt = {
        "3301000103,4,avoid,10.0\n": "3301000103",  # a protected customer
        "3301000105,4,trip,240.0\n": "3301000105",  # into the safety load, and half a block
    }
    for line, customer in spoilt.items():
        plan.write_text(good + line)
        found = document(keyacct, event, tmp_path / "out")
        assert found.code == 8
        assert customer in found.error["message"]
        assert "shed check" in found.error["hint"]
        assert not (tmp_path / "out").exists()
        assert keyacct("shed", "evaluate", *files_of(event), "--metered", event / "metered.csv").code == 8


def test_an_invalid_priority_table_gets_no_paper(keyacct: Callable[..., Any], event: Path, tmp_path: Path) -> None:
    table = event / "problem" / "priority.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("2027-03-31", "2026-05-31"), encoding="utf-8")
    found = document(keyacct, event, tmp_path / "out")
    assert found.code == 8
    assert not (tmp_path / "out").exists()


def test_sheets_of_customers_that_are_out_of_the_plan_go(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    document(keyacct, event, out, "--as", "html")
    assert (out / "shed_sheet_3301000105_2026-06-11_en.html").exists()
    plan = event / "plan.csv"
    plan.write_text(
        "".join(line for line in plan.read_text().splitlines(keepends=True) if not line.startswith("3301000105"))
    )
    assert document(keyacct, event, out, "--as", "html").code == 0
    assert not (out / "shed_sheet_3301000105_2026-06-11_en.html").exists()
    assert (out / "shed_sheet_3301000104_2026-06-11_en.html").exists()
    assert "3301000105" not in (out / "index_en.html").read_text(encoding="utf-8")


def test_a_dry_run_writes_nothing(keyacct: Callable[..., Any], event: Path, tmp_path: Path) -> None:
    found = document(keyacct, event, tmp_path / "out", "--dry-run", "--as", "html")
    assert found.code == 0
    assert len(found.json) >= 6
    assert not (tmp_path / "out").exists()


def test_text_of_others_stays_text(keyacct: Callable[..., Any], event: Path, tmp_path: Path) -> None:
    document(keyacct, event, tmp_path / "out", "--as", "xlsx,html,csv")
    page = (tmp_path / "out" / "shed_plan_2026-06-11_en.html").read_text(encoding="utf-8")
    assert "<b>王建国" not in page
    assert "&lt;b&gt;王建国" in page
    book = openpyxl.load_workbook(tmp_path / "out" / "shed_plan_2026-06-11_en.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    assert any(cell.value == '=HYPERLINK("http://example.invalid","x")' and cell.data_type == "s" for cell in cells)
    notices = (tmp_path / "out" / "shed_plan_2026-06-11_en_shed_notices.csv").read_text(encoding="utf-8")
    assert "'=HYPERLINK" in notices


def test_the_target_table_says_what_the_plan_file_says(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    document(keyacct, event, tmp_path / "out", "--as", "csv", "--no-sheets")
    given: dict[tuple[str, str, int], list[float]] = {}
    for customer, t, measure, kw in shed_sample.plan_rows():
        if measure != "rebound":
            given.setdefault((customer, measure, (t - 4) // 4 + 1), []).append(kw)
    with (tmp_path / "out" / "shed_plan_2026-06-11_en_shed_targets.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(given)
    limits = {("3301000104", 1): 450.0, ("3301000104", 2): 505.0, ("3301000105", 2): 50.0, ("3301000101", 1): 300.0}
    for row in rows:
        kws = given[row["account"], row["measure"], int(row["block"])]
        assert float(row["reduction_kw"]) == pytest.approx(sum(kws) / 4, abs=0.051)
        limit = limits.get((row["account"], int(row["block"])))
        assert limit is None or float(row["limit_kw"]) == limit
        assert row["from_at"] == f"2026-06-11 {16 + int(row['block'])}:00"


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (('level = "yellow"', 'level = "brown"'), 5, "order.level"),
        (('number = "调度令〔2026〕第 071 号"', "number = 71"), 3, "order.number"),
        (("issued_at = 2026-06-11T08:05:00+08:00", "issued_at = 2026-06-11T08:05:00"), 4, "order.issued_at"),
        (("issued_at = 2026-06-11T08:05:00+08:00\n", ""), 2, "issued_at"),
        (("kw = 330", "kw = -1"), 14, "target.kw"),
        (("kw = 330", "kw = nan"), 14, "target.kw"),
        (("kw = 330", "kw = true"), 14, "target.kw"),
        (("to = 2026-06-11T19:00:00+08:00", "to = 2026-06-11T16:00:00+08:00"), 13, "target.to"),
        (('role = "电气主管"', 'rolle = "x"'), 25, "contact.rolle"),
        (("[[team]]", "[[teams]]"), 27, "teams"),
        (("[[target]]", "[target]"), 11, "target"),
        (('watch = "主变负载率"', "watch = 主变"), 34, "TOML"),
    ],
)  # fmt: skip
def test_a_wrong_order_is_named_by_file_line_and_key(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path, change: tuple[str, str], line: int, words: str
) -> None:
    order = event / "order.toml"
    text = order.read_text(encoding="utf-8")
    assert change[0] in text
    order.write_text(text.replace(change[0], change[1], 1), encoding="utf-8")
    found = document(keyacct, event, tmp_path / "out")
    assert found.code == 4
    assert words in found.error["message"]
    assert found.error["hint"]
    assert found.error["where"] == {"file": "order.toml", "line": line}
    assert not (tmp_path / "out").exists()


def test_an_order_without_its_section_or_of_unknown_customers_is_refused(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    order = event / "order.toml"
    text = order.read_text(encoding="utf-8")
    order.write_text(text.replace('customer = "3301000104"', 'customer = "999"'), encoding="utf-8")
    found = document(keyacct, event, tmp_path / "out")
    assert (found.code, "999" in found.error["message"]) == (4, True)
    order.write_text("[[team]]\nname = 'x'\n")
    assert document(keyacct, event, tmp_path / "out").code == 4
    order.write_bytes(text.encode("gb18030"))
    found = document(keyacct, event, tmp_path / "out")
    assert (found.code, found.error["where"]["line"]) == (4, 3)
    order.unlink()
    assert document(keyacct, event, tmp_path / "out").code == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--problem", "event/problem"), 2),
        (("--draft", "x", "--problem", "event/problem", "--plan", "event/plan.csv"), 2),
        (("--draft", "x"), 3),
        (("--problem", "event/problem", "--plan", "event/nothing.csv"), 4),
        (("--problem", "event", "--plan", "event/plan.csv"), 4),
    ],
)
def test_which_plan_must_be_clear(
    keyacct: Callable[..., Any], event: Path, arguments: tuple[str, ...], code: int
) -> None:
    found = keyacct("shed", "document", *arguments, "--order", "event/order.toml", "--out", "out", "--format", "json")
    assert found.code == code
    found = keyacct("shed", "evaluate", *arguments, "--metered", "event/metered.csv", "--format", "json")
    assert found.code == code


def test_a_format_that_is_none_is_refused(keyacct: Callable[..., Any], event: Path, tmp_path: Path) -> None:
    assert document(keyacct, event, tmp_path / "out", "--as", "docx").code == 2


def test_reserve_and_reasons_of_another_plan_are_refused(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    good = document(
        keyacct, event, tmp_path / "ok", "--reserve", event / "reserve.csv", "--explain", event / "explanation.json",
        "--as", "csv", "--no-sheets",
    )  # fmt: skip
    assert good.code == 0, good.err
    assert any("shed_reserve" in row["file"] for row in good.json)
    reserve = event / "reserve.csv"
    text = reserve.read_text()
    for change, line in (
        (("3301000105", "stranger"), 2),
        (("trip", "tip"), 2),
        (("0.112", "much"), 2),
        ((",1,33", ",,33"), 2),
    ):
        reserve.write_text(text.replace(*change))
        found = document(keyacct, event, tmp_path / "out", "--reserve", reserve)
        assert (found.code, found.error["where"]) == (4, {"file": "reserve.csv", "line": line})
    (event / "explanation.json").write_text("[]")
    assert document(keyacct, event, tmp_path / "out", "--explain", event / "explanation.json").code == 4
    (event / "explanation.json").write_text("{")
    assert document(keyacct, event, tmp_path / "out", "--explain", event / "explanation.json").code == 4
    assert not (tmp_path / "out").exists()


def test_the_registry_gives_names_and_contacts_where_the_order_gives_none(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    from keyacct.config import open_workspace
    from keyacct.registry.importing import import_registry
    from keyacct.workflow.demo import REGISTRY

    init_workspace(tmp_path / "office", name="章丘供电公司")
    workspace: Workspace = open_workspace(tmp_path / "office")
    more = '\n[[contact]]\naccount_no = "3301000102"\ncontact = "Ms Food"\nmobile = "13900000002"\n'
    import_registry(workspace, REGISTRY.read_text(encoding="utf-8") + more, file="registry.toml")
    found = document(keyacct, event, tmp_path / "out", "--as", "csv", "--no-sheets", "--workspace", workspace.root)
    assert found.code == 0, found.err
    with (tmp_path / "out" / "shed_plan_2026-06-11_en_shed_targets.csv").open(encoding="utf-8") as file:
        rows = {(row["account"], row["block"]): row for row in csv.DictReader(file)}
    assert rows["3301000102", "1"]["account_name"] == "Food plant (synthetic) 食品厂"
    assert (rows["3301000102", "1"]["contact"], rows["3301000102", "1"]["phone"]) == ("Ms Food", "13900000002")
    assert rows["3301000104", "1"]["phone"] == "13800000004"


def evaluate(keyacct: Callable[..., Any], event: Path, *more: object) -> Any:
    return keyacct("shed", "evaluate", *files_of(event), "--metered", event / "metered.csv", *LATER, *more)


def test_an_evaluation_is_shown_as_table_json_and_csv_and_gaps_exit_6(keyacct: Callable[..., Any], event: Path) -> None:
    table = evaluate(keyacct, event)
    assert table.code == 6
    assert "3301000104" in table.out
    assert "orders executed 4 of 7" in table.err
    rows = evaluate(keyacct, event, "--format", "json").json
    found = {row["customer"]: row for row in rows}
    # The textile mill began an interval late: 3 of 4 intervals. The foundry did nothing. Two of the food plant's eight
    # values are missing. By hand, from the sample.
    assert found["3301000101"]["execution_rate"] == 0.75
    assert found["3301000108"]["execution_rate"] == 0
    assert (found["3301000102"]["execution_rate"], found["3301000102"]["missing"]) == (0.75, 2)
    assert found["3301000104"]["ceiling_kept"] is False
    assert found["3301000105"]["safety_kept"] is False
    lines = list(csv.DictReader(io.StringIO(evaluate(keyacct, event, "--format", "csv", "--show", "ceilings").out)))
    machine = next(line for line in lines if line["customer"] == "3301000104")
    assert (float(machine["over_kw"]), float(machine["limit_kw"]), float(machine["metered_kw"])) == (50, 450, 500)
    assert machine["worst_at"] == "2026-06-11T17:45:00+08:00"
    everything = json.loads(evaluate(keyacct, event, "--format", "json", "--show", "all").out)
    assert everything["totals"]["ceilings_broken"] == 3
    assert everything["totals"]["below_safety"] == 1
    assert everything["totals"]["rebound_peak_kw"] == 154
    assert evaluate(keyacct, event, "--show", "all").code == 2
    chinese = evaluate(keyacct, event, "--show", "blocks", "--lang", "zh")
    assert "执行率" in chinese.out


def test_complete_values_exit_0_and_the_report_is_the_same_again(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    metered = event / "metered.csv"
    metered.write_text(
        "".join(
            line[:-1] + "220\n" if line.endswith(",\n") else line
            for line in metered.read_text().splitlines(keepends=True)
        )
    )
    for out in ("a", "b"):
        found = evaluate(keyacct, event, "--out", tmp_path / out, "--as", "xlsx,pdf,html,csv")
        assert found.code == 0, found.err
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "shed_evaluation_2026-06-11_en.pdf" in contents(tmp_path / "a")
    dry = evaluate(keyacct, event, "--out", tmp_path / "c", "--dry-run")
    assert dry.code == 0
    assert not (tmp_path / "c").exists()


def test_an_evaluation_needs_metered_values(keyacct: Callable[..., Any], event: Path) -> None:
    assert keyacct("shed", "evaluate", *files_of(event)).code == 3
    assert keyacct("shed", "evaluate", *files_of(event), "--metered", "nothing.csv").code == 4
    assert evaluate(keyacct, event, "--event-day", "yesterday").code == 2
    (event / "metered.csv").write_text("customer,time,kw\n3301000101,2026-06-11T17:15:00+08:00,many\n")
    bad = evaluate(keyacct, event, "--format", "json")
    assert (bad.code, bad.error["where"]) == (4, {"file": "metered.csv", "row": 1, "column": "kw"})


def test_reports_name_the_command_that_makes_these_papers(keyacct: Callable[..., Any], event: Path) -> None:
    listed = {row["kind"]: row for row in keyacct("report", "--list", "--format", "json").json}
    assert "shed document" in listed["shed_plan"]["state"]
    assert "shed evaluate" in listed["shed_evaluation"]["state"]


def test_the_order_of_the_documentation_is_a_good_one() -> None:
    from keyacct.report.dispatch_order import parse_order

    page = Path(__file__).resolve().parents[2] / "docs" / "shed-documents.md"
    example = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    order = parse_order(example.encode())
    assert (order.number, order.level, len(order.targets), len(order.signoffs)) == ("2026-071", "yellow", 1, 1)
    assert order.priority_table is not None


def test_a_plan_without_any_measure_has_its_papers_and_evaluation_too(
    keyacct: Callable[..., Any], event: Path, tmp_path: Path
) -> None:
    (event / "plan.csv").write_text("customer,period,measure,kw\n")
    for lang in ("en", "zh"):
        found = document(keyacct, event, tmp_path / "out", "--as", "xlsx,pdf,html,csv", "--lang", lang)
        assert found.code == 0, found.err
        assert {row["kind"] for row in found.json} == {"shed_plan"}
        done = evaluate(keyacct, event, "--out", tmp_path / "ev", "--as", "xlsx,pdf,html,csv", "--lang", lang)
        assert done.code == 0, done.err
