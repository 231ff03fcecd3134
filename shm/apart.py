"""Compiled functions that are called by address, so that their machine code is made once and is no part of their callers'.

Numba links what a function calls into the function's own code and optimises all of it again, at every level of calls: deep
code then takes minutes to compile. A function that stands apart is compiled alone. Its address is a matter of the process, so
it lies in the state's field ``apart``, at the index that the function was given; ``wire_apart`` writes it there.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, from_dtype, int64
from numba.core import cgutils
from numba.extending import intrinsic

from shm.inner import inner


class Apart:
    """The functions that stand apart, of one state's dtype."""

    def __init__(self, state: np.dtype[Any], *records: np.dtype[Any]) -> None:
        self._state, self._records = state, records
        self._bound = state["apart"].shape[0]
        self._functions: dict[int, Any] = {}

    def __call__(self, index: int, integers: int, result: Any) -> Callable[[Callable[..., Any]], Any]:
        """Decorate a function of the state, the records, and so many int64s after them, which returns ``result``."""

        def decorate(function: Callable[..., Any]) -> Any:
            taken = f"{index} is another function's, or not one of the state's {self._bound}"
            assert 0 <= index < self._bound and index not in self._functions, taken
            compiled = inner(function)
            records = (from_dtype(dtype) for dtype in (self._state, *self._records))
            signature = result(*records, *(int64 for _ in range(integers)))
            self._functions[index] = (compiled, signature)
            return function if config.DISABLE_JIT else _caller(index, signature)

        return decorate

    def wire(self, state: Any) -> None:
        """Write into ``state`` where the functions are in this process, compiling those that are not yet."""
        for index, (compiled, signature) in () if config.DISABLE_JIT else self._functions.items():
            compiled.compile(signature.args)
            made = compiled.overloads[signature.args]
            state["apart"][index] = made.library.get_pointer_to_function(made.fndesc.llvm_func_name)


def _caller(index: int, signature: Any) -> Any:
    """What callers see in place of the function."""
    place = signature.args[0].offset("apart") + index * 8

    def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
        kind = context.call_conv.get_function_type(signature.return_type, signature.args)
        field = cgutils.pointer_add(builder, values[0], context.get_constant(int64, place))
        called = builder.load(builder.bitcast(field, kind.as_pointer().as_pointer()))
        status, value = context.call_conv.call_function(builder, called, signature.return_type, signature.args, values)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return value

    made = signature, codegen

    def two(_: Any, a: Any, b: Any) -> Any:
        return made

    def three(_: Any, a: Any, b: Any, c: Any) -> Any:
        return made

    def four(_: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        return made

    return intrinsic({2: two, 3: three, 4: four}[len(signature.args)])
