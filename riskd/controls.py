"""What operators and the settings set in riskd's state, one RISK command each (``shm.controls``). Cold.

A value set live stays in force, over any restart, until it is set again, reset, or the settings themselves change: riskd
knows what the settings said last (``chosen``), and what they say otherwise at a start is a command, too.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from riskd import permissions
from riskd.chosen import COLLARS, MARGINS, chosen, row_of, set_chosen
from riskd.funds import follow_fund
from riskd.layout import LIMITED
from riskd.margins import margin_settings, set_margin
from riskd.positions import account_of_key, instrument_of_key
from riskd.requests import TICKS_BOUND
from riskd.state import Array
from riskd.totals import derive, kept_beside, rebuild
from runtime.rules import EVERYTHING
from runtime.sections import MARGIN_BOUND, Account, Instrument, Limits
from runtime.settings import Settings
from shm.controls import (
    GROUP_BOUND,
    PERMIT_BITS,
    RISK_COMMAND,
    SETTINGS,
    UNLIMITED,
    WORDS,
    Control,
    Kill,
    Reference,
    RiskFlag,
    Scope,
    all_of,
    bits_of,
)
from shm.records import COMMAND, NO_ACCOUNT, NO_INSTRUMENT, AccountFlag, CommandKind, MassCancelFlag

TABLES: Final = {
    Control.GROUP: ("accounts", "group"),
    Control.MAXIMUM_QUANTITY: ("accounts", "maximum_quantity"),
    Control.MAXIMUM_NOTIONAL: ("accounts", "maximum_notional"),
    Control.MAXIMUM_OPEN_ORDERS: ("accounts", "maximum_open_orders"),
    **{Control[name.upper()]: ("limits", name) for name in (*LIMITED, "minimum_quantity", "minimum_notional")},
    **{control: ("accounts", f"forbidden_{control.name[8:].lower()}") for control in WORDS},
    Control.RISING_IDS: ("accounts", "flags"),
    **permissions.TABLES,
}
"""Where a control's value lies in an account's, a group's or the firm's row."""
HIGHEST: Final = {
    Control.KILL: int(max(Kill)),
    Control.GROUP: GROUP_BOUND - 1,
    Control.WARN_PERCENT: 100,
    Control.RISING_IDS: 1,
    Control.COLLAR_REFERENCE: int(max(Reference)),
    Control.COLLAR_PRICE: UNLIMITED - 1,
    Control.INITIAL_MARGIN: MARGIN_BOUND,
    Control.MAINTENANCE_MARGIN: MARGIN_BOUND,
    Control.MARK_PRICE: TICKS_BOUND - 1,
    **permissions.HIGHEST,
    **{control: all_of(control) for control in WORDS},
}
"""The highest value allowed, where it is not UNLIMITED."""
MASKS: Final = {**permissions.MASKS, **{control: all_of(control) for control in WORDS}}
"""Of those that are kept the other way round, so that 0 forbids nothing: all that could be allowed."""
SWITCHES: Final = (Control.KILL, Control.LATCH)
"""The settings say nothing of them."""
TOTALS: Final = (*(Control[name.upper()] for name in LIMITED), Control.MAXIMUM_OPEN_ORDERS)
"""The limits that account, group and firm all have."""
CONTROLS_OF: Final = {
    Scope.ACCOUNT: (Control.KILL, Control.LATCH, *TABLES, Control.INSTRUMENT),
    Scope.GROUP: (Control.KILL, *TOTALS),
    Scope.FIRM: (Control.KILL, *TOTALS, Control.WARN_PERCENT),
    Scope.INSTRUMENT: (Control.KILL, *COLLARS, *MARGINS),
    Scope.SESSION: (Control.KILL,),
}


def value_of(risk: Any, scope: int, number: int, control: int) -> int:
    """The value in force."""
    if scope == Scope.SESSION:
        return int(number in risk["sessions"][: risk["header"]["sessions"]])
    if control in MARGINS:
        return int(risk["margins"][number][MARGINS[Control(control)][0]])
    if scope == Scope.INSTRUMENT:
        table, name = COLLARS.get(Control(control), ("instruments", "kill"))
        return int(risk[table][number][name])
    if control == Control.WARN_PERCENT:
        return int(risk["header"]["warn_percent"])
    if control == Control.LATCH:
        return int(risk["permits"][number]["latched"] > risk["permits"][number]["released"])
    table, name = TABLES.get(Control(control), ("accounts", "kill"))
    value = int(risk[table][row_of(risk, scope, number)][name])
    if control == Control.RISING_IDS:
        return int(value & AccountFlag.RISING_IDS != 0)
    return MASKS.get(Control(control), 0) ^ value


def put(risk: Any, scope: int, number: int, control: int, value: int) -> None:
    """Bring a value into force. After a recovery ``rebuild`` is due all the same."""
    if control == Control.KILL:
        _switch(risk, scope, number, value)
    elif control in MARGINS:
        set_margin(risk, number, control, value)
    elif control == Control.WARN_PERCENT:
        risk["header"]["warn_percent"] = value
    elif scope == Scope.INSTRUMENT:
        table, name = COLLARS[Control(control)]
        risk[table][number][name] = value
    elif control == Control.LATCH:
        permissions.release(risk, number, int(risk["permits"][number]["latched"]))
        derive(risk, number)
    elif control == Control.INSTRUMENT:
        permissions.set_permit(risk, number, value)
        derive(risk, number)
    else:
        row, (table, name) = row_of(risk, scope, number), TABLES[Control(control)]
        before = kept_beside(risk, row)
        if control == Control.RISING_IDS:
            value = int(risk[table][row][name]) & ~AccountFlag.RISING_IDS | AccountFlag.RISING_IDS * value
        risk[table][row][name] = MASKS.get(Control(control), 0) ^ value
        derive(risk, row)
        if before != kept_beside(risk, row) or control == Control.GROUP:
            rebuild(risk)


def choose(risk: Any, scope: int, number: int, control: int, value: int) -> None:
    """The settings say this: bring it into force, and know it as theirs."""
    if control == Control.INSTRUMENT:
        permissions.set_permit(risk, number, value, is_chosen=True)
    else:
        set_chosen(risk, scope, number, control, value)
    put(risk, scope, number, control, value)


def follow(risk: Any, command: Any) -> None:
    """Do what a RISK command says."""
    if command["control"] in (Control.FUNDS, Control.LOTS):
        follow_fund(risk, command)
        return
    if command["control"] == Control.LATCH:
        permissions.release(risk, int(command["account"]), int(command["count"]))
        derive(risk, int(command["account"]))
        return
    about = number_of(command), int(command["control"]), int(command["value"])
    (choose if command["flags"] & RiskFlag.FROM_SETTINGS else put)(risk, int(command["scope"]), *about)


def number_of(command: Any) -> int:
    """The number of what a RISK command is about; the firm's is 0."""
    names = {Scope.ACCOUNT: "account", Scope.GROUP: "group", Scope.INSTRUMENT: "instrument", Scope.SESSION: "session"}
    name = names.get(int(command["scope"]))  # type: ignore[call-overload]
    return int(command[name]) if name else 0


def risk_command(risk: Any, scope: Scope, number: int, control: Control, value: int, who: bytes, flags: int = 0) -> Array:
    """An array of one COMMAND; ``before`` is what is in force now."""
    made = np.zeros(1, RISK_COMMAND)
    made["kind"], made["account"], made["instrument"] = CommandKind.RISK, NO_ACCOUNT, NO_INSTRUMENT
    made["scope"], made["control"], made["value"], made["who"], made["flags"] = scope, control, value, who, flags
    if scope is not Scope.FIRM:
        made[scope.name.lower()] = number
    if control is Control.INSTRUMENT:
        made["before"] = permissions.permit_of(risk, number, value)
    else:
        made["before"] = value_of(risk, scope, number, control)
    if control is Control.LATCH:
        made["count"] = risk["permits"][number]["latched"]
    return made.view(COMMAND)


def changes(risk: Any, settings: Settings) -> Iterator[Array]:
    """A command for all that the settings say otherwise than last. Their accounts are defined."""
    names = [group.name for group in settings.groups]
    yield from _changes(risk, Scope.FIRM, 0, {**_limits(settings.firm), Control.WARN_PERCENT: settings.firm.warn_percent})
    for number, group in enumerate(settings.groups, 1):
        yield from _changes(risk, Scope.GROUP, number, _limits(group))
    for number, account in enumerate(settings.accounts):
        own = names.index(account.group) + 1 if account.group else 0
        yield from _permits(risk, number, settings)
        yield from _changes(risk, Scope.ACCOUNT, number, {Control.GROUP: own, **_limits(account), **_rules(account)})
    for number, instrument in enumerate(settings.instruments):
        yield from _changes(risk, Scope.INSTRUMENT, number, {**_collar(instrument), **margin_settings(instrument)})


def _changes(risk: Any, scope: Scope, number: int, wanted: dict[Control, int]) -> Iterator[Array]:
    for control, value in wanted.items():
        if chosen(risk, scope, number, control) != value:
            yield risk_command(risk, scope, number, control, value, SETTINGS, RiskFlag.FROM_SETTINGS)


def _permits(risk: Any, number: int, settings: Settings) -> Iterator[Array]:
    """Before the word that refuses all others: nothing is refused in between that both allow."""
    symbols = [item.symbol for item in settings.instruments]
    allowed = settings.accounts[number].allowed_instruments
    wanted = set() if allowed == EVERYTHING else {symbols.index(each) for each in allowed}
    for value in permissions.changed_permits(risk, number, wanted):
        yield risk_command(risk, Scope.ACCOUNT, number, Control.INSTRUMENT, value, SETTINGS, RiskFlag.FROM_SETTINGS)


def _rules(account: Account) -> dict[Control, int]:
    allowed = {control: bits_of(control, getattr(account, control.name.lower())) for control in WORDS}
    numbers = {Control.MINIMUM_QUANTITY: account.minimum_quantity, Control.MINIMUM_NOTIONAL: account.minimum_notional}
    numbers |= {Control.ALLOWED_INSTRUMENTS: int(account.allowed_instruments == EVERYTHING)}
    numbers |= {Control.ALLOWED_GATEWAYS: sum(1 << gateway for gateway in account.allowed_gateways)}
    numbers |= {Control.REPEAT_WINDOW_MS: account.repeat_window_ms, Control.REMEMBER_IDS: int(account.remember_ids)}
    return {**allowed, **numbers, Control.RISING_IDS: int(account.rising_ids)}


def _collar(item: Instrument) -> dict[Control, int]:
    widths = {control: item.width(control.name.lower()) for control in (Control.COLLAR_TICKS, Control.COLLAR_BASIS_POINTS)}
    reference = Reference[item.collar_reference.upper()]
    return {Control.COLLAR_REFERENCE: reference, Control.COLLAR_PRICE: item.collar_price, **widths}


def _limits(item: Limits) -> dict[Control, int]:
    """As riskd counts them."""
    return {Control[name.upper()]: item.limit(name) for name in item.limits()}


def shown(risk: Any, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Answers ``{"scope", "number"}``: each control with its value and, where there is one, what the settings say."""
    scope, number = thing(risk, arguments)
    made = []
    for control in CONTROLS_OF[scope]:
        if control == Control.INSTRUMENT:
            made += _named(risk, number)
            continue
        row = {"control": control.name.lower(), "value": value_of(risk, scope, number, control)}
        if control not in SWITCHES:
            row["settings"] = chosen(risk, scope, number, control)
        made.append(row)
    return made


def _named(risk: Any, account: int) -> list[dict[str, Any]]:
    """A row for each instrument that is allowed or refused by name."""
    made = []
    for instrument, values in sorted(permissions.named(risk, account).items()):
        value, said = (instrument << PERMIT_BITS | each for each in values)
        symbol = risk["instruments"][instrument]["symbol"].decode()
        if any(values):
            made.append({"control": "instrument", "value": value, "settings": said, "symbol": symbol})
    return made


def asked(risk: Any, arguments: Mapping[str, Any]) -> Array:
    """``{"scope", "number", "control", "value", "by"}`` as an array of one RISK; "settings" as a value resets it.

    Raises ValueError with what is allowed.
    """
    scope, number = thing(risk, arguments)
    words = {each.name.lower(): each for each in CONTROLS_OF[scope]}
    control = words.get(str(arguments.get("control")))
    if control is None:
        raise ValueError(f"control = {arguments.get('control')!r}: of this allowed is one of {', '.join(words)}")
    value = _value(risk, scope, number, control, arguments.get("value"))
    by = arguments.get("by")
    if not isinstance(by, str) or not 0 < len(by.encode()) <= RISK_COMMAND["who"].itemsize:
        raise ValueError(f"by = {by!r}: allowed is who asks, in 1 to {RISK_COMMAND['who'].itemsize} bytes")
    full = scope is Scope.SESSION and value and int(risk["header"]["sessions"]) == len(risk["sessions"])
    if full and not value_of(risk, scope, number, control):
        raise ValueError(f"there are {len(risk['sessions'])} sessions killed already: release some, or kill the account")
    return risk_command(risk, scope, number, control, value, by.encode())


def thing(risk: Any, arguments: Mapping[str, Any]) -> tuple[Scope, int]:
    """What ``scope`` and ``number`` name. Raises ValueError."""
    words = {each.name.lower(): each for each in Scope}
    scope, number = words.get(str(arguments.get("scope"))), arguments.get("number", 0)
    if scope is None:
        raise ValueError(f"scope = {arguments.get('scope')!r}: allowed is one of {', '.join(words)}")
    header = risk["header"]
    low, bound = {
        Scope.ACCOUNT: (0, int(header["accounts"])),
        Scope.GROUP: (1, GROUP_BOUND),
        Scope.FIRM: (0, 1),
        Scope.INSTRUMENT: (0, int(header["instruments"])),
        Scope.SESSION: (0, 1 << 31),
    }[scope]
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number < bound:
        raise ValueError(f"number = {number!r}: allowed of {scope.name.lower()} is one from {low} to below {bound}")
    return scope, number


def cancels(risk: Any, scope: Scope, number: int) -> dict[int, Array]:
    """By shard, the mass cancels that take off all that works under what is killed."""
    found: dict[int, Array] = {}
    for shard in range(risk["header"]["shards"]):
        made = [_mass_cancel(*each) for each in sorted(_at_work(risk, shard, scope, number))]
        if made:
            found[shard] = np.concatenate(made)
    return found


def _at_work(risk: Any, shard: int, scope: Scope, number: int) -> set[tuple[int, int, int]]:
    """Account, instrument and session of each mass cancel that the shard needs: -1 is all of them."""
    orders = risk["orders"][shard]
    keys = {int(key) for key in risk["positions"]["key"][orders["position"][orders["order_id"] != 0]]}
    accounts, instruments = {account_of_key(key) for key in keys}, {instrument_of_key(key) for key in keys}
    if scope is Scope.ACCOUNT:
        return {(number, NO_INSTRUMENT, -1)} if number in accounts else set()
    if scope is Scope.GROUP:
        return {(account, NO_INSTRUMENT, -1) for account in accounts if risk["accounts"][account]["group"] == number}
    wanted = instruments & {number} if scope is Scope.INSTRUMENT else instruments
    return {(NO_ACCOUNT, instrument, number if scope is Scope.SESSION else -1) for instrument in wanted}


def _mass_cancel(account: int, instrument: int, session: int) -> Array:
    made = np.zeros(1, COMMAND)
    made["kind"], made["account"], made["instrument"] = CommandKind.MASS_CANCEL, account, instrument
    if session >= 0:
        made["session"], made["flags"] = session, MassCancelFlag.BY_SESSION
    return made


def _value(risk: Any, scope: Scope, number: int, control: Control, value: Any) -> int:
    if value == "unlimited" and control not in HIGHEST:
        return UNLIMITED
    if control == Control.INSTRUMENT:
        return permissions.checked_permit(risk, number, value)
    if value == "settings" and control not in SWITCHES:
        return chosen(risk, scope, number, control)
    highest = int(HIGHEST.get(control, UNLIMITED)) if scope is not Scope.SESSION else Kill.REFUSING
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= highest:
        words = "" if control in HIGHEST else ', "unlimited" or "settings"'
        raise ValueError(f"value = {value!r}: allowed of {control.name.lower()} is an integer from 0 to {highest}{words}")
    if control == Control.COLLAR_PRICE and value % int(risk["instruments"][number]["tick_size"]):
        raise ValueError(
            f"value = {value}: allowed of collar_price is a multiple of {risk['instruments'][number]['tick_size']}"
        )
    return value


def _switch(risk: Any, scope: int, number: int, value: int) -> None:
    header, before = risk["header"], value_of(risk, scope, number, Control.KILL)
    header["switched"] += (value != 0) - (before != 0)
    if scope == Scope.SESSION:
        _switch_session(risk, number, value)
    elif scope == Scope.INSTRUMENT:
        risk["instruments"][number]["kill"] = value
    else:
        risk["accounts"][row_of(risk, scope, number)]["kill"] = value


def _switch_session(risk: Any, session: int, value: int) -> None:
    """Keep the list dense and in the order of switching."""
    header = risk["header"]
    kept = [int(each) for each in risk["sessions"][: header["sessions"]] if each != session] + [session] * (value != 0)
    header["sessions"] = len(kept)
    risk["sessions"][:] = kept + [0] * (len(risk["sessions"]) - len(kept))
