"""From start to exit status: what every process does around its agent, and how each way to end maps to a status.

    0 stopped as asked    2 bad settings or use    69..78 a fault of the environment (runtime.faults)    70 a bug

Numba is not imported here, nor by anything imported here: its cache folder has to be chosen first.
"""

import faulthandler
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog

from runtime import kernels, logs
from runtime.faults import BUG, CLEAN, USAGE, EnvironmentFault, StopRequested
from runtime.settings import Settings, SettingsError

if TYPE_CHECKING:
    from runtime.agent import Agent
    from runtime.context import Context

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run_process(process: str, settings: Settings | Callable[[], Settings], build: "Callable[[Context], Agent]") -> int:
    """Run ``process`` until it is asked to stop; its exit status. ``settings`` may be how to load them.

    ``build`` makes the agent. Let it import the room itself: Numba's cache is chosen before it is called.
    """
    logs.configure()  # bad settings have to be told too
    return guard(process, lambda: _run(process, settings() if callable(settings) else settings, build))


def guard(name: str, work: Callable[[], Any]) -> int:
    """Do ``work`` and say as an exit status how it ended; whatever is wrong goes to the log, once."""
    logger = structlog.get_logger().bind(process=name)
    try:
        refuse_optimised()
        work()
    except StopRequested:
        logger.info("stopped while starting")
    except SettingsError as error:
        for problem in error.problems:
            logger.error(problem)
        return USAGE
    except EnvironmentFault as fault:
        logger.error(str(fault), status=int(fault.status), fault=fault.status.name.lower(), **fault.about)
        return int(fault.status)
    except Exception:
        logger.exception("a bug: the process ends, its data is as if it had been killed")
        return BUG
    return CLEAN


def refuse_optimised() -> None:
    """``python -O`` removes the assertions that stop a bug before it reaches the books."""
    if not __debug__:
        raise SettingsError(["Pinion does not run under python -O or PYTHONOPTIMIZE: its assertions guard the books"])


def _run(process: str, settings: Settings, build: "Callable[[Context], Agent]") -> None:
    logs.configure(settings.log.format, settings.log.level)
    faulthandler.enable()
    kernels.use_cache()
    from runtime import placement
    from runtime.context import Context
    from runtime.notify import Notifier
    from runtime.runner import Runner

    if process not in settings.processes():
        raise SettingsError([f"process {process!r}: allowed is one of {', '.join(settings.processes())}"])
    context, notifier = Context(settings, process), Notifier.from_environment()
    for warning in settings.warnings:
        context.logger.warning(warning)
    with closing(notifier), stopping_by_signal(context), noting_errors(context):
        notifier.send(f"STATUS={process} is starting")
        placement.apply(settings, process, context.logger)
        context.counters  # noqa: B018 - made first: two of one process must not get any further
        Runner(build(context), context, notifier).run()


@contextmanager
def stopping_by_signal(context: "Context") -> Iterator[None]:
    """While inside, SIGTERM and SIGINT ask the process to stop instead of killing it."""

    def ask_to_stop(number: int, _: Any) -> None:
        context.request_stop(signal.Signals(number).name)

    before = {number: signal.signal(number, ask_to_stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def noting_errors(context: "Context") -> Iterator[None]:
    """What ends the process goes into its error log in shared memory too, to be read after it is gone."""
    try:
        yield
    except StopRequested:
        raise
    except Exception as error:
        if "counters" in vars(context):
            context.counters.note_error(f"{type(error).__name__}: {error}")
        raise


def main(process: str, settings: Settings | Callable[[], Settings], build: "Callable[[Context], Agent]") -> None:
    """``run_process``, then exit with its status."""
    sys.exit(run_process(process, settings, build))
