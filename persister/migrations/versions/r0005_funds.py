"""Of which currency or instrument it was that something was put into an account."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS: Final[dict[str, tuple[Any, str]]] = {"currency": (sa.String(8), ""), "instrument": (sa.BigInteger(), "-1")}


def upgrade() -> None:
    """Add the columns. No row of before is about either."""
    for name, (kind, nothing) in COLUMNS.items():
        op.add_column("risk_log", sa.Column(name, kind, nullable=False, server_default=nothing))


def downgrade() -> None:
    """Drop them; the journal still knows."""
    for name in COLUMNS:
        op.drop_column("risk_log", name)
