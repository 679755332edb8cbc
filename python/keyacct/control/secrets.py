"""Passwords and operator codes: from a file that only its owner reads, or from the environment by name; never from argv."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from keyacct.errors import ConfigError, from_os_error
from keyacct.i18n import Text


@dataclass(frozen=True)
class Secrets:
    """What a device wants to know before it obeys. Never printed: `repr` says nothing of it.

    password_645: level and password as on the wire, 4 bytes; operator_645: 8 hex digits; password_1376: PW of the AUX
    field, 16 bytes. given: whether they were given or are the empty ones of a dry run.
    """

    password_645: bytes = field(default=bytes((2, 0, 0, 0)), repr=False)
    operator_645: str = field(default="00000000", repr=False)
    password_1376: bytes = field(default=bytes(16), repr=False)
    given: bool = False


def read_secrets(protocol: str, *, file: Path | None = None, variable: str | None = None) -> Secrets:
    """The secrets of a protocol. DL/T 645: 8 hex digits, then perhaps 8 of the operator code; Q/GDW 1376.1: 32 hex digits.

    Raises ConfigError for a file that others can read, and for text of another form (never with the text).
    """
    if file is None and variable is None:
        return Secrets()
    where: dict[str, str | int]
    if file is not None:
        text, where = _of_file(file), {"file": str(file)}
    else:
        found = os.environ.get(variable or "")
        if found is None:
            raise _wrong(Text(f"the variable {variable} is not set", f"环境变量 {variable} 未设置"), {})
        text, where = found, {}
    words = text.split()
    if protocol == "dlt645-2007" and 1 <= len(words) <= 2 and all(re.fullmatch("[0-9A-Fa-f]{8}", w) for w in words):
        return Secrets(bytes.fromhex(words[0]), words[1] if len(words) == 2 else "00000000", given=True)
    if protocol == "gdw1376.1" and len(words) == 1 and re.fullmatch("[0-9A-Fa-f]{32}", words[0]):
        return Secrets(password_1376=bytes.fromhex(words[0]), given=True)
    form = Text(
        "DL/T 645: 8 hex digits (level and password as sent), then perhaps 8 of the operator; Q/GDW 1376.1: 32; "
        "DL/T 698.45 has none",
        "DL/T 645: 8 位十六进制 (级别与密码), 可再加 8 位操作者代码; 1376.1: 32 位; 698.45 无",
    )
    raise _wrong(Text(f"the secret is not of the expected form ({form.en})", f"口令格式不对 ({form.zh})"), where)


def _of_file(file: Path) -> str:
    try:
        with file.open(encoding="ascii", errors="replace") as source:
            mode = os.fstat(source.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise _wrong(
                    Text("others can read the file of the secret", "口令文件可被他人读取"), {"file": str(file)},
                    Text("chmod 600 it", "请 chmod 600"),
                )  # fmt: skip
            return source.read(256)
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None


def _wrong(message: Text, where: dict[str, str | int], hint: Text | None = None) -> ConfigError:
    told = hint or Text("see docs/control.md", "见 docs/control.md")
    return ConfigError("config.invalid", str(message), hint=str(told), where=where)
