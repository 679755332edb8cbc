"""The one typed settings tree, read from `keyacct.toml`, and the workspace folder that it marks.

Every number that the rules of the field leave open stands here once, with its source and how sure it is:
`[S]` stated in the office's own rules, `[V]` checked in public material, `[FW]` read in meter firmware,
`[U]` from memory and unverified, `[D]` a design default of keyacct. An unknown key is an error that names the nearest.
"""

from __future__ import annotations

import difflib
import os
import tomllib
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from keyacct.errors import ConfigError, from_os_error

FILE_NAME = "keyacct.toml"
ENVIRONMENT = "KEYACCT_WORKSPACE"


def _zone(name: object) -> object:
    if isinstance(name, str):
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{name!r} is no time zone, write for example Asia/Shanghai") from None
    return name


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WorkspaceSettings(_Section):
    """`[workspace]`: what holds everywhere."""

    name: str = Field("keyacct", description="name of the office, shown on reports", max_length=120)
    timezone: Annotated[str, BeforeValidator(_zone)] = Field(
        "Asia/Shanghai", description="zone of civil days and of device clocks [domain: calendar rules]"
    )


class SampleSettings(_Section):
    """`[samples]`: how interval data are understood."""

    interval_min: int = Field(15, ge=1, le=1440, description="nominal interval of load curves, minutes [D]")
    snapshot_stands_for: Literal["preceding", "following"] = Field(
        "preceding",
        description="a snapshot of a regular series stands for the interval that ends (or begins) at its stamp [D]",
    )
    max_gap_intervals: int = Field(
        2,
        ge=1,
        le=96,
        description="a value covers the time since the previous one up to this many intervals [D]",
    )


class VoltageSettings(_Section):
    """`[voltage]`: voltage compliance (GB/T 12325-2008)."""

    assessment_floor: float = Field(
        0.70, gt=0, lt=1, description="share of nominal below which a value is not assessed [FW, use of it U]"
    )
    overvoltage: float = Field(1.20, gt=1, le=2, description="over-voltage above this share of nominal [FW]")
    target_rate: float = Field(0.98, gt=0, le=1, description="target of the compliance rate, S0 §1.6.2.2 [S]")


class PowerFactorSettings(_Section):
    """`[power_factor]`: power factor and its tariff adjustment ((83)水电财字215号)."""

    reactive_mode: Literal["abs_sum", "net", "forward_only"] = Field(
        "abs_sum", description="how the reactive energies of the two directions are joined [U]"
    )
    quadrants: tuple[Literal["q1", "q2", "q3", "q4"], ...] = Field(
        ("q1", "q4"), min_length=1, description="quadrants that count for a consumer [U]", strict=False
    )
    resolution_kwh: float = Field(
        0.01,
        gt=0,
        description="below this energy of both kinds a power factor is not formed [D: one register digit]",
    )


class DemandSettings(_Section):
    """`[demand]`: maximum demand."""

    window_min: int = Field(15, ge=1, le=60, description="demand window, minutes [V]")
    minimum_coverage: float = Field(
        0.80, gt=0, le=1, description="share of a window that readings must cover for its demand to count [D]"
    )


class ReportSettings(_Section):
    """`[report]`: the page style of the office."""

    paper: Literal["A4", "A3"] = Field("A4", description="paper of printed reports (xlsx, PDF) [D]")
    logo: str = Field("", description="PNG or JPEG inside the workspace, shown on every report [D]", max_length=200)
    font: str = Field(
        "",
        description="font of PDFs: a family, or a file inside the workspace; empty: the best found [D]",
        max_length=200,
    )
    templates: str = Field(
        "", description="folder of the office's own report templates inside the workspace [D]", max_length=200
    )


class Settings(_Section):
    """The settings tree of one workspace."""

    workspace: WorkspaceSettings = WorkspaceSettings.model_construct()
    samples: SampleSettings = SampleSettings.model_construct()
    voltage: VoltageSettings = VoltageSettings.model_construct()
    power_factor: PowerFactorSettings = PowerFactorSettings.model_construct()
    demand: DemandSettings = DemandSettings.model_construct()
    report: ReportSettings = ReportSettings.model_construct()


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
                    "value": getattr(values, key),
                    "default": inner.default,
                    "description": inner.description or "",
                }
            )
    return rows


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
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise from_os_error(error, writing=False, file=str(file)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "config.invalid", f"not valid TOML: {error}", hint="mend the line", where={"file": str(file)}
        ) from None
    return Workspace(root, parse_settings(document, str(file)))
