"""The office of the billing tests; the present is August 2026 unless a test says otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from billing_office import ACCOUNT_ENTRIES, ONE_METER, register

from keyacct import clock
from keyacct.config import Workspace
from keyacct.workflow.workspace import init_workspace


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Workspace]:
    """Account, point and two meters; no meter is fitted yet."""
    clock.fix("2026-08-15T00:00+08:00")
    workspace = init_workspace(tmp_path / "office", name="office")
    register(workspace, ACCOUNT_ENTRIES)
    yield workspace
    clock.fix(None)


@pytest.fixture
def office(bare: Workspace) -> Workspace:
    """With meter M1 fitted all the time."""
    register(bare, ONE_METER)
    return bare
