"""All that the twin knows, the events it tells, and the few things done to an order that every rule needs."""

from dataclasses import dataclass, field
from typing import Any

from reference.orders import ELECTED, IN_BOOK, NOWHERE, Instrument, Order
from shm.reasons import Reason
from shm.records import AccountFlag, CommandKind, EventKind, InstrumentState, OrderFlag, Side, TimeInForce

ABOUT_THE_ORDER = ("order_id", "client_order_id", "account", "instrument", "side", "type", "time_in_force")


@dataclass
class World:
    """Every book of a shard, and the command that is being handled."""

    instruments: int
    accounts: int
    orders: int
    levels: int
    events: list[dict[str, Any]] = field(default_factory=list)
    books: dict[int, Instrument] = field(default_factory=dict)
    account_flags: dict[int, int] = field(default_factory=dict)
    live: dict[int, Order] = field(default_factory=dict)
    """By order id, in the order in which they were accepted."""
    positions: dict[tuple[int, int], int] = field(default_factory=dict)
    """Lots bought less sold, by account and instrument; a key is a place in the pool of positions."""
    touched: list[int] = field(default_factory=list)
    command: dict[str, Any] = field(default_factory=dict)
    summary: tuple[EventKind, int] | None = None
    """The last event that the command is to tell, and its quantity."""
    stamps: int = 0

    def stamp(self) -> int:
        """A number above all before it."""
        self.stamps += 1
        return self.stamps

    def touch(self, instrument: int) -> None:
        """Remember that the command touched the instrument."""
        if instrument not in self.touched:
            self.touched.append(instrument)

    # What is told

    def tell(self, kind: EventKind, order: Order | None = None, **fields: int) -> None:
        """One event about an order, or about what the command says."""
        command = self.command
        event = {name: command[name] for name in ("time_ns", "session", "request_id", "account", "instrument")}
        event |= {"command_sequence": command["sequence"], "commander": command["account"], "kind": kind, "flags": 0}
        if order:
            event |= {name: getattr(order, name) for name in ABOUT_THE_ORDER}
        self.events.append(event | fields)

    def tell_order(self, kind: EventKind, order: Order, reason: int = 0, price: int | None = None) -> None:
        """ACCEPTED, REPLACED, TRIGGERED or RESTATED: what the order is now."""
        self.tell(
            kind,
            order,
            price=order.standing_price() if price is None else price,
            quantity=order.quantity,
            leaves=order.leaves,
            resting_leaves=self.lots_not_shown(order),
            reason=reason,
        )

    def reject(self, reason: int) -> None:
        """The command did nothing."""
        command = self.command
        names = ["order_id", "client_order_id"]
        if command["kind"] <= CommandKind.REDUCE:
            names += ["side", "type", "time_in_force", "price", "quantity"]
        said = {name: command[name] for name in names}
        self.tell(EventKind.REJECTED, **said, reason=reason, flags=command["kind"])

    def lots_not_shown(self, order: Order) -> int:
        """How many of its leaves others do not see."""
        state = self.books[order.instrument].state
        at_close = order.time_in_force == TimeInForce.AT_CLOSE
        waits = at_close and order.place != IN_BOOK and state != InstrumentState.CLOSING_AUCTION
        if waits or order.is_dark() or order.has(OrderFlag.ALL_OR_NONE) or order.is_stop():
            return order.leaves
        if not order.display_quantity:
            return 0
        shown = order.shown if order.place == IN_BOOK else min(order.display_quantity, order.leaves)
        return order.leaves - shown

    # What is in the book

    def queue(self, instrument: int, side: int) -> list[Order]:
        """The side's orders in the book, in the order in which they trade by price and time."""
        found = [o for o in self.live.values() if o.instrument == instrument and o.side == side and o.place == IN_BOOK]
        sign = -1 if side == Side.BUY else 1
        return sorted(found, key=lambda order: (sign * order.level, order.is_dark(), order.arrived))

    def best(self, instrument: int, side: int) -> int:
        """The side's best price, 0 when it is empty."""
        queue = self.queue(instrument, side)
        return queue[0].level if queue else 0

    def by_entry(self, instrument: int) -> list[Order]:
        """All live orders of the instrument in the order of entry."""
        return sorted((o for o in self.live.values() if o.instrument == instrument), key=lambda order: order.entered)

    def levels_in_use(self) -> set[tuple[int, int, str, int]]:
        """The price levels, in books and of stop orders."""
        return {(o.instrument, o.side, o.place, o.level) for o in self.live.values() if o.level and o.place != ELECTED}

    # What is done to an order

    def leave_place(self, order: Order) -> None:
        """Take it from wherever it is; its level may be free then."""
        if order.place == ELECTED:
            self.books[order.instrument].elected.remove(order)
        order.place, order.level, order.shown = NOWHERE, 0, 0

    def stand(self, order: Order, place: str, level: int) -> None:
        """Come to rest, or to wait, at a price; without a free level it ends."""
        used = self.levels_in_use()
        if (order.instrument, order.side, place, level) not in used and len(used) >= self.levels:
            self.cancel(order, Reason.LEVEL_POOL_FULL)
            return
        order.place, order.level, order.arrived = place, level, self.stamp()
        order.shown = min(order.display_quantity, order.leaves) if place == IN_BOOK else 0

    def cancel(self, order: Order, reason: Reason) -> None:
        """Take it off and tell it; its partner goes with it."""
        price, quantity = order.standing_price(), order.leaves
        self.leave_place(order)
        self.touch(order.instrument)
        order.leaves = 0
        del self.live[order.order_id]
        self.tell(EventKind.CANCELLED, order, price=price, quantity=quantity, reason=reason)
        self.cancel_partner(order)

    def cancel_partner(self, order: Order) -> None:
        """The order traded, was triggered or ended: the other one of the pair ends, if it has not."""
        partner = order.partner
        if partner is not None and partner.leaves:
            order.partner = partner.partner = None
            self.cancel(partner, Reason.ONE_CANCELS_OTHER)

    # Positions

    def tracks(self, account: int) -> bool:
        """Whether the account's positions are kept."""
        return bool(self.account_flags.get(account, 0) & AccountFlag.TRACK_POSITION)

    def lots_to_reduce(self, account: int, instrument: int, side: int) -> int:
        """How many lots on the side bring the account's position to 0."""
        position = self.positions.get((account, instrument), 0)
        return max(position if side == Side.SELL else -position, 0)

    def change_position(self, order: Order, lots: int) -> None:
        """The order traded."""
        if order.tracked:
            self.positions[order.account, order.instrument] += lots if order.side == Side.BUY else -lots
