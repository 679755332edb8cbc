"""Passwords and operator codes: from a file that only its owner reads, or from the environment by name; never from argv.

What a device wants to know before it answers or obeys. It is in no output: `repr` says nothing of it, errors name the file
and not its text; of a frame that carries one `keyacct.capture.masking` makes what may be kept.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from keyacct.errors import ConfigError, from_os_error
from keyacct.i18n import Text

PROTOCOLS = ("dlt645-2007", "dlt645-1997", "gdw1376.1", "dlt698.45")
VARIABLE = "env:"
"""Begins the name of an environment variable where a file could stand as well."""
_MOST_BYTES = 1024


@dataclass(frozen=True)
class Secrets:
    """What a device wants to know. Never printed.

    password_645: level and password as on the wire, 4 bytes; operator_645: 8 hex digits; password_1376: PW of the AUX
    field, 16 bytes; password_698: the text of a CONNECT with a password. given: whether they were given or are the empty
    ones.
    """

    password_645: bytes = field(default=bytes((2, 0, 0, 0)), repr=False)
    operator_645: str = field(default="00000000", repr=False)
    password_1376: bytes = field(default=bytes(16), repr=False)
    password_698: str = field(default="", repr=False)
    given: bool = False


@dataclass(frozen=True)
class SecretSource:
    """Where a secret is: a file, or an environment variable."""

    file: Path | None = None
    variable: str | None = None

    def read(self, protocol: str) -> Secrets:
        """The secrets of a protocol, empty when it has none for it. Raises as `read_secrets`."""
        return read_secrets(protocol, file=self.file, variable=self.variable)


SourceOf = Callable[[str, str], SecretSource | None]
"""The source of the secrets of a device, by protocol and address."""


def parse_source(text: str, base: Path) -> SecretSource:
    """A source as settings and registry write it: `env:NAME`, or a file (from `base` on)."""
    if text.startswith(VARIABLE):
        return SecretSource(variable=text.removeprefix(VARIABLE).strip())
    return SecretSource(file=base / text)


def read_secrets(protocol: str, *, file: Path | None = None, variable: str | None = None) -> Secrets:
    """The secrets of a protocol. DL/T 645: 8 hex digits, then perhaps 8 of the operator code; Q/GDW 1376.1: 32 hex
    digits; DL/T 698.45: the password as text. For several protocols: a line of each that begins with its name.

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
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and all(line.split()[0] in PROTOCOLS for line in lines):
        lines = [line.removeprefix(protocol).strip() for line in lines if line.split()[0] == protocol]
        if not lines:
            return Secrets()
    secrets = _parsed(lines[0], protocol) if len(lines) == 1 else None
    if secrets is not None:
        return secrets
    form = Text(
        "DL/T 645: 8 hex digits (level and password as sent), then perhaps 8 of the operator; Q/GDW 1376.1: 32; "
        "DL/T 698.45: up to 32 characters without a space",
        "DL/T 645: 8 位十六进制 (级别与密码), 可再加 8 位操作者代码; 1376.1: 32 位; 698.45: 至多 32 个字符, 无空格",
    )
    raise _wrong(Text(f"the secret is not of the expected form ({form.en})", f"口令格式不对 ({form.zh})"), where)


def _parsed(line: str, protocol: str) -> Secrets | None:
    words = line.split()
    if protocol.startswith("dlt645") and 1 <= len(words) <= 2 and all(re.fullmatch("[0-9A-Fa-f]{8}", w) for w in words):
        return Secrets(bytes.fromhex(words[0]), words[1] if len(words) == 2 else "00000000", given=True)
    if protocol == "gdw1376.1" and len(words) == 1 and re.fullmatch("[0-9A-Fa-f]{32}", words[0]):
        return Secrets(password_1376=bytes.fromhex(words[0]), given=True)
    if protocol == "dlt698.45" and re.fullmatch("[!-~]{1,32}", line):
        return Secrets(password_698=line, given=True)
    return None


def _of_file(file: Path) -> str:
    try:
        with file.open(encoding="ascii", errors="replace") as source:
            mode = os.fstat(source.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise _wrong(
                    Text("others can read the file of the secret", "口令文件可被他人读取"), {"file": str(file)},
                    Text("chmod 600 it", "请 chmod 600"),
                )  # fmt: skip
            return source.read(_MOST_BYTES)
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None


def _wrong(message: Text, where: dict[str, str | int], hint: Text | None = None) -> ConfigError:
    told = hint or Text("see docs/passwords.md", "见 docs/passwords.md")
    return ConfigError("config.invalid", str(message), hint=str(told), where=where)
