"""The database's rows as stories (``cli.story``) and positions: what an auditor would read."""

from typing import Any, Final

import numpy as np
import sqlalchemy
from numpy.typing import NDArray

from cli.story import STORY
from persister.positions import Position
from persister.tables import EXECUTIONS, ORDERS, POSITIONS, REJECTED

_SAME: Final = ("shard", "order_id", "account", "client_order_id", "instrument", "side", "status", "executed", "leaves")


def read(*urls: str) -> tuple[NDArray[Any], dict[tuple[int, int], Position]]:
    """All orders (dtype ``STORY``, sorted by shard and order id), and (account, instrument) -> position, of all databases."""
    parts = [_read(url) for url in urls]
    stories = np.concatenate([stories for stories, _ in parts])
    return np.sort(stories, order=["shard", "order_id"]), {key: held for _, mine in parts for key, held in mine.items()}


def _read(url: str) -> tuple[NDArray[Any], dict[tuple[int, int], Position]]:
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            stories = _orders(connection)
            _add_trades(stories, connection)
            return stories, _positions(connection)
    finally:
        engine.dispose()


def _orders(connection: sqlalchemy.Connection) -> NDArray[Any]:
    columns = [ORDERS.c[name] for name in _SAME]
    rows = connection.execute(sqlalchemy.select(*columns).order_by(ORDERS.c.shard, ORDERS.c.order_id)).all()
    stories = np.zeros(len(rows), STORY)
    for place, name in enumerate(_SAME):
        stories[name] = np.array([row[place] for row in rows], np.int64).astype(STORY[name])
    refused = stories["status"] == REJECTED
    for name in ("instrument", "side"):
        stories[name][refused] = 0
    return stories


def _add_trades(stories: NDArray[Any], connection: sqlalchemy.Connection) -> None:
    """Count each order's trades and their money."""
    order, total = (EXECUTIONS.c.shard, EXECUTIONS.c.order_id), sqlalchemy.func.sum(EXECUTIONS.c.notional)
    query = sqlalchemy.select(*order, sqlalchemy.func.count(), total).group_by(*order)
    rows = np.array([tuple(map(int, row)) for row in connection.execute(query)], np.int64)
    if len(rows):
        place = _places(stories, rows[:, 0], rows[:, 1])
        stories["trades"][place] = rows[:, 2]
        stories["value"][place] = rows[:, 3]


def _places(stories: NDArray[Any], shard: NDArray[Any], order_id: NDArray[Any]) -> NDArray[np.intp]:
    """Where in ``stories`` each order stands. Raises ValueError for an execution of an order that has no row."""
    keys = stories[["shard", "order_id"]].astype([("shard", "<i8"), ("order_id", "<i8")])
    wanted = np.zeros(len(shard), keys.dtype)
    wanted["shard"], wanted["order_id"] = shard, order_id
    place = np.searchsorted(keys, wanted)
    if (place == len(keys)).any() or (keys[place] != wanted).any():
        raise ValueError("the database has executions of orders that it does not have")
    return place


def _positions(connection: sqlalchemy.Connection) -> dict[tuple[int, int], Position]:
    columns = [POSITIONS.c[name] for name in ("account", "instrument", *Position._fields)]
    rows = connection.execute(sqlalchemy.select(*columns)).all()
    return {(row[0], row[1]): Position(*row[2:]) for row in rows}
