"""Which settings a command uses: those of ``--config`` or ``--data``, of the environment, of this folder, or the user's own.

Without ``--config`` the first of these that exists: ``PINION_CONFIG``, ``pinion.toml`` in the data folder of ``--data``,
``pinion.toml`` here, ``pinion.toml`` in the user's data folder. ``pinion up`` writes a sample to the last place (or to the data
folder named) when there is none, so that ``pinion order`` in the next terminal finds the same exchange.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cli.output import BadSettings
from runtime import settings
from runtime.settings import Settings

FILE_NAME: Final = "pinion.toml"
Command = TypeVar("Command", bound=Callable[..., Any])


def settings_options(command: Command) -> Command:
    """``--config FILE`` and ``--data DIR``, given to the command as ``config`` and ``data``."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    folder = click.Path(file_okay=False, path_type=Path)
    command = click.option("--data", type=folder, help="Data folder; settings are looked for in it too.")(command)
    return click.option("--config", "-c", type=file, envvar="PINION_CONFIG", help="Settings file (TOML).")(command)


def find_settings(config: Path | None, data: Path | None) -> Settings:
    """The settings that the options and the environment ask for; built-in defaults where there is no file at all.

    Raises:
        BadSettings: with every problem found.
    """
    return read_settings(config or find_file(data), data)


def find_file(data: Path | None) -> Path | None:
    """The settings file to use when none is named; None: there is none."""
    return next((path for path in (data and data / FILE_NAME, here(), home()) if path is not None and path.exists()), None)


def here() -> Path:
    """The settings file of the folder that the user is in."""
    return Path.cwd() / FILE_NAME


def home() -> Path:
    """The settings file in the data folder that the built-in defaults name."""
    return settings.load(None, folders_only(os.environ)).data / FILE_NAME


def read_settings(path: Path | None, data: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in ``path`` under ``environ`` (default: this process's) with the data folder ``data``, if given.

    Raises:
        BadSettings: with every problem found.
    """
    try:
        return settings.load(path, with_data(os.environ if environ is None else environ, data))
    except settings.SettingsError as error:
        raise BadSettings("\n".join(["the settings cannot be used:", *error.problems])) from error


def defaults() -> Settings:
    """The built-in settings, whatever the environment says: those of a throw-away exchange."""
    return settings.load(None, {name: value for name, value in os.environ.items() if not name.startswith("PINION_")})


def with_data(environ: Mapping[str, str], data: Path | None) -> dict[str, str]:
    """``environ``, in which the data folder is ``data``; so for this process and for children."""
    return dict(environ) if data is None else {**environ, "PINION_DATA": str(data.absolute())}


def folders_only(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without settings, but for those that say where things lie."""
    kept = ("PINION_DATA", "PINION_RUN", "PINION_INSTANCE")
    return {name: value for name, value in environ.items() if not name.startswith("PINION_") or name in kept}
