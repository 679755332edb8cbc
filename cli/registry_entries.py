"""`keyacct registry set`, `add`, `end`, `exchange-meter` and `history`: one entry at a time, by date and with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from keyacct.cli.options import DryRunOption, Format, FormatOption
from keyacct.cli.render import Column, say, write_rows
from keyacct.cli.session import command, open_workspace
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.registry.difference import Changes

FieldsArgument = Annotated[
    list[str], typer.Argument(metavar="FIELD=VALUE…", help=str(Text("Fields of the entry.", "条目的字段。")))
]
NameArgument = Annotated[
    str, typer.Argument(metavar="ENTRY", help=str(Text("Kind of entry, e.g. account_terms.", "条目种类。")))
]
ReasonOption = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help=str(Text("Why; it goes into the audit log.", "原因, 记入审计。"))),
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="DATE", help=str(Text("Holds from this date or time on.", "自何时生效。"))),
]

CHANGES = (
    Column("entity", Text("entry", "条目")),
    Column("added", Text("added", "新增"), 0),
    Column("changed", Text("changed", "变更"), 0),
    Column("removed", Text("removed", "删除"), 0),
    Column("unchanged", Text("unchanged", "未变"), 0),
)


def register(app: typer.Typer) -> None:
    """Add the commands to `keyacct registry`."""
    command(
        app,
        name="set",
        help=str(
            Text(
                "Change fields of an entry from a date on; what held before stays.",
                "自某日起修改条目字段, 原值保留为历史。",
            )
        ),
    )(set_)
    command(app, help=str(Text("Add one entry.", "新增一个条目。")))(add)
    command(app, help=str(Text("End a dated entry; it stays as history.", "终止一个有期限的条目, 保留为历史。")))(end)
    command(
        app,
        name="exchange-meter",
        help=str(
            Text(
                "Put another meter at a point, with the last reading of the old and the first of the new.",
                "换表: 记录旧表止度与新表起度。",
            )
        ),
    )(exchange_meter)
    command(app, help=str(Text("Every audited change of one entry.", "一个条目的全部变更记录。")))(history)


def tell_dry(dry_run: bool) -> None:
    """Say that nothing was written, where that is so."""
    if dry_run:
        say(Text("dry run: nothing was written", "试运行: 未写入"))


def _pairs(words: list[str] | None) -> dict[str, str]:
    from keyacct.errors import UsageError

    pairs: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name or name in pairs:
            raise UsageError(
                "usage.invalid", f"{word!r} is no FIELD=VALUE, or the field stands twice", hint="e.g. ct=600/5"
            )
        pairs[name] = value
    return pairs


def _tell(changes: Changes, dry_run: bool, format: Format) -> None:
    write_rows([row for row in changes.rows() if row["added"] or row["changed"] or row["removed"]], CHANGES, format)
    if not changes.total:
        say(Text("nothing changes", "无变更"))
    tell_dry(dry_run)


def set_(
    name: NameArgument,
    fields: FieldsArgument,
    reason: ReasonOption,
    from_: FromOption = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Change an entry."""
    from keyacct.registry.editing import instant, set_fields

    workspace = open_workspace()
    start = instant(workspace, from_) if from_ is not None else None
    _tell(set_fields(workspace, name, _pairs(fields), from_ms=start, reason=reason, dry_run=dry_run), dry_run, format)
    return None


def add(
    name: NameArgument,
    fields: FieldsArgument,
    reason: ReasonOption,
    from_: FromOption = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help=str(Text("Holds until this date.", "至何时失效。")))
    ] = None,
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Add an entry."""
    from keyacct.registry.editing import add_entry, instant

    workspace = open_workspace()
    start, end_ms = (instant(workspace, text) if text is not None else None for text in (from_, to))
    changes = add_entry(
        workspace, name, _pairs(fields), from_ms=start, to_ms=end_ms, reason=reason, dry_run=dry_run
    )  # fmt: skip
    _tell(changes, dry_run, format)
    return None


def end(
    name: NameArgument,
    fields: FieldsArgument,
    reason: ReasonOption,
    at: Annotated[str, typer.Option("--at", metavar="DATE", help=str(Text("It holds until then.", "终止时间。")))],
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """End an entry."""
    from keyacct.registry.editing import end_entry, instant

    workspace = open_workspace()
    changes = end_entry(
        workspace, name, _pairs(fields), at_ms=instant(workspace, at), reason=reason, dry_run=dry_run
    )  # fmt: skip
    _tell(changes, dry_run, format)
    return None


def exchange_meter(
    point: Annotated[str, typer.Argument(metavar="POINT", help=str(Text("Metering point.", "计量点。")))],
    meter: Annotated[str, typer.Argument(metavar="METER", help=str(Text("Number of the new meter.", "新表号。")))],
    at: Annotated[str, typer.Option("--at", metavar="TIME", help=str(Text("When it was done.", "换表时间。")))],
    reason: ReasonOption,
    old: Annotated[
        list[str] | None,
        typer.Option(
            "--old", metavar="REGISTER=VALUE", help=str(Text("Old meter, e.g. import_kwh=1234.56.", "旧表止度。"))
        ),
    ] = None,
    new: Annotated[
        list[str] | None,
        typer.Option("--new", metavar="REGISTER=VALUE", help=str(Text("New meter, e.g. import_kwh=0.", "新表起度。"))),
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--meter", metavar="FIELD=VALUE", help=str(Text("Fields of the new meter.", "新表的字段。"))),
    ] = None,
    staff: Annotated[
        str, typer.Option("--staff", metavar="NO", help=str(Text("Who did it (staff_no).", "换表人员。")))
    ] = "",
    dry_run: DryRunOption = False,
    format: FormatOption = Format.table,
) -> int | None:
    """Exchange a meter."""
    from keyacct.registry.editing import instant
    from keyacct.workflow.exchange import exchange_meter

    workspace = open_workspace()
    changes = exchange_meter(
        workspace, point, meter, at_ms=instant(workspace, at), reason=reason, old_readings=_pairs(old),
        new_readings=_pairs(new), meter=_pairs(fields), staff_no=staff, dry_run=dry_run,
    )  # fmt: skip
    _tell(changes, dry_run, format)
    return None


def history(name: NameArgument, fields: FieldsArgument, format: FormatOption = Format.table) -> int | None:
    """Show the history of an entry."""
    from keyacct.registry.editing import history

    columns = (
        Column("seq", Text("no.", "序号"), 0), Column("at", Text("at", "时间")), Column("action", Text("action", "操作")),
        Column("change", Text("change", "变更")), Column("key", Text("key", "键")), Column("field", Text("field", "字段")),
        Column("before", Text("before", "原值")), Column("after", Text("after", "新值")),
        Column("reason", Text("reason", "原因")),
    )  # fmt: skip
    write_rows(history(open_workspace(), name, _pairs(fields)), columns, format)
    return None
