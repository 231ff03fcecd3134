"""Auctions: the one price at which a crossed book trades the most, and the trades at it."""

from typing import Any

from matcher.book import find_level, next_level, previous_level, rank_of
from matcher.ending import retire
from matcher.layout import NO_ORDER, RANKS, WORST
from matcher.positions import count_trade
from matcher.queues import after, first_of, lose_lots
from matcher.slots import level_at
from matcher.tell import about_instrument, uncrossed_pair
from matcher.trade import cut_to_position, end_partner, leave_filled, needs_refill, price_of_level, refill_and_tell, tradable
from shm.atomics import int64
from shm.inner import inner
from shm.records import EventKind, InstrumentState, OrderType

UNCROSSED, INDICATIVE = int64(EventKind.UNCROSSED), int64(EventKind.INDICATIVE)
OPENING_AUCTION, VOLATILITY_PAUSE = int64(InstrumentState.OPENING_AUCTION), int64(InstrumentState.VOLATILITY_PAUSE)
CLOSING_AUCTION, MARKET = int64(InstrumentState.CLOSING_AUCTION), int64(OrderType.MARKET)
BUY, SELL = 0, 1
HIGHEST = RANKS - 1


@inner
def is_auction(book_state: int) -> bool:
    """Does the state collect orders for an uncross, and tell what it would be?"""
    return book_state in (OPENING_AUCTION, VOLATILITY_PAUSE, CLOSING_AUCTION)


@inner
def is_crossed(state: Any, instrument: int) -> bool:
    """Could the best buy and the best sell trade?"""
    best = state["instruments"][instrument]["best"]
    return best[BUY] != WORST and best[SELL] != WORST and rank_of(BUY, best[BUY]) >= rank_of(SELL, best[SELL])


@inner
def find_price(state: Any, instrument: int) -> Any:
    """Price, volume and surplus of buys (of sells, if negative) of an uncross; all 0 when nothing would trade."""
    if not is_crossed(state, instrument):
        return (int64(0), int64(0), int64(0))
    best = state["instruments"][instrument]["best"]
    low, high = int64(rank_of(SELL, best[SELL])), int64(rank_of(BUY, best[BUY]))
    buy, sell = int64(state["instruments"][instrument]["levels"][BUY]), int64(0)
    number, demand, supply = int64(state["instruments"][instrument]["levels"][SELL]), int64(0), int64(0)
    while number and price_of_level(state, number) <= high:
        sell, supply = number, supply + _lots(state, number)
        number = int64(next_level(state, state["instruments"][instrument], number))
    reference = reference_of(state, instrument)
    found, price = (int64(0), int64(0), int64(0)), _highest_candidate(state, buy, sell, reference, high + 1)
    while price >= low:  # downwards through all prices at which an order stands, and the reference
        while buy and price_of_level(state, buy) >= price:
            demand += _lots(state, buy)
            buy = int64(next_level(state, state["instruments"][instrument], buy))
        while sell and price_of_level(state, sell) > price:
            supply -= _lots(state, sell)
            sell = int64(previous_level(state, state["instruments"][instrument], sell))
        if price == reference or not _stands_for_want_of_a_price(state, instrument, price):
            found = _better(found, price, demand, supply, reference)
        price = _highest_candidate(state, buy, sell, reference, price)
    return found


@inner
def reference_of(state: Any, instrument: int) -> int:
    """The last price, or the one that the rules give; 0: none."""
    last = state["instruments"][instrument]["last_price"]
    return int64(last if last else state["rules"][instrument]["reference_price"])


@inner
def _lots(state: Any, number: int) -> int:
    """All lots of a level, hidden ones too."""
    return int64(level_at(state, number)["quantity"] + level_at(state, number)["dark"])


@inner
def _highest_candidate(state: Any, buy: int, sell: int, reference: int, below: int) -> int:
    """The highest price below ``below`` of the buys from ``buy`` on, the sells from ``sell`` downwards, and the reference."""
    price = reference if reference < below else int64(0)
    if buy:  # those already counted are not below
        price = max(price, price_of_level(state, buy))
    if sell and price_of_level(state, sell) >= below:
        sell = int64(previous_level(state, state["instruments"][level_at(state, sell)["instrument"]], sell))
    return max(price, price_of_level(state, sell)) if sell else price


@inner
def _better(found: Any, price: int, demand: int, supply: int, reference: int) -> Any:
    """``found``, or what ``price``, which is lower, would give if that is better."""
    volume, surplus = min(demand, supply), demand - supply
    if volume == 0 or volume < found[1]:
        return found
    if volume == found[1]:
        if abs(surplus) > abs(found[2]):
            return found
        if abs(surplus) == abs(found[2]) and reference and abs(price - reference) > abs(found[0] - reference):
            return found
    return (int64(price), int64(volume), int64(surplus))


@inner
def _stands_for_want_of_a_price(state: Any, instrument: int, price: int) -> bool:
    """Do none but market orders without a price stand at it?"""
    if price not in (1, HIGHEST):
        return False
    side = SELL if price == 1 else BUY
    own = find_level(state, state["instruments"][instrument], side, int64(rank_of(side, price)))
    opposite = find_level(state, state["instruments"][instrument], 1 - side, int64(rank_of(1 - side, price)))
    return own != 0 and opposite == 0 and _only_market(state, int64(own))


@inner
def _only_market(state: Any, number: int) -> bool:
    slot = first_of(level_at(state, number))
    while slot != NO_ORDER:
        if state["orders"][slot]["type"] != MARKET:
            return False
        slot = after(state, level_at(state, number), slot)
    return True


@inner
def uncross(state: Any, command: Any, instrument: int) -> bool:
    """Trade a crossed book at its price, again while it is crossed; did anything trade?"""
    traded = False
    found = find_price(state, instrument)
    while found[1]:
        about_instrument(state, command, UNCROSSED, instrument, 0, 0, found)
        _trade_at(state, command, instrument, found[0])
        traded = True
        found = find_price(state, instrument)
    return traded


@inner
def _trade_at(state: Any, command: Any, instrument: int, price: int) -> None:
    book = state["instruments"][instrument]
    while book["best"][BUY] <= rank_of(BUY, price) and book["best"][SELL] <= rank_of(SELL, price):
        buyer = first_of(level_at(state, book["levels"][BUY]))
        seller = first_of(level_at(state, book["levels"][SELL]))
        if cut_to_position(state, command, seller) or cut_to_position(state, command, buyer):
            continue
        _trade_pair(state, command, buyer, seller, price)


@inner
def _trade_pair(state: Any, command: Any, buyer: int, seller: int, price: int) -> None:
    one, other = state["orders"][buyer], state["orders"][seller]
    quantity = min(tradable(state, buyer), tradable(state, seller))
    lose_lots(state, buyer, quantity, False)
    lose_lots(state, seller, quantity, False)
    state["trades"] += 1
    state["volume"] += quantity
    count_trade(state, one, state["extras"][buyer], quantity)
    count_trade(state, other, state["extras"][seller], quantity)
    state["instruments"][one["instrument"]]["last_price"] = price
    uncrossed_pair(state, command, one, other, price, quantity)
    for slot in (buyer, seller):
        if state["orders"][slot]["leaves"] == 0:
            leave_filled(state, slot)
    for slot in (buyer, seller):
        if state["orders"][slot]["order_id"] and needs_refill(state, slot):
            refill_and_tell(state, command, slot)
    end_partner(state, command, seller)
    end_partner(state, command, buyer)
    for slot in (buyer, seller):
        if state["orders"][slot]["order_id"] and state["orders"][slot]["leaves"] == 0:  # each was the other's partner
            retire(state, slot)


@inner
def indicate(state: Any, command: Any, instrument: int) -> None:
    """Tell what the auction would do, if that is not what was told last."""
    if not is_auction(state["instruments"][instrument]["state"]):
        return
    rules, found = state["rules"][instrument], find_price(state, instrument)
    side = 1 if found[2] < 0 else 0
    told = (rules["told_price"], rules["told_volume"], rules["told_imbalance"], int64(rules["told_side"]))
    if told != (found[0], found[1], abs(found[2]), int64(side)):
        rules["told_price"], rules["told_volume"], rules["told_imbalance"] = found[0], found[1], abs(found[2])
        rules["told_side"] = side
        about_instrument(state, command, INDICATIVE, instrument, 0, 0, found)
