"""A process of the runtime's tests: an agent that does as it is told, by its arguments and through its control socket.

python runtime_process.py PROCESS [never-drained]        settings: the environment's PINION_ variables
"""

import os
import sys

from runtime.lifecycle import main
from runtime.settings import load


def build(context):
    """The agent. Numba is imported from here on, not before."""
    from runtime.agent import Agent
    from runtime.faults import EnvironmentFault, FaultStatus

    class Obedient(Agent):
        """Does nothing until told to."""

        def __init__(self):
            self.name, self.wakes = context.process, context.neighbours()
            self.order = ""

        def do_work(self):
            order, self.order = self.order, ""
            if order == "hang":
                os.read(0, 1)
            if order == "fault":
                raise EnvironmentFault("the disk has left", FaultStatus.INPUT_OUTPUT)
            assert order != "bug", "told to"
            return 1 if order else 0

        def drained(self):
            return "never-drained" not in sys.argv

        def close(self):
            context.logger.info("closed")

        def status(self):
            return {"mood": "obedient"}

        def commands(self):
            return {"do": self.do}

        def do(self, arguments):
            if arguments.get("what") not in ("hang", "fault", "bug", "work"):
                raise ValueError(f"what = {arguments.get('what')!r}: allowed is one of hang, fault, bug, work")
            self.order = arguments["what"]

    return Obedient()


if __name__ == "__main__":
    main(sys.argv[1], lambda: load(None, os.environ), build)
