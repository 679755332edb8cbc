"""Bad input: the published exit code, one sentence that helps, and a workspace that is left as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(keyacct: Callable[..., Any], tmp_path: Path) -> Path:
    root = tmp_path / "office"
    assert keyacct("init", root).code == 0
    registry = ROOT / "fixtures" / "demo" / "registry.toml"
    assert keyacct("--workspace", root, "registry", "import", registry).code == 0
    return root


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "binary").write_bytes(random.Random(7).randbytes(5000))
    (folder / "wrong_column.csv").write_text("ts,kwhh\n2026-01-01 00:15,3\n")
    (folder / "bad_value.csv").write_text("ts,kwh\n2026-01-01 00:15,3\n2026-01-01 00:30,x3\n")
    whole = folder / "whole.parquet"
    pq.write_table(pa.table({"ts": list(range(5000)), "kwh": [0.5] * 5000}), whole)
    (folder / "truncated.parquet").write_bytes(whole.read_bytes()[:-200])
    return folder


IMPORT = ("samples", "import", "--meter", "UCI851", "--map", "kwh=energy.import")
CASES = [
    (("decode",), "empty", 4, "no hex"),
    (("decode",), "folder", 4, "folder"),
    (("decode",), "binary", 4, "keyacct replay"),
    (("decode",), "missing", 4, "no such file"),
    (("replay",), "empty", 4, "empty"),
    (("replay",), "folder", 4, "directory"),
    (("replay",), "binary", 4, "no frame"),
    (("replay",), "missing", 4, "cannot open"),
    (IMPORT, "empty", 4, "header"),
    (IMPORT, "folder", 4, "folder"),
    (IMPORT, "binary", 4, "UTF-8"),
    (IMPORT, "wrong_column.csv", 4, "kwhh"),
    (IMPORT, "bad_value.csv", 4, "line 3, row 2, column kwh"),
    (IMPORT, "truncated.parquet", 4, "Parquet"),
    (("registry", "import"), "empty", 4, "no entry"),
    (("registry", "import"), "binary", 4, "UTF-8"),
]


def content(root: Path) -> dict[str, bytes]:
    """Every file of a workspace but SQLite's own journals, whose pages move without a change of meaning."""
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and not file.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize(("command", "name", "code", "words"), CASES, ids=str)
def test_bad_input_is_refused_in_a_sentence(
    keyacct: Callable[..., Any],
    workspace: Path,
    files: Path,
    command: tuple[str, ...],
    name: str,
    code: int,
    words: str,
) -> None:
    before = content(workspace)
    result = keyacct("--workspace", workspace, *command, files / name)
    assert result.code == code, result.err
    assert words in result.err
    assert "hint: " in result.err
    assert "Traceback" not in result.err
    assert content(workspace) == before


def test_one_bad_capture_does_not_stop_the_others(keyacct: Callable[..., Any], workspace: Path, files: Path) -> None:
    good = ROOT / "fixtures" / "captures" / "plc-carrier-2014.txt"
    result = keyacct("--workspace", workspace, "replay", files / "binary", good, "--format", "json")
    assert result.code == 6
    assert [row["readings"] for row in result.json] == [6]
    assert "no frame" in result.err
