"""Compiling a function that only other compiled functions call."""

from collections.abc import Callable
from typing import Any

from numba import njit


def inner(function: Callable[..., Any]) -> Any:
    """``njit(cache=True)`` without the ways in from Python and from C, which take a quarter of the time to compile."""
    return njit(function, cache=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def laid_in(function: Any) -> Any:
    """The function, or a copy of an ``inner`` one, as part of each caller's own code: no call, nothing passed in memory.

    For the path of a plain order and nothing else: what few orders do would be compiled once for each of its callers. Numba
    keeps its code with the callers', so there is nothing to cache.
    """
    return njit(plain(function), forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def plain(function: Any) -> Any:
    """The function as Python runs it: for a question now and then, which nobody should wait for to be compiled."""
    return getattr(function, "py_func", function)
