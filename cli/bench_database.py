"""The database benchmark's journal: the demo's flow, matched, as a persister would have written it."""

import importlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from cli import flow
from cli.output import Failure, console, progress
from runtime.sections import Account, Instrument
from shm.journal import Stream

ACCOUNTS: Final = 100
INSTRUMENTS: Final = 10
EPOCH: Final = 1
START_NS: Final = 1_767_225_600_000_000_000
ORDERS_A_DAY: Final = 150_000
SEGMENT_BYTES: Final = 64 << 20


def measure(url: str | None, orders: int, rounds: int) -> dict[str, Any]:
    """Figures by name. Raises Failure without PostgreSQL, or when it fails."""
    bench = importlib.import_module("bench.database")
    with tempfile.TemporaryDirectory(prefix="pinion-bench-") as folder, progress(console()) as bar:
        task = bar.add_task("the journal into PostgreSQL, and a bare COPY", total=2 * rounds + 2)
        write_journal(Path(folder), orders)
        bar.advance(task)
        try:
            return dict(bench.run(url, Path(folder), EPOCH, rounds, lambda: bar.advance(task)))
        except (FileNotFoundError, ValueError) as error:
            raise Failure(str(error)) from error
        except SQLAlchemyError as error:
            raise Failure(str(getattr(error, "orig", None) or error).strip().partition("\n")[0]) from error


def write_journal(data: Path, orders: int) -> None:
    """A shard's journal of so many requests over some days, and all that they led to."""
    from matcher.engine import Engine
    from riskd.controls import risk_command
    from riskd.definitions import account_command, instrument_command
    from riskd.layout import Sizes
    from riskd.state import empty_state
    from shm.controls import Control, Scope

    market = [Instrument(symbol=f"S{k}", tick_value=1, maker_fee=-50, taker_fee=200) for k in range(INSTRUMENTS)]
    before = [instrument_command(number, item) for number, item in enumerate(market)]
    before += [account_command(number, Account(name=f"a{number}")) for number in range(ACCOUNTS)]
    risk = empty_state(Sizes(1, 1, ACCOUNTS, INSTRUMENTS, 1))[0]
    before += [risk_command(risk, Scope.ACCOUNT, k, Control.MAXIMUM_LONG, 1_000_000, b"bench") for k in range(ACCOUNTS)]
    commands = np.concatenate([*before, flow.generate(orders, ACCOUNTS, INSTRUMENTS, seed=1)])
    commands["time_ns"] = START_NS + np.arange(len(commands)) * (86_400_000_000_000 // ORDERS_A_DAY)
    engine = Engine(INSTRUMENTS, ACCOUNTS, 1 << 20, 1 << 18)
    events = engine.run(commands)
    for stream, records in zip(Stream, (engine.commands, events), strict=True):
        _write(data, stream, records)


def _write(data: Path, stream: Stream, records: Any) -> None:
    from persister.recovery import recover_stream
    from persister.stream_writer import StreamWriter
    from persister.writer import BatchBuffer
    from shm.journal import stream_folder
    from shm.journal_layout import BATCH_HEADER_BYTES

    tail, _ = recover_stream(stream_folder(data, stream, 0), records.dtype, EPOCH)
    batch = BatchBuffer(4096)
    with ThreadPoolExecutor(1) as background:
        writer = StreamWriter(data, stream, 0, EPOCH, tail, SEGMENT_BYTES, background)
        writer.background_synced = False
        done = 0
        while done < len(records):
            count = min(batch.bound, writer.room(), len(records) - done)
            piece = records[done : done + count].tobytes()
            batch.bytes[BATCH_HEADER_BYTES : BATCH_HEADER_BYTES + len(piece)] = piece
            writer.append(batch.headers, batch.words, batch.bytes, count)
            done += count
        writer.close()
