"""``pinion db``: the databases that follow the journal: their schema, how far they are, their backups."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cli import backup as backups
from cli import db_status
from cli.found import find_settings, settings_options
from cli.output import Failure, console, json_option, print_json, progress
from runtime import control
from runtime.settings import Settings

KEPT: Final = 7
FOLDER: Final = click.Path(file_okay=False, path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def binaries_option(command: Command) -> Command:
    """``--binaries DIR``, given to the command as ``binaries``."""
    words = "Where pg_dump and pg_restore are; default: the newest in PATH and /usr/lib/postgresql."
    return click.option("--binaries", type=click.Path(exists=True, file_okay=False, path_type=Path), help=words)(command)


@click.group()
def db() -> None:
    """Look after the database: schema, progress, backups.

    The database follows the journal and can always be filled again from it; a backup saves the time that this takes.

    \b
    Example:
      pinion db status
      pinion db backup
    """


@db.command()
@settings_options
@json_option
def upgrade(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Bring every database to this version's schema.

    The persister does so too when it connects. A step that changes what rows mean empties the tables; they fill again from
    the journal while trading goes on.

    \b
    Example:
      pinion db upgrade
      pinion db upgrade --json
    """
    settings = find_settings(config, data)
    found = []
    with console().status("upgrading"):
        for url in settings.database_urls:
            before, after = db_status.upgraded(url)
            found.append({"database": db_status.shown(url), "before": before, "after": after})
    if as_json:
        print_json(found)
        return
    for each in found:
        was = "is at" if each["before"] == each["after"] else f"was at {each['before'] or 'nothing'}, is at"
        click.echo(f"{each['database']} {was} {each['after']}")


@db.command()
@settings_options
@json_option
def status(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show each database's schema and size, and how far behind the journal it is.

    Ends with 1 when one cannot be reached or has another schema than this version writes.

    \b
    Example:
      pinion db status
      pinion db status --json | jq '.[].backlog'
    """
    settings = find_settings(config, data)
    found = db_status.read(settings)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        _print_status(found)
    wrong = [each for each in found if each.error or each.revision != each.wanted]
    if wrong:
        what = wrong[0].error or f"is at schema {wrong[0].revision or 'none'}, not {wrong[0].wanted}: pinion db upgrade"
        raise Failure(f"{wrong[0].database}: {what}")


@db.command()
@click.option("--to", "folder", type=FOLDER, help="Default: backups in the data folder.")
@click.option("--keep", type=click.IntRange(1), default=KEPT, show_default=True, help="Backups of each database to keep.")
@binaries_option
@settings_options
@json_option
def backup(
    folder: Path | None, keep: int, binaries: Path | None, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Save each database, compressed, while it is in use; read it back; delete the oldest.

    PostgreSQL by pg_dump, SQLite by its own backup. Every row of what was written is read and counted before it counts as a
    backup; only then are older ones deleted.

    \b
    Example:
      pinion db backup
      pinion db backup --to /mnt/backups --keep 30 --json
    """
    settings = find_settings(config, data)
    folder, made, failures = folder or settings.data / "backups", [], list[Failure]()
    with _bar() as advance:
        for part in range(len(settings.database_urls)):
            try:  # one that is down keeps no other from being saved
                made.append(backups.make(settings, part, folder, binaries, advance))
            except Failure as failure:
                failures.append(failure)
    deleted = [path for each in made for path in backups.delete_old(folder, settings.instance, each.part, keep)]
    _show_made(made, deleted, as_json)
    if failures:
        raise Failure("\npinion: ".join(failure.message for failure in failures))


def _show_made(made: list[backups.Backup], deleted: list[Path], as_json: bool) -> None:
    if as_json:
        print_json({"made": [each.as_dict() for each in made], "deleted": [str(each) for each in deleted]})
        return
    for each in made:
        rows = sum(each.rows.values())
        click.echo(f"{each.path}  {each.path.stat().st_size:,} bytes, {rows:,} rows, events {_reached(each.progress)}")


@db.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from", "folder", type=FOLDER, help="Without FILES: the newest of each database in here.")
@binaries_option
@settings_options
@json_option
def restore(
    files: tuple[Path, ...],
    folder: Path | None,
    binaries: Path | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Fill empty databases from backups; the persister goes on from there by the journal.

    Refused while the persister runs, for a database that has tables, and for a backup of another data folder.

    \b
    Example:
      pinion db restore
      pinion db restore backups/pinion-0-20260131T220000Z.sqlite.gz
    """
    settings = find_settings(config, data)
    _refuse_beside_persister(settings)
    chosen = backups.chosen(files, folder or settings.data / "backups", settings)
    with _bar() as advance:
        for each in chosen:
            backups.restore(each, settings, binaries, advance)
    if as_json:
        print_json([each.as_dict() for each in chosen])
        return
    for each in chosen:
        where = db_status.shown(settings.database_urls[each.part])
        click.echo(f"{where} is as in {each.path}, events {_reached(each.progress)}")


def _refuse_beside_persister(settings: Settings) -> None:
    try:
        control.ask(settings, "persister", "status")
    except control.NoAnswer:
        return
    raise Failure("the persister is running, and would write too: stop it first (pinion down, systemctl stop pinion.target)")


@contextmanager
def _bar() -> Iterator[backups.Told]:
    """A progress bar for each step of a backup; the function to call is given what the step is, how much of how much."""
    with progress(console()) as bar:
        tasks: dict[str, Any] = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=max(total, done))

        yield told


def _reached(progress: dict[str, int]) -> str:
    return ", ".join(f"{sequence:,} of shard {key.partition('/')[0]}" for key, sequence in progress.items() if "events" in key)


def _print_status(found: list[db_status.DatabaseStatus]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(
        Column("database", overflow="fold"),
        "schema",
        *(Column(each, justify="right") for each in ("bytes", "events", "journal", "backlog")),
    )
    for each in found:
        done, journal = sum(each.events.values()), sum(each.events_journaled.values())
        state = f"[bold red]{each.error}[/]" if each.error else each.revision or "none"
        table.add_row(each.database, state, *(f"{number:,}" for number in (each.bytes, done, journal, each.backlog)))
    Console().print(table)
