"""What operators set, as riskd's slow twin knows it: dictionaries, and every sum added up anew each time it is asked for."""

from typing import Any, NamedTuple

from riskd_orders_twin import Orders
from shm.controls import UNLIMITED, Control, Kill, Scope
from shm.reasons import Reason
from shm.records import Side

FIRM = (Scope.FIRM, 0)
BOUND = 2**62
DAY_NS = 86_400 * 10**9
CODES = (
    Reason.MESSAGES_PER_SECOND_ABOVE_LIMIT,
    Reason.GROUP_MESSAGES_PER_SECOND_ABOVE_LIMIT,
    Reason.FIRM_MESSAGES_PER_SECOND_ABOVE_LIMIT,
)
WINDOWS = ((Control.MESSAGES_PER_SECOND, 10**9), (Control.MESSAGES_PER_MINUTE, 60 * 10**9))
TOTALS = (
    Control.MAXIMUM_LONG,
    Control.MAXIMUM_SHORT,
    Control.MAXIMUM_GROSS,
    Control.MAXIMUM_NET,
    Control.MAXIMUM_DAILY_ORDERED,
    Control.MAXIMUM_DAILY_TRADED,
    Control.MAXIMUM_DAILY_LOSS,
    Control.MAXIMUM_OPEN_ORDERS,
    Control.MESSAGES_PER_SECOND,
    Control.MESSAGES_PER_MINUTE,
)


KINDS = (
    ("side", Control.ALLOWED_SIDES, Reason.SIDE_NOT_ALLOWED),
    ("type", Control.ALLOWED_TYPES, Reason.TYPE_NOT_ALLOWED),
    ("time_in_force", Control.ALLOWED_TIMES, Reason.TIME_IN_FORCE_NOT_ALLOWED),
)
RULES = (*(control for _, control, _ in KINDS), Control.MINIMUM_QUANTITY, Control.MINIMUM_NOTIONAL)


class More(NamedTuple):
    """What a request adds: lots and money to what works, money to what was ordered, and 1 order or, a replace, none."""

    lots: int
    money: int
    ordered: int
    orders: int


class Controls:
    """Values by (scope, number, control). ``twin`` is the ``riskd_reference.Reference`` that has the orders and positions."""

    def __init__(self, twin: Any) -> None:
        self.twin = twin
        self.values: dict[tuple[int, int, int], int] = {}
        self.full: dict[tuple[int, int, int], int] = {}
        """By row and control: when its bucket of messages is full again."""
        self.throttle = Reason.NONE
        self.ordered: list[tuple[int, int, int]] = []
        self.traded: list[tuple[int, int, int]] = []
        """Account, day, money."""
        self.fills: list[tuple[int, int, int, int, int]] = []
        """Account, instrument, day, lots (below 0 sold), price."""
        self.day = 0
        self.single, self.gateway, self.now_ns = Orders(), 0, 0
        """What is asked of single orders (``riskd_orders_twin``); where and when the one in hand comes."""
        self.highest: dict[int, int] = {}
        """By account, of the client order ids taken."""

    def put(self, scope: int, number: int, control: int, value: int) -> None:
        """From now on."""
        self.values[scope, number, control] = value

    def get(self, scope: int, number: int, control: int) -> int:
        """0 where nothing was set."""
        return self.values.get((scope, number, control), 0)

    def verdict(self, r: Any, instrument: int, side: int, more: "More") -> Reason:
        """The first control that refuses a request."""
        wrong = self.switches(r, instrument, side, more.lots if more.orders else 0)
        if wrong:
            return wrong
        account = int(r["account"])
        for code, (scope, number) in zip(CODES, self.rows(account), strict=True):
            wrong = self.limits(scope, number, instrument, side, more, Reason(code))
            if wrong:
                return wrong
        return self.rules(r, instrument, more) if self.rules_of(account) else Reason.NONE

    def rules_of(self, account: int) -> dict[int, int]:
        """What was set of them."""
        return {key[2]: value for key, value in self.values.items() if key[:2] == (Scope.ACCOUNT, account) and key[2] in RULES}

    def rules(self, r: Any, instrument: int, more: "More") -> Reason:
        """The first rule for single orders that is broken; which kinds are allowed is asked of new ones."""
        rules = self.rules_of(int(r["account"]))
        for name, control, reason in KINDS:
            if more.orders and not rules.get(control, -1) >> int(r[name]) & 1:
                return reason
        lots = int(r["quantity"]) // self.twin.instruments[instrument][1]
        if lots < rules.get(Control.MINIMUM_QUANTITY, 0):
            return Reason.QUANTITY_BELOW_MINIMUM
        low = rules.get(Control.MINIMUM_NOTIONAL, 0)
        return Reason.NOTIONAL_BELOW_MINIMUM if more.ordered < low else Reason.NONE

    def rows(self, account: int) -> list[tuple[int, int]]:
        """What an account's orders count for: the account, its group or nothing, the firm."""
        return [(Scope.ACCOUNT, account), (Scope.GROUP, self.get(Scope.ACCOUNT, account, Control.GROUP)), FIRM]

    def members(self, scope: int, number: int) -> list[int]:
        """The accounts of a row."""
        accounts = range(len(self.twin.accounts))
        if scope == Scope.ACCOUNT:
            return [number]
        return [a for a in accounts if scope == Scope.FIRM or self.get(Scope.ACCOUNT, a, Control.GROUP) == number]

    def limit(self, scope: int, number: int, control: int) -> int:
        """UNLIMITED where none was set, and for no group."""
        if scope == Scope.GROUP and number == 0:
            return UNLIMITED
        return self.values.get((scope, number, control), UNLIMITED)

    def has_room(self, account: int, instrument: int, side: int, more: "More") -> bool:
        """Would group and firm stay within the numbers, as far as they have limits?"""
        for members in self.kept_beside(account):
            held = sum(self.twin.held(a, side) for a in members)
            done = sum(self.done(a, instrument, side) for a in members)
            if held + more.money > BOUND or done + more.lots > BOUND:
                return False
        return True

    def kept_beside(self, account: int) -> list[list[int]]:
        """The members of the account's group and of the firm, as far as these have a limit."""
        rows = self.rows(account)[1:]
        kept = [row for row in rows if any(self.limit(*row, control) != UNLIMITED for control in TOTALS)]
        return [self.members(*row) for row in kept]

    def done(self, account: int, instrument: int, side: int) -> int:
        """Lots bought (or sold), and at work to be."""
        position = self.twin.positions.get((account, instrument))
        lots = (position.bought if side == Side.BUY else position.sold) if position else 0
        return int(lots + self.twin.open_lots(account, instrument, side))

    def count_message(self, account: int, now_ns: int) -> None:
        """One out of every bucket, or out of none behind the first that is empty."""
        self.throttle = Reason.NONE
        for code, (scope, number) in zip(CODES, self.rows(account), strict=True):
            for offset, (control, window) in enumerate(WINDOWS):
                rate = self.limit(scope, number, control)
                if rate != UNLIMITED and not self.tokens(scope, number, control, rate, window, now_ns):
                    self.throttle = Reason(code + offset)
                    return
            for control, window in WINDOWS:
                rate = self.limit(scope, number, control)
                if any(self.limit(scope, number, each) != UNLIMITED for each, _ in WINDOWS):
                    interval = 0 if rate == UNLIMITED else window // rate
                    full = max(self.full.get((scope, number, control), 0), now_ns)
                    self.full[scope, number, control] = full + interval

    def tokens(self, scope: int, number: int, control: int, rate: int, window: int, now_ns: int) -> int:
        """How many messages are in the bucket."""
        if rate == 0:
            return 0
        missing = max(self.full.get((scope, number, control), 0) - now_ns, 0)
        return rate - -(-missing // (window // rate))

    def limits(self, scope: int, number: int, instrument: int, side: int, more: "More", first: Reason) -> Reason:
        """The first limit of a row that is broken."""
        if first <= self.throttle <= first + 1:
            return self.throttle
        bound = {control: self.limit(scope, number, control) for control in TOTALS}
        members = self.members(scope, number)
        net = sum(self.net(a, instrument) for a in members) * (1 if side == Side.BUY else -1)
        lots = net + sum(self.twin.open_lots(a, instrument, side) for a in members) + more.lots
        longs, shorts = self.costs(members)
        held = [sum(self.twin.held(a, each) for a in members) for each in Side]
        one_side = (longs - shorts if side == Side.BUY else shorts - longs) + held[side] + more.money
        orders = sum(o.account in members for o in self.twin.orders.values()) + more.orders
        lost = bound[Control.MAXIMUM_DAILY_LOSS]
        broken = (
            more.lots > 0 and side == Side.BUY and lots > bound[Control.MAXIMUM_LONG],
            more.lots > 0 and side == Side.SELL and lots > bound[Control.MAXIMUM_SHORT],
            more.money > 0 and longs + shorts + sum(held) + more.money > bound[Control.MAXIMUM_GROSS],
            more.money > 0 and one_side > bound[Control.MAXIMUM_NET],
            self.today(self.ordered, members) + more.ordered > bound[Control.MAXIMUM_DAILY_ORDERED],
            self.today(self.traded, members) + sum(held) + more.money > bound[Control.MAXIMUM_DAILY_TRADED],
            lost != UNLIMITED and (lost == 0 or self.loss(members) >= lost) and lots > 0,
            scope != Scope.ACCOUNT and more.orders and orders > bound[Control.MAXIMUM_OPEN_ORDERS],
        )
        return next((Reason(first + 2 + at) for at, is_broken in enumerate(broken) if is_broken), Reason.NONE)

    def net(self, account: int, instrument: int) -> int:
        """Lots held; below 0 short."""
        position = self.twin.positions.get((account, instrument))
        return position.bought - position.sold if position else 0

    def costs(self, members: list[int]) -> tuple[int, int]:
        """Of all long, of all short positions."""
        mine = [p for (account, _), p in self.twin.positions.items() if account in members]
        return sum(p.cost for p in mine if p.bought > p.sold), sum(p.cost for p in mine if p.bought < p.sold)

    def today(self, moneys: list[tuple[int, int, int]], members: list[int]) -> int:
        """The sum of ``(account, day, money)`` of the present day."""
        return sum(money for account, day, money in moneys if account in members and day == self.day)

    def loss(self, members: list[int]) -> int:
        """What was worth more when the day began."""
        now, then = self.worth(members, self.day + 1), self.worth(members, self.day)
        return then - now

    def worth(self, members: list[int], before: int) -> int:
        """Of all fills of days before that, at the last prices of them: money got less money paid, and what was held."""
        total = 0
        for instrument, (_, _, tick_value) in enumerate(self.twin.instruments):
            fills = [f for f in self.fills if f[1] == instrument and f[2] < before]
            last = fills[-1][4] if fills else 0
            for account, _, _, lots, price in fills:
                total += (last - price) * lots * tick_value * (account in members)
        return total

    def filled(self, account: int, instrument: int, day: int, side: int, quantity: int, price: int) -> None:
        """One side of a trade."""
        self.fills.append((account, instrument, day, quantity if side == Side.BUY else -quantity, price))
        self.traded.append((account, day, quantity * price * self.twin.instruments[instrument][2]))

    def switches(self, r: Any, instrument: int, side: int, quantity: int) -> Reason:
        """Kill switches: session, account, group, instrument, firm."""
        account = int(r["account"])
        group = self.get(Scope.ACCOUNT, account, Control.GROUP)
        asked = (
            (Reason.SESSION_KILLED, Scope.SESSION, int(r["session"])),
            (Reason.ACCOUNT_KILLED, Scope.ACCOUNT, account),
            (Reason.GROUP_KILLED, Scope.GROUP, group),
            (Reason.INSTRUMENT_KILLED, Scope.INSTRUMENT, instrument),
            (Reason.FIRM_KILLED, *FIRM),
        )
        for reason, scope, number in asked:
            kill = self.get(scope, number, Control.KILL) if scope is not Scope.GROUP or number else 0
            if kill == Kill.REFUSING or (kill == Kill.REDUCING and not self.reduces(account, instrument, side, quantity)):
                return reason
        return Reason.NONE

    def reduces(self, account: int, instrument: int, side: int, quantity: int) -> bool:
        """Would the position not pass zero if all that works on that side traded, this order too?"""
        position = self.twin.positions.get((account, instrument))
        if position is None or not quantity:
            return False
        net = position.bought - position.sold
        open_lots = self.twin.open_lots(account, instrument, int(side)) + quantity
        return bool(open_lots <= (-net if side == Side.BUY else net))
