"""Tariff slots of holidays."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

STEPS = (
    "ALTER TABLE tariff_slot RENAME TO tariff_slot_before",
    """CREATE TABLE tariff_slot (
        tariff_table TEXT NOT NULL REFERENCES tariff_table, season_from INTEGER NOT NULL, season_to INTEGER NOT NULL,
        day_type TEXT NOT NULL CHECK (day_type IN ('all', 'workday', 'weekend', 'holiday')),
        start_min INTEGER NOT NULL CHECK (start_min BETWEEN 0 AND 1439),
        end_min INTEGER NOT NULL CHECK (end_min > start_min AND end_min <= 1440),
        period TEXT NOT NULL CHECK (period IN ('sharp', 'peak', 'flat', 'valley')),
        PRIMARY KEY (tariff_table, season_from, day_type, start_min))""",
    "INSERT INTO tariff_slot SELECT * FROM tariff_slot_before",
    "DROP TABLE tariff_slot_before",
)


def upgrade() -> None:
    """Make the table again with one more kind of day."""
    for statement in STEPS:
        op.execute(statement)
