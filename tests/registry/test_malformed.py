"""Bad files are refused with file, place and reason, and the registry stays as it was."""

from __future__ import annotations

from pathlib import Path

import malformed
import pytest

from keyacct.config import Workspace
from keyacct.errors import InputError
from keyacct.registry.document import export_registry
from keyacct.registry.importing import Document, import_documents
from keyacct.workflow.workspace import init_workspace

CASES = malformed.every_case()
_made: dict[str, tuple[Workspace, str]] = {}


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """One workspace with one entry of every kind for all cases: none of them changes it."""
    if "office" not in _made:
        workspace = init_workspace(tmp_path_factory.mktemp("malformed") / "office")
        report = import_documents(workspace, [Document(file, data, ".csv") for file, data in malformed.base()])
        assert report.faults == []
        _made["office"] = (workspace, export_registry(workspace))
    return _made["office"]


def test_there_are_at_least_300_of_them() -> None:
    print(f"malformed imports {len(CASES)}")
    assert len(CASES) >= 300


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_file_is_refused_with_place_and_reason(case, office: tuple[Workspace, str]) -> None:
    workspace, _ = office
    document = Document(case.file, case.data, Path(case.file).suffix)
    try:
        report = import_documents(workspace, [document])
    except InputError as error:
        assert case.reason in error.message
        assert error.where["file"] == case.file
        assert "UTF-8" not in error.message or error.where["line"] >= 1
        return
    assert not report.written
    assert report.faults
    for fault in report.faults:
        assert fault.message
        assert fault.place.file == case.file
    right = [
        fault for fault in report.faults
        if case.reason in str(fault) and case.row in (0, fault.place.row) and case.column in ("", fault.column)
        and case.sheet == fault.place.sheet
    ]  # fmt: skip
    assert right, [str(fault) for fault in report.faults]


def test_all_of_them_together_left_the_registry_as_it_was(office: tuple[Workspace, str]) -> None:
    workspace, before = office
    assert export_registry(workspace) == before
