"""``pinion journal`` on a data folder with no exchange: what it shows, checks, writes out, makes again and cuts."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cli import journal_look
from cli.journal import journal
from journal_writing import EPOCH, patch, write_records
from matcher_streams import INSTRUMENTS, engine, stream
from persister.recovery import recover_stream
from runtime import settings as runtime_settings
from shm.journal import JournalReader, Stream, segments, stream_folder
from shm.records import COMMAND, EVENT
from shm.snapshot import Head, publish, snapshot_folder, write_snapshot

COUNT = 1500


@pytest.fixture(scope="module")
def recorded() -> tuple[np.ndarray, np.ndarray]:
    """Numbered commands and the events that they must give."""
    subject = engine()
    events = subject.run(stream(5, COUNT))
    return subject.commands, events


@pytest.fixture
def data(tmp_path: Path, recorded: tuple[np.ndarray, np.ndarray]) -> Path:
    """Their journal, in batches of odd sizes, and settings that fit it."""
    for kind, records in zip(Stream, recorded, strict=True):
        write_records(tmp_path, kind, 0, records, 37, synced=True)
    lines = [f'data = "{tmp_path}"', f'run = "{tmp_path}/run"', 'instance = "none-such"']
    for k in range(INSTRUMENTS):
        lines += ["[[instruments]]", f'symbol = "S{k}"']
    (tmp_path / "pinion.toml").write_text("\n".join(lines))
    return tmp_path


def run(data: Path, *words: str) -> Result:
    return CliRunner().invoke(journal, [*words, "--config", str(data / "pinion.toml")])


def answer(data: Path, *words: str) -> Any:
    done = run(data, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def snapshot(data: Path, process: str, commands: int, events: int) -> Path:
    folder = snapshot_folder(data, process)
    folder.mkdir(parents=True, exist_ok=True)
    return publish(write_snapshot(folder, Head(process, 1, EPOCH, (), (commands,), (events,)), [np.ones(10, np.uint8)]))


def test_info_says_how_far_all_reaches(data: Path, recorded: tuple[np.ndarray, np.ndarray]) -> None:
    """Each stream's files and sequences, each snapshot's."""
    snapshot(data, "riskd", 7, 8)
    found = answer(data, "info")
    assert [(each["stream"], each["first"], each["last"]) for each in found["streams"]] == [
        ("commands.0", 1, len(recorded[0])),
        ("events.0", 1, len(recorded[1])),
    ]
    (kept,) = found["snapshots"]
    assert (kept["process"], kept["commands"], kept["events"]) == ("riskd", [7], [8])
    assert "commands.0" in run(data, "info").output


def test_verify_names_what_is_damaged(data: Path) -> None:
    """Status 0 and good; status 1 with file and byte, for a record as for a snapshot."""
    path = snapshot(data, "matcher.0", 7, 8)
    found = answer(data, "verify")
    assert [each["problem"] for each in (*found["streams"], *found["snapshots"])] == ["", "", ""]
    file = segments(stream_folder(data, Stream.COMMANDS, 0))[0][1]
    patch(file, 20_000, b"\x55")
    patch(path, 5000, b"\x55")
    done = run(data, "verify")
    assert done.exit_code == 1
    assert f"journal {file} is damaged at byte" in done.output
    assert f"snapshot {path} is damaged at byte" in done.output
    assert "events.0: 1 to" in done.output


def test_dump_writes_rows(data: Path, recorded: tuple[np.ndarray, np.ndarray]) -> None:
    """A line of names, kinds as words, just the sequences that were asked for; what defines something as JSON."""
    done = run(data, "dump", "events", "--from", "10", "--to", "100")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    events = recorded[1][9:100]
    assert [int(row["sequence"]) for row in rows] == events["sequence"].tolist()
    assert [int(row["order_id"]) for row in rows] == events["order_id"].tolist()
    assert rows[-1]["kind"] in {"accepted", "trade", "cancelled", "replaced", "rejected", "mass_cancelled", "restated"}
    out = data / "commands.csv"
    assert run(data, "dump", "commands", "--out", str(out)).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert len(rows) == len(recorded[0])
    assert (rows[0]["kind"], json.loads(rows[0]["definition"])["tick_size"]) == ("instrument", 0)
    assert run(data, "dump", "events", "--shard", "3").exit_code == 2


def test_dump_to_parquet(data: Path, recorded: tuple[np.ndarray, np.ndarray]) -> None:
    """Where pyarrow is installed; else it is said how to get it."""
    out = data / "events.parquet"
    done = run(data, "dump", "events", "--format", "parquet", "--out", str(out))
    try:
        from pyarrow import parquet
    except ImportError:
        assert (done.exit_code, "pip install 'pinion[parquet]'" in done.output) == (1, True)
        return
    assert done.exit_code == 0, done.output
    assert parquet.read_table(out)["price"].to_pylist() == recorded[1]["price"].tolist()


@pytest.mark.parametrize("until", [1, 300, 777, COUNT])
def test_any_moment_is_made_again(data: Path, recorded: tuple[np.ndarray, np.ndarray], until: int) -> None:
    """The books are those that an engine has that was given so many commands."""
    subject = engine()
    subject.run(recorded[0][:until])
    found = answer(data, "replay", "--until", str(until), "--depth", "1000")
    assert (found["command_sequence"], found["began"]) == (until, 0)
    assert found["time_ns"] == recorded[0]["time_ns"][until - 1]
    for number, (symbol, book) in enumerate(found["books"].items()):
        wanted = subject.book(number, 1000)
        assert symbol == f"S{number}"
        assert (book["bids"], book["asks"]) == ([list(each) for each in wanted.bids], [list(each) for each in wanted.asks])
    assert f"behind command {until} of" in run(data, "replay", "--until", str(until)).output


def test_one_instrument_is_replayed(data: Path) -> None:
    """Named by its symbol; others are named to who asks for one that there is not."""
    assert list(answer(data, "replay", "--symbol", "S0")["books"]) == ["S0"]
    done = run(data, "replay", "--symbol", "NONE")
    assert (done.exit_code, "there are: S0" in done.output) == (2, True)


@pytest.mark.parametrize("after", [0, 1, 37, 500, 1110, COUNT + 100])
def test_truncate_cuts_commands_events_and_snapshots(data: Path, recorded: tuple[np.ndarray, np.ndarray], after: int) -> None:
    """In the middle of a batch too; what was cut is kept aside; and without --yes nothing happens."""
    commands, events = recorded
    after = min(after, len(commands))
    snapshot(data, "riskd", 400, 1)
    told = answer(data, "truncate", "--after", str(after))
    assert (told["commands"], told["commands_cut"], told["done"]) == (after, len(commands) - after, False)
    assert answer(data, "info")["streams"][0]["last"] == len(commands)
    assert answer(data, "truncate", "--after", str(after), "--yes")["done"]
    left = events[events["command_sequence"] <= after]
    for kind, dtype, wanted in ((Stream.COMMANDS, COMMAND, commands[:after]), (Stream.EVENTS, EVENT, left)):
        folder = stream_folder(data, kind, 0)
        found = np.concatenate([np.zeros(0, dtype), *JournalReader(folder, dtype)])
        assert found.tobytes() == wanted.tobytes()
        assert recover_stream(folder, dtype, EPOCH)[0].last_sequence == len(wanted)
    assert len(answer(data, "info")["snapshots"]) == (1 if after >= 400 else 0)
    assert list((data / "cut").glob("*/commands.0/*"))
    write_records(data, Stream.COMMANDS, 0, commands[after:], 11)
    assert answer(data, "verify")["streams"][0]["last"] == len(commands)


def test_truncate_at_the_damage(data: Path) -> None:
    """Keeps all before it, so that the next start goes on."""
    file = segments(stream_folder(data, Stream.COMMANDS, 0))[0][1]
    patch(file, 4096 + 5 * (64 + 37 * 128) + 100, b"\x55\x55\x55")
    assert run(data, "verify").exit_code == 1
    refused = run(data, "replay")
    assert (refused.exit_code, "truncate --at-damage" in refused.output) == (1, True)
    assert answer(data, "truncate", "--at-damage", "--yes")["commands"] == 5 * 37
    assert [each["problem"] for each in answer(data, "verify")["streams"]] == ["", ""]


def test_truncate_wants_to_know_where(data: Path) -> None:
    """One of two words; 2 without."""
    assert run(data, "truncate").exit_code == 2
    assert run(data, "truncate", "--after", "5", "--at-damage").exit_code == 2


def test_a_snapshot_that_goes_while_it_is_looked_at_is_no_problem(monkeypatch, tmp_path):
    """A running process keeps the last few, and puts older ones away at any moment."""
    monkeypatch.setattr(journal_look, "snapshots", lambda folder: [folder / "00000000000000000007.snapshot"])
    found = runtime_settings.load(None, {"PINION_DATA": str(tmp_path)})
    for looked in (journal_look.info(found), journal_look.verify(found, lambda done: None)):
        assert looked["snapshots"] == []
        assert journal_look.problems(looked) == []
    assert journal_look.bytes_of(found) == 0


@pytest.mark.parametrize("words", [("info",), ("verify",), ("replay",), ("dump", "events"), ("truncate", "--at-damage")])
def test_where_no_journal_is_that_is_said(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A mistyped folder looks like an exchange that never traded, and nothing is made there."""
    done = CliRunner().invoke(journal, [*words, "--data", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert f"{tmp_path}/nowhere/journal is not there" in done.output
    assert not (tmp_path / "nowhere").exists()


def test_a_moment_that_has_not_been_cannot_be_made(data: Path, recorded: tuple[np.ndarray, np.ndarray]) -> None:
    """The end of the journal is named."""
    last = len(recorded[0])
    done = run(data, "replay", "--until", str(last + 1))
    assert done.exit_code == 1
    assert f"--until {last + 1}: the journal of shard 0 ends with command {last}" in done.output


def test_verify_of_an_exchange_that_runs(data: Path, recorded: tuple[np.ndarray, np.ndarray]) -> None:
    """Its events are read after its commands, so they may be of later ones; but not of commands that never come to be."""
    commands, events = recorded
    more, event = stream(6, 20), events[-1:].copy()
    more["sequence"] = len(commands) + 1 + np.arange(len(more))
    event["sequence"] += 1
    event["command_sequence"] = more["sequence"][-1]
    write_records(data, Stream.EVENTS, 0, event, 1)
    found, heard = runtime_settings.load(str(data / "pinion.toml"), {}), []
    assert "events of commands after" in journal_look.verify(found, lambda done: None)["streams"][1]["problem"]

    def hear(done: int) -> None:
        heard.append(done)
        if len(heard) == 2:  # all commands that were there have been read
            write_records(data, Stream.COMMANDS, 0, more, 5)

    assert journal_look.problems(journal_look.verify(found, hear)) == []
