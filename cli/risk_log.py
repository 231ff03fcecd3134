"""The audit trail of riskd's controls, as a database has it."""

from typing import Any

import sqlalchemy as sa

from cli.db_status import connected, require_schema
from persister.tables import RISK_LOG


def read_log(url: str, last: int) -> list[dict[str, Any]]:
    """The ``last`` rows, oldest first. Every database has them all. Raises Failure when it does not answer."""
    newest = sa.select(RISK_LOG).order_by(RISK_LOG.c.command_sequence.desc()).limit(last)
    with connected(url) as connection, connection.begin():
        require_schema(connection)
        return [dict(row) for row in connection.execute(newest).mappings()][::-1]
