from __future__ import annotations

import errno

import pytest

from keyacct.errors import CODES, InputError, InternalError, WriteError, from_os_error


def test_a_code_belongs_to_one_kind() -> None:
    for code, kind in CODES.items():
        assert code.partition(".")[0] == kind.kind


def test_a_code_of_another_kind_is_a_defect() -> None:
    with pytest.raises(InternalError):
        raise InputError("write.failed", "x")


def test_message_says_where_first() -> None:
    error = InputError("input.value", "no number", where={"file": "a.csv", "line": 7, "column": "kwh"})
    assert str(error) == "a.csv, line 7, column kwh: no number"
    assert error.as_dict() == {
        "error": {
            "code": "input.value",
            "message": "no number",
            "hint": "",
            "where": {"file": "a.csv", "line": 7, "column": "kwh"},
        }
    }


@pytest.mark.parametrize(
    ("number", "writing", "code"),
    [
        (errno.ENOENT, False, "input.not_found"),
        (errno.EISDIR, False, "input.unreadable"),
        (errno.EACCES, False, "input.unreadable"),
        (errno.ENOSPC, True, "write.disk_full"),
        (errno.EROFS, True, "write.read_only"),
        (errno.EIO, True, "write.failed"),
    ],
)
def test_a_file_error_ends_in_its_exit_code(number: int, *, writing: bool, code: str) -> None:
    error = from_os_error(OSError(number, "reason", "f"), writing=writing)
    assert error.code == code
    assert isinstance(error, WriteError if writing else InputError)
    assert error.where == {"file": "f"}
