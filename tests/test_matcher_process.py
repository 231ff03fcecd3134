"""The matcher as a process's agent, its surroundings played by a fake: recovery, waiting for room, the ``book`` request."""

import numpy as np
import pytest

from journal_writing import write_records
from matcher.commands import definitions, new, set_rules, set_state
from matcher.process import build
from matcher_streams import ACCOUNTS, INSTRUMENTS, engine, stream
from matcher_surroundings import Surroundings, pump
from shm.durable import COMMANDS_WRITTEN
from shm.journal import Stream
from shm.records import COMMAND, InstrumentState, Policy, RulesFlag, Side
from shm.ring import Ring, publish, release


@pytest.fixture
def recorded():
    """Numbered commands and the events that they must give."""
    subject = engine()
    events = subject.run(stream(21, 900))
    return subject.commands, events


def test_what_comes_in_the_ring_comes_out_as_events(tmp_path, recorded):
    commands, events = recorded
    place = Surroundings(tmp_path)
    agent = build(place)
    pump(place, agent, commands)
    assert agent.drained()
    assert place.told(len(events)).tobytes() == events.tobytes()
    assert agent.status()["command_sequence"] == len(commands)


@pytest.mark.parametrize("journalled", [1, 400, 907])
@pytest.mark.parametrize("told", [0, 37, 500])
def test_a_new_life_makes_the_events_again_and_tells_only_the_rest(tmp_path, recorded, journalled, told):
    """``told`` events were published before, perhaps in the middle of a command; of the commands some are journalled."""
    commands, events = recorded
    place = Surroundings(tmp_path)
    write_records(tmp_path, Stream.COMMANDS, 0, commands[:journalled], 64)
    place.commands = Ring.private(COMMAND, 1024, gating=("matcher",), base=journalled)
    publish(place.events.record, told)
    agent = build(place)
    if journalled < len(commands):
        place.send(commands[journalled:])
    while agent.do_work():
        pass
    assert place.events.published == len(events)
    assert place.told(len(events))[told:].tobytes() == events[told:].tobytes()
    assert not place.told(len(events))[:told].view(np.uint8).any(), "a told event was written again"


def test_it_waits_for_the_journal_to_hold_what_an_earlier_life_released(tmp_path, recorded):
    commands, events = recorded
    place = Surroundings(tmp_path)
    write_records(tmp_path, Stream.COMMANDS, 0, commands[:100], 64)
    release(place.commands.record, 0, 300)

    def grow():
        write_records(tmp_path, Stream.COMMANDS, 0, commands[100:300], 64)
        place.words[COMMANDS_WRITTEN] = 300

    place.grow = grow
    agent = build(place)
    assert agent.status()["command_sequence"] == 300
    assert place.commands.cursor(0) == 300
    assert place.told(200).tobytes() == events[:200].tobytes()


def test_a_stop_while_the_ring_is_full_is_heard(tmp_path):
    """Nobody reads the events: the kernel waits, asks, and gives up when the process is stopping."""
    place = Surroundings(tmp_path, events_capacity=256)
    agent = build(place)
    subject = engine()
    subject.run(definitions(INSTRUMENTS, ACCOUNTS))
    commands = [subject.commands]
    for k in range(300):
        subject.run(np.concatenate([new(0, k, Side.BUY, 10, 1), new(1, k, Side.SELL, 10, 1)]))
        commands.append(subject.commands)
    place.stopping = True
    pump(place, agent, np.concatenate(commands)[:200])
    assert place.relaxed >= 1
    assert place.events.published == 256
    assert agent.drained()
    assert agent.do_work() == 0


def test_an_instruments_state_and_rules_are_told_to_who_asks(tmp_path):
    """In ticks and lots; before anybody set them there are none."""
    place = Surroundings(tmp_path)
    agent = build(place)
    subject = engine()
    rules = {"reference_price": 9, "static_low": 5, "static_high": 15, "dynamic_collar": 3, "minimum_allocation": 2}
    commands = [
        definitions(INSTRUMENTS, ACCOUNTS),
        set_state(0, InstrumentState.HALTED),
        set_rules(0, **rules, policy=Policy.PRO_RATA, flags=RulesFlag.TOP_ORDER_PRIORITY),
    ]
    subject.run(np.concatenate(commands))
    pump(place, agent, subject.commands)
    ask = agent.commands()["instrument"]
    head = {"command_sequence": len(subject.commands)}
    assert ask({"instrument": 0}) == {
        "instrument": 0, **head, "state": "halted", **rules, "policy": "pro_rata", "top_order_priority": True
    }  # fmt: skip
    assert ask({"instrument": 1}) == {
        "instrument": 1, **head, "state": "continuous", **dict.fromkeys(rules, 0), "policy": "price_time",
        "top_order_priority": False,
    }  # fmt: skip


def test_a_book_is_told_to_who_asks(tmp_path):
    place = Surroundings(tmp_path)
    agent = build(place)
    subject = engine()
    subject.run(np.concatenate([definitions(INSTRUMENTS, ACCOUNTS), new(0, 1, Side.BUY, 10, 4), new(0, 2, Side.SELL, 12, 3)]))
    pump(place, agent, subject.commands)
    ask = agent.commands()["book"]
    wanted = {"instrument": 0, "command_sequence": len(subject.commands), "bids": [[10, 4, 1]], "asks": [[12, 3, 1]]}
    assert ask({"instrument": 0, "depth": 5}) == wanted
    assert ask({"symbol": "S0"}) == wanted
    for arguments, sentence in (
        ({"instrument": 99}, "no such instrument: 99"),
        ({"symbol": "X"}, "no such instrument: 'X'"),
        ({"instrument": 0, "depth": 0}, "depth must be 1 to 1000"),
    ):
        with pytest.raises(ValueError, match=sentence):
            ask(arguments)
