"""What random streams are about: themes, so that rules which seldom meet do meet, and orders of every kind that make sense."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from shm.records import InstrumentState, OrderFlag, OrderType, SelfTradeRule, Side, TimeInForce

GTC, IOC, DAY, GTD, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.DAY, TimeInForce.GTD, TimeInForce.FOK
AT_OPEN, AT_CLOSE = TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE
CONTINUOUS = InstrumentState.CONTINUOUS
HIGHEST = 2**48 - 2
QUANTITIES = (1, 2, 3, 5, 10, 10, 100)

RECIPES = {
    "limit": 30,
    "taker": 8,
    "market": 4,
    "market_to_limit": 2,
    "iceberg": 6,
    "hidden": 4,
    "post_only": 3,
    "all_or_none": 3,
    "minimum": 2,
    "stop": 5,
    "trailing": 5,
    "pegged": 6,
    "auction": 2,
}
"""How often an order of each kind comes, out of the sum; each has a function of its name below."""


@dataclass(frozen=True)
class Theme:
    """What is more likely than in other streams. Numbers are chances of a command or an order; recipes replace those above."""

    recipes: dict[str, int] = field(default_factory=dict)
    state: float = 0.01
    rules: float = 0.01
    clock: float = 0.015
    own: float = 0.15
    """An order has a self-trade rule, and half of these a group."""
    link: float = 0.06
    reduce_only: float = 0.05
    dated: float = 0.12
    pro_rata: float = 0.0
    collar: float = 0.1
    accounts: tuple[int, ...] = (0, 1, 2, 3)
    instruments: tuple[int, ...] = (0, 0, 0, 0, 1, 2)
    lean: float = 0.0
    """An account has a side of its own, and reduces on the other."""
    spreads: tuple[int, ...] = (2, 4, 8, 8, 60)


THEMES = {
    "everything": Theme(pro_rata=0.3),
    "auctions": Theme({"auction": 20, "iceberg": 15, "stop": 8, "trailing": 8}, state=0.06),
    "stops": Theme({"stop": 35, "trailing": 30, "iceberg": 5}, instruments=(0, 0, 0, 0, 0, 1)),
    "icebergs": Theme({"iceberg": 40, "hidden": 25, "post_only": 6}, instruments=(0, 0, 0, 1), state=0.02),
    "pegs": Theme({"pegged": 40, "hidden": 10}, instruments=(0, 0, 0, 1)),
    "pro-rata": Theme({"iceberg": 20, "hidden": 8}, pro_rata=0.9, own=0.2, reduce_only=0.01, link=0.01),
    "self-trade": Theme({"iceberg": 20, "hidden": 12, "minimum": 8}, own=0.8, accounts=(0, 0, 1, 2), pro_rata=0.2),
    "one-cancels-other": Theme({"stop": 15, "iceberg": 10}, link=0.5, accounts=(0, 0, 1, 1, 2), state=0.02),
    "reduce-only": Theme({"stop": 15, "iceberg": 10}, reduce_only=0.4, accounts=(0, 0, 1, 1, 2), lean=0.7),
    "whole-or-not": Theme({"all_or_none": 25, "minimum": 20, "taker": 20}, own=0.3, link=0.15, collar=0.3),
    "collars": Theme({"pegged": 12, "stop": 12, "post_only": 8}, collar=0.8, rules=0.04, state=0.06),
    "levels": Theme({"stop": 20, "trailing": 30, "pegged": 15, "auction": 8}, spreads=(12, 60, 400), instruments=(0, 1)),
    "dates": Theme({"pegged": 12, "trailing": 12, "all_or_none": 8}, dated=0.6, clock=0.08, link=0.2, state=0.03),
}


@dataclass
class Scene:
    """What the maker of a stream knows while it makes the next command."""

    chance: Random
    theme: Theme
    middle: int
    spread: int
    now: int = 0
    states: dict[int, int] = field(default_factory=dict)
    """By instrument: the state that was commanded last; a pause by a collar is unknown here."""
    names: dict[int, int] = field(default_factory=dict)
    named: list[dict[str, Any]] = field(default_factory=list)
    """The orders entered last, to be named again."""

    def price(self) -> int:
        """Near the middle, and now and then far away."""
        off = self.chance.choice([-3, -2, -1, -1, 0, 0, 0, 1, 1, 2, 3]) * self.spread / 2
        if self.chance.random() < 0.04:
            off *= 50
        return min(max(self.middle + round(off * self.chance.random()), 1), HIGHEST)

    def mostly(self, usual: int, other: int) -> int:
        """One of two values; the first nine times in ten."""
        return usual if self.chance.random() < 0.9 else other

    def fresh_name(self, account: int) -> int:
        """A client order id that the account has mostly not in use."""
        self.names[account] = self.names.get(account, 0) % 40 + 1
        return self.mostly(self.names[account], self.chance.randint(1, 40))


def order(scene: Scene, instrument: int, account: int) -> dict[str, Any]:
    """The fields of a NEW: of a kind by the theme, with terms that agree."""
    chance, theme = scene.chance, scene.theme
    weights = RECIPES | theme.recipes
    side = account % 2 if chance.random() < theme.lean else chance.choice(list(Side))
    made = {"client_order_id": scene.fresh_name(account), "side": side, "type": OrderType.LIMIT, "flags": 0}
    made |= {
        "price": scene.price(),
        "quantity": chance.choice(QUANTITIES),
        "time_in_force": chance.choice([GTC, GTC, GTC, DAY]),
    }
    COOKS[chance.choices(list(weights), list(weights.values()))[0]](scene, made, instrument)
    stays = made["time_in_force"] not in (IOC, FOK) and made["type"] != OrderType.MARKET
    if made["time_in_force"] in (GTC, DAY) and stays and chance.random() < theme.dated:
        made |= {"time_in_force": GTD, "expiry_ns": scene.now + chance.choice([0, 1, 10, 100, 500, 500])}
    if chance.random() < theme.own:
        rules = [*SelfTradeRule, SelfTradeRule.DECREMENT]
        made |= {"self_trade_rule": chance.choice(rules), "self_trade_group": chance.choice([0, 0, 7, 8])}
    simple = made["type"] in (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT)
    odd = made.get("minimum_quantity") or made["time_in_force"] in (AT_OPEN, AT_CLOSE) or made["flags"] & OrderFlag.ALL_OR_NONE
    if simple and not odd and chance.random() < theme.reduce_only:
        made["flags"] |= OrderFlag.REDUCE_ONLY
        made["quantity"] = chance.choice([made["quantity"], 100])
        made["side"] = 1 - account % 2 if chance.random() < theme.lean else made["side"]
    if stays and made["time_in_force"] not in (AT_OPEN, AT_CLOSE) and chance.random() < theme.link:
        made |= _link(scene, instrument, account)
    plain = made["type"] <= OrderType.MARKET and made["time_in_force"] in (GTC, IOC, DAY) and not made["flags"]
    if not plain or len(made) > 7:
        made["flags"] |= OrderFlag.EXTENDED if chance.random() < 0.995 else 0
    return made


def _link(scene: Scene, instrument: int, account: int) -> dict[str, Any]:
    """Another order of the account, which a request without a slot names in ``order_id``."""
    same = [named for named in scene.named[-30:] if (named["account"], named["instrument"]) == (account, instrument)]
    return {"order_id": scene.chance.choice(same[-6:])["client_order_id"]} if same else {}


def _limit(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    pass


def _taker(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    if scene.states.get(instrument, CONTINUOUS) == CONTINUOUS or scene.chance.random() < 0.1:
        made["time_in_force"] = scene.chance.choice([IOC, FOK])


def _market(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made |= {"type": OrderType.MARKET, "time_in_force": scene.chance.choice([GTC, IOC, DAY, FOK, IOC])}
    made["price"] = scene.chance.choice([0, made["price"]])
    if scene.states.get(instrument, CONTINUOUS) != CONTINUOUS:
        made["time_in_force"] = AT_CLOSE


def _market_to_limit(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made |= {"type": OrderType.MARKET_TO_LIMIT, "price": 0}
    if scene.chance.random() < 0.3:
        made["display_quantity"] = scene.chance.randint(1, made["quantity"])


def _iceberg(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made["quantity"] = scene.chance.choice([3, 5, 10, 17, 100])
    made["display_quantity"] = scene.chance.randint(1, scene.mostly(min(made["quantity"], 5), made["quantity"]))


def _hidden(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made["flags"] |= OrderFlag.HIDDEN


def _post_only(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made["flags"] |= OrderFlag.POST_ONLY | scene.chance.choice([0, OrderFlag.SLIDE]) | scene.mostly(0, OrderFlag.HIDDEN)


def _all_or_none(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made["flags"] |= OrderFlag.ALL_OR_NONE


def _minimum(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made["minimum_quantity"] = scene.chance.randint(1, made["quantity"])
    made["time_in_force"] = scene.chance.choice([GTC, IOC, DAY])


def _stop(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made |= {"type": scene.chance.choice([OrderType.STOP, OrderType.STOP_LIMIT]), "stop_price": scene.price()}
    if made["type"] == OrderType.STOP:
        made["price"] = 0
    elif scene.chance.random() < 0.3:
        made["display_quantity"] = scene.chance.randint(1, made["quantity"])


def _trailing(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made |= {"type": scene.chance.choice([OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT]), "step": 0}
    made["stop_price"] = scene.chance.randint(1, scene.spread)
    made["price"] = 0 if made["type"] == OrderType.TRAILING_STOP else scene.chance.randint(0, scene.spread)
    if scene.chance.random() < 0.3:
        made["flags"] |= OrderFlag.BASIS_POINTS
        made["stop_price"] = scene.chance.choice([1, 10, 300, 9_999])
    if scene.chance.random() < 0.5:
        made["step"] = scene.chance.choice([1, 2, max(scene.spread // 2, 1)])


def _pegged(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    made["type"] = scene.chance.choice([OrderType.PEGGED_BID, OrderType.PEGGED_ASK, OrderType.PEGGED_MIDDLE])
    made["stop_price"] = scene.chance.choice([0, 0, -1, 1, -2, 2, -scene.spread, scene.spread])
    made["price"] = scene.chance.choice([0, 0, made["price"]])


def _auction(scene: Scene, made: dict[str, Any], instrument: int) -> None:
    early = scene.states.get(instrument, CONTINUOUS) in (InstrumentState.PRE_OPEN, InstrumentState.OPENING_AUCTION)
    made["time_in_force"] = scene.chance.choice(
        [AT_OPEN, AT_OPEN, AT_CLOSE] if early else [AT_CLOSE, AT_CLOSE, AT_CLOSE, AT_OPEN]
    )
    made["type"] = scene.chance.choice([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET])
    if made["type"] == OrderType.MARKET:
        made["price"] = scene.chance.choice([0, 0, made["price"]])
    elif scene.chance.random() < 0.4:
        made["display_quantity"] = scene.chance.randint(1, made["quantity"])
    elif scene.chance.random() < 0.2:
        made["flags"] |= OrderFlag.HIDDEN


COOKS = {
    "limit": _limit,
    "taker": _taker,
    "market": _market,
    "market_to_limit": _market_to_limit,
    "iceberg": _iceberg,
    "hidden": _hidden,
    "post_only": _post_only,
    "all_or_none": _all_or_none,
    "minimum": _minimum,
    "stop": _stop,
    "trailing": _trailing,
    "pegged": _pegged,
    "auction": _auction,
}
