"""What holds for every command: help, languages, exit codes, errors as JSON, clean stdout, quick start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keyacct.cli import exit_codes
from keyacct.cli.run import COMMANDS, LazyGroup
from keyacct.errors import CODES

ROOT = Path(__file__).resolve().parents[2]


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = LazyGroup(name="keyacct").get_command(None, name)
        found.append((name,))
        for inner, below in getattr(command, "commands", {}).items():
            found.append((name, inner))
            found += [(name, inner, innermost) for innermost in getattr(below, "commands", {})]
    return found


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keyacct.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_command_has_help_in_both_languages(
    keyacct: Callable[..., Any], path: tuple[str, ...], lang: str
) -> None:
    result = keyacct(*path, "-h", "--lang", lang)
    assert (result.code, result.err) == (0, "")
    chinese = any("\u4e00" <= c <= "\u9fff" for c in result.out.split("Options:")[0])
    assert chinese is (lang == "zh"), result.out


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_is_documented(path: tuple[str, ...]) -> None:
    heading = "#" * (len(path) + 1) + " keyacct " + " ".join(path)
    assert heading in (ROOT / "docs" / "cli.md").read_text("utf-8").splitlines()


def test_exit_codes_are_those_of_the_error_tree() -> None:
    published = {value for name, value in vars(exit_codes).items() if name.isupper()}
    assert published == {0} | {kind.exit_code for kind in CODES.values()}


def test_version_is_the_crates() -> None:
    result = process("--version")
    cargo = (ROOT / "Cargo.toml").read_text("utf-8")
    assert result.stdout.startswith("keyacct ")
    assert f'version = "{result.stdout.split()[1]}"' in cargo
    assert (result.returncode, result.stderr) == (0, "")


def test_no_command_shows_help_and_is_a_usage_error(keyacct: Callable[..., Any]) -> None:
    result = keyacct()
    assert result.code == 2
    assert result.out == ""
    assert "Usage: keyacct" in result.err


@pytest.mark.parametrize("arguments", [("nonsense",), ("--nonsense",), ("decode", "--lang", "fr", "00")])
def test_a_usage_error_exits_2_and_says_what_to_do(keyacct: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    result = keyacct(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "error: " in result.err
    assert "hint: " in result.err
    assert "Traceback" not in result.err


def test_an_error_is_one_json_object_where_json_is_asked(keyacct: Callable[..., Any]) -> None:
    result = keyacct("decode", "--format", "jsonl", "no-such-file")
    assert result.out == ""
    error = json.loads(result.err)["error"]
    assert set(error) == {"code", "message", "hint", "where"}
    assert error["where"] == {"file": "no-such-file"}
    assert result.code == 4


def test_a_file_name_cannot_steer_the_terminal(keyacct: Callable[..., Any]) -> None:
    result = keyacct("decode", "evil\x1b[2Jname.txt")
    assert result.code == 4
    assert "\x1b" not in result.err


def test_no_workspace_exits_3(keyacct: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("voltage", "pf", "registry", "doctor"):
        path = (command, "list", "accounts") if command == "registry" else (command,)
        result = keyacct(*path)
        assert result.code == 3, (command, result.err)
        assert "keyacct init" in result.err


def test_version_and_help_import_nothing_heavy() -> None:
    heavy = ("pyarrow", "duckdb", "sqlalchemy", "alembic", "pydantic", "jinja2", "rich.console", "xlsxwriter")
    for arguments, light in ((["--version"], ("typer",)), (["--help"], ())):
        code = (
            "import sys\n"
            "from keyacct.cli.app import main\n"
            "try:\n main(sys.argv[1:])\n"
            "except SystemExit: pass\n"
            f"print([m for m in {(*heavy, *light)!r} if m in sys.modules], file=sys.stderr)"
        )
        result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert result.stderr.strip() == "[]", arguments


def test_a_reader_that_goes_away_is_no_error() -> None:
    shell = f"{sys.executable} -m keyacct.cli registers | head -n 1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
