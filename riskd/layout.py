"""How riskd's state lies in memory: one record, all of it. Layout only: no algorithm lives here.

    RISK                                               one line (64 bytes) each, so that a check costs few cache misses
      header     128   clock, fault, seed, counts
      draft      192   the request in hand, in ticks and lots
      gateways    64 x GATEWAY_BOUND   how far each orders ring is taken
      shards      64 x SHARD_BOUND     last command numbered, last event read, free slots
      ahead            bits: orders that became commands before a crash, yet were not released from their ring
      accounts    64 x rows            limits, open orders, holds; behind the accounts the firm and its groups
      instruments 64 x instruments     units, last price
      positions   64 x positions       open-addressing table by (account, instrument); entries are never removed
      ids         16 x ids             open-addressing table (account, client order id) -> shard and slot
      orders      64 x shards x slots  one for each slot of a shard's order pool
      free         4 x shards x slots  stack of free slots a shard
      limits     192 x rows            limits beyond those in accounts, and what is used of them
      links       16 x positions       the next position of the same row, and its worth when the day began
      marks       64 x instruments     the price that the day began with
      warnings    32 x WARNINGS        which limits are nearly used up: the last ones noted
      names       16 x accounts        what people call the accounts
      fees        16 x instruments     fees, for comparing the settings with the journal
      chosen     384 x rows            by Control: what the settings said last, which a live value may differ from
      sessions     4 x SESSIONS        those whose kill switch is on
      collars     64 x instruments     how far a price may be from which reference
      funds       64 x funds           open-addressing table by (account, asset) of what cash and margin accounts have
      margins     64 x instruments     what positions of margin accounts ask for, and the price they are marked to
      currencies   8 x CURRENCIES      assets that are money, by number; CURRENCIES + k is lots of instrument k
      permits     64 x accounts        what an account may trade, from where, and how often the same
      pairs       16 x pairs           open-addressing table (account, instrument) -> Permit; entries are never removed
      remembered  16 x accounts x sets x WAYS   the client order ids that were taken last
      repeats     32 x shards x accounts x REPEATS   the orders that an account sent last in each shard

    ORDER                                             POSITION
      0 order_id         i8  0 while the slot is free   0 key          i8  account << 32 | instrument, plus 1; 0 is empty
      8 client_order_id  u8                             8 bought       i8  lots
     16 price            i8  ticks the hold is at      16 sold         i8  lots
     24 quantity         i8  lots, executed included   24 open      2x i8  lots that working orders may still buy, sell
     32 leaves           i8  lots
     40 working          i8  lots counted as open      40 cost         i8  money the open position was entered for, >= 0
     48 held             i8  money                     48 realised     i8  money
     56 position         i4  index                     56 turnover     i8  money traded, both sides
     60 pending          u2  replaces, reduces on their way
     62 side u1, type u1     type: see riskd/reckoning.py

Money is ticks x lots x tick_value. A position's ``cost`` over its net quantity is the average cost; it is kept whole, so
that nothing is lost by rounding: realised = sold money - bought money + cost (long) or - cost (short), always.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from riskd.layout_of_funds import CURRENCY, FUNDS, MARGINS
from riskd.layout_of_orders import COLLAR, PAIR, PAIR_BOUND, PERMITS, REMEMBERED, REPEAT, REPEATS, WAYS
from shm.controls import GROUP_BOUND, Control
from shm.records import GATEWAY_BOUND, SHARD_BOUND, SLOT_BOUND

LINE_BYTES: Final = 64
NAME_BYTES: Final = 16
BATCH: Final = 128
"""Orders taken, or events read, before the cursors are published."""
WARNINGS: Final = 64
CONTROLS: Final = 48
"""Every Control is below it."""
CURRENCIES: Final = 16
"""Of instruments, while any account has funds."""
FUNDS_BOUND: Final = 1 << 16
"""Pairs of account and asset."""
SESSIONS: Final = 64
"""How many sessions' kill switches may be on."""
PENDING_BOUND: Final = (1 << 16) - 1
"""Replaces and reduces of one order that may be on their way; the next one waits in its orders ring."""
MONEY_BOUND: Final = 1 << 62
"""No order may take an account's holds, or a position's turnover or lots, past this: a fill then cannot overflow an int64."""

HEADER: Final = np.dtype(
    [
        ("now_ns", "<i8"),
        ("fault", "<i8"),
        ("seed", "<u8"),
        ("accounts", "<i8"),
        ("instruments", "<i8"),
        ("positions", "<i8"),
        ("shards", "<i8"),
        ("gateways", "<i8"),
        ("account_bound", "<i8"),
        ("switched", "<i8"),
        ("sessions", "<i8"),
        ("day", "<i8"),
        ("day_begin_ns", "<i8"),
        ("day_end_ns", "<i8"),
        ("warn_percent", "<i8"),
        ("warnings", "<i8"),
    ]
)
"""``accounts``, ``instruments`` are those defined so far: they are numbered from 0. ``positions`` are those in use. The firm's
row is ``account_bound``, that of group g ``account_bound + g``. ``switched``: kill switches that are on, ``sessions`` those of
sessions. ``day``: days since 1970 (UTC). ``warnings``: how many were ever noted."""

DRAFT: Final = np.dtype(
    [
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("money", "<i8"),
        ("working", "<i8"),
        ("held", "<i8"),
        ("position", "<i8"),
        ("origin", "<i8"),
        ("origin_sequence", "<i8"),
        ("reckoned", "<i8"),
        ("stop_price", "<i8"),
        ("display_quantity", "<i8"),
        ("minimum_quantity", "<i8"),
        ("step", "<i8"),
        ("linked", "<i8"),
        ("throttle", "<i8"),
        ("more_lots", "<i8"),
        ("more_money", "<i8"),
        ("pad", "u1", (56,)),
    ]
)
"""The request in hand: where it comes from, its ticks, lots and money; for a replace, the worst that its order can then be.
``reckoned``: the price that its money is reckoned at. From ``stop_price`` to ``linked`` only an extended order's are kept up.
``throttle``: why it is too early for a message, or 0; ``more_*``: what it adds to what works."""

GATEWAY: Final = np.dtype(
    [
        ("taken", "<i8"),
        ("base", "<i8"),
        ("ahead", "<i8"),
        ("last", "<i8"),
        ("pad", "u1", (32,)),
    ]
)
"""``taken``: last order done with. ``base``: the ring's cursor at the start, where the bits of RISK's ``ahead`` begin.
``ahead``: last order that recovery may have found taken beyond ``base``. ``last``: that it met last, in the shard at hand."""

SHARD: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("published", "<i8"),
        ("events_read", "<i8"),
        ("free", "<i8"),
        ("accounts", "<i8"),
        ("instruments", "<i8"),
        ("expiring", "<i8"),
        ("clocked_ns", "<i8"),
    ]
)
"""``sequence``: last command numbered. ``free``: how many slots the stack of free slots holds. ``accounts``: the accounts,
``instruments``: those up to the last of this shard, that commands of the shard have defined. ``expiring``: live GTD orders;
``clocked_ns``: time of the last CLOCK."""

ACCOUNT: Final = np.dtype(
    [
        ("maximum_quantity", "<i8"),
        ("maximum_notional", "<i8"),
        ("maximum_open_orders", "<i8"),
        ("open_orders", "<i8"),
        ("held", "<i8", (2,)),
        ("self_trade_group", "<i4"),
        ("flags", "<u2"),
        ("group", "<u2"),
        ("checks", "<u2"),
        ("self_trade_rule", "u1"),
        ("kill", "u1"),
        ("forbidden_types", "<u2"),
        ("forbidden_times", "u1"),
        ("forbidden_sides", "u1"),
    ]
)
"""``held`` by side: the money that working orders would move at their price. ``kill`` is a Kill, ``checks`` are Check bits."""

LIMITS: Final = np.dtype(
    [
        ("day", "<i8"),
        ("long_cost", "<i8"),
        ("short_cost", "<i8"),
        ("ordered", "<i8"),
        ("traded", "<i8"),
        ("second_full_ns", "<i8"),
        ("minute_full_ns", "<i8"),
        ("highest_id", "<u8"),
        ("maximum_long", "<i8"),
        ("maximum_short", "<i8"),
        ("maximum_gross", "<i8"),
        ("maximum_net", "<i8"),
        ("maximum_daily_ordered", "<i8"),
        ("maximum_daily_traded", "<i8"),
        ("maximum_daily_loss", "<i8"),
        ("warned", "<u4"),
        ("first", "<u4"),
        ("second_interval_ns", "<i8"),
        ("second_window_ns", "<i8"),
        ("minute_interval_ns", "<i8"),
        ("minute_window_ns", "<i8"),
        ("messages_per_second", "<i8"),
        ("messages_per_minute", "<i8"),
        ("minimum_quantity", "<i8"),
        ("minimum_notional", "<i8"),
    ]
)
"""A line each: use; limits; rates. ``warned``: bits of limits that are nearly used up. ``first``: its first position, plus
one. ``ordered``, ``traded``: money of ``day``. ``*_cost``: of long and of short positions. ``*_full_ns``: when a bucket of
messages is full again; a message takes an interval of it, and it holds a window. ``highest_id``: of its orders' client ids."""

LIMITED: Final = (
    "maximum_long",
    "maximum_short",
    "maximum_gross",
    "maximum_net",
    "maximum_daily_ordered",
    "maximum_daily_traded",
    "maximum_daily_loss",
    "messages_per_second",
    "messages_per_minute",
)
"""The limits among them."""

LINK: Final = np.dtype([("base", "<i8"), ("day", "<i4"), ("next", "<u4")])
"""Of a position: ``next`` of the row, plus one; ``base``: its worth when ``day``, the last on which it traded, began."""

MARK: Final = np.dtype([("close", "<i8"), ("day", "<i8"), ("pad", "u1", (48,))])
"""``close``: ticks, the last price before ``day``, on which the instrument traded last."""

WARNING: Final = np.dtype([("row", "<i8"), ("offset", "<i8"), ("used", "<i8"), ("limit", "<i8")])

INSTRUMENT: Final = np.dtype(
    [
        ("tick_size", "<i8"),
        ("lot_size", "<i8"),
        ("tick_value", "<i8"),
        ("last_price", "<i8"),
        ("currency", "S8"),
        ("symbol", "S16"),
        ("price_decimals", "u1"),
        ("quantity_decimals", "u1"),
        ("kill", "u1"),
        ("collar", "u1"),
        ("money", "u1"),
        ("pad", "u1", (3,)),
    ]
)
"""``last_price``: ticks, of the last trade; 0 before the first. ``collar``: a Reference; NONE leaves ``collars`` unread.
``money``: its currency's place in ``currencies``."""

FEES: Final = np.dtype([("maker_fee", "<i4"), ("taker_fee", "<i4"), ("fee_basis", "u1"), ("pad", "u1", (7,))])

POSITION: Final = np.dtype(
    [
        ("key", "<i8"),
        ("bought", "<i8"),
        ("sold", "<i8"),
        ("open", "<i8", (2,)),
        ("cost", "<i8"),
        ("realised", "<i8"),
        ("turnover", "<i8"),
    ]
)

IDENTITY: Final = np.dtype([("client_order_id", "<u8"), ("account", "<i4"), ("reference", "<u4")])
"""``reference``: (shard << SLOT_BITS | slot) + 1; 0 is empty."""

ORDER: Final = np.dtype(
    [
        ("order_id", "<i8"),
        ("client_order_id", "<u8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("leaves", "<i8"),
        ("working", "<i8"),
        ("held", "<i8"),
        ("position", "<i4"),
        ("pending", "<u2"),
        ("side", "u1"),
        ("type", "u1"),
    ]
)

WIRING: Final = np.dtype(
    [
        ("orders", "<i8", (GATEWAY_BOUND,)),
        ("commands", "<i8", (SHARD_BOUND,)),
        ("events", "<i8", (SHARD_BOUND,)),
        ("orders_reader", "<i8", (GATEWAY_BOUND,)),
        ("events_reader", "<i8", (SHARD_BOUND,)),
    ]
)
"""Where the rings lie in this process, and riskd's reader index in each. No part of the state: it says nothing lasting."""

assert (HEADER.itemsize, DRAFT.itemsize, LIMITS.itemsize) == (2 * LINE_BYTES, 3 * LINE_BYTES, 3 * LINE_BYTES)
assert LIMITS.fields is not None and (LIMITS.fields["maximum_long"][1], LIMITS.fields["second_interval_ns"][1]) == (64, 128)
assert max(Control) < CONTROLS
for _dtype in (GATEWAY, SHARD, ACCOUNT, INSTRUMENT, POSITION, ORDER, MARK):
    assert _dtype.itemsize == LINE_BYTES and not _dtype.isalignedstruct
assert IDENTITY.itemsize == 16 and LINE_BYTES % IDENTITY.itemsize == 0
assert SHARD_BOUND * SLOT_BOUND < 1 << 32
assert BATCH % 64 == 0


@dataclass(frozen=True)
class Sizes:
    """Bounds of the state; ``orders`` are slots a shard. Tables are given at least twice the entries they may hold."""

    shards: int
    gateways: int
    accounts: int
    instruments: int
    orders: int
    positions: int = 0

    def __post_init__(self) -> None:
        assert 0 < self.shards <= SHARD_BOUND and 0 < self.gateways <= GATEWAY_BOUND
        assert 0 < self.orders <= SLOT_BOUND and self.accounts > 0 and self.instruments > 0

    @property
    def rows(self) -> int:
        """Accounts, the firm, and its groups."""
        return self.accounts + GROUP_BOUND

    @property
    def position_entries(self) -> int:
        """Entries of the table of positions: a power of two, twice the pairs there can be, or twice ``positions``."""
        return power_of_two(2 * (self.positions or self.accounts * self.instruments))

    @property
    def funds_entries(self) -> int:
        """Entries of the table of funds: a power of two, twice what may be in it."""
        return power_of_two(2 * min(self.accounts * CURRENCIES, FUNDS_BOUND))

    @property
    def pair_entries(self) -> int:
        """Entries of the table of permits by name: a power of two, twice as many as there may be."""
        return power_of_two(2 * min(self.accounts * self.instruments, PAIR_BOUND))

    @property
    def remembered_sets(self) -> int:
        """A power of two: 32 up to 4096 accounts, fewer for more."""
        return max(1, min(32, (1 << 17) // power_of_two(self.accounts)))

    @property
    def repeats(self) -> int:
        """Orders of an account and shard that are known again."""
        return REPEATS if self.shards * self.accounts <= 1 << 20 else 1

    @property
    def id_entries(self) -> int:
        """Entries of the table of client order ids: a power of two, twice the orders that can be."""
        return power_of_two(2 * self.shards * self.orders)


def power_of_two(count: int) -> int:
    """The smallest power of two that is not below ``count``."""
    return 1 << max(count - 1, 0).bit_length()


def risk_dtype(sizes: Sizes) -> np.dtype[Any]:
    """The whole state as one record: a kernel takes one pointer."""
    dtype = np.dtype(
        [
            ("header", HEADER),
            ("draft", DRAFT),
            ("gateways", GATEWAY, (GATEWAY_BOUND,)),
            ("shards", SHARD, (SHARD_BOUND,)),
            ("ahead", "<u8", (GATEWAY_BOUND, SHARD_BOUND, BATCH // 64)),
            ("accounts", ACCOUNT, (sizes.rows,)),
            ("instruments", INSTRUMENT, (sizes.instruments,)),
            ("positions", POSITION, (sizes.position_entries,)),
            ("ids", IDENTITY, (sizes.id_entries,)),
            ("orders", ORDER, (sizes.shards, sizes.orders)),
            ("free", "<u4", (sizes.shards, sizes.orders)),
            ("limits", LIMITS, (sizes.rows,)),
            ("links", LINK, (sizes.position_entries,)),
            ("marks", MARK, (sizes.instruments,)),
            ("warnings", WARNING, (WARNINGS,)),
            ("names", "u1", (sizes.accounts, NAME_BYTES)),
            ("fees", FEES, (sizes.instruments,)),
            ("chosen", "<i8", (sizes.rows, CONTROLS)),
            ("sessions", "<i4", (SESSIONS,)),
            ("collars", COLLAR, (sizes.instruments,)),
            ("funds", FUNDS, (sizes.funds_entries,)),
            ("margins", MARGINS, (sizes.instruments,)),
            ("currencies", CURRENCY, (CURRENCIES,)),
            ("permits", PERMITS, (sizes.accounts,)),
            ("pairs", PAIR, (sizes.pair_entries,)),
            ("remembered", REMEMBERED, (sizes.accounts, sizes.remembered_sets, WAYS)),
            ("repeats", REPEAT, (sizes.shards, sizes.accounts, sizes.repeats)),
        ]
    )
    assert dtype.fields is not None and dtype.fields["accounts"][1] % LINE_BYTES == 0
    return dtype
