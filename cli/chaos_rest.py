"""Between two rounds, when nobody sends: do clients, gateway, riskd and matchers know of the same orders and positions?

What a client knows is added up from its execution reports alone.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

from cli.chaos_trader import Trader
from cli.frames import Records
from pinion.errors import Refused, Timeout
from pinion.protocol import ReportKind, Side
from runtime import control
from runtime.sections import Instrument
from runtime.settings import Settings
from shm.records import shard_of

ASKED_WITHIN_S: Final = 10.0
DEPTH: Final = 1000
BOUND: Final = 5
"""Differences told of one kind."""
ENDS: Final = (int(ReportKind.CANCELLED),)
CHANGES: Final = tuple(map(int, (ReportKind.REPLACED, ReportKind.TRIGGERED, ReportKind.RESTATED)))
ACCEPTED, TRADE = int(ReportKind.ACCEPTED), int(ReportKind.TRADE)


class Working(NamedTuple):
    """An order that works, in wire units."""

    account: int
    instrument: int
    side: int
    price: int
    leaves: int


class Ledger:
    """What all clients know, from their reports: working orders, and lots and money by account and instrument."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments = instruments
        self._read: Counter[str] = Counter()
        self.orders: dict[tuple[int, int], Working] = {}
        """(shard, order id) -> it."""
        self.bought: Counter[tuple[int, int]] = Counter()
        self.sold: Counter[tuple[int, int]] = Counter()
        self.turnover: Counter[tuple[int, int]] = Counter()

    def read(self, traders: Sequence[Trader]) -> None:
        """Take in what was told since the last time."""
        for trader in traders:
            reports, self._read[trader.name] = trader.reports(self._read[trader.name])
            self.apply(reports)

    def apply(self, reports: Records) -> None:
        """Take in these."""
        names = ("report", "shard", "order_id", "account", "instrument", "side", "price", "quantity", "leaves")
        for kind, shard, order_id, *rest in zip(*(reports[name].tolist() for name in names), strict=True):
            account, instrument, side, price, quantity, leaves = rest
            key = (shard, order_id)
            if kind == TRADE:
                self._trade((account, instrument), side, price, quantity)
                self._now(key, self.orders[key]._replace(leaves=leaves))
            elif kind == ACCEPTED or kind in CHANGES:
                self._now(key, Working(account, instrument, side, price, leaves))
            elif kind in ENDS:
                del self.orders[key]

    def levels(self, instrument: int, side: int) -> list[list[int]]:
        """The book's levels in ticks and lots, best first: price, quantity, orders. Where all orders are plain limit orders."""
        own = self._instruments[instrument]
        found: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for order in self.orders.values():
            if (order.instrument, order.side) == (instrument, side):
                level = found[order.price // own.tick_size]
                level[0] += order.leaves // own.lot_size
                level[1] += 1
        return [[price, *found[price]] for price in sorted(found, reverse=side == Side.BUY)]

    def open_lots(self) -> Counter[tuple[int, int, int]]:
        """(account, instrument, side) -> lots of working orders."""
        made: Counter[tuple[int, int, int]] = Counter()
        for order in self.orders.values():
            made[order.account, order.instrument, order.side] += order.leaves // self._instruments[order.instrument].lot_size
        return made

    def _now(self, key: tuple[int, int], order: Working) -> None:
        if order.leaves:
            self.orders[key] = order
        else:
            del self.orders[key]

    def _trade(self, key: tuple[int, int], side: int, price: int, quantity: int) -> None:
        own = self._instruments[key[1]]
        lots = quantity // own.lot_size
        (self.bought if side == Side.BUY else self.sold)[key] += lots
        self.turnover[key] += price // own.tick_size * lots * own.tick_value


def differences(settings: Settings, traders: Sequence[Trader], ledger: Ledger, plain: Sequence[int]) -> list[str]:
    """Where they do not know the same, a sentence each. ``plain``: instruments of which nothing but limit orders rest.

    While something is still on its way there are differences that go by themselves. A process that does not answer is one, too.
    """
    try:
        ledger.read(traders)
        found = [*_gateway(traders, ledger), *_riskd(settings, ledger)]
        for instrument in plain:
            found += _matcher(settings, ledger, instrument)
    except (control.NoAnswer, control.RequestRefused, Timeout, Refused, TimeoutError, KeyError) as error:
        return [f"{type(error).__name__}: {error}"]
    return found


def _gateway(traders: Sequence[Trader], ledger: Ledger) -> list[str]:
    asked = {trader: trader.do(lambda client: client.orders()) for trader in traders}
    found = []
    for trader, answer in asked.items():
        listed = {(each.shard, each.order_id): int(each.leaves) for each in answer.result(ASKED_WITHIN_S)}
        told = {key: order.leaves for key, order in ledger.orders.items() if order.account == trader.account}
        wrong = [key for key in listed.keys() | told.keys() if listed.get(key, 0) != told.get(key, 0)]
        found += [
            f"{trader.name}: shard {shard} order {order}: {told.get((shard, order), 0)} left by its reports, "
            f"{listed.get((shard, order), 0)} in the gateway's list"
            for shard, order in sorted(wrong)[:BOUND]
        ]
    return found


def _riskd(settings: Settings, ledger: Ledger) -> list[str]:
    positions = control.ask(settings, "riskd", "positions", ASKED_WITHIN_S)
    theirs = {(each["account"], each["instrument"]): each for each in positions}
    lots = ledger.open_lots()
    keys = theirs.keys() | ledger.turnover.keys() | {key[:2] for key in lots}
    found = []
    for key in sorted(keys):
        ours = {
            "bought": ledger.bought[key],
            "sold": ledger.sold[key],
            "turnover": ledger.turnover[key],
            "open_buy": lots[*key, int(Side.BUY)],
            "open_sell": lots[*key, int(Side.SELL)],
        }
        known = theirs.get(key, {})
        wrong = [f"{name} {value} / {known.get(name, 0)}" for name, value in ours.items() if value != known.get(name, 0)]
        if wrong:
            found.append(f"account {key[0]} instrument {key[1]}: clients / riskd: {', '.join(wrong)}")
    counts = Counter(order.account for order in ledger.orders.values())
    for each in control.ask(settings, "riskd", "accounts", ASKED_WITHIN_S):
        if each["open_orders"] != counts[each["account"]]:
            ours_told = counts[each["account"]]
            found.append(f"account {each['account']}: riskd has {each['open_orders']} open orders, its client {ours_told}")
    return found


def held(settings: Settings) -> list[str]:
    """What riskd still holds though no order works: nothing, if all is well."""
    told = control.ask(settings, "riskd", "status", ASKED_WITHIN_S)
    names = ("held_buy", "held_sell", "working_orders")
    return [f"no order works, and riskd has {name} {told[name]}" for name in names if told[name]]


def _matcher(settings: Settings, ledger: Ledger, instrument: int) -> list[str]:
    asked = {"instrument": instrument, "depth": DEPTH}
    shard = shard_of(instrument, settings.matchers)
    book = control.ask(settings, f"matcher.{shard}", "book", ASKED_WITHIN_S, asked)
    found = []
    for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks")):
        ours = ledger.levels(instrument, int(side))[:DEPTH]
        for place, (mine, theirs) in enumerate(zip(ours, book[name], strict=False)):
            if mine != theirs:
                found.append(f"instrument {instrument} {name} level {place}: clients {mine} / matcher {theirs}")
                break
        if len(ours) != len(book[name]):
            found.append(f"instrument {instrument} {name}: clients know {len(ours)} levels, the matcher {len(book[name])}")
    return found
