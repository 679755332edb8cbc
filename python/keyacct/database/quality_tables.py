"""Tables of data quality: what the checks found, and what people put right by hand."""

from __future__ import annotations

from sqlalchemy import Table

from keyacct.database.columns import real, text, whole
from keyacct.database.tables import metadata

quality_finding = Table(
    "quality_finding", metadata,
    text("rule", key=True), text("family", key=True), text("meter", key=True), text("kind", key=True),
    text("column", key=True), whole("from_ts", key=True), whole("to_ts"), whole("values_found"), text("severity"),
    real("value", null=True), real("limit_value", null=True), text("detail"), whole("found_at"),
)  # fmt: skip

sample_edit = Table(
    "sample_edit", metadata,
    whole("id", key=True), text("family"), text("meter"), text("kind"), whole("ts"), text("subkey"), text("column"),
    text("old_value", null=True), text("new_value", null=True), text("reason"), text("person"), whole("batch"),
    whole("made_at"), whole("undone_at", null=True), text("undone_by", null=True), text("undone_reason", null=True),
)  # fmt: skip
