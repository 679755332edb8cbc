"""`keyacct report` from outside: exit codes, stdout, files."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keyacct.config import Workspace
from keyacct.errors import ConfigError
from keyacct.model import Period
from keyacct.report.kinds import month
from keyacct.report.subject import Subject

SAMPLE = Path(__file__).resolve().parents[1] / "report" / "sample_results.py"
Keyacct = Callable[..., Any]


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose only account is 3301000001."""
    spec = importlib.util.spec_from_file_location("sample_results", SAMPLE)
    assert spec is not None
    assert spec.loader is not None
    sample = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sample_results", sample)
    spec.loader.exec_module(sample)

    def load_subjects(workspace: Workspace, accounts: Sequence[str]) -> list[Subject]:
        if list(accounts) != ["3301000001"]:
            raise ConfigError("config.registry_not_found", f"there is no account {accounts[-1]!r} in the registry")
        return [Subject("3301000001", "日月化工", {})]

    monkeypatch.setattr(month, "load_subjects", load_subjects)
    monkeypatch.setattr(month, "with_points", lambda workspace, period, accounts: list(accounts))
    monkeypatch.setattr(month, "analyse", lambda workspace, period, accounts: sample.month_results())
    (tmp_path / "keyacct.toml").write_text("", encoding="utf-8")
    return tmp_path


def run(keyacct: Keyacct, town: Path, *more: str) -> Any:
    return keyacct(
        "report", "month", "--period", "2026-06", "--account", "3301000001", "--out", town / "out",
        "--workspace", town, "--now", "2026-07-01T08:00+08:00", *more,
    )  # fmt: skip


def test_a_month_report_is_written_and_listed(keyacct: Keyacct, town: Path) -> None:
    result = run(keyacct, town, "--as", "xlsx,html,csv", "--format", "json", "--lang", "zh")
    assert result.code == 0
    listed = {row["file"] for row in result.json}
    assert {path.name for path in (town / "out").iterdir()} == listed | {"manifest.json"}
    assert {"month_3301000001_2026-06_zh.xlsx", "month_3301000001_2026-06_zh.html"} <= listed
    assert "已写入" in result.err
    again = run(keyacct, town, "--as", "xlsx,html,csv", "--format", "json", "--lang", "zh")
    assert again.out == result.out


def test_a_dry_run_says_and_writes_nothing(keyacct: Keyacct, town: Path) -> None:
    result = run(keyacct, town, "--dry-run")
    assert result.code == 0
    assert "would be written" in result.err
    assert not (town / "out").exists()


def test_some_accounts_failing_is_partial(keyacct: Keyacct, town: Path) -> None:
    result = run(keyacct, town, "--account", "9", "--format", "jsonl")
    assert result.code == 6
    assert "no report of account 9: there is no account '9'" in result.err
    assert [json.loads(line)["account_no"] for line in result.out.splitlines()] == [
        "3301000001",
        "3301000001",
        "",
    ]


def test_an_unknown_account_alone_exits_3(keyacct: Keyacct, town: Path) -> None:
    result = keyacct(
        "report", "month", "--period", "2026-06", "--account", "9", "--out", town / "o", "--workspace", town,
        "--format", "json",
    )  # fmt: skip
    assert (result.code, result.out) == (3, "")
    assert result.error["code"] == "config.registry_not_found"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_list_names_every_kind_and_what_it_needs(keyacct: Keyacct, lang: str) -> None:
    rows = keyacct("report", "--list", "--format", "json", "--lang", lang).json
    available = {row["kind"] for row in rows if row["available"]}
    assert available == {
        "month", "customer", "summary", "raw", "register", "energy", "comparison", "custom", "sources", "voltage", "pf",
        "balance", "shed_plan", "shed_sheet", "shed_evaluation",
    }  # fmt: skip
    assert {"forecast", "visit-statistics"} <= {row["kind"] for row in rows if not row["available"]}
    word = "不可用: 需要" if lang == "zh" else "unavailable: needs "
    assert all(row["state"].startswith(word) for row in rows if not row["available"])
    table = keyacct("report", "--list", "--lang", lang)
    assert (table.code, table.err) == (0, "")
    assert "visit-statistics" in table.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("forecast", "--period", "2026-06", "--out", "x"), 3, "unavailable: needs load forecasts"),
        (("mont", "--period", "2026-06", "--out", "x"), 2, "did you mean 'month'?"),
        (("shed_plan", "--period", "2026-06", "--out", "x"), 2, "`keyacct shed document` makes it"),
        (("month", "--period", "2026-06", "--out", "x", "--all", "--account", "1"), 2, "exclude each other"),
        (("month", "--period", "2026-06", "--out", "x", "--as", "docx"), 2, "'docx' is no report format"),
        (("month", "--period", "2026-06", "--out", "x", "--as", ","), 2, "no report format is named"),
        (("month", "--out", "x"), 2, "--period is missing"),
        ((), 2, "KIND and --period and --out are missing"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(
    keyacct: Keyacct, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = keyacct("report", *arguments)
    assert (result.code, result.out) == (code, "")
    assert says in result.err


def test_a_wrong_period_exits_2(keyacct: Keyacct, town: Path) -> None:
    result = keyacct("report", "month", "--period", "June", "--out", town / "o", "--workspace", town)
    assert result.code == 2
    assert "'June' is no period" in result.err
    assert Period.parse("2026-06").kind == "month"
