"""What riskd refuses and why, one request a line; and what it numbers, and how."""

from typing import Any

import numpy as np
import pytest

import riskd_rig as rig
from riskd.layout import MONEY_BOUND, PENDING_BOUND
from riskd_reference import SimpleMatcher
from shm.reasons import Reason
from shm.records import EVENT, NO_INSTRUMENT, RISKD_ORIGIN, CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce

HUGE = 2**62
ACCOUNTS = [(100, 10_000, 3), (HUGE, 2**63 - 1, 1000), (0, 10_000, 3), (100, 10_000, 0)]
INSTRUMENTS = [(5, 10, 2), (1, 1, 1), (1, 1, 1), (1, 1, 2**40)]
IOC, MARKET = {"time_in_force": TimeInForce.IOC}, {"type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}


@pytest.fixture
def made() -> rig.Rig:
    """riskd with two shards, four accounts and four instruments."""
    return rig.Rig(ACCOUNTS, INSTRUMENTS)


def after(made: rig.Rig, *requests: Any, shard: int = 0) -> list[Any]:
    """The commands of a shard that the requests become."""
    made.send(*requests)
    made.run()
    return made.written(shard)


ONE_WRONG = [
    (rig.new(4, 1, 50, 100), Reason.UNKNOWN_ACCOUNT),
    (rig.new(-1, 1, 50, 100), Reason.UNKNOWN_ACCOUNT),
    (rig.new(0, 1, 50, 100, instrument=4), Reason.UNKNOWN_INSTRUMENT),
    (rig.new(0, 1, 50, 100, instrument=-1), Reason.UNKNOWN_INSTRUMENT),
    (rig.new(0, 1, 50, 100, side=2), Reason.UNKNOWN_SIDE),
    (rig.new(0, 1, 50, 100, type=0), Reason.UNKNOWN_TYPE),
    (rig.new(0, 1, 50, 100, type=11), Reason.UNKNOWN_TYPE),
    (rig.new(0, 1, 50, 100, time_in_force=0), Reason.UNKNOWN_TIME_IN_FORCE),
    (rig.new(0, 1, 50, 100, time_in_force=8), Reason.UNKNOWN_TIME_IN_FORCE),
    (rig.new(0, 1, 0, 100, type=OrderType.MARKET), Reason.TYPE_AND_TIME_IN_FORCE_DISAGREE),
    (rig.new(0, 1, 50, 0), Reason.QUANTITY_NOT_POSITIVE),
    (rig.new(0, 1, 50, -10), Reason.QUANTITY_NOT_POSITIVE),
    (rig.new(0, 1, 50, 105), Reason.QUANTITY_OFF_LOT),
    (rig.new(0, 1, 0, 100), Reason.PRICE_NOT_POSITIVE),
    (rig.new(0, 1, -5, 100), Reason.PRICE_NOT_POSITIVE),
    (rig.new(0, 1, 52, 100), Reason.PRICE_OFF_TICK),
    (rig.new(0, 1, 52, 100, **MARKET), Reason.PRICE_OFF_TICK),
    (rig.new(0, 1, -5, 100, **MARKET), Reason.PRICE_NOT_POSITIVE),
    (rig.extended(0, 1, 50, 100, display_quantity=15), Reason.QUANTITY_OFF_LOT),
    (rig.extended(0, 1, 50, 100, minimum_quantity=-15), Reason.QUANTITY_OFF_LOT),
    (rig.extended(0, 1, 0, 100, type=OrderType.STOP_LIMIT, stop_price=50), Reason.PRICE_NOT_POSITIVE),
    (rig.extended(0, 1, 0, 100, type=OrderType.STOP, stop_price=52), Reason.PRICE_OFF_TICK),
    (rig.extended(0, 1, 0, 100, type=OrderType.PEGGED_BID, stop_price=-52), Reason.PRICE_OFF_TICK),
    (rig.extended(0, 1, 0, 100, type=OrderType.TRAILING_STOP, stop_price=50, step=6), Reason.PRICE_OFF_TICK),
    (rig.extended(0, 1, 0, 100, type=OrderType.TRAILING_STOP, stop_price=50, step=-5), Reason.PRICE_OFF_TICK),
    (rig.extended(0, 1, 0, 100, type=OrderType.TRAILING_STOP, stop_price=50, step=5 << 16), Reason.PRICE_OFF_TICK),
    (rig.extended(0, 1, 0, 1000, type=OrderType.STOP, stop_price=255), Reason.NOTIONAL_ABOVE_MAXIMUM),
    (rig.extended(0, 1, 255, 1000, type=OrderType.PEGGED_ASK), Reason.NOTIONAL_ABOVE_MAXIMUM),
    (rig.extended(0, 1, 255, 1000, **MARKET), Reason.NOTIONAL_ABOVE_MAXIMUM),
    (rig.extended(0, 1, 50, 100, linked_to=7), Reason.UNKNOWN_ORDER),
    (rig.extended(0, 7, 50, 100, linked_to=7), Reason.UNKNOWN_ORDER),
    (rig.new(0, 1, 5, 1010), Reason.QUANTITY_ABOVE_MAXIMUM),
    (rig.new(2, 1, 5, 10), Reason.QUANTITY_ABOVE_MAXIMUM),
    (rig.new(1, 1, 2**40, 2**30, instrument=1), Reason.NOTIONAL_OVERFLOW),
    (rig.new(1, 1, 2**10, 2**13, instrument=3), Reason.NOTIONAL_OVERFLOW),
    (rig.new(0, 1, 255, 1000), Reason.NOTIONAL_ABOVE_MAXIMUM),
    (rig.new(0, 0, 50, 100), Reason.DUPLICATE_CLIENT_ORDER_ID),
    (rig.new(3, 1, 50, 100), Reason.TOO_MANY_OPEN_ORDERS),
    (rig.cancel(0, 7), Reason.UNKNOWN_ORDER),
    (rig.cancel(9, 7), Reason.UNKNOWN_ACCOUNT),
    (rig.replace(0, 7, 50, 100), Reason.UNKNOWN_ORDER),
    (rig.replace(9, 7, 50, 100), Reason.UNKNOWN_ACCOUNT),
    (rig.reduce(0, 7, 10), Reason.UNKNOWN_ORDER),
    (rig.reduce(9, 7, 10), Reason.UNKNOWN_ACCOUNT),
    (rig.mass_cancel(9, NO_INSTRUMENT), Reason.UNKNOWN_ACCOUNT),
    (rig.mass_cancel(0, NO_INSTRUMENT, flags=4), Reason.UNKNOWN_INSTRUMENT),
    (rig.mass_cancel(0, 0, flags=2, side=2), Reason.UNKNOWN_SIDE),
    (rig.mass_cancel(0, 0, flags=4, price=4, stop_price=10), Reason.PRICE_OFF_TICK),
    (rig.mass_cancel(0, 0, flags=4, price=5, stop_price=11), Reason.PRICE_OFF_TICK),
    (rig.mass_cancel(0, 4), Reason.UNKNOWN_INSTRUMENT),
    (rig.new(1, 1, 2**31, 2**31 + 1, instrument=2), Reason.POSITION_OVERFLOW),
    (rig.request(CommandKind.INSTRUMENT, 0), Reason.UNKNOWN_COMMAND),
    (rig.request(CommandKind.CLOCK, 0), Reason.UNKNOWN_COMMAND),
]


@pytest.mark.parametrize(("request_", "reason"), ONE_WRONG, ids=lambda value: getattr(value, "name", None))
def test_one_thing_wrong(made: rig.Rig, request_: Any, reason: Reason) -> None:
    """A refused request is a numbered command with its reason and the fields as they were sent; nothing is held for it."""
    shard = int(request_["instrument"]) % 2 if 0 <= request_["instrument"] < 4 else 0
    (command,) = after(made, request_, shard=shard)
    assert Reason(int(command["verdict"])) is reason
    assert (command["sequence"], command["order_id"], command["origin"], command["origin_sequence"]) == (1, 0, 0, 1)
    for name in ("price", "quantity", "client_order_id", "account", "instrument", "kind"):
        assert command[name] == request_[name]
    assert not made.risk["accounts"]["open_orders"].any()
    assert not made.risk["accounts"]["held"].any()


def test_the_first_of_many_wrongs_is_told(made: rig.Rig) -> None:
    """Put right one by one, they come up in the order of their codes."""
    order = rig.extended(
        9, 1, -1, 0, instrument=9, side=9, type=19, time_in_force=9, minimum_quantity=5, stop_price=7, step=3, linked_to=7
    )
    right = (
        {"account": 0}, {"instrument": 0}, {"side": Side.SELL}, {"type": OrderType.MARKET}, {"time_in_force": TimeInForce.GTC},
        {"type": OrderType.LIMIT}, {"quantity": 100_005}, {"quantity": 100_000, "minimum_quantity": 0}, {"price": 255},
        {"stop_price": 0, "time_ns": 0}, {"quantity": 1000}, {"price": 50},
    )  # fmt: skip
    reasons = []
    for change in right:
        reasons += [int(command["verdict"]) for command in after(made, order) + made.written(1)]
        for name, value in change.items():
            order[name] = value
    assert reasons == sorted(reasons)
    assert len(set(reasons)) == len(right)
    assert after(made, order)[0]["verdict"] == Reason.UNKNOWN_ORDER
    order["order_id"] = 0
    assert after(made, order)[0]["verdict"] == 0


def test_an_order_is_numbered_in_ticks_and_lots(made: rig.Rig) -> None:
    """Its id is the command's number and the slot; the time is that of the slice."""
    made.run(now_ns=77)
    first, second = after(made, rig.new(0, 5, 50, 100, session=9, request_id=8), rig.new(0, 6, 45, 20, side=Side.SELL))
    assert (first["sequence"], first["order_id"], first["price"], first["quantity"]) == (1, 1 << 24, 10, 10)
    assert (second["sequence"], second["order_id"], second["price"], second["quantity"]) == (2, 2 << 24 | 1, 9, 2)
    assert (first["session"], first["request_id"], first["client_order_id"], first["time_ns"]) == (9, 8, 5, 77)
    assert made.risk["accounts"][0]["held"].tolist() == [10 * 10 * 2, 9 * 2 * 2]


def test_each_shard_counts_for_itself(made: rig.Rig) -> None:
    """Instruments are dealt over the shards, and each numbers from 1."""
    zeros = after(made, *(rig.new(1, 1 + k, 50, 100, instrument=k) for k in range(4)))
    ones = made.written(1)
    assert [(c["instrument"], c["sequence"]) for c in zeros] == [(0, 1), (2, 2)]
    assert [(c["instrument"], c["sequence"]) for c in ones] == [(1, 1), (3, 2)]


def test_time_never_goes_back(made: rig.Rig) -> None:
    """A clock that is set back stands still until it has caught up."""
    times = []
    for number, now_ns in enumerate((100, 50, 99, 101)):
        made.send(rig.cancel(0, number + 1))
        made.run(now_ns)
        times += [int(command["time_ns"]) for command in made.written(0)]
    assert times == [100, 100, 100, 101]


SECOND = 1_000_000_000


def clocks(made: rig.Rig, now_ns: int) -> list[list[int]]:
    """The times of each shard's CLOCKs after a slice at that time; there is nothing else."""
    made.run(now_ns)
    commands = [made.written(shard) for shard in range(2)]
    assert all(c["kind"] == CommandKind.CLOCK and c["origin"] == RISKD_ORIGIN for each in commands for c in each)
    return [[int(command["time_ns"]) for command in each] for each in commands]


def test_a_clock_is_sent_once_a_second_while_an_order_may_expire(made: rig.Rig) -> None:
    """To its shard alone; no other order is a reason for one."""
    now_ns = 100 * SECOND
    made.send(rig.new(1, 1, 60, 100), rig.new(1, 2, 60, 100, instrument=1))
    made.run(now_ns)
    assert [len(made.written(shard)) for shard in range(2)] == [1, 1]
    assert clocks(made, now_ns + 10 * SECOND) == [[], []]
    (order,) = after(made, rig.extended(1, 3, 60, 100, time_in_force=TimeInForce.GTD, expiry_ns=1 << 62))
    now_ns += 20 * SECOND
    assert clocks(made, now_ns) == [[now_ns], []]
    assert clocks(made, now_ns + SECOND - 1) == [[], []]
    assert clocks(made, now_ns + SECOND) == [[now_ns + SECOND], []]
    events_of(made, order, {"kind": EventKind.CANCELLED, "reason": Reason.EXPIRED, "quantity": 10})
    assert clocks(made, now_ns + 9 * SECOND) == [[], []]


def test_an_order_that_changes_its_type_still_expires(made: rig.Rig) -> None:
    """A triggered stop-limit is a limit order, good till the same date."""
    terms = {"type": OrderType.STOP_LIMIT, "stop_price": 50, "time_in_force": TimeInForce.GTD, "expiry_ns": 1 << 62}
    (order,) = after(made, rig.extended(1, 1, 60, 100, **terms))
    events_of(made, order, {"kind": EventKind.TRIGGERED, "price": 12, "leaves": 10})
    assert clocks(made, 5 * SECOND) == [[5 * SECOND], []]
    events_of(made, order, {"kind": EventKind.CANCELLED, "quantity": 10})
    assert clocks(made, 9 * SECOND) == [[], []]


def test_a_clock_waits_for_room(made: rig.Rig) -> None:
    """Orders may fill the ring; the clock is told when there is room."""
    (_,) = after(made, rig.extended(1, 1, 60, 100, time_in_force=TimeInForce.GTD, expiry_ns=1 << 62))
    for _ in range(2):
        made.send(*(rig.cancel(0, 7) for _ in range(rig.CAPACITY // 2)))
        made.run()
    made.run(5 * SECOND)
    assert len(made.written(0)) == rig.CAPACITY
    assert clocks(made, 6 * SECOND) == [[6 * SECOND], []]


def test_an_id_is_taken_until_its_order_has_ended(made: rig.Rig) -> None:
    """Of the same account: another may use the same number. After the last event it is free again."""
    order = rig.new(0, 1, 50, 100)
    commands = after(made, order, order, rig.new(1, 1, 50, 100), rig.cancel(0, 1), order)
    assert [c["verdict"] for c in commands] == [
        0, Reason.DUPLICATE_CLIENT_ORDER_ID, 0, 0, Reason.DUPLICATE_CLIENT_ORDER_ID
    ]  # fmt: skip
    assert commands[3]["order_id"] == commands[0]["order_id"]
    matcher = SimpleMatcher()
    made.tell(0, [event for command in commands for event in matcher.handle(command)])
    made.run()
    assert after(made, order)[0]["verdict"] == 0


def test_open_orders_and_slots_are_counted(made: rig.Rig) -> None:
    """A fourth order of an account that may have three, and one more than the pool has slots."""
    few = after(made, *(rig.new(0, k, 50, 10) for k in range(1, 5)))
    assert [c["verdict"] for c in few] == [0, 0, 0, Reason.TOO_MANY_OPEN_ORDERS]
    many = after(made, *(rig.new(1, k, 50, 10) for k in range(rig.SLOTS - 1)))
    assert [c["verdict"] for c in many] == [Reason.DUPLICATE_CLIENT_ORDER_ID] + [0] * (rig.SLOTS - 3) + [Reason.ORDER_POOL_FULL]


def test_a_burst_cannot_pass_a_limit_that_its_own_orders_exhaust(made: rig.Rig) -> None:
    """Two hundred orders in one batch against a count of three: what is on its way counts."""
    commands = after(made, *(rig.new(0, k, 50, 10) for k in range(1, 201)))
    assert sum(c["verdict"] == 0 for c in commands) == 3


def test_holds_cannot_be_taken_past_their_bound(made: rig.Rig) -> None:
    """Each order fits an int64, and the second would take the account's sum beyond what fills could be booked in."""
    half = MONEY_BOUND // 2 + 1
    commands = after(made, *(rig.new(1, k, 1, half, instrument=2) for k in (1, 2)))
    assert [c["verdict"] for c in commands] == [0, Reason.POSITION_OVERFLOW]


def test_a_market_order_is_reckoned_at_the_last_trade(made: rig.Rig) -> None:
    """Or at its protection price, which travels on. Before the first trade its quantity alone is limited; it holds nothing."""
    matcher = SimpleMatcher()
    (blind,) = after(made, rig.new(0, 1, 0, 1000, **MARKET))
    assert (blind["verdict"], blind["price"]) == (0, 0)
    assert not made.risk["accounts"][0]["held"].any()
    commands = [blind, *after(made, rig.new(1, 1, 300, 10, side=Side.SELL), rig.new(1, 2, 300, 10))]
    made.tell(0, [event for command in commands for event in matcher.handle(command)])
    refused, passed = after(made, rig.new(0, 2, 0, 1000, **MARKET), rig.new(0, 3, 0, 500, **MARKET))
    assert refused["verdict"] == Reason.NOTIONAL_ABOVE_MAXIMUM
    assert (passed["verdict"], passed["price"]) == (0, 0)
    assert made.risk["accounts"][0]["held"].tolist() == [60 * 50 * 2, 0]
    (protected,) = after(made, rig.new(0, 4, 50, 100, **MARKET))
    assert (protected["verdict"], protected["price"], protected["flags"]) == (0, 10, 0)
    assert made.risk["accounts"][0]["held"].tolist() == [60 * 50 * 2 + 10 * 10 * 2, 0]


def test_every_term_becomes_ticks_and_lots(made: rig.Rig) -> None:
    """Basis points stay as they are, an offset may be negative; the partner is named by its slot; 64 bits of its id count."""
    huge = (1 << 64) - 2
    terms = {"stop_price": 60, "display_quantity": 20, "minimum_quantity": 10, "expiry_ns": 77, "step": 10, "flags": 2}
    more = {"self_trade_rule": 3, "self_trade_group": 4, "type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTD}
    first, second, third, fourth = after(
        made,
        rig.new(1, 1, 50, 100),
        rig.extended(1, huge, 50, 100, **terms, **more),
        rig.extended(1, 3, 0, 100, type=OrderType.TRAILING_STOP, stop_price=52, flags=64, linked_to=huge),
        rig.extended(1, 4, 0, 100, type=OrderType.PEGGED_ASK, stop_price=-15, linked_to=1),
    )
    wanted = {"price": 10, "stop_price": 12, "quantity": 10, "display_quantity": 2, "minimum_quantity": 1, "expiry_ns": 77}
    wanted |= {"step": 2, "flags": 3, "linked": 0, "self_trade_rule": 3, "self_trade_group": 4, "type": 5, "time_in_force": 4}
    assert {name: int(second[name]) for name in wanted} == wanted
    assert (first["flags"], first["linked"], first["step"]) == (0, 0, 0)
    assert (third["stop_price"], third["flags"], third["linked"]) == (52, 65, (int(second["order_id"]) & 0xFFFFFF) + 1)
    assert (fourth["stop_price"], fourth["price"], fourth["linked"]) == (-3, 0, (int(first["order_id"]) & 0xFFFFFF) + 1)
    assert [int(c["order_id"]) >> 24 for c in (first, second, third, fourth)] == [1, 2, 3, 4]


def test_a_partner_in_another_shard_is_an_unknown_one(made: rig.Rig) -> None:
    """Its slot would mean another order there; another account's order is unknown anyway."""
    after(made, rig.new(1, 1, 50, 100, instrument=1), rig.new(0, 2, 50, 100))
    commands = after(made, *(rig.extended(1, 8, 50, 100, linked_to=other) for other in (1, 2)))
    assert [c["verdict"] for c in commands] == [Reason.UNKNOWN_ORDER] * 2


def test_what_needs_the_flag_extended_gets_it(made: rig.Rig) -> None:
    """A plain message of a type, or for a time, that the matcher takes as extended alone; and what the account's orders do."""
    kinds = [
        ({}, 0), (IOC, 0), ({"time_in_force": TimeInForce.DAY}, 0), (MARKET, 0), ({"time_in_force": TimeInForce.FOK}, 1),
        ({"type": OrderType.MARKET_TO_LIMIT}, 1), ({"time_in_force": TimeInForce.AT_CLOSE}, 1),
    ]  # fmt: skip
    commands = after(made, *(rig.new(1, k, 50, 10, **kind) for k, (kind, _) in enumerate(kinds, 1)))
    assert [c["flags"] for c in commands] == [flags for _, flags in kinds]
    made.risk["accounts"][1]["self_trade_rule"], made.risk["accounts"][1]["self_trade_group"] = 2, 7
    plain, other, group = after(
        made,
        rig.new(1, 21, 50, 10),
        rig.extended(1, 22, 50, 10, self_trade_rule=4),
        rig.extended(1, 23, 50, 10, self_trade_group=9),
    )
    names = ("flags", "self_trade_rule", "self_trade_group")
    assert [[int(c[name]) for name in names] for c in (plain, other, group)] == [[1, 2, 7], [1, 4, 7], [1, 2, 9]]


RECKONED = [
    ({"type": OrderType.STOP_LIMIT, "stop_price": 60, "price": 50}, 10),
    ({"type": OrderType.STOP, "stop_price": 60}, 12),
    ({"type": OrderType.STOP, "stop_price": 60, "side": Side.SELL}, 8),
    ({"type": OrderType.TRAILING_STOP, "stop_price": 60}, 8),
    ({"type": OrderType.TRAILING_STOP_LIMIT, "stop_price": 60, "price": 5}, 8),
    ({"type": OrderType.PEGGED_BID, "price": 45}, 9),
    ({"type": OrderType.PEGGED_BID}, 8),
    ({"type": OrderType.MARKET_TO_LIMIT}, 8),
]


@pytest.mark.parametrize(("terms", "price"), RECKONED)
def test_money_is_reckoned_at_the_worst_price_that_is_known(made: rig.Rig, terms: dict[str, int], price: int) -> None:
    """In ticks: the limit, the stop price of a buy, else the last trade's, here 8."""
    made.risk["instruments"][0]["last_price"] = 8
    after(made, rig.extended(1, 1, terms.pop("price", 0), 100, **terms))
    side = terms.get("side", Side.BUY)
    assert made.risk["accounts"][1]["held"][side] == price * 10 * 2
    assert made.risk["accounts"][1]["held"][1 - side] == 0


def events_of(made: rig.Rig, command: Any, *told: dict[str, int]) -> None:
    """Tell riskd what the matcher says of the order of ``command``."""
    events = np.zeros(len(told), EVENT)
    for event, fields in zip(events, told, strict=True):
        for name in ("order_id", "account", "instrument"):
            event[name] = command[name]
        for name, value in fields.items():
            event[name] = value
    made.tell(0, events)
    made.run()


def test_what_the_matcher_restates_is_held(made: rig.Rig) -> None:
    """Price, quantity and leaves; without a price it is reckoned as before; one that would pass the bounds is not taken."""
    (command,) = after(made, rig.extended(1, 1, 0, 100, type=OrderType.PEGGED_BID))
    held, order = made.risk["accounts"][1]["held"], made.risk["orders"][0, int(command["order_id"]) & 0xFFFFFF]
    for price, quantity, leaves, reckoned in ((20, 10, 10, 20), (0, 9, 8, 20), (2**48, 9, 8, 2**48), (2**61, 9, 8, 2**48)):
        events_of(made, command, {"kind": EventKind.RESTATED, "price": price, "quantity": quantity, "leaves": leaves})
        assert (order["price"], order["quantity"], order["leaves"], order["working"]) == (reckoned, quantity, leaves, leaves)
        assert held.tolist() == [reckoned * leaves * 2, 0]
    assert made.risk["header"]["fault"] == 0


def test_a_stop_limit_is_held_at_its_limit_once_it_is_triggered(made: rig.Rig) -> None:
    """Which for a trailing one is known only then; until it is, a replace's price is how far the limit is off."""
    made.risk["instruments"][0]["last_price"] = 8
    trailing = {"type": OrderType.TRAILING_STOP_LIMIT, "stop_price": 30}
    (command,) = after(made, rig.extended(1, 1, 5, 100, **trailing))
    held = made.risk["accounts"][1]["held"]
    (replace,) = after(made, rig.replace(1, 1, 10, 200, stop_price=15))
    assert (replace["verdict"], replace["price"], replace["stop_price"], replace["quantity"]) == (0, 2, 3, 20)
    events_of(made, command, {"kind": EventKind.REPLACED, "price": 2, "quantity": 20, "leaves": 20})
    assert held.tolist() == [8 * 20 * 2, 0]
    events_of(made, command, {"kind": EventKind.TRIGGERED, "price": 14, "quantity": 20, "leaves": 20})
    assert held.tolist() == [14 * 20 * 2, 0]
    assert after(made, rig.replace(1, 1, 0, 200))[0]["verdict"] == Reason.PRICE_NOT_POSITIVE, "it is a limit order now"


def test_a_stop_that_was_moved_up_is_held_at_its_new_stop_price(made: rig.Rig) -> None:
    """No event says where it is: the highest stop price that was asked for counts."""
    (command,) = after(made, rig.extended(1, 1, 0, 100, type=OrderType.STOP, stop_price=60))
    held = made.risk["accounts"][1]["held"]
    after(made, rig.replace(1, 1, 0, 100, stop_price=75))
    assert held.tolist() == [15 * 10 * 2, 0]
    events_of(made, command, {"kind": EventKind.REPLACED, "price": 0, "quantity": 10, "leaves": 10})
    after(made, rig.replace(1, 1, 0, 100, stop_price=65))
    events_of(made, command, {"kind": EventKind.REPLACED, "price": 0, "quantity": 10, "leaves": 10})
    assert held.tolist() == [15 * 10 * 2, 0]
    assert after(made, rig.replace(1, 1, 0, 100, stop_price=64))[0]["verdict"] == Reason.PRICE_OFF_TICK


def test_a_basis_point_distance_is_replaced_by_one(made: rig.Rig) -> None:
    """It is no price, and need not be a multiple of the tick."""
    after(made, rig.extended(1, 1, 0, 100, type=OrderType.TRAILING_STOP, stop_price=33, flags=64))
    (command,) = after(made, rig.replace(1, 1, 0, 100, stop_price=64))
    assert (command["verdict"], command["stop_price"]) == (0, 64)


def test_a_reduce_gives_nothing_back_before_it_is_done(made: rig.Rig) -> None:
    """Nor when it is refused; and it needs whole lots."""
    order, off, none, reduce, late = after(
        made, rig.new(1, 1, 50, 100), rig.reduce(1, 1, 15), rig.reduce(1, 1, 0), rig.reduce(1, 1, 30), rig.reduce(1, 1, 10)
    )
    assert [off["verdict"], none["verdict"]] == [Reason.QUANTITY_OFF_LOT, Reason.QUANTITY_NOT_POSITIVE]
    assert (reduce["verdict"], reduce["quantity"], reduce["order_id"], reduce["instrument"]) == (0, 3, order["order_id"], 0)
    held, matcher = made.risk["accounts"][1]["held"], SimpleMatcher()
    made.tell(0, matcher.handle(order))
    made.run()
    assert held.tolist() == [10 * 10 * 2, 0]
    made.tell(0, matcher.handle(reduce))
    made.run()
    assert held.tolist() == [10 * 10 * 2, 0], "another reduce is on its way"
    rejected = {"kind": EventKind.REJECTED, "reason": Reason.NOT_IN_THIS_STATE, "flags": CommandKind.REDUCE}
    events_of(made, late, rejected)
    assert held.tolist() == [10 * 7 * 2, 0]


def test_a_mass_cancel_is_narrowed_down_in_ticks(made: rig.Rig) -> None:
    """What its flags do not name is passed on as it came."""
    (command,) = after(made, rig.mass_cancel(0, 0, flags=7, side=1, price=50, stop_price=100, session=9))
    names = ("verdict", "flags", "side", "price", "stop_price", "session")
    assert [int(command[name]) for name in names] == [0, 7, 1, 10, 20, 9]
    assert len(after(made, rig.mass_cancel(0, NO_INSTRUMENT, flags=3, side=1))) == 1


def test_the_trades_of_an_auction_are_fills_of_both(made: rig.Rig) -> None:
    """Neither order is new; the event's first is the buyer."""
    buy, sell = after(made, rig.new(1, 1, 60, 100), rig.new(1, 2, 40, 50, side=Side.SELL))
    resting = {f"resting_{name}": int(sell[name]) for name in ("order_id", "client_order_id", "account")}
    trade = {"kind": EventKind.TRADE, "flags": EventFlag.AUCTION, "price": 10, "quantity": 5, "leaves": 5, "resting_leaves": 0}
    events_of(made, buy, trade | resting)
    assert made.risk["accounts"][1]["held"].tolist() == [12 * 5 * 2, 0]
    position = made.risk["positions"][made.risk["orders"][0, int(buy["order_id"]) & 0xFFFFFF]["position"]]
    assert (position["bought"], position["sold"], position["open"].tolist()) == (5, 5, [5, 0])


def test_a_replace_is_limited_by_what_it_adds(made: rig.Rig) -> None:
    """Above a limit that has become smaller, less is allowed and more is not."""
    after(made, rig.new(0, 1, 50, 500))
    made.risk["accounts"][0]["maximum_quantity"] = 20
    made.risk["accounts"][0]["maximum_notional"] = 100
    requests = [(50, 510), (55, 500), (50, 490), (50, 400), (52, 400), (50, 405), (50, 0), (0, 400)]
    commands = after(made, *(rig.replace(0, 1, price, quantity) for price, quantity in requests))
    assert [c["verdict"] for c in commands] == [
        Reason.QUANTITY_ABOVE_MAXIMUM, Reason.NOTIONAL_ABOVE_MAXIMUM, 0, 0, Reason.PRICE_OFF_TICK, Reason.QUANTITY_OFF_LOT,
        Reason.QUANTITY_NOT_POSITIVE, Reason.PRICE_NOT_POSITIVE,
    ]  # fmt: skip
    assert (commands[3]["order_id"], commands[3]["price"], commands[3]["quantity"]) == (1 << 24, 10, 40)
    assert (commands[0]["order_id"], commands[0]["price"], commands[0]["quantity"]) == (0, 50, 510)


def test_the_worst_is_held_while_a_replace_is_on_its_way(made: rig.Rig) -> None:
    """Until the outcome is known both prices count; then the order's own."""
    commands = after(made, rig.new(1, 1, 50, 100), rig.replace(1, 1, 60, 100), rig.replace(1, 1, 40, 50))
    held = made.risk["accounts"][1]["held"]
    assert held.tolist() == [12 * 10 * 2, 0]
    matcher = SimpleMatcher()
    made.tell(0, [event for command in commands[:2] for event in matcher.handle(command)])
    made.run()
    assert held.tolist() == [12 * 10 * 2, 0]
    made.tell(0, matcher.handle(commands[2]))
    made.run()
    assert held.tolist() == [8 * 5 * 2, 0]


def test_too_many_replaces_on_their_way_wait(made: rig.Rig) -> None:
    """The count of an order is not passed: the request stays in its ring."""
    after(made, rig.new(1, 1, 50, 100))
    made.risk["orders"][0, 0]["pending"] = PENDING_BOUND
    assert after(made, rig.replace(1, 1, 60, 100)) == []
    made.risk["orders"][0, 0]["pending"] = 0
    assert len(after(made)) == 1


def test_a_mass_cancel_goes_into_every_shard_it_concerns(made: rig.Rig) -> None:
    """Of one instrument: into its shard. Of all: into each."""
    assert len(after(made, rig.mass_cancel(0, 3), shard=1)) == 1
    assert made.written(0) == []
    assert len(after(made, rig.mass_cancel(0, NO_INSTRUMENT))) == 1
    (second,) = made.written(1)
    assert (second["sequence"], second["instrument"], second["origin_sequence"]) == (2, NO_INSTRUMENT, 2)


def test_an_event_that_cannot_be_true_stops_riskd(made: rig.Rig) -> None:
    """A fill of an order that is not there: nothing more is handled, and the header says which event it was."""
    matcher = SimpleMatcher()
    commands = after(made, rig.new(1, 1, 50, 100), rig.cancel(1, 1))
    accepted, cancelled = [event for command in commands for event in matcher.handle(command)]
    made.tell(0, [accepted, cancelled, cancelled])
    made.send(rig.new(1, 2, 50, 100))
    made.run()
    assert made.risk["header"]["fault"] == 3
    assert made.written(0) == []
    assert made.run() == 0
