"""The settings of one workspace, read from `keyacct.toml`, and the folder that it marks."""

from __future__ import annotations

import difflib
import os
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from keyacct.config.acquisition import CareSettings, ControlSettings, ListenSettings, PollSettings
from keyacct.config.judging import (
    BalanceSettings,
    CalendarSettings,
    CtLoadingSettings,
    DemandSettings,
    LoadingSettings,
    PowerFactorSettings,
    QualitySettings,
    SampleSettings,
    UnbalanceSettings,
    VoltageLossSettings,
    VoltageSettings,
)
from keyacct.config.office import (
    AuditSettings,
    BackupSettings,
    DatabaseAddress,
    DatabaseSettings,
    RetentionSettings,
    WorkspaceSettings,
)
from keyacct.config.papers import BillingSettings, ReportSettings
from keyacct.config.section import Section
from keyacct.config.shedding import SheddingSettings
from keyacct.errors import ConfigError
from keyacct.toml_file import read_toml

FILE_NAME = "keyacct.toml"


ENVIRONMENT = "KEYACCT_WORKSPACE"


class Settings(Section):
    """The settings tree of one workspace."""

    workspace: WorkspaceSettings = WorkspaceSettings.model_construct()
    database: DatabaseSettings = DatabaseSettings.model_construct()
    samples: SampleSettings = SampleSettings.model_construct()
    calendar: CalendarSettings = CalendarSettings.model_construct()
    voltage: VoltageSettings = VoltageSettings.model_construct()
    voltage_loss: VoltageLossSettings = VoltageLossSettings.model_construct()
    power_factor: PowerFactorSettings = PowerFactorSettings.model_construct()
    demand: DemandSettings = DemandSettings.model_construct()
    loading: LoadingSettings = LoadingSettings.model_construct()
    ct_loading: CtLoadingSettings = CtLoadingSettings.model_construct()
    balance: BalanceSettings = BalanceSettings.model_construct()
    unbalance: UnbalanceSettings = UnbalanceSettings.model_construct()
    audit: AuditSettings = AuditSettings.model_construct()
    backup: BackupSettings = BackupSettings.model_construct()
    billing: BillingSettings = BillingSettings.model_construct()
    report: ReportSettings = ReportSettings.model_construct()
    retention: RetentionSettings = RetentionSettings.model_construct()
    quality: QualitySettings = QualitySettings.model_construct()
    shedding: SheddingSettings = SheddingSettings.model_construct()
    poll: PollSettings = PollSettings.model_construct()
    control: ControlSettings = ControlSettings.model_construct()
    listen: ListenSettings = ListenSettings.model_construct()
    care: CareSettings = CareSettings.model_construct()


@dataclass(frozen=True)
class Workspace:
    """A folder marked by `keyacct.toml`: the registry, the samples and the reports of one office."""

    root: Path
    settings: Settings

    @property
    def database(self) -> Path:
        """The SQLite file of registry, segment index and audit chain."""
        return self.root / "register.db"

    @property
    def samples(self) -> Path:
        """Folder of the live Parquet segments."""
        return self.root / "samples"

    @property
    def stage(self) -> Path:
        """Folder where segments are written before they become visible."""
        return self.root / "stage"

    @property
    def states(self) -> Path:
        """Folder of kept day states, by kind and civil day; all of it may be deleted."""
        return self.root / "states"

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """Zone of civil days and device clocks."""
        return zoneinfo.ZoneInfo(self.settings.workspace.timezone)


def parse_settings(document: dict[str, Any], file: str = FILE_NAME) -> Settings:
    """Settings from a parsed TOML document. Raises ConfigError naming the key and, for an unknown one, the nearest."""
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = _nearest(first["loc"])
            hint = f"did you mean {near!r}?" if near else "remove it, or see `keyacct config show` for the known keys"
            raise ConfigError("config.unknown_key", f"unknown key {key!r}", hint=hint, where={"file": file}) from None
        message = f"{key}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise ConfigError("config.invalid", message, hint="mend this key and run again", where={"file": file}) from None


def _nearest(path: tuple[str | int, ...]) -> str | None:
    """The known key most like an unknown one: its own section first, then the same name anywhere."""
    known = list(_keys(Settings))
    wanted = ".".join(str(part) for part in path)
    close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = str(path[-1])
    by_name = difflib.get_close_matches(last, [key.rpartition(".")[2] for key in known], n=1, cutoff=0.6)
    return next((key for key in known if by_name and key.rpartition(".")[2] == by_name[0]), None)


def _keys(section: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{prefix}{name}.")


def describe_settings(settings: Settings) -> list[dict[str, object]]:
    """Every setting as a row: key, value, default, description with its source."""
    rows: list[dict[str, object]] = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            continue
        values = getattr(settings, name)
        for key, inner in section.model_fields.items():
            rows.append(
                {
                    "key": f"{name}.{key}",
                    "value": _shown(getattr(values, key)),
                    "default": _shown(inner.default),
                    "description": inner.description or "",
                }
            )
    return rows


def _shown(value: object) -> object:
    """A value for people and JSON; an address without its password."""
    if value is None:
        return ""
    return str(value) if isinstance(value, DatabaseAddress) else value


def find_root(folder: str | os.PathLike[str] | None = None) -> Path:
    """The workspace folder: the named one, else `KEYACCT_WORKSPACE`, else the nearest `keyacct.toml` upward.

    Raises ConfigError `config.workspace_missing`.
    """
    named = folder if folder is not None else os.environ.get(ENVIRONMENT)
    if named:
        root = Path(named)
        if (root / FILE_NAME).is_file():
            return root
        raise ConfigError(
            "config.workspace_missing",
            f"no workspace: there is no {FILE_NAME}",
            hint=f"make one with `keyacct init {root}`",
            where={"file": str(root)},
        )
    here = Path.cwd()
    for root in (here, *here.parents):
        if (root / FILE_NAME).is_file():
            return root
    raise ConfigError(
        "config.workspace_missing",
        f"no workspace: neither this folder nor one above it holds {FILE_NAME}",
        hint="name one with --workspace DIR or KEYACCT_WORKSPACE, or make one with `keyacct init DIR`",
    )


def open_workspace(folder: str | os.PathLike[str] | None = None) -> Workspace:
    """Find a workspace and read its settings. Raises ConfigError."""
    root = find_root(folder)
    file = root / FILE_NAME
    document = read_toml(
        file,
        lambda said: ConfigError(
            "config.invalid", f"not valid TOML: {said}", hint="mend the line", where={"file": str(file)}
        ),
    )
    return Workspace(root, parse_settings(document, str(file)))
