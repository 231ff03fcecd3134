"""CRC32C in plain Python: the twin of ``shm.crc``, and what a process without Numba uses."""

from typing import Final

_POLYNOMIAL: Final = 0x82F63B78  # reflected 0x1EDC6F41


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_remainder(byte) for byte in range(256))


def crc32c_plain(data: bytes, crc: int = 0) -> int:
    """CRC32C of ``data``, going on from ``crc`` (0 to begin with)."""
    register = crc ^ 0xFFFFFFFF
    for byte in data:
        register = _TABLE[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF
