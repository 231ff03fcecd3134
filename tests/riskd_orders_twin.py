"""What riskd asks of a single order beside the limits, as its slow twin knows it; and a hand that sets it at random."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from riskd.controls import put
from shm.controls import PERMIT_BITS, UNLIMITED, Control, Permit, Reference, Scope
from shm.reasons import Reason
from shm.records import CommandKind, OrderType

COLLARS = {
    Control.COLLAR_REFERENCE: (Reference.NONE, Reference.LAST, Reference.GIVEN),
    Control.COLLAR_PRICE: (0, 95, 100),
    Control.COLLAR_TICKS: (UNLIMITED, 0, 5, 8),
    Control.COLLAR_BASIS_POINTS: (UNLIMITED, 400, 900, 2**62),
}
"""The price is in ticks here."""


PERMITS = {
    Control.ALLOWED_INSTRUMENTS: (1, 1, 0),
    Control.ALLOWED_GATEWAYS: (255, 255, 254),
    Control.MAXIMUM_REPEATS: (UNLIMITED, 0, 1, 2),
    Control.REPEAT_WINDOW_MS: (1, 1000, 100_000),
    Control.REMEMBER_IDS: (0, 1),
}
"""Of accounts."""


@dataclass
class Sent:
    """Orders of the same terms, since a window began."""

    terms: tuple[int, ...]
    begin_ns: int
    count: int = 0


class Orders:
    """What is known of accounts: ``named`` (account, instrument), those latched, and by shard and account what was sent."""

    def __init__(self) -> None:
        self.named: dict[tuple[int, int], Permit] = {}
        self.latched: set[int] = set()
        self.sent: dict[tuple[int, int], list[Sent]] = {}
        self.taken: dict[int, list[tuple[int, int]]] = {}
        """By account: time and id of the orders taken while ids were to be remembered."""


def verdict(controls: Any, r: Any, instrument: int, type_: int, order: Any = None) -> Reason:
    """The first thing wrong with a new order, or with a replace of ``order``; a new order that is good is counted."""
    wrong = permits(controls, int(r["account"]), instrument) or collar(controls, r, instrument, type_)
    wrong = wrong or controls.twin.of_funds(r, order)
    if not wrong and int(r["account"]) in controls.single.latched:
        wrong = Reason.ACCOUNT_LATCHED
    return wrong or (repeats(controls, r) if r["kind"] == CommandKind.NEW else Reason.NONE)


def permits(controls: Any, account: int, instrument: int) -> Reason:
    """May the account send through this gateway, and in this instrument?"""
    if not controls.values.get((Scope.ACCOUNT, account, Control.ALLOWED_GATEWAYS), 255) >> controls.gateway & 1:
        return Reason.GATEWAY_NOT_ALLOWED
    everything = controls.values.get((Scope.ACCOUNT, account, Control.ALLOWED_INSTRUMENTS), 1)
    otherwise = Permit.ALLOWED if everything else Permit.REFUSED
    permit = controls.single.named.get((account, instrument)) or otherwise
    return Reason.INSTRUMENT_NOT_ALLOWED if permit == Permit.REFUSED else Reason.NONE


def repeats(controls: Any, r: Any) -> Reason:
    """The eight different orders sent last, by the beginning of their window; one too many latches the account."""
    account, shard = int(r["account"]), int(r["instrument"]) % len(controls.twin.free)
    bound = controls.values.get((Scope.ACCOUNT, account, Control.MAXIMUM_REPEATS), UNLIMITED)
    if bound == UNLIMITED:
        return Reason.NONE
    window = 10**6 * controls.values.get((Scope.ACCOUNT, account, Control.REPEAT_WINDOW_MS), 1000)
    terms = tuple(int(r[name]) for name in ("instrument", "side", "type", "price", "quantity"))
    known = controls.single.sent.setdefault((shard, account), [Sent((), 0) for _ in range(8)])
    mine = next((each for each in known if each.terms == terms), None)
    if mine is None:
        mine = Sent(terms, controls.now_ns)
        known[known.index(min(known, key=lambda each: each.begin_ns))] = mine
    if controls.now_ns - mine.begin_ns >= window:
        mine.begin_ns, mine.count = controls.now_ns, 0
    mine.count += 1
    if mine.count <= bound:
        return Reason.NONE
    mine.count = 0
    controls.single.latched.add(account)
    return Reason.ORDER_REPEATED


def collar(controls: Any, r: Any, instrument: int, type_: int) -> Reason:
    """Is the price near enough to one that is known?"""
    values = [controls.values.get((Scope.INSTRUMENT, instrument, control)) for control in COLLARS]
    if not values[0]:
        return Reason.NONE
    tick = controls.twin.instruments[instrument][0]
    reference = Fraction(values[1] or 0)
    if values[0] == Reference.LAST and controls.twin.last_price[instrument]:
        reference = Fraction(controls.twin.last_price[instrument] * tick)
    if not reference:
        return Reason.REFERENCE_PRICE_MISSING
    away, price = abs(int(r["price"]) - reference), int(r["price"])
    ticks, basis_points = (UNLIMITED if value is None else value for value in values[2:])
    near = away <= ticks * tick and (basis_points == UNLIMITED or away // tick <= reference * basis_points / 10_000 // tick)
    has_price = price and type_ != OrderType.TRAILING_STOP_LIMIT
    return Reason.PRICE_AWAY_FROM_REFERENCE if has_price and not near else Reason.NONE


def is_remembered(controls: Any, account: int, name: int) -> bool:
    """Is it among the eight newest of those with the same five lowest bits?"""
    if not controls.get(Scope.ACCOUNT, account, Control.REMEMBER_IDS):
        return False
    newest: dict[int, int] = {}
    for time_ns, each in controls.single.taken.get(account, []):
        newest[each] = max(newest.get(each, 0), time_ns)
    alike = sorted((time_ns, each) for each, time_ns in newest.items() if each % 32 == name % 32)
    return name in [each for _, each in alike[-8:]]


def remember(controls: Any, account: int, name: int) -> None:
    """An order is taken."""
    if controls.get(Scope.ACCOUNT, account, Control.REMEMBER_IDS):
        controls.single.taken.setdefault(account, []).append((controls.now_ns, name))


def set_something(stream: Any, instruments: list[Any]) -> None:
    """One control of one thing."""
    draw = stream.random
    if draw.random() < 0.6:
        set_of_account(stream, draw.randrange(4))
        return
    on = [key for key, value in stream.twin.controls.values.items() if key[2] == Control.COLLAR_REFERENCE and value]
    if on and draw.random() < 0.5:
        stream.put(*draw.choice(on), Reference.NONE)
        return
    instrument, control = draw.randrange(len(instruments)), draw.choice(list(COLLARS))
    value = draw.choice(COLLARS[control])
    stream.put(
        Scope.INSTRUMENT, instrument, control, value * (instruments[instrument][0] if control == Control.COLLAR_PRICE else 1)
    )


def set_of_account(stream: Any, account: int) -> None:
    """A permit, by name or not, or how often an order may be repeated; mostly one that is latched is released."""
    draw, single = stream.random, stream.twin.controls.single
    if account in single.latched and draw.random() < 0.8:
        put(stream.rig.risk, Scope.ACCOUNT, account, Control.LATCH, 0)
        single.latched.discard(account)
    elif draw.random() < 0.4:
        instrument = draw.randrange(4)
        single.named[account, instrument] = permit = draw.choice(list(Permit)[:2] if draw.random() < 0.7 else list(Permit))
        put(stream.rig.risk, Scope.ACCOUNT, account, Control.INSTRUMENT, instrument << PERMIT_BITS | permit)
    else:
        control = draw.choice(list(PERMITS))
        value = PERMITS[control][0] if draw.random() < 0.5 else draw.choice(PERMITS[control])
        stream.put(Scope.ACCOUNT, account, control, value)
