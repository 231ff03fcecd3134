"""Funds, as riskd's slow twin knows them: every sum added up anew, every fee of one lot at a time where that is the worst."""

from typing import Any

from riskd_reference import Order, Reference
from shm.controls import Control, Scope
from shm.fees import fee
from shm.reasons import Reason
from shm.records import CommandKind, EventFlag, FeeBasis, OrderType, Side

BOUND = 2**62
BOUNDED = (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_LIMIT)
"""Types that say how much they pay at the most, if they have a price."""


class FundedReference(Reference):
    """``funded`` are the accounts that have funds, ``short`` those of them that may sell what they have not; ``fees`` are
    (basis, maker's, taker's) and ``currencies`` names, by instrument."""

    margin: frozenset[int] = frozenset()
    """Those of the funded accounts whose orders hold margins."""

    def __init__(self, *sizes: Any, funded: set[int], short: set[int], fees: list[Any], currencies: list[str]) -> None:
        super().__init__(*sizes)
        self.funded, self.short, self.fees, self.currencies = funded, short, fees, currencies
        self.money: dict[tuple[int, str], int] = {}
        self.lots: dict[tuple[int, int], int] = {}
        self.put_in: dict[str, int] = dict.fromkeys(currencies, 0)
        self.venue: dict[str, int] = dict.fromkeys(currencies, 0)
        self.paid: dict[tuple[int, str], int] = {}

    def fund(self, account: int, currency: str, amount: int) -> None:
        """Put in money, or take it out."""
        self.money[account, currency] = self.money.get((account, currency), 0) + amount
        self.put_in[currency] += amount

    def rate(self, instrument: int, control: Control) -> int:
        """Basis points of margin: all, where none were set."""
        return self.controls.values.get((Scope.INSTRUMENT, instrument, control), 10_000)

    def mark(self, instrument: int) -> int:
        """The price given, or the last."""
        return self.controls.get(Scope.INSTRUMENT, instrument, Control.MARK_PRICE) or self.last_price[instrument]

    def standing(self, account: int, currency: str) -> tuple[int, int, int]:
        """Equity, and the margins of positions."""
        equity, margins = self.money.get((account, currency), 0), [0, 0]
        for (owner, instrument), position in self.positions.items():
            if owner == account and self.currencies[instrument] == currency:
                worth = (position.bought - position.sold) * self.mark(instrument) * self.instruments[instrument][2]
                equity += worth
                for place, control in enumerate((Control.INITIAL_MARGIN, Control.MAINTENANCE_MARGIN)):
                    margins[place] -= -abs(worth) * self.rate(instrument, control) // 10_000
        return equity, margins[0], margins[1]

    def cost(self, account: int, instrument: int, side: int, working: int, held: int) -> int:
        """The money to hold for so many lots worth so much."""
        basis, maker, taker = self.fees[instrument]
        rate, tick_value = max(maker, taker, 0), self.instruments[instrument][2]
        if account in self.margin:
            more = 0 if basis == FeeBasis.PER_LOT or rate == 0 else working
            margin = -(-held * self.rate(instrument, Control.INITIAL_MARGIN) // 10_000)
            return margin + fee(basis, rate, working, held) + more
        if side == Side.SELL:
            return working * max(rate - tick_value, 0) if basis == FeeBasis.PER_LOT else 0
        more = 0 if basis == FeeBasis.PER_LOT or rate == 0 else working
        return held + fee(basis, rate, working, held) + more

    def held_funds(self, account: int, currency: str) -> int:
        """What the working orders of the account hold."""
        mine = [o for o in self.orders.values() if o.account == account and self.currencies[o.instrument] == currency]
        return sum(self.cost(account, o.instrument, o.side, o.working, o.held) for o in mine)

    def spare(self, account: int, currency: str) -> int:
        """Money to spend, or, of a margin account, to trade on."""
        if account in self.margin:
            equity, initial, _ = self.standing(account, currency)
            return equity - initial - self.held_funds(account, currency)
        return self.money.get((account, currency), 0) - self.held_funds(account, currency)

    def free_lots(self, account: int, instrument: int) -> int:
        """Lots to sell."""
        net = self.controls.net(account, instrument)
        return self.lots.get((account, instrument), 0) + net - self.open_lots(account, instrument, Side.SELL)

    def of_funds(self, r: Any, order: Order | None) -> Reason:
        """The first thing wrong by funds, where the account has some."""
        if int(r["account"]) not in self.funded:
            return Reason.NONE
        instrument = int(r["instrument"]) if order is None else order.instrument
        _, lot, tick_value = self.instruments[instrument]
        lots = int(r["quantity"]) // lot
        if order is None:
            after = lots, self.reckoned(r, instrument) * lots * tick_value
            return self.verdict_of_funds(r, instrument, int(r["side"]), int(r["type"]), (0, 0), after)
        after = self.worst(order, self.reckoned(r, instrument, order), lots)
        return self.verdict_of_funds(r, instrument, order.side, order.type, (order.working, order.held), after)

    def verdict_of_funds(self, r: Any, instrument: int, side: int, type_: int, before: Any, after: Any) -> Reason:
        """The first thing that the account has not."""
        account, currency = int(r["account"]), self.currencies[instrument]
        if account in self.margin:
            return self.verdict_of_margin(r, instrument, side, before, after)
        if side == Side.BUY and not (r["price"] > 0 and type_ in BOUNDED):
            return Reason.WORST_PRICE_UNKNOWN
        more = after[0] - before[0]
        if side == Side.SELL and account not in self.short and 0 < more > self.free_lots(account, instrument):
            return Reason.INSUFFICIENT_POSITION
        cost = self.cost(account, instrument, side, *after)
        extra = cost - self.cost(account, instrument, side, *before)
        if cost > BOUND or 0 < extra > self.spare(account, currency):
            return Reason.INSUFFICIENT_FUNDS
        coming = after[1] - before[1] if side == Side.SELL else 0
        stands = self.money.get((account, currency), 0) + self.held(account, Side.SELL) + coming
        return Reason.FUNDS_OVERFLOW if coming > 0 and stands >= BOUND else Reason.NONE

    def verdict_of_margin(self, r: Any, instrument: int, side: int, before: Any, after: Any) -> Reason:
        """The same of a margin account."""
        account, currency = int(r["account"]), self.currencies[instrument]
        cost = self.cost(account, instrument, side, *after)
        extra, lots, money = cost - self.cost(account, instrument, side, *before), after[0] - before[0], after[1] - before[1]
        if cost > BOUND or abs(self.money.get((account, currency), 0)) + max(money, 0) >= BOUND:
            return Reason.FUNDS_OVERFLOW
        net = self.controls.net(account, instrument)
        reduces = self.open_lots(account, instrument, side) + lots <= (-net if side == Side.BUY else net)
        if reduces or (lots <= 0 and extra <= 0):
            return Reason.NONE
        if r["kind"] == CommandKind.NEW and not self.reckoned(r, instrument):
            return Reason.WORST_PRICE_UNKNOWN
        equity, _, maintenance = self.standing(account, currency)
        if equity < maintenance:
            return Reason.BELOW_MAINTENANCE_MARGIN
        return Reason.INSUFFICIENT_MARGIN if extra > self.spare(account, currency) else Reason.NONE

    def fill(self, order: Order, leaves: int, event: Any) -> None:
        """Money and fee move, too."""
        if order.account in self.funded:
            currency, (basis, maker, taker) = self.currencies[order.instrument], self.fees[order.instrument]
            rests = order.order_id == event["resting_order_id"] and not event["flags"] & EventFlag.AUCTION
            lots = int(event["quantity"])
            money = int(event["price"]) * lots * self.instruments[order.instrument][2]
            paid = fee(basis, maker if rests else taker, lots, money)
            key = order.account, currency
            self.money[key] = self.money.get(key, 0) + (money if order.side == Side.SELL else -money) - paid
            self.paid[key] = self.paid.get(key, 0) + paid
            self.venue[currency] += paid
        super().fill(order, leaves, event)
