"""What can be set in riskd while it runs, on what, and the command that does it. Layout and words only.

    RISK body (line 2): 64 value i8, 72 before i8, 80 who S24, 104 group i4, 108 count u4, 112 scope u1, 114 control u2
                       120 flags u2

A RISK command sets one control of one thing: ``account``, ``group``, ``instrument`` or ``session`` names it, as its ``scope``
says, and the firm needs no number. ``before`` is the value that was in force until then. All are numbered in the first shard,
whatever they are about, so there is one order of them.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

import numpy as np

from shm.records import COMMAND, RECORD_BYTES, OrderType, Side, TimeInForce

_HEAD: Final = [(name, COMMAND[name]) for name in (COMMAND.names or ())[:12]]

RISK_COMMAND: Final = np.dtype(
    [
        *_HEAD,
        ("value", "<i8"),
        ("before", "<i8"),
        ("who", "S24"),
        ("group", "<i4"),
        ("count", "<u4"),
        ("scope", "u1"),
        ("pad_2", "u1", (1,)),
        ("control", "<u2"),
        ("pad_3", "u1", (4,)),
        ("flags", "<u2"),
        ("pad_4", "u1", (6,)),
    ]
)
"""``who``: as the asker says; "settings" where the settings file changed. ``count``: of latches that are released, all so far.
``flags`` are RiskFlag bits."""

_KEPT: Final = [(name, RISK_COMMAND[name]) for name in RISK_COMMAND.names or () if name not in ("group", "count")]
_PLACE: Final = [name for name, _ in _KEPT].index("who") + 1
FUND_COMMAND: Final = np.dtype([*_KEPT[:_PLACE], ("currency", "S8"), *_KEPT[_PLACE:]])
"""A RISK command whose control is FUNDS or LOTS: ``value`` less ``before`` is put in. ``currency`` lies where ``group`` does;
LOTS has its ``instrument`` instead."""

UNLIMITED: Final = 2**63 - 1
"""The value of a limit that never binds."""
WARN_PERCENT: Final = 80
MARGIN: Final = 10_000
"""Of an instrument that is not given one: all of the money."""
SETTINGS: Final = b"settings"
GROUP_BOUND: Final = 256
"""Groups are numbered from 1, below it; 0 is none."""


class Scope(IntEnum):
    """What a control is of."""

    ACCOUNT = 1
    GROUP = 2
    FIRM = 3
    INSTRUMENT = 4
    SESSION = 5


class Control(IntEnum):
    """What can be set. Limits are counted as in the settings: lots, or money in the currency's smallest unit."""

    KILL = 1
    """A Kill."""
    GROUP = 2
    """The group that an account is in, 0: none."""
    MAXIMUM_LONG = 3
    MAXIMUM_SHORT = 4
    MAXIMUM_GROSS = 5
    MAXIMUM_NET = 6
    MAXIMUM_DAILY_ORDERED = 7
    MAXIMUM_DAILY_TRADED = 8
    MAXIMUM_DAILY_LOSS = 9
    MESSAGES_PER_SECOND = 10
    MESSAGES_PER_MINUTE = 11
    WARN_PERCENT = 12
    """Of the firm: when so much of a limit is used, a warning comes."""
    ALLOWED_SIDES = 13
    ALLOWED_TYPES = 14
    ALLOWED_TIMES = 15
    """These three are bits: ``bits_of`` and ``words_of``."""
    MAXIMUM_QUANTITY = 16
    MAXIMUM_NOTIONAL = 17
    MAXIMUM_OPEN_ORDERS = 18
    MINIMUM_QUANTITY = 19
    MINIMUM_NOTIONAL = 20
    RISING_IDS = 21
    """1: a client order id must be higher than all before it of the account."""
    COLLAR_REFERENCE = 32
    """Of an instrument, as the three below: a Reference."""
    COLLAR_PRICE = 33
    """The one that is given, in 10**-price_decimals, 0: none."""
    COLLAR_TICKS = 34
    COLLAR_BASIS_POINTS = 35
    ALLOWED_INSTRUMENTS = 36
    """1: all that are not refused by name; 0: those alone that are allowed by name."""
    INSTRUMENT = 37
    """One by name: ``instrument << PERMIT_BITS`` and a Permit."""
    ALLOWED_GATEWAYS = 38
    """Bits, by number."""
    MAXIMUM_REPEATS = 39
    REPEAT_WINDOW_MS = 40
    LATCH = 41
    """1 since an order was repeated too often; only ever set to 0."""
    REMEMBER_IDS = 42
    """1: the client order ids taken last are not taken again."""
    INITIAL_MARGIN = 43
    MAINTENANCE_MARGIN = 44
    """Of an instrument: basis points of the money of positions, and of orders, of margin accounts."""
    MARK_PRICE = 45
    """Of an instrument: ticks at which positions of margin accounts are marked; 0: the last trade's."""
    FUNDS = 46
    """Money of a currency that a cash or margin account has. This and LOTS are set by FUND_COMMAND alone."""
    LOTS = 47
    """Lots of an instrument that were put into such an account, none of which it bought."""


class Kill(IntEnum):
    """What a kill switch leaves of a thing."""

    RELEASED = 0
    REFUSING = 1
    """No new orders and no replaces; cancels and reduces always."""
    REDUCING = 2
    """As REFUSING, but new orders that can only reduce a position."""


class Permit(IntEnum):
    """What is said of an account and an instrument by name."""

    UNSET = 0
    ALLOWED = 1
    REFUSED = 2


PERMIT_BITS: Final = 2


class Reference(IntEnum):
    """What a collar holds prices against."""

    NONE = 0
    LAST = 1
    """The last trade, before the first one the price that is given."""
    GIVEN = 2


class RiskFlag(IntEnum):
    """Bits of ``flags`` in a RISK command."""

    FROM_SETTINGS = 1
    """The settings say so since the last start: the value is also what ``reset`` goes back to."""


WORDS: Final[dict[Control, type[IntEnum]]] = {
    Control.ALLOWED_SIDES: Side,
    Control.ALLOWED_TYPES: OrderType,
    Control.ALLOWED_TIMES: TimeInForce,
}


def bits_of(control: Control, words: Iterable[str]) -> int:
    """The bits of what is allowed. Raises KeyError for a word that there is not."""
    return sum(1 << WORDS[control][word.upper()] for word in set(words))


def words_of(control: Control, bits: int) -> tuple[str, ...]:
    """What is allowed, in words."""
    return tuple(each.name.lower() for each in WORDS[control] if bits >> each & 1)


def all_of(control: Control) -> int:
    """The bits of all that could be allowed."""
    return sum(1 << each for each in WORDS[control])


assert RISK_COMMAND.itemsize == RECORD_BYTES and RISK_COMMAND.fields is not None and COMMAND.fields is not None
assert RISK_COMMAND.fields["value"][1] == 64 and RISK_COMMAND.fields["kind"][1] == 63
assert RISK_COMMAND.fields["flags"] == COMMAND.fields["flags"]
assert FUND_COMMAND.itemsize == RECORD_BYTES and FUND_COMMAND.fields is not None
assert [FUND_COMMAND.fields[name][1] for name in ("currency", "scope")] == [RISK_COMMAND.fields["group"][1], 112]
