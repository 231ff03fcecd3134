"""Limits of account, group and firm: what works counts, each has its own reason, and what takes risk away always passes."""

from typing import Any

import pytest

import riskd_rig as rig
from riskd.controls import put
from riskd.nearly import sentences
from riskd.usage import NS_PER_DAY
from riskd_reference import SimpleMatcher
from shm.controls import UNLIMITED, Control, Scope, all_of, bits_of
from shm.reasons import Reason
from shm.records import OrderType, Side, TimeInForce

FREE = (2**40, 2**60, 1 << 20)
ACCOUNTS, INSTRUMENTS = [FREE, FREE, FREE], [(1, 1, 1), (1, 1, 1), (1, 1, 10)]
SELL = {"side": Side.SELL}
START_NS = 19_000 * NS_PER_DAY + NS_PER_DAY // 2
ROWS = [(Scope.ACCOUNT, 0, ""), (Scope.GROUP, 1, "GROUP_"), (Scope.FIRM, 0, "FIRM_")]
EACH_ROW = pytest.mark.parametrize(("scope", "number", "prefix"), ROWS, ids=[scope.name for scope, _, _ in ROWS])
SECOND, MINUTE = 10**9, 60 * 10**9


class Desk:
    """riskd with a matcher a shard; account 0 and 1 are group 1, account 2 trades against them."""

    def __init__(self, slots: int = rig.SLOTS, capacity: int = rig.CAPACITY) -> None:
        self.rig = rig.Rig(ACCOUNTS, INSTRUMENTS, slots=slots, capacity=capacity)
        self.matchers = [SimpleMatcher() for _ in range(2)]
        self.now_ns, self.names = START_NS, 0
        for account in (0, 1):
            self.put(Scope.ACCOUNT, account, Control.GROUP, 1)

    def put(self, scope: Scope, number: int, control: Control, value: int) -> None:
        """Set a control."""
        put(self.rig.risk, scope, number, control, value)

    def send(self, *requests: Any, gateway: int = 0) -> list[Reason]:
        """The verdicts; all that happens has happened then."""
        self.rig.send(*requests, gateway=gateway)
        while self.rig.run(self.now_ns):
            pass
        found = []
        for shard, matcher in enumerate(self.matchers):
            commands = self.rig.written(shard)
            found += [Reason(int(command["verdict"])) for command in commands]
            self.rig.tell(shard, [event for command in commands for event in matcher.handle(command)])
        self.rig.run(self.now_ns)
        return found

    def new(self, account: int, quantity: int, price: int = 100, **fields: Any) -> Any:
        """An order with a fresh id."""
        self.names += 1
        return rig.new(account, self.names, price, quantity, **fields)

    def order(self, account: int, quantity: int, price: int = 100, **fields: Any) -> Reason:
        """The verdict on a new order."""
        (found,) = self.send(self.new(account, quantity, price, **fields))
        return found

    def trade(self, buyer: int, seller: int, quantity: int, price: int = 100) -> None:
        """Between two accounts."""
        assert self.send(self.new(seller, quantity, price, **SELL), self.new(buyer, quantity, price)) == [Reason.NONE] * 2


def reason(prefix: str, name: str) -> Reason:
    """The code of a limit of that row."""
    return Reason[f"{prefix}{name}_ABOVE_LIMIT"]


@EACH_ROW
def test_positions_with_all_that_works(scope: Scope, number: int, prefix: str) -> None:
    """Long and short, each in lots of one instrument; what reduces passes, and a cancel makes room again."""
    desk = Desk()
    desk.put(scope, number, Control.MAXIMUM_LONG, 10)
    desk.put(scope, number, Control.MAXIMUM_SHORT, 5)
    too_long, too_short = reason(prefix, "LONG_POSITION"), reason(prefix, "SHORT_POSITION")
    assert [desk.order(0, 6, 90), desk.order(0, 5, 90), desk.order(0, 4, 90)] == [Reason.NONE, too_long, Reason.NONE]
    assert desk.order(0, 6, 90, instrument=2) is Reason.NONE, "another instrument"
    assert [desk.order(0, 6, 110, **SELL), desk.order(0, 5, 110, **SELL)] == [too_short, Reason.NONE]
    assert desk.send(rig.replace(0, 1, 91, 7), rig.replace(0, 1, 91, 6), rig.cancel(0, 1)) == [
        too_long,
        Reason.NONE,
        Reason.NONE,
    ]
    assert desk.order(0, 6, 90) is Reason.NONE
    if scope is Scope.FIRM:
        return
    desk.send(rig.mass_cancel(0, -1))
    desk.trade(0, 2, 10)
    assert desk.order(0, 1) is too_long
    assert [desk.order(0, 15, 110, **SELL), desk.order(0, 1, 110, **SELL)] == [Reason.NONE, too_short]


@EACH_ROW
def test_gross_and_net_notional(scope: Scope, number: int, prefix: str) -> None:
    """Positions count at what they cost, working orders at what they hold; net, one side against the other's positions."""
    desk = Desk()
    if scope is not Scope.FIRM:
        desk.trade(0, 2, 10)
        desk.put(scope, number, Control.MAXIMUM_NET, 1500)
        too_much = reason(prefix, "NET_NOTIONAL")
        assert [desk.order(0, 6), desk.order(0, 5, 90), desk.order(0, 25, 101, **SELL)] == [too_much, Reason.NONE, too_much]
        assert desk.order(0, 24, 101, **SELL) is Reason.NONE
        desk.send(rig.mass_cancel(0, -1))
        desk.put(scope, number, Control.MAXIMUM_NET, UNLIMITED)
    desk.put(scope, number, Control.MAXIMUM_GROSS, 1500)
    before = 1000 if scope is not Scope.FIRM else 0
    too_much, room = reason(prefix, "GROSS_NOTIONAL"), 1500 - before
    assert [desk.order(0, 1, 1 + room), desk.order(0, 1, room - 100)] == [too_much, Reason.NONE]
    assert [desk.order(0, 1, 5000, **SELL), desk.order(0, 1, 100, instrument=1)] == [too_much, Reason.NONE]
    assert desk.order(0, 1, 1, instrument=1) is too_much


@EACH_ROW
def test_what_is_ordered_and_traded_in_a_day(scope: Scope, number: int, prefix: str) -> None:
    """An order counts once, cancelled or not, a replace again; trades with what may yet trade; midnight (UTC) ends it."""
    desk = Desk()
    desk.put(scope, number, Control.MAXIMUM_DAILY_ORDERED, 1000)
    too_much = reason(prefix, "DAILY_ORDERED")
    assert desk.send(desk.new(0, 5), rig.cancel(0, 1), desk.new(0, 4), rig.replace(0, 2, 100, 2)) == [
        Reason.NONE, Reason.NONE, Reason.NONE, too_much
    ]  # fmt: skip
    assert [desk.order(0, 2), desk.order(0, 1), desk.order(0, 1)] == [too_much, Reason.NONE, too_much]
    desk.now_ns += NS_PER_DAY // 2
    assert desk.order(0, 10) is Reason.NONE
    desk.put(scope, number, Control.MAXIMUM_DAILY_ORDERED, UNLIMITED)
    desk.send(rig.mass_cancel(0, -1))
    desk.put(scope, number, Control.MAXIMUM_DAILY_TRADED, 1000)
    too_much = reason(prefix, "DAILY_TRADED")
    if scope is not Scope.FIRM:
        desk.trade(0, 2, 5)
        assert [desk.order(0, 6), desk.order(0, 5), desk.order(0, 1)] == [too_much, Reason.NONE, too_much]
    desk.now_ns += NS_PER_DAY
    desk.send(rig.mass_cancel(0, -1))
    assert [desk.order(0, 11), desk.order(0, 10)] == [too_much, Reason.NONE]


@EACH_ROW
def test_a_daily_loss(scope: Scope, number: int, prefix: str) -> None:
    """Realised and unrealised since midnight, at the last price; then only what reduces a position passes."""
    desk = Desk()
    desk.trade(0, 2, 10)
    desk.trade(1, 2, 1, 50)
    desk.now_ns += NS_PER_DAY
    desk.put(scope, number, Control.MAXIMUM_DAILY_LOSS, 100)
    if scope is Scope.FIRM:
        assert desk.order(0, 1) is Reason.NONE, "what one account loses another gains"
        desk.put(scope, number, Control.MAXIMUM_DAILY_LOSS, 0)
        assert desk.order(0, 1) is reason(prefix, "DAILY_LOSS")
        return
    assert desk.order(0, 1, 10) is Reason.NONE, "what was lost before midnight is not of today"
    desk.trade(2, 2, 1, 41)
    assert desk.order(0, 1, 10) is Reason.NONE
    desk.trade(2, 2, 1, 40)
    assert desk.order(0, 1, 10) is reason(prefix, "DAILY_LOSS")
    assert desk.send(rig.cancel(0, desk.names - 5)) in ([Reason.NONE], [Reason.UNKNOWN_ORDER])
    assert desk.order(0, 10, 60, **SELL) is Reason.NONE
    desk.now_ns += NS_PER_DAY
    assert desk.order(0, 1, 10) is Reason.NONE


@EACH_ROW
def test_messages_a_second_and_a_minute(scope: Scope, number: int, prefix: str) -> None:
    """Orders and replaces, refused ones too; a bucket fills by the command's time; cancels never wait."""
    desk = Desk()
    desk.put(scope, number, Control.MESSAGES_PER_SECOND, 4)
    too_fast = reason(prefix, "MESSAGES_PER_SECOND")
    first = [desk.new(0, 1, 90), rig.replace(0, 1, 91, 1), rig.new(0, 1, 90, 1), desk.new(0, 1, 90)]
    duplicate = Reason.DUPLICATE_CLIENT_ORDER_ID
    assert desk.send(*first, desk.new(0, 1, 90), rig.cancel(0, 1)) == [
        Reason.NONE, Reason.NONE, duplicate, Reason.NONE, too_fast, Reason.NONE
    ]  # fmt: skip
    desk.now_ns += SECOND // 4
    assert [desk.order(0, 1, 90), desk.order(0, 1, 90)] == [Reason.NONE, too_fast]
    desk.now_ns += SECOND // 4 - 1
    assert desk.order(0, 1, 90) is too_fast
    desk.put(scope, number, Control.MESSAGES_PER_SECOND, UNLIMITED)
    desk.put(scope, number, Control.MESSAGES_PER_MINUTE, 3)
    desk.now_ns += 10 * MINUTE
    too_fast = reason(prefix, "MESSAGES_PER_MINUTE")
    assert desk.send(*(desk.new(0, 1, 90) for _ in range(4))) == [Reason.NONE] * 3 + [too_fast]
    desk.now_ns += MINUTE // 3
    assert [desk.order(0, 1, 90), desk.order(0, 1, 90)] == [Reason.NONE, too_fast]


@pytest.mark.parametrize(("scope", "number", "prefix"), ROWS[1:], ids=["GROUP", "FIRM"])
def test_open_orders_of_group_and_firm(scope: Scope, number: int, prefix: str) -> None:
    """All members' together, counted also when the limit comes later, and when a member does."""
    desk = Desk()
    assert desk.send(desk.new(0, 1, 90), desk.new(1, 1, 90), desk.new(2, 1, 90)) == [Reason.NONE] * 3
    desk.put(scope, number, Control.MAXIMUM_OPEN_ORDERS, 4 if scope is Scope.FIRM else 3)
    too_many = reason(prefix, "OPEN_ORDERS")
    assert [desk.order(1, 1, 90), desk.order(1, 1, 90)] == [Reason.NONE, too_many]
    assert desk.send(rig.cancel(0, 1)) == [Reason.NONE]
    if scope is Scope.GROUP:
        desk.put(Scope.ACCOUNT, 2, Control.GROUP, 1)
        assert desk.order(2, 1, 90) is too_many
        desk.put(Scope.ACCOUNT, 2, Control.GROUP, 0)
    assert [desk.order(0, 1, 90), desk.order(0, 1, 90)] == [Reason.NONE, too_many]


def test_ten_thousand_orders_at_once_do_not_pass_a_limit_of_a_hundred_lots() -> None:
    """They come in one piece, and riskd sees no event before the last: the orders themselves use the limit up."""
    desk = Desk(slots=1 << 14, capacity=1 << 14)
    desk.put(Scope.ACCOUNT, 0, Control.MAXIMUM_LONG, 100)
    found = desk.send(*(desk.new(0, 1) for _ in range(10_000)))
    assert found == [Reason.NONE] * 100 + [Reason.LONG_POSITION_ABOVE_LIMIT] * 9_900


def test_the_first_of_many_broken_limits_is_told() -> None:
    """By the codes: the account's, then the group's, then the firm's."""
    desk = Desk()
    for scope, number, _ in ROWS:
        for control in (Control.MESSAGES_PER_SECOND, Control.MAXIMUM_LONG, Control.MAXIMUM_GROSS, Control.MAXIMUM_NET):
            desk.put(scope, number, control, 0)
    found = []
    for scope, number, _ in ROWS:
        for control in (Control.MESSAGES_PER_SECOND, Control.MAXIMUM_LONG, Control.MAXIMUM_GROSS, Control.MAXIMUM_NET):
            found.append(desk.order(0, 1))
            desk.put(scope, number, control, UNLIMITED)
    assert found == sorted(found) and len(set(found)) == 12
    assert desk.order(0, 1) is Reason.NONE


def test_a_warning_comes_before_the_limit_does() -> None:
    """Once when more than its share is used, and again only after it was less; the share can be set."""
    desk = Desk()
    desk.put(Scope.ACCOUNT, 0, Control.MAXIMUM_LONG, 10)

    def told() -> list[tuple[str, int, int]]:
        return [(about["limit"], about["used"], about["of"]) for _, about in sentences(desk.rig.risk, 0)]

    assert [desk.order(0, 8, 90), told()] == [Reason.NONE, []]
    assert [desk.order(0, 1, 90), told()] == [Reason.NONE, [("maximum_long", 9, 10)]]
    assert [desk.order(0, 1, 90), len(told())] == [Reason.NONE, 1]
    desk.send(rig.mass_cancel(0, -1))
    desk.put(Scope.FIRM, 0, Control.WARN_PERCENT, 50)
    assert [desk.order(0, 5, 90), len(told())] == [Reason.NONE, 1]
    assert [desk.order(0, 1, 90), told()[1:]] == [Reason.NONE, [("maximum_long", 6, 10)]]
    assert next(sentences(desk.rig.risk, 1))[0] == "account  has nearly used up a limit"


def allow(desk: Desk, control: Control, *words: str) -> None:
    """Of account 0."""
    desk.put(Scope.ACCOUNT, 0, control, bits_of(control, words))


def test_what_orders_an_account_may_send() -> None:
    """Side, type and time in force, in the order of their codes; what is at work may still be changed and cancelled."""
    desk = Desk()
    assert desk.order(0, 5, 90) is Reason.NONE
    allow(desk, Control.ALLOWED_SIDES, "sell")
    allow(desk, Control.ALLOWED_TYPES, "market")
    allow(desk, Control.ALLOWED_TIMES, "ioc", "day")
    gtc = {"time_in_force": TimeInForce.GTC}
    market = {"type": OrderType.MARKET, "time_in_force": TimeInForce.FOK}
    assert desk.order(0, 1, 90, **gtc) is Reason.SIDE_NOT_ALLOWED
    assert desk.order(0, 1, 90, **gtc, **SELL) is Reason.TYPE_NOT_ALLOWED
    assert desk.order(0, 1, 0, **market, **SELL) is Reason.TIME_IN_FORCE_NOT_ALLOWED
    assert desk.order(0, 1, 0, **{**market, "time_in_force": TimeInForce.IOC}, **SELL) is Reason.NONE
    assert desk.send(rig.replace(0, 1, 91, 6), rig.reduce(0, 1, 1), rig.cancel(0, 1)) == [Reason.NONE] * 3
    for control in (Control.ALLOWED_SIDES, Control.ALLOWED_TYPES, Control.ALLOWED_TIMES):
        desk.put(Scope.ACCOUNT, 0, control, all_of(control))
    assert desk.order(0, 5, 90) is Reason.NONE


def test_the_smallest_order() -> None:
    """In lots and in money; a replace too, a reduce not."""
    desk = Desk()
    desk.put(Scope.ACCOUNT, 0, Control.MINIMUM_QUANTITY, 5)
    desk.put(Scope.ACCOUNT, 0, Control.MINIMUM_NOTIONAL, 500)
    small, cheap = Reason.QUANTITY_BELOW_MINIMUM, Reason.NOTIONAL_BELOW_MINIMUM
    assert [desk.order(0, 4), desk.order(0, 5, 99), desk.order(0, 5)] == [small, cheap, Reason.NONE]
    assert desk.send(rig.replace(0, 3, 200, 4), rig.replace(0, 3, 99, 5), rig.reduce(0, 3, 4)) == [small, cheap, Reason.NONE]


def test_ids_that_must_rise_are_taken_once_whatever_became_of_the_order() -> None:
    """Cancelled or filled; ids of refused orders are still free."""
    desk = Desk()
    taken = Reason.DUPLICATE_CLIENT_ORDER_ID
    for request in (rig.new(0, 7, 90, 1), rig.cancel(0, 7), rig.new(0, 7, 90, 1)):
        assert desk.send(request) == [Reason.NONE]
    desk.put(Scope.ACCOUNT, 0, Control.RISING_IDS, 1)
    assert desk.send(rig.cancel(0, 7), rig.new(0, 7, 90, 1), rig.new(0, 6, 90, 1)) == [Reason.NONE, taken, taken]
    assert desk.send(rig.new(0, 2**63 + 5, 90, 2**41), rig.new(0, 2**63 + 5, 90, 1)) == [
        Reason.QUANTITY_ABOVE_MAXIMUM,
        Reason.NONE,
    ]
    assert desk.send(rig.new(0, 2**63 + 4, 90, 1), rig.new(1, 7, 90, 1)) == [taken, Reason.NONE]
