"""Random requests of accounts with funds through riskd and its twin at once: nothing is made, nothing is lost, at any step.

Run as a program (``python -m riskd_funds_stream SEED STEPS`` with ``tests`` on the path) it does that once.
"""

import sys
from typing import Any

import riskd_stream
from riskd.cash import free_lots
from riskd.funds import assets, currency_number, follow_fund, fund_command
from riskd.layout import CURRENCIES
from riskd.margins import standings
from riskd.positions import place
from riskd.totals import derive
from riskd_funds_twin import FundedReference
from riskd_stream import ACCOUNTS, INSTRUMENTS, SHARDS, SLOTS, Stream
from shm.controls import FUND_COMMAND, Control, Scope
from shm.records import AccountFlag, FeeBasis

FEES = [
    (FeeBasis.BASIS_POINTS, -500, 1300),
    (FeeBasis.PER_LOT, 7, 2),
    (FeeBasis.BASIS_POINTS, 0, 0),
    (FeeBasis.PER_LOT, 1, -1),
]
MONEYS = ["USD", "EUR", "USD", "GBP"]
SHORT = {2}


class FundsStream(Stream):
    """``funded`` are the accounts that have funds; the others sell them what nobody has put in."""

    def __init__(self, seed: int, funded: set[int], margin: set[int]) -> None:
        super().__init__(seed)
        more = {"funded": funded, "short": SHORT & funded, "fees": FEES, "currencies": MONEYS}
        self.twin: Any = FundedReference(SHARDS, SLOTS, ACCOUNTS, INSTRUMENTS, **more)
        self.twin.margin = margin
        for instrument, (basis, maker, taker) in enumerate(FEES):
            fees = self.rig.risk["fees"][instrument]
            fees["fee_basis"], fees["maker_fee"], fees["taker_fee"] = basis, maker, taker
            self.rig.risk["instruments"][instrument]["money"] = currency_number(self.rig.risk, MONEYS[instrument].encode())
        for account in funded:
            self.rig.risk["accounts"][account]["flags"] |= AccountFlag.MARGIN if account in margin else AccountFlag.CASH
            self.rig.risk["accounts"][account]["flags"] |= AccountFlag.SHORT_SELLING if account in SHORT else 0
            derive(self.rig.risk, account)
            for instrument in range(len(INSTRUMENTS)):
                self.fund(account, instrument, 10**4, 60)

    def fund(self, account: int, instrument: int, money: int, lots: int) -> None:
        """Put money and lots in, or take them out, as far as they are free."""
        risk, currency = self.rig.risk, MONEYS[instrument]
        if self.twin.spare(account, currency) + money >= 0:
            self.put_in(fund_command(risk, account, currency_number(risk, currency.encode()), money, b"test"))
            self.twin.fund(account, currency, money)
        if account not in self.twin.margin and self.twin.free_lots(account, instrument) + lots >= 0:
            self.put_in(fund_command(risk, account, CURRENCIES + instrument, lots, b"test"))
            self.twin.lots[account, instrument] = self.twin.lots.get((account, instrument), 0) + lots

    def put_in(self, command: Any) -> None:
        """What the command says."""
        follow_fund(self.rig.risk, command.view(FUND_COMMAND)[0])

    def set_something(self) -> None:
        """Mostly money comes and goes."""
        draw, funded = self.random, sorted(self.twin.funded)
        if draw.random() < 0.3:
            return super().set_something()
        if draw.random() < 0.3:
            control = draw.choice((Control.INITIAL_MARGIN, Control.MAINTENANCE_MARGIN, Control.MARK_PRICE))
            value = draw.choice((0, 99, 120) if control == Control.MARK_PRICE else (1000, 3333, 10_000))
            return self.put(Scope.INSTRUMENT, draw.randrange(len(INSTRUMENTS)), control, value)
        amounts = (0, 500, 10**5, 10**7, -100, -(10**4), -(10**6))
        return self.fund(draw.choice(funded), draw.randrange(len(INSTRUMENTS)), draw.choice(amounts), draw.choice((0, 20, -9)))

    def tell(self, shard: int, count: int) -> None:
        """One event at a time: what must be so is so after each."""
        for _ in range(min(count, 40)):
            if self.pending[shard]:
                super().tell(shard, 1)
                self.slice()
                self.check_funds()
        super().tell(shard, max(count - 40, 0))

    def compare(self) -> None:
        """Funds are the twin's, too."""
        super().compare()
        self.check_funds()

    def check_funds(self) -> None:
        """What there is is what was put in; nobody spends what he has not."""
        risk, twin = self.rig.risk, self.twin
        bound, found = int(risk["header"]["account_bound"]), assets(risk)
        for currency in set(MONEYS):
            asset, sums = currency_number(risk, currency.encode()), 0
            for account in twin.funded:
                mine = found[account, asset]
                assert mine["total"] == twin.money[account, currency]
                assert mine["held"] == twin.held_funds(account, currency) >= 0
                assert mine["fees"] == twin.paid.get((account, currency), 0)
                sums += int(mine["total"])
                if account in twin.margin:
                    standing = [each[1:4] for each in standings(risk, account) if each[0] == asset]
                    assert standing == [twin.standing(account, currency)]
                    continue
                waits = mine["total"] >= 0 and any(order.pending for order in twin.orders.values() if order.account == account)
                assert waits or mine["held"] <= mine["total"]
            venue = int(found[bound, asset]["total"]) if (bound, asset) in found else 0
            assert venue == twin.venue[currency]
            assert sums + venue + self.money_of_others(currency) == twin.put_in[currency]
        for account in twin.funded - SHORT - twin.margin:
            for instrument in range(len(INSTRUMENTS)):
                at = place(risk, account, instrument)
                assert free_lots(risk, account, instrument, at) == twin.free_lots(account, instrument) >= 0

    def money_of_others(self, currency: str) -> int:
        """What accounts without funds were paid, less what they paid."""
        total = 0
        for (account, instrument), fields in riskd_stream.positions_of(self.rig.risk).items():
            bought, sold, _, _, cost, realised, _ = fields
            if account not in self.twin.funded and MONEYS[instrument] == currency:
                total += realised - (cost if bought > sold else -cost)
        return total


def go(seed: int, steps: int, funded: set[int], margin: set[int]) -> FundsStream:
    """A whole run, settled at the end: then nothing is held."""
    stream = FundsStream(seed, funded, margin)
    for _ in range(steps):
        stream.step()
    stream.settle()
    riskd_stream.check_drained(stream.rig.risk)
    riskd_stream.check_sums(stream.rig.risk)
    assert not stream.rig.risk["funds"]["held"].any()
    return stream


if __name__ == "__main__":
    done = go(int(sys.argv[1]), int(sys.argv[2]), {0, 1, 2, 3}, {0, 3})
    sys.stdout.write(f"{dict(done.verdicts)}\n")
