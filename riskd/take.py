"""From a gateway's request to a numbered command: choose the shard, check, number, take up.

A request for which its commands ring has no room stays where it is: ``take`` returns False, and riskd goes and reads events,
which is what makes room. Nothing here waits. ``commands`` is the record of any one commands ring: it lends its type, while
``wiring`` says where the ring of each shard lies. Where a request comes from is in the ``draft``.
"""

from typing import Any, Final

from numba import njit

from riskd import ids
from riskd.ahead import is_taken, is_taken_anywhere, may_be_taken
from riskd.checks import (
    BY_PRICE,
    EXTENDED,
    PASSED,
    is_account,
    is_instrument,
    verdict_on_cancel,
    verdict_on_mass_cancel,
    verdict_on_new,
    verdict_on_reduce,
    verdict_on_replace,
)
from riskd.layout import PENDING_BOUND
from riskd.limits import count_message
from riskd.orders import SLOT_MASK, enter, expect_replace, take_slot
from riskd.positions import instrument_of
from riskd.reckoning import MARKET, follow_replace
from riskd.usage import count_ordered
from shm.atomics import record_at
from shm.reasons import Reason
from shm.records import NO_INSTRUMENT, SLOT_BITS, CommandKind, TimeInForce
from shm.ring import can_write

NEW: Final = CommandKind.NEW.value
CANCEL: Final = CommandKind.CANCEL.value
REPLACE: Final = CommandKind.REPLACE.value
MASS_CANCEL: Final = CommandKind.MASS_CANCEL.value
REDUCE: Final = CommandKind.REDUCE.value
CLOCK: Final = CommandKind.CLOCK.value
DAY: Final = TimeInForce.DAY.value
UNKNOWN_COMMAND: Final = Reason.UNKNOWN_COMMAND.value


@njit(cache=True)
def take(risk: Any, wiring: Any, commands: Any, request: Any) -> bool:
    """Turn the request into its command, or commands; False while there is no room for them."""
    draft, kind = risk["draft"], request["kind"]
    if kind == MASS_CANCEL:
        return _take_mass_cancel(risk, wiring, commands, request)
    if may_be_taken(risk, draft["origin"], draft["origin_sequence"]) and is_taken_anywhere(
        risk, draft["origin"], draft["origin_sequence"]
    ):
        return True
    if kind == NEW:
        return _take_new(risk, wiring, commands, request)
    if kind == REPLACE:
        return _take_replace(risk, wiring, commands, request)
    if kind == CANCEL:
        return _take_cancel(risk, wiring, commands, request)
    if kind == REDUCE:
        return _take_reduce(risk, wiring, commands, request)
    return _pass_on(risk, wiring, commands, shard_of(risk, request["instrument"]), request, UNKNOWN_COMMAND)


@njit(inline="always")
def shard_of(risk: Any, instrument: int) -> int:
    """The shard that a request about ``instrument`` goes to; the first one for an instrument that does not exist."""
    return instrument % risk["header"]["shards"] if is_instrument(risk, instrument) else 0


@njit(inline="always")
def has_room(risk: Any, wiring: Any, commands: Any, shard: int) -> bool:
    """May one more command be written to the shard?"""
    return can_write(record_at(wiring["commands"][shard], commands), risk["shards"][shard]["sequence"] + 1)


@njit(cache=True)
def number(risk: Any, wiring: Any, commands: Any, shard: int, request: Any, verdict: int) -> Any:
    """Write ``request`` as the shard's next command, with its number and the time. Returns the command where it lies.

    What the request has in the fields that are riskd's to fill is overwritten. There is room, and publishing comes later.
    """
    source, slots = risk["shards"][shard], record_at(wiring["commands"][shard], commands)["slots"]
    source["sequence"] += 1
    slots[source["sequence"] & (slots.shape[0] - 1)] = request
    command = slots[source["sequence"] & (slots.shape[0] - 1)]
    command["sequence"] = source["sequence"]
    command["time_ns"] = risk["header"]["now_ns"]
    command["order_id"] = 0
    command["verdict"] = verdict
    command["origin"] = risk["draft"]["origin"]
    command["origin_sequence"] = risk["draft"]["origin_sequence"]
    return command


@njit(cache=True)
def _pass_on(risk: Any, wiring: Any, commands: Any, shard: int, request: Any, verdict: int) -> bool:
    """Number a request as it was sent, for it is refused, or asks for nothing that must be worked out."""
    if not has_room(risk, wiring, commands, shard):
        return False
    number(risk, wiring, commands, shard, request, verdict)
    return True


@njit(cache=True)
def _take_new(risk: Any, wiring: Any, commands: Any, request: Any) -> bool:
    shard = shard_of(risk, request["instrument"])
    if not has_room(risk, wiring, commands, shard):
        return False
    if is_account(risk, request["account"]):
        count_message(risk, request["account"])
    verdict = verdict_on_new(risk, request, shard)
    command, draft = number(risk, wiring, commands, shard, request, verdict), risk["draft"]
    if verdict == PASSED:
        command["order_id"] = command["sequence"] << SLOT_BITS | take_slot(risk, shard)
        command["price"] = draft["price"]
        command["quantity"] = draft["quantity"]
        account = risk["accounts"][request["account"]]
        if request["flags"] | account["self_trade_group"] | account["self_trade_rule"] != 0 or _needs_more(request):
            _extend(command, draft, account)
        enter(risk, shard, command, draft["position"], draft["reckoned"], draft["money"])
    return True


@njit(inline="always")
def _needs_more(order: Any) -> bool:
    """Is it of a type, or for a time, that no plain order has?"""
    return order["type"] > MARKET or order["time_in_force"] > DAY


@njit(cache=True)
def _extend(command: Any, draft: Any, account: Any) -> None:
    """Complete a new order that is not plain: in ticks and lots, with its partner's slot, and what its account does else."""
    if command["flags"] & EXTENDED != 0:
        command["stop_price"], command["step"] = draft["stop_price"], draft["step"]
        command["display_quantity"], command["minimum_quantity"] = draft["display_quantity"], draft["minimum_quantity"]
        command["linked"] = draft["linked"]
    if command["self_trade_rule"] == 0:
        command["self_trade_rule"] = account["self_trade_rule"]
    if command["self_trade_group"] == 0:
        command["self_trade_group"] = account["self_trade_group"]
    if command["self_trade_rule"] != 0 or command["self_trade_group"] != 0 or _needs_more(command):
        command["flags"] = command["flags"] | EXTENDED


@njit(cache=True)
def _take_replace(risk: Any, wiring: Any, commands: Any, request: Any) -> bool:
    reference = ids.find(risk, request["account"], request["client_order_id"])
    shard = (reference - 1) >> SLOT_BITS if reference != 0 else shard_of(risk, request["instrument"])
    if not has_room(risk, wiring, commands, shard):
        return False
    slot, draft = (reference - 1) & SLOT_MASK, risk["draft"]
    if reference != 0 and risk["orders"][shard, slot]["pending"] == PENDING_BOUND:
        return False
    if is_account(risk, request["account"]):
        count_message(risk, request["account"])
    verdict = verdict_on_replace(risk, request, reference)
    if verdict != PASSED:
        return _pass_on(risk, wiring, commands, shard, request, verdict)
    order = risk["orders"][shard, slot]
    command = _number_for(risk, wiring, commands, shard, slot, request)
    command["price"], command["stop_price"] = draft["price"], draft["stop_price"]
    command["quantity"] = draft["quantity"]
    follow_replace(order, draft["price"], draft["reckoned"])
    count_ordered(risk, request["account"], draft["money"], command["time_ns"])
    expect_replace(risk, order, draft["working"], draft["held"])
    return True


@njit(cache=True)
def _take_reduce(risk: Any, wiring: Any, commands: Any, request: Any) -> bool:
    """What the order holds stays as it is: it may trade before it is reduced."""
    reference = ids.find(risk, request["account"], request["client_order_id"])
    verdict = verdict_on_reduce(risk, request, reference)
    if verdict != PASSED:
        return _refuse_for(risk, wiring, commands, reference, request, verdict)
    shard, slot = (reference - 1) >> SLOT_BITS, (reference - 1) & SLOT_MASK
    order = risk["orders"][shard, slot]
    if order["pending"] == PENDING_BOUND or not has_room(risk, wiring, commands, shard):
        return False
    command = _number_for(risk, wiring, commands, shard, slot, request)
    command["quantity"] = risk["draft"]["quantity"]
    expect_replace(risk, order, order["working"], order["held"])
    return True


@njit(cache=True)
def _take_cancel(risk: Any, wiring: Any, commands: Any, request: Any) -> bool:
    reference = ids.find(risk, request["account"], request["client_order_id"])
    verdict = verdict_on_cancel(risk, request["account"], reference)
    if verdict != PASSED:
        return _refuse_for(risk, wiring, commands, reference, request, verdict)
    shard = (reference - 1) >> SLOT_BITS
    if not has_room(risk, wiring, commands, shard):
        return False
    _number_for(risk, wiring, commands, shard, (reference - 1) & SLOT_MASK, request)
    return True


@njit(cache=True)
def _refuse_for(risk: Any, wiring: Any, commands: Any, reference: int, request: Any, verdict: int) -> bool:
    """Refuse a request in the shard of the order that it names, or, naming none, in that of its instrument."""
    shard = (reference - 1) >> SLOT_BITS if reference != 0 else shard_of(risk, request["instrument"])
    return _pass_on(risk, wiring, commands, shard, request, verdict)


@njit(cache=True)
def _number_for(risk: Any, wiring: Any, commands: Any, shard: int, slot: int, request: Any) -> Any:
    """Number a request for the order in ``slot``, with that order's id and instrument: the client gave its own id alone."""
    command, order = number(risk, wiring, commands, shard, request, PASSED), risk["orders"][shard, slot]
    command["order_id"] = order["order_id"]
    command["instrument"] = instrument_of(risk["positions"][order["position"]]["key"])
    return command


@njit(cache=True)
def _take_mass_cancel(risk: Any, wiring: Any, commands: Any, request: Any) -> bool:
    """One command into the instrument's shard or, for every instrument, one into each shard: all of them, or none yet."""
    verdict = verdict_on_mass_cancel(risk, request)
    everywhere = verdict == PASSED and request["instrument"] == NO_INSTRUMENT
    first = 0 if everywhere else shard_of(risk, request["instrument"])
    last = risk["header"]["shards"] - 1 if everywhere else first
    for shard in range(first, last + 1):
        if not has_room(risk, wiring, commands, shard):
            return False
    for shard in range(first, last + 1):
        if not is_taken(risk, risk["draft"]["origin"], risk["draft"]["origin_sequence"], shard):
            command = number(risk, wiring, commands, shard, request, verdict)
            if verdict == PASSED and request["flags"] & BY_PRICE != 0:
                command["price"], command["stop_price"] = risk["draft"]["price"], risk["draft"]["stop_price"]
    return True
