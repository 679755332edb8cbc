"""What the report tests share: analysis results made by hand, a workspace, the document of one account."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from keyacct.config import Workspace, open_workspace
from keyacct.model import Period
from keyacct.report.document import Document
from keyacct.report.inputs import split_by_account
from keyacct.report.kinds.month import build_from
from keyacct.report.subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATED = dt.datetime(2026, 7, 1, 0, 30, tzinfo=dt.UTC)
ACCOUNT = "3301000001"


def load(name: str) -> ModuleType:
    """A module that lies beside the tests."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sample() -> ModuleType:
    """tests/report/sample_results.py as a module."""
    return load("sample_results")


@pytest.fixture(scope="session")
def golden() -> ModuleType:
    """tests/report/golden.py as a module."""
    return load("golden")


@pytest.fixture(scope="session")
def town(golden: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the demo's registry and a SYNTHETIC town of June 2026."""
    return golden.make_town(tmp_path_factory.mktemp("town"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "keyacct.toml").write_text('[workspace]\nname = "章丘供电公司"\n', encoding="utf-8")
    return open_workspace(tmp_path)


@pytest.fixture
def make(sample: ModuleType, workspace: Workspace) -> Callable[..., Document]:
    """`make(name=…, period=…, results=…, now=…)` builds the document of one account."""

    def build(
        name: str = "日月化工集团有限公司",
        account: str = ACCOUNT,
        period: str = "2026-06",
        results: object = None,
        now: dt.datetime = GENERATED,
    ) -> Document:
        given = results if results is not None else sample.month_results(account, name)
        from keyacct.report.inputs import AccountRows

        rows = split_by_account(given, workspace.zone).get(account, AccountRows())
        subject = Subject(account, name, {"service_address": name, "contract_capacity_kva": 6300})
        return build_from(rows, subject, workspace, Period.parse(period), now)

    return build


@pytest.fixture
def document(make: Callable[..., Document]) -> Document:
    return make()
