"""Seeded random streams of commands for the matcher, weighted to the rare, and the twin's events as bytes."""

from random import Random
from typing import Any

import numpy as np

from matcher.commands import definitions
from matcher.engine import Engine
from matcher.layout import Bounds
from reference.twin import Twin
from shm.reasons import Reason
from shm.records import COMMAND, EVENT, AccountFlag, CommandKind, InstrumentState, OrderType, Side, TimeInForce
from stream_themes import QUANTITIES, THEMES, Scene, order

INSTRUMENTS, ACCOUNTS, ORDERS, LEVELS = BOUNDS = Bounds(3, 4, 32, 24)
"""Small, so that pools run full and prices meet."""


def engine(bounds: Bounds = BOUNDS) -> Engine:
    """An engine over the smallest rings."""
    return Engine(*bounds, commands_capacity=256, events_capacity=256)


def restore(snapshot: bytes) -> Engine:
    """An engine like ``engine()`` that goes on from ``snapshot``."""
    return Engine.restore(snapshot, commands_capacity=256, events_capacity=256)


def twin(bounds: Bounds = BOUNDS) -> Twin:
    """The twin of ``engine(bounds)``."""
    return Twin(*bounds)


def stream(seed: int, size: int) -> Any:
    """``size`` unnumbered commands after the definitions, about a theme by the seed; some of them make no sense."""
    chance = Random(seed)
    theme = list(THEMES.values())[seed % len(THEMES)]
    scene = Scene(chance, theme, chance.choice([30, 1_000, 131_072, 2**40]), chance.choice(theme.spreads))
    first = definitions(INSTRUMENTS, ACCOUNTS)
    tracked = (first["kind"] == CommandKind.ACCOUNT) & (first["account"] < ACCOUNTS - 1)
    first["flags"][tracked] = AccountFlag.TRACK_POSITION
    return np.concatenate([first, _body(scene, size)])


KINDS = {
    CommandKind.NEW: 0.6,
    CommandKind.REPLACE: 0.11,
    CommandKind.CANCEL: 0.14,
    CommandKind.REDUCE: 0.05,
    CommandKind.MASS_CANCEL: 0.03,
    CommandKind.INSTRUMENT: 0.004,
    CommandKind.ACCOUNT: 0.005,
    CommandKind.SNAPSHOT: 0.004,
    CommandKind.RISK: 0.001,
    200: 0.002,
}
"""How likely each kind of command is; the theme says it of the rest."""


def _body(scene: Scene, size: int) -> Any:
    made = np.zeros(size, COMMAND)
    chance, theme = scene.chance, scene.theme
    kinds = KINDS | {CommandKind.STATE: theme.state, CommandKind.RULES: theme.rules, CommandKind.CLOCK: theme.clock}
    for k in range(size):
        scene.now += chance.choice([0, 1, 1, 2, 5, 9])
        kind = chance.choices(list(kinds), list(kinds.values()))[0]
        command = {"kind": kind, "account": chance.choice(theme.accounts), "instrument": chance.choice(theme.instruments)}
        command |= {"session": chance.randrange(3), "time_ns": scene.now, "request_id": chance.randrange(2**63)}
        if k < INSTRUMENTS:
            command |= {"kind": CommandKind.RULES, "instrument": k}
        _fill(scene, command)
        for name, value in command.items():
            made[k][name] = value
    _spoil(np.random.default_rng(chance.randrange(2**32)), made)
    return made


def _fill(scene: Scene, command: dict[str, Any]) -> None:
    """The fields that the kind has."""
    chance, kind, instrument = scene.chance, command["kind"], command["instrument"]
    away = [number for number, state in scene.states.items() if state != InstrumentState.CONTINUOUS]
    stuck = any(scene.states[number] >= InstrumentState.HALTED for number in away)
    if away and kind == CommandKind.NEW and chance.random() < (0.25 if stuck else 0.05):
        command |= {"kind": CommandKind.STATE, "instrument": max(away, key=lambda number: scene.states[number])}
        scene.states[command["instrument"]] = command["type"] = chance.choice([0, 0, 0, 0, 0, 2, 4, 7])
    elif kind == CommandKind.NEW:
        command |= order(scene, instrument, command["account"])
        if command["time_in_force"] not in (TimeInForce.IOC, TimeInForce.FOK) and command["type"] != OrderType.MARKET:
            scene.named.append(command)
    elif kind in (CommandKind.REPLACE, CommandKind.CANCEL, CommandKind.REDUCE):
        _change(scene, command)
    elif kind == CommandKind.MASS_CANCEL:
        _mass_cancel(scene, command)
    elif kind == CommandKind.STATE:
        command["type"] = chance.choice([0, 0, 0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 7])
        scene.states[instrument] = command["type"]
    elif kind == CommandKind.RULES:
        _rules(scene, command)
    elif kind == CommandKind.INSTRUMENT:
        command["instrument"] = chance.choice([0, 1, 2, 3, -1])
    elif kind == CommandKind.ACCOUNT:
        command["account"] = scene.mostly(command["account"], ACCOUNTS)
        command["flags"] = scene.mostly(AccountFlag.TRACK_POSITION, 0)


def _change(scene: Scene, command: dict[str, Any]) -> None:
    """Name an order that was entered not long ago, and mostly leave some of its terms as they were."""
    if not scene.named:
        return
    chance = scene.chance
    at = chance.randrange(max(len(scene.named) - chance.choice([10, 60]), 0), len(scene.named))
    named = scene.named.pop(at) if command["kind"] == CommandKind.CANCEL else scene.named[at]
    command |= {name: named[name] for name in ("account", "instrument", "client_order_id", "side", "type", "time_in_force")}
    if command["kind"] == CommandKind.REDUCE:
        command["quantity"] = chance.choice([1, 1, 2, 5])
    elif command["kind"] == CommandKind.REPLACE:
        zero = named["type"] in (OrderType.STOP, OrderType.TRAILING_STOP)
        command["price"] = named["price"] if chance.random() < 0.5 or zero else scene.price()
        command["stop_price"] = named.get("stop_price", 0) if chance.random() < 0.7 else scene.price()
        less = max(named["quantity"] - chance.choice([0, 1, 2]), 1)
        command["quantity"] = less if chance.random() < 0.5 else chance.choice(QUANTITIES)


def _mass_cancel(scene: Scene, command: dict[str, Any]) -> None:
    chance = scene.chance
    command["flags"] = chance.choice([0, 0, 1, 2, 3, 4, 6, 7])
    command |= {"side": chance.choice(list(Side)), "price": scene.price()}
    command["stop_price"] = command["price"] + chance.randint(-1, 2 * scene.spread)
    if chance.random() < 0.5:
        command["instrument"] = -1
    if chance.random() < 0.15:
        command |= {"account": -1, "instrument": chance.choice([0, 1, 2])}


def _rules(scene: Scene, command: dict[str, Any]) -> None:
    chance, theme = scene.chance, scene.theme
    command |= {"price": chance.choice([0, scene.middle]), "type": int(chance.random() < theme.pro_rata)}
    command |= {"minimum_quantity": chance.choice([0, 0, 1, 2, 3]), "flags": chance.choice([0, 1])}
    if chance.random() < theme.collar:
        command["stop_price"] = chance.randint(1, scene.spread // 2 + 1)
    if chance.random() < theme.collar:
        command["quantity"] = chance.choice([0, max(scene.middle - 2 * scene.spread, 1), max(scene.middle - scene.spread, 1)])
        command["display_quantity"] = chance.choice([0, scene.middle + scene.spread, scene.middle + 2 * scene.spread])


ODD: dict[str, list[int]] = {
    "price": [0, -5, 1, 2, 2**48 - 2, 2**48 - 1, 2**60],
    "stop_price": [0, -5, 1, 2**47, 2**47 + 1, -(2**47), 2**48 - 2, 2**48 - 1],
    "quantity": [0, -3, 2**40, 2**31, 2**31 - 1],
    "instrument": [-1, 99, 2],
    "account": [-1, 77, 1],
    "verdict": [Reason.PRICE_OFF_TICK, Reason.UNKNOWN_ORDER],
    "type": [0, 2, 3, 9, 11, 200],
    "time_in_force": [0, 2, 4, 6, 8, 200],
    "side": [2, 7],
    "display_quantity": [-1, 1, 2**40],
    "minimum_quantity": [-1, 1, 2**40],
    "expiry_ns": [-1, 1, 2**60],
    "self_trade_rule": [4, 5, 255],
    "self_trade_group": [-1, 7],
    "step": [1, 65_535],
    "flags": [1, 2, 4, 9, 17, 33, 65, 128, 129],
}
"""By field: values that are wrong, or wrong there."""


def _spoil(chance: Any, made: Any) -> None:
    """Make a few of them wrong in each way."""
    for name, values in ODD.items():
        wrong = chance.random(len(made)) < 0.003
        made[name][wrong] = chance.choice(values, wrong.sum())


def as_dicts(commands: Any) -> list[dict[str, Any]]:
    """The commands as the twin wants them."""
    names = [name for name in COMMAND.names or () if name != "pad"]
    return [dict(zip(names, row, strict=True)) for row in commands[names].tolist()]


BLANK: dict[str, Any] = dict.fromkeys(EVENT.names or (), 0)


def as_events(told: list[dict[str, Any]], first: int = 1) -> Any:
    """The twin's events as an array of EVENT; what it does not mention is 0."""
    rows = [tuple((BLANK | event | {"sequence": first + k}).values()) for k, event in enumerate(told)]
    return np.array(rows, EVENT)


def wrong_numbers(commands: Any, seed: int) -> Any:
    """Numbered commands of which some name other orders, none, or slots that are taken or do not exist."""
    commands, chance = commands.copy(), np.random.default_rng(seed)
    wrong = np.flatnonzero(chance.random(len(commands)) < 0.08)
    commands["order_id"][wrong] = chance.choice(commands["order_id"], wrong.size)
    wrong = np.flatnonzero(chance.random(len(commands)) < 0.02)
    commands["order_id"][wrong] = chance.choice([0, -1, 2**24 - 1, 2**40 + 31, 2**40 + 32, 2**62], wrong.size)
    commands["verdict"][chance.random(len(commands)) < 0.5] = 0
    commands["side"][chance.random(len(commands)) < 0.01] = 7
    return commands
