"""A workspace with samples of several days, and an empty place to restore into, on either database."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from office_days import DAYS, fill

from keyacct.config import Workspace, open_workspace
from keyacct.workflow.workspace import init_workspace

ON_POSTGRES = os.environ.get("KEYACCT_TEST_DATABASE") == "postgresql"


def made(folder: Path) -> Workspace:
    workspace = init_workspace(folder, name="office")
    fill(workspace, *range(1, DAYS + 1))
    return workspace


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; a test on SQLite takes a copy of its folder."""
    return made(tmp_path_factory.mktemp("backup") / "office").root


@pytest.fixture
def workspace(tmp_path: Path, request: pytest.FixtureRequest) -> Workspace:
    if ON_POSTGRES:
        return made(tmp_path / "office")
    shutil.copytree(request.getfixturevalue("template"), tmp_path / "office")
    return open_workspace(tmp_path / "office")


@pytest.fixture
def empty_database(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Where a restored registry goes: None (as the settings say) on SQLite, a new database on PostgreSQL."""

    def new() -> str | None:
        if not ON_POSTGRES:
            return None
        url: Any = request.getfixturevalue("postgres").new_database()
        return str(url)

    return new
