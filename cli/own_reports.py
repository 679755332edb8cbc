"""`keyacct report define` and `report list-own`: reports of the user's own."""

from __future__ import annotations

from collections.abc import Sequence

from keyacct.cli import exit_codes, session
from keyacct.cli.options import Format
from keyacct.cli.render import Column, say, write_rows
from keyacct.errors import UsageError
from keyacct.i18n import Text

DEFINE = "define"
LIST_OWN = "list-own"
COLUMNS = (
    Column("name", Text("NAME", "名称")),
    Column("title", Text("title", "标题")),
    Column("fields", Text("fields", "字段")),
    Column("where", Text("conditions", "条件")),
    Column("group", Text("grouped by", "分组")),
    Column("period", Text("period", "统计期")),
)


def define_own(
    name: str | None, *, title: str, fields: Sequence[str], where: Sequence[str], group: str, period: str, dry_run: bool
) -> int:
    """Save a definition."""
    from keyacct.report.own_definition import define, save

    if name is None:
        raise UsageError(
            "usage.invalid", "--name is missing",
            hint="for example `keyacct report define --name large --field account_name --field energy_kwh`",
        )  # fmt: skip
    definition = define(name, title=title, fields=fields, where=where, group=group, period=period)
    workspace = session.open_workspace()
    if dry_run:
        say(Text(f"report custom:{name} would be saved", f"将保存报表 custom:{name}"))
        return exit_codes.DONE
    file = save(workspace, definition)
    say(Text(f"saved in {file}; write it with: report custom:{name}", f"已保存到 {file}; 生成: report custom:{name}"))
    return exit_codes.DONE


def list_own(format: Format) -> int:
    """List the saved definitions."""
    from keyacct.report.own_definition import definitions

    rows = [
        {
            "name": item.name, "title": item.title, "fields": ", ".join(item.fields),
            "where": ", ".join(map(str, item.where)), "group": item.group, "period": item.period,
        }
        for item in definitions(session.open_workspace())
    ]  # fmt: skip
    write_rows(rows, COLUMNS, format)
    return exit_codes.DONE


def own_period(kind: str | None) -> str | None:
    """The period saved with `custom:NAME`, as it is today; None for other kinds and without one."""
    from keyacct import clock
    from keyacct.report.own_definition import definitions, resolve_period

    base, _, name = (kind or "").partition(":")
    if base != "custom" or not name:
        return None
    workspace = session.open_workspace()
    (found,) = definitions(workspace, [name])
    return resolve_period(found.period, clock.now().astimezone(workspace.zone).date()).label if found.period else None
