"""What an order may say beyond side, quantity, price and time in force: in a trader's words, and in fields of messages."""

from typing import Any, Final, TypedDict, TypeVar

from pinion.instrument import INT64_MAX, Instrument, Number
from pinion.protocol import MassCancelFlag, OrderFlag, OrderType, SelfTradeRule, Side, TimeInForce

Fields = dict[str, int]
Word = TypeVar("Word", Side, OrderType, TimeInForce, SelfTradeRule)


class StopTerms(TypedDict, total=False):
    """Where a stop, trailing or pegged order waits: one of the four."""

    stop_price: Number
    """A trade at or beyond this price triggers the order."""
    distance: Number
    """A trailing order's stop price stays this far, in the quote currency, behind the market."""
    distance_basis_points: int
    """The same in hundredths of a percent of the price that it trails."""
    offset: Number
    """A pegged order's distance from what it follows: above it, or below it if negative."""


class OrderTerms(StopTerms, total=False):
    """Keyword arguments of ``submit``. What is not given is 0 or False. ``docs/matching.md`` says what goes together."""

    type: OrderType | str
    """Needed where the rest does not say it: market with a price (its protection), market_to_limit, pegged_bid, pegged_ask,
    pegged_middle. Otherwise a stop price makes it a stop order, a distance a trailing one; with a price they are stop-limit
    orders (of a trailing one ``price`` is how far beyond its stop price the limit is); without either it is a market order."""
    display_quantity: Number
    """An iceberg: others see so much of it."""
    minimum_quantity: Number
    """Less than this is not traded on entry."""
    expiry_ns: int
    """Nanoseconds since 1970, UTC; makes it a GTD order."""
    step: Number
    """A trailing order's stop price moves by at least so much, in the quote currency."""
    post_only: bool
    slide: bool
    """With ``post_only``: go one tick off rather than be refused."""
    hidden: bool
    all_or_none: bool
    reduce_only: bool
    linked_to: int
    """The client order id of the order that this one cancels, or is cancelled by, when either trades (one cancels other)."""
    self_trade_rule: SelfTradeRule | str
    """Instead of trading with an order of one's own; not given: the account's rule."""
    self_trade_group: int


FLAGS: Final = {
    "post_only": OrderFlag.POST_ONLY,
    "slide": OrderFlag.SLIDE,
    "hidden": OrderFlag.HIDDEN,
    "all_or_none": OrderFlag.ALL_OR_NONE,
    "reduce_only": OrderFlag.REDUCE_ONLY,
}
_STOPS: Final = frozenset(StopTerms.__annotations__)
_KNOWN: Final = frozenset(OrderTerms.__annotations__)
_TRAILING: Final = frozenset({"distance", "distance_basis_points"})


def type_of(price: Number | None, terms: OrderTerms) -> OrderType:
    """The type that was given, or the one that follows from the rest."""
    if "type" in terms:
        return member(OrderType, terms["type"])
    if _TRAILING & terms.keys():
        return OrderType.TRAILING_STOP if price is None else OrderType.TRAILING_STOP_LIMIT
    if "stop_price" in terms:
        return OrderType.STOP if price is None else OrderType.STOP_LIMIT
    if "offset" in terms:
        raise ValueError("an offset belongs to a pegged order: give type, one of pegged_bid, pegged_ask, pegged_middle")
    return OrderType.MARKET if price is None else OrderType.LIMIT


def time_in_force_of(type_: OrderType, given: TimeInForce | str | None, terms: OrderTerms) -> TimeInForce:
    """The time in force that was given; else GTD with an expiry, IOC for a market order, GTC for any other."""
    if given is not None:
        return member(TimeInForce, given)
    if "expiry_ns" in terms:
        return TimeInForce.GTD
    return TimeInForce.IOC if type_ is OrderType.MARKET else TimeInForce.GTC


def extended_fields(instrument: Instrument, terms: OrderTerms) -> Fields:
    """The fields of an extended NEW_ORDER that the terms set; none at all: the plain form will do.

    Raises OffTick, TypeError for a term that does not exist, ValueError.
    """
    if unknown := terms.keys() - _KNOWN:
        raise TypeError(f"there is no term {', '.join(sorted(unknown))}; there are: {', '.join(sorted(_KNOWN))}")
    fields, flags = stop_fields(instrument, terms), OrderFlag(0)
    if "distance_basis_points" in terms:
        flags |= OrderFlag.BASIS_POINTS
    for name, flag in FLAGS.items():
        flags |= flag if terms.get(name) else OrderFlag(0)
    given: dict[str, Any] = dict(terms)
    for name in ("display_quantity", "minimum_quantity"):
        if name in given:
            fields[name] = instrument.quantity_to_wire(given[name])
    for name in ("expiry_ns", "self_trade_group"):
        if name in given:
            fields[name] = int(given[name])
    if "step" in terms:
        fields["step"] = instrument.price_to_wire(terms["step"])
    if "linked_to" in terms:
        fields["linked_client_order_id"] = terms["linked_to"]
    if "self_trade_rule" in terms:
        fields["self_trade_rule"] = int(member(SelfTradeRule, terms["self_trade_rule"]))
    return fields | ({"flags": int(flags)} if flags else {})


def stop_fields(instrument: Instrument, terms: StopTerms | OrderTerms) -> Fields:
    """``stop_price`` on the wire, whichever way it was given; nothing if it was not. Raises ValueError for two of them."""
    given: dict[str, Any] = {name: value for name, value in terms.items() if name in _STOPS}
    if len(given) > 1:
        raise ValueError(f"one of {' and '.join(sorted(given))}, not both")
    if "distance_basis_points" in given:
        return {"stop_price": int(given["distance_basis_points"])}
    prices = [instrument.price_to_wire(price) for price in given.values()]
    return {"stop_price": prices[0]} if prices else {}


def mass_cancel_fields(
    instrument: Instrument | None,
    side: Side | str | None,
    this_session: bool,
    lowest_price: Number | None,
    highest_price: Number | None,
) -> Fields:
    """The fields of an extended MASS_CANCEL; none when nothing narrows it down. ValueError: prices without an instrument."""
    fields, flags = Fields(), MassCancelFlag(0)
    if this_session:
        flags |= MassCancelFlag.BY_SESSION
    if side is not None:
        flags |= MassCancelFlag.BY_SIDE
        fields["side"] = int(member(Side, side))
    if lowest_price is not None or highest_price is not None:
        if instrument is None:
            raise ValueError("a range of prices is one instrument's: give the symbol too")
        flags |= MassCancelFlag.BY_PRICE
        fields["lowest_price"] = 0 if lowest_price is None else instrument.price_to_wire(lowest_price)
        greatest = INT64_MAX // instrument.tick_size * instrument.tick_size
        fields["highest_price"] = greatest if highest_price is None else instrument.price_to_wire(highest_price)
    return fields | ({"flags": int(flags)} if flags else {})


def member(enum: type[Word], word: Word | str) -> Word:
    """``"buy"`` or ``Side.BUY`` alike. Raises ValueError naming what there is."""
    if isinstance(word, enum):
        return word
    if isinstance(word, str) and word.upper() in enum.__members__:
        return enum[word.upper()]
    raise ValueError(f"{word!r} is no {enum.__name__}; there are: {', '.join(enum.__members__).lower()}")
