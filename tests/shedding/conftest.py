"""One workspace for the tests that only add drafts to it; a fresh one for those that change more."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from office import DAY_BEFORE, make_bare, make_office, with_table

from keyacct import clock
from keyacct.config import Workspace


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


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with an approved table, shared: tests may add drafts, nothing else."""
    return with_table(make_office(tmp_path_factory.mktemp("shed") / "office"))


@pytest.fixture
def fresh(tmp_path: Path) -> Workspace:
    """A workspace of its own, without samples and without a priority table: a draft there has no load to plan with."""
    return make_bare(tmp_path / "office")


@pytest.fixture
def shed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    """`shed(workspace, "draft", …)` runs a command on a workspace, as of the morning before the event."""
    from keyacct.cli.run import run

    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES", "KEYACCT_WORKSPACE", "KEYACCT_NOW", "KEYACCT_OPERATOR"):
        monkeypatch.delenv(name, raising=False)

    def call(workspace: Workspace, *arguments: object, now: str = DAY_BEFORE) -> Run:
        capsys.readouterr()
        shared = ["--workspace", str(workspace.root), "--now", now]
        code = run(["shed", *(str(argument) for argument in arguments), *shared])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    yield call
    clock.fix(None)
