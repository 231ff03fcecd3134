"""riskd's state in words for people and JSON. Cold, read between two slices; nothing is decided by it."""

from decimal import Decimal
from typing import Any, Final

import numpy as np

from riskd.definitions import account_fields
from riskd.funds import funds_of
from riskd.positions import account_of_key, instrument_of_key
from shm.controls import Kill
from shm.records import Side

AVERAGE_DECIMALS: Final = 4
"""Digits of an average price beyond those of the instrument."""


def accounts(risk: Any) -> list[dict[str, Any]]:
    """Every account: limits, open orders, and by side the money (smallest unit) that its working orders hold."""
    return [_account(risk, number) for number in range(risk["header"]["accounts"])]


def _account(risk: Any, number: int) -> dict[str, Any]:
    account = risk["accounts"][number]
    return {
        "account": number,
        **account_fields(risk, number),
        "open_orders": int(account["open_orders"]),
        "held_buy": int(account["held"][Side.BUY]),
        "held_sell": int(account["held"][Side.SELL]),
        "kill": Kill(int(account["kill"])).name.lower(),
        "group": int(account["group"]),
        "funds": funds_of(risk, number),
    }


def positions(risk: Any, account: int | None = None) -> list[dict[str, Any]]:
    """Every position, or those of one account, ordered by account and instrument.

    Quantities are lots; ``last_price`` is ticks; ``cost``, ``realised``, ``unrealised`` and ``turnover`` are money in the
    currency's smallest unit; ``average_price`` is text, in the instrument's currency, None while nothing is held. Unrealised
    is reckoned at the last trade.
    """
    used = np.flatnonzero(risk["positions"]["key"])
    used = used[account_of_key(risk["positions"]["key"][used]) < risk["header"]["account_bound"]]
    ordered = used[np.argsort(risk["positions"]["key"][used])]
    made = (_position(risk, risk["positions"][index]) for index in ordered)
    return [each for each in made if account is None or each["account"] == account]


def _position(risk: Any, position: Any) -> dict[str, Any]:
    key = int(position["key"])
    number, instrument = account_of_key(key), risk["instruments"][instrument_of_key(key)]
    net, last_price = int(position["bought"]) - int(position["sold"]), int(instrument["last_price"])
    paid = int(position["cost"]) if net > 0 else -int(position["cost"])
    return {
        "account": number,
        "name": account_fields(risk, number)["name"],
        "instrument": instrument_of_key(key),
        "symbol": instrument["symbol"].decode(),
        "currency": instrument["currency"].decode(),
        "net": net,
        "bought": int(position["bought"]),
        "sold": int(position["sold"]),
        "open_buy": int(position["open"][Side.BUY]),
        "open_sell": int(position["open"][Side.SELL]),
        "average_price": _average_price(int(position["cost"]), abs(net), instrument),
        "last_price": last_price,
        "cost": int(position["cost"]),
        "realised": int(position["realised"]),
        "unrealised": net * last_price * int(instrument["tick_value"]) - paid,
        "turnover": int(position["turnover"]),
    }


def _average_price(cost: int, lots: int, instrument: Any) -> str | None:
    if lots == 0:
        return None
    decimals = int(instrument["price_decimals"])
    ticks = Decimal(cost) / (lots * int(instrument["tick_value"]))
    price = (ticks * int(instrument["tick_size"])).scaleb(-decimals)
    return str(price.quantize(Decimal(1).scaleb(-decimals - AVERAGE_DECIMALS)))


def summary(risk: Any) -> dict[str, Any]:
    """How far riskd is, and how much of it there is."""
    header, shards = risk["header"], risk["shards"][: risk["header"]["shards"]]
    slots = risk["orders"].shape[1]
    working = [slots - int(shard["free"]) for shard in shards]
    venue = funds_of(risk, int(header["account_bound"]))
    held = risk["accounts"]["held"][: header["accounts"]].sum(axis=0, dtype=object) if header["accounts"] else (0, 0)
    return {
        "accounts": int(header["accounts"]),
        "instruments": int(header["instruments"]),
        "positions": int(header["positions"]),
        "working_orders": sum(working),
        "held_buy": int(held[Side.BUY]),
        "held_sell": int(held[Side.SELL]),
        "venue": {each["currency"]: each["total"] for each in venue},
        "orders_taken": [int(each["taken"]) for each in risk["gateways"][: header["gateways"]]],
        "shards": [
            {"commands": int(each["sequence"]), "events_read": int(each["events_read"]), "working_orders": count}
            for each, count in zip(shards, working, strict=True)
        ],
    }
