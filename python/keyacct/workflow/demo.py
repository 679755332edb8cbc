"""The demo: a workspace with real and synthetic data, taken through the main job from captured bytes to reports.

Running it again on the same folder changes nothing that is stored and writes the same reports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyacct.config import FILE_NAME, Workspace, open_workspace
from keyacct.errors import ConfigError, InternalError, from_os_error
from keyacct.i18n import Lang, Text
from keyacct.model import Period
from keyacct.registry.importing import import_registry
from keyacct.workflow.mapping import build_mapping
from keyacct.workflow.replay import ReplayOptions, replay_capture
from keyacct.workflow.samples import import_samples
from keyacct.workflow.town import town_mapping, write_town
from keyacct.workflow.workspace import init_workspace

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "keyacct demo"
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
REGISTRY = FIXTURES / "demo" / "registry.toml"
STEEL = FIXTURES / "demo" / "steel_kr_15min_2018_jan_sep.csv"
CAPTURE = FIXTURES / "captures" / "wusong0-2018-06-07.txt"
CAPTURE_STARTED = "2018-06-07T09:00+1s"
"""The log has a date but no times: one frame a second is assumed, and every reading says so in its quality."""

STEEL_ACCOUNT = "1000000001"
TOWN_MONTH = "2026-06"
STEEL_MONTHS = tuple(f"2018-{month:02d}" for month in range(1, 10))

OWN_FIELDS = ("account_name", "energy_kwh", "demand_kw", "pf_assessed", "voltage_compliance_pct")

Say = Callable[[Text], None]


def run_demo(root: Path, *, lang: Lang, formats: Sequence[str], say: Say) -> list[Path]:
    """Run the whole demo in the folder `root`; the files that a user may want to open, in the order they were made.

    say: told what is being done and what came out. Raises ConfigError when the folder holds another workspace, and
    whatever the single steps raise.
    """
    workspace = _workspace(root)
    say(Text(f"workspace {root}", f"工作区 {root}"))
    import_registry(workspace, REGISTRY.read_text(encoding="utf-8"), file=REGISTRY.name)
    files = [root / FILE_NAME, workspace.database]
    files.append(_captured_log(workspace, say))
    _steel_works(workspace, say)
    files.append(_town(workspace, say))
    _voltage(workspace, say)
    _power_factor(workspace, say)
    files += _reports(workspace, lang, formats, say)
    return files


def _workspace(root: Path) -> Workspace:
    if not (root / FILE_NAME).exists():
        return init_workspace(root, name=NAME)
    workspace = open_workspace(root)
    if workspace.settings.workspace.name != NAME:
        raise ConfigError(
            "config.workspace_exists",
            "this folder holds a workspace that is not the demo's",
            hint="name another folder: keyacct demo DIR",
            where={"file": str(root)},
        )
    return workspace


def _captured_log(workspace: Workspace, say: Say) -> Path:
    """Replay the real meter log: into the store, and as a table of readings for the eye."""
    from keyacct.capture.replay import replay
    from keyacct.workflow.replay import write_readings

    (summary,) = replay_capture(workspace, [CAPTURE], ReplayOptions(assume_time=CAPTURE_STARTED))
    if summary.error is not None:
        raise summary.error
    out = workspace.root / "imports" / "captured_log_readings.jsonl"
    _folder(out.parent)
    write_readings(replay(CAPTURE, assume_time=CAPTURE_STARTED).readings, out)
    added = summary.stored.added if summary.stored is not None else 0
    say(
        Text(
            f"captured meter log (real): {summary.readings} readings decoded, {added} rows new in the store",
            f"真实抄表报文: 解析读数 {summary.readings} 个, 新入库 {added} 行",
        )
    )
    return out


def _steel_works(workspace: Workspace, say: Say) -> None:
    mapping = build_mapping(
        {"kwh": "energy.import", "kvarh_lag": "energy.q1", "kvarh_lead": "energy.q4"},
        {},
        {},
        meter="UCI851",
        time_column="ts",
        kind="interval",
        stamp="start",
        interval_min=15,
        side="primary",
    )
    summary = import_samples(workspace, STEEL, mapping)
    added = summary.stored.added
    say(
        Text(
            f"steel works (real, UCI 851, CC BY 4.0): {added} intervals of 15 min new in the store",
            f"钢铁厂 (真实数据, UCI 851, CC BY 4.0): 新入库 15 分钟区间 {added} 个",
        )
    )


def _town(workspace: Workspace, say: Say) -> Path:
    out = workspace.root / "imports" / "town_2026-06_synthetic.parquet"
    _folder(out.parent)
    try:
        write_town(out)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(out)) from None
    summary = import_samples(workspace, out, town_mapping())
    say(
        Text(
            f"town (SYNTHETIC): {summary.stored.added} rows of eleven meters new in the store, "
            f"{summary.stored.duplicates} repeated ones counted once",
            f"小城 (合成数据): 十一只电表新入库 {summary.stored.added} 行, 重复 {summary.stored.duplicates} 行只计一次",
        )
    )
    return out


def _voltage(workspace: Workspace, say: Say) -> None:
    from keyacct.analysis.voltage import voltage_compliance

    result = voltage_compliance(workspace, Period.parse(TOWN_MONTH))
    rows = [row for row in result.total.to_pylist() if row["phase"] == "total" and row["rate"] is not None]
    failed = [row for row in rows if not row["passed"]]
    worst = min(rows, key=lambda row: row["rate"])
    say(
        Text(
            f"voltage compliance {TOWN_MONTH}: {len(rows)} points, {len(failed)} below target; "
            f"lowest {100 * worst['rate']:.2f} % at {worst['account_name']}",
            f"电压合格率 {TOWN_MONTH}: {len(rows)} 个监测点, {len(failed)} 个未达标; "
            f"最低 {100 * worst['rate']:.2f} %: {worst['account_name']}",
        )
    )


def _power_factor(workspace: Workspace, say: Say) -> None:
    from keyacct.analysis.power_factor import power_factor

    for month in STEEL_MONTHS:
        table: pa.Table = power_factor(workspace, Period.parse(month), accounts=[STEEL_ACCOUNT]).accounts
        (row,) = table.to_pylist()
        say(
            Text(
                f"steel works {month}: {row['wp_kwh']:.0f} kWh, power factor {row['pf']:.4f}, "
                f"standard {row['pf_standard']:.2f}, adjustment {row['adjustment_pct']:+} %",
                f"钢铁厂 {month}: 电量 {row['wp_kwh']:.0f} kWh, 功率因数 {row['pf']:.4f}, "
                f"标准 {row['pf_standard']:.2f}, 力调 {row['adjustment_pct']:+} %",
            )
        )


def _reports(workspace: Workspace, lang: Lang, formats: Sequence[str], say: Say) -> list[Path]:
    from keyacct.report.own_definition import define, save
    from keyacct.workflow.reports import write_reports

    save(
        workspace,
        define(
            "large-10kv",
            title="Large 10 kV accounts",
            fields=OWN_FIELDS,
            where=["voltage_level_kv=10"],
            group="industry_code",
            period="last-month",
        ),
    )
    out = workspace.root / "reports"
    files: list[Path] = []
    town = sorted(
        row["account_no"]
        for row in _accounts(workspace)
        if row["account_no"] != STEEL_ACCOUNT and row["account_no"].startswith("33")
    )
    for month, accounts in [(TOWN_MONTH, town), *((month, [STEEL_ACCOUNT]) for month in STEEL_MONTHS)]:
        batch = write_reports(
            workspace, "month", Period.parse(month), accounts=accounts, formats=formats, out=out / month, lang=lang
        )
        if batch.failed:
            worst = batch.failed[0]
            raise InternalError("internal.bug", f"the demo's report of {worst.account_no} failed: {worst.message}")
        files += [out / month / written.file for written in batch.files]
    for kind, label, asked in _other_reports(town):
        batch = write_reports(
            workspace, kind, Period.parse(label), accounts=asked, formats=formats, out=out / kind, lang=lang
        )
        if batch.failed:
            worst = batch.failed[0]
            raise InternalError("internal.bug", f"the demo's {kind} report failed: {worst.message}")
        files += [out / kind / written.file for written in batch.files]
    say(Text(f"reports: {len(files)} files", f"报表: {len(files)} 个文件"))
    return files


def _other_reports(town: list[str]) -> list[tuple[str, str, list[str] | None]]:
    """(kind, period, accounts) of one report of every other kind; None: all accounts."""
    offices = ("summary", "register", "energy", "sources", "voltage", "pf", "balance", "custom")
    return [
        *((kind, TOWN_MONTH, None) for kind in offices),
        ("comparison", STEEL_MONTHS[2], [STEEL_ACCOUNT]),
        ("customer", TOWN_MONTH, [account for account in town if account.endswith(("104", "106", "107"))]),
        ("raw", f"{TOWN_MONTH}-11", ["3301000103"]),
    ]


def _accounts(workspace: Workspace) -> list[dict[str, Any]]:
    from keyacct.registry.listing import list_accounts

    return list_accounts(workspace)


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, writing=True, file=str(folder)) from None
