"""What accounts with funds are given and what they have, in commands and in words. Cold; riskd/cash.py has the arithmetic.

Money and lots are put in, or taken out, by a RISK command laid out as a FUND_COMMAND: so much more (or less), whatever there is
when it is replayed. ``before`` and ``value`` say from what to what, for the log.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from riskd.cash import FUNDED, MARGIN, NO_FUNDS, free_lots, funds_at
from riskd.layout import CURRENCIES, MONEY_BOUND
from riskd.margin import standing
from riskd.positions import account_of_key, instrument_of_key, place
from riskd.state import Array
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.settings import Settings
from shm.controls import FUND_COMMAND, RISK_COMMAND, SETTINGS, Control, RiskFlag, Scope
from shm.records import COMMAND, NO_INSTRUMENT, CommandKind

NAMES: Final = ("account", "currency", "symbol", "amount", "by")


def currency_number(risk: Any, name: bytes) -> int:
    """The place of a currency, which it gets when it is met first; 0 beyond the bound, which settings with funds keep."""
    name = name.rstrip(b"\0")
    for number, known in enumerate(risk["currencies"]["name"]):
        if known in (name, b""):
            risk["currencies"]["name"][number] = name
            return number
    return 0


def follow_fund(risk: Any, command: Any) -> None:
    """Put in, or take out, what a FUND_COMMAND says. Raises EnvironmentFault when the table of funds is full."""
    fund = np.frombuffer(command.tobytes(), FUND_COMMAND)[0]
    is_money = fund["control"] == Control.FUNDS
    asset = currency_number(risk, bytes(fund["currency"])) if is_money else CURRENCIES + int(fund["instrument"])
    at = funds_at(risk, int(fund["account"]), asset, True)
    if at == NO_FUNDS:
        raise EnvironmentFault("there is no room for the funds of more accounts and currencies", FaultStatus.CONFIGURATION)
    more = int(fund["value"]) - int(fund["before"])
    risk["funds"][at]["total"] += more
    if fund["flags"] & RiskFlag.FROM_SETTINGS:
        risk["funds"][at]["given"] += more


def fund_command(risk: Any, account: int, asset: int, more: int, who: bytes, flags: int = 0) -> Array:
    """An array of one COMMAND that puts in so much ``more``, or takes it out. Raises ValueError for more than is free, or than
    64 bits hold."""
    total, free = _have(risk, account, asset)
    if free + more < 0:
        raise ValueError(f"amount = {more}: allowed is to take out what is free, {free}, and no more")
    if abs(total + more) >= MONEY_BOUND:
        raise ValueError(f"amount = {more}: with it there would be {total + more}; allowed is below {MONEY_BOUND}")
    if funds_at(risk, account, asset, True) == NO_FUNDS:
        raise ValueError("there is no room for the funds of more accounts and currencies")
    made = np.zeros(1, FUND_COMMAND)
    made["kind"], made["account"], made["instrument"] = CommandKind.RISK, account, NO_INSTRUMENT
    made["scope"], made["who"], made["flags"] = Scope.ACCOUNT, who, flags
    made["before"], made["value"] = total, total + more
    if asset < CURRENCIES:
        made["control"], made["currency"] = Control.FUNDS, risk["currencies"]["name"][asset]
    else:
        made["control"], made["instrument"] = Control.LOTS, asset - CURRENCIES
    return made.view(COMMAND)


def fund_asked(risk: Any, arguments: Mapping[str, Any]) -> Array:
    """``{"account", "amount", "by"}`` and "currency" or "symbol" as an array of one COMMAND. Raises ValueError with what is
    allowed."""
    unknown = sorted(set(arguments) - set(NAMES))
    if unknown or ("currency" in arguments) == ("symbol" in arguments):
        raise ValueError(f"allowed are {', '.join(NAMES)}, and of currency and symbol one; given were {', '.join(arguments)}")
    account, amount, by = (arguments.get(name) for name in ("account", "amount", "by"))
    accounts = int(risk["header"]["accounts"])
    if not isinstance(account, int) or isinstance(account, bool) or not 0 <= account < accounts:
        raise ValueError(f"account = {account!r}: allowed is a number below {accounts}")
    if not isinstance(amount, int) or isinstance(amount, bool) or abs(amount) >= MONEY_BOUND:
        raise ValueError(f"amount = {amount!r}: allowed is an integer from {1 - MONEY_BOUND} to {MONEY_BOUND - 1}")
    size = RISK_COMMAND["who"].itemsize
    if not isinstance(by, str) or not 0 < len(by.encode()) <= size:
        raise ValueError(f"by = {by!r}: allowed is who asks, in 1 to {size} bytes")
    if not risk["accounts"][account]["checks"] & FUNDED:
        raise ValueError(f'account {account} has funding = "none": only cash and margin accounts have funds')
    if "symbol" in arguments and risk["accounts"][account]["checks"] & MARGIN:
        raise ValueError(f"symbol = {arguments['symbol']!r}: lots are put into cash accounts alone; allowed is currency")
    asset = _asset(risk, **{name: arguments[name] for name in ("currency", "symbol") if name in arguments})
    return fund_command(risk, account, asset, amount, by.encode())


def fund_changes(risk: Any, settings: Settings) -> Iterator[Array]:
    """A command for all that accounts have not been given yet, by the settings. Their accounts are defined.

    Raises EnvironmentFault for what cannot be given.
    """
    for number, account in enumerate(settings.accounts):
        wanted = [(_asset(risk, currency=name), amount) for name, amount in account.funds]
        wanted += [(_asset(risk, symbol=name), amount) for name, amount in account.lots]
        for asset, amount in wanted:
            at = funds_at(risk, number, asset, False)
            given = 0 if at == NO_FUNDS else int(risk["funds"][at]["given"])
            if amount <= given:
                continue
            try:
                yield fund_command(risk, number, asset, amount - given, SETTINGS, RiskFlag.FROM_SETTINGS)
            except ValueError as error:
                raise EnvironmentFault(f"accounts[{number}] cannot be funded: {error}", FaultStatus.CONFIGURATION) from error


def funds_of(risk: Any, account: int) -> list[dict[str, Any]]:
    """The money of an account (or, the firm's row, of the venue) by currency, in its smallest unit: what it has, what working
    orders hold of it, what is free, what it has paid in fees; of a margin account its equity and margins, too."""
    made = []
    for asset, name in enumerate(risk["currencies"]["name"]):
        at = funds_at(risk, account, asset, False)
        if not name or at == NO_FUNDS:
            continue
        total, held, fees = (int(risk["funds"][at][each]) for each in ("total", "held", "fees"))
        row = {"currency": name.decode(), "total": total, "held": held, "free": _have(risk, account, asset)[1], "fees": fees}
        if risk["accounts"][account]["checks"] & MARGIN:
            found = (int(each) for each in standing(risk, account, asset, total))
            row |= zip(("equity", "initial_margin", "maintenance_margin"), found, strict=True)
        made.append(row)
    return sorted(made, key=lambda each: str(each["currency"]))


def put_in(risk: Any, account: int, instrument: int) -> int:
    """Lots that came from outside."""
    at = funds_at(risk, account, CURRENCIES + instrument, False)
    return 0 if at == NO_FUNDS else int(risk["funds"][at]["total"])


def assets(risk: Any) -> dict[tuple[int, int], Any]:
    """(account, asset) -> its record, of all that there are."""
    used = risk["funds"][risk["funds"]["key"] != 0]
    return {(int(account_of_key(int(each["key"]))), int(instrument_of_key(int(each["key"])))): each for each in used}


def _have(risk: Any, account: int, asset: int) -> tuple[int, int]:
    """What there is of an asset, and what of it is free."""
    at = funds_at(risk, account, asset, False)
    total = 0 if at == NO_FUNDS else int(risk["funds"][at]["total"])
    if asset < CURRENCIES and risk["accounts"][account]["checks"] & MARGIN:
        equity, initial, _ = (int(each) for each in standing(risk, account, asset, total))
        return total, equity - initial - (0 if at == NO_FUNDS else int(risk["funds"][at]["held"]))
    if asset < CURRENCIES:
        return total, total - (0 if at == NO_FUNDS else int(risk["funds"][at]["held"]))
    position = place(risk, account, asset - CURRENCIES)
    return total, total if position < 0 else int(free_lots(risk, account, asset - CURRENCIES, position))


def _asset(risk: Any, currency: Any = None, symbol: Any = None) -> int:
    """The number of an instruments' currency, or of the lots of an instrument. Raises ValueError with those there are."""
    instruments = risk["instruments"][: risk["header"]["instruments"]]
    if symbol is not None:
        symbols = [each.decode() for each in instruments["symbol"]]
        if symbol not in symbols:
            raise ValueError(f"symbol = {symbol!r}: allowed is one of {', '.join(symbols[:20]) or 'none'}")
        return CURRENCIES + symbols.index(symbol)
    known = [each.decode() for each in risk["currencies"]["name"] if each]
    if currency not in known:
        raise ValueError(f"currency = {currency!r}: allowed is one of {', '.join(known) or 'none'}")
    return known.index(currency)
