"""The settings of an engine: one TOML file, checked all at once, overridable by ``PINION_SECTION_KEY`` variables.

``load`` gives ``Settings``, frozen, in which every value is allowed and all of them agree; or ``SettingsError`` with every
problem that there is, each naming the key, its value and what is allowed.
"""

# ruff: noqa: RUF009 - the defaults are frozen: sharing them is safe

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from runtime.agreement import disagreements
from runtime.reading import Reader, nearest, rules_of, unknown
from runtime.rules import Integer, Text, Urls, Word
from runtime.sample import sample
from runtime.sections import (
    Account,
    ControlSettings,
    DatabaseSettings,
    DropCopy,
    FirmSettings,
    GatewaySettings,
    Group,
    Instrument,
    JournalSettings,
    LogSettings,
    PoolSettings,
    ProcessSettings,
    RingSettings,
    SnapshotSettings,
    setting,
)
from shm.records import GATEWAY_BOUND, SHARD_BOUND

__all__ = ["Settings", "SettingsError", "load", "sample", "variables"]

FOLDER: Final = Text(r"[^\x00]+", "a folder")
DATABASE_BOUND: Final = 16


class SettingsError(Exception):
    """The settings cannot be used. ``problems`` holds one sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        assert problems
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that an operator may decide. Sections are attributes: ``settings.gateway.tcp``."""

    instance: str = setting("pinion", Text(r"[a-z0-9][a-z0-9_\-]{0,31}", "1 to 32 characters out of a-z 0-9 _ -"))
    """Begins the name of every shared segment: two engines on one machine need two."""
    data: Path = setting(Path("pinion-data"), FOLDER)
    """Journal, database, epoch."""
    run: Path = setting(Path("pinion-run"), FOLDER)
    """Sockets."""
    matchers: int = setting(1, Integer(1, SHARD_BOUND))
    gateways: int = setting(1, Integer(1, GATEWAY_BOUND))
    durability: str = setting("disk", Word(("disk", "memory", "none")))
    databases: tuple[str, ...] = setting((), Urls(DATABASE_BOUND))
    """Accounts are spread over them; ``{data}`` is filled in. Empty: ``database.url`` is the only one."""
    gateway: GatewaySettings = GatewaySettings()
    riskd: ProcessSettings = ProcessSettings()
    matcher: ProcessSettings = ProcessSettings()
    persister: ProcessSettings = ProcessSettings()
    rings: RingSettings = RingSettings()
    pools: PoolSettings = PoolSettings()
    journal: JournalSettings = JournalSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    database: DatabaseSettings = DatabaseSettings()
    log: LogSettings = LogSettings()
    control: ControlSettings = ControlSettings()
    firm: FirmSettings = FirmSettings()
    instruments: tuple[Instrument, ...] = ()
    groups: tuple[Group, ...] = ()
    accounts: tuple[Account, ...] = ()
    drop_copies: tuple[DropCopy, ...] = ()
    path: Path | None = None
    """The file they came from."""
    warnings: tuple[str, ...] = ()
    """What is allowed but probably not meant."""

    def processes(self) -> tuple[str, ...]:
        """Every process of the engine, in the order to start them in."""
        matchers = (f"matcher.{shard}" for shard in range(self.matchers))
        gateways = (f"gateway.{number}" for number in range(self.gateways))
        return ("persister", *matchers, "riskd", *gateways)

    @property
    def database_urls(self) -> tuple[str, ...]:
        """Every database that follows the journal, in the order by which accounts are placed."""
        return self.databases or (self.database.url,)

    def of(self, process: str) -> ProcessSettings:
        """The section that ``process`` (such as ``matcher.0``) runs by."""
        section = getattr(self, process.partition(".")[0])
        assert isinstance(section, ProcessSettings)
        return section

    def cores(self, process: str) -> tuple[int, ...]:
        """The processors that ``process`` is pinned to; none: not pinned. One of a numbered room gets one of the list."""
        cores = self.of(process).cores
        _, numbered, number = process.partition(".")
        return (cores[int(number) % len(cores)],) if numbered and cores else cores

    def endpoints(self, gateway: int) -> tuple[str, ...]:
        """Where gateway number ``gateway`` listens: ipc, tcp or both."""
        ipc = self.gateway.ipc.replace("{run}", str(self.run)).replace("{gateway}", str(gateway))
        host, _, port = self.gateway.tcp.rpartition(":")
        tcp = f"{host}:{int(port) + gateway}" if port else ""
        return tuple(endpoint for endpoint in (ipc, tcp) if endpoint)

    @property
    def archive(self) -> Path:
        """Where old files of the journal go, if they are to be archived."""
        return self.data / self.journal.archive.replace("{data}", str(self.data))

    def control_path(self, process: str) -> Path:
        """The control socket of ``process``."""
        return self.run / f"{process}.control"


SECTIONS: Final[dict[str, type]] = {
    "gateway": GatewaySettings,
    "riskd": ProcessSettings,
    "matcher": ProcessSettings,
    "persister": ProcessSettings,
    "rings": RingSettings,
    "pools": PoolSettings,
    "journal": JournalSettings,
    "snapshots": SnapshotSettings,
    "database": DatabaseSettings,
    "log": LogSettings,
    "control": ControlSettings,
    "firm": FirmSettings,
}
ROWS: Final[dict[str, type]] = {
    "instruments": Instrument,
    "groups": Group,
    "accounts": Account,
    "drop_copies": DropCopy,
}
PREFIX: Final = "PINION_"
OTHER_VARIABLES: Final = ("PINION_CONFIG", "PINION_CACHE_DIR", "PINION_API_KEY", "PINION_ENDPOINT")
"""Variables that are not settings: of the command and of the client."""


def load(
    path: str | os.PathLike[str] | None,
    environ: Mapping[str, str],
    *,
    data: Path | None = None,
    run: Path | None = None,
) -> Settings:
    """The settings in the file at ``path`` (None: defaults), overridden by ``environ``.

    ``data`` and ``run`` are the folders to use when neither names any. Relative folders in the file start at the file's own.
    Raises ``SettingsError`` with all problems.
    """
    path = None if path is None else Path(path)
    table = {} if path is None else _parsed(path)
    reader = Reader(environ)
    settings = _read(reader, table)
    settings = _with_folders(settings, table, environ, path, data, run)
    variable_problems, warnings = _check_variables(environ)
    problems = [*reader.problems, *variable_problems, *disagreements(settings)]
    if problems:
        raise SettingsError(problems)
    return replace(settings, path=path, warnings=tuple(warnings + _check_mode(path, table)))


def variables() -> dict[str, str]:
    """Every environment variable that sets something → the key that it sets."""
    names = {PREFIX + key.upper(): key for key in rules_of(Settings)}
    for section, kind in SECTIONS.items():
        names |= {f"{PREFIX}{section.upper()}_{key.upper()}": f"{section}.{key}" for key in rules_of(kind)}
    return names


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8: byte {error.start}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{path}: is not TOML: {error}"]) from error


def _read(reader: Reader, table: dict[str, Any]) -> Settings:
    known = {*rules_of(Settings), *SECTIONS, *ROWS}
    reader.problems += [unknown("", key, known) for key in table if key not in known]
    top = {key: value for key, value in table.items() if key in rules_of(Settings)}
    values = reader.values(Settings, top, "", PREFIX)
    for name, section in SECTIONS.items():
        given = reader.table(table.get(name, {}), name)
        values[name] = section(**reader.values(section, given, f"{name}.", f"{PREFIX}{name.upper()}_"))
    for name, row in ROWS.items():
        values[name] = tuple(reader.rows(row, table.get(name, []), name))
    return Settings(**values)


def _with_folders(
    settings: Settings,
    table: dict[str, Any],
    environ: Mapping[str, str],
    path: Path | None,
    data: Path | None,
    run: Path | None,
) -> Settings:
    """The folders made absolute, and filled in wherever they stand in addresses."""
    base = Path.cwd() if path is None else path.absolute().parent
    given_data = _folder("data", table, environ, base) or data
    given_run = _folder("run", table, environ, base) or run
    data = (given_data or _state_folder(environ, settings.instance)).absolute()
    run = given_run or (data / "run" if given_data else _runtime_folder(environ, settings.instance, data))
    url, *urls = (each.replace("{data}", str(data)) for each in (settings.database.url, *settings.databases))
    instruments = tuple(
        replace(item, tick_value=item.tick_value or item.tick_size * item.lot_size) for item in settings.instruments
    )
    database = replace(settings.database, url=url)
    settings = replace(settings, database=database, databases=tuple(urls), instruments=instruments)
    return replace(settings, data=data, run=run.absolute())


def _folder(key: str, table: dict[str, Any], environ: Mapping[str, str], base: Path) -> Path | None:
    if environ.get(PREFIX + key.upper()):
        return Path(environ[PREFIX + key.upper()])
    value = table.get(key)
    return base / Path(value).expanduser() if isinstance(value, str) and value else None


def _state_folder(environ: Mapping[str, str], instance: str) -> Path:
    """systemd's StateDirectory, else where the user's programs keep such things."""
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].partition(":")[0])
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/var/tmp"), ".local", "state")
    return Path(home, instance)


def _runtime_folder(environ: Mapping[str, str], instance: str, data: Path) -> Path:
    """systemd's RuntimeDirectory, else the user's, else beside the data."""
    if environ.get("RUNTIME_DIRECTORY"):
        return Path(environ["RUNTIME_DIRECTORY"].partition(":")[0])
    return Path(environ["XDG_RUNTIME_DIR"], instance) if environ.get("XDG_RUNTIME_DIR") else data / "run"


def _check_variables(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Variables that set nothing: a problem where a setting is nearly named, else (a container's own, say) a warning."""
    problems, warnings = [], []
    known = variables()
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and name not in OTHER_VARIABLES:
            guess = nearest(name.removeprefix(PREFIX), [item.removeprefix(PREFIX) for item in known], cutoff=0.85)
            if guess:
                problems.append(f"{name}: sets nothing; did you mean {PREFIX}{guess}?")
            else:
                warnings.append(f"the environment variable {name} sets nothing")
    return problems, warnings


def _check_mode(path: Path | None, table: dict[str, Any]) -> list[str]:
    """A warning when others may read a file that holds secrets."""
    if path is None or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return []
    if not any("api_key" in row for kind in ("accounts", "drop_copies") for row in table.get(kind, [])):
        return []
    return [f"{path} holds API keys and is readable by others: chmod 600, or give api_key_sha256"]
