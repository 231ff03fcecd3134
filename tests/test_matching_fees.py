"""The rules of ``docs/matching.md`` about fees: each test is named like its rule."""

import numpy as np

from matching_scenes import CONTINUOUS, OPENING_AUCTION
from shm.fees import fee, fees_of
from shm.records import EventKind, FeeBasis

BASIS_POINTS, PER_LOT = FeeBasis.BASIS_POINTS, FeeBasis.PER_LOT


def trades_of(scene):
    """The trades among the events of the last command."""
    return scene.events[scene.events["kind"] == EventKind.TRADE]


def test_fee_basis_points(scene):
    """Of a trade's money, rounded up: a charge is never too small, a rebate never too large."""
    assert fee(BASIS_POINTS, 250, 1, 1_000_000) == 250
    assert fee(BASIS_POINTS, 250, 1, 1_000_001) == 251
    assert fee(BASIS_POINTS, -250, 1, 1_000_001) == -250
    assert fee(BASIS_POINTS, -1, 1, 999_999) == 0 == fee(BASIS_POINTS, 0, 9, 10**9)
    scene.sell(1, 2_000, 3)
    scene.buy(2, 2_000, 3)
    maker, taker = fees_of(trades_of(scene), 50, BASIS_POINTS, -11, 11)
    assert (maker.tolist(), taker.tolist()) == ([-3], [4])


def test_fee_per_lot(scene):
    """Whatever the lots are worth."""
    assert fee(PER_LOT, 7, 3, 10**12) == 21
    assert fee(PER_LOT, -7, 3, 0) == -21
    scene.sell(1, 2_000, 3)
    scene.buy(2, 2_000, 2)
    maker, taker = fees_of(trades_of(scene), 50, PER_LOT, -2, 7)
    assert (maker.tolist(), taker.tolist()) == ([-4], [14])


def test_fee_sides(scene):
    """Who was there first pays the maker fee; in an auction nobody was."""
    scene.sell(1, 100, 3)
    scene.buy(2, 100, 2)
    continuous = trades_of(scene)
    scene.state(OPENING_AUCTION)
    scene.buy(3, 100, 1)
    scene.state(CONTINUOUS)
    maker, taker = fees_of(np.concatenate([continuous, trades_of(scene)]), 1, PER_LOT, 1, 10)
    assert (maker.tolist(), taker.tolist()) == ([2, 10], [20, 10])
