"""Who set which of riskd's controls, when, from what to what."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LONG: Final = ("command_sequence", "time_ns", "number", "value_before", "value_after", "flags")
NAMES: Final = (
    "shard", "command_sequence", "time_ns", "who", "scope", "number", "control", "value_before", "value_after", "flags",
)  # fmt: skip


def upgrade() -> None:
    """Add the table. No journal of before has a row for it."""
    kinds: dict[str, Any] = {name: sa.BigInteger() for name in LONG} | {"who": sa.String(24)}
    columns = [sa.Column(name, kinds.get(name, sa.SmallInteger()), nullable=False, autoincrement=False) for name in NAMES]
    op.create_table("risk_log", *columns, sa.PrimaryKeyConstraint("shard", "command_sequence"))


def downgrade() -> None:
    """Drop it; the journal still knows."""
    op.drop_table("risk_log")
