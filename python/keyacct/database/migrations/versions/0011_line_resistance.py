"""Resistance of a line, for its theoretical loss."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """One more column."""
    op.execute("ALTER TABLE supply_line ADD COLUMN resistance_ohm REAL")
