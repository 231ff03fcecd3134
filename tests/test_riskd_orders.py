"""What riskd asks of single orders beside their size: is the price near the market. And that it is so after any restart."""

from collections.abc import Iterator

import pytest

import riskd_rig as rig
from conftest import Place
from shm.controls import UNLIMITED, Control, Reference, Scope
from shm.reasons import Reason
from shm.records import OrderType, Side, TimeInForce
from test_riskd_controls import ask, orders, put, verdicts
from test_riskd_limits import Desk
from test_riskd_process import INSTRUMENTS, Neighbours

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
        rows = {row["control"]: (row["value"], row["settings"]) for row in ask(riskd, "risk", scope="instrument", number=0)[1:5]}
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
