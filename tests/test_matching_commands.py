"""The rules of ``docs/matching.md`` about commands as such: each test is named like its rule."""

import numpy as np

from matching_scenes import (
    ALL_OR_NONE,
    BUYER,
    CLOSED,
    CONTINUOUS,
    HIGHEST,
    IOC,
    OPENING_AUCTION,
    OTHER,
    PEGGED_BID,
    REDUCE_ONLY,
    SELL,
    SELLER,
    Scene,
)
from shm.reasons import Reason
from shm.records import AccountFlag, CommandKind, EventFlag, EventKind, Policy


def test_verdict_first(scene):
    """What riskd refused does nothing and is told with its verdict, even if the matcher would have refused it too."""
    scene.sell(1, 100, 5)
    assert scene.buy(2, 100, 5, verdict=Reason.TOO_MANY_OPEN_ORDERS) == "rejected too_many_open_orders"
    assert scene.buy(2, -7, 0, verdict=Reason.PRICE_OFF_TICK) == "rejected price_off_tick"
    assert scene.cancel(1, verdict=Reason.UNKNOWN_ORDER) == "rejected unknown_order"
    assert scene.send(200, verdict=Reason.UNKNOWN_ACCOUNT) == "rejected unknown_account"
    assert scene.asks == [(100, 5, 1)]


def test_every_command_answers(scene):
    """Events of a command count from 0, and the last one says that it is, unless it is a rejection."""
    scene.sell(1, 100, 5)
    for command in (
        lambda: scene.buy(2, 100, 2),
        lambda: scene.buy(3, 99, 2, time_in_force=IOC),
        lambda: scene.replace(1, 100, 9),
        lambda: scene.reduce(1, 1),
        lambda: scene.cancel(1),
        lambda: scene.cancel(1),
        lambda: scene.mass_cancel(SELLER),
        lambda: scene.clock(10**9),
        lambda: scene.rules(),
        lambda: scene.state(CONTINUOUS),
        lambda: scene.state(99),
        lambda: scene.send(CommandKind.SNAPSHOT),
        lambda: scene.send(200),
    ):
        command()
        assert scene.events["index"].tolist() == list(range(len(scene.events))) != []
        assert not (scene.events["flags"][:-1] & EventFlag.LAST).any()
        last = scene.events[-1]
        assert last["kind"] == EventKind.REJECTED or last["flags"] == EventFlag.LAST


def test_rejected_carries_the_command(scene):
    """Of orders and what changes them nearly all that was sent, of other commands no more than whom they are about."""
    sent = {"order_id": 4 << 24 | 7, "client_order_id": 8, "side": SELL, "type": 3, "time_in_force": 6}
    sent |= {"price": -5, "quantity": -6}
    changes = dict.fromkeys((CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.REDUCE), "order_not_live")
    others = {CommandKind.NEW: "quantity_not_positive", CommandKind.MASS_CANCEL: "account_not_defined"}
    for kind, told in (changes | others).items():
        assert scene.send(kind, **sent, account=77) == f"rejected {told}"
        event = scene.events[0]
        assert event["flags"] == kind and {name: event[name] for name in sent} == sent
    assert scene.send(CommandKind.STATE, **sent, instrument=77) == "rejected instrument_not_defined"
    event = scene.events[0]
    assert event["flags"] == CommandKind.STATE
    assert {name: event[name] for name in sent} == dict.fromkeys(sent, 0) | {"order_id": 4 << 24 | 7, "client_order_id": 8}


def test_unknown_command(scene):
    """There are kinds that no command has."""
    for kind in (0, 6, 15, 22, 255):
        assert scene.send(kind) == "rejected unknown_command"


def test_no_half_way(scene):
    """Nothing of a rejected command happens: neither the part that it was fine with, nor a loss of place."""
    scene.sell(1, 100, 5)
    scene.sell(2, 100, 5)
    assert scene.replace(1, HIGHEST + 1, 3) == "rejected price_out_of_range"
    assert scene.reduce(1, 0) == "rejected quantity_not_positive"
    assert scene.sell(3, 100, 5, linked_to=1, flags=REDUCE_ONLY) == "rejected reduce_only_would_increase"
    assert scene.rules(static_high=90, static_low=95) == "rejected rules_disagree"
    assert scene.state(99) == "rejected unknown_state"
    assert scene.asks == [(100, 10, 2)] and scene.bids == []
    assert scene.buy(4, 100, 6) == "accepted 4 100x6, trade 4-1 100x5, trade 4-2 100x1"


def test_instrument_once():
    """A book is opened once, and its instrument trades from then on."""
    scene = Scene(defined=False)
    scene.send(CommandKind.ACCOUNT, account=SELLER)
    assert scene.sell(1, 100, 5) == "rejected instrument_not_defined"
    assert scene.send(CommandKind.INSTRUMENT, instrument=0) == "instrument_defined"
    scene.sell(1, 100, 5)
    assert scene.buy(2, 100, 5, account=SELLER) == "accepted 2 100x5, trade 2-1 100x5"
    assert scene.send(CommandKind.INSTRUMENT, instrument=0) == "rejected instrument_already_defined"
    assert scene.send(CommandKind.INSTRUMENT, instrument=3) == "rejected instrument_beyond_bound"
    assert scene.send(CommandKind.INSTRUMENT, instrument=-1) == "rejected instrument_beyond_bound"


def test_account_defined():
    """An account has orders from its definition on; another one changes its flags, but gives no position's place back."""
    scene = Scene(orders=2, defined=False)
    scene.send(CommandKind.INSTRUMENT, instrument=0)
    assert scene.sell(0, 100, 5) == "rejected account_not_defined"
    assert scene.send(CommandKind.ACCOUNT, account=SELLER) == "account_defined"
    assert scene.sell(0, 100, 5, flags=REDUCE_ONLY) == "rejected position_not_tracked"
    for account in (SELLER, BUYER, OTHER):
        assert scene.send(CommandKind.ACCOUNT, account=account, flags=AccountFlag.TRACK_POSITION) == "account_defined"
    assert scene.sell(0, 100, 5, flags=REDUCE_ONLY) == "rejected reduce_only_would_increase"
    assert scene.send(CommandKind.ACCOUNT, account=4) == "rejected account_beyond_bound"
    scene.sell(0, 100, 5)
    scene.cancel(0)
    scene.buy(1, 100, 5)
    scene.send(CommandKind.ACCOUNT, account=SELLER)
    assert scene.sell(0, 101, 5, account=OTHER) == "rejected position_pool_full"
    scene.send(CommandKind.ACCOUNT, account=SELLER, flags=AccountFlag.TRACK_POSITION)
    assert scene.sell(0, 101, 5) == "accepted 0 101x5"


def test_rules_set(scene):
    """Rules come all at once, leave orders at rest alone, and are what the instrument settles and indicates by."""
    assert scene.rules(static_high=105) == "rules_set"
    assert scene.buy(1, 106, 5) == "rejected price_outside_collar"
    assert scene.rules(reference_price=100) == "rules_set"
    assert scene.buy(1, 106, 5) == "accepted 1 106x5"
    scene.buy(2, 0, 3, type=PEGGED_BID)
    assert scene.rules(static_high=105) == "rules_set, restated 2 105x3 hidden 3 peg_moved"
    assert [bid.price for bid in scene.bids] == [106]
    scene.state(OPENING_AUCTION)
    assert scene.sell(3, 102, 5) == "accepted 3 102x5, indicative 102x5 buy 0"
    assert scene.rules(reference_price=104) == "rules_set, indicative 104x5 buy 0"


def test_rules_checked(scene):
    """Rules that make no sense, or come too late, are refused whole."""
    assert scene.rules(instrument=77, policy=9) == "rejected instrument_not_defined"
    for name in ("reference_price", "dynamic_collar", "static_low", "static_high", "minimum_allocation"):
        assert scene.rules(**{name: -1}) == "rejected rules_disagree", name
    for name in ("reference_price", "dynamic_collar", "static_low", "static_high"):
        assert scene.rules(**{name: HIGHEST + 1}) == "rejected rules_disagree", name
        assert scene.rules(**{name: HIGHEST}) == "rules_set", name
    assert scene.rules(minimum_allocation=HIGHEST + 1) == "rules_set"
    assert scene.rules(static_low=9, static_high=8) == "rejected rules_disagree"
    assert scene.rules(static_low=9, static_high=9) == "rules_set"
    assert scene.rules(policy=2) == "rejected rules_disagree"
    scene.rules()
    scene.sell(1, 100, 5)
    assert scene.rules(policy=Policy.PRO_RATA) == "rejected rules_disagree"
    assert scene.rules(policy=Policy.PRICE_TIME) == "rules_set"
    scene.cancel(1)
    scene.sell(2, 100, 5, flags=ALL_OR_NONE)
    assert scene.rules(policy=Policy.PRO_RATA) == "rejected rules_disagree"
    scene.cancel(2)
    assert scene.rules(policy=Policy.PRO_RATA) == "rules_set"


def test_state_set(scene):
    """The state that it is in already is told again, and so is what its auction would do, and nothing else happens."""
    assert scene.state(99, instrument=77) == "rejected instrument_not_defined"
    assert scene.state(8) == "rejected unknown_state"
    assert scene.state(OPENING_AUCTION) == "opening_auction"
    scene.buy(1, 101, 5)
    assert scene.sell(2, 100, 5) == "accepted 2 100x5, indicative 100x5 buy 0"
    assert scene.state(OPENING_AUCTION) == "opening_auction, indicative 100x5 buy 0"
    assert scene.events[0]["type"] == OPENING_AUCTION and scene.events[0]["reason"] == Reason.COMMANDED
    assert scene.state(CLOSED, instrument=1) == "closed"
    assert np.array_equal(scene.events["instrument"], [1])
