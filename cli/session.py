"""What the options shared by all commands have set, for the length of one command."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from keyacct import clock, i18n
from keyacct.i18n import Text

if TYPE_CHECKING:
    from keyacct.config import Workspace


class Session:
    """The shared options. A plain class: every command pays for what is imported here.

    verbosity: −1 quiet, 0 normal, 1 and more talkative.
    leaves_nothing: what the command has written is closed and on the disk, and nothing of it runs: the process may end
    without being taken apart.
    """

    workspace: str | None = None
    verbosity: int = 0
    color: bool = True
    reminded: bool = False
    leaves_nothing: bool = False


_current = Session()
_ended = Session()


def ended() -> Session:
    """The session of the command that has ended last."""
    return _ended


def current() -> Session:
    """The session of the running command."""
    return _current


def open_workspace(*, remind: bool = True) -> Workspace:
    """The workspace that `--workspace`, the environment or the folder tells. Raises ConfigError (exit 3).

    remind: a person at a terminal is told, once a command, when its backup is overdue.
    """
    from keyacct.config import open_workspace as find

    workspace = find(_current.workspace)
    if remind and not _current.reminded and _current.verbosity >= 0 and sys.stderr.isatty():
        _current.reminded = True
        _remind(workspace)
    return workspace


def _remind(workspace: Workspace) -> None:
    """One line on stderr when the backup is overdue. What goes wrong here is for the command itself to tell."""
    from keyacct.errors import KeyacctError
    from keyacct.workflow.backup.schedule import backup_state

    with contextlib.suppress(KeyacctError):
        state = backup_state(workspace)
        if state.overdue:
            hours = state.age_ms // 3_600_000
            days = f"{hours // 24} d" if hours >= 96 else f"{hours} h"
            sys.stderr.write(
                str(Text(f"reminder: no backup for {days}; take one: keyacct backup",
                         f"提醒: 已 {days} 没有备份, 请运行 keyacct backup")) + "\n"
            )  # fmt: skip


@contextlib.contextmanager
def scope() -> Iterator[None]:
    """A fresh session; afterwards clock and language are as before (tests run many commands in one process)."""
    global _current, _ended
    _current = Session()
    try:
        yield
    finally:
        _current, _ended = Session(), _current
        clock.fix(None)
        i18n.set_language(None)


def _option(kind: Any, default: object, name: str, text: Text, *declarations: str, **more: Any) -> inspect.Parameter:
    annotation = Annotated[kind, typer.Option(*declarations, help=str(text), show_default=False, **more)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _shared_options() -> list[inspect.Parameter]:
    return [
        _option(
            str | None, None, "shared_workspace",
            Text("Workspace folder (else KEYACCT_WORKSPACE, else the nearest upward).",
                 "工作区目录 (否则取 KEYACCT_WORKSPACE, 再向上查找)。"),
            "--workspace", metavar="DIR",
        ),
        _option(
            str | None, None, "shared_now",
            Text("Take this ISO 8601 time as the present (or KEYACCT_NOW).",
                 "以此 ISO 8601 时间为当前时间 (或 KEYACCT_NOW)。"),
            "--now", metavar="TIME",
        ),
        _option(
            str | None, None, "shared_lang",
            Text("Language of texts, en or zh (else by LANG).", "文字语言 en 或 zh (否则按 LANG)。"),
            "--lang", metavar="en|zh",
        ),
        _option(int, 0, "shared_verbose", Text("Say more on stderr.", "多说一些。"), "-v", "--verbose", count=True),
        _option(int, 0, "shared_quiet", Text("Say less on stderr.", "少说一些。"), "-q", "--quiet", count=True),
        _option(bool, False, "shared_no_color", Text("No colour (also NO_COLOR).", "不用颜色 (亦可设 NO_COLOR)。"),
                "--no-color"),
        _option(bool, False, "shared_debug", Text("Show tracebacks.", "显示回溯信息。"), "--debug"),
    ]  # fmt: skip


def _apply(shared: dict[str, Any]) -> None:
    """Keep what was given; an option may stand before the command's name or behind it."""
    if shared["shared_now"] is not None:
        clock.fix(shared["shared_now"])
    if shared["shared_workspace"] is not None:
        _current.workspace = shared["shared_workspace"]
    _current.verbosity += shared["shared_verbose"] - shared["shared_quiet"]
    _current.color = _current.color and not shared["shared_no_color"]


class ReaderGoneError(Exception):
    """Who reads our stdout has gone (`| head`): that is its right, and not an error of ours."""


def with_shared_options(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """The function with the shared options added to its own, and applied before it runs."""

    @functools.wraps(function)
    def run(**arguments: Any) -> int | None:
        _apply({key: arguments.pop(key) for key in list(arguments) if key.startswith("shared_")})
        try:
            return function(**arguments)
        except BrokenPipeError:
            raise ReaderGoneError from None  # typer would turn the former into exit code 1

    hints = get_type_hints(function, include_extras=True)
    own = inspect.signature(function)
    parameters = [
        parameter.replace(
            annotation=hints.get(parameter.name, parameter.annotation), kind=inspect.Parameter.KEYWORD_ONLY
        )
        for parameter in own.parameters.values()
    ] + _shared_options()
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def command(app: typer.Typer, name: str | None = None, **settings: Any) -> Callable[[Callable[..., int | None]], Any]:
    """Register a function as a command of `app`; the options that every command takes are added to its own.

    The function returns an exit code of `keyacct.cli.exit_codes`, or None for done.
    """

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        app.command(name, **settings)(with_shared_options(function))
        return function

    return register


def make_app(**settings: Any) -> typer.Typer:
    """A typer application for one command (or one group of commands), with our conventions."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        **settings,
    )
