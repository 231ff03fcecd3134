"""Fees of many trades at once are those of each trade, and what 64 bits cannot hold is refused by name."""

from random import Random

import numpy as np
import pytest

from shm.fees import fee, fees_of
from shm.records import EVENT, EventFlag, FeeBasis

LARGEST = 2**63 - 1


def trades(*worth, flags=0):
    """TRADE events 1, 2, ... of ``(price, lots)`` each."""
    made = np.zeros(len(worth), EVENT)
    made["sequence"], made["flags"] = np.arange(1, len(worth) + 1), flags
    made["price"], made["quantity"] = np.array(worth, np.int64).T if worth else (0, 0)
    return made


@pytest.mark.parametrize("basis", FeeBasis)
def test_fees_of_many_trades_are_the_fees_of_each(basis, seed):
    """Charges and rebates of every size; an auction's two sides pay as takers."""
    chance = Random(seed)
    for _ in range(200):
        tick_value = chance.choice([1, 50, 10**6])
        maker_fee, taker_fee = (chance.choice([-(2**31), 2**31 - 1, chance.randint(-999, 999), 0]) for _ in range(2))
        made = trades(*((chance.randint(1, 2 ** chance.randint(1, 20)), chance.randint(1, 2**11)) for _ in range(20)))
        made["flags"] = [chance.choice([0, EventFlag.LAST, EventFlag.AUCTION, 3]) for _ in made]
        makers, takers = fees_of(made, tick_value, basis, maker_fee, taker_fee)
        for trade, maker, taker in zip(made.tolist(), makers.tolist(), takers.tolist(), strict=True):
            row = dict(zip(EVENT.names, trade, strict=True))
            money, lots = row["price"] * row["quantity"] * tick_value, row["quantity"]
            assert taker == fee(basis, taker_fee, lots, money)
            assert maker == (taker if row["flags"] & EventFlag.AUCTION else fee(basis, maker_fee, lots, money))
        assert makers.dtype == takers.dtype == np.int64


def test_no_trades_have_no_fees():
    """Empty arrays of the same kind."""
    makers, takers = fees_of(trades(), 1, FeeBasis.BASIS_POINTS, 1, 1)
    assert makers.shape == takers.shape == (0,) and makers.dtype == np.int64


@pytest.mark.parametrize("rate", [1_000_000, -1_000_000])
def test_the_largest_money_has_a_fee(rate):
    """A fee as large as the money itself fits as long as the money does."""
    assert fees_of(trades((1, LARGEST)), 1, FeeBasis.BASIS_POINTS, 0, rate)[1].tolist() == [LARGEST if rate > 0 else -LARGEST]


OVERFLOWS = {
    "money": ((2**40, 2**23), 1, FeeBasis.BASIS_POINTS, 0, 0),
    "money by the tick value": ((2**40, 2**22), 2, FeeBasis.BASIS_POINTS, 0, 0),
    "a fee": ((1, LARGEST // 2), 1, FeeBasis.BASIS_POINTS, 0, 2_000_010),
    "a fee by what was rounded up": ((1, LARGEST), 1, FeeBasis.BASIS_POINTS, 1_000_001, 0),
    "a rebate": ((1, LARGEST // 2), 1, FeeBasis.BASIS_POINTS, -2_000_010, 0),
    "a fee of lots": ((1, 2**33), 1, FeeBasis.PER_LOT, 2**30, 0),
    "a rebate of lots": ((1, 2**33), 1, FeeBasis.PER_LOT, 0, -(2**30)),
}


@pytest.mark.parametrize(("worth", "tick_value", "basis", "maker_fee", "taker_fee"), OVERFLOWS.values(), ids=OVERFLOWS)
def test_what_64_bits_cannot_hold_is_refused(worth, tick_value, basis, maker_fee, taker_fee):
    """By the sequence of the trade, the third one here."""
    with pytest.raises(OverflowError, match="trade 3 "):
        fees_of(trades((1, 1), (1, 1), worth, (1, 1)), tick_value, basis, maker_fee, taker_fee)
    assert isinstance(fee(basis, maker_fee, worth[1], worth[0] * worth[1] * tick_value), int)
