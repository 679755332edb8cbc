"""The one error tree: what happened, where, what to do, and which exit code it ends in.

It mirrors `keyacct_model::error` of the Rust core; a test compares the codes of both sides. Raise the class of the kind
with a code of that kind::

    raise InputError("input.schema", "column 'ts' is missing", hint="…", where={"file": "a.parquet"})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from keyacct.i18n import Text, language

Where = Mapping[str, str | int]


class KeyacctError(Exception):
    """Base of every error that keyacct raises on purpose.

    code: stable for scripts, `kind.detail`. message: one sentence with the figures. hint: what to do, may be empty.
    where: whichever of file, line, row_group, row, column, offset, meter are known.
    """

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "internal"

    def __init__(self, code: str, message: str, *, hint: str = "", where: Where | None = None) -> None:
        super().__init__(message)
        if CODES.get(code) is not type(self):
            raise InternalError("internal.bug", f"{type(self).__name__} raised with the code {code!r}")
        self.code = code
        self.message = message
        self.hint = hint
        self.where: dict[str, str | int] = dict(where or {})

    def place(self) -> str:
        """Where, as a person reads it: `a.csv, line 7, column kwh`; empty when unknown."""
        labels = {
            "file": Text("", ""), "line": Text("line ", "行 "), "row_group": Text("row group ", "行组 "),
            "row": Text("row ", "数据行 "), "column": Text("column ", "列 "), "offset": Text("byte ", "字节偏移 "),
            "meter": Text("meter ", "电表 "),
        }  # fmt: skip
        return ", ".join(f"{label}{self.where[key]}" for key, label in labels.items() if key in self.where)

    def __str__(self) -> str:
        place = self.place()
        return f"{place}: {self.message}" if place else self.message

    def as_dict(self) -> dict[str, object]:
        """The published JSON form, `{"error": {"code", "message", "hint", "where"}}`."""
        return {
            "error": {"code": self.code, "message": self.message, "hint": self.hint, "where": self.where},
        }


class InternalError(KeyacctError):
    """A defect of keyacct itself."""

    exit_code, kind = 1, "internal"


class UsageError(KeyacctError):
    """The command line asks for something impossible."""

    exit_code, kind = 2, "usage"


class ConfigError(KeyacctError):
    """Configuration or registry invalid, workspace missing."""

    exit_code, kind = 3, "config"


class InputError(KeyacctError):
    """Input unreadable or not of the expected form."""

    exit_code, kind = 4, "input"


class LinkError(KeyacctError):
    """No answer from any device, or the link cannot open."""

    exit_code, kind = 5, "link"


class PartialError(KeyacctError):
    """Some devices, frames or files failed; the rest is stored."""

    exit_code, kind = 6, "partial"


class GateError(KeyacctError):
    """A gate that the caller asked for failed (`--expect`, `--fail-on`, a verify)."""

    exit_code, kind = 7, "gate"


class RefusedError(KeyacctError):
    """No approval, or an interlock holds."""

    exit_code, kind = 8, "refused"


class WriteError(KeyacctError):
    """Cannot write: disk full, read-only, store damaged."""

    exit_code, kind = 9, "write"


class InterruptedRunError(KeyacctError):
    """Stopped by the user; what was finished is stored."""

    exit_code, kind = 130, "interrupted"


CODES: dict[str, type[KeyacctError]] = {
    "internal.bug": InternalError,
    "usage.invalid": UsageError,
    "config.invalid": ConfigError,
    "config.unknown_key": ConfigError,
    "config.workspace_missing": ConfigError,
    "config.workspace_exists": ConfigError,
    "config.schema_newer": ConfigError,
    "config.registry_invalid": ConfigError,
    "config.registry_not_found": ConfigError,
    "config.report_unavailable": ConfigError,
    "input.not_found": InputError,
    "input.unreadable": InputError,
    "input.empty": InputError,
    "input.format": InputError,
    "input.schema": InputError,
    "input.value": InputError,
    "input.order": InputError,
    "input.no_frame": InputError,
    "input.no_time": InputError,
    "input.limit": InputError,
    "input.catalogue": InputError,
    "link.failed": LinkError,
    "partial.some_failed": PartialError,
    "gate.failed": GateError,
    "refused.not_approved": RefusedError,
    "refused.incomplete": RefusedError,
    "write.failed": WriteError,
    "write.disk_full": WriteError,
    "write.read_only": WriteError,
    "write.store_damaged": WriteError,
    "interrupted.by_user": InterruptedRunError,
}


def from_core(code: str, message: str, hint: str, where: Where, chinese: tuple[str, str] | None = None) -> KeyacctError:
    """The exception of an error that the Rust core reports. Called by `keyacct._core` only.

    chinese: message and hint in Chinese; they are taken where the language is Chinese.
    """
    if chinese is not None and language() == "zh":
        message, hint = chinese
    return CODES[code](code, message, hint=hint, where=where)


def from_os_error(error: OSError, *, writing: bool, file: str | None = None) -> KeyacctError:
    """The error of a failed file operation: unreadable input (exit 4), or an output that cannot be written (exit 9)."""
    import errno

    name = file if file is not None else str(error.filename or "")
    where: dict[str, str | int] = {"file": name} if name else {}
    reason = error.strerror or str(error)
    if writing:
        message = str(Text(f"cannot write: {reason}", f"无法写入: {reason}"))
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = str(Text("free some space and run again", "请腾出空间后重试"))
            return WriteError("write.disk_full", message, hint=hint, where=where)
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            hint = str(
                Text("check the owner and permissions, or choose another place", "请检查属主和权限, 或换一个位置")
            )
            return WriteError("write.read_only", message, hint=hint, where=where)
        hint = str(Text("nothing stored was changed", "已入库的数据未受影响"))
        return WriteError("write.failed", message, hint=hint, where=where)
    if error.errno == errno.ENOENT:
        message = str(Text("no such file or folder", "没有此文件或目录"))
        return InputError("input.not_found", message, hint=str(Text("check the path", "请检查路径")), where=where)
    if error.errno == errno.EISDIR:
        message = str(Text("this is a folder, a file is needed", "这是目录, 应给出文件"))
        return InputError("input.unreadable", message, hint=str(Text("name a file", "请给出文件")), where=where)
    message = str(Text(f"cannot read: {reason}", f"无法读取: {reason}"))
    hint = str(Text("check the path and permissions", "请检查路径和权限"))
    return InputError("input.unreadable", message, hint=hint, where=where)
