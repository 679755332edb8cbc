"""One workspace for the tests that only add drafts to it; a fresh one for those that change more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from office import DAY_BEFORE, make_bare, make_office, with_table

from keyacct import clock
from keyacct.config import Workspace


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with an approved table, shared: tests may add drafts, nothing else."""
    return with_table(make_office(tmp_path_factory.mktemp("shed") / "office"))


@pytest.fixture
def fresh(tmp_path: Path) -> Workspace:
    """A workspace of its own, without samples and without a priority table: a draft there has no load to plan with."""
    return make_bare(tmp_path / "office")


@pytest.fixture
def shed(keyacct: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """`shed(workspace, "draft", …)` runs a command on a workspace, as of the morning before the event."""
    monkeypatch.delenv("KEYACCT_OPERATOR", raising=False)

    def call(workspace: Workspace, *arguments: object, now: str = DAY_BEFORE) -> Any:
        return keyacct("shed", *arguments, "--workspace", workspace.root, "--now", now)

    yield call
    clock.fix(None)
