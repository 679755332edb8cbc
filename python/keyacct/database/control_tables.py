"""Tables of control: every attempt to give a command, and the states that it went through. Append-only."""

from __future__ import annotations

from sqlalchemy import Table

from keyacct.database.columns import text, whole
from keyacct.database.tables import metadata

control_attempt = Table(
    "control_attempt", metadata,
    whole("attempt", key=True), text("kind"), text("protocol"), text("address"), text("account_no", null=True),
    text("meter_no", null=True), text("terminal_no", null=True), text("action"), text("settings"), text("digest"),
    text("reason"), whole("not_before"), whole("not_after"), text("plan", null=True), text("table_version", null=True),
    text("frames"), text("requested_by"), whole("made_at"),
)  # fmt: skip

control_step = Table(
    "control_step", metadata,
    whole("attempt", key=True),
    whole("number", key=True), text("state"), text("detail"), text("noted_by"), whole("noted_at"),
)  # fmt: skip
