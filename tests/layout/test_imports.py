"""The imports follow the map of docs/architecture.md: no circle, no arrow against it, typer and rich only in cli."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "keyacct"

LAYERS: list[set[str]] = [
    {"cli"},
    {"workflow"},
    {"report", "plan", "control", "service"},
    {"analysis", "simulation"},
    {"store", "registry", "capture"},
    {"database"},
    {"wire"},
    {"_core"},
]
SHARED = {"errors", "clock", "config", "i18n", "model", "secrets", "toml_file"}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name below keyacct, file) of every module, the command line included by its link."""
    for file in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "cli").rglob("*.py")]):
        if "fixtures" in file.parts:
            continue
        base = ROOT if file.is_relative_to(ROOT / "cli") else PACKAGE
        parts = file.relative_to(base).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            yield name, file


def imports(name: str, file: Path) -> Iterator[str]:
    """Absolute names that a module imports, anywhere in its body."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            assert name == "cli.run", f"{name} imports by a computed name, which this test cannot follow"


def ours(name: str, file: Path, known: set[str]) -> set[str]:
    """The modules of keyacct that a module imports, dotted below keyacct."""
    found = set()
    for full in imports(name, file):
        if full.startswith("keyacct."):
            inner = full.removeprefix("keyacct.")
            while inner and inner not in known and inner != "_core":
                inner = inner.rpartition(".")[0]
            if inner:
                found.add(inner)
    return found - {name}


FILES = dict(modules())
GRAPH = {name: ours(name, file, set(FILES)) for name, file in FILES.items()}


def layer(name: str) -> str:
    return name.partition(".")[0]


def test_every_module_has_its_place_on_the_map() -> None:
    unknown = {name for name in FILES if layer(name) not in RANK and layer(name) not in SHARED}
    assert not unknown, "put these on the map in docs/architecture.md and in this test"


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_no_arrow_against_the_map(name: str) -> None:
    here = layer(name)
    for target in GRAPH[name]:
        there = layer(target)
        if there == here or there in SHARED:
            continue
        assert here not in SHARED, f"{name} is used by all layers and may not import {target}"
        assert RANK[there] > RANK[here], f"{name} may not import {target}: the arrow runs the other way, or sideways"


def test_no_circle() -> None:
    state: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if state.get(name) == 1:
            raise AssertionError(" -> ".join((*path[path.index(name) :], name)))
        if state.get(name) == 2:
            return
        state[name] = 1
        for target in sorted(GRAPH.get(name, ())):
            # A package's contents page imports its own modules; that is not a circle of work.
            if not (target == layer(name) or name == layer(target)):
                visit(target, (*path, name))
        state[name] = 2

    for name in sorted(GRAPH):
        visit(name, ())


def test_only_cli_presents() -> None:
    guilty = [
        name
        for name, file in FILES.items()
        if layer(name) != "cli" and any(i.partition(".")[0] in ("typer", "rich", "click") for i in imports(name, file))
    ]
    assert guilty == []


def test_only_the_clock_reads_the_time() -> None:
    pattern = re.compile(r"\b(?:datetime\.now|date\.today|datetime\.utcnow|datetime\.today|time\.time(?:_ns)?)\(")
    guilty = [name for name, file in FILES.items() if name != "clock" and pattern.search(file.read_text("utf-8"))]
    assert guilty == []


def cargo_dependencies(crate: str) -> set[str]:
    document = tomllib.loads((ROOT / "core-rs" / crate / "Cargo.toml").read_text("utf-8"))
    return set(document.get("dependencies", {}))


def test_crates_point_one_way() -> None:
    crates = {folder.parent.name for folder in (ROOT / "core-rs").glob("keyacct-*/Cargo.toml")}
    allowed = {
        "keyacct-model": set(),
        "keyacct-wire": {"keyacct-model"},
        "keyacct-stats": {"keyacct-model"},
        "keyacct-plan": {"keyacct-model"},
        "keyacct-io": {"keyacct-model", "keyacct-wire", "keyacct-stats"},
        "keyacct-py": crates - {"keyacct-py"},
    }
    for crate in crates:
        used = {name for name in cargo_dependencies(crate) if name.startswith("keyacct-")}
        assert used <= allowed[crate], crate
        if crate != "keyacct-py":
            assert "pyo3" not in cargo_dependencies(crate), f"{crate} knows Python"
        if crate not in ("keyacct-io", "keyacct-py"):
            heavy = {name for name in cargo_dependencies(crate) if name.startswith(("arrow", "parquet"))}
            assert not heavy, f"{crate} knows Arrow"


def test_the_command_line_is_a_link_into_the_package() -> None:
    assert (PACKAGE / "cli").is_symlink()
    assert (PACKAGE / "cli" / "app.py").samefile(ROOT / "cli" / "app.py")
