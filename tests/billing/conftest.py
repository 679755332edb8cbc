"""The office of the billing tests; the present is August 2026 unless a test says otherwise."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from billing_office import ACCOUNT_ENTRIES, ONE_METER, register

from keyacct import clock
from keyacct.config import Workspace, open_workspace
from keyacct.workflow.workspace import init_workspace

NOW = "2026-08-15T00:00+08:00"


def made(folder: Path) -> Workspace:
    workspace = init_workspace(folder, name="office")
    register(workspace, ACCOUNT_ENTRIES)
    return workspace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; a test on SQLite takes a copy of its folder."""
    clock.fix(NOW)
    workspace = made(tmp_path_factory.mktemp("billing") / "office")
    clock.fix(None)
    return workspace.root


@pytest.fixture
def bare(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """Account, point and two meters; no meter is fitted yet."""
    clock.fix(NOW)
    if os.environ.get("KEYACCT_TEST_DATABASE") == "postgresql":
        yield made(tmp_path / "office")
    else:
        shutil.copytree(request.getfixturevalue("template"), tmp_path / "office")
        yield open_workspace(tmp_path / "office")
    clock.fix(None)


@pytest.fixture
def office(bare: Workspace) -> Workspace:
    """With meter M1 fitted all the time."""
    register(bare, ONE_METER)
    return bare
