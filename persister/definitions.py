"""What events say about instruments and accounts themselves: few rows, so they are made one by one."""

from collections.abc import Iterator
from typing import Any, Final

from persister.placement import Array
from persister.rows import Commands
from persister.scales import NUMBERS, Scales
from shm.controls import FUND_COMMAND, RISK_COMMAND, Control, Scope
from shm.records import ACCOUNT_COMMAND, INSTRUMENT_COMMAND, RULES_COMMAND, EventKind

Row = dict[str, Any]

DECIMALS: Final = ("price_decimals", "quantity_decimals")
ACCOUNT_NUMBERS: Final = (
    "maximum_quantity",
    "maximum_notional",
    "maximum_open_orders",
    "self_trade_rule",
    "self_trade_group",
    "flags",
)
OF_SCOPE: Final[dict[int, str]] = {
    Scope.ACCOUNT: "account",
    Scope.GROUP: "group",
    Scope.INSTRUMENT: "instrument",
    Scope.SESSION: "session",
}
PRICES: Final = ("reference_price", "static_low", "static_high", "dynamic_collar")
RULES: Final = (*PRICES, "minimum_allocation", "policy", "flags")


def instruments(events: Array, commands: Commands, scales: Scales) -> list[Row]:
    """Rows of those defined; from now on ``scales`` knows them."""
    defined = events[events["kind"] == EventKind.INSTRUMENT_DEFINED]
    rows = []
    for record in commands(defined["command_sequence"]).view(INSTRUMENT_COMMAND):
        row = {name: int(record[name]) for name in ("instrument", *NUMBERS, *DECIMALS)}
        scales.define(row["instrument"], bytes(record["currency"]), **{name: row[name] for name in NUMBERS})
        rows.append({**row, **{name: _text(record[name]) for name in ("symbol", "currency")}})
    return rows


def instrument_history(events: Array, commands: Commands, shard: int, scales: Scales) -> list[Row]:
    """A row for each definition, change of state and set of rules."""
    kinds = (EventKind.INSTRUMENT_DEFINED, EventKind.STATE_CHANGED, EventKind.RULES_SET)
    rows = []
    for kind in kinds:
        chosen = events[events["kind"] == kind]
        for event, command in zip(chosen, commands(chosen["command_sequence"]).view(RULES_COMMAND), strict=True):
            rows.append({**_of_event(event), "shard": shard, **_state_or_rules(kind, event, command, scales)})
    return rows


def accounts(events: Array, commands: Commands) -> list[Row]:
    """Rows of those defined, with sequence and time for the history."""
    return list(_accounts(events[events["kind"] == EventKind.ACCOUNT_DEFINED], commands))


def _accounts(defined: Array, commands: Commands) -> Iterator[Row]:
    for record in commands(defined["command_sequence"]).view(ACCOUNT_COMMAND):
        numbers = {name: int(record[name]) for name in ("account", *ACCOUNT_NUMBERS, "time_ns")}
        yield {**numbers, "name": _text(record["name"]), "command_sequence": int(record["sequence"])}


def risk_log(events: Array, commands: Commands, shard: int) -> list[Row]:
    """A row for each control that was set."""
    chosen = events[events["kind"] == EventKind.RISK_SET]
    rows = []
    found = commands(chosen["command_sequence"])
    for record, fund in zip(found.view(RISK_COMMAND), found.view(FUND_COMMAND), strict=True):
        named = OF_SCOPE.get(int(record["scope"]))
        numbers = {name: int(record[name]) for name in ("time_ns", "scope", "control", "flags")}
        about = {"shard": shard, "command_sequence": int(record["sequence"]), "number": int(record[named]) if named else 0}
        values = {"value_before": int(record["before"]), "value_after": int(record["value"])}
        asset = {
            "currency": _text(fund["currency"]) if record["control"] == Control.FUNDS else "",
            "instrument": int(record["instrument"]) if record["control"] == Control.LOTS else -1,
        }
        rows.append({**about, **numbers, **values, **asset, "who": _text(record["who"])})
    return rows


def _of_event(event: Any) -> Row:
    names = ("command_sequence", "time_ns", "instrument", "kind")
    return {"event_sequence": int(event["sequence"]), **{name: int(event[name]) for name in names}}


def _state_or_rules(kind: EventKind, event: Any, command: Any, scales: Scales) -> Row:
    """The columns of one kind of row; those of the others are 0."""
    row: Row = dict.fromkeys(("state", "reason", *RULES), 0)
    if kind == EventKind.STATE_CHANGED:
        row |= {"state": int(event["type"]), "reason": int(event["reason"])}
    elif kind == EventKind.RULES_SET:
        tick_size, lot_size = (int(size[event["instrument"]]) for size in (scales.tick_size, scales.lot_size))
        row |= {name: int(command[name]) * tick_size for name in PRICES}
        row["minimum_allocation"] = int(command["minimum_allocation"]) * lot_size
        row |= {"policy": int(command["policy"]), "flags": int(command["flags"])}
    return row


def _text(value: Any) -> str:
    return bytes(value).rstrip(b"\0").decode(errors="replace")
