"""Tables of acquisition: lines, which meter is on which, plans of what is asked when; and how far they were carried out."""

from __future__ import annotations

from sqlalchemy import Table

from keyacct.database.columns import real, text, whole
from keyacct.database.tables import metadata

poll_line = Table(
    "poll_line", metadata,
    text("poll_line", key=True), text("link"), real("timeout_s", null=True), whole("retries", null=True),
    whole("out_of_use"), text("password_file", null=True),
)  # fmt: skip

meter_link = Table(
    "meter_link", metadata,
    text("meter_no", "meter.meter_no", key=True), text("poll_line", "poll_line.poll_line"),
    text("register_model", null=True), text("poll_group", null=True), text("password_file", null=True),
)  # fmt: skip

poll_plan = Table(
    "poll_plan", metadata,
    text("poll_plan", key=True), text("items"), text("schedule"), text("priority"), text("title", null=True),
)  # fmt: skip

poll_assignment = Table(
    "poll_assignment", metadata,
    text("poll_plan", "poll_plan.poll_plan", key=True), text("scope", key=True), text("scope_value", key=True),
)  # fmt: skip

poll_mark = Table(
    "poll_mark", metadata,
    text("poll_plan", key=True), text("meter_no", key=True), whole("due_at"), text("state"), whole("tries"),
    text("items_left"), whole("missed"), whole("finished_at"),
)  # fmt: skip

poll_failure = Table(
    "poll_failure", metadata,
    text("meter_no", key=True), text("item", key=True), text("cause"), text("detail"), whole("failed_at"),
    whole("times"),
)  # fmt: skip

poll_tally = Table(
    "poll_tally", metadata,
    text("day", key=True), text("poll_plan", key=True), whole("scheduled"), whole("first_pass"), whole("final"),
    text("causes"), whole("updated_at"),
)  # fmt: skip
