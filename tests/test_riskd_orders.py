"""What riskd asks of single orders beside their size: may the account trade this, from here; is the price near the market;
was it sent too often, or under an id that was used. And that it is so after any restart."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

import riskd_rig as rig
from conftest import Place
from riskd.controls import risk_command
from riskd.definitions import define
from riskd.layout import Sizes
from riskd.nearly import sentences
from riskd.permissions import bound
from riskd.remembered import remember
from riskd.state import empty_state
from shm.controls import PERMIT_BITS, RISK_COMMAND, UNLIMITED, Control, Permit, Reference, Scope
from shm.reasons import Reason
from shm.records import OrderType, Side, TimeInForce
from test_riskd_controls import ask, orders, put, verdicts
from test_riskd_limits import SELL, Desk
from test_riskd_process import ACCOUNTS, INSTRUMENTS, Neighbours

LATCHED, REPEATED = Reason.ACCOUNT_LATCHED, Reason.ORDER_REPEATED
MS = 10**6
NONE, MISSING, AWAY = Reason.NONE, Reason.REFERENCE_PRICE_MISSING, Reason.PRICE_AWAY_FROM_REFERENCE
IOC = {"time_in_force": TimeInForce.IOC}


@pytest.fixture
def neighbours(place: Place) -> Iterator[Neighbours]:
    """All that riskd needs around it."""
    made = Neighbours(place)
    yield made
    made.close()


def collar(desk: Desk, reference: Reference, **values: int) -> None:
    """Of instrument 0."""
    desk.put(Scope.INSTRUMENT, 0, Control.COLLAR_REFERENCE, reference)
    for name, value in values.items():
        desk.put(Scope.INSTRUMENT, 0, Control[f"COLLAR_{name.upper()}"], value)


def test_prices_may_be_so_far_from_the_last_trade() -> None:
    """On either side and to either direction, exactly so far; the reference moves with the trades; a replace is asked too."""
    desk = Desk()
    desk.trade(0, 2, 1, price=1000)
    collar(desk, Reference.LAST, ticks=30)
    assert [desk.order(0, 1, price) for price in (970, 969)] == [NONE, AWAY]
    assert [desk.order(2, 1, price, side=Side.SELL) for price in (1030, 1031)] == [NONE, AWAY]
    assert desk.order(0, 1, 969, instrument=1) is NONE, "another instrument has no collar"
    desk.trade(0, 2, 1, price=980)
    assert [desk.order(0, 1, price) for price in (950, 949)] == [NONE, AWAY]
    name = desk.names - 1
    assert desk.send(rig.replace(0, name, 949, 1), rig.replace(0, name, 951, 1)) == [AWAY, NONE]
    collar(desk, Reference.NONE)
    assert desk.order(0, 1, 1) is NONE


def test_a_width_in_basis_points_is_rounded_down_and_the_narrower_of_two_binds() -> None:
    """1 % of 995 ticks are 9; a width of 0 lets the reference alone pass, and a huge one wraps around nowhere."""
    desk = Desk()
    collar(desk, Reference.GIVEN, price=995, basis_points=100)
    assert [desk.order(0, 1, price) for price in (986, 985)] == [NONE, AWAY]
    collar(desk, Reference.GIVEN, ticks=5)
    assert [desk.order(0, 1, price) for price in (990, 989)] == [NONE, AWAY]
    collar(desk, Reference.GIVEN, ticks=0)
    assert [desk.order(0, 1, price) for price in (995, 994)] == [NONE, AWAY]
    collar(desk, Reference.GIVEN, ticks=UNLIMITED, basis_points=2**62)
    assert desk.order(0, 1, 2**30) is NONE


def test_without_a_reference_price_nothing_new_passes() -> None:
    """Not before the first trade, not without a given price, and no market order either; cancels and reduces do. A given
    price stands in until the first trade."""
    desk = Desk()
    assert desk.order(0, 5, 100) is NONE
    market = {"type": OrderType.MARKET, **IOC}
    for reference in (Reference.LAST, Reference.GIVEN):
        collar(desk, reference, ticks=10)
        assert [desk.order(0, 1, 100), desk.order(0, 1, 0, **market)] == [MISSING, MISSING]
    assert desk.send(rig.replace(0, 1, 100, 6), rig.reduce(0, 1, 1), rig.cancel(0, 1)) == [MISSING, NONE, NONE]
    collar(desk, Reference.LAST, price=200)
    assert [desk.order(0, 1, 100), desk.order(0, 1, 190)] == [AWAY, NONE]
    desk.trade(0, 2, 2, price=195)
    assert [desk.order(0, 1, 180), desk.order(0, 1, 185)] == [AWAY, NONE]


def test_a_collar_asks_about_limits_and_not_about_distances() -> None:
    """A market order's protection and a stop-limit's limit are prices; what trails, and what has no price, passes."""
    desk = Desk()
    collar(desk, Reference.GIVEN, price=1000, ticks=10)
    assert desk.order(0, 1, 1011, type=OrderType.MARKET, **IOC) is AWAY
    assert desk.order(0, 1, 0, type=OrderType.MARKET, **IOC) is NONE
    for type_, verdict in ((OrderType.STOP_LIMIT, AWAY), (OrderType.TRAILING_STOP_LIMIT, NONE), (OrderType.PEGGED_BID, AWAY)):
        desk.names += 1
        assert desk.send(rig.extended(0, desk.names, 5, 1, type=type_, stop_price=3)) == [verdict], type_.name


def test_a_collar_of_the_settings_and_one_set_live_are_there_after_a_restart(neighbours: Neighbours) -> None:
    """With the price that was given, in the units of the wire; a wrong one is told what is allowed."""
    first = {**INSTRUMENTS[0], "collar_reference": "given", "collar_price": 500, "collar_basis_points": 100}
    settings = neighbours.settings(instruments=[first, *INSTRUMENTS[1:]])
    riskd = neighbours.start(settings)
    orders(neighbours, riskd)
    put(riskd, "instrument", 0, "collar_price", 1000)
    put(riskd, "instrument", 0, "collar_ticks", 3)
    with pytest.raises(ValueError, match="value = 1001: allowed of collar_price is a multiple of 5"):
        put(riskd, "instrument", 0, "collar_price", 1001)
    with pytest.raises(ValueError, match="value = 3: allowed of collar_reference is an integer from 0 to 2"):
        put(riskd, "instrument", 0, "collar_reference", 3)
    for _ in range(2):
        rows = {
            row["control"]: (row["value"], row["settings"]) for row in ask(riskd, "risk", scope="instrument", number=0)[1:5]
        }
        assert rows == {
            "collar_reference": (Reference.GIVEN, Reference.GIVEN),
            "collar_price": (1000, 500),
            "collar_ticks": (3, UNLIMITED),
            "collar_basis_points": (100, 100),
        }
        orders(neighbours, riskd)
        name = int(riskd.risk["limits"]["highest_id"][0]) + 1
        found = verdicts(neighbours, riskd, rig.new(0, name, 990, 10), rig.new(0, name + 1, 985, 10))
        assert found == [NONE, AWAY]
        neighbours.stop()
        riskd = neighbours.start(settings)
        assert not riskd.do_work(), "the settings say nothing new"


def permit(desk: Desk, account: int, instrument: int, value: Permit) -> None:
    """By name."""
    desk.put(Scope.ACCOUNT, account, Control.INSTRUMENT, instrument << PERMIT_BITS | value)


def test_an_account_trades_what_it_may() -> None:
    """All but what is refused by name, or nothing but what is allowed by name; replaces are asked, cancels and others not."""
    desk, refused = Desk(), Reason.INSTRUMENT_NOT_ALLOWED
    assert desk.order(0, 5, 90) is NONE
    permit(desk, 0, 0, Permit.REFUSED)
    assert [desk.order(0, 1, instrument=k) for k in range(3)] == [refused, NONE, NONE]
    assert desk.send(rig.replace(0, 1, 90, 6), rig.reduce(0, 1, 1), rig.cancel(0, 1)) == [refused, NONE, NONE]
    desk.put(Scope.ACCOUNT, 0, Control.ALLOWED_INSTRUMENTS, 0)
    permit(desk, 0, 2, Permit.ALLOWED)
    assert [desk.order(0, 1, instrument=k) for k in range(3)] == [refused, refused, NONE]
    permit(desk, 0, 0, Permit.UNSET)
    desk.put(Scope.ACCOUNT, 0, Control.ALLOWED_INSTRUMENTS, 1)
    assert [desk.order(0, 1, instrument=k) for k in range(3)] == [NONE, NONE, NONE]
    assert [desk.order(1, 1, instrument=k) for k in range(3)] == [NONE, NONE, NONE], "another account's is another matter"


def test_an_account_sends_from_where_it_may() -> None:
    """The gateway that an order comes from is its session's; cancels come through any."""
    desk, refused = Desk(), Reason.GATEWAY_NOT_ALLOWED
    desk.put(Scope.ACCOUNT, 0, Control.ALLOWED_GATEWAYS, 0b10)
    assert desk.send(desk.new(0, 1)) == [refused]
    assert desk.send(desk.new(0, 5), gateway=1) == [NONE]
    assert desk.send(rig.replace(0, 2, 90, 6), rig.cancel(0, 2)) == [refused, NONE]
    assert desk.send(desk.new(1, 1)) == [NONE]


def repeats(desk: Desk, bound: int, window_ms: int = 100) -> None:
    """Of account 0."""
    desk.put(Scope.ACCOUNT, 0, Control.MAXIMUM_REPEATS, bound)
    desk.put(Scope.ACCOUNT, 0, Control.REPEAT_WINDOW_MS, window_ms)


def test_one_identical_order_too_many_latches_the_account_until_it_is_released() -> None:
    """It sends nothing new then, however long it waits and whatever it is; cancels and reduces pass; the log hears of it."""
    desk = Desk()
    repeats(desk, 3)
    assert [desk.order(0, 2) for _ in range(4)] == [NONE, NONE, NONE, REPEATED]
    desk.now_ns += 10**12
    assert [desk.order(0, 1, instrument=2), desk.order(0, 7, **SELL), desk.order(1, 2)] == [LATCHED, LATCHED, NONE]
    assert desk.send(rig.replace(0, 1, 90, 3), rig.reduce(0, 1, 1), rig.cancel(0, 1)) == [LATCHED, NONE, NONE]
    desk.rig.risk["names"][0][:5] = tuple(b"alice")
    told = [sentence for sentence, _ in sentences(desk.rig.risk, 0)]
    assert told == ["account alice is latched, for it has repeated an order too often"]
    desk.put(Scope.ACCOUNT, 0, Control.LATCH, 0)
    assert [desk.order(0, 2) for _ in range(4)] == [NONE, NONE, NONE, REPEATED], "it counts anew"
    repeats(desk, UNLIMITED)
    assert desk.order(0, 2) is LATCHED, "without the limit it is latched all the same"


def test_which_orders_are_identical() -> None:
    """Same instrument, side, type, price and quantity; eight different ones of a shard are known, the ninth drives one out."""
    desk = Desk()
    repeats(desk, 1)
    assert [desk.order(0, 2, 100), desk.order(0, 2, 101), desk.order(0, 3, 100)] == [NONE] * 3
    assert desk.order(0, 2, 100, instrument=1) is NONE
    assert [desk.order(0, 2, 103, **SELL), desk.order(0, 2, 100, **IOC, type=OrderType.MARKET)] == [NONE, NONE]
    assert desk.order(0, 2, 101) is REPEATED
    desk.put(Scope.ACCOUNT, 0, Control.LATCH, 0)
    desk.now_ns += 1
    assert [desk.order(0, 1, price) for price in range(50, 58)] == [NONE] * 8
    assert [desk.order(0, 2, 100), desk.order(0, 1, 57)] == [NONE, REPEATED]


def test_a_window_begins_with_its_first_order_and_refused_orders_do_not_count() -> None:
    """After the window the count begins anew; an order that something else refuses is no repetition."""
    desk = Desk()
    repeats(desk, 2)
    assert [desk.order(0, 2), desk.order(0, 2)] == [NONE, NONE]
    desk.now_ns += 100 * MS - 1
    desk.put(Scope.ACCOUNT, 0, Control.MAXIMUM_LONG, 4)
    assert [desk.order(0, 2) for _ in range(3)] == [Reason.LONG_POSITION_ABOVE_LIMIT] * 3
    desk.put(Scope.ACCOUNT, 0, Control.MAXIMUM_LONG, UNLIMITED)
    desk.now_ns += 1
    assert [desk.order(0, 2) for _ in range(3)] == [NONE, NONE, REPEATED]
    desk.put(Scope.ACCOUNT, 0, Control.LATCH, 0)
    repeats(desk, 0)
    assert desk.order(0, 9) is REPEATED, "0 blocks, as of every limit"


def test_permits_and_latches_are_kept_over_a_restart(neighbours: Neighbours) -> None:
    """Those of the settings, those set live, and that the account was latched and released; each is a numbered command."""
    first = {**ACCOUNTS[0], "allowed_instruments": ["ABC"], "maximum_repeats": 2, "repeat_window_ms": 86_400_000}
    settings = neighbours.settings(accounts=[first, {**ACCOUNTS[1], "allowed_gateways": [1]}])
    riskd = neighbours.start(settings)
    orders(neighbours, riskd)
    same = [rig.new(0, 1 + k, 500, 10) for k in range(4)]
    assert verdicts(neighbours, riskd, *same[:1], rig.new(1, 1, 500, 10)) == [NONE, Reason.GATEWAY_NOT_ALLOWED]
    put(riskd, "account", 1, "allowed_gateways", 1)
    put(riskd, "account", 1, "instrument", 1 << PERMIT_BITS | Permit.REFUSED)
    orders(neighbours, riskd)
    neighbours.stop()
    riskd = neighbours.start(settings)
    assert not riskd.do_work(), "the settings say nothing new"
    found = verdicts(neighbours, riskd, *same[1:], rig.new(0, 9, 10, 1, instrument=1), rig.new(1, 9, 10, 1, instrument=1))
    assert found == [NONE, REPEATED, LATCHED, Reason.INSTRUMENT_NOT_ALLOWED, Reason.INSTRUMENT_NOT_ALLOWED]
    assert {"control": "latch", "value": 1} in ask(riskd, "risk", scope="account", number=0)
    neighbours.stop()
    riskd = neighbours.start(settings)
    assert verdicts(neighbours, riskd, rig.new(0, 11, 505, 10)) == [LATCHED]
    put(riskd, "account", 0, "latch", 0)
    (released,) = orders(neighbours, riskd)
    body = released.reshape(1).view(RISK_COMMAND)[0]
    assert (body["before"], body["value"], body["count"]) == (1, 0, 1)
    neighbours.stop()
    riskd = neighbours.start(settings)
    assert verdicts(neighbours, riskd, rig.new(0, 12, 505, 10), rig.new(1, 12, 500, 10)) == [NONE, NONE]
    named = [row for row in ask(riskd, "risk", scope="account", number=1) if row["control"] == "instrument"]
    assert named == [{"control": "instrument", "value": 4 | Permit.REFUSED, "settings": 4, "symbol": "XYZ"}]


def test_permits_that_the_settings_no_longer_name_are_gone(neighbours: Neighbours) -> None:
    """And those that they name now are there; what was said live of another instrument stays."""
    riskd = neighbours.start(neighbours.settings(accounts=[{**ACCOUNTS[0], "allowed_instruments": ["ABC"]}, ACCOUNTS[1]]))
    orders(neighbours, riskd)
    neighbours.stop()
    settings = neighbours.settings(accounts=[{**ACCOUNTS[0], "allowed_instruments": ["XYZ"]}, ACCOUNTS[1]])
    riskd = neighbours.start(settings)
    orders(neighbours, riskd)
    found = verdicts(neighbours, riskd, rig.new(0, 1, 500, 10), rig.new(0, 2, 10, 1, instrument=1))
    assert found == [Reason.INSTRUMENT_NOT_ALLOWED, NONE]
    neighbours.stop()
    assert not neighbours.start(settings).do_work()


def test_there_is_room_for_so_many_permits_and_no_more(neighbours: Neighbours) -> None:
    """The next is refused with the bound; one that is named already may change."""
    riskd = neighbours.start()
    orders(neighbours, riskd)
    for account in range(2, 16):
        riskd.risk["permits"][account]["named"] = 8
    riskd.risk["permits"][1]["named"] = 15
    put(riskd, "account", 0, "instrument", int(Permit.REFUSED))
    assert bound(riskd.risk) == 128
    with pytest.raises(ValueError, match="128 pairs of account and instrument are named, and there is room for no more"):
        put(riskd, "account", 0, "instrument", 1 << PERMIT_BITS | Permit.REFUSED)
    put(riskd, "account", 0, "instrument", int(Permit.ALLOWED))
    for value in (3, 2 << PERMIT_BITS, -1, "ABC", True):
        with pytest.raises(ValueError, match="allowed of instrument is an instrument's number from 0 to below 2, times 4"):
            put(riskd, "account", 0, "instrument", value)


def test_a_release_is_of_the_latches_before_it_in_whatever_order_shards_are_replayed() -> None:
    """A release in the first shard may be met before the order in another shard that it is about, or long after it."""
    desk = Desk()
    repeats(desk, 0)
    assert desk.order(0, 1, instrument=1) is REPEATED
    release = risk_command(desk.rig.risk, Scope.ACCOUNT, 0, Control.LATCH, 0, b"joe")[0]
    for early in (True, False):
        desk = Desk()
        repeats(desk, 0)
        if early:
            define(desk.rig.risk, 0, release)
        assert desk.order(0, 1, instrument=1) is REPEATED
        if not early:
            define(desk.rig.risk, 0, release)
        assert desk.order(0, 1, instrument=1) is REPEATED, "the next one latches anew"
        assert desk.order(0, 1, instrument=1) is LATCHED


def test_ids_that_are_remembered_are_not_taken_again() -> None:
    """Whether their order was filled or cancelled; another account's, and those of refused orders, are free."""
    desk, taken = Desk(), Reason.DUPLICATE_CLIENT_ORDER_ID
    desk.put(Scope.ACCOUNT, 0, Control.REMEMBER_IDS, 1)
    assert desk.send(rig.new(0, 9, 90, 1), rig.cancel(0, 9), rig.new(0, 7, 90, 2**41)) == [
        NONE,
        NONE,
        Reason.QUANTITY_ABOVE_MAXIMUM,
    ]
    assert desk.send(rig.new(0, 9, 90, 1), rig.new(0, 7, 95, 1), rig.new(1, 9, 90, 1)) == [taken, NONE, NONE]
    assert desk.send(rig.new(2, 1, 95, 1, **SELL)) == [NONE]
    assert desk.send(rig.new(0, 7, 90, 1), rig.new(0, 9, 90, 1, instrument=1)) == [taken, taken]
    desk.put(Scope.ACCOUNT, 0, Control.REMEMBER_IDS, 0)
    assert desk.send(rig.new(0, 7, 90, 1)) == [NONE]


def test_so_many_ids_are_remembered() -> None:
    """Of ids that count up the last 256, with up to 4096 accounts; of those with equal lowest bits the last 8."""
    desk, taken = Desk(), Reason.DUPLICATE_CLIENT_ORDER_ID
    desk.put(Scope.ACCOUNT, 0, Control.REMEMBER_IDS, 1)
    for first in range(1, 257, 16):
        names = range(first, first + 16)
        assert desk.send(*(rig.new(0, name, 90, 1) for name in names), *(rig.cancel(0, name) for name in names)) == [NONE] * 32
        desk.now_ns += 1
    assert desk.send(rig.new(0, 1, 90, 1), rig.new(0, 256, 90, 1)) == [taken, taken]
    assert desk.send(rig.new(0, 257, 90, 1), rig.new(0, 1, 90, 1), rig.new(0, 2, 90, 1)) == [NONE, NONE, taken]
    for k in range(8):
        desk.now_ns += 1
        assert desk.send(rig.new(0, 10_000 * 32 + 32 * k, 90, 1), rig.cancel(0, 10_000 * 32 + 32 * k)) == [NONE, NONE]
    assert desk.send(rig.new(0, 256, 90, 1), rig.new(0, 320_032, 90, 1)) == [NONE, taken]


def test_remembered_ids_are_remembered_over_a_restart(neighbours: Neighbours) -> None:
    """Of either shard, out of the journal, whatever became of their orders."""
    settings = neighbours.settings(accounts=[{**ACCOUNTS[0], "remember_ids": True}, ACCOUNTS[1]])
    riskd = neighbours.start(settings)
    orders(neighbours, riskd)
    sent = [rig.new(0, 8, 500, 10), rig.cancel(0, 8), rig.new(0, 3, 10, 1, instrument=1), rig.cancel(0, 3)]
    assert verdicts(neighbours, riskd, *sent) == [NONE] * 4
    neighbours.stop()
    riskd = neighbours.start(settings)
    assert not riskd.do_work(), "the settings say nothing new"
    again = [rig.new(0, 3, 500, 10), rig.new(0, 8, 500, 10), rig.new(0, 4, 500, 10)]
    assert verdicts(neighbours, riskd, *again) == [Reason.DUPLICATE_CLIENT_ORDER_ID] * 2 + [NONE]


def test_what_is_remembered_does_not_depend_on_the_order_of_hearing(seed: int) -> None:
    """A replay takes one shard after the other; riskd took their orders in turns. Ids may come twice."""
    chance = random.Random(seed)
    orders_taken = [(chance.randrange(1, 400), chance.randrange(1000)) for _ in range(600)]
    found = set()
    for _ in range(3):
        chance.shuffle(orders_taken)
        risk = empty_state(Sizes(2, 2, 16, 8, rig.SLOTS))[0]
        for name, time_ns in orders_taken:
            remember(risk, 0, np.uint64(name), time_ns)
        found.add(risk["remembered"].tobytes())
    assert len(found) == 1
