"""What a trading client imports: the wire protocol and the client. Needs only pyzmq and numpy."""

from pinion.aio import AsyncClient
from pinion.client import Client
from pinion.drop_copy import AsyncDropCopy, DropCopy
from pinion.errors import LogonRefused, OffTick, PinionError, Refused, Timeout, UnknownSymbol
from pinion.instrument import Instrument
from pinion.protocol import Liquidity, OrderType, ReportKind, SelfTradeRule, Side, TimeInForce
from pinion.reasons import Reason
from pinion.report import OrderStatus, Report

__all__ = [
    "AsyncClient",
    "AsyncDropCopy",
    "Client",
    "DropCopy",
    "Instrument",
    "Liquidity",
    "LogonRefused",
    "OffTick",
    "OrderStatus",
    "OrderType",
    "PinionError",
    "Reason",
    "Refused",
    "Report",
    "ReportKind",
    "SelfTradeRule",
    "Side",
    "TimeInForce",
    "Timeout",
    "UnknownSymbol",
]
