"""Where the password of the devices of a line is."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """One more column."""
    op.execute("ALTER TABLE poll_line ADD COLUMN password_file TEXT")
