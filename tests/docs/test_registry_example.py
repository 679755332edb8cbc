"""The worked example of docs/registry.md does what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from keyacct import clock
from keyacct.cli.run import run
from keyacct.registry.listing import list_rows, show_account
from keyacct.registry.parameters import point_parameters
from keyacct.registry.roster import PROFILES, facts_on, meets
from keyacct.workflow.workspace import init_workspace

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "registry.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def _now():
    clock.fix("2026-12-31T12:00:00+08:00")
    yield
    clock.fix(None)


def test_the_worked_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = init_workspace(tmp_path / "office")
    monkeypatch.chdir(workspace.root)
    toml = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
    (workspace.root / "castings.toml").write_text(toml, encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[:3]
    blocks.append(re.findall(r"```sh\n(keyacct roster.*?)```", PAGE, re.DOTALL)[0])
    for line in "".join(blocks).splitlines():
        words = shlex.split(line)
        assert words[0] == "keyacct"
        assert run(words[1:]) == 0, f"{line}\n{capsys.readouterr().err}"
    text = capsys.readouterr().out
    assert "KA-100944" in text
    june = [
        row["meter_no"] for row in list_rows(workspace, "meters", where=["point=3301000201-1"], as_of_ms=at("06-01"))
    ]
    july = [
        row["meter_no"] for row in list_rows(workspace, "meters", where=["point=3301000201-1"], as_of_ms=at("07-02"))
    ]
    assert (june, july) == (["KA-100017"], ["KA-100944"])
    spans = point_parameters(workspace, at("06-01"), at("08-01")).to_pylist()
    assert [(row["meter"], row["ct"], row["contract_capacity_kva"]) for row in spans] == [
        ("KA-100017", 60, 12600), ("KA-100944", 60, 12600), ("KA-100944", 80, 18900),
    ]  # fmt: skip
    account = show_account(workspace, "3301000201", as_of_ms=at("08-01"))
    assert len(account["source"]) == 3
    assert len(account["transformer"]) == 3
    assert sorted((r["meter_no"], r["import_kwh"]) for r in account["exchange_reading"]) == [
        ("KA-100017", "51234.56"), ("KA-100944", "0"),
    ]  # fmt: skip
    facts = facts_on(workspace, __import__("datetime").date(2026, 8, 1))
    assert meets(PROFILES[0], facts[0]) == "2 supplies"


def at(day: str) -> int:
    return round(clock.parse(f"2026-{day}T00:00:00+08:00").timestamp() * 1000)
