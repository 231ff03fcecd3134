"""The ring benchmark runs, tiny, so that it does not rot; and the ring's kernels by pytest-benchmark."""

import numpy as np

from bench import ring as bench
from shm.crc import crc32c
from shm.histogram import empty_histogram, record_values
from shm.ring import Ring


def test_ring_benchmark_prints_what_the_limit_program_prints():
    """Keys and kinds of figures; the benchmark itself checks that every message arrived."""
    result = bench.run(messages=200_000, trips=2_000, rounds=1)
    assert set(result) == {"ring_64B_per_s", "ring_128B_per_s", "there_and_back_ns", "message_there_and_back_ns"}
    assert all(isinstance(value, int) and value > 0 for value in result.values())


def test_speed_of_the_ring_in_one_process(benchmark):
    """10,000 messages written and read by the same process."""
    ring = Ring.private(bench.MESSAGES[128], 1 << 14, gating=("reader",))

    def there_and_out() -> int:
        bench.produce(ring.record, 10_000)
        return bench.consume(ring.record, 0, 10_000)

    assert benchmark(there_and_out) > 0


def test_speed_of_the_checksum(benchmark):
    """CRC32C over a batch of 4,096 records."""
    data = np.arange(4096 * 128, dtype=np.uint8)
    assert benchmark(crc32c, data, 0) == crc32c(data, 0)


def test_speed_of_recording_a_latency(benchmark):
    """10,000 values into a histogram."""
    histogram, values = empty_histogram("wait"), np.arange(10_000)
    benchmark(record_values, histogram, values)
    assert histogram["total"] % values.size == 0
