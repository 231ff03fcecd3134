"""The `pinion` command without any process: help, exit statuses, settings, what bad input is answered."""

import importlib
import json
import subprocess
import sys
import time

import click
import pytest
from click.testing import CliRunner

from cli import main
from cli.main import COMMANDS
from sources import ROOT

HELP_WITHIN_S = 0.3


def load(word):
    name = word.replace("-", "_")
    return getattr(importlib.import_module(f"cli.{name}"), name)


def commands(command, words):
    """Every command and sub-command, with the words that lead to it."""
    yield words, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands(command.get_command(click.Context(command), name), (*words, name))


ALL = [found for word in COMMANDS for found in commands(load(word), (word,))]


def run(command, *arguments, **options):
    return CliRunner().invoke(command, [str(each) for each in arguments], prog_name="pinion", **options)


@pytest.fixture(autouse=True)
def no_settings(place, monkeypatch):
    """Commands that name no settings find none of this machine's user."""
    monkeypatch.chdir(place.root)
    for name in ("PINION_CONFIG", "PINION_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(place.root))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place.run))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.mark.parametrize("word", COMMANDS)
def test_the_first_page_says_what_each_command_says(word):
    """`pinion --help` prints a table of its own, so that it need not import them."""
    assert load(word).get_short_help_str(limit=200) == COMMANDS[word]


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_every_command_has_help_with_an_example(words, command):
    found = run(command, "--help")
    assert found.exit_code == 0
    assert f"pinion {' '.join(words)}" in found.output.split("Example:")[1]


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_an_option_that_is_not_there_is_wrong_usage(words, command):
    assert run(command, "--no-such-option").exit_code == 2


def test_help_is_quick_and_imports_no_room():
    """Completion in a shell waits for it. The best of three, for the machine may be busy."""
    code = "import sys; from cli.main import cli; cli(['--help'], standalone_mode=False); sys.exit('numpy' in sys.modules)"
    taken = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=30)
        taken.append(time.monotonic() - began)
    assert min(taken) < HELP_WITHIN_S, taken


def test_a_command_that_is_not_there_is_wrong_usage():
    found = run(main.cli, "no-such-command")
    assert found.exit_code == 2
    assert "No such command" in found.output


def test_python_without_assertions_is_refused():
    """Nothing may run without them."""
    found = subprocess.run(
        [sys.executable, "-O", "-m", "cli.main", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert found.returncode == 2
    assert "assertions" in found.stderr


# config


def test_the_sample_is_good_and_only_its_owner_may_read_it(place):
    file = place.root / "exchange.toml"
    assert run(load("config"), "sample", file).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    found = run(load("config"), "check", file, "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["processes"] == ["persister", "matcher.0", "riskd", "gateway.0"]


def test_the_sample_overwrites_nothing(place):
    """A file that is there is somebody's settings."""
    file = place.root / "exchange.toml"
    file.write_text("mine")
    found = run(load("config"), "sample", file)
    assert found.exit_code == 1
    assert "File exists" in found.output
    assert file.read_text() == "mine"


BAD = [
    pytest.param('matcherz = 2\ndurability = "diskette"', ["matcherz", 'durability = "diskette"'], id="key and value"),
    pytest.param('matchers = "two"', ['matchers = "two"'], id="type"),
    pytest.param("[gateway]\nheartbeat_s = -1", ["gateway.heartbeat_s = -1"], id="range"),
    pytest.param("matchers = ", ["is not TOML"], id="no TOML"),
]


@pytest.mark.parametrize(("text", "problems"), BAD)
@pytest.mark.parametrize("words", [("config", "check", "FILE"), ("status", "-c", "FILE"), ("run", "riskd", "-c", "FILE")])
def test_bad_settings_end_any_command_with_every_problem_named(place, words, text, problems):
    """Status 2: it is the user's to mend."""
    file = place.root / "bad.toml"
    file.write_text(text)
    found = run(load(words[0]), *(file if word == "FILE" else word for word in words[1:]))
    assert found.exit_code == 2
    for problem in problems:
        assert problem in found.output


def test_a_settings_file_that_is_not_there_is_wrong_usage(place):
    assert run(load("status"), "--config", place.root / "none.toml").exit_code == 2


# Nothing runs


@pytest.fixture
def sample(place):
    file = place.root / "pinion.toml"
    run(load("config"), "sample", file)
    return file


def test_status_of_nothing_lists_every_process_as_down(sample):
    found = run(load("status"), "--config", sample, "--json")
    assert found.exit_code == 1
    states = {each["process"]: each["state"] for each in json.loads(found.stdout)["processes"]}
    assert states == dict.fromkeys(("persister", "matcher.0", "riskd", "gateway.0"), "down")


def test_down_with_nothing_up_is_done(sample):
    found = run(load("down"), "--config", sample, "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout) == {"stopped": []}


def test_the_book_of_an_exchange_that_is_down(sample):
    found = run(load("book"), "ACME", "--config", sample)
    assert found.exit_code == 1
    assert "matcher.0 is not running" in found.output


def test_the_book_of_an_instrument_that_is_not_there(sample):
    found = run(load("book"), "NONE", "--config", sample)
    assert found.exit_code == 2
    assert "there are: ACME, GEAR" in found.output


@pytest.mark.parametrize("words", [("show", "ACME"), ("state", "ACME", "halted"), ("rules", "ACME")])
def test_an_instrument_of_an_exchange_that_is_down(sample, words):
    found = run(load("instrument"), *words, "--config", sample)
    assert found.exit_code == 1
    assert "is not running" in found.output


BAD_INSTRUMENTS = [
    pytest.param(("show", "NONE"), "there are: ACME, GEAR", id="symbol"),
    pytest.param(("state", "ACME", "shut"), "opening_auction", id="state"),
    pytest.param(("rules", "ACME", "--policy", "fifo"), "pro_rata", id="policy"),
    pytest.param(("rules", "ACME", "--static-low", "1.001"), "more than 2 decimals", id="decimals"),
    pytest.param(("rules", "ACME", "--static-low", "low"), "'low' is not a number", id="number"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD_INSTRUMENTS)
def test_what_is_wrong_with_an_instruments_rules(sample, words, sentence):
    found = run(load("instrument"), *words, "--config", sample)
    assert found.exit_code == 2
    assert sentence in found.output


def test_an_unknown_process(sample):
    """Named, with those that these settings have."""
    found = run(load("run"), "matcher.1", "--config", sample)
    assert found.exit_code == 2
    assert "persister, matcher.0, riskd, gateway.0" in found.output


BAD_ORDERS = [
    pytest.param(("place", "ACME", "buy", "ten"), "'ten' is not a number", id="quantity"),
    pytest.param(("place", "ACME", "buy", "1", "--price", "nan"), "not a finite number", id="price"),
    pytest.param(("place", "ACME", "hold", "1"), "hold", id="side"),
    pytest.param(("place", "ACME", "buy", "1", "--id", "0"), "--id", id="id"),
    pytest.param(("cancel",), "either a client order id or --all", id="cancel nothing"),
    pytest.param(("cancel", "5", "--all"), "either a client order id or --all", id="cancel both"),
    pytest.param(("list", "--account", "carol"), "no API key of account 'carol'", id="no key"),
]


@pytest.mark.parametrize(("words", "said"), BAD_ORDERS)
def test_orders_that_make_no_sense_are_not_sent(sample, words, said):
    found = run(load("order"), *words, "--config", sample)
    assert found.exit_code == 2
    assert said in found.output


def test_a_replay_of_something_else(place):
    """A file that is no recording is named as such, before anything is started."""
    file = place.root / "notes.txt"
    file.write_text("dear diary\n")
    found = run(load("replay"), file)
    assert found.exit_code == 1
    assert "cannot read the recording" in found.output
