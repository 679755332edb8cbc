"""`keyacct shed document`: the papers of a plan."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keyacct import i18n
from keyacct.cli import exit_codes, render, session
from keyacct.cli.options import DryRunOption, Format, FormatOption, FormatsOption, JobsOption
from keyacct.cli.render import Column
from keyacct.cli.session import command
from keyacct.errors import ConfigError, UsageError
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace
    from keyacct.workflow.shed_source import PlanSource

FILES = (
    Column("kind", Text("report", "报表")),
    Column("account_no", Text("account", "户号")),
    Column("format", Text("format", "格式")),
    Column("file", Text("file", "文件")),
    Column("rows", Text("rows", "行数"), 0),
    Column("bytes", Text("bytes", "字节"), 0),
)

ProblemOption = Annotated[
    Path | None,
    typer.Option(
        "--problem",
        metavar="DIR",
        help=str(Text("Problem folder of a plan in plain files.", "普通文件方案的问题目录。")),
    ),
]
PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help=str(Text("Its plan file.", "该方案的方案文件。"))),
]
DraftOption = Annotated[
    str | None,
    typer.Option(
        "--draft",
        metavar="NAME",
        help=str(Text("A draft of the workspace, see `shed status`.", "工作区的方案草案, 见 `shed status`。")),
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `keyacct shed`."""
    command(
        app,
        "document",
        help=str(
            Text(
                "The papers of a plan: plan document, notice list, a sheet for every customer. A plan that breaks a rule "
                "gets none (exit 8).",
                "方案文书: 实施方案、通知清单、逐户通知书。方案违规则不出文书 (退出码 8)。",
            )
        ),
    )(document)


def document(
    *,
    order: Annotated[
        Path,
        typer.Option(
            "--order",
            metavar="FILE",
            help=str(
                Text(
                    "order.toml: dispatch's order, contacts, team, sign-off.",
                    "order.toml: 调度指令、联系人、人员、签署。",
                )
            ),
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help=str(Text("Folder for the files.", "输出目录。")))],
    problem: ProblemOption = None,
    plan: PlanOption = None,
    draft: DraftOption = None,
    reserve: Annotated[
        Path | None,
        typer.Option(
            "--reserve",
            metavar="FILE",
            help=str(Text("What `shed plan --reserve` wrote.", "`shed plan --reserve` 写出的后备清单。")),
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="FILE",
            help=str(
                Text("What `shed plan --explain FILE.json` wrote.", "`shed plan --explain FILE.json` 写出的理由。")
            ),
        ),
    ] = None,
    formats: FormatsOption = "xlsx,pdf,html",
    sheets: Annotated[
        bool,
        typer.Option("--sheets/--no-sheets", help=str(Text("A sheet for every customer too.", "同时生成逐户通知书。"))),
    ] = True,
    jobs: JobsOption = None,
    format: FormatOption = Format.table,
    dry_run: DryRunOption = False,
) -> int | None:
    """The papers of a plan."""
    from keyacct.report.dispatch_order import read_order
    from keyacct.workflow.reports import check_formats
    from keyacct.workflow.shed_documents import plan_documents
    from keyacct.workflow.shed_papers import write_papers

    wanted = check_formats([name.strip() for name in formats.split(",")])
    with plan_source(problem, plan, draft, reserve=reserve, explain=explain) as (source, workspace):
        documents = plan_documents(source, read_order(order), workspace=workspace, sheets=sheets)
    written = write_papers(
        documents, formats=wanted, out=out, lang=i18n.language(), workspace=workspace, dry_run=dry_run, jobs=jobs
    )
    rows = [
        {
            "kind": file.kind,
            "account_no": file.account_no,
            "format": file.format,
            "file": file.file,
            "rows": file.rows,
            "bytes": file.bytes,
            "sha256": file.sha256,
        }
        for file in written.files
    ]
    render.write_rows(rows, FILES, format)
    render.say(
        Text(
            f"{len(rows)} files, {written.kept} of them were there already; plan SHA-256 {source.event.plan_sha256}",
            f"共 {len(rows)} 个文件, 其中 {written.kept} 个已存在且相同; 方案 SHA-256 {source.event.plan_sha256}",
        )
    )
    return exit_codes.DONE


@contextlib.contextmanager
def plan_source(
    problem: Path | None,
    plan: Path | None,
    draft: str | None,
    *,
    reserve: Path | None = None,
    explain: Path | None = None,
) -> Iterator[tuple[PlanSource, Workspace | None]]:
    """The checked plan that the options name, and the workspace, if there is one."""
    from keyacct.workflow.shed_source import read_draft, read_source

    if draft is None and problem is not None and plan is not None:
        yield read_source(problem, plan, reserve=reserve, explanation=explain), maybe_workspace()
        return
    if draft is None or problem is not None or plan is not None:
        raise UsageError(
            "usage.invalid",
            str(Text("which plan is not clear", "未明确是哪个方案")),
            hint=str(
                Text(
                    "give --problem DIR with --plan FILE, or --draft NAME",
                    "请给出 --problem DIR 与 --plan FILE, 或 --draft NAME",
                )
            ),
        )
    if reserve is not None or explain is not None:
        raise UsageError(
            "usage.invalid",
            str(Text("a draft has its own reserve list and reasons", "草案自带后备清单与理由")),
            hint=str(Text("leave --reserve and --explain out", "请去掉 --reserve 与 --explain")),
        )
    workspace = session.open_workspace()
    with tempfile.TemporaryDirectory(prefix="keyacct-shed-") as folder:
        yield read_draft(workspace, draft, Path(folder)), workspace


def maybe_workspace() -> Workspace | None:
    """The workspace that is named or lies around; plain files need none."""
    from keyacct.config import find_root

    try:
        find_root(session.current().workspace)
    except ConfigError:
        if session.current().workspace is not None:
            raise
        return None
    return session.open_workspace()
