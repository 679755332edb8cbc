"""The tables of frozen bills and of their exports. Rows are only ever added."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from keyacct.database.tables import metadata


def _int(name: str, *more: ForeignKey, key: bool = False, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, *more, primary_key=key, nullable=null, autoincrement=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


billing_freeze = Table(
    "billing_freeze", metadata,
    _int("id", key=True), _text("account_no"), _int("cycle_from"), _int("cycle_to"), _int("version"),
    _int("frozen_at"), _int("complete"), _int("estimated"), _text("digest"), _text("body"),
)  # fmt: skip
"""What an account's registers stood at, at both ends of a settlement cycle. body: canonical JSON. version: 2 and more
where the same cycle came out differently later (a late reading, a corrected ratio)."""

billing_export = Table(
    "billing_export", metadata,
    _int("number", key=True), _text("label"), _int("exported_at"), _text("lang"), _int("complete"),
    _int("accounts"), _int("corrections"), _text("digest"), _text("missing"),
)  # fmt: skip
"""A numbered hand-over to billing. digest: of what was handed over. missing: canonical JSON list of what was not."""

billing_export_item = Table(
    "billing_export_item", metadata,
    _int("number", ForeignKey("billing_export.number"), key=True),
    _int("freeze_id", ForeignKey("billing_freeze.id"), key=True),
    _int("corrects_number", ForeignKey("billing_export.number"), null=True),
    _int("corrects_freeze_id", ForeignKey("billing_freeze.id"), null=True),
)  # fmt: skip
