"""Reason codes as they travel: why something was refused, cancelled or not done.

A copy of the engine's enum, so that a client needs nothing of the engine; a test holds the two equal. Codes keep their number
and meaning for ever. 1xxx comes from the gateway (the message), 2xxx from risk (the order), 3xxx from the book.
"""

from enum import IntEnum


class Reason(IntEnum):
    """``u2`` on the wire; 0 means that nothing is wrong."""

    NONE = 0

    # gateway: the message itself
    MALFORMED_FRAME = 1001
    UNSUPPORTED_VERSION = 1002
    UNKNOWN_MESSAGE = 1003
    WRONG_LENGTH = 1004
    NOT_LOGGED_ON = 1005
    ALREADY_LOGGED_ON = 1006
    BAD_CREDENTIALS = 1007
    TOO_MANY_SESSIONS = 1008
    SERVER_ONLY_MESSAGE = 1009
    NOT_AVAILABLE = 1010
    SHUTTING_DOWN = 1011
    OVERLOADED = 1012
    RESEND_OUT_OF_RANGE = 1014
    HEARTBEAT_MISSED = 1015
    JOURNAL_STALLED = 1016

    # riskd: whether the order may reach the book
    UNKNOWN_ACCOUNT = 2001
    UNKNOWN_INSTRUMENT = 2002
    UNKNOWN_SIDE = 2003
    UNKNOWN_TYPE = 2004
    UNKNOWN_TIME_IN_FORCE = 2005
    TYPE_AND_TIME_IN_FORCE_DISAGREE = 2006
    QUANTITY_NOT_POSITIVE = 2007
    QUANTITY_OFF_LOT = 2008
    PRICE_NOT_POSITIVE = 2009
    PRICE_OFF_TICK = 2010
    QUANTITY_ABOVE_MAXIMUM = 2011
    NOTIONAL_OVERFLOW = 2012
    NOTIONAL_ABOVE_MAXIMUM = 2013
    DUPLICATE_CLIENT_ORDER_ID = 2014
    TOO_MANY_OPEN_ORDERS = 2015
    ORDER_POOL_FULL = 2016
    UNKNOWN_ORDER = 2017
    POSITION_OVERFLOW = 2018
    UNKNOWN_COMMAND = 2019
    SESSION_KILLED = 2020
    ACCOUNT_KILLED = 2021
    GROUP_KILLED = 2022
    INSTRUMENT_KILLED = 2023
    FIRM_KILLED = 2024

    # matcher: what the book says
    ORDER_NOT_LIVE = 3001
    NO_LIQUIDITY = 3002
    PRICE_OUT_OF_RANGE = 3003
    LEVEL_POOL_FULL = 3004
    BAD_ORDER_ID = 3005
    INSTRUMENT_NOT_DEFINED = 3006
    INSTRUMENT_ALREADY_DEFINED = 3007
    CANCELLED_BY_CLIENT = 3008
    CANCELLED_BY_MASS_CANCEL = 3009
    ACCOUNT_NOT_DEFINED = 3011
    INSTRUMENT_BEYOND_BOUND = 3012
    ACCOUNT_BEYOND_BOUND = 3013
    NOT_IN_THIS_STATE = 3014
    TERMS_DISAGREE = 3015
    STOP_PRICE_OUT_OF_RANGE = 3016
    PRICE_OUTSIDE_COLLAR = 3017
    QUANTITY_ABOVE_BOUND = 3018
    EXPIRY_PASSED = 3019
    LINKED_ORDER_NOT_LIVE = 3020
    POSITION_NOT_TRACKED = 3021
    POSITION_POOL_FULL = 3022
    POST_ONLY_WOULD_TRADE = 3023
    REDUCE_ONLY_WOULD_INCREASE = 3024
    UNKNOWN_STATE = 3025
    RULES_DISAGREE = 3026

    # matcher: why an order ended
    FILL_OR_KILL = 3101
    MINIMUM_QUANTITY = 3102
    SELF_TRADE = 3103
    ONE_CANCELS_OTHER = 3104
    EXPIRED = 3105
    DAY_ENDED = 3106
    AUCTION_ENDED = 3107
    TRADING_PAUSED = 3108

    # matcher: why an order, or an instrument's state, is no longer what it was
    POST_ONLY_SLID = 3201
    PEG_MOVED = 3202
    PEG_PARKED = 3203
    ICEBERG_REFILLED = 3204
    SELF_TRADE_DECREMENTED = 3205
    PRICED_BY_MARKET = 3206
    REDUCED_TO_POSITION = 3207
    COMMANDED = 3208
    COLLAR_BREACHED = 3209


def name_of(code: int) -> str:
    """The lower-case word for a code, for people and JSON; ``unknown_<n>`` for one that this client is too old to know."""
    try:
        return Reason(code).name.lower()
    except ValueError:
        return f"unknown_{code}"
