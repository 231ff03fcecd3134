"""What operators and the settings set in riskd: numbered, in force at once, still there after any restart."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import riskd_rig as rig
from conftest import Place
from riskd.process import Riskd
from shm.controls import RISK_COMMAND, UNLIMITED, Kill, RiskFlag
from shm.reasons import Reason
from shm.records import NO_ACCOUNT, NO_INSTRUMENT, RISKD_ORIGIN, CommandKind, MassCancelFlag, Side
from test_riskd_process import ACCOUNTS, Neighbours, ask, work

SESSION = 1 << 24 | 5
GROUPED = [{**ACCOUNTS[0], "group": "desk"}, {**ACCOUNTS[1], "group": "desk"}, {"name": "carol", "unset_limits": "unlimited"}]


@pytest.fixture
def neighbours(place: Place) -> Iterator[Neighbours]:
    """All that riskd needs around it."""
    made = Neighbours(place)
    yield made
    made.close()


def orders(neighbours: Neighbours, riskd: Riskd, *requests: Any) -> list[Any]:
    """Send, and match all; the commands of both shards."""
    rig.put(neighbours.orders[0], requests)
    work(riskd)
    made = [command for shard in range(2) for command in neighbours.pass_on(riskd, shard)]
    work(riskd)
    return made


def verdicts(neighbours: Neighbours, riskd: Riskd, *requests: Any) -> list[Reason]:
    """Of each request."""
    return [Reason(int(command["verdict"])) for command in orders(neighbours, riskd, *requests)]


def put(riskd: Riskd, scope: str, number: int, control: str, value: Any, **others: Any) -> Any:
    """As `pinion risk set` does."""
    return ask(riskd, "risk-set", scope=scope, number=number, control=control, value=value, by="joe@desk", **others)


def kill(riskd: Riskd, scope: str, number: int, value: int = Kill.REFUSING, **others: Any) -> Any:
    """As `pinion risk kill` does."""
    return put(riskd, scope, number, "kill", int(value), **others)


def test_a_limit_is_set_by_a_numbered_command(neighbours: Neighbours) -> None:
    """It says who, from what to what; orders behind it are held to it, and so they are after a restart out of the journal."""
    riskd = neighbours.start()
    orders(neighbours, riskd)
    rig.put(neighbours.orders[0], [rig.new(0, 1, 500, 110)])
    told = put(riskd, "account", 0, "maximum_quantity", 10)
    assert told == {"shard": 0, "command_sequence": riskd.rings.commands[0].published + 1}
    work(riskd)
    command, refused = neighbours.pass_on(riskd, 0)
    assert (command["sequence"], command["kind"], command["origin"]) == (
        told["command_sequence"],
        CommandKind.RISK,
        RISKD_ORIGIN,
    )
    body = np.array([command]).view(RISK_COMMAND)[0]
    assert (body["who"], body["before"], body["value"], body["account"], body["flags"]) == (b"joe@desk", 1_000_000, 10, 0, 0)
    assert refused["verdict"] == Reason.QUANTITY_ABOVE_MAXIMUM
    neighbours.stop()
    riskd = neighbours.start()
    assert not riskd.do_work(), "the settings say nothing new"
    assert verdicts(neighbours, riskd, rig.new(0, 2, 500, 110)) == [Reason.QUANTITY_ABOVE_MAXIMUM]
    rows = {row["control"]: row for row in ask(riskd, "risk", scope="account", number=0)}
    assert rows["maximum_quantity"] == {"control": "maximum_quantity", "value": 10, "settings": 1_000_000}
    put(riskd, "account", 0, "maximum_quantity", "settings")
    put(riskd, "account", 0, "maximum_open_orders", "unlimited")
    work(riskd)
    values = [int(np.array([command]).view(RISK_COMMAND)["value"][0]) for command in neighbours.pass_on(riskd, 0)]
    assert values == [1_000_000, UNLIMITED]


def test_a_change_in_the_settings_beats_what_was_set_live(neighbours: Neighbours) -> None:
    """At a start, by a command that says so; what the settings did not change stays as it was set live."""
    riskd = neighbours.start()
    put(riskd, "account", 0, "maximum_quantity", 10)
    put(riskd, "account", 1, "maximum_quantity", 20)
    orders(neighbours, riskd)
    neighbours.stop()
    accounts = [{**ACCOUNTS[0], "maximum_quantity": 30}, ACCOUNTS[1]]
    for start in range(2):
        riskd = neighbours.start(neighbours.settings(accounts=accounts))
        made = orders(neighbours, riskd)
        bodies = [np.array([command]).view(RISK_COMMAND)[0] for command in made]
        found = [(body["who"], body["before"], body["value"], body["flags"]) for body in bodies]
        assert found == ([(b"settings", 10, 30, RiskFlag.FROM_SETTINGS)] if start == 0 else [])
        assert riskd.risk["accounts"]["maximum_quantity"][:2].tolist() == [30, 20]
        neighbours.stop()


@pytest.mark.parametrize(
    ("scope", "number", "reason"),
    [
        ("session", SESSION, Reason.SESSION_KILLED),
        ("account", 0, Reason.ACCOUNT_KILLED),
        ("group", 1, Reason.GROUP_KILLED),
        ("instrument", 0, Reason.INSTRUMENT_KILLED),
        ("firm", 0, Reason.FIRM_KILLED),
    ],
)
def test_a_kill_switch(neighbours: Neighbours, scope: str, number: int, reason: Reason) -> None:
    """New orders and replaces are refused, working ones cancelled, cancels taken, until it is released; a restart does not."""
    settings = neighbours.settings(accounts=GROUPED)
    riskd = neighbours.start(settings)
    mine = {"session": SESSION}
    orders(
        neighbours, riskd, rig.new(0, 1, 500, 10, **mine), rig.new(0, 2, 500, 10, **mine), rig.new(2, 1, 10, 1, instrument=1)
    )
    kill(riskd, scope, number, keep_orders=True)
    requests = (rig.new(0, 3, 500, 10, **mine), rig.replace(0, 1, 505, 10, **mine), rig.cancel(0, 1, **mine))
    found = verdicts(neighbours, riskd, *requests)
    assert found[-3:] == [reason, reason, Reason.NONE]
    assert riskd.risk["accounts"]["open_orders"][:3].tolist() == [1, 0, 1]
    made = [kill(riskd, scope, number) for _ in range(2)]
    assert made[1]["command_sequence"] > made[0]["command_sequence"]
    orders(neighbours, riskd)
    assert riskd.risk["accounts"]["open_orders"][:3].tolist() == [0, 0, 0 if scope == "firm" else 1]
    neighbours.stop()
    riskd = neighbours.start(settings)
    assert verdicts(neighbours, riskd, rig.new(0, 4, 500, 10, **mine)) == [reason]
    assert verdicts(neighbours, riskd, rig.new(2, 2, 10, 1, instrument=1))[0] == (reason if scope == "firm" else Reason.NONE)
    kill(riskd, scope, number, Kill.RELEASED)
    assert verdicts(neighbours, riskd, rig.new(0, 5, 500, 10, **mine))[-1] is Reason.NONE
    assert riskd.risk["header"]["switched"] == 0


def test_what_a_kill_cancels_is_numbered_before_it(neighbours: Neighbours) -> None:
    """In every shard that has such orders, by account where it can be: where the switch is on, those orders are gone."""
    riskd = neighbours.start(neighbours.settings(accounts=GROUPED))
    work_in_both = [rig.new(0, 1, 500, 10), rig.new(0, 2, 10, 1, instrument=1), rig.new(2, 1, 10, 1, instrument=1)]
    orders(neighbours, riskd, *work_in_both)
    kill(riskd, "group", 1)
    kill(riskd, "session", SESSION)
    first, second, *risks = orders(neighbours, riskd)[:2] + orders(neighbours, riskd)
    del risks
    assert (first["kind"], first["account"], first["instrument"]) == (CommandKind.MASS_CANCEL, 0, NO_INSTRUMENT)
    assert second["kind"] == CommandKind.RISK
    journal = neighbours.matchers[1].sequence
    assert journal > 0
    kill(riskd, "firm", 0)
    work(riskd)
    cancels, firm = neighbours.pass_on(riskd, 1), neighbours.pass_on(riskd, 0)
    assert [(c["account"], c["instrument"], c["flags"]) for c in cancels] == [(NO_ACCOUNT, 1, 0)]
    assert [c["kind"] for c in firm] == [CommandKind.RISK]
    assert MassCancelFlag.BY_SESSION == 1


def test_reducing_lets_through_what_can_only_reduce(neighbours: Neighbours) -> None:
    """All that works on that side counts with it."""
    riskd = neighbours.start()
    orders(neighbours, riskd, rig.new(0, 1, 500, 30), rig.new(1, 1, 500, 30, side=Side.SELL))
    kill(riskd, "account", 0, Kill.REDUCING)
    sell = {"side": Side.SELL}
    requests = [
        rig.new(0, 2, 600, 20, **sell),
        rig.new(0, 3, 600, 20, **sell),
        rig.new(0, 4, 600, 10, **sell),
        rig.new(0, 5, 500, 10),
    ]
    killed = Reason.ACCOUNT_KILLED
    assert verdicts(neighbours, riskd, *requests)[-4:] == [Reason.NONE, killed, Reason.NONE, killed]


def test_a_kill_waits_for_no_room(neighbours: Neighbours) -> None:
    """With every commands ring full it is in force all the same, and is numbered once there is room."""
    riskd = neighbours.start()
    orders(neighbours, riskd)
    for start in range(0, rig.CAPACITY, 256):
        rig.put(neighbours.orders[0], [rig.cancel(0, 1 + start + k) for k in range(256)])
        work(riskd)
    assert not riskd._has_room(0, int(riskd.risk["shards"][0]["sequence"]) + 1)
    rig.put(neighbours.orders[0], [rig.new(0, 1, 500, 10)])
    told = kill(riskd, "firm", 0)
    assert riskd.do_work() == 0
    neighbours.pass_on(riskd, 0)
    work(riskd)
    command, refused = neighbours.pass_on(riskd, 0)
    assert (command["sequence"], command["kind"]) == (told["command_sequence"], CommandKind.RISK)
    assert refused["verdict"] == Reason.FIRM_KILLED


WRONG = [
    ({"scope": "house"}, "scope = 'house': allowed is one of account, group, firm, instrument, session"),
    ({"number": 2}, "number = 2: allowed of account is one from 0 to below 2"),
    ({"number": True}, "number = True: allowed of account"),
    ({"scope": "group", "number": 0, "control": "kill"}, "number = 0: allowed of group is one from 1 to below 256"),
    ({"control": "limit"}, "control = 'limit': of this allowed is one of kill, latch, group, maximum_quantity"),
    ({"scope": "firm", "control": "maximum_quantity"}, "control = 'maximum_quantity': of this allowed is one of kill"),
    ({"value": -1}, "value = -1: allowed of maximum_quantity is an integer from 0 to"),
    ({"value": "much"}, "value = 'much': allowed of maximum_quantity is an integer from 0 to .*unlimited"),
    ({"control": "kill", "value": 3}, "value = 3: allowed of kill is an integer from 0 to 2"),
    ({"by": ""}, "by = '': allowed is who asks, in 1 to 24 bytes"),
    ({"keep_orders": 1}, "keep_orders = 1: allowed is true or false"),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=[words[:30] for _, words in WRONG])
def test_a_wrong_request_changes_nothing(neighbours: Neighbours, change: dict[str, Any], words: str) -> None:
    """It is told what is allowed, and nothing is numbered."""
    riskd = neighbours.start()
    orders(neighbours, riskd)
    right = {"scope": "account", "number": 0, "control": "maximum_quantity", "value": 1, "by": "joe"}
    with pytest.raises(ValueError, match=words):
        ask(riskd, "risk-set", **{**right, **change})
    assert riskd.do_work() == 0


def test_so_many_sessions_may_be_killed_and_no_more(neighbours: Neighbours) -> None:
    """The next is refused with what else can be done; one that is killed already is no more than one."""
    riskd = neighbours.start()
    for session in range(64):
        kill(riskd, "session", session)
    kill(riskd, "session", 63)
    with pytest.raises(ValueError, match="there are 64 sessions killed already: release some, or kill the account"):
        kill(riskd, "session", 64)
    kill(riskd, "session", 7, Kill.RELEASED)
    kill(riskd, "session", 64)
    assert riskd.risk["header"]["switched"] == riskd.risk["header"]["sessions"] == 64


def test_a_limit_that_is_not_set_blocks(neighbours: Neighbours) -> None:
    """Unless the account says otherwise in so many words; groups and the firm have the limits that they are given."""
    accounts = [
        {"name": "alice", "maximum_quantity": 10, "maximum_notional": 10**9, "maximum_open_orders": 9, "maximum_long": 5},
        {"name": "bob", "unset_limits": "unlimited", "maximum_long": 5},
    ]
    riskd = neighbours.start(neighbours.settings(accounts=accounts))
    orders(neighbours, riskd)
    found = verdicts(neighbours, riskd, rig.new(0, 1, 500, 10), rig.new(1, 1, 500, 50), rig.new(1, 2, 500, 10))
    assert found == [Reason.MESSAGES_PER_SECOND_ABOVE_LIMIT, Reason.NONE, Reason.LONG_POSITION_ABOVE_LIMIT]
    rows = {row["control"]: row["value"] for row in ask(riskd, "risk", scope="account", number=0)}
    assert (rows["maximum_long"], rows["maximum_short"], rows["maximum_daily_loss"]) == (5, 0, 0)
    firm = ask(riskd, "risk", scope="firm")
    assert {row["value"] for row in firm if row["control"] not in ("kill", "warn_percent")} == {UNLIMITED}
    neighbours.stop()
    riskd = neighbours.start(neighbours.settings(accounts=accounts))
    assert not riskd.do_work(), "the settings say nothing new"
    assert verdicts(neighbours, riskd, rig.new(1, 3, 500, 10)) == [Reason.LONG_POSITION_ABOVE_LIMIT]


def test_limits_of_group_and_firm_are_kept_over_a_restart(neighbours: Neighbours) -> None:
    """With what members use of them, recovered from the journal; a warning is told to the log."""
    settings = neighbours.settings(accounts=GROUPED)
    riskd = neighbours.start(settings)
    orders(neighbours, riskd, rig.new(0, 1, 500, 30), rig.new(1, 1, 500, 30))
    put(riskd, "group", 1, "maximum_long", 10)
    put(riskd, "firm", 0, "maximum_open_orders", 4)
    orders(neighbours, riskd)
    neighbours.stop()
    riskd, told = neighbours.start(settings), []
    riskd.warn = lambda sentence, **about: told.append((sentence, about["used"], about["of"]))
    found = verdicts(neighbours, riskd, rig.new(0, 2, 500, 50), rig.new(1, 2, 500, 40), rig.new(2, 1, 500, 500))
    assert found == [Reason.GROUP_LONG_POSITION_ABOVE_LIMIT, Reason.NONE, Reason.NONE]
    assert told == [("group 1 has nearly used up a limit", 10, 10), ("the firm has nearly used up a limit", 4, 4)]
    assert verdicts(neighbours, riskd, rig.new(2, 2, 500, 10)) == [Reason.FIRM_OPEN_ORDERS_ABOVE_LIMIT]


def test_rules_of_an_account_are_kept_over_a_restart(neighbours: Neighbours) -> None:
    """Those of the settings and those set live, and the highest id with them: an id is not taken again."""
    accounts = [{**ACCOUNTS[0], "rising_ids": True, "allowed_types": ["limit"], "minimum_quantity": 2}, ACCOUNTS[1]]
    riskd = neighbours.start(neighbours.settings(accounts=accounts))
    put(riskd, "account", 1, "rising_ids", 1)
    put(riskd, "account", 1, "allowed_sides", 1 << Side.SELL)
    orders(neighbours, riskd)
    sell = {"side": Side.SELL}
    assert verdicts(neighbours, riskd, rig.new(0, 5, 500, 20), rig.cancel(0, 5), rig.new(1, 9, 500, 20, **sell)) == [0, 0, 0]
    neighbours.stop()
    riskd = neighbours.start(neighbours.settings(accounts=accounts))
    assert not riskd.do_work(), "the settings say nothing new"
    taken = Reason.DUPLICATE_CLIENT_ORDER_ID
    requests = [rig.new(0, 5, 500, 20), rig.new(0, 6, 500, 10), rig.new(1, 9, 500, 10, **sell), rig.new(1, 10, 500, 10)]
    assert verdicts(neighbours, riskd, *requests) == [taken, Reason.QUANTITY_BELOW_MINIMUM, taken, Reason.SIDE_NOT_ALLOWED]
    rows = {row["control"]: row for row in ask(riskd, "risk", scope="account", number=1)}
    assert (rows["rising_ids"]["value"], rows["rising_ids"]["settings"], rows["allowed_sides"]["value"]) == (1, 0, 2)
