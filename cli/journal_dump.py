"""Records of the journal as a table: CSV, or Parquet where pyarrow is installed."""

import csv
import json
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from cli.journal_look import Place
from cli.output import Failure
from shm.controls import RISK_COMMAND
from shm.journal import Stream
from shm.reasons import name_of
from shm.records import ACCOUNT_COMMAND, COMMAND, EVENT, INSTRUMENT_COMMAND, RULES_COMMAND, CommandKind, EventKind

Records = np.ndarray[Any, np.dtype[Any]]
OWN_LAYOUT: Final = {
    int(CommandKind.INSTRUMENT): INSTRUMENT_COMMAND,
    int(CommandKind.ACCOUNT): ACCOUNT_COMMAND,
    int(CommandKind.RULES): RULES_COMMAND,
    int(CommandKind.RISK): RISK_COMMAND,
}
HEAD: Final = tuple((COMMAND.names or ())[:12])
"""The fields that commands of every kind have."""
assert HEAD[-1] == "kind"


def columns(stream: Stream, records: Records) -> dict[str, Any]:
    """Name → values. ``kind`` and reasons are words; a definition's own fields are JSON in ``definition``."""
    if stream is Stream.EVENTS:
        made: dict[str, Any] = {name: records[name] for name in EVENT.names or () if name != "pad"}
        made["kind"] = _words(records["kind"], lambda kind: _word(EventKind, kind))
        made["reason"] = _words(records["reason"], name_of)
        return made
    plain = ~np.isin(records["kind"], list(OWN_LAYOUT))
    made = {name: records[name] for name in HEAD}
    made |= {name: np.where(plain, records[name], 0) for name in COMMAND.names or () if name not in HEAD}
    made["kind"] = _words(records["kind"], lambda kind: _word(CommandKind, kind))
    made["verdict"] = _words(records["verdict"], name_of)
    made["definition"] = ["" if is_plain else _definition(record) for is_plain, record in zip(plain, records, strict=True)]
    return made


def write_csv(place: Place, blocks: Iterator[Records], file: IO[str], hear: Callable[[int], None]) -> int:
    """All ``blocks``, behind a line of names; how many records."""
    out, count = csv.writer(file), 0
    for records in blocks:
        made = columns(place.stream, records)
        if count == 0:
            out.writerow(made)
        out.writerows(zip(*(each if isinstance(each, list) else each.tolist() for each in made.values()), strict=True))
        count += len(records)
        hear(len(records))
    return count


def write_parquet(place: Place, blocks: Iterator[Records], path: Path, hear: Callable[[int], None]) -> int:
    """The same as a Parquet file. Raises Failure where pyarrow is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Failure("Parquet needs pyarrow: pip install 'pinion[parquet]', or dump --format csv") from None
    writer, count = None, 0
    for records in blocks:
        table = pyarrow.table({name: pyarrow.array(each) for name, each in columns(place.stream, records).items()})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
        count += len(records)
        hear(len(records))
    if writer is not None:
        writer.close()
    return count


def between(blocks: Iterator[Records], last: int) -> Iterator[Records]:
    """The records up to sequence ``last``."""
    for records in blocks:
        kept = records[records["sequence"] <= last]
        if len(kept):
            yield kept
        if len(kept) < len(records):
            return


def _word(words: type[IntEnum], code: int) -> str:
    """In lower case; a client may have sent any number."""
    return words(code).name.lower() if code in {int(each) for each in words} else f"unknown_{code}"


def _words(codes: Any, word: Callable[[int], str]) -> list[str]:
    known = {code: word(code) for code in np.unique(codes).tolist()}
    return [known[code] for code in codes.tolist()]


def _definition(record: Any) -> str:
    layout = OWN_LAYOUT[int(record["kind"])]
    whole = np.frombuffer(record.tobytes(), layout)[0]
    names = [name for name in layout.names or () if name not in HEAD and not name.startswith("pad")]
    values = {name: whole[name].decode() if layout[name].kind == "S" else int(whole[name]) for name in names}
    return json.dumps(values)
