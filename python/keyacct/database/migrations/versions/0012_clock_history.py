"""Clocks that were off, by the time that they were seen: a balance of last month is judged by what they said then."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the table and take over what each clock said last."""
    op.execute(
        """CREATE TABLE care_clock_past (
            device_kind TEXT NOT NULL CHECK (device_kind IN ('meter', 'terminal')), device TEXT NOT NULL,
            measured_at INTEGER NOT NULL, deviation_s REAL NOT NULL,
            PRIMARY KEY (device_kind, device, measured_at))"""
    )
    op.execute("INSERT INTO care_clock_past SELECT device_kind, device, measured_at, deviation_s FROM care_clock")
