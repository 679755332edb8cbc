"""What holds for every test, and the database they run on: KEYACCT_TEST_DATABASE=postgresql, else SQLite."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

from keyacct.workflow import workspace as workspace_module

# The suite gives the same answer every time: random values come from a fixed seed. `nox -s explore` seeks new ones.
hypothesis.settings.register_profile("steady", derandomize=True)
hypothesis.settings.register_profile("explore", print_blob=True)
hypothesis.settings.load_profile(os.environ.get("KEYACCT_TEST_PROFILE", "steady"))


def _postgres_server() -> ModuleType:
    name = "keyacct_tests_postgres_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("postgres_server.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


ON_POSTGRES = os.environ.get("KEYACCT_TEST_DATABASE", "sqlite") == "postgresql"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other kind of database (`nox -s postgresql` runs what a server is needed for)."""
    other = "sqlite" if ON_POSTGRES else "postgresql"
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]


@pytest.fixture(scope="session")
def postgres():
    """A running PostgreSQL server (tests/postgres_server.py); `postgres.new_database()` is an empty database."""
    module = _postgres_server()
    try:
        with module.server() as running:
            yield running
    except module.MissingServerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every workspace that a test makes in this process gets an empty database of the chosen kind."""
    if ON_POSTGRES:
        server = request.getfixturevalue("postgres")
        monkeypatch.setattr(workspace_module, "new_database_url", server.new_database)
        monkeypatch.setenv("KEYACCT_DATABASE_URL", server.new_database())  # for a process that the test starts


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard() -> Iterator[None]:
    """A suite that is started in the background inherits an ignored SIGINT; the tests of Ctrl-C need it heard."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--refresh-golden",
        action="store_true",
        help="write the golden texts of the reports anew instead of comparing; read the difference before you commit it",
    )
