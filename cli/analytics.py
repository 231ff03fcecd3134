"""What accounts have gained, asked of the databases by SQL: realised and unrealised profit, trades, wins, fees.

Every figure is a sum over ``daily_profit``, and over positions at the last price known by the end of a day; each account is
in one database, so what several answer is added up here. Money is in the smallest unit of its currency.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import sqlalchemy as sa

from cli.db_status import connected, require_schema
from persister.tables import ACCOUNTS, DAILY_PRICES, DAILY_PROFIT, INSTRUMENTS

DIMENSIONS: Final = ("account", "instrument", "day")
SUMS: Final = ("trades", "wins", "losses", "bought_notional", "sold_notional", "realised_profit", "fees")
EPOCH: Final = date(1970, 1, 1)

_Key = tuple[Any, ...]


@dataclass(frozen=True)
class Question:
    """``by``: some of DIMENSIONS. The others narrow it down; days are included at both ends."""

    by: tuple[str, ...]
    account: str | None = None
    symbol: str | None = None
    first: date | None = None
    last: date | None = None


def report(urls: Sequence[str], question: Question) -> list[dict[str, Any]]:
    """A row for each of what is asked ``by``, and for each currency. Raises Failure when a database does not answer.

    ``unrealised_profit`` is of what is held at the end of the last day asked about (of each day, by day) at the last price by
    then, ``unrealised_change`` what it was more than before the first day (than the day before). ``net_profit`` is realised
    + unrealised_change - fees: what the days asked about have brought.
    """
    sums: dict[_Key, list[int]] = defaultdict(lambda: [0] * len(SUMS))
    held: dict[_Key, int] = defaultdict(int)
    before: dict[_Key, int] = defaultdict(int)
    days: set[int] = set()
    for url in urls:
        with connected(url) as connection, connection.begin():
            require_schema(connection)
            for row in connection.execute(_sums(question)):
                key = tuple(row[: len(question.by) + 1])
                sums[key] = [known + int(more) for known, more in zip(sums[key], row[len(key) :], strict=True)]
            _add(held, connection.execute(_unrealised(question, question.by, _ends(question))))
            days.update(connection.execute(sa.select(_ends(question).c.day)).scalars())
            if question.first is not None:
                others = tuple(name for name in question.by if name != "day")
                _add(before, connection.execute(_unrealised(question, others, _eve(question.first))))
    changes = _changes(question, {*sums, *held}, held, before, sorted(days))
    return [_row(question, key, sums[key], held.get(key, 0), changes[key]) for key in sorted(changes)]


def _add(found: dict[_Key, int], rows: Iterable[Any]) -> None:
    for *key, gain in rows:
        found[tuple(key)] += int(gain)


def _changes(
    question: Question, keys: set[_Key], held: dict[_Key, int], before: dict[_Key, int], days: list[int]
) -> dict[_Key, int]:
    """What each row's unrealised profit is more than at the end of the day, or of all days, before."""
    if "day" not in question.by:
        return {key: held.get(key, 0) - before.get(key, 0) for key in keys}
    at, found = question.by.index("day"), {}
    for key in keys:
        place = days.index(key[at])
        others = key[:at] + key[at + 1 :]
        last = held.get((*key[:at], days[place - 1], *key[at + 1 :]), 0) if place else before.get(others, 0)
        found[key] = held.get(key, 0) - last
    return found


def _row(question: Question, key: _Key, sums: list[int], unrealised: int, change: int) -> dict[str, Any]:
    named = dict(zip((*question.by, "currency"), key, strict=True))
    if "day" in named:
        named["day"] = (EPOCH + timedelta(days=named["day"])).isoformat()
    counted = dict(zip(SUMS, sums, strict=True))
    decided = counted["wins"] + counted["losses"]
    return {
        **named,
        **{name: counted[name] for name in ("trades", "wins", "losses")},
        "win_rate": round(counted["wins"] / decided, 4) if decided else None,
        "turnover": counted["bought_notional"] + counted["sold_notional"],
        "realised_profit": counted["realised_profit"],
        "unrealised_profit": unrealised,
        "unrealised_change": change,
        "fees": counted["fees"],
        "net_profit": counted["realised_profit"] + change - counted["fees"],
    }


def _dimensions(by: tuple[str, ...], day: Any) -> list[Any]:
    columns = {"account": ACCOUNTS.c.name, "instrument": INSTRUMENTS.c.symbol, "day": day}
    return [*(columns[name] for name in by), INSTRUMENTS.c.currency]


def _joined(table: Any) -> Any:
    return table.join(ACCOUNTS, ACCOUNTS.c.account == table.c.account).join(
        INSTRUMENTS, INSTRUMENTS.c.instrument == table.c.instrument
    )


def _sums(question: Question) -> Any:
    """Of everything that adds up, day by day."""
    table = DAILY_PROFIT
    keys = _dimensions(question.by, table.c.day)
    sums = [sa.func.sum(table.c[name]) for name in SUMS]
    query = sa.select(*keys, *sums).select_from(_joined(table)).where(*_narrowed(question))
    return query.where(*_within(question, table.c.day)).group_by(*keys)


def _unrealised(question: Question, by: tuple[str, ...], ends: Any) -> Any:
    """Of the positions as they stood at the end of each of the days ``ends``, what they would gain at the price of then."""
    held = DAILY_PROFIT.alias("held")
    later = DAILY_PROFIT.alias("later")
    same = (later.c.account == held.c.account, later.c.instrument == held.c.instrument, later.c.day <= ends.c.day)
    last_change = sa.select(sa.func.max(later.c.day)).where(*same).scalar_subquery()
    price, other = DAILY_PRICES.alias("price"), DAILY_PRICES.alias("other")
    by_then = (other.c.instrument == held.c.instrument, other.c.day <= ends.c.day)
    last_price = sa.select(sa.func.max(other.c.day)).where(*by_then).scalar_subquery()
    lots, ticks = _whole(held.c.net_quantity, INSTRUMENTS.c.lot_size), _whole(price.c.last_price, INSTRUMENTS.c.tick_size)
    gain = sa.func.sum(lots * ticks * INSTRUMENTS.c.tick_value - held.c.average_cost)
    keys = _dimensions(by, ends.c.day)
    source = _joined(held).join(ends, held.c.day == last_change)
    source = source.join(price, sa.and_(price.c.instrument == held.c.instrument, price.c.day == last_price))
    return sa.select(*keys, gain).select_from(source).where(held.c.net_quantity != 0, *_narrowed(question)).group_by(*keys)


def _whole(column: Any, size: Any) -> Any:
    """A division without a rest, in integers in every database."""
    return sa.cast(column.op("/")(size), sa.BigInteger)


def _ends(question: Question) -> Any:
    """The days at whose end positions are looked at: each day with a trade, or the last one asked about."""
    within = _within(question, DAILY_PRICES.c.day)
    if "day" in question.by:
        return sa.select(DAILY_PRICES.c.day).where(*within).distinct().subquery("ends")
    last = sa.func.coalesce(sa.func.max(DAILY_PRICES.c.day), 0)
    return sa.select(last.label("day")).where(*_within(Question((), last=question.last), DAILY_PRICES.c.day)).subquery("ends")


def _eve(day: date) -> Any:
    """The day before, as a table."""
    return sa.select(sa.literal((day - EPOCH).days - 1).label("day")).subquery("ends")


def _within(question: Question, day: Any) -> Iterable[Any]:
    if question.first is not None:
        yield day >= (question.first - EPOCH).days
    if question.last is not None:
        yield day <= (question.last - EPOCH).days


def _narrowed(question: Question) -> Iterable[Any]:
    if question.account is not None:
        yield ACCOUNTS.c.name == question.account
    if question.symbol is not None:
        yield INSTRUMENTS.c.symbol == question.symbol
