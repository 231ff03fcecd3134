"""CRC32C (Castagnoli, RFC 3720 appendix B.4): by the processor's own instruction where there is one, else by table."""

from typing import Any, Final

import numpy as np
from llvmlite import binding, ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from shm.atomics import IS_X86

_POLYNOMIAL: Final = 0x82F63B78  # reflected 0x1EDC6F41
HARDWARE: Final = IS_X86 and bool(binding.get_host_cpu_features().get("sse4.2")) and not config.DISABLE_JIT


def _table() -> Any:
    table = np.zeros(256, np.uint32)
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            remainder = (remainder >> 1) ^ (_POLYNOMIAL if remainder & 1 else 0)
        table[byte] = remainder
    return table


TABLE: Final = _table()


@njit(cache=True)
def crc32c_by_table(data: Any, crc: int) -> Any:
    """CRC32C of the u1 array ``data``, going on from ``crc`` (0 to begin with): a byte a step, 2 ns a byte."""
    register = np.uint64(crc) ^ np.uint64(0xFFFFFFFF)
    for k in range(data.size):
        register = np.uint64(TABLE[(register ^ np.uint64(data[k])) & np.uint64(255)]) ^ (register >> np.uint64(8))
    return np.int64(register ^ np.uint64(0xFFFFFFFF))


@intrinsic
def _step(_: Any, register: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i64 = ir.IntType(64)
        kind = ir.FunctionType(i64, [i64, i64])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse42.crc32.64.64"), args)

    return types.uint64(types.uint64, types.uint64), codegen


@njit(cache=True)
def _crc32c_by_instruction(data: Any, crc: int) -> Any:
    register = np.uint64(crc) ^ np.uint64(0xFFFFFFFF)
    whole = data.size // 8 * 8
    words = data[:whole].view(np.uint64)
    for k in range(words.size):
        register = _step(register, words[k])
    return crc32c_by_table(data[whole:], np.int64(register ^ np.uint64(0xFFFFFFFF)))


crc32c: Any = _crc32c_by_instruction if HARDWARE else crc32c_by_table
"""``crc32c(data, crc=0) -> int``: over a contiguous u1 array; 8 bytes a step where the processor can."""
