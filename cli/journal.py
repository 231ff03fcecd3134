"""``pinion journal``: look into the journal, check it, write it out, go back into the past, cut it on an operator's word."""

import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli import journal_look
from cli.book import in_wire_units, instrument_number, print_table
from cli.down import pid_of
from cli.found import find_settings, settings_options
from cli.journal_dump import between, write_csv, write_parquet
from cli.output import PURPOSE_FAILED, Failure, json_option, print_json, progress
from runtime.settings import Settings
from shm.journal import JournalDamaged, Stream, stream_folder
from shm.records import shard_of

STREAMS = tuple(stream.name.lower() for stream in Stream)
sequence_type = click.IntRange(0)


@click.group()
def journal() -> None:
    """Look into the journal, check it, write it out, replay it, and cut it.

    All but `truncate` only read, and may be used while the exchange runs.

    \b
    Example:
      pinion journal info
      pinion journal verify
      pinion journal replay --until 1000000
    """


@journal.command()
@settings_options
@json_option
def info(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what streams and snapshots there are, and how far they reach.

    \b
    Example:
      pinion journal info
      pinion journal info --json | jq '.streams[].last'
    """
    found = journal_look.info(_settings(config, data))
    if as_json:
        print_json(found)
    else:
        _print_info(found)
    _end_with(journal_look.problems(found), as_json)


@journal.command()
@settings_options
@json_option
def verify(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Read every record and every snapshot and check every byte.

    Ends with 1 when something is damaged, and says where. An unfinished batch at the very end is no damage: that is what a
    killed process leaves, and a start cuts it.

    \b
    Example:
      pinion journal verify
      pinion journal verify --data /var/lib/pinion --json
    """
    settings = _settings(config, data)
    with progress() as bar:
        task = bar.add_task("bytes checked", total=journal_look.bytes_of(settings))
        found = journal_look.verify(settings, lambda done: bar.advance(task, done))
    if as_json:
        print_json(found)
    else:
        for each in found["streams"]:
            tail = ", an unfinished batch behind it" if each.get("torn") else ""
            click.echo(f"{each['stream']}: {each['first']} to {each['last']}, {each['problem'] or 'good'}{tail}")
        for each in found["snapshots"]:
            click.echo(f"{each['process']} {each['file']}: {each['problem'] or 'good'}")
    _end_with(journal_look.problems(found), True)


@journal.command()
@click.argument("stream", type=click.Choice(STREAMS))
@click.option("--shard", type=click.IntRange(0), default=0, show_default=True)
@click.option("--from", "first", type=sequence_type, default=1, show_default=True, help="The first sequence.")
@click.option("--to", "last", type=sequence_type, help="The last sequence; default: the end.")
@click.option("--format", "how", type=click.Choice(("csv", "parquet")), default="csv", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file; default, for CSV: stdout.")
@settings_options
def dump(
    stream: str,
    shard: int,
    first: int,
    last: int | None,
    how: str,
    out: Path | None,
    config: Path | None,
    data: Path | None,
) -> None:
    """Write commands or events as CSV or Parquet, a row each.

    Prices are ticks and quantities lots, as in the journal.

    \b
    Example:
      pinion journal dump events --from 1000 --to 2000
      pinion journal dump commands --format parquet --out commands.parquet
    """
    settings = _settings(config, data)
    place = _place(settings, Stream[stream.upper()], shard)
    if how == "parquet" and out is None:
        raise click.UsageError("Parquet is for a file: give --out FILE")
    first, last = max(first, place.first), place.last() if last is None else min(last, place.last())
    with progress() as bar, _reporting_damage():
        task = bar.add_task(f"{stream} written", total=max(0, last - first + 1))
        blocks, hear = between(place.read(first - 1, last), last), lambda done: bar.advance(task, done)
        if how == "parquet":
            assert out is not None
            count = write_parquet(place, blocks, out, hear)
        else:
            with out.open("w", newline="") if out else contextlib.nullcontext(sys.stdout) as file:
                count = write_csv(place, blocks, file, hear)
    click.echo(f"pinion: {count:,} {stream} written", err=True)


@journal.command()
@click.option("--until", type=sequence_type, help="The last command to do; default: the journal's end.")
@click.option("--shard", type=click.IntRange(0), help="Default: that of --symbol, or 0.")
@click.option("--symbol", help="Show this instrument's book only.")
@click.option("--depth", type=click.IntRange(1, 1000), default=10, show_default=True, help="Levels a side.")
@click.option("--from-start", is_flag=True, help="Use no snapshot: do every command.")
@settings_options
@json_option
def replay(
    until: int | None,
    shard: int | None,
    symbol: str | None,
    depth: int,
    from_start: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Make a moment of the past again and show its books.

    The matcher itself does the commands up to --until, from the newest snapshot before it on, so the books are just those that
    there were. In JSON prices and quantities are in the instruments' own smallest decimals.

    \b
    Example:
      pinion journal replay --until 123456 --symbol ACME
      pinion journal replay --json | jq .books.ACME.bids[0]
    """
    from cli.journal_replay import Past

    settings = _settings(config, data)
    number = None if symbol is None else instrument_number(settings, symbol)
    shard = shard if shard is not None else 0 if number is None else shard_of(number, settings.matchers)
    place = _place(settings, Stream.COMMANDS, shard)
    with progress() as bar, _reporting_damage():
        last = place.last()
        until = last if until is None else until
        if until > last:
            raise Failure(f"--until {until}: the journal of shard {shard} ends with command {last}")
        task = bar.add_task("commands replayed", total=until)
        moment = Past(settings, shard).at(until, from_start, lambda done: bar.advance(task, done))
    wanted = moment.instruments(settings) if number is None else [number]
    books = {}
    for each in wanted:
        book, instrument = moment.book(each, depth), settings.instruments[each]
        books[instrument.symbol] = {**in_wire_units(book, instrument), "state": book["state"]}
    if as_json:
        told = {"shard": shard, "command_sequence": moment.command_sequence, "began": moment.began, "time_ns": moment.time_ns}
        print_json({**told, "books": books})
        return
    when = datetime.fromtimestamp(moment.time_ns / 1e9, UTC).isoformat(timespec="microseconds")
    click.echo(f"shard {shard} behind command {moment.command_sequence} of {when}, replayed from {moment.began}")
    for each in wanted:
        print_table(books[settings.instruments[each].symbol], settings.instruments[each])


@journal.command()
@click.option("--shard", type=click.IntRange(0), default=0, show_default=True)
@click.option("--after", type=sequence_type, help="The last command that stays.")
@click.option("--at-damage", is_flag=True, help="Keep all that is whole before the first damage.")
@click.option("--yes", is_flag=True, help="Do it; without it is only said what would be done.")
@settings_options
@json_option
def truncate(
    shard: int, after: int | None, at_damage: bool, yes: bool, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Cut the journal of a shard, on your word alone: what clients were told of what is cut is no longer true.

    What is cut, files, events and later snapshots, is moved into a folder `cut` beside the journal. Shared memory and the
    database hold what was cut too: the first is removed, the second has to be filled anew. No process may run.

    \b
    Example:
      pinion journal truncate --at-damage
      pinion journal truncate --after 123456 --yes
    """
    from persister.truncation import cut, damage_at, plan

    settings = _settings(config, data)
    place = _place(settings, Stream.COMMANDS, shard)
    if (after is None) == (not at_damage):
        raise click.UsageError("give one of --after SEQUENCE and --at-damage")
    running = [name for name in settings.processes() if pid_of(settings, name) is not None]
    if running:
        raise Failure(f"the exchange runs ({', '.join(running)}): pinion down, then try again")
    with progress() as bar:
        task = bar.add_task("bytes read", total=journal_look.bytes_of(settings))
        last = damage_at(place.folder, lambda done: bar.advance(task, done)) if after is None else after
        found = plan(settings, shard, last, lambda done: bar.advance(task, done))
    if yes:
        _do(settings, lambda: cut(settings, shard, found))
    if as_json:
        print_json({**found.as_dict(), "done": yes})
        return
    word = "cut" if yes else "would cut"
    click.echo(f"{word}: shard {shard} keeps commands up to {found.commands}, events up to {found.events}")
    click.echo(f"{found.commands_cut:,} commands and {found.events_cut:,} events, {len(found.snapshots)} snapshots go")
    if not yes:
        click.echo("pinion: nothing was done; --yes does it", err=True)


def _do(settings: Settings, work: Any) -> None:
    from cli.cluster import remove_segments

    try:
        work()
    except OSError as error:
        raise Failure(f"the journal cannot be cut: {error}") from error
    remove_segments(settings.instance)


def _settings(config: Path | None, data: Path | None) -> Settings:
    """Those that were asked for, of an exchange that has a journal."""
    settings = find_settings(config, data)
    folder = settings.data / "journal"
    if not folder.is_dir():
        raise Failure(f"{folder} is not there: the exchange makes it when it first runs; --config or --data names another")
    return settings


def _place(settings: Settings, stream: Stream, shard: int) -> journal_look.Place:
    if shard >= settings.matchers:
        raise click.BadParameter(f"{shard}: allowed is 0 to {settings.matchers - 1}", param_hint="--shard")
    return journal_look.Place(stream, shard, stream_folder(settings.data, stream, shard))


@contextlib.contextmanager
def _reporting_damage() -> Any:
    try:
        yield
    except JournalDamaged as damage:
        raise Failure(f"{damage}; `pinion journal truncate --at-damage` says what can be kept") from damage


def _print_info(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Console()
    table = Table("stream", "files", "bytes", "first", "last", title=found["data"])
    for each in found["streams"]:
        table.add_row(each["stream"], *(f"{each[name]:,}" for name in ("files", "bytes", "first", "last")))
    shown.print(table)
    table = Table("snapshot of", "bytes", "commands", "events", "taken")
    for each in found["snapshots"]:
        if not each["problem"]:
            when = datetime.fromtimestamp(each["time_ns"] / 1e9, UTC).isoformat(timespec="seconds")
            numbers = [", ".join(map(str, each[name])) for name in ("commands", "events")]
            table.add_row(each["process"], f"{each['bytes']:,}", *numbers, when)
    shown.print(table)


def _end_with(problems: list[str], said: bool) -> None:
    """Status 1 and, unless they were said, the problems, where there are any."""
    for problem in problems:
        if not said:
            click.echo(f"pinion: {problem}", err=True)
    if problems:
        sys.exit(PURPOSE_FAILED)
