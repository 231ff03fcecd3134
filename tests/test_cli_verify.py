"""`pinion verify`: what it prints when all is well, and how short a stream it makes of a fault."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import cli.verify
from reference.orders import Order
from shm.records import CommandKind
from stream_check import command, one_stream, streams
from stream_shrink import shrink_by


def run(*words):
    return CliRunner().invoke(cli.verify.verify, [str(word) for word in words])


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    """The command looks beside the packages, which a wheel installs elsewhere than these tests."""
    monkeypatch.setattr(cli.verify, "TESTS", Path(__file__).resolve().parent)


@pytest.fixture
def wrong_twin(monkeypatch):
    """A second matcher that shows hidden orders."""
    monkeypatch.setattr(Order, "is_dark", Order.is_pegged)


def test_streams_that_agree_are_counted_as_json():
    found = run("--seed", 5, "--commands", 2_500, "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told.keys() == {"seed", "commands", "streams", "events", "failures", "commands_per_s"}
    assert (told["seed"], told["commands"], told["streams"], told["failures"]) == (5, 2_500, 2, 0)
    assert told["events"] > 2_500 and told["commands_per_s"] > 0


@pytest.mark.usefixtures("wrong_twin")
def test_a_fault_is_told_by_the_shortest_stream_that_has_it():
    """An instrument, an account and a hidden order; a table for the eyes, and a program that has it again."""
    found = run("--seed", 1, "--commands", 4_000, "--json")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert told["failures"] == 1 and "differently" in told["failure"]["wrong"]
    assert "flags=EXTENDED|HIDDEN" in found.stderr and "the twin" in found.stderr
    program = told["failure"]["program"]
    assert program.count("    command(") == 3
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(program, {})
    assert "kernel and twin tell command 3 differently" in said.getvalue()


@pytest.mark.usefixtures("wrong_twin")
def test_without_json_the_program_is_printed_for_people():
    found = run("--seed", 1, "--commands", 2_000)
    assert found.exit_code == 1
    assert "commands = [" in found.stderr and "1 failures" in found.stderr and not found.stdout


def test_without_the_checkout_one_sentence_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(cli.verify, "TESTS", tmp_path)
    found = run("--commands", 10)
    assert found.exit_code == 1
    assert found.stderr.startswith("pinion: pinion verify needs the source checkout")


def test_the_same_seed_makes_the_same_streams_and_another_makes_others():
    def made(seed):
        return b"".join(each.commands.tobytes() for each in streams(seed, 4_100))

    assert made(3) == made(3) != made(4)
    assert [len(each.commands) for each in streams(3, 4_100)] == [2_000, 2_000, 100]


def test_a_stream_is_shrunk_to_the_commands_that_matter_and_their_fields_to_0():
    commands = one_stream(0, 500).commands
    commands[100], commands[333] = (command(CommandKind.NEW, account=2, price=9, quantity=q)[0] for q in (77, 78))

    def fails(candidate):
        last = np.flatnonzero(candidate["quantity"] == 78)
        return int(last[0]) if last.size and 77 in candidate["quantity"][: last[0]] else None

    shortest = shrink_by(commands, fails)
    assert shortest["quantity"].tolist() == [77, 78]
    assert not shortest["account"].any() and not shortest["price"].any()
