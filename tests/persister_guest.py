"""The persister as a process of its own, for tests that kill it. Settings: the environment's PINION_ variables."""

import os

from runtime.lifecycle import main
from runtime.settings import load


def build(context):
    """The agent. Numba is imported from here on, not before."""
    from persister.process import build as build_persister

    return build_persister(context)


if __name__ == "__main__":
    main("persister", lambda: load(None, os.environ), build)
