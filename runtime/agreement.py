"""Settings that are each allowed but do not go together."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from runtime.rules import EVERY_ACCOUNT, EVERYTHING
from runtime.sections import INT64_MAX, Instrument
from shm.controls import GROUP_BOUND
from shm.fees import PER_WHOLE

if TYPE_CHECKING:
    from runtime.settings import Settings

SOCKET_PATH_BOUND: Final = 107
"""Bytes of a unix socket's path, the terminating zero not counted."""
BYTES_PER_MESSAGE: Final = 128
CURRENCY_BOUND: Final = 16
"""riskd keeps so many apart, of funds."""
PERMIT_BOUND: Final = 1 << 16
"""riskd's room for permits by name (``PAIR_BOUND`` in riskd/layout.py)."""
DROP_COPY_BOUND: Final = 32
"""The gateway keeps a bit of a word for each."""


def disagreements(settings: "Settings") -> list[str]:
    """One sentence for each."""
    return [
        *_same_twice("instruments", "symbol", [item.symbol for item in settings.instruments]),
        *_same_twice("accounts", "name", [item.name for item in settings.accounts]),
        *_drop_copies(settings),
        *_same_twice("groups", "name", [item.name for item in settings.groups]),
        *_groups(settings),
        *_instruments(settings),
        *_same_keys(settings),
        *_too_many(settings),
        *_money(settings.instruments),
        *_funds(settings),
        *_margins(settings.instruments),
        *_endpoints(settings),
        *_paths(settings),
        *_journal(settings),
    ]


def _same_twice(where: str, key: str, values: Iterable[str]) -> list[str]:
    return [
        f'{where}.{key} = "{value}": given {count} times; allowed is once'
        for value, count in Counter(values).items()
        if count > 1
    ]


def _drop_copies(settings: "Settings") -> Iterator[str]:
    """A logon has one name for either: whoever logs on is the one or the other."""
    names, accounts = [item.name for item in settings.drop_copies], [item.name for item in settings.accounts]
    yield from _same_twice("drop_copies", "name", names)
    if len(names) > DROP_COPY_BOUND:
        yield f"drop_copies: there are {len(names)}; allowed are up to {DROP_COPY_BOUND}"
    for item in settings.drop_copies:
        if item.name in accounts:
            yield f'drop_copies.name = "{item.name}": is an account; allowed is a name that no account has'
        for name in item.accounts if item.accounts != EVERY_ACCOUNT else ():
            if name not in accounts:
                known = ", ".join(f'"{each}"' for each in accounts) or "none"
                yield f'drop_copies.accounts (of {item.name}): there is no account "{name}"; known are {known}'


def _same_keys(settings: "Settings") -> Iterator[str]:
    """Two with one key could not be told apart at logon. The key itself is not shown."""
    owners: dict[str, list[str]] = {}
    keys = [(item.api_key_sha256, item.name) for item in settings.accounts]
    keys += [(item.api_key_sha256, item.name) for item in settings.drop_copies]
    for key, name in keys:
        owners.setdefault(key, []).append(name)
    for names in owners.values():
        if len(names) > 1:
            allowed = "one of its own for each account and drop copy"
            yield f"accounts.api_key: {' and '.join(names)} have the same; allowed is {allowed}"


def _groups(settings: "Settings") -> Iterator[str]:
    known = [group.name for group in settings.groups]
    if len(known) >= GROUP_BOUND:
        yield f"groups: there are {len(known)}; allowed are up to {GROUP_BOUND - 1}"
    for number, account in enumerate(settings.accounts):
        if account.group and account.group not in known:
            yield f'accounts[{number}].group = "{account.group}": allowed is one of {", ".join(known) or "none"}, or ""'


def _instruments(settings: "Settings") -> Iterator[str]:
    """Those that accounts may trade, by name."""
    known = [item.symbol for item in settings.instruments]
    named = [(account, symbol) for account in settings.accounts for symbol in account.allowed_instruments]
    for account, symbol in named:
        if symbol not in (*known, *EVERYTHING):
            words = ", ".join(known) or "none"
            yield f'accounts.allowed_instruments (of {account.name}): there is no instrument "{symbol}"; known are {words}'
    if len(named) > PERMIT_BOUND:
        yield f"accounts.allowed_instruments: all accounts together name {len(named)}; allowed are up to {PERMIT_BOUND}"


def _too_many(settings: "Settings") -> Iterator[str]:
    for where in ("instruments", "accounts"):
        count, bound = len(getattr(settings, where)), getattr(settings.pools, where)
        if count > bound:
            yield f"pools.{where} = {bound}: there are {count} {where}; allowed is at least as many"


def _money(instruments: tuple[Instrument, ...]) -> Iterator[str]:
    """All money of a currency must count in one unit, or an account's could not be added up."""
    units: dict[str, Instrument] = {}
    for item in instruments:
        if item.tick_size * item.lot_size > INT64_MAX:
            yield (
                f"instruments.tick_size = {item.tick_size} ({item.symbol}): tick_size x lot_size is "
                f"{item.tick_size * item.lot_size}; allowed is up to {INT64_MAX}"
            )
        if item.collar_price % item.tick_size:
            multiple = f"a multiple of tick_size, {item.tick_size}"
            yield f"instruments.collar_price = {item.collar_price} ({item.symbol}): allowed is {multiple}"
        if item.tick_value not in (0, item.tick_size * item.lot_size):
            continue
        first = units.setdefault(item.currency, item)
        if _decimals(first) != _decimals(item):
            yield (
                f"instruments.tick_value (of {item.symbol}): tick_size x lot_size counts in 10**-{_decimals(item)} "
                f"{item.currency}, that of {first.symbol} in 10**-{_decimals(first)}; "
                "allowed is one unit a currency: give tick_value"
            )


def _funds(settings: "Settings") -> Iterator[str]:
    """What accounts are given is theirs to have, and no fee is more than all the money of a trade."""
    currencies = sorted({item.currency for item in settings.instruments})
    symbols = [item.symbol for item in settings.instruments]
    for number, account in enumerate(settings.accounts):
        for key, known in (("funds", currencies), ("lots", symbols)):
            given = [name for name, _ in getattr(account, key)]
            if given and account.funding == "none":
                yield f'accounts[{number}].{key}: with funding = "none" there is nothing to give; allowed is funding = "cash"'
            if key == "lots" and given and account.funding == "margin":
                yield f'accounts[{number}].lots: with funding = "margin" there are none; allowed is funding = "cash"'
            for name in given:
                if name not in known:
                    yield f"accounts[{number}].{key}: {name}; allowed are those of instruments: {', '.join(known) or 'none'}"
    if all(account.funding == "none" for account in settings.accounts):
        return
    if len(currencies) > CURRENCY_BOUND:
        yield f"instruments.currency: there are {len(currencies)}; allowed with funding are up to {CURRENCY_BOUND}"
    for item in settings.instruments:
        if item.fee_basis == "basis_points" and max(item.maker_fee, item.taker_fee) > PER_WHOLE:
            yield f"instruments: the fees of {item.symbol}; allowed with funding are up to {PER_WHOLE}, all of the money"


def _margins(instruments: tuple[Instrument, ...]) -> Iterator[str]:
    for item in instruments:
        if item.maintenance_margin > item.initial_margin:
            yield (
                f"instruments.maintenance_margin = {item.maintenance_margin} (of {item.symbol}): allowed is up to its "
                f"initial_margin, {item.initial_margin}"
            )


def _decimals(item: Instrument) -> int:
    return item.price_decimals + item.quantity_decimals


def _endpoints(settings: "Settings") -> Iterator[str]:
    ipc, tcp = settings.gateway.ipc, settings.gateway.tcp
    if not ipc and not tcp:
        yield 'gateway.ipc = "" and gateway.tcp = "": allowed is at least one of them, or nobody could connect'
    if ipc and settings.gateways > 1 and "{gateway}" not in ipc:
        yield f'gateway.ipc = "{ipc}": with gateways = {settings.gateways} it must hold {{gateway}}, for each needs its own'
    last = int(tcp.rpartition(":")[2] or 0) + settings.gateways - 1
    if tcp and last > 65535:
        yield f'gateway.tcp = "{tcp}": gateway {settings.gateways - 1} would get port {last}; allowed is up to 65535'


def _paths(settings: "Settings") -> Iterator[str]:
    """A unix socket's path is bounded by the kernel, and ZeroMQ's own message about it does not say by what."""
    paths = [str(settings.control_path(process)) for process in settings.processes()]
    longest = max(paths, key=lambda path: len(path.encode()))
    if len(longest.encode()) > SOCKET_PATH_BOUND:
        yield f'run = "{settings.run}": {longest} is longer than a socket\'s path may be; allowed are {SOCKET_PATH_BOUND} bytes'
        return  # the gateway's ipc, which mostly lies there too, would say the same again
    for endpoint in settings.endpoints(settings.gateways - 1):
        path = endpoint.removeprefix("ipc://")
        if endpoint.startswith("ipc://") and not 0 < len(path.encode()) <= SOCKET_PATH_BOUND:
            yield f'gateway.ipc = "{settings.gateway.ipc}": allowed is a path of 1 to {SOCKET_PATH_BOUND} bytes'


def _journal(settings: "Settings") -> Iterator[str]:
    """A batch lies in one segment file, behind its 4096-byte header."""
    bound = settings.journal.segment_bytes // 2 // BYTES_PER_MESSAGE
    if settings.journal.batch_bound > bound:
        yield (
            f"journal.batch_bound = {settings.journal.batch_bound}: with segment_bytes = "
            f"{settings.journal.segment_bytes} allowed is up to {bound}"
        )
