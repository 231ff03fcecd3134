"""Settings: a bad value is told with its key, the value and what is allowed; good ones arrive as they were meant."""

import hashlib
import os
import re
import tomllib
from pathlib import Path

import pytest

from runtime.reading import rules_of
from runtime.settings import ROWS, SECTIONS, Settings, SettingsError, load, sample, variables

HOME = {"HOME": "/srv/trader"}
KEY = 'api_key = "sesame-open"'
OTHER = 'api_key = "open-sesame"'
A = f'[[accounts]]\nname = "a"\n{KEY}\n'
ACME = '[[instruments]]\nsymbol = "ACME"\n'
LONG = "x" * 120


@pytest.fixture
def write(tmp_path):
    """Write a settings file that only its owner may read; its path."""

    def write(text):
        path = tmp_path / "pinion.toml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def _problems(path, environ=HOME, **folders):
    with pytest.raises(SettingsError) as caught:
        load(path, environ, **folders)
    return caught.value.problems


BAD = [
    # unknown keys, with the likely one
    ('durabilty = "disk"', 'durabilty: unknown key; did you mean "durability"?'),
    ("[gatway]", 'gatway: unknown key; did you mean "gateway"?'),
    ("[gateway]\nheartbeat = 1", 'gateway.heartbeat: unknown key; did you mean "heartbeat_s"?'),
    ("[log]\nzzz = 1", "log.zzz: unknown key; known are format, level"),
    (ACME + "tick = 1", 'instruments[0].tick: unknown key; did you mean "tick_size"?'),
    ('databases = "sqlite:////a"', "databases = (not shown): allowed is a list of up to 16 different addresses, each sqlite"),
    ('databases = ["sqlite:////a", "sqlite:////a"]', "databases = (not shown): allowed is a list of up to 16 different"),
    ('databases = ["mysql://u:p@h/d"]', "databases = (not shown): allowed is a list"),
    # wrong types
    ("instance = 3", "instance = 3: allowed is 1 to 32 characters"),
    ("data = 3", "data = 3: allowed is a folder"),
    ('data = ""', 'data = "": allowed is a folder'),
    ('run = ""', 'run = "": allowed is a folder'),
    ('matchers = "2"', 'matchers = "2": allowed is an integer from 1 to 16'),
    ("matchers = true", "matchers = true: allowed is an integer"),
    ("matchers = 1.5", "matchers = 1.5: allowed is an integer"),
    ("durability = 1", "durability = 1: allowed is one of"),
    ("gateway = 1", "gateway = 1: allowed is a table, [gateway]"),
    ("instruments = 1", "instruments = 1: allowed is a list of tables, each [[instruments]]"),
    ("accounts = [1]", "accounts = [1]: allowed is a list of tables"),
    ("[gateway]\nheartbeat_s = true", "gateway.heartbeat_s = true: allowed is a number of seconds from 0.1 to 3600"),
    ("[riskd]\ncores = 0", "riskd.cores = 0: allowed is a list of different processor numbers"),
    ('[riskd]\ncores = ["0"]', "riskd.cores = ['0']: allowed is a list"),
    ('[matcher]\nmemory_lock = "yes"', 'matcher.memory_lock = "yes": allowed is true or false'),
    ("[matcher]\nhuge_pages = 1", "matcher.huge_pages = 1: allowed is true or false"),
    ("[gateway]\ntcp = 7010", "gateway.tcp = 7010: allowed is tcp://ADDRESS:PORT"),
    ("[gateway]\nipc = 1", "gateway.ipc = 1: allowed is ipc://PATH"),
    ("[database]\nurl = 1", "database.url = (not shown): allowed is sqlite:///"),
    # out of range
    ("matchers = 0", "matchers = 0: allowed is an integer from 1 to 16"),
    ("matchers = 17", "matchers = 17: allowed is an integer from 1 to 16"),
    ("gateways = 9", "gateways = 9: allowed is an integer from 1 to 8"),
    ("[gateway]\nmaximum_sessions = 0", "gateway.maximum_sessions = 0: allowed is an integer from 1 to"),
    ("[gateway]\nmaximum_frame_bytes = 1", "gateway.maximum_frame_bytes = 1: allowed is an integer from 128"),
    ("[gateway]\nheartbeat_s = nan", "gateway.heartbeat_s = nan: allowed is a number of seconds"),
    ("[riskd]\npriority = 100", "riskd.priority = 100: allowed is an integer from 1 to 99"),
    ("[journal]\nbatch_bound = 0", "journal.batch_bound = 0: allowed is an integer from 1"),
    ("[database]\nbatch_rows = 0", "database.batch_rows = 0: allowed is an integer from 1"),
    ("[database]\nretry_s = 0", "database.retry_s = 0: allowed is a number of seconds"),
    ("[control]\nattach_s = 0", "control.attach_s = 0: allowed is a number of seconds"),
    ("[control]\ndrain_s = -1", "control.drain_s = -1: allowed is a number of seconds"),
    (ACME + "tick_size = 0", "instruments[0].tick_size = 0: allowed is an integer from 1 to 9223372036854775807"),
    (ACME + "lot_size = -1", "instruments[0].lot_size = -1: allowed is an integer from 1"),
    (
        A + 'allowed_instruments = ["GEAR"]',
        'accounts.allowed_instruments (of a): there is no instrument "GEAR"; known are none',
    ),
    (A + "allowed_instruments = 3", 'accounts[0].allowed_instruments = 3: allowed is "all", or a list of symbols'),
    (A + "allowed_gateways = [8]", 'accounts[0].allowed_gateways = [8]: allowed is "all", or a list of different numbers of'),
    (
        ACME + 'collar_reference = "mid"',
        'instruments[0].collar_reference = "mid": allowed is "none", "last" or "given" (the middle',
    ),
    (ACME + "tick_size = 5\ncollar_price = 7", "instruments.collar_price = 7 (ACME): allowed is a multiple of tick_size, 5"),
    (ACME + "tick_value = 0", "instruments[0].tick_value = 0: allowed is an integer from 1"),
    (ACME + "price_decimals = 19", "instruments[0].price_decimals = 19: allowed is an integer from 0 to 18"),
    (ACME + "quantity_decimals = -1", "instruments[0].quantity_decimals = -1: allowed is an integer from 0 to 18"),
    (f'[[accounts]]\nname = "a"\n{KEY}\nmaximum_quantity = -1', "accounts[0].maximum_quantity = -1: allowed is an integer"),
    (f'[[accounts]]\nname = "a"\n{KEY}\nmaximum_notional = -1', "accounts[0].maximum_notional = -1: allowed is an integer"),
    (f'[[accounts]]\nname = "a"\n{KEY}\nmaximum_open_orders = -1', "accounts[0].maximum_open_orders = -1: allowed is"),
    (f'[[accounts]]\nname = "a"\n{KEY}\nself_trade_group = -1', "accounts[0].self_trade_group = -1: allowed is an integer"),
    (f'[[accounts]]\nname = "a"\n{KEY}\ntrack_position = 1', "accounts[0].track_position = 1: allowed is true or false"),
    (
        f'[[accounts]]\nname = "a"\n{KEY}\nself_trade_rule = "cancel"',
        'accounts[0].self_trade_rule = "cancel": allowed is one of "none", "cancel_newest", "cancel_oldest", "cancel_both", ',
    ),
    # powers of two
    ("[rings]\norders = 1000", "rings.orders = 1000: allowed is a power of two from 256 to 16777216"),
    ("[rings]\ncommands = 128", "rings.commands = 128: allowed is a power of two from 256"),
    ("[rings]\nevents = 0", "rings.events = 0: allowed is a power of two"),
    ("[pools]\norders = 33554432", "pools.orders = 33554432: allowed is a power of two from 16 to 2097152"),
    ("[pools]\nlevels = 17", "pools.levels = 17: allowed is a power of two"),
    ("[pools]\nlevels = 17", "pools.levels = 17: allowed is a power of two"),
    ("[journal]\nsegment_bytes = 1000000", "journal.segment_bytes = 1000000: allowed is a power of two from 65536"),
    # words and shapes
    ('durability = "disc"', 'durability = "disc": allowed is one of "disk", "memory", "none"'),
    ('[log]\nformat = "xml"', 'log.format = "xml": allowed is one of "auto", "json", "console"'),
    ('[log]\nlevel = "loud"', 'log.level = "loud": allowed is one of "debug", "info", "warning", "error"'),
    ('[matcher]\nidle = "sleep"', 'matcher.idle = "sleep": allowed is one of "auto", "spin", "yield", "park"'),
    ('[matcher]\nscheduler = "rr"', 'matcher.scheduler = "rr": allowed is one of "other", "fifo"'),
    ('instance = "My Exchange"', 'instance = "My Exchange": allowed is 1 to 32 characters out of a-z 0-9 _ -'),
    ('[[instruments]]\nsymbol = "A B"', 'instruments[0].symbol = "A B": allowed is 1 to 16 characters'),
    ('[[instruments]]\nsymbol = "ABCDEFGHIJKLMNOPQ"', 'instruments[0].symbol = "ABCDEFGHIJKLMNOPQ": allowed is 1 to 16'),
    (ACME + 'currency = "usd"', 'instruments[0].currency = "usd": allowed is 1 to 8 characters out of A-Z 0-9'),
    (f'[[accounts]]\nname = ""\n{KEY}', 'accounts[0].name = "": allowed is 1 to 16 characters'),
    ('[[accounts]]\nname = "a"\napi_key = "short"', "accounts[0].api_key = (not shown): allowed is 8 to 128 printable"),
    ('[[accounts]]\nname = "a"\napi_key_sha256 = "abc"', "accounts[0].api_key_sha256 = (not shown): allowed is 64 char"),
    # cores that are not there
    ("[matcher]\ncores = [4096]", "matcher.cores = [4096]: allowed is a list of different processor numbers from 0 to"),
    ("[matcher]\ncores = [0, 0]", "matcher.cores = [0, 0]: allowed is a list of different"),
    ("[matcher]\ncores = [-1]", "matcher.cores = [-1]: allowed is a list"),
    # endpoints and addresses
    ('[gateway]\ntcp = "tcp://*"', 'gateway.tcp = "tcp://*": allowed is tcp://ADDRESS:PORT with a port from 1 to 65535'),
    ('[gateway]\ntcp = "tcp://*:70000"', 'gateway.tcp = "tcp://*:70000": allowed is tcp://ADDRESS:PORT'),
    ('[gateway]\ntcp = "ipc:///x"', 'gateway.tcp = "ipc:///x": allowed is tcp://'),
    ('[gateway]\nipc = "tcp://*:1"', 'gateway.ipc = "tcp://*:1": allowed is ipc://PATH'),
    ('[gateway]\nipc = "ipc://@abstract"', 'gateway.ipc = "ipc://@abstract": allowed is ipc://PATH'),
    ('[gateway]\nipc = ""', 'gateway.ipc = "" and gateway.tcp = "": allowed is at least one'),
    ('gateways = 2\n[gateway]\nipc = "ipc:///x"', 'gateway.ipc = "ipc:///x": with gateways = 2 it must hold {gateway}'),
    ('gateways = 2\n[gateway]\ntcp = "tcp://*:65535"', "gateway 1 would get port 65536; allowed is up to 65535"),
    (f'[gateway]\nipc = "ipc:///{LONG}"', "allowed is a path of 1 to 107 bytes"),
    (f'run = "/{LONG}"', "is longer than a socket's path may be; allowed are 107 bytes"),
    ('[database]\nurl = "mysql://x/y"', "database.url = (not shown): allowed is sqlite:///{data}/NAME"),
    ('[database]\nurl = "sqlite://"', "database.url = (not shown): allowed is"),
    ('[database]\nurl = "sqlite:///relative.sqlite"', "database.url = (not shown): allowed is"),
    # missing, twice, contradictory
    ("[[instruments]]", "instruments[0].symbol: missing; allowed is 1 to 16 characters"),
    (f"[[accounts]]\n{KEY}", "accounts[0].name: missing; allowed is"),
    ('[[accounts]]\nname = "a"', "accounts[0].api_key: give either api_key or api_key_sha256, one of the two"),
    (f'[[accounts]]\nname = "a"\n{KEY}\napi_key_sha256 = "{"0" * 64}"', "accounts[0].api_key: give either"),
    (ACME + ACME, 'instruments.symbol = "ACME": given 2 times; allowed is once'),
    (f'[[accounts]]\nname = "a"\n{KEY}\n[[accounts]]\nname = "a"\n{KEY[:-1]}9"', 'accounts.name = "a": given 2 times'),
    (f'[[accounts]]\nname = "a"\n{KEY}\n[[accounts]]\nname = "b"\n{KEY}', "accounts.api_key: a and b have the same"),
    (f'{A}[[drop_copies]]\nname = "c"\n{KEY}\naccounts = "all"', "accounts.api_key: a and c have the same"),
    (f'{A}[[drop_copies]]\nname = "a"\n{OTHER}\naccounts = "all"', 'drop_copies.name = "a": is an account; allowed is a name'),
    (f'{A}[[drop_copies]]\nname = "c"\n{OTHER}\naccounts = ["z"]', 'drop_copies.accounts (of c): there is no account "z"; kno'),
    (f'{A}[[drop_copies]]\nname = "c"\n{OTHER}\naccounts = []', 'drop_copies[0].accounts = []: allowed is "all", or a list'),
    (f'{A}[[drop_copies]]\nname = "c"\n{OTHER}\naccounts = ["a", "a"]', 'allowed is "all", or a list of at least one name'),
    (f'{A}[[drop_copies]]\nname = "c"\n{OTHER}', "drop_copies[0].accounts: missing; allowed is"),
    (f'{A}[[drop_copies]]\nname = "c"\naccounts = "all"', "drop_copies[0].api_key: give either"),
    ("[pools]\ninstruments = 1\n" + ACME + ACME.replace("ACME", "GEAR"), "pools.instruments = 1: there are 2 instruments"),
    ("[journal]\nsegment_bytes = 65536", "journal.batch_bound = 4096: with segment_bytes = 65536 allowed is up to 256"),
    (ACME + "tick_size = 9223372036854775807\nlot_size = 2", "tick_size x lot_size is 18446744073709551614; allowed is up to"),
    (
        ACME + ACME.replace("ACME", "GEAR") + "price_decimals = 4",
        "instruments.tick_value (of GEAR): tick_size x lot_size counts in 10**-4 USD, that of ACME in 10**-2",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[text.replace("\n", " ")[:50] for text, _ in BAD])
def test_bad_setting_is_told_with_key_value_and_what_is_allowed(write, text, message):
    """One bad thing in the file, one problem told."""
    problems = _problems(write(text))
    assert len(problems) == 1, problems
    assert message in problems[0]


def test_all_problems_are_told_at_once(write):
    """An operator corrects a file once, not once a problem."""
    text = 'matchers = 0\nfoo = 1\n[log]\nlevel = "loud"\n[[instruments]]\nsymbol = ""\n[[accounts]]\nname = "a"\n'
    problems = _problems(write(text), {**HOME, "PINION_GATEWAY_TCP": "nonsense", "PINION_DURABILTY": "disk"})
    assert len(problems) == 7
    assert len(set(problems)) == 7


def test_secret_is_never_in_a_message_nor_in_the_settings(write):
    """Neither a refused key, nor a good one, nor the password of a database can reach a log."""
    bad = '[database]\nurl = "mysql://pinion:hunter2@db/x"\n[[accounts]]\nname = "a"\napi_key = "hunter2"\n'
    assert "hunter2" not in " ".join(_problems(write(bad)))
    settings = load(write(f'[[accounts]]\nname = "a"\n{KEY}'), HOME)
    assert "sesame" not in repr(settings)
    assert settings.accounts[0].api_key_sha256 == hashlib.sha256(b"sesame-open").hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"a = = 1", "is not TOML: Invalid value"),
        (b"a = 1\na = 2", "is not TOML: Cannot overwrite a value"),
        (b"# \xff", "is not UTF-8: byte 2"),
    ],
)
def test_file_that_cannot_be_parsed_is_told_by_name(tmp_path, content, message):
    """Missing, not TOML, not text: one problem each, with the path."""
    path = tmp_path / "pinion.toml"
    if content is not None:
        path.write_bytes(content)
    assert [problem.startswith(f"{path}: {message}") for problem in _problems(path)] == [True]


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("PINION_DURABILITY", "memory", "durability", "memory"),
        ("PINION_MATCHERS", "2", "matchers", 2),
        ("PINION_GATEWAY_TCP", "tcp://*:7010", "gateway.tcp", "tcp://*:7010"),
        ("PINION_GATEWAY_HEARTBEAT_S", "0.5", "gateway.heartbeat_s", 0.5),
        ("PINION_MATCHER_CORES", "0", "matcher.cores", (0,)),
        ("PINION_MATCHER_CORES", "", "matcher.cores", ()),
        ("PINION_RISKD_MEMORY_LOCK", "true", "riskd.memory_lock", True),
        ("PINION_RINGS_ORDERS", "1024", "rings.orders", 1024),
        ("PINION_DATA", "/srv/data", "data", Path("/srv/data")),
        ("PINION_DATABASE_URL", "postgresql+psycopg2://u:p@db/x", "database.url", "postgresql+psycopg2://u:p@db/x"),
        ("PINION_DATABASES", "sqlite:////a, sqlite:////b", "databases", ("sqlite:////a", "sqlite:////b")),
    ],
)
def test_variable_wins_over_the_file(write, variable, value, key, expected):
    """PINION_SECTION_KEY, written as text."""
    path = write('durability = "none"\nmatchers = 3\ndata = "/elsewhere"\n[rings]\norders = 256')
    found = load(path, {**HOME, variable: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PINION_MATCHERS", "two", 'matchers (from PINION_MATCHERS) = "two": allowed is an integer'),
        ("PINION_RISKD_MEMORY_LOCK", "1", "allowed is true or false"),
        ("PINION_MATCHER_CORES", "a", 'matcher.cores (from PINION_MATCHER_CORES) = "a": allowed is a list'),
        ("PINION_CONTROL_DRAIN_S", "soon", "allowed is a number of seconds"),
        ("PINION_LOG_FORMAT", "", 'log.format (from PINION_LOG_FORMAT) = "": allowed is one of'),
        ("PINION_DATABASE_URL", "oracle://secret", "database.url (from PINION_DATABASE_URL) = (not shown)"),
        ("PINION_LOG_LEVLE", "info", "PINION_LOG_LEVLE: sets nothing; did you mean PINION_LOG_LEVEL?"),
    ],
)
def test_bad_variable_is_told_by_its_name(variable, value, message):
    """So that nobody looks for it in the file."""
    problems = _problems(None, {**HOME, variable: value})
    assert len(problems) == 1
    assert message in problems[0]


def test_variables_of_a_container_are_a_warning_only():
    """Kubernetes sets PINION_SERVICE_HOST for a service called pinion: that must not stop the start."""
    settings = load(None, {**HOME, "PINION_SERVICE_HOST": "10.0.0.1", "PINION_CONFIG": "x"})
    assert settings.warnings == ("the environment variable PINION_SERVICE_HOST sets nothing",)


def test_nothing_given_is_enough_to_start():
    """No file, no variables: SQLite, ipc, no instruments, no accounts, folders below the user's home."""
    settings = load(None, HOME)
    assert settings.data == Path("/srv/trader/.local/state/pinion")
    assert settings.run == Path("/srv/trader/.local/state/pinion/run")
    assert settings.database.url == "sqlite:////srv/trader/.local/state/pinion/pinion.sqlite"
    assert settings.endpoints(0) == ("ipc:///srv/trader/.local/state/pinion/run/gateway.0",)
    assert settings.database_urls == (settings.database.url,)
    assert settings.processes() == ("persister", "matcher.0", "riskd", "gateway.0")
    assert settings.instruments == settings.accounts == ()


@pytest.mark.parametrize(
    ("text", "environ", "data", "run"),
    [
        ("", {"STATE_DIRECTORY": "/var/lib/pinion:/x", "RUNTIME_DIRECTORY": "/run/pinion"}, "/var/lib/pinion", "/run/pinion"),
        ("", {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}, "/s/pinion", "/r/pinion"),
        ('instance = "two"', {"XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"}, "/s/two", "/r/two"),
        ('data = "/d"', {"XDG_RUNTIME_DIR": "/r"}, "/d", "/d/run"),
        ('data = "/d"\nrun = "/e"', {"PINION_RUN": "/f"}, "/d", "/f"),
        ('data = "d"', {}, "BASE/d", "BASE/d/run"),
    ],
)
def test_folders_come_from_the_file_then_the_manager_then_the_user(write, text, environ, data, run):
    """Relative ones start at the file's own folder, wherever the process was started."""
    path = write(text)
    settings = load(path, {**HOME, **environ})
    assert str(settings.data) == data.replace("BASE", str(path.parent))
    assert str(settings.run) == run.replace("BASE", str(path.parent))


def test_caller_chooses_the_folders_that_nobody_named(tmp_path):
    """A demo puts everything into its temporary folder, with no file at all."""
    settings = load(None, {**HOME, "XDG_RUNTIME_DIR": "/r"}, data=tmp_path)
    assert (settings.data, settings.run) == (tmp_path, tmp_path / "run")


def test_file_with_keys_that_others_may_read_is_a_warning(write):
    """Not an error: a container's secrets are often mounted so."""
    path = write(f'[[accounts]]\nname = "a"\n{KEY}')
    assert load(path, HOME).warnings == ()
    path.chmod(0o644)
    assert re.search("holds API keys and is readable by others: chmod 600", load(path, HOME).warnings[0])


def test_processes_endpoints_and_cores_follow_the_numbers():
    """Gateway g listens on port + g; matcher k takes the k-th core, round."""
    environ = {**HOME, "PINION_GATEWAYS": "2", "PINION_MATCHERS": "3", "PINION_MATCHER_CORES": "0", "PINION_RUN": "/r"}
    settings = load(None, {**environ, "PINION_GATEWAY_TCP": "tcp://[::1]:7010"})
    assert settings.processes() == ("persister", "matcher.0", "matcher.1", "matcher.2", "riskd", "gateway.0", "gateway.1")
    assert settings.endpoints(1) == ("ipc:///r/gateway.1", "tcp://[::1]:7011")
    assert settings.cores("matcher.2") == (0,)
    assert settings.cores("riskd") == ()
    assert str(settings.control_path("matcher.2")) == "/r/matcher.2.control"


def test_tick_value_is_what_a_lot_gains_a_tick(write):
    """Left out it is the product of the steps; given, it is the operator's word."""
    text = ACME + "tick_size = 5\nlot_size = 10\n" + ACME.replace("ACME", "FUT") + "price_decimals = 4\ntick_value = 1250"
    assert [item.tick_value for item in load(write(text), HOME).instruments] == [50, 1250]


def test_sample_loads_and_names_every_key_with_its_default(write):
    """What `pinion config sample` prints is whole, true and usable as it is."""
    settings, given = load(write(sample()), HOME), tomllib.loads(sample())
    assert {*given} == {*rules_of(Settings), *SECTIONS, *ROWS}
    for name, section in SECTIONS.items():
        assert list(given[name]) and {*given[name]} == {*rules_of(section)}, name
        shown = {key: value for key, value in given[name].items() if key not in ("tcp", "url")}
        defaults = section()
        assert shown == {key: _plain(getattr(defaults, key)) for key in shown}, name
    assert [{*given[name][0]} | {"api_key_sha256"} for name in ROWS] == [
        {*rules_of(row)} | {"api_key_sha256"} | ({"api_key"} if "api_key_sha256" in rules_of(row) else set())
        for row in ROWS.values()
    ]
    assert [account.api_key_sha256 for account in settings.accounts] == [
        hashlib.sha256(f"change-me-{name}".encode()).hexdigest() for name in ("alice", "bob")
    ]


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def test_every_key_has_a_variable():
    """The names cannot collide, and the variables of the test's own machine are not among them."""
    keys = list(variables().values())
    assert len(keys) == len(set(keys)) == len(rules_of(Settings)) + sum(len(rules_of(kind)) for kind in SECTIONS.values())
    assert not {*variables()} & {*os.environ}
