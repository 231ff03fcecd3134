"""The books of an exchange that was struck again and again, held against one another. Arrays in, sentences out.

What each check would find is shown by ``tests/test_chaos_audit.py``, which plants it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli import profit, story
from cli.chaos_books import Books
from cli.chaos_trader import ANSWERED, REFUSED
from persister.positions import Position
from pinion.codec import blank
from pinion.protocol import Kind, Liquidity, ReportKind
from runtime.sections import Instrument
from shm.records import EVENT, RISKD_ORIGIN, CommandKind, EventFlag, EventKind

BOUND: Final = 5
"""Sentences of each kind."""
BOOK_REASONS: Final = 3000
"""A refusal for less than this is riskd's, and comes back as it was sent."""
COMPARED: Final = ("instrument", "side", "type", "time_in_force")
"""Fields of a new order that are in the journal as they were sent, beside price and quantity, which are scaled."""
SAME: Final = ("command_sequence", "time_ns", "instrument", "reason")


def violations(books: Books) -> list[str]:
    """All that is wrong, a sentence each; empty when nothing is."""
    found: list[str] = []
    for check in CHECKS:
        found += [f"{check.__name__.strip('_')}: {sentence}" for sentence, _ in zip(check(books), range(BOUND), strict=False)]
    return found


def _replay(books: Books) -> Iterator[str]:
    """The journal's events are what an engine makes of its commands, byte for byte."""
    for shard, (events, again) in enumerate(zip(books.events, books.again, strict=True)):
        if len(events) != len(again):
            yield f"shard {shard}: the journal has {len(events)} events, an uninterrupted run makes {len(again)}"
        yield from _unlike(events, again, f"shard {shard} event", "the journal", "an uninterrupted run")


def _numbering(books: Books) -> Iterator[str]:
    """Commands are numbered without gaps, time never runs backwards, and nothing is taken twice from a gateway."""
    for shard, commands in enumerate(books.commands):
        if (commands["sequence"] != np.arange(1, len(commands) + 1)).any():
            yield f"shard {shard}: commands are not numbered 1, 2, 3 …"
        for place in np.flatnonzero(np.diff(commands["time_ns"]) < 0)[:BOUND].tolist():
            yield f"shard {shard}: time runs backwards at command {place + 2}"
        asked = commands[commands["origin"] != RISKD_ORIGIN]
        for origin in np.unique(asked["origin"]):
            mine = asked[asked["origin"] == origin]
            for place in np.flatnonzero(np.diff(mine["origin_sequence"]) <= 0)[:BOUND].tolist():
                yield f"shard {shard}: command {mine['sequence'][place + 1]} was taken twice, or before its turn"


def _requests(books: Books) -> Iterator[str]:
    """Every command is a request that a client sent, as it sent it, once, in the order of its session; what the gateway refused
    is none, and what was answered is one."""
    for account, sent in books.sent.items():
        known = np.argsort(sent["command"]["request_id"], kind="stable")
        ids = sent["command"]["request_id"][known]
        done = np.zeros(len(sent), np.int64)
        for shard, commands in enumerate(books.commands):
            mine = commands[(commands["account"] == account) & (commands["origin"] != RISKD_ORIGIN)]
            place = np.minimum(np.searchsorted(ids, mine["request_id"]), max(len(ids) - 1, 0))
            strange = ids[place] != mine["request_id"] if len(ids) else np.ones(len(mine), np.bool_)
            for sequence in mine["sequence"][strange][:BOUND].tolist():
                yield f"shard {shard} command {sequence}: account {account} never sent that"
            if len(ids):
                requests = sent[known[place[~strange]]]
                np.add.at(done, known[place[~strange]], 1)
                yield from _as_sent(books, shard, mine[~strange], requests)
        everywhere = (sent["command"]["kind"] == CommandKind.MASS_CANCEL) & (sent["command"]["instrument"] < 0)
        yield from _fates(account, sent[~everywhere], done[~everywhere])


def _as_sent(books: Books, shard: int, commands: NDArray[Any], requests: NDArray[Any]) -> Iterator[str]:
    sent = requests["command"]
    for name in ("kind", "client_order_id"):
        yield from _told(shard, commands, commands[name] != sent[name], name)
    new = (commands["kind"] == CommandKind.NEW) & (requests["whole"] == 1)
    for name in COMPARED:
        yield from _told(shard, commands, new & (commands[name] != sent[name]), name)
    scaled = new | ((commands["kind"] == CommandKind.REPLACE) & (requests["whole"] == 1))
    for name, size in (("price", "tick_size"), ("quantity", "lot_size")):
        sizes = np.where(commands["verdict"] == 0, story.sizes(books.instruments, size)[commands["instrument"]], 1)
        yield from _told(shard, commands, scaled & (commands[name] * sizes != sent[name]), name)
    for session in np.unique(requests["session"]):
        mine = requests["session"] == session
        late = np.flatnonzero(np.diff(requests["order"][mine]) <= 0) if session >= 0 else np.zeros(0, np.int64)
        for place in late[:BOUND].tolist():
            yield f"shard {shard} command {commands['sequence'][mine][place + 1]}: it was sent before the one before it"


def _told(shard: int, commands: NDArray[Any], wrong: NDArray[np.bool_], name: str) -> Iterator[str]:
    for sequence in commands["sequence"][wrong][:BOUND].tolist():
        yield f"shard {shard} command {sequence}: its {name} is not what the client sent"


def _fates(account: int, sent: NDArray[Any], done: NDArray[np.int64]) -> Iterator[str]:
    ids = sent["command"]["request_id"]
    for wrong, sentence in (
        (done > 1, "is in the journal more than once"),
        ((sent["fate"] == REFUSED) & (done > 0), "was refused by the gateway, and is in the journal"),
        ((sent["fate"] == ANSWERED) & (done == 0), "was answered, and is not in the journal"),
    ):
        for request_id in ids[wrong][:BOUND].tolist():
            yield f"request {request_id} of account {account} {sentence}"


def _reports(books: Books) -> Iterator[str]:
    """Each client was told of every event that concerns it, once, in order, in just the bytes that the event makes."""
    for account, told in books.told.items():
        told = told[told["report"] != ReportKind.DONE]
        for shard, events in enumerate(books.events):
            mine = told[told["shard"] == shard]
            wanted = expected(events, shard, account, books.instruments)
            if len(mine) != len(wanted):
                yield f"account {account} was told {len(mine)} reports of shard {shard}, its events make {len(wanted)}"
            yield from _unlike(mine, wanted, f"shard {shard} account {account} report", "the client", "the journal")


def _dones(books: Books) -> Iterator[str]:
    """DONE ends an answer to whoever asked, and is told to nobody else."""
    for account, told in books.told.items():
        for shard, events in enumerate(books.events):
            mine = told[(told["report"] == ReportKind.DONE) & (told["shard"] == shard)]
            source = events[np.clip(mine["event_sequence"] - 1, 0, max(len(events) - 1, 0))]
            wrong = source["commander"] != account
            for name in ("command_sequence", "session", "request_id"):
                wrong |= source[name] != mine[name]
            for sequence in mine["event_sequence"][wrong][:BOUND].tolist():
                yield f"shard {shard}: account {account} was told DONE of somebody else's event {sequence}"


def expected(events: NDArray[Any], shard: int, account: int, instruments: Sequence[Instrument]) -> NDArray[Any]:
    """The EXECUTION_REPORTs that ``events`` make for ``account``, but for DONE, in their order."""
    told = events[events["kind"] <= EventKind.RESTATED]
    own = told[told["account"] == account]
    resting = told[(told["kind"] == EventKind.TRADE) & (told["resting_account"] == account)]
    source, is_maker = np.concatenate((own, resting)), np.arange(len(own) + len(resting)) >= len(own)
    order = np.lexsort((is_maker, source["sequence"]))
    source, is_maker = source[order], is_maker[order]
    reports = blank(Kind.EXECUTION_REPORT, len(source))
    for name in SAME:
        reports[name] = source[name]
    reports["event_sequence"], reports["shard"], reports["report"] = source["sequence"], shard, source["kind"]
    reports["account"] = account
    trade, refused = source["kind"] == EventKind.TRADE, source["kind"] == EventKind.REJECTED
    reports["auction"] = trade & (source["flags"] & EventFlag.AUCTION != 0)
    for name in ("order_id", "client_order_id", "leaves"):
        reports[name] = np.where(is_maker, source[f"resting_{name}"], source[name])
    reports["side"] = np.where(is_maker, 1 - source["side"], source["side"])
    for name in ("type", "time_in_force"):
        reports[name] = np.where(is_maker, 0, source[name])
    asked = ~is_maker & (source["commander"] == account)
    for name in ("request_id", "session"):
        reports[name] = np.where(asked, source[name], 0)
    reports["liquidity"] = np.where(is_maker, Liquidity.MAKER, np.where(trade, Liquidity.TAKER, Liquidity.NONE))
    reports["message"] = np.where(refused, Kind.NEW_ORDER + source["flags"] - 1, 0)
    reports["last"] = np.where(refused, 1, np.where(asked, source["flags"] & EventFlag.LAST, 0))
    _scale(reports, source, instruments)
    return reports


def _scale(reports: NDArray[Any], source: NDArray[Any], instruments: Sequence[Instrument]) -> None:
    """Ticks and lots to wire units, but for what riskd refused and for the count of a mass cancel."""
    as_sent = (source["kind"] == EventKind.REJECTED) & (source["reason"] < BOOK_REASONS)
    plain = as_sent | (source["kind"] == EventKind.MASS_CANCELLED)
    ticks, lots = (
        np.where(plain, 1, story.sizes(instruments, name)[source["instrument"]]) for name in ("tick_size", "lot_size")
    )
    reports["price"], reports["quantity"] = source["price"] * ticks, source["quantity"] * lots
    reports["leaves"] *= lots


def _acknowledged(books: Books) -> Iterator[str]:
    """Every order that a client heard was accepted is in the journal and in the database, once; no execution is there twice."""
    rows = _keys(books.rows)
    accepted = [events[events["kind"] == EventKind.ACCEPTED] for events in books.events]
    journal = _keys(np.concatenate([np.zeros(0, EVENT), *accepted]))
    for account, told in books.told.items():
        mine = _keys(told[told["report"] == ReportKind.ACCEPTED])
        for key in sorted(mine):
            counts = mine[key], journal.get(key, 0), rows.get(key, 0)
            if counts != (1, 1, 1):
                yield "order {} of account {}: told {} times, {} times in the journal, {} in the database".format(
                    key[1], account, *counts
                )
    trades = sum(int((events["kind"] == EventKind.TRADE).sum()) for events in books.events)
    sides = sum(int((told["report"] == ReportKind.TRADE).sum()) for told in books.told.values())
    rows_there = books.totals["executions"]
    if not trades * 2 == sides == rows_there:
        yield f"{trades} trades in the journal are {trades * 2} executions: told {sides}, in the database {rows_there}"


def _keys(records: NDArray[Any]) -> dict[tuple[int, int], int]:
    """(account, client order id) -> how often."""
    keys, counts = np.unique(records[["account", "client_order_id"]].astype([("a", "<i8"), ("b", "<u8")]), return_counts=True)
    return dict(zip(keys.tolist(), counts.tolist(), strict=True))


def _stories(books: Books) -> Iterator[str]:
    """Clients, journal and database tell the same of every order, and of every position."""
    told = np.concatenate(list(books.told.values()))
    journal = np.concatenate([story.of_events(events, k, books.instruments) for k, events in enumerate(books.events)])
    for name, stories in (("clients", story.of_reports(told, books.instruments)), ("database", books.rows)):
        for sentence in story.differences(stories, journal, BOUND):
            yield f"{name} / journal: {sentence}"
    ours, theirs = profit.positions(told, books.instruments), books.positions
    for key in sorted(ours.keys() | theirs.keys()):
        pair = ours.get(key, Position()), theirs.get(key, Position())
        if pair[0] != pair[1]:
            yield f"account {key[0]} instrument {key[1]}: clients {pair[0]} / database {pair[1]}"


def _conservation(books: Books) -> Iterator[str]:
    """What one buys another sells, and pays what the other receives; what an order had in is executed, cancelled or there."""
    told = np.concatenate(list(books.told.values()))
    for who, held in (("clients", profit.positions(told, books.instruments)), ("database", books.positions)):
        for instrument in sorted({key[1] for key in held}):
            net = sum(each.net_quantity for key, each in held.items() if key[1] == instrument)
            money = sum(each.realised_profit - each.average_cost for key, each in held.items() if key[1] == instrument)
            if net or money:
                yield f"{who}: all together hold {net} of instrument {instrument}, and have gained {money} by it"
    if books.totals["received"] != books.totals["paid"]:
        yield f"database: received {books.totals['received']}, paid {books.totals['paid']}"
    if books.totals["fees"] != books.totals["balance_fees"]:
        yield f"database: fees of executions {books.totals['fees']}, of balances {books.totals['balance_fees']}"
    for shard, events in enumerate(books.events):
        yield from _lots(shard, events)


def _lots(shard: int, events: NDArray[Any]) -> Iterator[str]:
    """Of orders whose quantity nothing ever changed: entered = executed + cancelled + left."""
    kind = events["kind"]
    accepted, cancelled = events[kind == EventKind.ACCEPTED], events[kind == EventKind.CANCELLED]
    trades = events[kind == EventKind.TRADE]
    changed = np.isin(kind, [int(each) for each in (EventKind.REPLACED, EventKind.RESTATED, EventKind.TRIGGERED)])
    orders = np.sort(accepted["order_id"])
    gone, left = np.zeros(len(orders), np.int64), np.zeros(len(orders), np.int64)
    both = np.concatenate((trades["order_id"], trades["resting_order_id"], cancelled["order_id"]))
    lots = np.concatenate((trades["quantity"], trades["quantity"], cancelled["quantity"]))
    known = np.isin(both, orders)
    for order in both[~known][:BOUND].tolist():
        yield f"shard {shard}: order {order} trades or ends, and was never accepted"
    np.add.at(gone, np.searchsorted(orders, both[known]), lots[known])
    last = _leaves(events)
    for order, leaves in last.items():
        if (place := int(np.searchsorted(orders, order))) < len(orders) and orders[place] == order:
            left[place] = leaves
    entered = accepted["quantity"][np.argsort(accepted["order_id"], kind="stable")]
    wrong = (entered != gone + left) & ~np.isin(orders, events["order_id"][changed])
    for place in np.flatnonzero(wrong)[:BOUND].tolist():
        yield f"shard {shard} order {orders[place]}: {entered[place]} lots came in, {gone[place]} went, {left[place]} are there"


def _leaves(events: NDArray[Any]) -> dict[int, int]:
    """Order id -> lots left after the last event about it."""
    about = events[np.isin(events["kind"], story.ABOUT_ORDERS)]
    trades = about[about["kind"] == EventKind.TRADE]
    ids = np.concatenate((about["order_id"], trades["resting_order_id"]))
    leaves = np.concatenate((about["leaves"], trades["resting_leaves"]))
    order = np.argsort(np.concatenate((about["sequence"], trades["sequence"])), kind="stable")
    return dict(zip(ids[order].tolist(), leaves[order].tolist(), strict=True))


def _unlike(ours: NDArray[Any], theirs: NDArray[Any], what: str, who: str, other: str) -> Iterator[str]:
    """The first places where two arrays of records differ by any byte."""
    count = min(len(ours), len(theirs))
    raw = [np.ascontiguousarray(each[:count]).view(np.uint8).reshape(count, -1) for each in (ours, theirs)]
    for place in np.flatnonzero((raw[0] != raw[1]).any(axis=1))[:BOUND].tolist() if count else []:
        names = [name for name in ours.dtype.names or () if (ours[name][place] != theirs[name][place]).any()]
        pairs = ", ".join(f"{name} {ours[name][place]} / {theirs[name][place]}" for name in names)
        yield f"{what} {place + 1}: {who} / {other}: {pairs}"


CHECKS: Final[tuple[Callable[[Books], Iterator[str]], ...]] = (
    _replay,
    _numbering,
    _requests,
    _reports,
    _dones,
    _acknowledged,
    _stories,
    _conservation,
)
