"""Cash and margin accounts: money and lots are held at the worst that an order may cost, and given back to the last unit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import riskd_funds_stream
import riskd_rig as rig
from riskd.cash import TOO_MUCH, fee_of
from riskd.controls import put
from riskd.funds import currency_number, follow_fund, fund_asked, fund_command, funds_of, put_in
from riskd.layout import CURRENCIES
from riskd.margins import margin_accounts, note_low
from riskd.nearly import sentences
from riskd.totals import derive
from riskd_reference import SimpleMatcher
from shm.controls import FUND_COMMAND, Control, Scope
from shm.fees import fee
from shm.reasons import Reason
from shm.records import AccountFlag, FeeBasis, OrderType, Side, TimeInForce

ROOT = Path(__file__).resolve().parent.parent
FREE = (2**40, 2**60, 1 << 20)
SELL = {"side": Side.SELL}
MARKET = {"type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}
TENTH_PERCENT = 1000
"""In hundredths of a basis point."""


class Desk:
    """Accounts 0 and 1 are cash accounts, 2 has no funds; an instrument whose taker pays a tenth of a percent."""

    def __init__(self, basis: FeeBasis = FeeBasis.BASIS_POINTS, maker: int = -200, taker: int = TENTH_PERCENT) -> None:
        self.rig = rig.Rig([FREE] * 3, [(1, 1, 1)])
        self.risk, self.matchers, self.names = self.rig.risk, [SimpleMatcher() for _ in range(2)], 0
        fees = self.risk["fees"][0]
        fees["fee_basis"], fees["maker_fee"], fees["taker_fee"] = basis, maker, taker
        self.usd = self.risk["instruments"][0]["money"] = currency_number(self.risk, b"USD")
        self.risk["instruments"][0]["symbol"] = b"ACME"
        for account in (0, 1):
            self.risk["accounts"][account]["flags"] |= AccountFlag.CASH
            derive(self.risk, account)

    def fund(self, account: int, money: int, lots: int = 0) -> None:
        """Put in."""
        for asset, amount in ((self.usd, money), (CURRENCIES, lots)):
            follow_fund(self.risk, fund_command(self.risk, account, asset, amount, b"test").view(FUND_COMMAND)[0])

    def send(self, request: Any) -> Reason:
        """The verdict; all that happens has happened then."""
        self.rig.send(request)
        self.rig.run()
        (command,) = self.rig.written(0)
        self.rig.tell(0, self.matchers[0].handle(command))
        self.rig.run()
        return Reason(int(command["verdict"]))

    def order(self, account: int, quantity: int, price: int = 100, **fields: Any) -> Reason:
        """The verdict on a new order, which then has the next name."""
        self.names += 1
        return self.send(rig.new(account, self.names, price, quantity, **fields))

    def has(self, account: int) -> tuple[int, int]:
        """Total and held, in the one currency."""
        ((total, held),) = [(each["total"], each["held"]) for each in funds_of(self.risk, account)]
        return total, held


@pytest.mark.parametrize("offset", range(4))
def test_kernel_and_twin_agree_and_nothing_is_made_or_lost(seed: int, offset: int) -> None:
    """All accounts have funds, or two of them: at every event what there is is what was put in, fees included."""
    funded, margin = [({0, 1, 2, 3, 4}, set()), ({1, 3}, set()), ({0, 1, 2, 3}, {0, 3}), ({0, 1}, {0, 1})][offset]
    done = riskd_funds_stream.go(100 * seed + offset, 40, funded, margin)
    assert any(done.twin.venue.values())
    assert {"insufficient_funds", "insufficient_position", "insufficient_margin"} & set(done.verdicts)


@pytest.mark.parametrize(("switch", "steps"), [("NUMBA_DISABLE_JIT", 30), ("NUMBA_BOUNDSCHECK", 60)])
def test_other_ways_of_running(seed: int, tmp_path: Path, switch: str, steps: int) -> None:
    """Uncompiled, and compiled with every index checked, the kernels do the same."""
    environ = {**os.environ, switch: "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "riskd_funds_stream", str(seed), str(steps)]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_an_order_holds_its_worst_and_a_better_fill_gives_back() -> None:
    """Price and the taker's fee, and a unit a lot for rounding; what the maker pays, and the venue gets, is exact."""
    desk = Desk()
    desk.fund(0, 11_000)
    assert desk.order(2, 40, 90, **SELL) is Reason.NONE
    assert desk.order(0, 100, 110) is Reason.INSUFFICIENT_FUNDS, "11,000 and fees"
    assert desk.order(0, 100, 100) is Reason.NONE
    assert desk.has(0) == (11_000 - 3600 - 4, 6000 + 6 + 60), "40 came for 90, and 3.6 of fee"
    assert desk.order(0, 45, 99) is Reason.INSUFFICIENT_FUNDS
    assert desk.order(0, 13, 99) is Reason.NONE
    assert desk.send(rig.cancel(0, 3)) is Reason.NONE
    assert desk.has(0) == (7396, 1287 + 2 + 13)
    assert desk.send(rig.replace(0, 5, 99, 10)) is desk.send(rig.reduce(0, 5, 4)) is Reason.NONE
    assert desk.has(0) == (7396, 594 + 1 + 6)
    assert desk.order(2, 6, 99, **SELL) is Reason.NONE
    assert desk.has(0) == (7396 - 594 + 0, 0), "a rebate of 0.1188 is none"
    assert funds_of(desk.risk, int(desk.risk["header"]["account_bound"]))[0]["total"] == 4


def test_a_replace_needs_what_it_adds() -> None:
    """Until its outcome is known both are held for."""
    desk = Desk(maker=0, taker=0)
    desk.fund(0, 1000)
    assert desk.order(0, 10, 90) is Reason.NONE
    assert desk.send(rig.replace(0, 1, 101, 10)) is Reason.INSUFFICIENT_FUNDS
    assert desk.send(rig.replace(0, 1, 100, 10)) is Reason.NONE
    assert desk.has(0) == (1000, 1000)
    assert desk.send(rig.replace(0, 1, 50, 20)) is Reason.NONE
    assert desk.send(rig.replace(0, 1, 0, 20)) is Reason.PRICE_NOT_POSITIVE


def test_a_cash_account_sells_what_it_has() -> None:
    """Lots put in or bought, less those at work; unless it may sell short."""
    desk = Desk()
    desk.fund(1, 0, 10)
    assert desk.order(1, 6, **SELL) is Reason.NONE
    assert desk.order(1, 5, **SELL) is Reason.INSUFFICIENT_POSITION
    assert desk.order(1, 4, 1, **SELL) is Reason.NONE
    with pytest.raises(ValueError, match="what is free, 0,"):
        fund_command(desk.risk, 1, CURRENCIES, -1, b"test")
    assert desk.send(rig.cancel(1, 1)) is Reason.NONE
    assert desk.order(2, 4, 100) is Reason.NONE
    assert desk.has(1) == (4, 0)
    desk.fund(1, 0, -6)
    assert (put_in(desk.risk, 1, 0), desk.order(1, 1, **SELL)) == (4, Reason.INSUFFICIENT_POSITION)
    desk.risk["accounts"][1]["flags"] |= AccountFlag.SHORT_SELLING
    assert desk.order(1, 1, **SELL) is Reason.NONE


def test_what_may_cost_anything_is_refused() -> None:
    """A market order without a protection price, a pegged one whatever it has; sales need no price."""
    desk = Desk()
    desk.fund(0, 10**6, 5)
    assert desk.order(0, 1, 0, **MARKET) is Reason.WORST_PRICE_UNKNOWN
    assert desk.order(0, 1, 100, type=OrderType.PEGGED_BID) is Reason.WORST_PRICE_UNKNOWN
    assert desk.order(0, 1, 0, **MARKET, **SELL) is Reason.NONE
    assert desk.order(2, 1, 90, **SELL) is desk.order(0, 1, 95, **MARKET) is Reason.NONE
    assert desk.has(0) == (10**6 - 90 - 1, 0)


def test_fees_a_lot_are_held_for_sales_too() -> None:
    """Where they are more than a lot can bring: a price is at least a tick."""
    desk = Desk(FeeBasis.PER_LOT, 0, 7)
    desk.fund(0, 17, 10)
    assert desk.order(0, 3, 100, **SELL) is Reason.INSUFFICIENT_FUNDS
    assert desk.order(2, 2, 1) is desk.order(0, 2, 1, **SELL) is Reason.NONE
    assert desk.has(0) == (17 + 2 - 14, 0)


def test_fees_are_those_of_the_books(seed: int) -> None:
    """To the last unit, and what 64 bits cannot hold is said to be too much."""
    sizes = [1, 2, 999_999, 10**6, 10**6 + 1, 2**31 - 1, 2**40 + 7 * seed, 2**61]
    for basis in FeeBasis:
        for rate in (-(2**31) + 1, -1000, -1, 0, 1, 333, 10**6, 2**31 - 1):
            for size in sizes:
                right = fee(basis, rate, size, size)
                found = fee_of(basis, rate, size, size)
                assert found == right or (found == TOO_MUCH and abs(right) > 2**61), (basis, rate, size)


def margin_desk() -> Desk:
    """Account 0 must have a tenth of what it trades next, and a twentieth of what it holds; fees are nothing."""
    desk = Desk(maker=0, taker=0)
    desk.risk["accounts"][0]["flags"] = AccountFlag.MARGIN
    derive(desk.risk, 0)
    put(desk.risk, Scope.INSTRUMENT, 0, Control.INITIAL_MARGIN, 1000)
    put(desk.risk, Scope.INSTRUMENT, 0, Control.MAINTENANCE_MARGIN, 500)
    desk.fund(0, 1000)
    return desk


def test_a_margin_account_trades_on_a_part_of_the_money() -> None:
    """Orders count with their initial margin, positions at the mark; what it owes is no obstacle, and a profit is margin."""
    desk = margin_desk()
    assert desk.order(0, 101, 100) is Reason.INSUFFICIENT_MARGIN
    assert desk.order(0, 60, 100) is Reason.NONE
    assert desk.order(0, 41, 100) is desk.order(0, 41, 100, **SELL) is Reason.INSUFFICIENT_MARGIN
    assert desk.order(2, 60, 100, **SELL) is Reason.NONE
    assert desk.has(0) == (1000 - 6000, 0)
    assert desk.order(0, 41, 100) is Reason.INSUFFICIENT_MARGIN
    assert desk.order(0, 60, 100, **SELL) is Reason.NONE, "it can only reduce"
    assert desk.order(0, 10, 100, **SELL) is Reason.INSUFFICIENT_MARGIN, "600 of position, and 600 and 100 of orders"


def test_a_mark_that_is_given_counts_instead_of_the_last_price() -> None:
    """Of equity and of margins; set back to 0, the last price counts again."""
    desk = margin_desk()
    assert desk.order(2, 60, 100, **SELL) is desk.order(0, 60, 100) is Reason.NONE
    put(desk.risk, Scope.INSTRUMENT, 0, Control.MARK_PRICE, 110)
    (found,) = funds_of(desk.risk, 0)
    assert (found["equity"], found["initial_margin"], found["maintenance_margin"], found["free"]) == (1600, 660, 330, 940)
    put(desk.risk, Scope.INSTRUMENT, 0, Control.MARK_PRICE, 0)
    with pytest.raises(ValueError, match="what is free, 400,"):
        fund_command(desk.risk, 0, desk.usd, -401, b"test")


def test_below_maintenance_an_account_may_only_reduce_and_operators_hear_of_it_once() -> None:
    """And again only after it was above."""
    desk = margin_desk()
    assert desk.order(2, 100, 100, **SELL) is desk.order(0, 100, 100) is Reason.NONE
    note_low(desk.risk, margin_accounts(desk.risk))
    assert not list(sentences(desk.risk, 0))
    put(desk.risk, Scope.INSTRUMENT, 0, Control.MARK_PRICE, 94)
    for _ in range(2):
        note_low(desk.risk, margin_accounts(desk.risk))
    ((sentence, about),) = sentences(desk.risk, 0)
    assert "is below its maintenance margin" in sentence and (about["equity"], about["margin"]) == (400, 470)
    assert desk.order(0, 1, 1) is desk.order(0, 101, 200, **SELL) is Reason.BELOW_MAINTENANCE_MARGIN
    assert desk.order(0, 100, 94, **SELL) is Reason.NONE
    put(desk.risk, Scope.INSTRUMENT, 0, Control.MARK_PRICE, 96)
    note_low(desk.risk, margin_accounts(desk.risk))
    put(desk.risk, Scope.INSTRUMENT, 0, Control.MARK_PRICE, 90)
    note_low(desk.risk, margin_accounts(desk.risk))
    assert len(list(sentences(desk.risk, 0))) == 2


def test_a_margin_that_is_set_while_orders_work_is_what_they_hold() -> None:
    """Up and down again."""
    desk = margin_desk()
    assert desk.order(0, 60, 100) is Reason.NONE
    for rate, held in ((2000, 1200), (333, 200), (1000, 600)):
        put(desk.risk, Scope.INSTRUMENT, 0, Control.INITIAL_MARGIN, rate)
        assert desk.has(0) == (1000, held)
    assert desk.send(rig.cancel(0, 1)) is Reason.NONE
    assert desk.has(0) == (1000, 0)


def test_before_the_first_price_a_margin_account_must_give_one() -> None:
    """A market order has none."""
    assert margin_desk().order(0, 1, 0, **MARKET) is Reason.WORST_PRICE_UNKNOWN


WRONG = {
    "an account": ({"account": 9, "currency": "USD", "amount": 1}, "account = 9: allowed is a number below 3"),
    "an account without funds": ({"account": 2, "currency": "USD", "amount": 1}, 'funding = "none"'),
    "a currency": ({"account": 0, "currency": "EUR", "amount": 1}, "currency = 'EUR': allowed is one of USD"),
    "a symbol": ({"account": 0, "symbol": "X", "amount": 1}, "symbol = 'X': allowed is one of ACME"),
    "an amount": ({"account": 0, "currency": "USD", "amount": 1.5}, "amount = 1.5: allowed is an integer"),
    "too much": ({"account": 0, "currency": "USD", "amount": 2**62 - 1}, "with it there would be"),
    "what there is not": ({"account": 0, "currency": "USD", "amount": -101}, "take out what is free, 100, and no more"),
    "both": ({"account": 0, "currency": "USD", "symbol": "ACME", "amount": 1}, "of currency and symbol one"),
    "another word": ({"account": 0, "currency": "USD", "amount": 1, "sum": 1}, "allowed are account, currency"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_fund_that_cannot_be_says_what_is_allowed(name: str) -> None:
    """And changes nothing."""
    desk = Desk()
    desk.fund(0, 100)
    arguments, sentence = WRONG[name]
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        fund_asked(desk.risk, {**arguments, "by": "joe"})
    assert desk.has(0) == (100, 0)
