"""A workspace of its own for each test of the registry."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from keyacct.config import Workspace
from keyacct.workflow.workspace import init_workspace

sys.path.insert(0, str(Path(__file__).parent))  # malformed.py


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "office")
