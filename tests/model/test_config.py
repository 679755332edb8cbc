from __future__ import annotations

import re
from pathlib import Path

import pytest

from keyacct.config import describe_settings, find_root, open_workspace, parse_settings
from keyacct.errors import ConfigError


@pytest.mark.parametrize(
    ("document", "nearest"),
    [
        ({"voltage": {"assesment_floor": 0.7}}, "voltage.assessment_floor"),
        ({"voltag": {}}, "voltage"),
        ({"samples": {"timezone": "UTC"}}, "workspace.timezone"),
    ],
)
def test_an_unknown_key_names_the_nearest(document: dict[str, dict[str, object]], nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(document)
    assert caught.value.code == "config.unknown_key"
    assert nearest in caught.value.hint


@pytest.mark.parametrize(
    "document",
    [
        {"voltage": {"assessment_floor": 1.5}},
        {"samples": {"interval_min": "15"}},
        {"workspace": {"timezone": "Mars/Olympus"}},
        {"power_factor": {"quadrants": []}},
    ],
)
def test_a_bad_value_names_its_key(document: dict[str, dict[str, object]]) -> None:
    section, key = next((s, k) for s, keys in document.items() for k in keys)
    with pytest.raises(ConfigError, match=re.escape(f"{section}.{key}")):
        parse_settings(document)


def test_every_setting_says_where_its_number_comes_from() -> None:
    for row in describe_settings(parse_settings({})):
        if isinstance(row["default"], int | float):
            assert re.search(r"\[(S|V|FW|U|D)\b", str(row["description"])), row["key"]


def test_the_nearest_workspace_upward_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYACCT_WORKSPACE", raising=False)
    (tmp_path / "keyacct.toml").write_text('[workspace]\nname = "x"\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert find_root() == tmp_path
    assert open_workspace().settings.workspace.name == "x"


def test_a_missing_workspace_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYACCT_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_workspace()
    assert (caught.value.code, caught.value.exit_code) == ("config.workspace_missing", 3)
    assert "keyacct init" in caught.value.hint


def test_toml_that_does_not_parse_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "keyacct.toml").write_text("[workspace\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        open_workspace(tmp_path)
