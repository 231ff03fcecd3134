"""What riskd refuses and why, one request a line; and what it numbers, and how."""

from typing import Any

import pytest

import riskd_rig as rig
from riskd.layout import MONEY_BOUND, PENDING_BOUND
from riskd_reference import SimpleMatcher
from shm.reasons import Reason
from shm.records import NO_INSTRUMENT, CommandKind, OrderType, Side, TimeInForce

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
    (rig.new(0, 1, 50, 100, type=3), Reason.UNKNOWN_TYPE),
    (rig.new(0, 1, 50, 100, time_in_force=0), Reason.UNKNOWN_TIME_IN_FORCE),
    (rig.new(0, 1, 0, 100, type=OrderType.MARKET), Reason.TYPE_AND_TIME_IN_FORCE_DISAGREE),
    (rig.new(0, 1, 50, 0), Reason.QUANTITY_NOT_POSITIVE),
    (rig.new(0, 1, 50, -10), Reason.QUANTITY_NOT_POSITIVE),
    (rig.new(0, 1, 50, 105), Reason.QUANTITY_OFF_LOT),
    (rig.new(0, 1, 0, 100), Reason.PRICE_NOT_POSITIVE),
    (rig.new(0, 1, -5, 100), Reason.PRICE_NOT_POSITIVE),
    (rig.new(0, 1, 52, 100), Reason.PRICE_OFF_TICK),
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
    (rig.mass_cancel(9, NO_INSTRUMENT), Reason.UNKNOWN_ACCOUNT),
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
    order = rig.new(9, 1, 255, 100_005, instrument=9, side=9, type=9, time_in_force=9)
    right = (
        {"account": 0}, {"instrument": 0}, {"side": Side.SELL}, {"type": OrderType.MARKET}, {"time_in_force": TimeInForce.GTC},
        {"type": OrderType.LIMIT}, {"quantity": 100_000}, {"quantity": 1000}, {"price": 50},
    )  # fmt: skip
    reasons = []
    for change in right:
        reasons += [int(command["verdict"]) for command in after(made, order) + made.written(1)]
        for name, value in change.items():
            order[name] = value
    assert reasons == sorted(reasons)
    assert len(set(reasons)) == len(right)
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
    """Before the first trade its quantity alone is limited; it holds nothing then, and travels without a price always."""
    matcher = SimpleMatcher()
    (blind,) = after(made, rig.new(0, 1, 0, 1000, **MARKET))
    assert (blind["verdict"], blind["price"]) == (0, 0)
    assert not made.risk["accounts"][0]["held"].any()
    commands = [blind, *after(made, rig.new(1, 1, 300, 10, side=Side.SELL), rig.new(1, 2, 300, 10))]
    made.tell(0, [event for command in commands for event in matcher.handle(command)])
    refused, passed = after(made, rig.new(0, 2, 0, 1000, **MARKET), rig.new(0, 3, 777, 500, **MARKET))
    assert refused["verdict"] == Reason.NOTIONAL_ABOVE_MAXIMUM
    assert (passed["verdict"], passed["price"]) == (0, 0)
    assert made.risk["accounts"][0]["held"].tolist() == [60 * 50 * 2, 0]


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
