"""The one typed settings tree, read from `keyacct.toml`, and the workspace folder that it marks.

Every number that the rules of the field leave open stands here once, with its source and how sure it is:
`[S]` stated in the office's own rules, `[V]` checked in public material, `[FW]` read in meter firmware,
`[U]` from memory and unverified, `[D]` a design default of keyacct. An unknown key is an error that names the nearest.

`section` has what the sections share, `tree` puts them together; a new number goes into the file of its section.
"""

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
from keyacct.config.section import SATURDAY, ClockSpan, DateText, DayKind, Measure
from keyacct.config.shedding import SheddingSettings
from keyacct.config.tree import (
    ENVIRONMENT,
    FILE_NAME,
    Settings,
    Workspace,
    describe_settings,
    find_root,
    open_workspace,
    parse_settings,
)

__all__ = [
    "ENVIRONMENT",
    "FILE_NAME",
    "SATURDAY",
    "AuditSettings",
    "BackupSettings",
    "BalanceSettings",
    "BillingSettings",
    "CalendarSettings",
    "CareSettings",
    "ClockSpan",
    "ControlSettings",
    "CtLoadingSettings",
    "DatabaseAddress",
    "DatabaseSettings",
    "DateText",
    "DayKind",
    "DemandSettings",
    "ListenSettings",
    "LoadingSettings",
    "Measure",
    "PollSettings",
    "PowerFactorSettings",
    "QualitySettings",
    "ReportSettings",
    "RetentionSettings",
    "SampleSettings",
    "Settings",
    "SheddingSettings",
    "UnbalanceSettings",
    "VoltageLossSettings",
    "VoltageSettings",
    "Workspace",
    "WorkspaceSettings",
    "describe_settings",
    "find_root",
    "open_workspace",
    "parse_settings",
]
