"""The data dictionary in the documents is the one in the code."""

from __future__ import annotations

from pathlib import Path

from keyacct.report import dictionary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reports.md"


def test_the_page_agrees_with_the_code() -> None:
    assert dictionary.main(["--check", str(PAGE)]) == 0


def test_a_page_out_of_date_is_found_and_renewed(tmp_path: Path) -> None:
    page = tmp_path / "reports.md"
    text = PAGE.read_text("utf-8")
    page.write_text(text.replace("| kWh |", "| MWh |", 1), encoding="utf-8")
    assert dictionary.main(["--check", str(page)]) == 7
    assert dictionary.main(["--write", str(page)]) == 0
    assert page.read_text("utf-8") == text


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("# Other\n")
    assert dictionary.main(["--write", str(page)]) == 4
    assert page.read_text() == "# Other\n"
