"""Tables of device care: clocks as last seen, what was done to devices (append-only), what is not as it should be."""

from __future__ import annotations

from sqlalchemy import Column, Table

from keyacct.database.columns import real, text, whole
from keyacct.database.tables import metadata


def _device(*, key: bool) -> tuple[Column[str], Column[str]]:
    """A meter by its number, or a terminal by its address."""
    return text("device_kind", key=key), text("device", key=key)


reference_parameter = Table(
    "reference_parameter", metadata,
    text("parameter_set", key=True), text("item", key=True), text("expected"),
)  # fmt: skip

care_clock = Table(
    "care_clock", metadata,
    *_device(key=True), whole("measured_at"), text("device_time"), real("deviation_s"), real("uncertainty_s"),
    text("verdict"),
)  # fmt: skip

care_clock_past = Table(
    "care_clock_past", metadata,
    *_device(key=True), whole("measured_at", key=True), real("deviation_s"),
)  # fmt: skip
"""Clocks that were off when they were read, and the first reading after that found them right again."""

care_action = Table(
    "care_action", metadata,
    whole("action", key=True), text("kind"), *_device(key=False), text("method"), text("frame"), text("detail"),
    text("noted_by"), whole("begun_at"),
)  # fmt: skip

care_outcome = Table(
    "care_outcome", metadata,
    whole("action", key=True), text("state"), text("detail"), whole("noted_at"),
)  # fmt: skip

care_finding = Table(
    "care_finding", metadata,
    *_device(key=True), text("rule", key=True), text("parameter", key=True), whole("since", key=True),
    text("severity"), text("expected"), text("found"), text("detail"), whole("last_seen_at"), whole("times"),
    whole("resolved_at", null=True),
)  # fmt: skip
