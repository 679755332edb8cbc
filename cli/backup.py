"""`keyacct backup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keyacct.cli import exit_codes
from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, make_app, open_workspace, with_shared_options
from keyacct.i18n import Text

_HELP = Text(
    "Back the workspace up while others work in it: into a new folder, or one .tar file; complete or not at all.",
    "在不停用的情况下备份工作区: 写成新目录或单个 .tar 文件, 要么完整, 要么没有。",
)
app = make_app(invoke_without_command=True, help=str(_HELP))

_PATH = Column("path", Text("backup", "备份"))
_FILES = Column("files", Text("files", "文件数"), 0)
_BYTES = Column("bytes", Text("bytes", "字节"), 0)


def _backup(
    context: typer.Context,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="DIR|FILE.tar",
            help=str(Text("Where to (else backup.folder of the settings).", "备份到何处 (默认取设置 backup.folder)。")),
        ),
    ] = None,
    due: Annotated[
        bool,
        typer.Option(
            "--due",
            help=str(
                Text(
                    "For cron: only when one is due, then remove what is beyond the number kept.",
                    "供定时任务使用: 到期才备份, 并删除超出保留数的旧备份。",
                )
            ),
        ),
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", min=1, help=str(Text("Afterwards keep so many (else all).", "完成后只保留这么多份 (默认全部)。"))
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help=str(Text("Copy every file, also what an earlier backup has.", "全部复制, 不与以前的备份共用文件。")),
        ),
    ] = False,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Take a backup, unless a command below `backup` was named."""
    if context.invoked_subcommand is not None:
        return None
    from keyacct.errors import UsageError
    from keyacct.workflow.backup.schedule import backup_state, prune
    from keyacct.workflow.backup.take import place_of, take_backup, try_backup

    workspace = open_workspace(remind=False)
    place = place_of(workspace, to)
    one_file = place.name.endswith(".tar")
    if one_file and (keep is not None or due):
        raise UsageError("usage.invalid", "--due and --keep need a folder of backups", hint="name a folder with --to")
    if due and not backup_state(workspace).due:
        say(Text("no backup is due", "尚未到备份时间"))
        return exit_codes.DONE
    if dry_run:
        say(Text(f"would back up to {place}", f"将备份到 {place}"))
        return exit_codes.DONE
    taken = try_backup(workspace, place, full=full) if due else take_backup(workspace, place, full=full)
    if taken is None:
        say(Text("another backup is running", "另一备份正在进行"))
        return exit_codes.DONE
    count = keep if keep is not None else workspace.settings.backup.keep if due else None
    if count is not None:
        taken.removed = prune(workspace, place, count)
    columns = (
        _PATH, _FILES, _BYTES,
        Column("copied_bytes", Text("new bytes", "新增字节"), 0),
        Column("removed", Text("removed", "已删除")),
    )  # fmt: skip
    write_rows([taken.as_row()], columns, format)
    for problem in taken.manifest.problems:
        say(
            Text(
                f"not in the backup: {problem.path}: {problem.problem}", f"未能备份: {problem.path}: {problem.problem}"
            )
        )
    if taken.same_disk:
        say(
            Text(
                "note: the backup lies on the disk of the workspace; keep one elsewhere too",
                "注意: 备份与工作区在同一磁盘上; 请另处再存一份",
            )
        )
    return exit_codes.PARTIAL if taken.manifest.problems else exit_codes.DONE


app.callback()(with_shared_options(_backup))


@command(
    app,
    help=str(
        Text(
            "Check backups file by file, with their database and audit chain; exit 7 when one is damaged.",
            "逐个文件校验备份及其数据库与审计链; 有损坏时退出码 7。",
        )
    ),
)
def verify(
    backups: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[BACKUP]…",
            help=str(Text("Backups (else the newest one of the workspace).", "备份 (默认本工作区最新的一份)。")),
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:  # fmt: skip
    """Verify backups."""
    from keyacct.errors import ConfigError, InputError
    from keyacct.workflow.backup.check import Finding, verify_backup
    from keyacct.workflow.backup.schedule import list_backups

    if not backups:
        known = [row for row in list_backups(open_workspace(remind=False)) if row["state"] != "removed"]
        if not known:
            raise ConfigError("config.registry_not_found", "no backup was taken yet", hint="take one: keyacct backup")
        backups = [Path(known[-1]["path"])]
    rows, damaged = [], False
    for path in backups:
        try:
            found = verify_backup(path)
            findings, files, size = found.findings, found.files, found.bytes
            damaged = damaged or found.damaged
        except InputError as error:
            if error.code == "input.not_found" or len(backups) == 1:
                raise
            findings, files, size, damaged = [Finding("unreadable", "", error.message)], 0, 0, True
        rows += [{"backup": str(path), **finding.as_row()} for finding in findings]
        say(
            Text(f"{path}: {files} files, {size} bytes as written", f"{path}: {files} 个文件, {size} 字节完好"),
        )
    columns = (
        Column("backup", Text("backup", "备份")),
        Column("code", Text("code", "代码")),
        Column("path", Text("file", "文件")),
        Column("message", Text("message", "说明")),
    )
    write_rows(rows, columns, format)
    return exit_codes.GATE if damaged else exit_codes.DONE


@command(
    app, name="list", help=str(Text("The backups of this workspace, the oldest first.", "本工作区的备份, 由旧到新。"))
)
def list_(
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help=str(Text("Those that lie in this folder.", "列出此目录中的备份。"))),
    ] = None,
    format: FormatOption = Format.table,
) -> int | None:
    """List backups."""
    from keyacct.model import civil
    from keyacct.workflow.backup.schedule import list_backups

    workspace = open_workspace(remind=False)
    rows = [
        {**row, "taken_at": civil(row["taken_at"], workspace.zone) if row["taken_at"] is not None else None}
        for row in list_backups(workspace, to)
    ]
    columns = (
        _PATH, Column("taken_at", Text("taken", "备份时间")), _FILES, _BYTES, Column("state", Text("state", "状态"))
    )  # fmt: skip
    write_rows(rows, columns, format)
    return None
