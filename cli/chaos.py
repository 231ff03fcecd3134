"""``pinion chaos``: kill, stop and starve the processes of an exchange that trades, again and again, and audit what is left."""

import time
from collections.abc import Callable
from typing import Any

import click

from cli.chaos_arena import Arena, Hear, open_arena
from cli.chaos_plan import Shape
from cli.found import read_settings
from cli.output import Failure, console, json_option, print_json, progress
from cli.warm import warm_kernels


@click.command()
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed draws the same strikes.")
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True)
@click.option("--orders", type=click.IntRange(100), default=1_000, show_default=True, help="Requests a round, of all clients.")
@click.option("--audit-every", type=click.IntRange(1), default=10, show_default=True, help="Rounds from one audit to the next.")
@click.option("--first", type=click.IntRange(1), default=1, show_default=True, help="Begin with the strikes of this round.")
@json_option
def chaos(seed: int, rounds: int, orders: int, audit_every: int, first: int, as_json: bool) -> None:
    """Kill an exchange that trades, again and again, and check that nothing is lost, doubled or different.

    In each round some processes, or all, are killed, stopped for a while, the disk fills, or all shared memory is lost, at an
    instant that the seed draws; then all recovers. After each round clients, gateway, riskd and matchers must know the same.
    Every so many rounds all orders are cancelled and all books are audited: every report against the journal, byte for byte;
    every acknowledged order in journal and database once; quantity and money conserved; and an uninterrupted run of the
    journal's commands must make its events, byte for byte. Ends with 1 at the first violation, and keeps the data folder.

    \b
    Example:
      pinion chaos --seed 7 --rounds 20
      pinion chaos --seed 12 --rounds 1 --first 83 --json     # only the strikes of round 83
    """
    words = console()
    shape = Shape.of(seed)
    environ = {f"PINION_RINGS_{name.upper()}": str(value) for name, value in shape.rings.items()}
    warm_kernels(read_settings(None, None, {**environ, "PINION_MATCHERS": str(shape.matchers)}), words)
    run = _Run(seed, shape, audit_every)
    with progress(words) as bar:
        task = bar.add_task("rounds", total=rounds)
        with open_arena(seed, orders, lambda: bool(run.violations)) as arena:
            hear = lambda line: bar.console.print(line, style="dim", soft_wrap=True)  # noqa: E731
            run.live(arena, range(first, first + rounds), hear, lambda: bar.advance(task, 1))
    found = run.told()
    if as_json:
        print_json(found)
    else:
        counts = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in found.items() if isinstance(value, int))
        click.echo(counts, err=True)
    if run.violations:
        raise Failure("\n".join([f"round {run.rounds}: the data folder is {run.folder}", *run.violations]))


class _Run:
    """What is told in the end."""

    def __init__(self, seed: int, shape: Shape, audit_every: int) -> None:
        self.seed, self.shape, self.audit_every = seed, shape, audit_every
        self.rounds = self.audits = 0
        self.violations: list[str] = []
        self.folder, self.counts = "", dict[str, int]()
        self._began = time.monotonic()

    def live(self, arena: Arena, rounds: range, hear: Hear, advance: Callable[[], object]) -> None:
        """All ``rounds``, or up to the first violation."""
        self.folder = str(arena.folder)
        try:
            for number in rounds:
                self.violations += arena.round(number, hear)
                self.rounds += 1
                if not self.violations and (self.rounds % self.audit_every == 0 or number == rounds[-1]):
                    self.violations += arena.audit()
                    self.audits += 1
                self._count(arena)
                advance()
                if self.violations:
                    return
            self.violations += arena.stop()
        except (Failure, TimeoutError) as problem:
            self.violations.append(f"{type(problem).__name__}: {problem}")
        except Exception as bug:
            self.violations.append(repr(bug))  # so that the folder is kept
            raise

    def told(self) -> dict[str, Any]:
        """For ``--json``."""
        found: dict[str, Any] = {"seed": self.seed, "rounds": self.rounds, "audits": self.audits}
        found |= {"matchers": self.shape.matchers, "durability": self.shape.durability, "small_rings": bool(self.shape.rings)}
        found |= {**self.counts, "violations": len(self.violations), "seconds": round(time.monotonic() - self._began, 1)}
        if self.violations:
            found |= {"violated": self.violations, "data": self.folder}
        return found

    def _count(self, arena: Arena) -> None:
        done = arena.keeper.done
        self.counts = {name: done[name] for name in ("kills", "stops", "full_disks", "power_losses")}
        self.counts |= {"orders": arena.requests, "executions": arena.trades}
