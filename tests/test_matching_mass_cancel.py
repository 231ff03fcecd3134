"""The rules of ``docs/matching.md`` about mass cancels: each test is named like its rule."""

from matching_scenes import (
    ALL_OR_NONE,
    AT_CLOSE,
    BUYER,
    HIDDEN,
    OTHER,
    PEGGED_ASK,
    PEGGED_BID,
    SELLER,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)
from shm.records import NO_ACCOUNT, MassCancelFlag


def taken(*orders):
    """What tells that orders, each ``"number price×lots"``, were taken off, and how many."""
    return ", ".join([*(f"cancelled {order} cancelled_by_mass_cancel" for order in orders), f"mass_cancelled {len(orders)}"])


def test_mass_cancel(scene):
    """All of the account's, in the order in which they were accepted, wherever they are by now; nobody else's."""
    scene.sell(1, 102, 5)
    scene.sell(2, 101, 5, account=OTHER)
    scene.sell(3, 90, 4, instrument=2)
    scene.sell(4, 0, 5, type=STOP, stop_price=80)
    scene.buy(5, 85, 5, account=SELLER, flags=ALL_OR_NONE)
    scene.replace(1, 100, 5)
    assert scene.mass_cancel(SELLER) == taken("1 100x5", "3 90x4", "4 0x5", "5 85x5")
    assert scene.mass_cancel(SELLER) == "mass_cancelled 0"
    assert scene.asks == [(101, 5, 1)]


def test_mass_cancel_filters(scene):
    """By instrument, session, side and price, one or several of them."""
    by_session, by_side, by_price = MassCancelFlag
    scene.sell(1, 105, 1, session=7)
    scene.sell(2, 106, 1, session=8)
    scene.sell(3, 107, 1, session=8)
    scene.buy(4, 90, 1, session=8, account=SELLER)
    scene.buy(5, 106, 1, session=8, account=SELLER, type=STOP_LIMIT, stop_price=300)
    scene.sell(6, 106, 1, session=8, instrument=1)
    told = taken("2 106x1")
    assert scene.mass_cancel(SELLER, 0, flags=sum(MassCancelFlag), session=8, side=1, price=90, stop_price=106) == told
    assert scene.mass_cancel(SELLER, flags=by_session, session=9, side=1) == "mass_cancelled 0"
    assert scene.mass_cancel(SELLER, flags=by_price, price=106, stop_price=106) == taken("5 106x1", "6 106x1")
    assert scene.mass_cancel(SELLER, flags=by_price, price=107, stop_price=106) == "mass_cancelled 0"
    assert scene.mass_cancel(SELLER, flags=by_session, session=7) == taken("1 105x1")
    assert scene.mass_cancel(SELLER, flags=by_side, side=0) == taken("4 90x1")
    assert scene.mass_cancel(SELLER, 1) == "mass_cancelled 0"
    assert scene.mass_cancel(SELLER, 0) == taken("3 107x1")


def test_mass_cancel_all_accounts(scene):
    """In the order of the walk: the book, the stops, and each kind of order that waits."""
    scene.sell(1, 0, 1, type=TRAILING_STOP, stop_price=5)
    scene.buy(2, 0, 1, type=PEGGED_BID)
    scene.sell(3, 0, 1, type=PEGGED_ASK)
    scene.sell(4, 50, 9, time_in_force=AT_CLOSE)
    scene.buy(5, 300, 9, flags=ALL_OR_NONE)
    for number, stop_price in ((6, 70), (7, 80)):
        scene.sell(number, 0, 1, type=STOP, stop_price=stop_price)
        scene.buy(number + 2, 0, 1, type=STOP, stop_price=stop_price + 100)
    scene.sell(10, 120, 1, account=OTHER)
    scene.sell(11, 110, 1, flags=HIDDEN)
    scene.sell(12, 110, 1, account=OTHER)
    scene.buy(13, 90, 1, instrument=1)
    book, stops = ["12 110x1", "11 110x1", "3 110x1", "10 120x1"], ["8 0x1", "9 0x1", "7 0x1", "6 0x1"]
    assert scene.mass_cancel(NO_ACCOUNT, 0) == taken(*book, *stops, "1 0x1", "5 300x9", "4 50x9", "2 0x1")


def test_mass_cancel_checks(scene):
    """Of an account or, for all accounts, of an instrument that there is."""
    for account in (4, -2, 77):
        assert scene.mass_cancel(account, 77) == "rejected account_not_defined"
    for instrument in (-1, 3, 77):
        assert scene.mass_cancel(NO_ACCOUNT, instrument) == "rejected instrument_not_defined"
    assert scene.mass_cancel(BUYER, 77) == "mass_cancelled 0"


def test_partner_in_a_mass_cancel(scene):
    """It goes with the first of the two, for another reason, and is not counted."""
    scene.buy(1, 90, 1)
    scene.buy(2, 95, 1)
    scene.sell(3, 99, 1, account=BUYER, linked_to=1)
    told = "cancelled 1 90x1 cancelled_by_mass_cancel, cancelled 3 99x1 one_cancels_other"
    assert scene.mass_cancel(BUYER) == f"{told}, cancelled 2 95x1 cancelled_by_mass_cancel, mass_cancelled 2"
    scene.sell(4, 99, 1)
    scene.sell(5, 99, 1, session=9, linked_to=4)
    told = "cancelled 5 99x1 cancelled_by_mass_cancel, cancelled 4 99x1 one_cancels_other, mass_cancelled 1"
    assert scene.mass_cancel(SELLER, flags=MassCancelFlag.BY_SESSION, session=9) == told
