"""Bring a database to the schema that this program writes. Needs no alembic.ini: the steps lie in
``persister.migrations``."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

HEAD: Final = "0005"
"""The newest step in ``persister/migrations/versions``; a test sees that it is."""


def revision_of(connection: Connection) -> str | None:
    """The step that the database is at; None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(connection: Connection) -> bool:
    """Run the steps that are missing, inside the caller's transaction. Were there any?

    Alembic is imported only where there are: in the long life of a database that is seldom, and it takes memory.
    """
    if revision_of(connection) == HEAD:
        return False
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        # Its driver begins a transaction only where rows change: without this, half a step would survive a crash.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    command.upgrade(configuration, "head")
    return True
