"""Here the migrations run for every new workspace, as they do for a user."""

import pytest

from keyacct.database.engine import create_database
from keyacct.workflow import workspace as workspace_module


@pytest.fixture(autouse=True)
def _migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_module, "create_database", create_database)
