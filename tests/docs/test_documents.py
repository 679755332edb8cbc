"""The documents tell the truth: generated pages agree with the program, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "fixtures" / "README.md"])


def test_generated_pages_agree_with_the_program() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_paths_named_in_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for name in re.findall(r"`((?:core-rs|python|cli|tests|fixtures|docs)/[\w./<>*-]+)`", text):
        if "<" in name:
            continue
        matches = list(ROOT.glob(name.rstrip("/")))
        assert matches, f"docs/architecture.md names {name}"


def test_the_families_and_tables_of_the_data_page_are_those_of_the_code() -> None:
    """Columns, types and units word for word; every index table and quality bit has its row."""
    from keyacct.database import quality_tables, shedding_tables, tables
    from keyacct.store import quality
    from keyacct.store.families import FAMILIES

    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    for family in FAMILIES.values():
        (line,) = [row for row in page.splitlines() if row.startswith(f"| `{family.name}` |")]
        further = ", ".join(f"`{name}` {type_}" for name, type_ in family.subkey) or "–"
        assert line.split(" | ")[1] == further
        columns = line.split(" | ")[2].removesuffix(" |")
        told = {name for part in columns.split(";") for name in part.replace("`", " ").split() if f"`{name}`" in part}
        assert told == set(family.value_names), family.name
        for part in columns.split(";"):
            names = [name for name in family.value_names if f"`{name}`" in part]
            types = {str(family.schema.field(name).type).replace("decimal128", "decimal") for name in names}
            units = {column.unit for column in family.values if column.name in names}
            (type_,) = types
            assert type_.removesuffix(", tz=UTC]").removesuffix(", tz=UTC") in part, (family.name, part)
            assert all(unit in part for unit in units), (family.name, part)
    assert all(f"| {bit} | `{name}` |" in page for bit, name in quality.NAMES.items())
    for table in (tables.capture, tables.batch, tables.segment, tables.revision, tables.unresolved_device,
                  quality_tables.quality_finding, quality_tables.sample_edit, shedding_tables.priority_table,
                  shedding_tables.priority_entry, shedding_tables.priority_approval, shedding_tables.shed_draft,
                  shedding_tables.shed_draft_file, shedding_tables.shed_state, shedding_tables.shed_burden):  # fmt: skip
        (line,) = [row for row in page.splitlines() if row.startswith(f"| `{table.name}` |")]
        missing = [column.name for column in table.columns if column.name not in line and column.name != "id"]
        assert not missing, table.name
