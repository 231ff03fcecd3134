"""What every benchmark shares: the host described, the quiet checked, latencies summed up, results printed and drawn.

Goals: figures that can be compared within one run, on one host; every run shown, not the best. Not a goal: figures that
can be compared between hosts. Latency counts from the time at which an order was *planned* to be sent, so that an order
that had to wait for its turn shows that wait.
"""

import os
import platform
from pathlib import Path
from typing import Any, Final

import numpy as np

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)
QUIET_LOAD: Final = 0.3


def host() -> dict[str, Any]:
    """What the figures depend on: processor, cores, kernel, versions, governor, load now."""
    import numba

    return {
        "processor": _processor(),
        "cores": sorted(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "numpy": np.__version__,
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "load_1min": os.getloadavg()[0],
    }


def warnings(described: dict[str, Any]) -> list[str]:
    """Why the figures of this host may mislead, a sentence each; empty for a good one."""
    found = []
    if described["load_1min"] > QUIET_LOAD:
        found.append(f"the load average is {described['load_1min']:.2f}: something else is running, bench below {QUIET_LOAD}")
    if len(described["cores"]) < 2:
        found.append("one core only: processes take turns, and a hop costs a switch")
    if described["governor"] not in ("performance", "unknown"):
        found.append(f"the frequency governor is {described['governor']!r}: the clock speed wanders; use 'performance'")
    return found


def percentiles_us(latencies_ns: Any) -> dict[str, float]:
    """p50 to p99.99 and the highest, in µs, of an int64 array of ns. Empty for an empty array."""
    if not len(latencies_ns):
        return {}
    cuts = np.percentile(latencies_ns, PERCENTILES, method="higher")
    named = {f"p{percent:g}": round(float(cut) / 1e3, 1) for percent, cut in zip(PERCENTILES, cuts, strict=True)}
    return {**named, "highest": round(float(np.max(latencies_ns)) / 1e3, 1)}


def table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print rows of named figures for people, on standard error, so that standard output stays JSON."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title)
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    drawn.add_column("")
    for column in columns:
        drawn.add_column(column, justify="right")
    for name, row in rows.items():
        drawn.add_row(name, *(_shown(row.get(column, "")) for column in columns))
    Console(stderr=True).print(drawn)


def plot_latencies(path: Path, series: dict[str, Any], title: str) -> None:
    """Draw latency (µs, log) over percentile (log distance from 100%) for each named int64 array of ns; writes a PNG or SVG.

    Raises ImportError with the way to get it when matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'pinion[plot]'") from None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for name, latencies_ns in series.items():
        ordered = np.sort(np.asarray(latencies_ns)) / 1e3
        beyond = 1 - np.arange(1, len(ordered) + 1) / (len(ordered) + 1)
        axes.plot(1 / beyond, ordered, label=name)
    axes.set(xscale="log", yscale="log", xlabel="percentile", ylabel="round trip, µs", title=title)
    axes.set_xticks([2, 10, 100, 1_000, 10_000], ["50", "90", "99", "99.9", "99.99"])
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)
    plt.close(figure)


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _processor() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
