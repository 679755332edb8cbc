"""`[billing]`, `[report]`: what leaves the office."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keyacct.config.section import Section


class BillingSettings(Section):
    """`[billing]`: frozen registers at the settlement instants, handed over to the billing system."""

    reading_day: int = Field(
        1, ge=1, le=31, description="settlement at 00:00 of this day where the account's terms name none [D]"
    )
    settlements_per_month: int = Field(
        1, ge=1, le=6, description="settlements a month where the account's terms do not say [D]"
    )
    tariffs: tuple[Literal["sharp", "peak", "flat", "valley"], ...] = Field(
        ("sharp", "peak", "flat", "valley"),
        min_length=1,
        description="what the meters' tariff registers 1, 2, 3 … hold [V: DL/T 645, usual order]",
        strict=False,
    )
    register_digits: int = Field(
        6,
        ge=3,
        le=12,
        description="digits before the point where the meter's entry does not say, DL/T 645 XXXXXX.XX [V]",
    )
    register_decimals: int = Field(
        2, ge=0, le=6, description="digits after the point where the meter's entry does not say, DL/T 645 XXXXXX.XX [V]"
    )
    estimate_within_hours: int = Field(
        72, ge=0, le=744, description="a missing freeze is estimated between readings no farther from it [D]"
    )
    repolled_after_hours: int = Field(
        24, ge=1, le=744, description="a freeze received later than this counts as re-polled [D]"
    )
    jump_factor: float = Field(
        1.5,
        gt=1,
        description="energy beyond this share of contract capacity over the time is a register jump, ERC29 [D]",
    )


class ReportSettings(Section):
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
