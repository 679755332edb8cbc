"""The extension and its Python side say the same."""

from __future__ import annotations

import re
from pathlib import Path

from keyacct import _core, errors

ROOT = Path(__file__).resolve().parents[2]


def test_error_codes_are_the_same_on_both_sides() -> None:
    assert dict(_core.error_codes()) == {code: kind.exit_code for code, kind in errors.CODES.items()}


def test_every_name_of_the_extension_is_used_by_a_python_module() -> None:
    package = ROOT / "python" / "keyacct"
    files = [*package.rglob("*.py"), *(ROOT / "tests" / "layout").glob("*.py"), *(ROOT / "cli").glob("*.py")]
    text = "\n".join(file.read_text("utf-8") for file in files)
    unused = [
        name
        for name in dir(_core)
        if not name.startswith("__") and name != "ArrowStream" and not re.search(rf"\b{name}\b", text)
    ]
    assert unused == []


def test_the_extension_is_optimised() -> None:
    assert _core.OPTIMISED, "build with `maturin develop --release`, as nox does"
