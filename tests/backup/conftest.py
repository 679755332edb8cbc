"""A workspace with samples of several days, and an empty place to restore into, on either database."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from office_days import DAYS, fill

from keyacct.config import Workspace
from keyacct.workflow.workspace import init_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = init_workspace(tmp_path / "office", name="office")
    fill(made, *range(1, DAYS + 1))
    return made


@pytest.fixture
def empty_database(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Where a restored registry goes: None (as the settings say) on SQLite, a new database on PostgreSQL."""

    def new() -> str | None:
        if os.environ.get("KEYACCT_TEST_DATABASE") != "postgresql":
            return None
        url: Any = request.getfixturevalue("postgres").new_database()
        return str(url)

    return new
