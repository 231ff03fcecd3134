"""The matcher again, in plain Python, written from ``docs/matching.md``: lists and dicts, nothing clever, nothing shared."""

from collections.abc import Callable, Iterable
from typing import Any

from reference import changes, checks, states
from reference.auction import indicate
from reference.orders import AT_STOP, IN_BOOK, WAITING, Order
from reference.settling import enter, settle
from reference.world import World
from shm.reasons import Reason
from shm.records import CommandKind, EventFlag, EventKind, InstrumentState, OrderFlag, Side

AS_SENT = ("order_id", "client_order_id", "account", "instrument", "session", "side", "type", "time_in_force", "price")
AS_SENT_EXTENDED = (
    "stop_price",
    "display_quantity",
    "minimum_quantity",
    "expiry_ns",
    "self_trade_rule",
    "self_trade_group",
    "flags",
    "step",
)


class Twin(World):
    """All books of a shard. ``handle`` takes a command as a dict and appends dicts to ``events``."""

    def run(self, commands: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events of ``commands``."""
        self.events = []
        for command in commands:
            self.handle(command)
        return self.events

    def handle(self, command: dict[str, Any]) -> None:
        """Do what the command says and tell it."""
        first = len(self.events)
        self.command, self.touched, self.summary = command, [], None
        for book in self.books.values():
            book.collar_price = book.reference()
        if command["verdict"]:
            self.reject(command["verdict"])
        else:
            handler = HANDLERS.get(command["kind"])
            if handler is None:
                self.reject(Reason.UNKNOWN_COMMAND)
            else:
                handler(self, command)
        for number in self.touched:
            settle(self, self.books[number])
            indicate(self, self.books[number])
        if self.summary is not None:
            self.tell(self.summary[0], quantity=self.summary[1])
        for index, event in enumerate(self.events[first:]):
            event["index"] = index
        if self.events[-1]["kind"] != EventKind.REJECTED:
            self.events[-1]["flags"] |= EventFlag.LAST

    def resting_quantity(self) -> int:
        """The leaves of all live orders."""
        return sum(order.leaves for order in self.live.values())

    def validate(self) -> None:
        """Assert what is true after every command."""
        for order in self.live.values():
            assert 0 < order.leaves <= order.quantity, order
            assert order.place in (IN_BOOK, AT_STOP, WAITING), order
            assert (order.level > 0) == (order.place != WAITING), order
            assert order.shown == (0 if order.place != IN_BOOK else order.shown), order
            assert 0 < order.shown <= order.leaves or not order.display_quantity or order.place != IN_BOOK, order
            assert order.partner is None or (order.partner.partner is order and order.partner.leaves), order
            assert not order.has(OrderFlag.ALL_OR_NONE) or order.place == WAITING, order
        assert len(self.levels_in_use()) <= self.levels
        assert len(self.positions) <= self.orders
        for book in self.books.values():
            assert not book.elected
            if book.state == InstrumentState.CONTINUOUS:
                self._validate_continuous(book.number)

    def _validate_continuous(self, instrument: int) -> None:
        bid, ask = self.best(instrument, Side.BUY), self.best(instrument, Side.SELL)
        assert not bid or not ask or bid < ask, f"crossed: {bid} {ask}"
        book = self.queue(instrument, Side.BUY) + self.queue(instrument, Side.SELL)
        assert not any(order.is_market() or order.is_for_auctions() for order in book)


def new(world: World, command: dict[str, Any]) -> None:
    """NEW."""
    reason = checks.objection(world, command)
    if reason:
        world.reject(reason)
        return
    command = checks.as_entered(command)
    order = Order(
        **{name: command[name] for name in AS_SENT + AS_SENT_EXTENDED},
        quantity=command["quantity"],
        leaves=command["quantity"],
        peg_limit=command["price"],
        entered=world.stamp(),
    )
    if command["linked"]:
        partner = checks.partner_of(world, command)
        assert partner
        order.partner, partner.partner = partner, order
    world.live[order.order_id] = order
    order.tracked = world.tracks(order.account)
    if order.tracked:
        world.positions.setdefault((order.account, order.instrument), 0)
    world.touch(order.instrument)
    world.tell_order(EventKind.ACCEPTED, order)
    enter(world, order)


def _snapshot(world: World, command: dict[str, Any]) -> None:
    world.tell(EventKind.SNAPSHOT_TAKEN)


def _risk(world: World, command: dict[str, Any]) -> None:
    world.tell(EventKind.RISK_SET)


HANDLERS: dict[int, Callable[[World, dict[str, Any]], None]] = {
    CommandKind.NEW: new,
    CommandKind.CANCEL: changes.cancel,
    CommandKind.REPLACE: changes.replace,
    CommandKind.MASS_CANCEL: changes.mass_cancel,
    CommandKind.REDUCE: changes.reduce,
    CommandKind.INSTRUMENT: states.define_instrument,
    CommandKind.ACCOUNT: states.define_account,
    CommandKind.SNAPSHOT: _snapshot,
    CommandKind.RISK: _risk,
    CommandKind.CLOCK: changes.expire,
    CommandKind.STATE: states.set_state,
    CommandKind.RULES: states.set_rules,
}
