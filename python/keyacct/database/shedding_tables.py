"""Tables of orderly power use: use plans of accounts, priority tables, drafts with their files and states, hours borne."""

from __future__ import annotations

from sqlalchemy import Table

from keyacct.database.columns import dated, real, text, whole
from keyacct.database.tables import metadata

use_plan = Table(
    "use_plan", metadata,
    text("account_no", "account.account_no", key=True), *dated(), real("shift_kw"), real("avoid_kw"),
    real("limit_floor_kw", null=True), whole("trip_ok"), real("notice_shift_min", null=True),
    real("notice_avoid_min", null=True), real("notice_limit_min", null=True), real("notice_trip_min", null=True),
    real("returned_share", null=True), real("rebound_kw", null=True), whole("max_blocks", null=True),
    real("ramp_kw", null=True),
)  # fmt: skip
"""What an account has agreed to give in orderly power use (an entry of the registry, by date)."""

priority_table = Table(
    "priority_table", metadata,
    text("version", key=True), text("title"), text("issued_by"), text("valid_from"), text("valid_to"),
    text("file"), text("digest"), whole("noted_at"),
)  # fmt: skip
"""Versions of the government's priority table. valid_from, valid_to: civil days, both included. digest: SHA-256 of the
entries. A version is never changed; a mended one is a new version."""

priority_entry = Table(
    "priority_entry", metadata,
    text("version", "priority_table.version", key=True), text("account_no", "account.account_no", key=True),
    whole("seq"), whole("cls"), whole("protected"), real("weight", null=True), text("remark", null=True),
)  # fmt: skip
"""An account in a version. seq: place in the list, the lowest is shed first. cls: 0 protected, 1 most important …
4 first to be shed."""

priority_approval = Table(
    "priority_approval", metadata,
    text("version", "priority_table.version", key=True), text("approved_by"), text("approval_no"), text("approved_on"),
    text("noted_by"), whole("noted_at"),
)  # fmt: skip
"""Who in the government approved a version, with the number of the approval; noted_by: the operator who entered it."""

shed_draft = Table(
    "shed_draft", metadata,
    text("draft", key=True), text("day"), text("level"), text("rule_set"), text("method"), text("mode"),
    text("table_version", "priority_table.version"), text("table_digest"), text("input_digest"), text("plan_digest"),
    text("from_draft", "shed_draft.draft", null=True), whole("replan_from_ms", null=True), whole("begins_ms"),
    whole("ends_ms"), whole("accounts_ordered"), real("required_peak_kw"), real("reduced_peak_kw"), real("unmet_kwh"),
    real("objective"), real("bound"), text("header"), text("made_by"), whole("made_at"),
)  # fmt: skip
"""A drafted plan. header: the canonical JSON of its `draft.json`. input_digest: of the problem folder; plan_digest: of
plan.csv (both SHA-256). begins_ms, ends_ms: first beginning and last end of a time block."""

shed_draft_file = Table(
    "shed_draft_file", metadata,
    text("draft", "shed_draft.draft", key=True), text("path", key=True), text("sha256"), text("content"),
)  # fmt: skip
"""Every file of a draft's folder, as it was written: approval, planning again and evaluation read these, so that an
edited folder changes nothing."""

shed_state = Table(
    "shed_state", metadata,
    text("draft", "shed_draft.draft", key=True), whole("number", key=True), text("state"), text("reason", null=True),
    text("noted_by"), whole("noted_at"),
)  # fmt: skip
"""States of a draft in their order, from 1; the last one holds."""

shed_burden = Table(
    "shed_burden", metadata,
    text("draft", "shed_draft.draft", key=True), text("account_no", "account.account_no", key=True),
    text("day", key=True), real("hours"), real("energy_kwh"), whole("noted_at"),
)  # fmt: skip
"""The rotation account: hours and energy that an account really bore on a civil day (written by the evaluation, which
may be repeated; read by the next draft as history and for rest)."""
