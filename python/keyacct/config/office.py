"""`[workspace]`, `[database]`, `[audit]`, `[backup]`, `[retention]`: where an office keeps what it knows."""

from __future__ import annotations

import os
import urllib.parse
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from keyacct.config.section import Section, known_zone


class WorkspaceSettings(Section):
    """`[workspace]`: what holds everywhere."""

    name: str = Field("keyacct", description="name of the office, shown on reports", max_length=120)
    timezone: Annotated[str, BeforeValidator(known_zone)] = Field(
        "Asia/Shanghai", description="zone of civil days and of device clocks [domain: calendar rules]"
    )


class DatabaseAddress:
    """`postgresql://user@host:5432/name`, with a password or not. Everything that prints it leaves the password out."""

    def __init__(self, url: str) -> None:
        """Raises ValueError with a sentence that never holds the address."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port or 5432
        except ValueError:
            raise ValueError("no address of a database, write for example postgresql://user@host:5432/name") from None
        query = dict(urllib.parse.parse_qsl(parts.query))
        name = urllib.parse.unquote(parts.path.removeprefix("/"))
        if parts.scheme not in ("postgresql", "postgres") or not parts.username or not name or "/" in name:
            raise ValueError("no address of a database, write for example postgresql://user@host:5432/name")
        if unknown := sorted(query.keys() - {"host", "sslmode"}):
            raise ValueError(f"database addresses know host and sslmode, not {', '.join(unknown)}")
        self.sslmode = query.get("sslmode", "prefer")
        if self.sslmode not in ("disable", "prefer", "require", "verify-full"):
            raise ValueError("sslmode is none of disable, prefer, require, verify-full")
        self.user = urllib.parse.unquote(parts.username)
        self.host = parts.hostname or "localhost"
        self.port, self.database = port, name
        self.folder = query["host"] if query.get("host", "").startswith("/") else ""
        if query.get("host") and not self.folder:
            self.host = query["host"]
        self._password = urllib.parse.unquote(parts.password) if parts.password is not None else None

    @property
    def holds_password(self) -> bool:
        """Whether the address itself carries the password."""
        return self._password is not None

    def password(self) -> str | None:
        """The password: of the address, else of `KEYACCT_DATABASE_PASSWORD`, else of `PGPASSWORD`."""
        if self._password is not None:
            return self._password
        return os.environ.get("KEYACCT_DATABASE_PASSWORD") or os.environ.get("PGPASSWORD")

    def __str__(self) -> str:
        place = "" if self.folder else f"{self.host}:{self.port}"
        more = f"?host={self.folder}" if self.folder else ""
        return f"postgresql://{self.user}{':***' if self.holds_password else ''}@{place}/{self.database}{more}"

    __repr__ = __str__


def _address(value: object) -> object:
    if value == "" or isinstance(value, DatabaseAddress):
        return value or None
    return DatabaseAddress(value) if isinstance(value, str) else value


class DatabaseSettings(BaseModel):
    """`[database]`: where the registry, the index of the samples and the audit chain are kept."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, hide_input_in_errors=True
    )

    url: Annotated[DatabaseAddress | None, BeforeValidator(_address)] = Field(
        None,
        description="PostgreSQL database, postgresql://user@host:5432/name (password better in"
        " KEYACCT_DATABASE_PASSWORD); empty: the file register.db of the workspace [D]",
    )


class AuditSettings(Section):
    """`[audit]`: the chain of everything that was changed."""

    operator: str = Field(
        "",
        max_length=120,
        description="operator of the rows where KEYACCT_OPERATOR names none (else the system's user)",
    )
    anchor: str = Field(
        "",
        description="file outside the workspace that is told of every new head of the chain, so that a cut end shows",
    )


class BackupSettings(Section):
    """`[backup]`: where backups go, how often, how many are kept."""

    folder: str = Field("", description="folder of the backups, best on another disk (else --to)")
    every_hours: int = Field(24, ge=1, le=8760, description="`backup --due` takes one after so many hours [D]")
    remind_after_hours: int = Field(
        48, ge=1, le=8760, description="without a backup for so long the operator is reminded, S0 §2.5.7.1 [D]"
    )
    keep: int = Field(14, ge=1, le=1000, description="`backup --due` keeps so many backups [D]")
    also: tuple[str, ...] = Field(
        ("templates",), description="further files and folders of the workspace that are backed up", strict=False
    )


class RetentionSettings(Section):
    """`[retention]`: days that samples are kept, per family; 0: for ever. What bills rest on is always kept."""

    voltage_days: int = Field(0, ge=0, le=36_500, description="days of voltage kept; 0: for ever [D]")
    current_days: int = Field(0, ge=0, le=36_500, description="days of current kept; 0: for ever [D]")
    power_days: int = Field(0, ge=0, le=36_500, description="days of power kept; 0: for ever [D]")
    device_stats_days: int = Field(0, ge=0, le=36_500, description="days of devices' own statistics kept [D]")
    other_days: int = Field(0, ge=0, le=36_500, description="days of other readings kept; 0: for ever [D]")
