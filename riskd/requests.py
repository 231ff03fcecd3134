"""What an operator asks riskd to tell a matcher: an instrument's state, its rules. From a control request to a command.

Prices and quantities come in as clients count them, in 10**-decimals, and leave as ticks and lots. Whatever is wrong with a
request is a ValueError that says what is allowed.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from riskd.state import Array
from shm.records import COMMAND, NO_ACCOUNT, RULES_COMMAND, CommandKind, InstrumentState, Policy, RulesFlag

STATES: Final = {state.name.lower(): state for state in InstrumentState}
POLICIES: Final = {policy.name.lower(): policy for policy in Policy}
PRICES: Final = ("reference_price", "static_low", "static_high", "dynamic_collar")
TICKS_BOUND: Final = (1 << 48) - 1
"""Prices of the rules are below it, in ticks."""
LOTS_BOUND: Final = 1 << 62
RULES: Final = (*PRICES, "policy", "minimum_allocation", "top_order_priority")


def state_command(risk: Any, arguments: Mapping[str, Any]) -> Array:
    """``{"symbol", "state"}`` as an array of one STATE."""
    _check_names(arguments, ("symbol", "state"))
    made = _command(CommandKind.STATE, instrument_of(risk, arguments))
    made["type"] = _word(arguments, "state", STATES, "")
    return made


def rules_command(risk: Any, arguments: Mapping[str, Any]) -> Array:
    """``{"symbol"}`` and any of RULES as an array of one RULES. What is not given is off: it sets all of them at once."""
    _check_names(arguments, ("symbol", *RULES))
    number = instrument_of(risk, arguments)
    units = risk["instruments"][number]
    whole = _command(CommandKind.RULES, number)
    made = whole.view(RULES_COMMAND)
    for name in PRICES:
        made[name] = _count(arguments, name, int(units["tick_size"]), TICKS_BOUND)
    low, high = int(made["static_low"][0]), int(made["static_high"][0])
    if high and low > high:
        raise ValueError(f"static_low = {arguments['static_low']}: allowed is at most static_high, {arguments['static_high']}")
    made["minimum_allocation"] = _count(arguments, "minimum_allocation", int(units["lot_size"]), LOTS_BOUND)
    made["policy"] = _word(arguments, "policy", POLICIES, "price_time")
    top = arguments.get("top_order_priority", False)
    if not isinstance(top, bool):
        raise ValueError(f"top_order_priority = {top!r}: allowed is true or false")
    made["flags"] = RulesFlag.TOP_ORDER_PRIORITY if top else 0
    return whole


def instrument_of(risk: Any, arguments: Mapping[str, Any]) -> int:
    """The number of the instrument that ``symbol`` names."""
    symbol = arguments.get("symbol")
    known = [name.decode() for name in risk["instruments"]["symbol"][: risk["header"]["instruments"]]]
    if symbol not in known:
        some = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
        raise ValueError(f"symbol = {symbol!r}: allowed is one of {some or 'none, for there are no instruments'}")
    return known.index(symbol)


def _command(kind: CommandKind, instrument: int) -> Array:
    made = np.zeros(1, COMMAND)
    made["kind"], made["account"], made["instrument"] = kind, NO_ACCOUNT, instrument
    return made


def _check_names(arguments: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise ValueError(f"unknown argument {unknown[0]!r}: allowed are {', '.join(known)}")


def _word(arguments: Mapping[str, Any], name: str, words: Mapping[str, int], default: str) -> int:
    word = arguments.get(name, default)
    if not isinstance(word, str) or word not in words:
        raise ValueError(f"{name} = {word!r}: allowed is one of {', '.join(words)}")
    return words[word]


def _count(arguments: Mapping[str, Any], name: str, unit: int, bound: int) -> int:
    """So many times ``unit``; 0 when it is not given."""
    value = arguments.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or value % unit or value // unit >= bound:
        raise ValueError(f"{name} = {value!r}: allowed is a multiple of {unit} from 0 (none) to {(bound - 1) * unit}")
    return value // unit
