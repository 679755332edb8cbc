"""Same in, same out: golden texts and byte equality of every registered kind, in every format and language."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from keyacct.config import Workspace
from keyacct.report.kinds import KINDS

HERE = Path(__file__).parent
AVAILABLE = [kind.name for kind in KINDS.values() if kind.needs is None]

DIGESTS = """
import hashlib, pathlib, sys
sys.path.insert(0, sys.argv[1])
import golden
from keyacct.config import open_workspace
from keyacct.report.writers import FORMATS, parts
workspace = open_workspace(pathlib.Path(sys.argv[2]))
accounts = golden.ACCOUNTS if sys.argv[3] == "forward" else golden.ACCOUNTS[::-1]
found = []
kinds = golden.AVAILABLE if sys.argv[3] == "forward" else golden.AVAILABLE[::-1]
for kind in kinds:
    for document in golden.documents(workspace, kind, accounts):
        for lang in golden.LANGS:
            for format in FORMATS:
                for part in parts(document, lang, format):
                    digest = hashlib.sha256(part.content).hexdigest()
                    found.append(f"{kind} {document.account_no} {lang} {format} {part.name} {digest}")
print("\\n".join(sorted(found)))
"""


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", AVAILABLE)
def test_every_kind_says_what_it_said(
    kind: str, lang: str, golden: ModuleType, town: Workspace, request: pytest.FixtureRequest
) -> None:
    refresh = request.config.getoption("--refresh-golden")
    wrong = []
    found = {}
    for document in golden.documents(town, kind):
        name = document.account_no or "office"
        for suffix, text in golden.texts(document, lang).items():
            found[f"{kind}.{name}.{lang}.{suffix}"] = text
    assert found
    for name, text in found.items():
        if refresh:
            golden.FOLDER.mkdir(exist_ok=True)
            (golden.FOLDER / name).write_text(text, encoding="utf-8")
        elif difference := golden.difference(golden.FOLDER / name, text):
            wrong.append(difference)
    assert not wrong, "\n\n".join(wrong)


def test_no_golden_text_is_left_of_a_kind_that_is_gone(golden: ModuleType) -> None:
    assert {file.name.split(".")[0] for file in golden.FOLDER.iterdir()} <= set(AVAILABLE)


def test_every_format_has_the_same_bytes_in_any_process_and_order(town: Workspace) -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", DIGESTS, str(HERE), str(town.root), order],
            capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LANG": lang, "PYTHONDONTWRITEBYTECODE": "1"},
        ).stdout.splitlines()
        for order, seed, zone, lang in (
            ("forward", "0", "UTC", "C"), ("backward", "4711", "America/New_York", "zh_CN.UTF-8"),
        )
    ]  # fmt: skip
    assert len(outputs[0]) >= len(AVAILABLE) * 2 * 5
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("kind", AVAILABLE)
def test_every_format_has_the_same_bytes_twice_in_one_process(kind: str, golden: ModuleType, town: Workspace) -> None:
    from keyacct.report.writers import FORMATS, parts

    first, second = (
        [
            hashlib.sha256(part.content).hexdigest()
            for document in golden.documents(town, kind)
            for suffix in FORMATS
            for part in parts(document, "zh", suffix)
        ]
        for _ in range(2)
    )
    assert first == second
