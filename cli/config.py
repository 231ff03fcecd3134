"""``pinion config``: a sample of the settings, and what is wrong with a file."""

from pathlib import Path

import click

from cli.found import find_file, read_settings
from cli.output import Failure, json_option, print_json
from runtime.sample import sample


@click.group()
def config() -> None:
    """Write a sample of the settings, or check a file.

    \b
    Example:
      pinion config sample exchange.toml
    """


@config.command("sample")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def sample_command(file: Path | None) -> None:
    """Print sample settings, every key explained; or write them to FILE, which only you may read.

    \b
    Example:
      pinion config sample exchange.toml
    """
    if file is None:
        click.echo(sample(), nl=False)
        return
    try:
        write_sample(file)
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from error
    click.echo(f"pinion: wrote {file}", err=True)


@config.command("check")
@click.argument("file", required=False, envvar="PINION_CONFIG", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
def check_command(file: Path | None, as_json: bool) -> None:
    """Check the settings in FILE, together with PINION_… variables; all problems at once.

    Ends with 0 when they can be used (there may be warnings), with 2 when they cannot.

    \b
    Example:
      pinion config check exchange.toml
    """
    settings = read_settings(file or find_file(None), None)
    for warning in settings.warnings:
        click.echo(f"pinion: warning: {warning}", err=True)
    found = {
        "file": None if settings.path is None else str(settings.path),
        "processes": list(settings.processes()),
        "instruments": [each.symbol for each in settings.instruments],
        "accounts": [each.name for each in settings.accounts],
        "warnings": list(settings.warnings),
    }
    if as_json:
        print_json(found)
    else:
        click.echo("the settings are good")


def write_sample(path: Path) -> None:
    """Write sample settings to the new file ``path``, which only its owner may read: it holds keys. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(sample(), encoding="utf-8")
