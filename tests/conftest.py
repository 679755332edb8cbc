"""What holds for every test: the command line as a user types it, and the database (KEYACCT_TEST_DATABASE, else SQLite)."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

from keyacct.database.engine import Database, create_database
from keyacct.workflow import workspace as workspace_module

# The suite gives the same answer every time: random values come from a fixed seed. `nox -s explore` seeks new ones.
# Hypothesis also draws constants from the modules that are loaded: alone, a test may see other values than in the suite.
SLOW = [hypothesis.HealthCheck.too_slow]
"""No test fails for the speed of the machine: neither by a deadline nor for slow data."""
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=SLOW)
hypothesis.settings.register_profile("explore", print_blob=True, deadline=None, suppress_health_check=SLOW)
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


@pytest.fixture(scope="session")
def postgres():
    """A running PostgreSQL server (tests/postgres_server.py); `postgres.new_database()` is an empty database."""
    module = _postgres_server()
    try:
        with module.server() as running:
            yield running
    except module.MissingServerError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(autouse=True, scope="session")
def _empty_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new workspace gets a copy of the empty file that the migrations made once; `tests/database` lets them run."""
    made = tmp_path_factory.mktemp("empty") / "register.db"
    create_database(made)

    def copied(path: Path) -> Database:
        try:
            shutil.copyfile(made, path)
        except OSError:
            return create_database(path)  # which says what is wrong with the place
        return Database(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace_module, "create_database", copied)
        yield


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
