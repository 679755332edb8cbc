"""Runs the command line in this process, as a user would: arguments in, exit code, stdout and stderr out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error object on stderr (`--format json`)."""
        return json.loads(self.err.splitlines()[-1])["error"]


@pytest.fixture
def keyacct(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """`keyacct("decode", "68…")` runs a command line."""
    from keyacct.cli.run import COMMANDS, run

    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES", "KEYACCT_WORKSPACE", "KEYACCT_NOW"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> Run:
        capsys.readouterr()
        if "--lang" in arguments:  # help texts are made at import; a real process has one language
            for module, _ in COMMANDS.values():
                for name in [
                    n for n in sys.modules if n == f"keyacct.cli.{module}" or n.startswith(f"keyacct.cli.{module}_")
                ]:
                    sys.modules.pop(name)
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return call
