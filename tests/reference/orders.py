"""An order, an instrument, and what can be said of them without looking at any other."""

from dataclasses import dataclass, field

from shm.records import InstrumentState, OrderFlag, OrderType, Side, TimeInForce

HIGHEST_PRICE = 2**48 - 2
LOWEST_PRICE = 1
PRO_RATA_BOUND = 2**31

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
TRAILING = (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
PEGGED = (OrderType.PEGGED_BID, OrderType.PEGGED_ASK, OrderType.PEGGED_MIDDLE)
COLLECTING = (
    InstrumentState.PRE_OPEN,
    InstrumentState.OPENING_AUCTION,
    InstrumentState.VOLATILITY_PAUSE,
    InstrumentState.CLOSING_AUCTION,
)
AUCTIONS = (InstrumentState.OPENING_AUCTION, InstrumentState.VOLATILITY_PAUSE, InstrumentState.CLOSING_AUCTION)

NOWHERE, IN_BOOK, AT_STOP, WAITING, ELECTED = "nowhere", "in the book", "at a stop price", "waiting", "elected"
"""Where an order is: incoming, at its price, at its stop price, beside the book without a price, or queued to be triggered."""


@dataclass(eq=False)
class Order:
    """An order that was accepted; it lives as long as it has leaves. What a plain order does not have is 0."""

    order_id: int
    client_order_id: int
    account: int
    instrument: int
    session: int
    side: int
    type: int
    time_in_force: int
    price: int
    """As last sent or restated."""
    quantity: int
    leaves: int
    entered: int
    """Stamp of the order of entry."""
    stop_price: int = 0
    display_quantity: int = 0
    minimum_quantity: int = 0
    expiry_ns: int = 0
    self_trade_rule: int = 0
    self_trade_group: int = 0
    flags: int = 0
    step: int = 0
    peg_limit: int = 0
    """A pegged order's price as last sent."""
    place: str = NOWHERE
    level: int = 0
    """The price at which it stands in the book, or the stop price at which it waits or was elected."""
    arrived: int = 0
    """Stamp of the order of time at its level."""
    shown: int = 0
    """Lots that an iceberg in the book shows."""
    triggered: bool = False
    partner: "Order | None" = None
    tracked: bool = False
    """Whether its account's position was tracked when it was entered."""

    def has(self, flag: OrderFlag) -> bool:
        """Whether it was entered with the flag."""
        return bool(self.flags & flag)

    def is_pegged(self) -> bool:
        """Whether its price follows the book."""
        return self.type in PEGGED

    def is_stop(self) -> bool:
        """Whether it is one that is still to be triggered."""
        return self.type in STOPS and not self.triggered

    def is_trailing(self) -> bool:
        """Whether its stop price follows the trades."""
        return self.type in TRAILING and not self.triggered

    def is_market(self) -> bool:
        """Whether it trades as a market order now."""
        return self.type == OrderType.MARKET or (self.triggered and self.type in (OrderType.STOP, OrderType.TRAILING_STOP))

    def may_rest(self) -> bool:
        """Whether in continuous trading it stays when it cannot trade."""
        return not self.is_market() and self.time_in_force not in (TimeInForce.IOC, TimeInForce.FOK)

    def is_for_auctions(self) -> bool:
        """Whether it trades in one auction only."""
        return self.time_in_force in (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE)

    def is_dark(self) -> bool:
        """Whether it shows nothing in the book."""
        return self.has(OrderFlag.HIDDEN) or self.is_pegged()

    def part(self) -> int:
        """What trades in one turn of an order in the book."""
        return self.shown if self.display_quantity else self.leaves

    def standing_price(self) -> int:
        """The price that its events tell."""
        return self.level if self.place == IN_BOOK else self.price

    def lose(self, lots: int) -> None:
        """Fewer lots without a trade, hidden ones first."""
        self.quantity -= lots
        self.leaves -= lots
        self.shown = min(self.shown, self.leaves)


@dataclass
class Rules:
    """What a RULES command sets."""

    reference_price: int = 0
    dynamic_collar: int = 0
    static_low: int = 0
    static_high: int = 0
    policy: int = 0
    minimum_allocation: int = 0
    flags: int = 0

    def allow(self, price: int) -> bool:
        """Whether the price lies within the static collar."""
        return not (self.static_low and price < self.static_low) and not (self.static_high and price > self.static_high)


NOTHING_INDICATED = (0, 0, 0, int(Side.BUY))


@dataclass
class Instrument:
    """One book's state; its orders are in the world."""

    number: int
    state: int = InstrumentState.CONTINUOUS
    rules: Rules = field(default_factory=Rules)
    last_price: int = 0
    collar_price: int = 0
    """The last price before the command, or of its uncross, else the reference price, else 0."""
    elected: list[Order] = field(default_factory=list)
    indicated: tuple[int, int, int, int] = NOTHING_INDICATED

    def reference(self) -> int:
        """The last price, or the one of the RULES before the first trade, or 0."""
        return self.last_price or self.rules.reference_price

    def is_beyond_collar(self, price: int) -> bool:
        """Whether a trade at the price would be too far away."""
        collar = self.rules.dynamic_collar
        return bool(collar and self.collar_price) and abs(price - self.collar_price) > collar
