"""Instruments and accounts: from the settings into numbered commands, and from commands into riskd's state.

Their numbers are their places in the settings. What the journal holds stands: settings may add to it at the end, no more. But
limits and groups of accounts may change: see riskd/controls.py, by which RISK commands are taken in too.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from riskd.controls import TOTALS, follow
from riskd.funds import currency_number
from riskd.state import Array
from riskd.totals import derive
from riskd.usage import Check
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.sections import Account, Instrument
from shm.controls import RISK_COMMAND, UNLIMITED, WORDS, Control, all_of
from shm.records import (
    ACCOUNT_COMMAND,
    COMMAND,
    INSTRUMENT_COMMAND,
    NO_ACCOUNT,
    NO_INSTRUMENT,
    AccountFlag,
    CommandKind,
    FeeBasis,
    SelfTradeRule,
    shard_of,
)

UNITS: Final = ("symbol", "tick_size", "lot_size", "tick_value", "currency", "price_decimals", "quantity_decimals")
FEES: Final = ("maker_fee", "taker_fee", "fee_basis")
"""The last is a FeeBasis in a command."""
LIMITS: Final = ("name", "maximum_quantity", "maximum_notional", "maximum_open_orders")
RULES: Final = ("self_trade_rule", "self_trade_group", "track_position", "funding", "short_selling")
"""What an account's orders do, beside its limits. In a command the first is a number, the last three are flags."""
FUNDING: Final = {"none": 0, "cash": AccountFlag.CASH, "margin": AccountFlag.MARGIN}


def instrument_command(number: int, item: Instrument) -> Array:
    """The command that defines an instrument, as an array of one COMMAND."""
    made = np.zeros(1, INSTRUMENT_COMMAND)
    made["kind"], made["account"], made["instrument"] = CommandKind.INSTRUMENT, NO_ACCOUNT, number
    for name in UNITS:
        value = getattr(item, name)
        made[name] = value.encode() if isinstance(value, str) else value
    made["maker_fee"], made["taker_fee"], made["fee_basis"] = item.maker_fee, item.taker_fee, FeeBasis[item.fee_basis.upper()]
    return made.view(COMMAND)


def account_command(number: int, item: Account) -> Array:
    """The command that defines an account, as an array of one COMMAND."""
    made = np.zeros(1, ACCOUNT_COMMAND)
    made["kind"], made["account"], made["instrument"] = CommandKind.ACCOUNT, number, NO_INSTRUMENT
    for name in LIMITS:
        made[name] = item.name.encode() if name == "name" else item.limit(name)
    made["self_trade_rule"], made["self_trade_group"] = SelfTradeRule[item.self_trade_rule.upper()], item.self_trade_group
    unlimited = AccountFlag.UNLIMITED if item.unset_limits == "unlimited" else 0
    made["flags"] = unlimited | (AccountFlag.TRACK_POSITION if item.track_position else 0) | FUNDING[item.funding]
    made["flags"] |= AccountFlag.SHORT_SELLING if item.short_selling else 0
    return made.view(COMMAND)


def define(risk: Any, shard: int, command: Any) -> None:
    """Take an INSTRUMENT, ACCOUNT or RISK command of a shard into the state; any other kind does nothing.

    Raises EnvironmentFault when it does not fit the settings' pools or number of matchers.
    """
    whole = np.frombuffer(command.tobytes(), COMMAND)
    if command["kind"] == CommandKind.INSTRUMENT:
        _define_instrument(risk, shard, whole.view(INSTRUMENT_COMMAND)[0])
    elif command["kind"] == CommandKind.ACCOUNT:
        _define_account(risk, shard, whole.view(ACCOUNT_COMMAND)[0])
    elif command["kind"] == CommandKind.RISK:
        follow(risk, whole.view(RISK_COMMAND)[0])


def _define_instrument(risk: Any, shard: int, command: Any) -> None:
    number, shards = int(command["instrument"]), int(risk["header"]["shards"])
    if shard_of(number, shards) != shard:
        raise _contradiction([f"matchers = {shards}: the journal has instrument {number} in shard {shard}"])
    _check_bound("instruments", number, len(risk["instruments"]))
    for name in UNITS:
        risk["instruments"][number][name] = command[name]
    for name in FEES:
        risk["fees"][number][name] = command[name]
    risk["instruments"][number]["money"] = currency_number(risk, bytes(command["currency"]))
    risk["header"]["instruments"] = max(risk["header"]["instruments"], number + 1)
    risk["shards"][shard]["instruments"] = number + 1


def _define_account(risk: Any, shard: int, command: Any) -> None:
    """Limits are of the first definition that is met: another shard's may be met after RISK commands have changed them."""
    number = int(command["account"])
    _check_bound("accounts", number, int(risk["header"]["account_bound"]))
    for name in RULES[:2]:
        risk["accounts"][number][name] = command[name]
    risk["accounts"][number]["flags"] = risk["accounts"][number]["flags"] & AccountFlag.RISING_IDS | command["flags"]
    if number >= risk["header"]["accounts"]:
        _define_limits(risk, number, command)
    risk["names"][number] = np.frombuffer(bytes(command["name"]).ljust(risk["names"].shape[1], b"\0"), np.uint8)
    risk["header"]["accounts"] = max(risk["header"]["accounts"], number + 1)
    risk["shards"][shard]["accounts"] = number + 1


def _define_limits(risk: Any, number: int, command: Any) -> None:
    """Those that the command has not are all unlimited, or block, until a RISK command says otherwise."""
    others = UNLIMITED if command["flags"] & AccountFlag.UNLIMITED else 0
    for control in TOTALS:
        risk["chosen"][number][control] = others
        if control != Control.MAXIMUM_OPEN_ORDERS:
            risk["limits"][number][control.name.lower()] = others
    for control in WORDS:
        risk["chosen"][number][control] = all_of(control)
    for name in LIMITS[1:]:
        risk["accounts"][number][name] = risk["chosen"][number][Control[name.upper()]] = command[name]
    derive(risk, number)
    if risk["accounts"][risk["header"]["account_bound"]]["checks"]:
        risk["accounts"][number]["checks"] |= Check.FIRM


def _check_bound(kind: str, number: int, bound: int) -> None:
    if number >= bound:
        raise _contradiction([f"pools.{kind} = {bound}: the journal holds number {number}; allowed is at least {number + 1}"])


def check_agreement(risk: Any, instruments: Sequence[Instrument], accounts: Sequence[Account]) -> None:
    """Raise EnvironmentFault, naming every difference, unless the settings are what the state holds, or that and more."""
    known_instruments = [instrument_fields(risk, k) for k in range(risk["header"]["instruments"])]
    known_accounts = [account_fields(risk, k) for k in range(risk["header"]["accounts"])]
    problems = [
        *_differences("instruments", (*UNITS, *FEES), known_instruments, instruments),
        *_differences("accounts", ("name", *RULES), known_accounts, accounts),
    ]
    if problems:
        raise _contradiction(problems)


def missing(risk: Any, shard: int, instruments: Sequence[Instrument], accounts: Sequence[Account]) -> Array:
    """The commands by which a shard learns of what the settings have and its commands have not yet defined."""
    source, shards = risk["shards"][shard], int(risk["header"]["shards"])
    numbers = range(int(source["instruments"]), len(instruments))
    made = [instrument_command(k, instruments[k]) for k in numbers if shard_of(k, shards) == shard]
    made += [account_command(k, accounts[k]) for k in range(int(source["accounts"]), len(accounts))]
    return np.concatenate([np.zeros(0, COMMAND), *made])


def instrument_fields(risk: Any, number: int) -> dict[str, Any]:
    """An instrument as the settings would say it."""
    fees = risk["fees"][number]
    basis = FeeBasis(int(fees["fee_basis"])).name.lower()
    units = _plain({name: risk["instruments"][number][name] for name in UNITS})
    return {**units, **_plain({name: fees[name] for name in FEES[:2]}), "fee_basis": basis}


def account_fields(risk: Any, number: int) -> dict[str, Any]:
    """An account as the settings would say it, but for its key."""
    name, account = risk["names"][number].tobytes().rstrip(b"\0"), risk["accounts"][number]
    limits = _plain({"name": name, **{limit: account[limit] for limit in LIMITS[1:]}})
    rule, flags = SelfTradeRule(int(account["self_trade_rule"])), int(account["flags"])
    return {
        **limits,
        "self_trade_rule": rule.name.lower(),
        "self_trade_group": int(account["self_trade_group"]),
        "track_position": flags & AccountFlag.TRACK_POSITION != 0,
        "funding": next(word for word, flag in reversed(FUNDING.items()) if flags & flag == flag),
        "short_selling": flags & AccountFlag.SHORT_SELLING != 0,
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value.decode() if isinstance(value, bytes) else int(value) for name, value in fields.items()}


def _differences(kind: str, names: Iterable[str], known: list[dict[str, Any]], given: Sequence[Any]) -> list[str]:
    found = [
        f"{kind}[{number}].{name} is {getattr(item, name)!r}, in the journal {held[name]!r}"
        for number, (held, item) in enumerate(zip(known, given, strict=False))
        for name in names
        if getattr(item, name) != held[name]
    ]
    gone = [f"{kind}[{number}] is missing, the journal holds {held}" for number, held in enumerate(known)][len(given) :]
    return found + gone


def _contradiction(problems: list[str]) -> EnvironmentFault:
    return EnvironmentFault(
        "the settings contradict the journal: " + "; ".join(problems) + " (put them back, or use another data folder)",
        FaultStatus.CONFIGURATION,
    )
