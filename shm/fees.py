"""What a trade costs its two sides. Integers throughout: a fee is rounded up, which is in the venue's favour both ways.

Fees are money (``shm/records.py``): a charge is above 0, a rebate below. Rates are those of INSTRUMENT_COMMAND: hundredths of a
basis point of the trade's money, or money a lot, as ``fee_basis`` says.
"""

from typing import Any, Final

import numpy as np

from shm.records import EventFlag, FeeBasis

PER_WHOLE: Final = 1_000_000
"""Hundredths of a basis point in one."""
_LARGEST: Final = np.iinfo(np.int64).max


def fee(basis: int, rate: int, quantity: int, money: int) -> int:
    """The fee of one side of a trade of ``quantity`` lots worth ``money``: exact, however large."""
    if basis == FeeBasis.PER_LOT:
        return int(rate) * int(quantity)
    return -(-int(rate) * int(money) // PER_WHOLE)


def fees_of(trades: Any, tick_value: int, basis: int, maker_fee: int, taker_fee: int) -> tuple[Any, Any]:
    """The fees of TRADE events of one instrument, arrays of int64: of their resting orders, and of their incoming ones.

    In an auction, where nobody was there first, both sides pay ``taker_fee``. Raises OverflowError naming the first trade
    whose money or fee is beyond 64 bits.
    """
    lots = trades["quantity"]
    if basis == FeeBasis.PER_LOT:
        makers, takers = (_product(trades, np.abs(rate), lots) * np.sign(rate) for rate in _rates(maker_fee, taker_fee))
    else:
        money = _product(trades, _product(trades, lots, trades["price"]), np.int64(tick_value))
        makers, takers = (_part(trades, money, rate) for rate in _rates(maker_fee, taker_fee))
    return np.where(trades["flags"] & EventFlag.AUCTION != 0, takers, makers), takers


def _rates(*rates: int) -> tuple[Any, ...]:
    return tuple(np.int64(rate) for rate in rates)


def _part(trades: Any, money: Any, rate: Any) -> Any:
    """``money`` x ``rate`` / PER_WHOLE, rounded up. What is less than a whole is taken apart, so that little overflows."""
    whole, rest = np.divmod(money, PER_WHOLE)
    most = _product(trades, whole, np.abs(rate)) * np.sign(rate)
    more = -(-rest * rate // PER_WHOLE)
    _refuse(trades, (more > 0) & (most > _LARGEST - more))
    return most + more


def _product(trades: Any, left: Any, right: Any) -> Any:
    """The product of two that are not negative."""
    _refuse(trades, left > _LARGEST // np.maximum(right, 1))
    return left * right


def _refuse(trades: Any, wrong: Any) -> None:
    if np.any(wrong):
        trade = trades["sequence"][np.argmax(wrong)]
        raise OverflowError(f"the money or the fee of trade {trade} is beyond 64 bits")
