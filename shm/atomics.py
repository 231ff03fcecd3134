"""The machine instructions that Numba does not offer by itself: atomics, bit counts, prefetch, pause, CRC32C, raw pointers.

Each is an intrinsic for compiled code and, when ``NUMBA_DISABLE_JIT`` is set, the plain Python function of the same name
and result, so that kernels can be stepped through and covered.
"""

import ctypes
import os
import platform
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

IS_X86: Final = platform.machine() in ("x86_64", "AMD64")
_WORD: Final = 8
int64: Any = np.int64
"""What a field of a record is widened to in a kernel: mixed widths would be widened to floats. Typed so that all may be."""


def _compiled(python: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Use the decorated typing function as an intrinsic, or ``python`` where the JIT is off."""

    def choose(typing_function: Callable[..., Any]) -> Any:
        return python if config.DISABLE_JIT else intrinsic(typing_function)

    return choose


def _element(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _load_acquire(array: Any, index: int) -> int:
    return int(array[index])


@_compiled(_load_acquire)
def load_acquire(_: Any, array: Any, index: Any) -> Any:
    """``array[index]`` of an int64 array; nothing after it is done before it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_element(context, builder, signature.args[0], *args), "acquire", _WORD)

    return types.int64(array, types.intp), codegen


def _store_release(array: Any, index: int, value: int) -> None:
    array[index] = value


@_compiled(_store_release)
def store_release(_: Any, array: Any, index: Any, value: Any) -> Any:
    """``array[index] = value`` in an int64 array; nothing before it is done after it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _element(context, builder, signature.args[0], *args[:2]), "release", _WORD)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


def _add(array: Any, index: int, value: int) -> int:
    before = int(array[index])
    array[index] = before + value
    return before


@_compiled(_add)
def fetch_add(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to ``array[index]`` of an int64 array in one step that no other process can split; the value before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _element(context, builder, signature.args[0], *args[:2]), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


def _nothing() -> None:
    """The JIT is off: one process, in Python, in order."""


@_compiled(_nothing)
def fence(_: Any) -> Any:
    """Every store before is seen before any load after (sequentially consistent)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@_compiled(_nothing)
def pause(_: Any) -> Any:
    """Tell the processor that this is a spin loop (nothing on processors without such an instruction)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if IS_X86:
            nothing = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, nothing, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


def _trailing_zeros(word: int) -> int:
    word = int(word)
    return (word & -word).bit_length() - 1 if word else 64


def _leading_zeros(word: int) -> int:
    return 64 - int(word).bit_length()


def _bit_count(instruction: str) -> Callable[..., Any]:
    def typing_function(_: Any, word: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(args[0], ir.Constant(ir.IntType(1), 0))

        return types.int64(types.uint64), codegen

    return typing_function


trailing_zeros = _compiled(_trailing_zeros)(_bit_count("cttz"))
"""Zero bits below the lowest set bit of a u64; the word must not be 0."""
leading_zeros = _compiled(_leading_zeros)(_bit_count("ctlz"))
"""Zero bits above the highest set bit of a u64; the word must not be 0."""


def _prefetch(array: Any, index: int) -> None:
    """Nothing to fetch where nothing is compiled."""


@_compiled(_prefetch)
def prefetch(_: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]`` (any element type). It cannot fault."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _fetch(builder, _element(context, builder, signature.args[0], *args))
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def _fetch(builder: Any, place: Any) -> None:
    """Into the second cache, to read: random lines came 8.5 ns apart so, 10 ns into the first one, to read or to write."""
    pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    flags = [ir.Constant(word, number) for number in (0, 1, 1)]  # for reading, second cache, data
    builder.call(function, [builder.bitcast(place, pointer), *flags])


def _address_of(array: Any, index: int) -> int:
    return int(array.ctypes.data + index * array.itemsize)


@_compiled(_address_of)
def address_of(_: Any, array: Any, index: Any) -> Any:
    """The address of ``array[index]`` in this process, as int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(_element(context, builder, signature.args[0], *args), ir.IntType(64))

    return types.int64(array, types.intp), codegen


def _record_at(address: int, prototype: Any) -> Any:
    memory = (ctypes.c_char * prototype.dtype.itemsize).from_address(int(address))
    return np.frombuffer(memory, prototype.dtype)[0]


@_compiled(_record_at)
def record_at(_: Any, address: Any, prototype: Any) -> Any:
    """The record of ``prototype``'s type at ``address``: how a kernel goes through several rings of one kind.

    Numba has no list of records, so the rings' addresses travel in an int64 array. The memory must outlive the call.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return prototype(types.int64, prototype), codegen


def _copy_bytes(target: int, source: int, count: int) -> None:
    ctypes.memmove(int(target), int(source), int(count))


@_compiled(_copy_bytes)
def copy_bytes(_: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy ``count`` bytes from one address to another; they must not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        target, source = (builder.inttoptr(address, byte) for address in args[:2])
        cgutils.raw_memcpy(builder, target, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _call_hook(address: int) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(int(address))()) if address else 0


@_compiled(_call_hook)
def call_hook(_: Any, address: Any) -> Any:
    """Call the C function ``int64 f(void)`` at ``address``: how a kernel that has to wait lets Python look at signals."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [])

    return types.int64(types.int64), codegen


if config.DISABLE_JIT:
    sched_yield: Any = os.sched_yield
else:
    sched_yield = types.ExternalFunction("sched_yield", types.int32())
    """Let another process that waits for this core run first."""


@njit(cache=True)
def spin(count: int) -> None:
    """Pause ``count`` times: some 10 to 40 ns each."""
    for _ in range(count):
        pause()
