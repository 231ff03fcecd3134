"""A made-up day of trading: commands and the events that a matcher could have answered with. And its rows, by plain
loops.

No book is kept: who trades with whom is drawn by lot. What is kept is all that the database's rows depend on.
"""

import random
from collections import defaultdict
from typing import Any

import numpy as np

from shm.controls import RISK_COMMAND, Control, Scope
from shm.fees import fee
from shm.reasons import Reason
from shm.records import (
    ACCOUNT_COMMAND,
    COMMAND,
    EVENT,
    INSTRUMENT_COMMAND,
    RULES_COMMAND,
    CommandKind,
    EventFlag,
    EventKind,
    FeeBasis,
    InstrumentState,
    OrderFlag,
    OrderType,
    Side,
    TimeInForce,
)

INSTRUMENTS = ((5, 10, 50), (1, 1, 1), (25, 100, 2500))
"""tick_size, lot_size, tick_value."""
FEES = ((FeeBasis.BASIS_POINTS, -1250, 33_333), (FeeBasis.PER_LOT, 3, -2), (FeeBasis.BASIS_POINTS, 0, 100))
"""fee_basis, maker_fee, taker_fee."""
CURRENCIES = ("USD", "EURO", "USD")
ACCOUNTS = 4
START_NS = 1_700_000_000_000_000_000
STEP_NS = 97_000_000_000
"""Between two commands: a thousand are more than a day."""
NS_PER_DAY = 24 * 3600 * 10**9


class Story:
    """Grows command by command. ``commands`` and ``events`` are lists of one-record arrays until ``arrays()``."""

    def __init__(self, seed: int, shard: int = 0, shards: int = 1) -> None:
        self.random = random.Random(seed * 16 + shard)
        self.commands: list[Any] = []
        self.events: list[Any] = []
        self.live: dict[int, dict[str, int]] = {}
        self.instruments = [k for k in range(len(INSTRUMENTS)) if k % shards == shard]
        self._client_order_id = (1 << 64) - 5  # runs over, so that ids beyond what a database's integer takes occur
        for instrument in self.instruments:
            self._define_instrument(instrument)
        for account in range(ACCOUNTS):
            self._define_account(account)

    def grow(self, count: int) -> "Story":
        """``count`` more commands."""
        kinds = (self._new, self._new, self._new, self._cancel, self._replace, self._refused, self._refused_by_matcher)
        kinds += (self._restate, self._trigger)
        for _ in range(count):
            if self.random.random() < 0.02:
                self.random.choice(
                    (self._mass_cancel, self._change_state, self._set_rules, self._change_account, self._set_risk)
                )()
            else:
                self.random.choice(kinds)()
        return self

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Commands and events."""
        return np.array(self.commands, COMMAND), np.array(self.events, EVENT)

    # ------------------------------------------------------------------------------------ commands

    def _command(self, kind: CommandKind, dtype: Any = COMMAND, **fields: Any) -> Any:
        command = np.zeros((), dtype)
        command["sequence"] = len(self.commands) + 1
        command["time_ns"] = START_NS + len(self.commands) * STEP_NS
        command["kind"] = kind
        for name, value in fields.items():
            command[name] = value
        self.commands.append(command.view(COMMAND)[()] if dtype is not COMMAND else command[()])
        self._index = 0
        return command

    def _event(self, kind: EventKind, **fields: Any) -> None:
        event, command = np.zeros((), EVENT), self.commands[-1]
        event["sequence"] = len(self.events) + 1
        event["command_sequence"], event["time_ns"] = command["sequence"], command["time_ns"]
        event["kind"], event["index"] = kind, self._index
        event["request_id"] = command["request_id"]
        for name, value in fields.items():
            event[name] = value
        self._index += 1
        self.events.append(event[()])

    def _last(self) -> None:
        if self.events[-1]["kind"] != EventKind.REJECTED:
            self.events[-1]["flags"] |= EventFlag.LAST

    def _define_instrument(self, instrument: int) -> None:
        tick_size, lot_size, tick_value = INSTRUMENTS[instrument]
        basis, maker_fee, taker_fee = FEES[instrument]
        self._command(
            CommandKind.INSTRUMENT,
            INSTRUMENT_COMMAND,
            instrument=instrument,
            symbol=f"SYM{instrument}".encode(),
            currency=CURRENCIES[instrument].encode(),
            fee_basis=basis,
            maker_fee=maker_fee,
            taker_fee=taker_fee,
            tick_size=tick_size,
            lot_size=lot_size,
            tick_value=tick_value,
            price_decimals=2,
            quantity_decimals=1,
        )
        self._event(EventKind.INSTRUMENT_DEFINED, instrument=instrument)
        self._last()

    def _change_state(self) -> None:
        state = {"instrument": self.random.choice(self.instruments), "type": self.random.choice(list(InstrumentState))}
        self._command(CommandKind.STATE, **state)
        self._event(EventKind.STATE_CHANGED, **state, reason=int(self.random.choice((0, Reason.PEG_MOVED))))
        self._last()

    def _set_rules(self) -> None:
        instrument = self.random.choice(self.instruments)
        names = ("reference_price", "dynamic_collar", "static_low", "static_high", "minimum_allocation")
        rules = {name: self.random.randrange(100) for name in names}
        self._command(CommandKind.RULES, RULES_COMMAND, instrument=instrument, **rules, policy=1, flags=1)
        self._event(EventKind.RULES_SET, instrument=instrument)
        self._last()

    def _change_account(self) -> None:
        self._define_account(self.random.randrange(ACCOUNTS), self.random.randrange(1, 99))

    def _set_risk(self) -> None:
        draw = self.random
        control = draw.choice((Control.MAXIMUM_QUANTITY, Control.FUNDS, Control.LOTS))
        scope = draw.choice(list(Scope)) if control is Control.MAXIMUM_QUANTITY else Scope.ACCOUNT
        about = {
            "account": draw.randrange(9),
            "group": draw.randrange(9),
            "instrument": draw.randrange(9),
            "session": 2**24 + 1,
        }
        values = {
            "control": control,
            "value": 2**62,
            "before": draw.randrange(9),
            "who": b"somebody@somewhere",
        }
        if control is Control.FUNDS:
            about["group"] = int.from_bytes(b"USD", "little")
        self._command(CommandKind.RISK, RISK_COMMAND, scope=scope, **about, **values, flags=draw.randrange(2))
        self._event(EventKind.RISK_SET)
        self._last()

    def _define_account(self, account: int, group: int = 0) -> None:
        limits = {"name": f"account{account}".encode(), "maximum_quantity": 1000, "self_trade_group": group, "flags": 1}
        self._command(CommandKind.ACCOUNT, ACCOUNT_COMMAND, account=account, **limits)
        self._event(EventKind.ACCOUNT_DEFINED, account=account)
        self._last()

    def _asked(self) -> dict[str, int]:
        """A limit order, or one of any other kind: which terms go together the rows do not ask."""
        draw = self.random
        asked = self._asked_plainly()
        if draw.random() < 0.3:
            asked |= {"type": draw.choice(list(OrderType)), "time_in_force": draw.choice(list(TimeInForce))}
            asked |= {"stop_price": draw.choice((0, -9, 12)), "display_quantity": draw.choice((0, 3)), "self_trade_group": 7}
            asked |= {"minimum_quantity": draw.choice((0, 2)), "expiry_ns": draw.choice((0, START_NS)), "self_trade_rule": 3}
            asked["flags"] = OrderFlag.EXTENDED | draw.choice((0, OrderFlag.BASIS_POINTS, OrderFlag.POST_ONLY, 0xFFFE))
        return asked

    def _asked_plainly(self) -> dict[str, int]:
        draw = self.random
        self._client_order_id = (self._client_order_id + 1) % (1 << 64) or 1
        return {
            "client_order_id": self._client_order_id,
            "account": draw.randrange(ACCOUNTS),
            "instrument": draw.choice(self.instruments),
            "side": draw.randrange(2),
            "type": OrderType.LIMIT,
            "time_in_force": draw.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC)),
            "price": draw.randrange(1, 1000),
            "quantity": draw.randrange(1, 50),
        }

    def _new(self) -> None:
        asked = self._asked()
        if self.random.random() < 0.1:
            asked |= {"type": OrderType.MARKET, "price": 0, "time_in_force": TimeInForce.IOC}
        order_id = (len(self.commands) + 1) << 24 | self.random.randrange(1 << 24)
        self._command(CommandKind.NEW, order_id=order_id, **asked)
        order = {**asked, "order_id": order_id, "leaves": asked["quantity"]}
        self._event(EventKind.ACCEPTED, leaves=asked["quantity"], **_known(order), **_terms(order))
        self._trade(order)
        if order["leaves"] and asked["time_in_force"] == TimeInForce.IOC:
            self._gone(order, Reason.NO_LIQUIDITY)
        elif order["leaves"]:
            self.live[order_id] = order
        self._last()

    def _trade(self, order: dict[str, int]) -> None:
        others = [
            other
            for other in self.live.values()
            if other["instrument"] == order["instrument"] and other["side"] != order["side"]
        ]
        self.random.shuffle(others)
        for other in others[: self.random.choice((0, 0, 1, 2, 5))]:
            if not order["leaves"]:
                return
            quantity = self.random.randint(1, min(order["leaves"], other["leaves"]))
            order["leaves"] -= quantity
            other["leaves"] -= quantity
            self._event(
                EventKind.TRADE,
                **_known(order),
                resting_order_id=other["order_id"],
                resting_client_order_id=other["client_order_id"],
                resting_account=other["account"],
                price=other["price"],
                quantity=quantity,
                leaves=order["leaves"],
                resting_leaves=other["leaves"],
                flags=self.random.choice((0, 0, int(EventFlag.AUCTION))),
            )
            if not other["leaves"]:
                del self.live[other["order_id"]]

    def _gone(self, order: dict[str, int], reason: Reason) -> None:
        terms = {"price": order["price"], "quantity": order["leaves"]}
        self._event(EventKind.CANCELLED, **_known(order), **terms, reason=int(reason))
        self.live.pop(order["order_id"], None)

    def _some(self) -> dict[str, int] | None:
        return self.random.choice(list(self.live.values())) if self.live else None

    def _cancel(self) -> None:
        order = self._some()
        if order is None or self.random.random() < 0.1:
            asked = self._asked()
            self._command(CommandKind.CANCEL, **asked)
            self._event(
                EventKind.REJECTED,
                client_order_id=asked["client_order_id"],
                account=asked["account"],
                reason=int(Reason.ORDER_NOT_LIVE),
                flags=int(CommandKind.CANCEL),
            )
            return
        self._command(CommandKind.CANCEL, **_known(order))
        self._gone(order, Reason.CANCELLED_BY_CLIENT)
        self._last()

    def _replace(self) -> None:
        order = self._some()
        if order is None:
            return self._new()
        executed = order["quantity"] - order["leaves"]
        price, quantity = self.random.randrange(1, 1000), executed + self.random.randrange(1, 50)
        self._command(CommandKind.REPLACE, **_known(order), price=price, quantity=quantity)
        order |= {"price": price, "quantity": quantity, "leaves": quantity - executed}
        self._event(EventKind.REPLACED, leaves=order["leaves"], **_known(order), **_terms(order))
        self._trade(order)
        if not order["leaves"]:
            self.live.pop(order["order_id"])
        self._last()
        return None

    def _restate(self) -> None:
        """A clock strikes, and an order has another price, or fewer lots."""
        order = self._some()
        if order is None:
            return
        self._command(CommandKind.CLOCK)
        order["price"] = self.random.choice((0, order["price"], self.random.randrange(1, 1000)))
        less = self.random.randrange(order["leaves"])
        order["quantity"], order["leaves"] = order["quantity"] - less, order["leaves"] - less
        reason = int(Reason.PEG_MOVED)
        self._event(EventKind.RESTATED, leaves=order["leaves"], **_known(order), **_terms(order), reason=reason)
        if self.random.random() < 0.5:
            self._trade(order)
        self._end(order)

    def _trigger(self) -> None:
        """A clock strikes, and an order becomes active, without a price or with one that the rows do not take over."""
        order = self._some()
        if order is None:
            return
        self._command(CommandKind.CLOCK)
        terms = {"price": self.random.choice((0, 500)), "quantity": order["quantity"], "leaves": order["leaves"]}
        self._event(EventKind.TRIGGERED, **_known(order), **terms)
        if self.random.random() < 0.5:
            self._trade(order)
        self._end(order)

    def _end(self, order: dict[str, int]) -> None:
        if not order["leaves"]:
            self.live.pop(order["order_id"])
        self._event(EventKind.CLOCK)
        self._last()

    def _mass_cancel(self) -> None:
        account = self.random.randrange(ACCOUNTS)
        self._command(CommandKind.MASS_CANCEL, account=account, instrument=-1)
        orders = [order for order in self.live.values() if order["account"] == account]
        for order in orders:
            self._gone(order, Reason.CANCELLED_BY_MASS_CANCEL)
        self._event(EventKind.MASS_CANCELLED, account=account, instrument=-1, quantity=len(orders))
        self._last()

    def _refused(self) -> None:
        """By riskd: everything as it was sent, an instrument that does not exist included."""
        asked = self._asked() | {"price": 123_456, "quantity": -7, "verdict": int(Reason.QUANTITY_NOT_POSITIVE)}
        if self.random.random() < 0.3:
            asked |= {"instrument": 12345, "verdict": int(Reason.UNKNOWN_INSTRUMENT)}
        self._rejected_new(asked, asked["verdict"])

    def _refused_by_matcher(self) -> None:
        if self.random.random() < 0.3:
            self._rejected_new(self._asked(), int(Reason.PRICE_OUT_OF_RANGE))

    def _rejected_new(self, asked: dict[str, int], reason: int) -> None:
        self._command(CommandKind.NEW, **asked)
        names = ("client_order_id", "account", "instrument")
        known = {name: asked[name] for name in names}
        self._event(EventKind.REJECTED, reason=reason, flags=int(CommandKind.NEW), **known)


def _known(order: dict[str, int]) -> dict[str, int]:
    names = ("order_id", "client_order_id", "account", "instrument", "side", "type", "time_in_force")
    return {name: order[name] for name in names}


def _terms(order: dict[str, int]) -> dict[str, int]:
    return {"price": order["price"], "quantity": order["quantity"]}


# ------------------------------------------------------------------------------------ the slow twin


def signed(value: int) -> int:
    """As a database holds 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value


class Rows:
    """What the tables should hold, each as a set of tuples in the table's column order."""

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], list[int]] = {}
        self.order_events: set[tuple[int, ...]] = set()
        self.executions: set[tuple[int, ...]] = set()
        self.instrument_history: set[tuple[int, ...]] = set()
        self.account_history: set[tuple[Any, ...]] = set()
        self.risk_log: set[tuple[Any, ...]] = set()
        self._held: dict[tuple[int, int], Held] = defaultdict(Held)
        self._days: dict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0] * 11)
        self._balances: dict[tuple[int, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._prices: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)

    def add(self, shard: int, commands: np.ndarray, events: np.ndarray) -> "Rows":
        """Every event of a shard, one after the other."""
        for event in events:
            command = commands[int(event["command_sequence"]) - 1]
            handler = {
                EventKind.ACCEPTED: self._accepted,
                EventKind.TRADE: self._traded,
                EventKind.CANCELLED: self._cancelled,
                EventKind.REPLACED: self._replaced,
                EventKind.RESTATED: self._replaced,
                EventKind.TRIGGERED: self._triggered,
                EventKind.REJECTED: self._rejected,
                EventKind.INSTRUMENT_DEFINED: self._instrument_changed,
                EventKind.STATE_CHANGED: self._instrument_changed,
                EventKind.RULES_SET: self._instrument_changed,
                EventKind.ACCOUNT_DEFINED: self._account_defined,
                EventKind.RISK_SET: self._risk_set,
            }.get(int(event["kind"]))
            if handler is not None:
                handler(shard, command, {name: int(event[name]) for name in EVENT.names if name != "pad"})
        return self

    def tables(self) -> dict[str, set[tuple[Any, ...]]]:
        """Table name → its rows."""
        return {
            "orders": {(*key, *row) for key, row in self.orders.items()},
            "order_events": self.order_events,
            "executions": self.executions,
            "positions": {(*key, *held.row()) for key, held in self._held.items()},
            "daily_profit": {(*key, *row) for key, row in self._days.items()},
            "balances": {(*key, *row) for key, row in self._balances.items()},
            "daily_prices": {(*key, *_prices_of(trades)) for key, trades in self._prices.items()},
            "instrument_history": self.instrument_history,
            "account_history": self.account_history,
            "risk_log": self.risk_log,
        }

    def _accepted(self, shard: int, command: Any, event: dict[str, int]) -> None:
        tick, lot, _ = INSTRUMENTS[event["instrument"]]
        names = ("account", "instrument", "side", "type", "time_in_force")
        quantity, time = event["quantity"] * lot, event["time_ns"]
        self.orders[shard, event["order_id"]] = [
            signed(event["client_order_id"]),
            *(event[name] for name in names),
            *(event["price"] * tick, quantity, 0, quantity, 1, 0, time, time, event["sequence"]),
            *_more(command, tick, lot),
        ]
        self._touched(shard, event)

    def _touched(self, shard: int, event: dict[str, int], prefix: str = "") -> None:
        tick, lot, _ = INSTRUMENTS[event["instrument"]]
        self.order_events.add(
            (
                *(shard, event[f"{prefix}order_id"], event["sequence"], event["command_sequence"]),
                *(event[f"{prefix}account"], event["kind"], event["price"] * tick, event["quantity"] * lot),
                *(event[f"{prefix}leaves"] * lot, event["reason"], event["time_ns"]),
            )
        )

    def _traded(self, shard: int, _: Any, event: dict[str, int]) -> None:
        tick, lot, _ = INSTRUMENTS[event["instrument"]]
        for prefix, other in (("", "resting_"), ("resting_", "")):
            row = self.orders[shard, event[f"{prefix}order_id"]]
            leaves = event[f"{prefix}leaves"] * lot
            row[8:11] = [row[8] + event["quantity"] * lot, leaves, 1 if leaves else 2]
            row[13:15] = [event["time_ns"], event["sequence"]]
            self._touched(shard, event, prefix)
            self._executed(shard, event, prefix, other)
        traded = (event["price"] * tick, event["quantity"] * lot, _money(event))
        self._prices[event["instrument"], event["time_ns"] // NS_PER_DAY].append(traded)

    def _executed(self, shard: int, event: dict[str, int], prefix: str, other: str) -> None:
        """One side of a trade."""
        tick, lot, _ = INSTRUMENTS[event["instrument"]]
        basis, maker_fee, taker_fee = FEES[event["instrument"]]
        auction = event["flags"] & EventFlag.AUCTION
        side, liquidity = (1 - event["side"], 1) if prefix else (event["side"], 2)
        paid = fee(basis, maker_fee if prefix and not auction else taker_fee, event["quantity"], _money(event))
        account, instrument, quantity, money = (
            event[f"{prefix}account"],
            event["instrument"],
            event["quantity"] * lot,
            _money(event),
        )
        held = self._held[account, instrument]
        gained = held.fill(side == Side.BUY, quantity, money, paid, event)
        self.executions.add(
            (
                *(shard, event["sequence"], side, event["command_sequence"], account, instrument, event[f"{prefix}order_id"]),
                *(signed(event[f"{prefix}client_order_id"]), 3 if auction else liquidity, event["price"] * tick, quantity),
                *(money, paid, held.net, held.signed_cost(), gained),
                *(event[f"{other}account"], event[f"{other}order_id"], event["time_ns"]),
            )
        )
        day, bought = event["time_ns"] // NS_PER_DAY, side == Side.BUY
        sums = (quantity * bought, quantity * (not bought), money * bought, money * (not bought))
        added = (1, gained > 0, gained < 0, *sums, gained, paid)
        row = self._days[account, instrument, day]
        row[:] = [*(before + more for before, more in zip(row, added, strict=False)), held.net, held.signed_cost()]
        balance = self._balances[account, CURRENCIES[instrument], day]
        balance[:] = [balance[0] + sums[3], balance[1] + sums[2], balance[2] + paid]

    def _cancelled(self, shard: int, _: Any, event: dict[str, int]) -> None:
        row = self.orders[shard, event["order_id"]]
        row[9:12] = [0, 3, event["reason"]]
        row[13:15] = [event["time_ns"], event["sequence"]]
        self._touched(shard, event)

    def _replaced(self, shard: int, _: Any, event: dict[str, int]) -> None:
        tick, lot, _ = INSTRUMENTS[event["instrument"]]
        row = self.orders[shard, event["order_id"]]
        row[6:8] = [event["price"] * tick, event["quantity"] * lot]
        row[9] = event["leaves"] * lot
        row[13:15] = [event["time_ns"], event["sequence"]]
        self._touched(shard, event)

    def _triggered(self, shard: int, _: Any, event: dict[str, int]) -> None:
        self.orders[shard, event["order_id"]][13:15] = [event["time_ns"], event["sequence"]]
        self._touched(shard, event)

    def _rejected(self, shard: int, command: Any, event: dict[str, int]) -> None:
        if command["kind"] != CommandKind.NEW:
            return
        instrument, number = int(command["instrument"]), int(command["sequence"])
        tick, lot = (1, 1) if command["verdict"] else INSTRUMENTS[instrument][:2]
        names = ("account", "instrument", "side", "type", "time_in_force")
        price, quantity = int(command["price"]) * tick, int(command["quantity"]) * lot
        self.orders[shard, -number] = [
            signed(int(command["client_order_id"])),
            *(int(command[name]) for name in names),
            *(price, quantity, 0, 0, 4, event["reason"]),
            *(event["time_ns"], event["time_ns"], event["sequence"]),
            *_more(command, tick, lot),
        ]
        about = (shard, -number, event["sequence"], number, int(command["account"]), int(EventKind.REJECTED))
        self.order_events.add((*about, price, quantity, 0, event["reason"], event["time_ns"]))

    def _instrument_changed(self, shard: int, command: Any, event: dict[str, int]) -> None:
        tick, lot, _ = INSTRUMENTS[event["instrument"]]
        names = ("sequence", "command_sequence", "time_ns", "instrument", "kind")
        said = [0] * 9
        if event["kind"] == EventKind.STATE_CHANGED:
            said[:2] = [event["type"], event["reason"]]
        if event["kind"] == EventKind.RULES_SET:
            rules = np.array([command]).view(RULES_COMMAND)[0]
            prices = ("reference_price", "static_low", "static_high", "dynamic_collar")
            said[2:6] = [int(rules[name]) * tick for name in prices]
            said[6:9] = [int(rules["minimum_allocation"]) * lot, int(rules["policy"]), int(rules["flags"])]
        self.instrument_history.add((shard, *(event[name] for name in names), *said))

    def _risk_set(self, shard: int, command: Any, event: dict[str, int]) -> None:
        made = np.array([command]).view(RISK_COMMAND)[0]
        number = 0 if made["scope"] == Scope.FIRM else int(made[Scope(int(made["scope"])).name.lower()])
        control, before, after, flags = (int(made[name]) for name in ("control", "before", "value", "flags"))
        about = (shard, event["command_sequence"], event["time_ns"], "somebody@somewhere", int(made["scope"]), number)
        asset = {Control.FUNDS: ("USD", -1), Control.LOTS: ("", int(made["instrument"]))}.get(control, ("", -1))  # type: ignore[call-overload]
        self.risk_log.add((*about, control, before, after, flags, *asset))

    def _account_defined(self, shard: int, command: Any, event: dict[str, int]) -> None:
        if shard == 0:
            made = np.array([command]).view(ACCOUNT_COMMAND)[0]
            names = (
                "maximum_quantity",
                "maximum_notional",
                "maximum_open_orders",
                "self_trade_rule",
                "self_trade_group",
                "flags",
            )
            about = (event["account"], event["command_sequence"], event["time_ns"], made["name"].decode())
            self.account_history.add((*about, *(int(made[name]) for name in names)))


class Held:
    """A position, told in riskd's words: what is open cost ``cost``, never below 0, and the rest of the money is realised."""

    def __init__(self) -> None:
        self.bought, self.sold, self.paid, self.got, self.cost, self.fees = 0, 0, 0, 0, 0, 0
        self.last = (0, 0)

    @property
    def net(self) -> int:
        return self.bought - self.sold

    @property
    def realised(self) -> int:
        return self.got - self.paid + (self.cost if self.net > 0 else -self.cost)

    def signed_cost(self) -> int:
        return self.cost if self.net > 0 else -self.cost

    def fill(self, buy: bool, quantity: int, money: int, fee: int, event: dict[str, int]) -> int:
        """What it realised."""
        before, held = self.realised, abs(self.net)
        if held and buy is (self.net < 0):
            closing = min(quantity, held)
            self.cost -= self.cost * closing // held
            self.cost += money * (quantity - closing) // quantity
        else:
            self.cost += money
        self.bought, self.paid = self.bought + quantity * buy, self.paid + money * buy
        self.sold, self.got = self.sold + quantity * (not buy), self.got + money * (not buy)
        self.fees += fee
        self.last = (event["sequence"], event["time_ns"])
        return self.realised - before

    def row(self) -> tuple[int, ...]:
        """As in the positions table."""
        sums = (self.bought, self.sold, self.paid, self.got)
        return (self.net, *sums, self.signed_cost(), self.realised, self.fees, *self.last)


def _money(event: dict[str, int]) -> int:
    return event["price"] * event["quantity"] * INSTRUMENTS[event["instrument"]][2]


def _prices_of(trades: list[tuple[int, int, int]]) -> tuple[int, ...]:
    prices = [price for price, _, _ in trades]
    lots, money = sum(trade[1] for trade in trades), sum(trade[2] for trade in trades)
    return (prices[0], max(prices), min(prices), prices[-1], len(trades), lots, money)


def _more(command: Any, tick: int, lot: int) -> tuple[int, ...]:
    """The last columns of an order's row: what it says beyond price and quantity."""
    stop_price, flags = int(command["stop_price"]), int(command["flags"])
    lots = (int(command[name]) * lot for name in ("display_quantity", "minimum_quantity"))
    others = (int(command[name]) for name in ("self_trade_group", "self_trade_rule"))
    return (stop_price if flags & 64 else stop_price * tick, *lots, int(command["expiry_ns"]), flags, *others)
